"""Ratings: from grades 1 to 5 by several people to how good each text is, on one dimension.

One person's 3 is another's 4. Each rater's severity, use of the scale and reliability are
estimated together with the texts' quality (:mod:`annotation.methods.grading`), and severity may
drift from period to period: a random walk whose step is learned. Raters' numbers are pooled
(:mod:`annotation.methods.judgements`), so that a handful of ratings says little instead of
nonsense. A text's mean and interval are those of the grade that a typical rater would give; the
interval holds what the text's own ratings leave open and, by the delta method, what is unknown
of the raters. Texts and raters of different islands were never compared, not even through gold:
they stand on one scale only as far as texts and raters are alike everywhere.

Fit each dimension (coherence, style, ...) and language by itself: who is strict about style may
be lenient about culture. Who withdraws is left out, and the rest fitted again.

Shapes: A ratings, N texts, M raters, T periods, K grades.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtri

from annotation.methods.agreement import Agreement, agreement
from annotation.methods.grading import (
    GRID,
    USUAL_SLOPE,
    Grades,
    Likelihood,
    Seen,
    curve_of,
    mean_grade,
    spread_of,
)
from annotation.methods.judgements import (
    Floats,
    Ints,
    Peak,
    Pool,
    climb,
    islands,
    once_each,
    same_length,
    weighed,
    whole,
)

VERSION = "graded-raters-1"
GRADES = 5
LEVEL = 0.95
TOLERANCE = 1e-6
# Believed widths: severity, its drift from one period to the next, use of the scale, heed; and
# how far the common slope may be from the usual one.
SEVERITY, DRIFT, STRETCH, HEED, SLOPE = 0.3, 0.1, 0.2, 0.3, 0.5
# A known grade counts as that of a typical rater with a third of the usual noise.
SHARP = 3.0
UNKNOWN = 0


@dataclass(frozen=True)
class Ratings:
    """A ratings of N texts by M raters: columns of A numbers, and the sizes.

    ``period`` numbers the stretch of time of each rating from 0 (weeks, say; all in one where it
    is not given); ``weight`` says how much each counts; ``known`` (N) holds a text's adjudicated
    grade, or 0.
    """

    item: Ints
    rater: Ints
    rating: Ints
    items: int
    raters: int
    period: Ints
    weight: Floats
    known: Ints
    grades: int = GRADES

    @classmethod
    def of(  # noqa: PLR0913 - the columns of one table
        cls,
        item: npt.ArrayLike,
        rater: npt.ArrayLike,
        rating: npt.ArrayLike,
        *,
        items: int,
        raters: int,
        period: npt.ArrayLike | None = None,
        weight: npt.ArrayLike | None = None,
        known: npt.ArrayLike | None = None,
        grades: int = GRADES,
    ) -> "Ratings":
        """Check what comes in; an error names row, field and remedy.

        >>> Ratings.of([0], [0], [6], items=1, raters=1)
        Traceback (most recent call last):
        annotation.methods.judgements.JudgementError: Row 0, rating: 6 is not from 1 to 5. Give a whole grade from 1 to 5, or leave the row out.
        """
        scale = f"Give a whole grade from 1 to {grades}, or leave the row out."
        said = whole(rating, field="rating", low=1, high=grades, remedy=scale)
        texts = f"Number the texts from 0 to {items - 1}."
        what = whole(item, field="item", low=0, high=items - 1, remedy=texts)
        people = f"Number the raters from 0 to {raters - 1}."
        who = whole(rater, field="rater", low=0, high=raters - 1, remedy=people)
        weeks = np.zeros(len(said), np.int64) if period is None else period
        time = "Number the periods from 0, without leaving many out."
        when = whole(weeks, field="period", low=0, high=len(said), remedy=time)
        counts = weighed(weight, rows=len(said))
        same_length(rating=said, item=what, rater=who, period=when, weight=counts)
        gold = np.zeros(items, np.int64) if known is None else known
        truth = "Give a grade, or 0 for a text whose grade is not known."
        truths = whole(gold, field="known", low=UNKNOWN, high=grades, remedy=truth)
        same_length(item=np.arange(items), known=truths)
        once_each(what, rater=who)
        return cls(what, who, said, items, raters, when, counts, truths, grades)

    def without(self, rater: int) -> "Ratings":
        """Leave out one rater's ratings, as if they had never been given."""
        return self._kept(self.rater != rater)

    def _kept(self, kept: npt.NDArray[np.bool_]) -> "Ratings":
        columns = (self.item, self.rater, self.rating, self.period)
        item, rater, rating, period = (column[kept] for column in columns)
        return replace(
            self, item=item, rater=rater, rating=rating, period=period, weight=self.weight[kept]
        )


@dataclass(frozen=True)
class Fit:
    """What the ratings amount to.

    ``quality`` N x 3: the mean grade a typical rater would give, with its interval; ``chances``
    N x K: how probable each grade is from such a rater; ``severity`` M x 3: by how many grades a
    rater is below a typical one on the same texts; ``course`` M x T x 3: the same by period;
    ``change`` M x 3: the last period against the first; ``reliability`` M x 3: how much of the
    variance of what a rater sees in texts is quality (1 all, 0 none); ``stretch`` M x 3: above 1
    for who keeps to the middle of the scale, below for who likes its ends. Raters without
    ratings have NaN. ``item_island`` N, ``rater_island`` M: what is not joined cannot be
    compared.
    """

    quality: Floats
    chances: Floats
    severity: Floats
    course: Floats
    change: Floats
    reliability: Floats
    stretch: Floats
    thresholds: Floats
    item_island: Ints
    rater_island: Ints

    @property
    def islands(self) -> int:
        """How many parts with ratings no text, rater or known grade joins."""
        rated = self.rater_island[np.isfinite(self.severity[:, 0])]
        return len(np.unique(rated))

    def comparable(self, one: int, other: int) -> bool:
        """Whether two texts' qualities rest on raters that were compared."""
        return bool(self.item_island[one] == self.item_island[other])


def fit(ratings: Ratings, *, level: float = LEVEL) -> Fit:
    """Estimate the texts' quality and the raters' habits together.

    >>> told = Ratings.of([0, 0, 1, 1], [0, 1, 0, 1], [5, 4, 2, 1], items=2, raters=2)
    >>> found = fit(told)
    >>> bool(found.quality[0, 0] > found.quality[1, 0]), found.islands
    (True, 1)
    >>> bool(found.severity[1, 0] > found.severity[0, 0])  # the second gives less for the same
    True
    """
    told = ratings._kept(ratings.weight > 0)
    place = _Places.of(told)
    likelihood = Likelihood(_grades(told, place))
    start = np.zeros(place.size)
    start[: told.grades - 1] = ndtri(np.arange(1, told.grades) / told.grades)
    peak = climb(likelihood, start=start, pools=place.pools(), tolerance=TOLERANCE)
    item_island, rater_island = _islands(told)
    quality, chances = _texts(told, place, likelihood, peak, level=level)
    return Fit(
        quality,
        chances,
        *_raters(told, place, peak, level=level),
        peak.beta[: told.grades - 1],
        item_island,
        rater_island,
    )


def ordinal_agreement(ratings: Ratings, *, rng: np.random.Generator, least: int = 30) -> Agreement:
    """Say how far raters agree on ordered grades, with intervals, before any model.

    >>> told = Ratings.of([0, 0, 1, 1], [0, 1, 0, 1], [5, 4, 2, 1], items=2, raters=2)
    >>> found = ordinal_agreement(told, rng=np.random.default_rng(0), least=2)
    >>> round(found.alpha.value, 2), found.raw.value
    (0.7, 0.0)
    """
    return agreement(
        ratings.item,
        person=ratings.rater,
        label=ratings.rating - 1,
        labels=ratings.grades,
        rng=rng,
        ordinal=True,
        least=least,
    )


@dataclass(frozen=True)
class _Places:
    """Where each number stands among P: K - 1 thresholds, the common slope, then by rater.

    ``seen`` are the raters with ratings: heed and stretch of each, and a severity a period.
    """

    grades: int
    periods: int
    seen: Ints
    rater: Ints

    @classmethod
    def of(cls, told: Ratings) -> "_Places":
        seen, rater = np.unique(told.rater, return_inverse=True)
        return cls(told.grades, int(told.period.max(initial=0)) + 1, seen, np.asarray(rater))

    @property
    def size(self) -> int:
        return self.grades + len(self.seen) * (2 + self.periods)

    @property
    def heed(self) -> Ints:
        return self.grades + np.arange(len(self.seen))

    @property
    def stretch(self) -> Ints:
        return self.heed + len(self.seen)

    @property
    def severity(self) -> Ints:
        """Where severities stand, M' x T."""
        start = self.grades + 2 * len(self.seen)
        return start + np.arange(len(self.seen) * self.periods).reshape(-1, self.periods)

    def pools(self) -> list[Pool]:
        rows = np.eye(self.size)
        severe = rows[self.severity]
        steps = (severe[:, 1:] - severe[:, :-1]).reshape(-1, self.size)
        return [
            Pool(rows[[self.grades - 1]], SLOPE, belief=1e9),
            Pool(rows[self.heed], HEED),
            Pool(rows[self.stretch], STRETCH),
            Pool(severe.mean(axis=1), SEVERITY),
            Pool(steps, DRIFT),
        ]


def _grades(told: Ratings, place: _Places) -> Grades:
    """Ratings, known grades, and an imagined text of each grade, which keeps thresholds apart."""
    gold = np.flatnonzero(told.known)
    imagined = np.arange(1, told.grades + 1)
    grade = np.concatenate([told.rating, told.known[gold], imagined])
    item = np.concatenate([told.item, gold, told.items + imagined - 1])
    none, own = place.size, len(told.rating)
    places = np.full((len(grade), 6), none)
    places[:, 0] = np.where(grade < told.grades, grade - 1, none)
    places[:, 1] = np.where(grade > 1, grade - 2, none)
    places[:, 2] = told.grades - 1
    places[:own, 3] = place.heed[place.rater]
    places[:own, 4] = place.stretch[place.rater]
    places[:own, 5] = place.severity[place.rater, told.period]
    sharp = np.ones(len(grade))
    sharp[own : own + len(gold)] = SHARP
    weight = np.concatenate([told.weight, np.ones(len(grade) - own)])
    order = np.argsort(item, kind="stable")
    columns = (item[order], grade[order], places[order], sharp[order], weight[order])
    return Grades(*columns, told.items + told.grades, told.grades, place.size)


def _islands(told: Ratings) -> tuple[Ints, Ints]:
    """Number what ratings and known grades join: N texts, M raters."""
    gold = np.flatnonzero(told.known)
    anchor = told.items + told.raters
    one = np.concatenate([told.item, gold])
    other = np.concatenate([told.items + told.rater, np.full(len(gold), anchor)])
    found = islands(one, other, size=anchor + 1)
    return found[: told.items], found[told.items : anchor]


def _texts(
    told: Ratings, place: _Places, likelihood: Likelihood, peak: Peak, *, level: float
) -> tuple[Floats, Floats]:
    """Return quality N x 3 and the chances of grades N x K."""
    seen = likelihood.seen(peak.beta)
    chances, mean = _typical(peak.beta[: place.grades])
    posterior = seen.posterior[: told.items]
    quality = posterior @ mean
    own = posterior @ mean**2 - quality**2
    by = _by_parameters(told, place, likelihood.told, seen, mean=mean, peak=peak)
    variance = own + spread_of(by, peak.covariance) ** 2
    wider = np.sqrt(variance / np.maximum(own, 1e-12))
    low, high = _ends(posterior, wider, mean=mean, level=level)
    return np.stack([quality, low, high], axis=1), posterior @ chances


def _by_parameters(
    told: Ratings, place: _Places, grades: Grades, seen: Seen, *, mean: Floats, peak: Peak
) -> Floats:
    """Return how each text's mean grade moves with each of P numbers, N x P.

    Once through the posterior, by its covariance with the slope of the likelihood, and once
    through what a typical rater would say.
    """
    posterior = seen.posterior[grades.item]
    moved = np.einsum("afq,aq->af", seen.forms, posterior * (mean - (posterior @ mean)[:, None]))
    by: Floats = np.zeros((grades.items, place.size + 1))
    np.add.at(by, (grades.item[:, None], grades.places), np.einsum("apf,af->ap", seen.turns, moved))
    by = by[: told.items, : place.size]
    step = 1e-5
    for at, change in enumerate(np.eye(place.grades) * step):
        up, down = (_typical(peak.beta[: place.grades] + side * change)[1] for side in (1, -1))
        by[:, at] += seen.posterior[: told.items] @ (up - down) / (2 * step)
    return by


def _typical(beta: Floats) -> tuple[Floats, Floats]:
    """What a typical rater says along the grid, given thresholds and the common slope."""
    return curve_of(beta[:-1], float(np.exp(USUAL_SLOPE + beta[-1])))


def _ends(posterior: Floats, wider: Floats, *, mean: Floats, level: float) -> tuple[Floats, Floats]:
    """Return the grades between which quality lies, N each.

    The quantiles of the posterior along the grid, drawn apart from its median by ``wider`` (N).
    """
    below = posterior.cumsum(axis=1) - posterior / 2
    places = np.array([0.5, 0.5 - level / 2, 0.5 + level / 2])
    at = np.stack([np.interp(places, one, GRID) for one in below]).reshape(-1, 3)
    low, high = (at[:, 0] + wider * (at[:, end] - at[:, 0]) for end in (1, 2))
    return np.interp(low, GRID, mean), np.interp(high, GRID, mean)


def _raters(
    told: Ratings, place: _Places, peak: Peak, *, level: float
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return severity, its course and change, reliability and stretch of M raters."""
    reach = float(ndtri(0.5 + level / 2))
    value, by = _severities(place, peak)
    seen, rows = place.seen, np.eye(place.size)

    def spread(what: Floats, numbers: Floats) -> Floats:
        half = reach * spread_of(numbers, peak.covariance)
        found = np.full((told.raters, 3), np.nan)
        found[seen] = np.stack([what, what - half, what + half], axis=1)
        return found

    course = np.stack([spread(value[:, at], by[:, at]) for at in range(place.periods)], axis=1)
    slope = rows[place.heed] + rows[place.grades - 1]
    heed = spread(2 * (USUAL_SLOPE + slope @ peak.beta), 2 * slope)
    stretch = spread(peak.beta[place.stretch], rows[place.stretch])
    return (
        spread(value.mean(axis=1), by.mean(axis=1)),
        course,
        spread(value[:, -1] - value[:, 0], by[:, -1] - by[:, 0]),
        np.asarray(expit(heed)),
        np.exp(stretch),
    )


def _severities(place: _Places, peak: Peak) -> tuple[Floats, Floats]:
    """Return severities in grades, M' x T, and their slopes by P numbers, M' x T x P."""
    beta, last = peak.beta, place.grades - 1
    thresholds = beta[:last]
    usual, by_usual = mean_grade(thresholds[None])
    wide = np.exp(beta[place.stretch])
    value = np.empty((len(place.seen), place.periods))
    by = np.zeros((*value.shape, place.size))
    by[:, :, :last] += by_usual[0]
    own = np.arange(len(place.seen))
    for at in range(place.periods):
        shift = beta[place.severity[:, at]]
        bounds = wide[:, None] * thresholds + shift[:, None]
        given, by_bound = mean_grade(bounds)
        value[:, at] = usual[0] - given
        by[:, at, :last] -= by_bound * wide[:, None]
        by[own, at, place.stretch] -= (by_bound * (bounds - shift[:, None])).sum(axis=1)
        by[own, at, place.severity[:, at]] -= by_bound.sum(axis=1)
    return value, by
