"""Comparing: candidate, champion and anchors on the same gold, and on the regression cases."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db.models import Prefetch

from annotation.actions.choosing import label_for
from annotation.actions.judging import judging
from annotation.errors import TransientError, VernacularError
from annotation.models import Campaign, GateMetric, GoldItem, Label, Language
from learning.gateways.weights import open_weights
from learning.models import ModelVersion
from training.actions.case_versions import Terms, is_right, terms_of
from training.actions.cases import learned_cases
from training.actions.evaluation import Gold, answers_of, evaluate, gold_of
from training.actions.shapes import shape_of
from training.methods import gate as checks
from training.models import Evaluation, RegressionCase, TrainingRun

# So often gold may arrive while it is measured before the look waits for a quieter time.
MOST_MEASURES = 3

log = logging.getLogger(__name__)


class GoldMovedError(TransientError):
    """Gold arrived, or was corrected, each time while the versions were measured on it."""

    code = "gold_moved"


@dataclass(frozen=True)
class Compared:
    """What was compared: per language the answers, the gold, the anchor."""

    comparisons: list[checks.Comparison] = field(default_factory=list)
    golds: dict[str, Gold] = field(default_factory=dict)
    anchors: dict[str, ModelVersion] = field(default_factory=dict)


@dataclass(frozen=True)
class AskedCase:
    """A regression case with the answer that each version gave."""

    case: RegressionCase
    champion: Label
    candidate: Label
    champion_right: bool
    candidate_right: bool
    terms: Terms
    learned: bool = False

    def told(self) -> checks.Case:
        """The case as the gate wants to have it."""
        return checks.Case(
            self.case.language.tag,
            self.case.text,
            self.champion_right,
            self.candidate_right,
            self.learned,
            self.terms.grave,
            self.terms.disputed,
        )


@judging()
def compare(
    run: TrainingRun, *, candidate: ModelVersion, champion: ModelVersion, metric: str
) -> Compared:
    """Measure both versions, and each language's best ever released, on the gold as it is now.

    Gold that arrives meanwhile is no fault of the candidate: what was measured is measured again.
    """
    for _ in range(MOST_MEASURES):
        compared, moved = _compared(run, candidate=candidate, champion=champion, metric=metric)
        if not moved:
            return compared
        log.info("the gold of %s changed while run %s was judged", ", ".join(moved), run.pk)
    raise GoldMovedError(
        f"The gold of {', '.join(moved)} changed while it was measured, {MOST_MEASURES} times.",
        remedy="The candidate is judged when less of it comes in at once; nothing has to be done.",
    )


def _compared(
    run: TrainingRun, *, candidate: ModelVersion, champion: ModelVersion, metric: str
) -> tuple[Compared, list[str]]:
    """Return what was compared, and the languages whose gold was another one at the end."""
    golds = gold_of(run.campaign, split=GoldItem.Split.GATE)
    pinned = _anchors_before(run)
    anchors = {
        gold.language.tag: pinned[gold.language.pk]
        if gold.language.pk in pinned
        else anchor_of(run.campaign, gold.language, metric=metric)
        for gold in golds
    }
    versions = {candidate, champion} | {anchor for anchor in anchors.values() if anchor}
    found = {
        version.pk: {e.language_id: e for e in evaluate(version, campaign=run.campaign)}
        for version in versions
    }
    compared, moved = [], []
    for gold in golds:
        anchor = anchors[gold.language.tag]
        evaluations = [
            found[version.pk].get(gold.language.pk)
            for version in (champion, candidate, anchor)
            if version
        ]
        if any(e is None or e.gold_digest != gold.digest for e in evaluations) or (
            len({e.fitted_on for e in evaluations if e}) > 1
        ):
            moved.append(gold.language.tag)
            continue
        told = [answers_of(e, gold=gold) for e in evaluations if e is not None]
        compared.append(
            checks.Comparison(
                gold.language.tag,
                told[0],
                told[1],
                gold.groups,
                told[2] if anchor else None,
            )
        )
    there = {tag: anchor for tag, anchor in anchors.items() if anchor}
    return Compared(compared, {gold.language.tag: gold for gold in golds}, there), moved


@judging()
def ask_cases(
    campaign: Campaign, *, candidate: ModelVersion, champion: ModelVersion
) -> list[AskedCase]:
    """Put every active regression case of a language that takes part to both versions.

    A case whose text the candidate has learned, or nearly the same, is asked and told as such.
    """
    languages = campaign.languages.filter(active=True).values("language")
    found = list(
        RegressionCase.objects.filter(campaign=campaign, active=True, language__in=languages)
        .select_related("language", "campaign")
        .prefetch_related(Prefetch("expected", queryset=Label.everything.all()))
        .order_by("pk")
    )
    terms = terms_of(found)
    cases = [case for case in found if not terms[case.pk].written]
    if not cases:
        return []
    texts, tags = [case.text for case in cases], [case.language.tag for case in cases]
    said = [labels_said(version, texts=texts, tags=tags) for version in (champion, candidate)]
    learned = learned_cases(cases, candidate=candidate)
    asked = []
    for case, old, new in zip(cases, *said, strict=True):
        keys = [label.key for label in case.expected.all()]
        was, now = (is_right(terms[case.pk], case=case, said=one, right=keys) for one in (old, new))
        asked.append(AskedCase(case, old, new, was, now, terms[case.pk], case.pk in learned))
    return asked


def labels_said(version: ModelVersion, *, texts: Sequence[str], tags: Sequence[str]) -> list[Label]:
    """Return what a version answers to each text, composed answers too, as the campaign's labels."""
    if not texts:
        return []
    from learning.inference import logits_of  # torch is for workers only

    campaign = version.campaign
    shape = shape_of(campaign)
    keys = list(campaign.labels.order_by("position").values_list("key", flat=True))
    ask = partial(logits_of, version)
    codes = shape.said(shape.read(ask, texts=texts, languages=list(tags)))
    known: dict[Any, Label] = {}
    for code in codes:
        if code not in known:
            known[code] = label_for(campaign, answer=shape.answer(code, keys=keys))
    return [known[code] for code in codes]


def _anchors_before(run: TrainingRun) -> dict[int, ModelVersion | None]:
    """Return by language what the first look held the candidate against, also where that is none.

    A later look keeps to it, as to all other terms; only weights that cannot be read any more
    leave the place to the best of those that can.
    """
    first = run.gates.order_by("look").first()
    checks_then = first.checks.select_related("anchor") if first else ()
    return {
        check.language_id: check.anchor
        for check in checks_then
        if check.anchor is None or _is_whole(check.anchor)
    }


def anchor_of(campaign: Campaign, language: Language, *, metric: str) -> ModelVersion | None:
    """Return the best version ever released in a language, as it was last measured.

    The best is by what the gate goes by, macro-F1 or accuracy.
    """
    released = campaign.deployments.values_list("version", flat=True)
    latest: dict[int, Evaluation] = {}
    for evaluation in Evaluation.objects.filter(
        version__in=released, language=language, split=GoldItem.Split.GATE, items__gt=0
    ).order_by("created_at", "pk"):
        latest[evaluation.version_id] = evaluation
    field = "macro_f1" if metric == GateMetric.MACRO_F1 else "accuracy"
    best_first = sorted(
        latest.values(), key=lambda e: (getattr(e, field) or 0, e.version_id), reverse=True
    )
    versions = (ModelVersion.objects.get(pk=each.version_id) for each in best_first)
    return next((version for version in versions if _is_whole(version)), None)


def _is_whole(version: ModelVersion) -> bool:
    """Tell whether an old version can still be measured; its weights may have been pruned.

    A storage that is away for now says nothing about that: the look waits for it.
    """
    try:
        open_weights(version.path, digest=version.digest)
    except TransientError:
        raise
    except VernacularError as error:
        log.warning("%s is no anchor any more: %s", version, error)
        return False
    return True
