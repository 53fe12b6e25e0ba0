"""Measuring two versions side by side: what a worker or a command does before they are compared."""

import time
from collections.abc import Callable, Sequence

from annotation.models import GoldItem
from learning.actions.identities import size_of
from learning.models import ModelVersion
from training.actions.comparisons import Comparison, Side, check_two, compared
from training.actions.evaluation import evaluate, gold_of

# Texts by which speed is measured, and how often; the median counts.
SPEED_TEXTS = 256
SPEED_TURNS = 3
Clock = Callable[[], float]


def compare(a: ModelVersion, b: ModelVersion, *, clock: Clock | None = None) -> Comparison:
    """Measure both on the gold of today, where that is not done, and compare; with a clock, time them."""
    check_two(a, b)
    for version in (a, b):
        evaluate(version, campaign=a.campaign)
    speeds = _speeds((a, b), clock=clock) if clock else (None, None)
    return compared(Side(a, size_of(a), speeds[0]), Side(b, size_of(b), speeds[1]))


def _speeds(versions: Sequence[ModelVersion], *, clock: Clock) -> tuple[float | None, ...]:
    """Time both on the same texts in turn, so that a busy machine is as unfair to one as to the other."""
    from learning.inference import logits_of

    golds = gold_of(versions[0].campaign, split=GoldItem.Split.GATE)
    pairs = [(text, gold.language.tag) for gold in golds for text in gold.texts][:SPEED_TEXTS]
    if not pairs:
        return (None,) * len(versions)
    texts, tags = [text for text, _ in pairs], [tag for _, tag in pairs]
    taken: dict[int, list[float]] = {version.pk: [] for version in versions}
    for turn in range(SPEED_TURNS + 1):
        for version in versions:
            begun = clock()
            logits_of(version, texts=texts, languages=tags)
            if turn:  # the first one opens the network
                taken[version.pk].append(clock() - begun)
    return tuple(
        round(len(pairs) / max(sorted(taken[version.pk])[SPEED_TURNS // 2], 1e-9), 1)
        for version in versions
    )


def process_clock() -> float:
    """The processor's seconds of this process: honest on a machine that others use too."""
    return time.process_time()
