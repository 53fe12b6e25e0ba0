"""Relabelling, against numbers of cleanlab 2.9.0 and against a network that is weak in one language.

The numbers were computed once with ``get_active_learning_scores``; its temperature is given,
since it counts an item's labels in order of appearance instead of by class (`value_counts` of
floats), which makes its own fit another one.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.methods.relabelling import LanguageAnswers, active_lab, doubts

# answers (item, person, label); per mille of answered and unanswered items; temperature; scores.
CASES = (
    (
        "031 121 132 211 320 330 410 500 620 720",
        "128 107 765,338 442 220,87 786 127,821 67 112,675 306 19,772 146 82,537 67 396,765 146 89",
        "525 110 365,523 75 402,399 521 80",
        1.25,
        ".691307505 .420322685 .711970691 .747442805 .629511027 .699205593 .506860223 .692190923",
        ".491624134 .494646375 .492327878",
    ),
    (
        "000 010 020 111 121 201 301 311 320 400 420 500 510 520 601 621",
        "933 67,191 809,115 885,348 652,787 213,885 115,142 858",
        "758 242,774 226,876 124",
        7.25,
        ".745784872 .685060897 .649574567 .603827125 .685693035 .738620883 .692954333",
        ".527183611 .529299716 .546363782",
    ),
    (
        "033 101 141 220 311 331 431 441 513 631 640 720",
        "13 138 67 782,211 567 136 86,826 25 51 98,669 230 38 63,261 351 373 15,272 247 21 460,"
        "155 225 125 495,653 84 51 212",
        "184 187 201 428,87 55 22 836,152 640 140 68",
        2.25,
        ".250002359 .696428234 .250002418 .69642814 .250003331 .696428083 .250001035 .250002111",
        ".250000224 .250000878 .250000507",
    ),
    (
        "010 022 100 200 300 400",
        "235 132 633,692 105 203,681 74 245,391 109 500,843 66 91",
        "183 736 81,200 695 105,151 488 361",
        0.85,
        ".680353051 .7434661 .727893016 .522082037 .890610585",
        ".787989998 .746704603 .512032779",
    ),
)


def numbers(text: str) -> np.ndarray:
    return np.array([[float(n) for n in row.split()] for row in text.split(",")])


@pytest.mark.parametrize(("answers", "p", "open_", "heat", "scores", "unanswered"), CASES)
def test_scores_equal_those_of_cleanlab(answers, p, open_, heat, scores, unanswered) -> None:
    item, person, label = np.array([[int(n) for n in told] for told in answers.split()]).T
    said = LanguageAnswers(item, person, label, numbers(p) / 1000, numbers(open_) / 1000)
    found = active_lab(said, temperature=heat)
    np.testing.assert_allclose(found.score, numbers(scores)[0], atol=1e-6)
    np.testing.assert_allclose(found.unanswered, numbers(unanswered)[0], atol=1e-6)


def language(
    rng: np.random.Generator,
    n: int,
    *,
    people: int,
    skill: float,
    model: float,
    classes: int = 4,
    first: int = 0,
):
    """Two answers an item, and a network that is always 90 % sure."""
    truth = rng.integers(0, classes, n)
    item = np.repeat(np.arange(n), 2)
    person = rng.permuted(np.tile(np.arange(people), (n, 1)), axis=1)[:, :2].ravel()
    wrong = (truth[item] + rng.integers(1, classes, 2 * n)) % classes
    label = np.where(rng.random(2 * n) < skill, truth[item], wrong)
    amiss = (truth + rng.integers(1, classes, n)) % classes
    best = np.where(rng.random(n) < model, truth, amiss)
    p = np.full((n, classes), 0.1 / (classes - 1))
    p[np.arange(n), best] = 0.9
    return truth, LanguageAnswers(item, first + person, label, p)


def test_speakers_are_not_outvoted_by_a_network_that_is_weak_in_their_language() -> None:
    alone, together, weights = [], [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        _, strong = language(rng, 1500, people=8, skill=0.80, model=0.92)
        truth, weak = language(rng, 300, people=4, skill=0.92, model=0.45)
        found = doubts({"strong": strong, "weak": weak})
        alone.append((found["weak"].consensus == truth).mean())
        pooled = LanguageAnswers(
            np.r_[strong.item, weak.item + 1500],
            np.r_[strong.person, weak.person + 8],
            np.r_[strong.label, weak.label],
            np.r_[strong.probabilities, weak.probabilities],
        )
        mixed = active_lab(pooled, temperature=1.0)
        together.append((mixed.consensus[1500:] == truth).mean())
        weights.append((found["weak"].model_weight, mixed.model_weight))
    assert np.mean(alone) >= 0.935
    assert np.mean(together) < 0.925
    assert max(own for own, _ in weights) < 0.6 < min(pooled for _, pooled in weights)


def test_more_of_one_language_changes_nothing_in_another() -> None:
    rng = np.random.default_rng(0)
    _, wolof = language(rng, 80, people=4, skill=0.9, model=0.6)
    _, little = language(rng, 40, people=3, skill=0.8, model=0.9)
    _, more = language(rng, 400, people=9, skill=0.6, model=0.3)
    before, after = doubts({"wo": wolof, "qu": little}), doubts({"wo": wolof, "qu": more})
    assert before["wo"].model_weight == after["wo"].model_weight
    np.testing.assert_array_equal(before["wo"].person_weight, after["wo"].person_weight)
    np.testing.assert_array_equal(before["wo"].score, after["wo"].score)


def test_disputed_and_single_answers_are_asked_again_before_agreed_ones() -> None:
    truth = np.arange(20) % 2
    p = np.where(np.eye(2)[truth] > 0, 0.8, 0.2)
    said = [(i, person, truth[i]) for i in range(18) for person in (0, 1, 2)]
    said += [(18, 0, 0), (18, 1, 1), (19, 2, 1)]
    item, person, label = np.array(said).T
    found = active_lab(LanguageAnswers(item, person, label, p))
    assert np.argsort(found.score)[:2].tolist() == [18, 19]


@given(seed=st.integers(0, 2**32 - 1), classes=st.integers(2, 5))
@settings(max_examples=40, deadline=None)
def test_whatever_is_said_posteriors_are_honest_shares_and_names_do_not_matter(seed, classes):
    rng = np.random.default_rng(seed)
    _, said = language(rng, 25, people=4, skill=0.7, model=0.6, classes=classes)
    found = active_lab(said)
    np.testing.assert_allclose(found.posterior.sum(axis=1), 1.0)
    assert ((found.score > 0) & (found.score <= 1)).all()
    names = np.array([2, 0, 3, 1])
    shuffled = rng.permutation(len(said.item))
    again = active_lab(
        LanguageAnswers(
            np.asarray(said.item)[shuffled],
            names[np.asarray(said.person)[shuffled]],
            np.asarray(said.label)[shuffled],
            said.probabilities,
        )
    )
    np.testing.assert_allclose(again.score, found.score, atol=1e-9)
    np.testing.assert_allclose(again.person_weight[names], found.person_weight, atol=1e-9)


def test_temperature_follows_the_answers_not_their_order() -> None:
    """A network that foresees every answer needs no cooling, whichever labels come first."""
    truth = np.array([3, 2, 1, 0] * 20)
    p = np.full((80, 4), 0.02)
    p[np.arange(80), truth] = 0.94
    item, person = np.repeat(np.arange(80), 2), np.tile([0, 1], 80)
    label = truth[item].copy()
    label[:8:2] = (label[:8:2] + 1) % 4
    assert 0.5 < active_lab(LanguageAnswers(item, person, label, p)).temperature < 1.2


def test_what_cannot_be_weighed_is_refused() -> None:
    with pytest.raises(ValueError, match="one answer at least"):
        active_lab(LanguageAnswers([0], [0], [0], [[0.5, 0.5], [0.5, 0.5]]))
    with pytest.raises(ValueError, match="none of"):
        active_lab(LanguageAnswers([0], [0], [2], [[0.5, 0.5]]))
    with pytest.raises(ValueError, match="finite"):
        active_lab(LanguageAnswers([0], [0], [0], [[np.nan, 0.5]]))
