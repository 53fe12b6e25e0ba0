"""What came of the demo, as a table: bought, before, after, and what the gate said."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from django.db.models import Count

from annotation.models import Campaign, GoldItem, Item
from learning.models import ModelVersion
from training.models import Evaluation, GateCheck, GateRun, Verdict

DRAWS = 1000
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Metric:
    """A macro-F1 with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]".replace("0.", ".")


@dataclass(frozen=True)
class LanguageOutcome:
    """What one language gave and got."""

    tag: str
    name: str
    labels: int
    before: Metric | None
    after: Metric | None
    verdict: str
    why: str


@dataclass(frozen=True)
class Outcome:
    """The languages, their mean, what waits for a gate to pass it, and each round's gate."""

    languages: tuple[LanguageOutcome, ...]
    before: Metric
    after: Metric
    gain: Metric
    waiting: Metric | None
    gates: tuple[GateRun, ...]


def outcome_of(campaign: Campaign) -> Outcome:
    """Compare the first version with the one that serves now, on the same gold."""
    deployments = list(campaign.deployments.select_related("version").order_by("number"))
    first, last = deployments[0].version, deployments[-1].version
    gates = tuple(
        GateRun.objects.filter(run__campaign=campaign)
        .select_related("run__round", "candidate")
        .prefetch_related("checks__language")
        .order_by("created_at")
    )
    checks = {check.language_id: check for check in gates[-1].checks.all()} if gates else {}
    before, after = _evaluations(first), _evaluations(last)
    bought = _bought(campaign)
    languages = tuple(
        LanguageOutcome(
            tag=home.language.tag,
            name=home.language.name,
            labels=bought.get(home.pk, 0),
            before=_metric(before.get(home.language_id)),
            after=_metric(after.get(home.language_id)),
            verdict=checks[home.language_id].verdict if home.language_id in checks else "-",
            why=_why(checks.get(home.language_id)),
        )
        for home in campaign.languages.select_related("language")
    )
    means = _mean_metrics(campaign, [before, after])
    waiting = None
    if gates and gates[-1].candidate_id != last.pk:
        waiting = _mean_metrics(campaign, [_evaluations(gates[-1].candidate)])[0]
    return Outcome(languages, means[0], means[1], means[2], waiting, gates)


def render(outcome: Outcome) -> str:
    """Write the outcome as plain text, one language a line."""
    names = [f"{one.tag} {one.name}" for one in outcome.languages]
    width = max(len(name) for name in names)
    lines = [
        f"{'language':<{width}}  labels  macro-F1 before    macro-F1 after     last gate",
    ]
    for name, one in zip(names, outcome.languages, strict=True):
        lines.append(
            f"{name:<{width}}  {one.labels:>6}  {one.before or '-'!s:<17}  {one.after or '-'!s:<17}"
            f"  {one.verdict:<5} {one.why}"
        )
    labels = sum(one.labels for one in outcome.languages)
    lines.append(
        f"{'mean over languages':<{width}}  {labels:>6}  {outcome.before!s:<17}  "
        f"{outcome.after!s:<17}  gain {outcome.gain}"
    )
    if outcome.waiting:
        lines.append(f"The newest candidate, not serving: {outcome.waiting}.")
    lines.append("")
    lines += [_gate_line(gate) for gate in outcome.gates]
    lines.append(
        "Intervals are 95 %; the mean's resample messages, each with all its translations."
    )
    return "\n".join(lines)


def _gate_line(gate: GateRun) -> str:
    number = gate.run.round.number if gate.run.round else "-"
    held = [check.language.tag for check in gate.checks.all() if check.verdict != Verdict.PASS]
    languages = gate.checks.count()
    said = f"; not shown yet in {', '.join(held)}" if held else ""
    return (
        f"Gate of round {number}: {gate.verdict}. {languages - len(held)} of {languages} languages"
        f" are shown not to lose{said}."
    )


def _bought(campaign: Campaign) -> dict[int, int]:
    """Answered items that were not gold, by campaign language."""
    items = Item.objects.filter(
        campaign_language__campaign=campaign, annotations__state="answered"
    ).exclude(kind__in=Item.EXAMINING)
    counted = items.order_by().values_list("campaign_language")
    return dict(counted.annotate(Count("pk", distinct=True)))


def _evaluations(version: ModelVersion) -> dict[int, Evaluation]:
    rows = version.evaluations.filter(split=GoldItem.Split.GATE).order_by("created_at")
    return {row.language_id: row for row in rows}


def _metric(evaluation: Evaluation | None) -> Metric | None:
    if evaluation is None or evaluation.macro_f1 is None:
        return None
    low, high = evaluation.macro_f1_low, evaluation.macro_f1_high
    return Metric(evaluation.macro_f1, low or 0.0, 1.0 if high is None else high)


def _why(check: GateCheck | None) -> str:
    if check is None:
        return "no gate has judged it yet"
    numbers = (
        f"accuracy {100 * check.delta:+.1f} points [{100 * check.delta_low:+.1f}, "
        f"{100 * check.delta_high:+.1f}], {check.fixed} mended, {check.broken} broken"
    )
    if check.items_missing:
        return f"{numbers}; {check.items_missing} gold items missing"
    return numbers


def _mean_metrics(
    campaign: Campaign, versions: Sequence[dict[int, Evaluation]]
) -> tuple[Metric, ...]:
    """Mean macro-F1 of each version and of the gain, messages resampled with all translations."""
    tables = np.stack([_tables(campaign, evaluations) for evaluations in versions])
    rng = np.random.default_rng(campaign.seed)
    groups = tables.shape[1]
    draws = rng.multinomial(groups, np.full(groups, 1.0 / groups), size=DRAWS)
    weights = np.concatenate([np.ones((1, groups)), draws])
    means = np.stack([_mean_macro_f1(weights, table) for table in tables])
    return tuple(_interval(row) for row in (*means, means[-1] - means[0]))


def _interval(row: Floats) -> Metric:
    low, high = np.quantile(row[1:], (0.025, 0.975))
    return Metric(float(row[0]), float(low), float(high))


def _tables(campaign: Campaign, evaluations: dict[int, Evaluation]) -> Floats:
    """Groups x languages x K x K: how often each truth was called what."""
    gold = {
        pk: (group or str(pk), language, truth)
        for pk, group, language, truth in GoldItem.objects.filter(
            sample__campaign=campaign, split=GoldItem.Split.GATE
        ).values_list("sample_id", "sample__group", "sample__language", "label__position")
    }
    groups = {name: place for place, name in enumerate(sorted({one[0] for one in gold.values()}))}
    languages = {pk: place for place, pk in enumerate(sorted({one[1] for one in gold.values()}))}
    size = campaign.labels.count()
    tables = np.zeros((len(groups), len(languages), size, size))
    for evaluation in evaluations.values():
        for sample, answer in evaluation.answers.items():
            if int(sample) in gold:
                group, language, truth = gold[int(sample)]
                tables[groups[group], languages[language], truth, int(answer[0])] += 1
    return tables


def _mean_macro_f1(weights: Floats, tables: Floats) -> Floats:
    """Draws x groups and groups x languages x K x K to one mean per draw.

    A class counts in a language if it occurs in its gold.
    """
    groups, languages, size, _ = tables.shape
    drawn = (weights @ tables.reshape(groups, -1)).reshape(-1, languages, size, size)
    right = np.diagonal(drawn, axis1=2, axis2=3)
    total = drawn.sum(axis=3) + drawn.sum(axis=2)
    f1 = np.divide(2 * right, total, out=np.zeros_like(right), where=total > 0)
    occurs = tables.sum(axis=(0, 3)) > 0
    per_language = (f1 * occurs).sum(axis=2) / np.maximum(occurs.sum(axis=1), 1)
    return np.asarray(per_language.mean(axis=1))
