"""Aggregation: properties of the estimate, and how it fares where the truth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.methods.aggregation import (
    UNKNOWN,
    Answers,
    Elsewhere,
    Fit,
    Floats,
    Ints,
    fit,
    fit_languages,
    weights,
)

K = 3
GOOD, ADVERSARIAL, LAZY = "good", "adversarial", "lazy"
TEAM = (GOOD, GOOD, GOOD, ADVERSARIAL, LAZY)


def confusion(kind: str, rng: np.random.Generator) -> Floats:
    matrix = np.full((K, K), 0.1)
    if kind == GOOD:
        right = rng.uniform(0.78, 0.92)
        for true in range(K):
            matrix[true] = (1 - right) / (K - 1)
            matrix[true, true] = right
    for true in range(K):
        if kind == ADVERSARIAL:
            matrix[true, (true + 1) % K] = 0.8
        if kind == LAZY:
            matrix[true] = [0.86, 0.07, 0.07]
    return np.asarray(matrix / matrix.sum(axis=1, keepdims=True))


def table(rows: Ints, *, known: Ints, people: int) -> Answers:
    return Answers(rows[:, 0], rows[:, 1], rows[:, 2], known=known, people=people, labels=K)


def simulate(
    items: int, *, seed: int, team: tuple[str, ...] = TEAM, gold: float = 0.0
) -> tuple[Answers, Ints, Floats]:
    """Answers, the truth, and a model that is right in about two of three."""
    rng = np.random.default_rng(seed)
    people = [confusion(kind, rng) for kind in team]
    truth = rng.choice(K, items, p=(0.55, 0.3, 0.15))
    rows = []
    for item in range(items):
        for person in rng.choice(len(team), rng.choice((1, 2, 3), p=(0.3, 0.4, 0.3)), False):
            rows.append((item, person, rng.choice(K, p=people[person][truth[item]])))
    columns = np.array(rows)
    known = np.where(rng.random(items) < gold, truth, UNKNOWN)
    logits = rng.normal(size=(items, K))
    logits[np.arange(items), truth] += 1.05
    model = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return table(columns, known=known, people=len(team)), truth, model


def score(posterior: Floats, truth: Ints) -> tuple[float, float]:
    rows = np.arange(len(truth))
    nll = -np.log(np.clip(posterior[rows, truth], 1e-6, 1.0)).mean()
    return float((posterior.argmax(axis=1) == truth).mean()), float(nll)


def majority(answers: Answers) -> Floats:
    votes = np.zeros((len(answers.known), K))
    np.add.at(votes, (answers.item, answers.label), 1.0)
    return np.asarray(votes / votes.sum(axis=1, keepdims=True))


@st.composite
def tables(draw: st.DrawFn) -> Answers:
    items, people = draw(st.integers(1, 8)), draw(st.integers(1, 4))
    answer = st.tuples(st.integers(0, items - 1), st.integers(0, people - 1), st.integers(0, K - 1))
    rows = np.array(draw(st.lists(answer, max_size=20)), dtype=np.int64).reshape(-1, 3)
    known = draw(st.lists(st.integers(-1, K - 1), min_size=items, max_size=items))
    return table(rows, known=np.array(known), people=people)


@given(tables())
@settings(deadline=None, max_examples=60)
def test_every_row_is_a_distribution_and_known_answers_stay(answers: Answers) -> None:
    fitted = fit(answers)
    assert np.allclose(fitted.posterior.sum(axis=1), 1.0)
    assert np.allclose(fitted.confusion.sum(axis=2), 1.0)
    assert np.isclose(fitted.class_prior.sum(), 1.0)
    for item in np.flatnonzero(answers.known != UNKNOWN):
        assert fitted.posterior[item, answers.known[item]] == 1.0
    assert (
        (fitted.skill[:, 1] <= fitted.skill[:, 0]) & (fitted.skill[:, 0] <= fitted.skill[:, 2])
    ).all()
    assert (fitted.skill <= 1.0).all()


@given(tables(), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=40)
def test_it_does_not_matter_what_people_are_called(answers: Answers, random: object) -> None:
    order = np.random.default_rng(7).permutation(answers.people)
    renamed = Answers(
        answers.item, order[answers.person], answers.label, answers.known, answers.people, K
    )
    one, other = fit(answers), fit(renamed)
    assert np.allclose(one.posterior, other.posterior, atol=1e-6)
    assert np.allclose(one.confusion, other.confusion[order], atol=1e-6)


def without(answers: Answers, person: int) -> Answers:
    keep = answers.person != person
    return Answers(
        answers.item[keep],
        answers.person[keep],
        answers.label[keep],
        answers.known,
        answers.people,
        K,
    )


def test_somebody_with_no_answers_changes_nothing_for_others() -> None:
    answers, _, _ = simulate(60, seed=3)
    left = without(answers, 4)
    never = Answers(left.item, left.person, left.label, left.known, 4, K)
    assert np.allclose(fit(left).posterior, fit(never).posterior)
    assert np.allclose(fit(left).confusion[:4], fit(never).confusion)


def test_somebody_who_answers_at_random_moves_little() -> None:
    answers, _, _ = simulate(300, seed=5, team=(GOOD, GOOD, GOOD))
    rng = np.random.default_rng(0)
    noisy = Answers(
        np.concatenate([answers.item, np.arange(300)]),
        np.concatenate([answers.person, np.full(300, 3)]),
        np.concatenate([answers.label, rng.integers(0, K, 300)]),
        answers.known,
        4,
        K,
    )
    one, other = fit(answers), fit(noisy)
    assert np.abs(one.posterior - other.posterior).mean() < 0.03
    assert other.skill[3, 1] < 0.1 < other.skill[:3, 1].min()


def average(method: str, *, items: int, gold: float = 0.0, seeds: int = 10) -> tuple[float, float]:
    scores = []
    for seed in range(seeds):
        answers, truth, model = simulate(items, seed=seed, gold=gold)
        if method == "majority":
            posterior = majority(answers)
        else:
            posterior = fit(answers, item_prior=model if method == "model" else None).posterior
        free = answers.known == UNKNOWN
        scores.append(score(posterior[free], truth[free]))
    accuracy, nll = np.mean(scores, axis=0)
    return float(accuracy), float(nll)


@pytest.mark.parametrize("items", [40, 100])
def test_it_beats_the_majority_and_a_model_helps(items: int) -> None:
    votes, people, both = (average(name, items=items) for name in ("majority", "people", "model"))
    assert people[0] > votes[0] + 0.06
    assert people[1] < votes[1] / 3
    assert both[0] > people[0]
    assert both[1] < people[1]


def test_more_answers_and_known_answers_help() -> None:
    few, many = average("people", items=20), average("people", items=200)
    assert many[0] > few[0]
    assert many[1] < few[1]
    assert average("people", items=20, gold=0.3)[1] < few[1]


def flags(fitted: Fit) -> Floats:
    return (fitted.competent < 0.5).astype(float)


def test_the_adversarial_and_the_lazy_are_recognised() -> None:
    found, wrongly = [], []
    for seed in range(10):
        flagged = flags(fit(simulate(100, seed=seed)[0]))
        found.append(flagged[3:].mean())
        wrongly.append(flagged[:3].mean())
    assert np.mean(found) >= 0.95
    assert np.mean(wrongly) <= 0.1


def test_good_people_are_not_accused() -> None:
    team = (GOOD,) * 5
    wrongly = [flags(fit(simulate(100, seed=seed, team=team)[0])).mean() for seed in range(10)]
    assert np.mean(wrongly) <= 0.02


def test_an_adversarial_person_is_turned_back_by_known_answers() -> None:
    """Alone in a language, only known answers can tell that every answer is turned round."""
    item = np.arange(60)
    truth = item % K
    said = (truth + 1) % K
    known = np.where(item < 30, truth, UNKNOWN)
    fitted = fit(Answers(item, np.zeros(60, dtype=np.int64), said, known, 1, K))
    assert (fitted.posterior[30:].argmax(axis=1) == truth[30:]).all()
    assert fitted.skill[0, 2] < 0
    assert fitted.competent[0] < 0.01


def test_skill_is_zero_for_guessing_and_its_interval_narrows() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, K, 400)
    guessed = Answers(np.arange(400), np.zeros(400, int), rng.integers(0, K, 400), truth, 1, K)
    mean, low, high = fit(guessed).skill[0]
    assert low < 0 < high
    assert abs(mean) < 0.1
    one = Answers(np.array([0]), np.array([0]), np.array([0]), np.array([0]), 1, K)
    few, many = fit(one).skill[0], fit(guessed).skill[0]
    assert few[2] - few[1] > 3 * (many[2] - many[1])


def test_a_missing_model_opinion_falls_back_on_the_classes() -> None:
    answers, _, model = simulate(40, seed=2)
    nothing = np.full_like(model, np.nan)
    assert np.allclose(fit(answers, item_prior=nothing).posterior, fit(answers).posterior)


def test_no_answers_at_all_is_no_error() -> None:
    empty = np.zeros(0, dtype=np.int64)
    fitted = fit(Answers(empty, empty, empty, empty, 0, K))
    assert fitted.posterior.shape == (0, K)
    assert fitted.confusion.shape == (0, K, K)


def test_weights_run_from_open_to_certain() -> None:
    rows = np.array([[1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3], [0.8, 0.1, 0.1]])
    certain, open_, between = weights(rows)
    assert certain == pytest.approx(1.0)
    assert open_ == pytest.approx(0.0)
    assert between == pytest.approx(1 - 0.6390319 / np.log(3), abs=1e-6)


def side_by_side(each: list[Answers]) -> tuple[Answers, Ints]:
    """Several languages in one table, and which language each item belongs to."""
    items = np.cumsum([0, *(len(one.known) for one in each)])
    people = np.cumsum([0, *(one.people for one in each)])
    joined = Answers(
        np.concatenate([one.item + first for one, first in zip(each, items, strict=False)]),
        np.concatenate([one.person + first for one, first in zip(each, people, strict=False)]),
        np.concatenate([one.label for one in each]),
        np.concatenate([one.known for one in each]),
        int(people[-1]),
        K,
    )
    return joined, np.repeat(np.arange(len(each)), np.diff(items))


def test_without_a_pool_no_language_touches_another() -> None:
    each = [simulate(40, seed=seed, gold=0.1)[0] for seed in range(3)]
    joined, language = side_by_side(each)
    together = fit_languages(joined, language=language, pooled=False, tolerance=1e-10)
    for number, one in enumerate(each):
        alone = fit(one, tolerance=1e-10)
        assert np.allclose(together.posterior[language == number], alone.posterior, atol=1e-6)
        assert np.allclose(together.class_prior[number], alone.class_prior, atol=1e-6)
        people = slice(number * len(TEAM), (number + 1) * len(TEAM))
        assert np.allclose(together.confusion[people], alone.confusion, atol=1e-6)
        assert np.allclose(together.skill[people], alone.skill, atol=1e-6)


def test_small_languages_learn_from_the_others_how_common_labels_are() -> None:
    losses = []
    for start in range(0, 36, 6):
        made = [simulate(20, seed=seed) for seed in range(start, start + 6)]
        joined, language = side_by_side([answers for answers, _, _ in made])
        truth = np.concatenate([one for _, one, _ in made])
        losses.append(
            [
                score(fit_languages(joined, language=language, pooled=pooled).posterior, truth)[1]
                for pooled in (True, False)
            ]
        )
    pooled, alone = np.mean(losses, axis=0)
    assert pooled < alone - 0.02


def test_a_pool_of_a_handful_of_answers_is_not_certain() -> None:
    few = Answers(np.arange(4), np.zeros(4, int), np.zeros(4, int), np.full(4, UNKNOWN), 1, K)
    found = fit_languages(few, language=np.array([0, 0, 0, 1]))
    assert found.class_prior.max() < 0.8
    assert found.posterior.max() < 0.98


def turned_round(items: int, *, gold: int) -> Answers:
    """One person who turns every answer round; the first ``gold`` answers are known."""
    item = np.arange(items)
    known = np.where(item < gold, item % K, UNKNOWN)
    return Answers(item, np.zeros(items, int), (item % K + 1) % K, known, 1, K)


def test_who_is_known_in_one_language_is_known_in_the_second() -> None:
    first = fit(turned_round(60, gold=60))
    second = turned_round(9, gold=0)
    known = fit(second, elsewhere=Elsewhere.of(first, person=np.array([0])))
    assert (known.posterior.argmax(axis=1) == np.arange(9) % K).all()
    assert known.competent[0] < 0.01
    assert known.skill[0, 2] < 0
    assert (fit(second).posterior.argmax(axis=1) == second.label).all()


def test_who_is_known_elsewhere_may_differ_here_and_strangers_do_not_notice() -> None:
    first = fit(turned_round(60, gold=60))
    item = np.arange(90)
    good = Answers(item, np.zeros(90, int), item % K, item % K, 1, K)
    assert fit(good, elsewhere=Elsewhere.of(first, person=np.array([0]))).competent[0] > 0.95
    stranger = Elsewhere.of(first, person=np.array([UNKNOWN]))
    one, other = fit(good, elsewhere=stranger), fit(good)
    assert np.allclose(one.confusion, other.confusion)
    assert np.allclose(one.skill, other.skill)
    assert np.allclose(one.competent, other.competent)


def test_an_adversarial_majority_is_turned_back_by_a_fifth_known() -> None:
    team = (GOOD, GOOD, ADVERSARIAL, ADVERSARIAL, ADVERSARIAL)
    made = [simulate(60, seed=seed, team=team, gold=0.2) for seed in range(8)]
    right, votes = [], []
    for answers, truth, _ in made:
        free = answers.known == UNKNOWN
        right.append(score(fit(answers).posterior[free], truth[free])[0])
        votes.append(score(majority(answers)[free], truth[free])[0])
    assert np.mean(right) > 0.8 > 0.6 > np.mean(votes)
