"""The calibration check among many languages: who is as honest as before is not held by chance."""

import numpy as np

from benchmarks.gate_decide import Candidate, scores
from benchmarks.gate_networks import answers
from training.methods.honesty import Sure, error_rise

# A candidate that changes one answer in twenty and gains a point, both at their own temperature.
BETTER = Candidate(shared=0.958, noise=0.703, old=1.317, new=1.246)
LANGUAGES = 12


def shown(candidate: Candidate, *, sims: int, items: int) -> int:
    """In how many languages a rise of more than two points would be said to be shown."""
    rng, found = np.random.default_rng(3), 0
    for _ in range(sims):
        old, new, truth = scores(rng, items, shared=candidate.shared, noise=candidate.noise)
        told = [answers(old, truth, candidate.old), answers(new, truth, candidate.new)]
        rise = error_rise(
            *(Sure(one.right, one.confidence) for one in told),
            rng=np.random.default_rng(0),
            languages=LANGUAGES,
        )
        assert np.isclose(rise.value, rise.new - rise.old)  # what the page shows beside it
        found += rise.low > 0 and rise.value > 0.02
    return found


def test_a_rise_is_shown_where_there_is_one_and_not_in_one_of_many_equals():
    assert shown(BETTER, sims=150, items=1600) <= 1  # of 150 at .05 / 12 each
    boastful = Candidate(BETTER.shared, BETTER.noise, BETTER.old, 0.7 * BETTER.new)
    assert shown(boastful, sims=30, items=1600) >= 24
