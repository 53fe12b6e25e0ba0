"""Repeats: which answered samples are doubtful enough to be asked once more."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from django.db.models import Exists, OuterRef

from annotation.models import Annotation, Annotator, Campaign, CampaignLanguage, Item
from learning.actions.doubts import positions_mean_classes
from learning.methods.probabilities import softmax
from learning.methods.requests import Doubtful
from learning.models import Prediction, Temperature

# An answer that so many people have given differently is a matter of opinion, not of care.
MOST_ANSWERS = 4
CHUNK = 500

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Answers:
    """The newest answer of each person on each sample of a language."""

    samples: tuple[int, ...]
    people: tuple[int, ...]
    labels: tuple[int, ...]


def doubtful_answers(
    campaign: Campaign, languages: Sequence[CampaignLanguage], *, labels: Sequence[str]
) -> tuple[Doubtful, ...]:
    """Return what might be asked once more, with how much it is doubted; nothing if unwanted.

    Nothing of answers that are composed, either: how doubtful those are is a matter of classes.

    Each language is weighed by itself: a network that is good elsewhere must not outvote the
    speakers of a language it is bad in.
    """
    if not campaign.relabel_share or not positions_mean_classes(campaign):
        return ()
    return tuple(one for home in languages for one in _doubtful(home, labels=labels))


def _doubtful(home: CampaignLanguage, *, labels: Sequence[str]) -> list[Doubtful]:
    from learning.methods.relabelling import LanguageAnswers, active_lab  # SciPy

    answers = _answers(home, labels=labels)
    thought = _thought_before(home, samples=sorted(set(answers.samples)))
    rows = sorted(thought)
    place = {pk: at for at, pk in enumerate(rows)}
    kept = [at for at, pk in enumerate(answers.samples) if pk in place]
    if not kept:
        return []
    people = {pk: at for at, pk in enumerate(sorted({answers.people[at] for at in kept}))}
    found = active_lab(
        LanguageAnswers(
            item=[place[answers.samples[at]] for at in kept],
            person=[people[answers.people[at]] for at in kept],
            label=[answers.labels[at] for at in kept],
            probabilities=np.array([thought[pk] for pk in rows]),
        )
    )
    open_to_more = _may_be_asked_again(home, answers)
    best = np.argsort(-found.posterior, axis=1, kind="stable")[:, :2].tolist()
    return [
        Doubtful(
            item_id=str(pk),
            language=home.language.tag,
            doubt=float(1.0 - found.score[at]),
            best_label=labels[best[at][0]],
            second_label=labels[best[at][1]] if len(labels) > 1 else "",
        )
        for at, pk in enumerate(rows)
        if pk in open_to_more
    ]


def _answers(home: CampaignLanguage, *, labels: Sequence[str]) -> _Answers:
    position = {key: at for at, key in enumerate(labels)}
    rows = (
        Annotation.objects.answered()
        .filter(item__campaign_language=home, annotator__active=True, label__key__in=position)
        .exclude(item__kind__in=Item.EXAMINING)
        .order_by("desk_updated_at", "pk")
    )
    newest: dict[tuple[int, int], int] = {}
    for sample, person, key in rows.values_list("item__sample", "annotator", "label__key"):
        newest[sample, person] = position[key]
    ordered = sorted(newest)
    return _Answers(
        samples=tuple(sample for sample, _ in ordered),
        people=tuple(person for _, person in ordered),
        labels=tuple(newest[pair] for pair in ordered),
    )


def _thought_before(home: CampaignLanguage, *, samples: Sequence[int]) -> dict[int, Floats]:
    """Return what the version that chose each sample thought of it, before anybody answered."""
    heat = dict(
        Temperature.objects.filter(language=home.language_id).values_list("version", "value")
    )
    found: dict[int, Floats] = {}
    for start in range(0, len(samples), CHUNK):
        chose = Item.objects.filter(
            sample=OuterRef("sample"), pick__round__version=OuterRef("version")
        ).exclude(kind=Item.Kind.REPEAT)
        rows = Prediction.objects.filter(Exists(chose), sample__in=samples[start : start + CHUNK])
        for pk, version, logits in rows.values_list("sample_id", "version_id", "logits"):
            found[pk] = softmax([logits], temperature=heat.get(version, 1.0))[0]
    return found


def _may_be_asked_again(home: CampaignLanguage, answers: _Answers) -> set[int]:
    """Return samples that wait for nobody, are no matter of opinion, and somebody has not seen."""
    people = Annotator.objects.filter(language=home.language_id, active=True).count()
    most = min(MOST_ANSWERS, people)
    answered = Counter(answers.samples)
    # Counted as well: the desk may have put a repeat before the same person again.
    asked = Counter(
        Item.objects.filter(campaign_language=home)
        .exclude(state=Item.State.WITHDRAWN)
        .values_list("sample_id", flat=True)
    )
    waiting = set(
        Item.objects.open().filter(campaign_language=home).values_list("sample_id", flat=True)
    )
    return {pk for pk in answered if max(answered[pk], asked[pk]) < most} - waiting
