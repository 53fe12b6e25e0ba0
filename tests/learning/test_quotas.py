"""Quotas: nobody loses a whole item, whatever the languages, caps and rounds."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.methods.quotas import Quota, QuotaPolicy, Standing, allot
from tests.cases import cases

PLENTY = 10**6


@st.composite
def standings(draw: st.DrawFn) -> list[Standing]:
    found = []
    for number in range(draw(st.integers(1, 12))):
        samples = draw(st.integers(0, 60))
        found.append(
            Standing(
                f"l{number}",
                samples=samples,
                texts=draw(st.integers(0, samples)),
                capacity=draw(st.none() | st.integers(0, 30)),
                limit=draw(st.none() | st.integers(0, 30)),
                debt=draw(st.floats(-0.99, 0.99)),
                owed=draw(st.sampled_from([0.0, 0.0, 1.5, 20.0])),
                audit_carry=draw(st.floats(-1, 0)),
                slope=draw(st.none() | st.floats(-1, 1)),
                cost=draw(st.floats(0.1, 10)),
            )
        )
    return found


policies = st.builds(
    QuotaPolicy,
    floor=st.integers(0, 6),
    audit_share=st.floats(0.1, 0.5),
    slope_trust=st.floats(0, 0.5),
    cost_exponent=st.floats(0, 1),
)


@given(found=standings(), policy=policies, batch=st.integers(0, 80), seed=st.integers(0, 99))
@settings(max_examples=cases(200), deadline=None)
def test_whatever_comes_the_promises_hold(
    found: list[Standing], policy: QuotaPolicy, batch: int, seed: int
) -> None:
    quotas = allot(found, batch=batch, policy=policy, seed=seed)
    caps = {s.tag: s.cap for s in found}
    floors_fit = sum(min(policy.floor, cap) for cap in caps.values()) <= batch
    assert sum(q.got for q in quotas) == min(batch, sum(caps.values()))
    for quota in quotas:
        assert 0 <= quota.got <= caps[quota.tag]
        assert quota.got >= min(policy.floor, caps[quota.tag]) * floors_fit
        assert quota.audit + quota.floor + quota.weight + quota.paid_back == quota.got
        assert min(quota.audit, quota.floor, quota.weight, quota.paid_back) >= 0
        assert quota.target <= caps[quota.tag] + 1e-9
        assert quota.owed >= 0
        if quota.got >= policy.audit_every:
            assert quota.audit >= policy.audit_share * quota.got - 1e-9
        if quota.capped_by:
            assert quota.target == pytest.approx(caps[quota.tag])
    turned = allot(found[::-1], batch=batch, policy=policy, seed=seed)
    assert turned == quotas


def rounds(
    start: list[Standing], *, batch: int, count: int, policy: QuotaPolicy, joins: int = 0
) -> dict[str, list[Quota]]:
    """Play rounds, carrying the ledger; every so often another language joins."""
    now = {s.tag: s for s in start}
    told: dict[str, list[Quota]] = {}
    for number in range(count):
        if joins and number % joins == joins - 1:
            tag = f"late{number}"
            now[tag] = Standing(tag, PLENTY, PLENTY)
        for quota in allot(list(now.values()), batch=batch, policy=policy, seed=number):
            told.setdefault(quota.tag, []).append(quota)
            carried = {"debt": quota.debt, "owed": quota.owed, "audit_carry": quota.audit_carry}
            now[quota.tag] = replace(now[quota.tag], **carried)
    return told


def largest_error(told: dict[str, list[Quota]]) -> float:
    gaps = [
        np.abs(np.cumsum([q.target for q in line]) - np.cumsum([q.got for q in line])).max()
        for line in told.values()
    ]
    return float(max(gaps))


@pytest.mark.parametrize("joins", [0, 23])
@pytest.mark.parametrize("skewed", [False, True])
def test_ledger_is_never_a_whole_item_off_in_200_rounds(joins: int, skewed: bool) -> None:
    rng = np.random.default_rng(1)
    start = [
        Standing(
            f"l{i}",
            PLENTY,
            PLENTY,
            slope=float(rng.exponential() ** 3) if skewed else None,
            cost=float(rng.uniform(0.1, 10)) if skewed else 1.0,
        )
        for i in range(30)
    ]
    policy = QuotaPolicy(slope_trust=0.5, cost_exponent=1.0)
    told = rounds(start, batch=16, count=200, policy=policy, joins=joins)
    assert largest_error(told) < 1
    assert all(sum(q.got for q in line) > 0 for tag, line in told.items() if tag[0] == "l")


@given(count=st.integers(1, 15), batch=st.integers(0, 40), seed=st.integers(0, 999))
@settings(max_examples=cases(30), deadline=None)
def test_ledger_holds_for_any_steady_shares(count: int, batch: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    start = [
        Standing(f"l{i}", PLENTY, PLENTY, cost=float(np.exp(rng.normal() * 2)))
        for i in range(count)
    ]
    told = rounds(start, batch=batch, count=30, policy=QuotaPolicy(cost_exponent=1.0))
    assert largest_error(told) < 1


def test_language_without_a_pool_is_owed_within_bounds_and_repaid() -> None:
    start = [Standing("full", PLENTY, PLENTY), Standing("empty", 0, 0)]
    policy = QuotaPolicy(floor=2)
    told = rounds(start, batch=20, count=50, policy=policy)
    last = told["empty"][-1]
    assert [q.got for q in told["full"]] == [20] * 50
    assert (last.got, last.capped_by, last.owed) == (0, "pool", 20.0)
    back = Standing("empty", PLENTY, PLENTY, debt=last.debt, owed=last.owed)
    full = told["full"][-1]
    other = Standing("full", PLENTY, PLENTY, debt=full.debt, owed=full.owed)
    repaid, rest = allot([back, other], batch=20, policy=policy)
    assert repaid.got > 10 > rest.got >= 2
    assert repaid.paid_back > 0
    assert repaid.owed < last.owed


def test_caps_are_named_by_what_they_are() -> None:
    found = [
        Standing("few", 5, 5),
        Standing("same", 90, 5),
        Standing("nobody", 90, 90, capacity=1),
        Standing("held", 90, 90, capacity=50, limit=2),
        Standing("rich", 900, 900),
    ]
    quotas = allot(found, batch=80, policy=QuotaPolicy())
    assert {q.tag: q.capped_by for q in quotas} == {
        "few": "pool",
        "same": "duplicates",
        "nobody": "annotators",
        "held": "limit",
        "rich": "",
    }


def test_language_that_may_get_nothing_gets_nothing_and_the_others_their_part() -> None:
    found = [
        Standing("shut", 90, 90, limit=0),
        Standing("lone", 90, 90, capacity=0),
        Standing("open", 90, 90),
    ]
    quotas = {q.tag: q for q in allot(found, batch=30, policy=QuotaPolicy(floor=4))}
    assert {tag: q.got for tag, q in quotas.items()} == {"shut": 0, "lone": 0, "open": 30}
    assert {tag: q.capped_by for tag, q in quotas.items()} == {
        "shut": "limit",
        "lone": "annotators",
        "open": "",
    }


def test_language_that_joins_half_way_is_due_its_part_from_then_on() -> None:
    start = [Standing(f"l{i}", PLENTY, PLENTY) for i in range(30)]
    told = rounds(start, batch=16, count=200, policy=QuotaPolicy(), joins=101)
    (late,) = (line for tag, line in told.items() if tag.startswith("late"))
    assert len(late) == 100
    assert abs(sum(q.got for q in late) - 100 * 16 / 31) < 1
    assert max(abs(q.debt) for line in told.values() for q in line) < 1


def test_slope_and_cost_move_weight_but_never_the_floor() -> None:
    steep, flat = Standing("steep", 99, 99, slope=1.0), Standing("flat", 99, 99, slope=0.0)
    equal = allot([steep, flat], batch=40, policy=QuotaPolicy(floor=5))
    trusting = allot([steep, flat], batch=40, policy=QuotaPolicy(floor=5, slope_trust=0.5))
    assert [q.target for q in equal] == [20, 20]
    assert [(q.tag, q.target) for q in trusting] == [("flat", 12.5), ("steep", 27.5)]
    unknown = replace(flat, slope=None)
    assert [
        q.target for q in allot([steep, unknown], batch=40, policy=QuotaPolicy(slope_trust=0.5))
    ] == [20, 20]


@pytest.mark.parametrize("got", [1, 2, 3])
def test_small_languages_save_up_for_their_audit(got: int) -> None:
    told = rounds([Standing("l", PLENTY, PLENTY)], batch=got, count=40, policy=QuotaPolicy())["l"]
    drawn = np.array([q.audit for q in told])
    assert drawn.sum() >= 0.1 * got * 40 - 1e-9
    assert drawn.sum() < got * 40
    assert all(drawn[i : i + 4].sum() >= 1 for i in range(37))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (QuotaPolicy, {"audit_share": 0.09}),
        (QuotaPolicy, {"floor": -1}),
        (QuotaPolicy, {"slope_trust": 0.6}),
        (Standing, {"tag": "x", "samples": 3, "texts": 4}),
        (Standing, {"tag": "x", "samples": 3, "texts": 3, "debt": float("nan")}),
        (Standing, {"tag": "x", "samples": 3, "texts": 3, "cost": 0.0}),
        (Standing, {"tag": "x", "samples": 3, "texts": 3, "capacity": -1}),
        (Standing, {"tag": "x", "samples": 3, "texts": 3, "limit": -1}),
    ],
)
def test_impossible_numbers_are_refused(kind: type, fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must|cannot|impossible|lies"):
        kind(**fields)


def test_language_that_stands_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        allot([Standing("a", 1, 1), Standing("a", 1, 1)], batch=1, policy=QuotaPolicy())
