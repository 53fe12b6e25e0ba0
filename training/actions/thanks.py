"""Thanks: what a language gained since the group that answers in it began, said only if it is so.

The version that served when the group's first answers were learned is held against the one that
serves now, on the same gate gold, item by item. It is what came of everything that happened in
between, other languages' answers too: credit for the group, and no claim of what caused it.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from django.utils.translation import gettext as _

from annotation.actions.judging import judging
from annotation.methods.charts import Estimate
from annotation.models import Annotation, Campaign, CampaignLanguage, GateMetric, GoldItem
from learning.actions.serving import serving_version
from learning.methods import metrics
from learning.models import ModelVersion
from training.actions.comparisons import changed
from training.actions.evaluation import Gold, gold_of
from training.actions.lineage import answers_of
from training.actions.shapes import counted
from training.methods.findings import Answers
from training.methods.paired import discordance, tango_interval
from training.methods.resampling import f1_difference, resample
from training.models import DataSnapshot, Evaluation, LearnedAnswer

# Below this an interval says nothing that anybody should be told.
FEWEST_ITEMS = 30
# For a page, which somebody waits for.
DRAWS = 999


class Change(StrEnum):
    """What may be said of a language."""

    GAIN = "gain"
    LOSS = "loss"
    NONE = "none"
    """Measured, and the interval of the difference holds nought."""
    UNKNOWN = "unknown"
    """Nothing was learned yet, or the two were not measured on the same gold."""


@dataclass(frozen=True)
class Gain:
    """What became of one language of a campaign since its group began.

    ``before`` and ``after`` carry their own 95 % intervals, ``delta`` that of the paired difference,
    by which alone ``change`` is decided. ``answers`` of ``people`` are in what serves now.
    """

    home: CampaignLanguage
    change: Change = Change.UNKNOWN
    before: Estimate = field(default_factory=Estimate)
    after: Estimate = field(default_factory=Estimate)
    delta: Estimate = field(default_factory=Estimate)
    items: int = 0
    answers: int = 0
    people: int = 0
    metric: str = GateMetric.ACCURACY


def words_of(gain: Gain) -> str:
    """Say it in one or two sentences, for a page or a letter: numbers never without interval."""
    if gain.change is Change.UNKNOWN:
        return _("Not measured yet.") if gain.answers else _("Nothing has been learned here yet.")
    told = {
        "metric": GateMetric(gain.metric).label,
        "before": _number(gain.before.value),
        "after": _number(gain.after.value),
        "low": _number(gain.after.low),
        "high": _number(gain.after.high),
    }
    if gain.change is Change.GAIN:
        return (
            _(
                "The model has become better here since your group began: %(metric)s %(before)s →"
                " %(after)s (95 %%: %(low)s to %(high)s)."
            )
            % told
        )
    if gain.change is Change.LOSS:
        return (
            _(
                "The model has become worse here since your group began: %(metric)s %(before)s →"
                " %(after)s (95 %%: %(low)s to %(high)s). Those who lead the campaign see it too."
            )
            % told
        )
    return (
        _(
            "No measurable change yet since your group began: %(metric)s %(before)s → %(after)s"
            " (95 %%: %(low)s to %(high)s)."
        )
        % told
    )


def gains_of(homes: Sequence[CampaignLanguage]) -> list[Gain]:
    """Return what each of these languages of campaigns gained, in their order."""
    by_campaign: dict[int, list[CampaignLanguage]] = {}
    for home in homes:
        by_campaign.setdefault(home.campaign_id, []).append(home)
    found = {
        gain.home.pk: gain
        for together in by_campaign.values()
        for gain in _gains(together[0].campaign, together)
    }
    return [found[home.pk] for home in homes]


@judging()
def _gains(campaign: Campaign, homes: Sequence[CampaignLanguage]) -> list[Gain]:
    serving = serving_version(campaign)
    golds = {gold.language.pk: gold for gold in gold_of(campaign, split=GoldItem.Split.GATE)}
    return [_gain(home, serving=serving, gold=golds.get(home.language_id)) for home in homes]


def _gain(home: CampaignLanguage, *, serving: ModelVersion | None, gold: Gold | None) -> Gain:
    first = version_before(home)
    if serving is None:
        return Gain(home)
    learned = _learned(home, serving)
    told = Gain(home, answers=learned[0], people=learned[1])
    if first is None or gold is None or first.pk == serving.pk or not learned[0]:
        return told
    answers = [_answers(version, home) for version in (first, serving)]
    kept = [n for n, sample in enumerate(gold.samples) if all(str(sample) in a for a in answers)]
    if len(kept) < FEWEST_ITEMS:
        return told
    truth, groups = [gold.truth[n] for n in kept], [gold.groups[n] for n in kept]
    said = [
        gold.shape.answers(
            [found[str(gold.samples[n])] for n in kept], truth=truth, labels=len(gold.keys)
        )
        for found in answers
    ]
    return _compared(told, said, groups=groups, gold=gold)


def version_before(home: CampaignLanguage) -> ModelVersion | None:
    """Return what served when the first answers of the group were learned; none if none were."""
    own = Annotation.objects.filter(item__campaign_language=home)
    learned = LearnedAnswer.objects.filter(annotation__in=own).order_by()
    first = DataSnapshot.objects.filter(pk__in=learned.values("snapshot")).order_by("pk").first()
    if first is None:
        return None
    served = home.campaign.deployments.filter(created_at__lte=first.created_at)
    there = served.select_related("version").order_by("-number").first()
    return there.version if there else first.against


def _learned(home: CampaignLanguage, serving: ModelVersion) -> tuple[int, int]:
    """How many standing answers of how many people of the group are in what serves."""
    learned = answers_of(serving).values("annotation")
    held = Annotation.objects.answered().filter(item__campaign_language=home, pk__in=learned)
    return held.count(), held.order_by().values("annotator").distinct().count()


def _answers(version: ModelVersion, home: CampaignLanguage) -> Mapping[str, Sequence[float]]:
    """What a version said of each gold item on which it was ever measured; the newest word."""
    rows = Evaluation.objects.filter(
        version=version, language=home.language_id, split=GoldItem.Split.GATE
    )
    told: dict[str, Sequence[float]] = {}
    for answers in rows.order_by("created_at", "pk").values_list("answers", flat=True):
        told |= answers
    return told


def _compared(told: Gain, said: Sequence[Answers], *, groups: Sequence[str], gold: Gold) -> Gain:
    metric = told.home.campaign.gate_metric
    if metric == GateMetric.MACRO_F1:
        found = _by_f1(said, groups=groups, gold=gold)
    else:
        found = _by_accuracy(said)
    before, after, delta = found
    return replace(
        told,
        change=_change(delta),
        before=before,
        after=after,
        delta=delta,
        items=len(groups),
        metric=metric,
    )


def _by_accuracy(said: Sequence[Answers]) -> tuple[Estimate, ...]:
    right = [answers.right for answers in said]
    fixed, broken = discordance(*right)
    low, high = tango_interval(fixed, broken=broken, items=len(right[0]), level=0.95)
    ends = [metrics.accuracy(one) for one in right]
    delta = Estimate((fixed - broken) / len(right[0]), low, high)
    return *(Estimate(end.value, end.low, end.high) for end in ends), delta


def _by_f1(said: Sequence[Answers], *, groups: Sequence[str], gold: Gold) -> tuple[Estimate, ...]:
    # The draws depend on the gold alone, so that a page says the same whenever it is opened.
    seed = zlib.crc32(gold.digest.encode())
    tables = [counted(answers) for answers in said]
    ends = [
        metrics.counted_f1(table, rng=np.random.default_rng(seed), draws=DRAWS) for table in tables
    ]
    points = [Estimate(end.value, end.low, end.high) for end in ends]
    if not changed(*said):
        return *points, Estimate(0.0)
    rng = np.random.default_rng(seed)
    found = resample(f1_difference(*tables), groups=groups, rng=rng, draws=DRAWS)
    return *points, Estimate(found.value, found.bound(0.025), found.bound(0.975))


def _change(delta: Estimate) -> Change:
    if delta.low is not None and delta.low > 0:
        return Change.GAIN
    return Change.LOSS if delta.high is not None and delta.high < 0 else Change.NONE


def _number(value: float | None) -> str:
    """A number that keeps its order inside right-to-left text, on a page and in a letter."""
    return f"\u2066{value or 0:.2f}\u2069"
