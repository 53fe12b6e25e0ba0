"""Selection: from a pool under one model version to the samples that are asked next.

Per language: an audit arm drawn uniformly at random from all distinct texts, then the most
uncertain of the rest. Ranks are taken inside the language only, so an over-confident language
neither gains nor loses a place. Copies of a text are asked once; what the pool lacks is told,
never padded. See :mod:`learning.methods.requests` for the shapes.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from learning.methods.acquisition import STRATEGIES, gap, lots, ranking
from learning.methods.probabilities import faults, softmax
from learning.methods.quotas import Quota, Standing, allot
from learning.methods.requests import (
    LanguageOutcome,
    LanguageState,
    Rejected,
    Selected,
    SelectionBatch,
    SelectionRequest,
    Slot,
)

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]


def select(request: SelectionRequest) -> SelectionBatch:
    """Choose the batch. A pure function of the request, whatever the order of its samples.

    >>> request = SelectionRequest(
    ...     item_ids=("a", "b", "c", "d"), language=[0, 0, 0, 0], languages=(LanguageState("wo"),),
    ...     labels=("yes", "no"), logits=[[3, 0], [0.1, 0], [2, 0], [9, 0]], batch=2, seed=1)
    >>> [(pick.item_id, pick.slot, round(pick.propensity, 2)) for pick in select(request).items]
    [('a', 'audit', 0.25), ('b', 'weight', 1.0)]
    """
    if request.strategy not in STRATEGIES:
        raise ValueError(f"no strategy {request.strategy!r}; there are {', '.join(STRATEGIES)}")
    rejected = _rejected(request)
    pools = _pools(request, rejected)
    quotas = allot(
        [_standing(pool) for pool in pools],
        batch=request.batch,
        policy=request.quota,
        seed=request.seed,
    )
    items: list[Selected] = []
    for pool, quota in zip(pools, quotas, strict=True):
        items += _picks(pool, quota, request)
    turn = dict(
        zip(
            (p.state.tag for p in pools),
            lots((p.state.tag for p in pools), seed=request.seed, purpose="turn"),
            strict=True,
        )
    )
    items.sort(key=lambda pick: (pick.rank, turn[pick.language]))
    shortfall = request.batch - len(items)
    return SelectionBatch(
        items=tuple(items),
        languages=tuple(_outcome(p, q) for p, q in zip(pools, quotas, strict=True)),
        shortfall=shortfall,
        shortfall_reasons=_reasons(pools, quotas) if shortfall else (),
        rejected=tuple(Rejected(name, rejected[name]) for name in sorted(rejected)),
        strategy=request.strategy,
        seed=request.seed,
        request_digest=request.digest,
        model_version=request.model_version,
    )


def propensities(uncertainty: Floats, *, audit: int, top: int) -> Floats:
    """Return, for ranks 1 to N, the probability over seeds that a sample is in the batch.

    ``uncertainty`` is sorted, highest first. The audit arm draws ``audit`` of N uniformly; the
    ``top`` first of the remaining follow. So a sample in the first ``top`` ranks is in for
    certain, however it came in; one so far down that even a full audit above it would not
    reach it is in with audit / N; in between it also comes in if enough of those before it
    were audited (a hypergeometric tail). Ties share the mean of their ranks, since their order
    is drawn by lot; with all tied that is (audit + top) / N, plain random sampling. The sum is
    the size of the batch, no value is 0 when audit is 1 or more, and the sum over the picks
    of f / (N propensity) is an unbiased estimate of the pool's mean of f (Horvitz & Thompson
    1952).

    >>> propensities(np.array([0.9, 0.5, 0.3, 0.2]), audit=1, top=1).round(4).tolist()
    [1.0, 0.5, 0.25, 0.25]
    >>> propensities(np.zeros(4), audit=1, top=1).tolist()
    [0.5, 0.5, 0.5, 0.5]
    """
    count = len(uncertainty)
    if audit >= count:
        return np.ones(count)
    top = min(top, count - audit)
    chance = np.full(count, audit / count)
    chance[:top] = 1.0
    for before in range(top, min(top + audit, count)):
        reached = _tail(count - 1, before, audit, before - top + 1)
        chance[before] += (1.0 - audit / count) * reached
    starts = np.flatnonzero(np.r_[True, np.diff(uncertainty) != 0])
    sizes = np.diff(np.r_[starts, count])
    sums = np.add.reduceat(chance, starts)
    return np.repeat(sums / sizes, sizes).round(12)


def _tail(population: int, marked: int, drawn: int, least: int) -> float:
    """P(at least ``least`` of the ``marked`` are among ``drawn`` of ``population``)."""
    ways = _log_choose(population, drawn)
    terms = [
        _log_choose(marked, k) + _log_choose(population - marked, drawn - k) - ways
        for k in range(least, min(marked, drawn) + 1)
        if drawn - k <= population - marked
    ]
    return min(1.0, math.fsum(map(math.exp, terms)))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


@dataclass(frozen=True, eq=False)
class _Pool:
    """One language's distinct texts: a representative, its probabilities and its copies."""

    state: LanguageState
    ids: tuple[str, ...]
    at: Positions
    probabilities: Floats
    copies: tuple[tuple[str, ...], ...]
    samples: int


@dataclass(frozen=True)
class _Draw:
    """One text on its way into the batch: where it lies in the pool, and how it came in."""

    at: int
    rank: int
    slot: Slot
    uncertainty: float
    percentile: float
    propensity: float


def _rejected(request: SelectionRequest) -> dict[str, str]:
    """Return the samples that cannot be asked, with the first reason that holds."""
    ids = request.item_ids
    reasons = faults(request.rows, ids=ids, probabilities=request.logits is None)
    if request.embeddings is not None:
        norms = np.linalg.norm(np.nan_to_num(request.embeddings), axis=1)
        reasons = {ids[i]: "zero_vector" for i in np.flatnonzero(norms == 0)} | reasons
        reasons = faults(request.embeddings, ids=ids) | reasons
    reasons = {name: "leased" for name in ids if name in request.leased} | reasons
    if request.dup_group:
        asked = [state.asked for state in request.languages]
        for name, group, home in zip(ids, request.dup_group, request.language, strict=True):
            if group in asked[home]:
                reasons.setdefault(name, "asked")
    return reasons


def _pools(request: SelectionRequest, rejected: dict[str, str]) -> list[_Pool]:
    """Collapse copies language by language; a copy of a leased sample is not asked either."""
    groups: list[dict[str, list[int]]] = [{} for _ in request.languages]
    away: set[tuple[int, str]] = set()
    for at in request.order.tolist():
        name, home = request.item_ids[at], int(request.language[at])
        group = request.dup_group[at] if request.dup_group else name
        if name not in rejected:
            groups[home].setdefault(group, []).append(at)
        elif rejected[name] == "leased":
            away.add((home, group))
    pools = []
    for home, state in enumerate(request.languages):
        mine = [sorted_ for group, sorted_ in groups[home].items() if (home, group) not in away]
        for group, members in groups[home].items():
            if (home, group) in away:
                rejected.update({request.item_ids[at]: "leased" for at in members})
        pools.append(_pool(request, state, mine))
    return sorted(pools, key=lambda pool: pool.state.tag)


def _pool(request: SelectionRequest, state: LanguageState, groups: list[list[int]]) -> _Pool:
    first = [_drawn_first(request, members) for members in groups]
    at = np.array([members[0] for members in first], dtype=np.intp)
    rows = request.rows[at]
    if request.logits is None:
        probabilities = rows / rows.sum(axis=1, keepdims=True)
    else:
        probabilities = softmax(rows, temperature=state.temperature)
    return _Pool(
        state=state,
        ids=tuple(request.item_ids[i] for i in at),
        at=at,
        probabilities=probabilities,
        copies=tuple(tuple(sorted(request.item_ids[i] for i in members[1:])) for members in first),
        samples=sum(map(len, groups)),
    )


def _drawn_first(request: SelectionRequest, members: list[int]) -> list[int]:
    """Put the member that stands for its group first, by lot."""
    if len(members) == 1:
        return members
    draw = lots((request.item_ids[at] for at in members), seed=request.seed, purpose="copies")
    return [members[i] for i in np.argsort(draw, kind="stable")]


def _standing(pool: _Pool) -> Standing:
    state = pool.state
    return Standing(
        tag=state.tag,
        samples=pool.samples,
        texts=len(pool.ids),
        capacity=state.capacity,
        debt=state.debt,
        owed=state.owed,
        audit_carry=state.audit_carry,
        slope=state.slope,
        cost=state.cost,
    )


def _picks(pool: _Pool, quota: Quota, request: SelectionRequest) -> list[Selected]:
    """Draw the audit arm, take the most uncertain of the rest, and mix the two in order."""
    uncertainty = STRATEGIES[request.strategy](pool.probabilities)
    ranked = ranking(uncertainty, ids=pool.ids, seed=request.seed)
    top = quota.got - quota.audit
    chance = np.empty(len(ranked))
    chance[ranked] = propensities(uncertainty[ranked], audit=quota.audit, top=top)
    audit_lots = lots(pool.ids, seed=request.seed, purpose="audit")
    audited = np.argsort(audit_lots, kind="stable")[: quota.audit]
    drawn = set(audited.tolist())
    best = [i for i in ranked[: quota.got].tolist() if i not in drawn][:top]
    slots = _slots(quota)
    mixed: list[tuple[int, Slot]] = list(zip(best, slots, strict=True))
    places = lots((pool.ids[i] for i in audited), seed=request.seed, purpose="place")
    for i, place in zip(audited.tolist(), places.tolist(), strict=True):
        mixed.insert(place % (len(mixed) + 1), (i, "audit"))
    less = np.searchsorted(np.sort(-uncertainty), -uncertainty, side="left")
    shares = less / max(len(ranked), 1)
    draws = [
        _Draw(i, rank, slot, float(uncertainty[i]), float(shares[i]), float(chance[i]))
        for rank, (i, slot) in enumerate(mixed, start=1)
    ]
    return [_selected(pool, quota, draw, request=request) for draw in draws]


def _slots(quota: Quota) -> list[Slot]:
    floor: list[Slot] = ["floor"] * quota.floor
    return floor + ["weight"] * quota.weight + ["debt"] * quota.paid_back


def _selected(pool: _Pool, quota: Quota, draw: _Draw, *, request: SelectionRequest) -> Selected:
    i, slot = draw.at, draw.slot
    row = pool.probabilities[i]
    doubt = np.argsort(-row, kind="stable")[:2]
    names = [request.labels[k] for k in doubt] + [""]
    margin = float(gap(row[None, :])[0])
    nearest, distance = _nearest(request, pool, i)
    return Selected(
        item_id=pool.ids[i],
        rank=draw.rank,
        language=pool.state.tag,
        strategy="random" if slot == "audit" else request.strategy,
        slot=slot,
        uncertainty=draw.uncertainty,
        percentile=draw.percentile,
        margin=margin,
        confidence=float(row[doubt[0]]),
        best_label=names[0],
        second_label=names[1],
        duplicates=pool.copies[i],
        propensity=draw.propensity,
        rationale=_rationale(pool, quota, draw, names=names, margin=margin),
        nearest_id=nearest,
        nearest_distance=distance,
    )


def _nearest(request: SelectionRequest, pool: _Pool, i: int) -> tuple[str, float | None]:
    """Return the known sample of the language nearest by cosine, and 1 minus the cosine."""
    known, homes = request.known_embeddings, request.known_language
    if request.embeddings is None or known is None or homes is None:
        return "", None
    here = np.flatnonzero(homes == request.language[pool.at[i]])
    here = here[np.linalg.norm(known[here], axis=1) > 0]
    if not len(here):
        return "", None
    point = request.embeddings[pool.at[i]]
    cosine = known[here] @ point / np.linalg.norm(point) / np.linalg.norm(known[here], axis=1)
    away = (1.0 - cosine).round(12)
    at = min(range(len(here)), key=lambda j: (away[j], request.known_ids[here[j]]))
    return request.known_ids[here[at]], float(away[at])


def _rationale(
    pool: _Pool, quota: Quota, draw: _Draw, *, names: Sequence[str], margin: float
) -> str:
    """Say in one sentence why the sample is asked; at most 300 characters."""
    why = f"{pool.state.tag}: {draw.rank} of {quota.got}; "
    if draw.slot == "audit":
        why += f"drawn at random from {len(pool.ids)} texts, so that quality can be measured"
    elif names[1]:
        why += f"torn between {names[0][:60]} and {names[1][:60]}, {100 * margin:.1f} points apart"
    else:
        why += f"sure of {names[0][:60]}, the only label"
    if draw.slot == "debt":
        why += "; makes up for earlier rounds"
    if pool.copies[draw.at]:
        why += f"; stands for {len(pool.copies[draw.at]) + 1} equal texts"
    return f"{why}."


def _outcome(pool: _Pool, quota: Quota) -> LanguageOutcome:
    return LanguageOutcome(
        language=quota.tag,
        target=quota.target,
        got=quota.got,
        audit=quota.audit,
        capped_by=quota.capped_by,
        samples=pool.samples,
        texts=len(pool.ids),
        debt_before=pool.state.debt,
        debt_after=quota.debt,
        owed_before=pool.state.owed,
        owed_after=quota.owed,
        audit_carry_after=quota.audit_carry,
    )


def _reasons(pools: Sequence[_Pool], quotas: Sequence[Quota]) -> tuple[str, ...]:
    """Name what the pool lacked, most frequent first."""
    if not pools:
        return ("no language",)
    found = Counter(quota.capped_by for quota in quotas if quota.capped_by)
    return tuple(name for name, _ in sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))
