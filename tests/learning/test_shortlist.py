"""A dear second look at few texts: which ones, and what the rest of the pool gets of it."""

from dataclasses import replace

import numpy as np
import pytest

from learning.methods.acquisition import margin
from learning.methods.disagreement import bald
from learning.methods.probabilities import softmax
from learning.methods.reading import Reading, fit_readings
from learning.methods.requests import SelectionRequest
from learning.methods.selection import select
from learning.methods.shortlist import shortlist
from tests.learning.pools_made import request, rich, shuffled


def partly(strategy: str, *, told: list[int], **over: object) -> SelectionRequest:
    """A pool in which only some samples, in an order of their own, have opinions and surprise."""
    one = rich(strategy=strategy, **over)
    ids = tuple(one.item_ids[at] for at in told)
    return replace(one, mc=one.mc[told], mc_ids=ids, surprise=one.surprise[told], surprise_ids=ids)


def test_the_shortlist_holds_the_least_certain_of_each_language_in_any_order() -> None:
    one = request({"wo": 300, "qu": 80}, batch=10)
    found = shortlist(one, by="margin", width=4, least=1)
    doubt = dict(zip(one.item_ids, margin(softmax(one.logits)), strict=True))
    for names in (one.item_ids[:300], one.item_ids[300:]):
        first = sorted(names, key=lambda name: -doubt[name])[:20]
        assert set(found) & set(names) == set(first)
    other = shuffled(one, np.random.default_rng(0).permutation(380))
    assert shortlist(other, by="margin", width=4, least=1) == found


def test_a_shortlist_by_lot_does_not_look_at_doubts_and_leaves_nobody_out() -> None:
    one = request({"wo": 300, "qu": 30}, batch=10)
    found = shortlist(one, by="lot", width=4, least=50)
    assert found == shortlist(replace(one, logits=-one.logits * 9), by="lot", width=4, least=50)
    assert len(set(found) & set(one.item_ids[:300])) == 50
    assert set(one.item_ids[300:]) <= set(found)
    state = replace(one.languages[1], limit=0)
    none = shortlist(replace(one, languages=(one.languages[0], state)), by="lot")
    assert not set(one.item_ids[300:]) & set(none)


@pytest.mark.parametrize("strategy", ["bald", "batch_bald", "power:bald", "gumbel:bald", "alps"])
def test_texts_that_were_not_looked_at_come_after_those_that_were(strategy: str) -> None:
    told = [9, 3, 50, 61, 17, 99, 70, 2]
    one = partly(strategy, told=told, batch=20)
    batch = select(one)
    assert len(batch.items) == 20
    names = {one.item_ids[at] for at in told}
    chosen = {pick.item_id for pick in batch.items if pick.strategy == strategy}
    audited = {pick.item_id for pick in batch.items if pick.slot == "audit"}
    assert chosen == names - audited
    assert {p.strategy for p in batch.items if p.item_id not in chosen} == {"margin", "random"}
    turned = replace(
        one,
        mc=one.mc[::-1],
        mc_ids=one.mc_ids[::-1],
        surprise=one.surprise[::-1],
        surprise_ids=one.surprise_ids[::-1],
    )
    assert turned.digest == one.digest
    assert select(turned).as_text() == batch.as_text()
    back = SelectionRequest.from_json(one.as_json())
    assert back.digest == one.digest
    assert select(back).as_text() == batch.as_text()


def test_what_opinions_say_of_a_shortlist_is_what_they_say_of_the_same_texts() -> None:
    told = list(range(0, 60, 2))
    one = partly("bald", told=told, sizes={"wo": 60}, batch=10)
    picks = [pick for pick in select(one).items if pick.slot != "audit"]
    worth = dict(zip(one.mc_ids, bald(one.mc), strict=True))
    ranked = sorted(worth, key=lambda name: -worth[name])
    audited = {pick.item_id for pick in select(one).items if pick.slot == "audit"}
    assert [p.item_id for p in picks] == [name for name in ranked if name not in audited][:9]


def test_other_opinions_are_another_request_and_faulty_ones_name_their_sample() -> None:
    one = partly("bald", told=[4, 8, 15])
    mc = one.mc.copy()
    mc[1] = np.nan
    spoilt = replace(one, mc=mc)
    assert spoilt.digest != one.digest
    assert [(r.item_id, r.reason) for r in select(spoilt).rejected] == [(one.item_ids[8], "nan")]
    with pytest.raises(ValueError, match="mc"):
        replace(one, mc_ids=one.mc_ids[:2])
    with pytest.raises(ValueError, match="ids of opinions"):
        replace(one, mc_ids=(one.mc_ids[0],) * 3)


def test_without_answers_every_text_takes_as_long_and_with_them_lengths_count() -> None:
    assert fit_readings({"wo": ([], [])})["wo"].expected([1, 1000]).tolist() == [1.0, 1.0]
    rng = np.random.default_rng(1)
    lengths = rng.integers(10, 500, 400)

    def answers(power: float, count: int) -> tuple[np.ndarray, np.ndarray]:
        noise = rng.lognormal(0, 0.2, count)
        return lengths[:count], 3.0 * lengths[:count] ** power * noise

    fitted = fit_readings({"wo": answers(0.9, 400), "qu": answers(0.2, 400), "ug": ([], [])})
    assert fitted["wo"].power == pytest.approx(0.9, abs=0.08)
    assert fitted["qu"].power == pytest.approx(0.2, abs=0.08)
    assert fitted["qu"].power < fitted["ug"].power < fitted["wo"].power
    few = fit_readings({"wo": answers(0.9, 400), "qu": answers(0.2, 5)})
    assert few["qu"].power > 0.6


def test_a_page_left_open_overnight_does_not_make_long_texts_dear() -> None:
    lengths = np.r_[np.tile([20, 200], 50), 500, 500]
    seconds = np.r_[np.full(100, 10.0), 40_000.0, 30_000.0]
    fitted = fit_readings({"wo": (lengths, seconds)})["wo"]
    assert fitted == Reading(0.0, fitted.seconds, fitted.letters, 100)
    with pytest.raises(ValueError, match="length and a time"):
        fit_readings({"wo": ([1, 2], [1])})
