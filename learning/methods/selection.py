"""Selection: from a pool under one model version to the samples that are asked next.

Per language: the strategy puts the distinct texts in order, an audit arm is drawn uniformly at
random from all of them, then the first of the rest are taken. Ranks are taken inside the
language only, so an over-confident language neither gains nor loses a place. Copies of a text
are asked once; what the pool lacks is told, never padded. See :mod:`learning.methods.requests`
and :mod:`learning.methods.batches` for the shapes, :mod:`learning.methods.strategies` for names.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from learning.methods.batches import LanguageOutcome, Selected, SelectionBatch, Slot
from learning.methods.candidates import Pool, candidates
from learning.methods.lots import lots
from learning.methods.nearest import Nearest, nearest
from learning.methods.propensities import propensities_of
from learning.methods.quotas import Quota, allot
from learning.methods.rationale import Reasons, sentence
from learning.methods.requests import Doubtful, SelectionRequest
from learning.methods.strategies import Ranked, check_strategies, ranked


def select(request: SelectionRequest) -> SelectionBatch:
    """Choose the batch. A pure function of the request, whatever the order of its samples.

    >>> from learning.methods.requests import LanguageState
    >>> request = SelectionRequest(
    ...     item_ids=("a", "b", "c", "d"), language=[0, 0, 0, 0], languages=(LanguageState("wo"),),
    ...     labels=("yes", "no"), logits=[[3, 0], [0.1, 0], [2, 0], [9, 0]], batch=2, seed=1)
    >>> [(pick.item_id, pick.slot, round(pick.propensity, 2)) for pick in select(request).items]
    [('d', 'audit', 0.25), ('b', 'weight', 1.0)]
    """
    check_strategies(request)
    pools, rejected = candidates(request)
    quotas = allot(
        [pool.standing for pool in pools],
        batch=request.batch,
        policy=request.quota,
        seed=request.seed,
    )
    tags = [pool.state.tag for pool in pools]
    turn = dict(zip(tags, lots(tags, seed=request.seed, purpose="turn").tolist(), strict=True))
    again = {pool.state.tag: _again(pool, quota) for pool, quota in zip(pools, quotas, strict=True)}
    items = [
        pick
        for pool, quota in zip(pools, quotas, strict=True)
        for pick in _picks(pool, quota, again=again[pool.state.tag])
    ]
    items.sort(key=lambda pick: (pick.rank, turn[pick.language]))
    shortfall = request.batch - len(items)
    return SelectionBatch(
        items=tuple(items),
        languages=tuple(
            _outcome(pool, quota, relabel=len(again[quota.tag]))
            for pool, quota in zip(pools, quotas, strict=True)
        ),
        shortfall=shortfall,
        shortfall_reasons=_reasons(pools, quotas) if shortfall else (),
        rejected=rejected,
        strategy="mix" if request.mix else request.strategy,
        seed=request.seed,
        request_digest=request.digest,
        model_version=request.model_version,
    )


@dataclass(frozen=True)
class _Draw:
    """One text on its way into the batch: how it came in, and how probable that was."""

    text: int
    rank: int
    slot: Slot
    strategy: str
    uncertainty: float
    percentile: float
    propensity: float
    place: int


def _again(pool: Pool, quota: Quota) -> list[Doubtful]:
    """Return what is asked once more: its share of the language, paid by the weight alone."""
    request = pool.request
    mine = [one for one in request.relabel if one.language == pool.state.tag]
    drawn = lots((one.item_id for one in mine), seed=request.seed, purpose="relabel").tolist()
    order = sorted(range(len(mine)), key=lambda at: (-mine[at].doubt, drawn[at]))
    room = min(quota.weight, int(request.relabel_share * quota.got + 1e-9))
    return [mine[at] for at in order[:room]]


def _picks(pool: Pool, quota: Quota, *, again: Sequence[Doubtful]) -> list[Selected]:
    """Draw the audit arm, take the first of the rest, and strew both among what is asked again."""
    if not quota.got:
        return []
    top = quota.got - quota.audit - len(again)
    line = ranked(pool, count=top + quota.audit)
    audited = np.argsort(pool.lots("audit"), kind="stable")[: quota.audit]
    drawn = set(audited.tolist())
    first = zip(line.order[: top + quota.audit].tolist(), line.names, strict=False)
    best = [(text, name) for text, name in first if text not in drawn][:top]
    mixed: list[tuple[int | Doubtful, Slot, str]] = [
        (text, slot, name) for (text, name), slot in zip(best, _slots(quota), strict=False)
    ]
    places = pool.lots("place")[audited].tolist()
    for text, place in zip(audited.tolist(), places, strict=True):
        mixed.insert(place % (len(mixed) + 1), (text, "audit", "random"))
    drawn_lots = lots((a.item_id for a in again), seed=pool.request.seed, purpose="place").tolist()
    for one, place in zip(again, drawn_lots, strict=True):
        mixed.insert(place % (len(mixed) + 1), (one, "relabel", "relabel"))
    texts = [text for text, _, _ in mixed if not isinstance(text, Doubtful)]
    told = dict(zip(texts, _numbers(pool, line, texts=texts, quota=quota, top=top), strict=True))
    near = _near(pool, texts=texts)
    place = {text: at for at, text in enumerate(texts)}
    return [
        _asked_again(pool, quota, text, rank=rank)
        if isinstance(text, Doubtful)
        else _selected(
            pool, quota, _Draw(text, rank, slot, name, *told[text], place[text]), near=near
        )
        for rank, (text, slot, name) in enumerate(mixed, start=1)
    ]


def _numbers(
    pool: Pool, line: Ranked, *, texts: Sequence[int], quota: Quota, top: int
) -> list[tuple[float, float, float]]:
    """Return uncertainty, percentile and propensity of some texts."""
    above, equal = pool.standings(line.uncertainty, texts=np.array(texts, dtype=np.intp))
    rank, alike = above, equal
    if not line.tied:
        # Each has a rank of its own; beyond the line's end nobody asks but the audit.
        place = np.full(len(pool.at), pool.texts, dtype=np.int64)
        place[line.order] = np.arange(len(line.order))
        rank, alike = place[list(texts)], np.ones(len(texts), dtype=np.int64)
    rates = propensities_of(rank, alike, count=pool.texts, audit=quota.audit, top=top).tolist()
    own = line.uncertainty[list(texts)].tolist()
    return list(zip(own, (above / max(1, pool.texts)).tolist(), rates, strict=True))


def _near(pool: Pool, *, texts: Sequence[int]) -> Nearest:
    """Look for what the language was asked that is nearest to each of some texts."""
    request = pool.request
    if request.embeddings is None or request.known_embeddings is None:
        return Nearest()
    return nearest(
        np.asarray(request.embeddings[pool.at[list(texts)]]),
        known=np.asarray(request.known_embeddings[pool.known]),
        ids=[request.known_ids[at] for at in pool.known],
    )


def _slots(quota: Quota) -> list[Slot]:
    floor: list[Slot] = ["floor"] * quota.floor
    return floor + ["debt"] * quota.paid_back + ["weight"] * quota.weight


def _selected(pool: Pool, quota: Quota, draw: _Draw, *, near: Nearest) -> Selected:
    request, row = pool.request, pool.probabilities[draw.text]
    doubt = np.argsort(-row, kind="stable")[:2].tolist()
    keys = [request.labels[k] for k in doubt] + [""]
    names = [(request.label_names or request.labels)[k] for k in doubt] + [""]
    apart = float(row[doubt[0]] - row[doubt[1]]) if len(doubt) > 1 else None
    copies, (name, distance) = pool.copies(draw.text), near.of(draw.place)
    dialect = request.dialect[pool.at[draw.text]] if request.dialect else ""
    reasons = Reasons(
        pool.state.name or pool.state.tag,
        draw.rank,
        quota.got,
        draw.slot,
        doubt=names[:2],
        apart=apart,
        texts=pool.texts,
        equal=len(copies) + 1,
        distance=distance,
        usual=near.usual,
        dialect=dialect,
    )
    return Selected(
        item_id=pool.id_of(draw.text),
        rank=draw.rank,
        language=pool.state.tag,
        strategy=draw.strategy,
        slot=draw.slot,
        uncertainty=draw.uncertainty,
        percentile=draw.percentile,
        margin=1.0 if apart is None else apart,
        confidence=float(row[doubt[0]]),
        best_label=keys[0],
        second_label=keys[1],
        duplicates=copies,
        propensity=draw.propensity,
        rationale=sentence(reasons),
        nearest_id=name,
        nearest_distance=distance,
        dialect=dialect,
    )


def _asked_again(pool: Pool, quota: Quota, one: Doubtful, *, rank: int) -> Selected:
    """Ask an answered sample once more. The doubt decided, so nothing was left to chance."""
    names = dict(zip(pool.request.labels, pool.request.label_names, strict=False))
    doubt = [names.get(key, key) for key in (one.best_label, one.second_label)]
    where = pool.state.name or pool.state.tag
    return Selected(
        item_id=one.item_id,
        rank=rank,
        language=pool.state.tag,
        strategy="relabel",
        slot="relabel",
        uncertainty=one.doubt,
        percentile=0.0,
        margin=None,
        confidence=None,
        best_label=one.best_label,
        second_label=one.second_label,
        duplicates=(),
        propensity=1.0,
        rationale=sentence(Reasons(where, rank, quota.got, "relabel", doubt=doubt)),
    )


def _outcome(pool: Pool, quota: Quota, *, relabel: int) -> LanguageOutcome:
    return LanguageOutcome(
        language=quota.tag,
        target=quota.target,
        got=quota.got,
        audit=quota.audit,
        capped_by=quota.capped_by,
        samples=pool.samples,
        texts=pool.texts,
        debt_before=pool.state.debt,
        debt_after=quota.debt,
        owed_before=pool.state.owed,
        owed_after=quota.owed,
        audit_carry_after=quota.audit_carry,
        relabel=relabel,
    )


def _reasons(pools: Sequence[Pool], quotas: Sequence[Quota]) -> tuple[str, ...]:
    """Name what the pool lacked, most frequent first."""
    if not pools:
        return ("no language",)
    found = Counter(quota.capped_by for quota in quotas if quota.capped_by)
    return tuple(name for name, _ in sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))
