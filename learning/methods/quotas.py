"""Quotas: how many items each language gets, and what rounding and empty pools owe it.

A round's budget is shared out in real numbers first: a floor for everybody, the rest by weight
(equal until learning curves have a slope: weighting by the level of the error would pay for
noise that no label can remove), no language above its cap, and what a cap denies flows to the
others (water-filling). Only then are the shares made whole, by Tijdeman's rule for the
*chairman assignment problem* (1980): items go out one by one, each to the language whose debt
would soonest grow too large. With steady shares no language is ever a whole item away from
what it was due, over any number of rounds; no rule can promise that for shares that jump about.

Two things are carried per language: ``debt``, what rounding took, in (-1, 1); and ``owed``,
what an empty pool or a lack of speakers denied it, repaid when it can be, and bounded.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from learning.methods.lots import lots

Floats = npt.NDArray[np.float64]
NEARLY = 1e-9


@dataclass(frozen=True)
class QuotaPolicy:
    """The knobs of the quota; ``slope_trust`` is lambda, 0 until three rounds have slopes."""

    floor: int = 0
    audit_share: float = 0.10
    slope_trust: float = 0.0
    cost_exponent: float = 0.0
    owed_rounds: float = 2.0
    audit_every: int = 4

    def __post_init__(self) -> None:
        """Refuse what would break a promise."""
        if self.floor < 0 or self.owed_rounds < 0 or self.audit_every < 1:
            raise ValueError("floor and owed_rounds cannot be negative, audit_every is 1 or more")
        if not 0.1 <= self.audit_share <= 1.0:
            raise ValueError("audit_share must lie between 0.1 and 1")
        if not 0.0 <= self.slope_trust <= 0.5 or not 0.0 <= self.cost_exponent <= 1.0:
            raise ValueError("slope_trust lies in [0, 0.5], cost_exponent in [0, 1]")


@dataclass(frozen=True)
class Standing:
    """Where a language stands before the round.

    ``samples`` could be asked, ``texts`` of them are distinct; ``capacity`` is how many items
    its speakers can take and ``limit`` how many it may get (None: any number); ``slope`` is the
    lower bound of what one more label gains (None: not known yet); ``cost`` is relative.
    """

    tag: str
    samples: int
    texts: int
    capacity: int | None = None
    debt: float = 0.0
    owed: float = 0.0
    audit_carry: float = 0.0
    slope: float | None = None
    cost: float = 1.0
    limit: int | None = None

    def __post_init__(self) -> None:
        """Refuse a ledger that cannot be."""
        numbers = (self.debt, self.owed, self.audit_carry, self.cost, self.slope or 0.0)
        if not all(map(math.isfinite, numbers)) or self.owed < 0 or self.cost <= 0:
            raise ValueError(f"the standing of {self.tag} holds an impossible number")
        least = min(self.capacity or 0, self.limit or 0)
        if not 0 <= self.texts <= self.samples or least < 0:
            raise ValueError(f"the pool of {self.tag} holds an impossible number")

    @property
    def cap(self) -> int:
        """The most items the language can take now."""
        bounds = (self.texts, self.capacity, self.limit)
        return min(bound for bound in bounds if bound is not None)


@dataclass(frozen=True)
class Quota:
    """What a language is due in this round, what it gets, and what is carried on.

    ``target`` is real and leaves carried rounding out; ``got`` is made of the four slots.
    ``capped_by`` is ``pool``, ``duplicates``, ``annotators``, ``limit`` or empty.
    """

    tag: str
    target: float
    got: int
    audit: int
    floor: int
    weight: int
    paid_back: int
    capped_by: str
    debt: float
    owed: float
    audit_carry: float


def allot(
    standings: Sequence[Standing], *, batch: int, policy: QuotaPolicy, seed: int = 0
) -> tuple[Quota, ...]:
    """Share ``batch`` items out among languages; the answer is in order of tag.

    The sum is ``batch`` or, if the caps do not allow it, all that they allow.

    >>> wolof, quechua = Standing("wo", samples=100, texts=100), Standing("qu", samples=2, texts=2)
    >>> [(q.tag, q.got, q.capped_by) for q in allot([wolof, quechua], batch=10, policy=QuotaPolicy())]
    [('qu', 2, 'pool'), ('wo', 8, '')]
    """
    ordered = sorted(standings, key=lambda s: s.tag)
    if batch < 0 or len({s.tag for s in ordered}) != len(ordered):
        raise ValueError("a batch cannot be negative, nor a language stand twice")
    if not ordered:
        return ()
    caps = np.array([s.cap for s in ordered], dtype=np.float64)
    total = int(min(batch, caps.sum()))
    floors = np.minimum(policy.floor, caps)
    if floors.sum() > total:
        floors = np.zeros(len(ordered))
    due = fair_shares(ordered, batch=batch, policy=policy)
    wanted = due + np.array([s.owed for s in ordered])
    targets = fill(total, floors=floors, wanted=wanted, caps=caps)
    debts = np.array([s.debt for s in ordered])
    order = np.argsort(lots([s.tag for s in ordered], seed=seed, purpose="quota"))
    extra, lag = make_whole(targets - floors, room=caps - floors, debts=debts, order=order)
    return tuple(
        _quota(s, policy=policy, due=float(d), target=float(t), got=int(g), debt=float(b))
        for s, d, t, g, b in zip(ordered, due, targets, floors + extra, lag, strict=True)
    )


def fair_shares(standings: Sequence[Standing], *, batch: int, policy: QuotaPolicy) -> Floats:
    """Return what each language is due if pools were endless; the sum is ``batch``.

    floor + (B - sum of floors) w / sum w, with w = ((1 - lambda) / L + lambda s) / cost ^ beta
    and s the language's part of all positive slopes.

    >>> two = [Standing("a", 9, 9), Standing("b", 9, 9, cost=2.0)]
    >>> fair_shares(two, batch=6, policy=QuotaPolicy(cost_exponent=1.0)).tolist()
    [4.0, 2.0]
    """
    count = len(standings)
    slopes = np.array([max(s.slope or 0.0, 0.0) for s in standings])
    known = all(s.slope is not None for s in standings) and slopes.sum() > 0
    trust = policy.slope_trust if known else 0.0
    weights = np.full(count, (1.0 - trust) / count)
    if trust:
        weights += trust * slopes / slopes.sum()
    weights /= np.array([s.cost for s in standings]) ** policy.cost_exponent
    floor = policy.floor if policy.floor * count <= batch else 0
    return np.asarray(floor + (batch - floor * count) * weights / weights.sum())


def fill(total: int, *, floors: Floats, wanted: Floats, caps: Floats) -> Floats:
    """Pour ``total`` over the floors in proportion to what is wanted above them, up to the caps.

    >>> fill(10, floors=np.zeros(2), wanted=np.array([5.0, 5.0]), caps=np.array([2.0, 99.0])).tolist()
    [2.0, 8.0]
    """
    level = floors.astype(np.float64).copy()
    thirst = np.maximum(wanted - floors, 0.0)
    left = total - level.sum()
    while left > NEARLY:
        open_ = caps - level > NEARLY
        if not (thirst * open_).any():
            thirst = np.ones(len(level))
        part = thirst * open_
        pour = np.minimum(left * part / part.sum(), caps - level)
        level += pour
        left -= pour.sum()
    return np.minimum(level, caps)


def make_whole(
    shares: Floats, *, room: Floats, debts: Floats, order: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Turn real shares with a whole sum into whole numbers, and return the debts that remain.

    Ties go to whoever comes first in ``order``.

    >>> first = np.arange(2)
    >>> one, debt = make_whole(np.array([0.5, 0.5]), room=np.ones(2), debts=np.zeros(2), order=first)
    >>> one.tolist(), debt.tolist()
    ([1, 0], [-0.5, 0.5])
    >>> make_whole(np.array([0.5, 0.5]), room=np.ones(2), debts=debt, order=first)[0].tolist()
    [0, 1]
    """
    steps, count = round(float(shares.sum())), len(shares)
    got = np.zeros(count, dtype=np.int64)
    if not steps:
        return got, debts.copy()
    rates, space = shares[order] / steps, np.floor(room[order] + 0.5).astype(np.int64)
    lag, mine = debts[order].astype(np.float64), got[order]
    slack = 1.0 / (2 * count - 2) if count > 1 else 0.0
    for _ in range(steps):
        lag += rates
        ripe = (mine < space) & (lag >= slack - NEARLY) & (rates > 0)
        if ripe.any():
            wait = np.where(ripe, (1.0 - slack - lag) / np.where(rates > 0, rates, 1.0), np.inf)
            winner = int(wait.round(9).argmin())
        else:
            winner = int(np.where(mine < space, lag, -np.inf).round(9).argmax())
        mine[winner] += 1
        lag[winner] -= 1.0
    got[order] = mine
    after = np.empty(count)
    after[order] = lag
    return got, after


def audit_items(got: int, *, policy: QuotaPolicy, carry: float) -> tuple[int, float]:
    """Return how many of a language's items are drawn at random, and the carry for next time.

    Rounded up, so that the share is never missed. A language with fewer than ``audit_every``
    items would then be asked at random only; it saves up instead, for one at least in as many
    rounds.

    >>> audit_items(20, policy=QuotaPolicy(), carry=0.0), audit_items(5, policy=QuotaPolicy(), carry=0.0)
    ((2, 0.0), (1, 0.0))
    >>> carry, drawn = 0.0, []
    >>> for _ in range(8):
    ...     count, carry = audit_items(1, policy=QuotaPolicy(), carry=carry)
    ...     drawn.append(count)
    >>> drawn
    [1, 0, 0, 0, 1, 0, 0, 0]
    """
    if not got:
        return 0, carry
    if got >= policy.audit_every:
        return min(got, math.ceil(policy.audit_share * got - NEARLY)), carry
    due = carry + max(policy.audit_share * got, 1.0 / policy.audit_every)
    count = min(got, max(0, math.ceil(due - NEARLY)))
    return count, max(due - count, -1.0)


def _quota(
    standing: Standing, *, policy: QuotaPolicy, due: float, target: float, got: int, debt: float
) -> Quota:
    audit, carry = audit_items(got, policy=policy, carry=standing.audit_carry)
    asked = got - audit
    repaid = min(standing.owed, max(0.0, target - due))
    floor = min(policy.floor, asked)
    paid_back = min(asked - floor, max(0, got - math.ceil(target - repaid - NEARLY)))
    capped = target >= standing.cap - NEARLY and due + standing.owed > target + NEARLY
    if capped:
        owed = min(due + standing.owed - target, policy.owed_rounds * due)
    else:
        owed = standing.owed - repaid
    return Quota(
        tag=standing.tag,
        target=target,
        got=got,
        audit=audit,
        floor=floor,
        weight=asked - floor - paid_back,
        paid_back=paid_back,
        capped_by=_capped_by(standing, due + standing.owed) if capped else "",
        debt=debt,
        owed=max(0.0, owed),
        audit_carry=carry,
    )


def _capped_by(standing: Standing, wanted: float) -> str:
    if standing.capacity == standing.cap < standing.texts:
        return "annotators"
    if standing.limit == standing.cap < standing.texts:
        return "limit"
    return "duplicates" if standing.samples >= wanted > standing.texts else "pool"
