"""What a language gained: said as a gain only if the paired interval excludes nought."""

import pytest

from annotation.models import Annotation
from tests.training.giving import deploy, give, learn, make_group, version
from training.actions.thanks import Change, gains_of, version_before, words_of

pytestmark = pytest.mark.django_db


def story(*, before: int, after: int, gold: int = 100, measured=None, **over):
    """Two versions on the same gold; the second learned the first answers of the group."""
    home, (awa, ibou) = make_group(gold=gold, **over)
    answers = [give(awa, home), give(awa, home), give(ibou, home)]
    old = version(home.campaign, right=before)
    new = version(home.campaign, right=after, measured=measured)
    learn(answers, base=old, candidate=new)
    return home, old, new


def test_a_gain_is_told_with_both_values_and_the_interval() -> None:
    home, old, _new = story(before=60, after=75)
    assert version_before(home) == old
    (gain,) = gains_of([home])
    assert (gain.change, gain.items, gain.answers, gain.people) == (Change.GAIN, 100, 3, 2)
    assert (gain.before.value, gain.after.value) == (0.60, 0.75)
    assert 0 < gain.delta.low < 0.15 < gain.delta.high
    told = words_of(gain)
    assert all(part in told for part in ("0.60", "0.75", "95 %", "your group"))
    assert f"{gain.after.low:.2f}" in told
    assert f"{gain.after.high:.2f}" in told


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [(60, 62, Change.NONE), (60, 60, Change.NONE), (62, 60, Change.NONE), (75, 60, Change.LOSS)],
)
def test_what_the_interval_does_not_exclude_is_no_gain(before, after, change) -> None:
    home, _, _ = story(before=before, after=after)
    (gain,) = gains_of([home])
    assert gain.change is change
    assert ("No measurable change yet" in words_of(gain)) == (change is Change.NONE)
    assert "better" not in words_of(gain)


def test_the_same_holds_in_macro_f1_where_the_gate_goes_by_it() -> None:
    home, _, _ = story(before=50, after=80, gate_metric="macro-f1")
    (gain,) = gains_of([home])
    assert gain.change is Change.GAIN
    assert "macro-F1" in words_of(gain)
    assert gains_of([home]) == [gain], "a page says the same whenever it is opened"


def test_only_gold_on_which_both_were_measured_counts() -> None:
    home, _, _ = story(before=60, after=75, measured=40)
    (gain,) = gains_of([home])
    assert (gain.items, gain.before.value, gain.change) == (40, 1.0, Change.NONE)


def test_too_little_gold_says_nothing_at_all() -> None:
    home, _, _ = story(before=10, after=29, gold=29)
    assert gains_of([home])[0].change is Change.UNKNOWN


def test_nothing_is_told_before_anything_was_learned_and_served() -> None:
    home, (awa, _) = make_group(gold=40)
    assert words_of(gains_of([home])[0]) == "Nothing has been learned here yet."
    old, new = (version(home.campaign, right=n) for n in (10, 40))
    assert gains_of([home])[0].change is Change.UNKNOWN, "nobody of the group had a part in it"
    answer = give(awa, home)
    learn([answer], base=old, candidate=new)
    assert gains_of([home])[0].change is Change.GAIN
    Annotation.objects.filter(pk=answer.pk).update(state="withdrawn", label=None)
    assert gains_of([home])[0].change is Change.UNKNOWN
    deploy(home.campaign, old)
    assert gains_of([home])[0].change is Change.UNKNOWN, "rolled back to where they began"
