"""Gold marks: what a training sample must not share with anything that examines."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from django.db.models import Q

from annotation.methods.grams import Grams
from annotation.methods.texts import GLUE, digest, parts_of
from annotation.models import Campaign, Item, Sample
from learning.actions.generators import JUDGING
from training.methods.leaks import Likeness
from training.models import RegressionCase

# A shorter half of a pair, such as a button's one word, says nothing of the other half.
TELLING = 20
# Of runs of three to five letters, by cosine: from there on a text would teach a case.
ALIKE = 0.8


@dataclass(frozen=True)
class GoldMarks:
    """What a training sample must not share with any gold item of its campaign."""

    samples: frozenset[int]
    digests: frozenset[str]
    groups: frozenset[str]
    likeness: Likeness = field(default_factory=lambda: Likeness(()))
    halves: frozenset[str] = frozenset()
    cases: Grams = field(default_factory=lambda: Grams(()))
    # Of cases of what writes: their sources, which are the half of a sample, however short.
    sources: frozenset[str] = frozenset()

    @classmethod
    def of(cls, campaign: Campaign) -> "GoldMarks":
        """Collect the marks of all that examines, now or once, and of what may become gold.

        That is all gold, for tuning and for judging, retired or not; every text that people were
        asked to make gold of, whatever they said; and the regression cases.
        """
        cases = RegressionCase.objects.filter(campaign=campaign)
        rows = list(cases.values_list("digest", "text"))
        marks = cls.made(_examining(campaign), cases=rows)
        # What says much the same as a case would teach the case; gold is held to its text alone.
        told = [part for _, text in rows if text for part in (text, *_long_parts(text))]
        sources: frozenset[str] = frozenset()
        if campaign.objective in JUDGING:
            sources = frozenset(row[0] for row in rows)
        return replace(marks, cases=Grams(told), sources=sources)

    @classmethod
    def binding(cls, campaign: Campaign) -> "GoldMarks":
        """Collect the marks of what no run may go on with: gold, and what may become gold.

        Regression cases are not among them. A case keeps its like out of the next snapshot, and a
        gate tells where a candidate learned it already; no run fails because a case was made.
        """
        return cls.made(_examining(campaign))

    @classmethod
    def present(cls, campaign: Campaign) -> "GoldMarks":
        """Collect the marks of the gold that counts now: what it meets makes a gate void."""
        gold = Sample.objects.filter(campaign=campaign, gold__isnull=False, gold__retired_at=None)
        return cls.made(gold.values_list("pk", "digest", "group", "text"))

    @classmethod
    def made(
        cls, rows: Iterable[tuple[int, str, str, str]], *, cases: Iterable[tuple[str, str]] = ()
    ) -> "GoldMarks":
        """Make marks of samples (id, digest, group, text) and of cases (digest, text)."""
        told, asked = list(rows), list(cases)
        texts = [*(row[3] for row in told), *(row[1] for row in asked)]
        return cls(
            frozenset(row[0] for row in told),
            frozenset([*(row[1] for row in told), *(row[0] for row in asked)]),
            frozenset(row[2] for row in told if row[2]),
            Likeness(texts),
            frozenset(half for text in texts for half in _halves(text)),
        )

    def near(self, sample: Sample) -> bool:
        """Tell whether the sample is gold, says (nearly) the same as gold, or translates it.

        Of a pair one half is enough: a premise that a model has learned stands with others too.
        """
        return (
            sample.pk in self.samples
            or sample.digest in self.digests
            or bool(sample.group and sample.group in self.groups)
            or self.likeness.like(sample.text)
            or not self.halves.isdisjoint(_halves(sample.text))
            or any(self.cases.like(text, threshold=ALIKE) for text in self._compared(sample.text))
            or not self.sources.isdisjoint(digest(one) for one in parts_of(sample.text))
        )

    def _compared(self, text: str) -> list[str]:
        """Return what of a sample is held against the cases: all of it, and its halves."""
        parts = parts_of(text) if self.sources else _long_parts(text)
        return [text, *parts]


def _halves(text: str) -> list[str]:
    """Digests of the texts of a pair that are long enough to be recognised; none of a single text."""
    return [digest(part) for part in _long_parts(text)]


def _long_parts(text: str) -> list[str]:
    """The texts of a pair that are long enough to be recognised; none of a single text."""
    if GLUE not in text:
        return []
    return [part for part in parts_of(text) if len(part) >= TELLING]


def _examining(campaign: Campaign) -> Iterable[tuple[int, str, str, str]]:
    examining = Q(gold__isnull=False) | Q(items__kind=Item.Kind.CANDIDATE)
    samples = Sample.objects.filter(examining, campaign=campaign).distinct()
    return samples.values_list("pk", "digest", "group", "text")
