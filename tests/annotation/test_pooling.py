"""What a language learns from the others of its campaign, and that nothing of it stays behind."""

from datetime import UTC, datetime

import numpy as np
import pytest
from pytest_django import DjangoAssertNumQueries

from annotation.actions.consensus import refit, stale_languages
from annotation.actions.pooling import Standings
from annotation.models import Annotation, Annotator, Campaign, Consensus, Reliability
from tests.annotation.test_consensus import answer
from tests.make import LABELS, make_annotator, make_campaign, make_gold, make_language, make_sample

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def campaign() -> Campaign:
    return make_campaign()


def refit_all(campaign: Campaign) -> None:
    """Refit until no language is stale, as the loop does."""
    for _ in range(5):
        stale = stale_languages(campaign)
        for language in stale:
            refit(campaign, language=language, now=NOW)
        if not stale:
            return
    raise AssertionError("The languages never come to rest.")


def answers(campaign: Campaign, tag: str, who: Annotator, keys: list[str]) -> list[Annotation]:
    return [answer(make_sample(campaign, tag), who, key) for key in keys]


def test_a_language_of_one_answer_leans_on_how_common_labels_are_elsewhere(
    campaign: Campaign,
) -> None:
    awa, inti = make_annotator("awa", "wo"), make_annotator("inti", "qu")
    answers(campaign, "qu", inti, ["dates"])
    refit_all(campaign)
    alone = Consensus.objects.get(sample__language__tag="qu").confidence
    answers(campaign, "wo", awa, ["dates"] * 40)
    assert make_language("qu") in stale_languages(campaign)
    refit_all(campaign)
    assert Consensus.objects.get(sample__language__tag="qu").confidence > alone


def test_one_more_answer_elsewhere_leaves_a_language_at_rest(campaign: Campaign) -> None:
    awa, inti = make_annotator("awa", "wo"), make_annotator("inti", "qu")
    answers(campaign, "qu", inti, ["dates"])
    answers(campaign, "wo", awa, ["dates"] * 60)
    refit_all(campaign)
    answers(campaign, "wo", awa, ["dates"])
    assert stale_languages(campaign) == [make_language("wo")]


def test_what_is_withdrawn_in_one_language_leaves_no_trace_in_another(campaign: Campaign) -> None:
    awa, inti = make_annotator("awa", "wo"), make_annotator("inti", "qu")
    also_inti = Annotator.objects.create(user=inti.user, language=make_language("wo"))
    answers(campaign, "qu", inti, ["dates", "admin", "dates"])
    refit_all(campaign)
    before = list(Consensus.objects.order_by("sample").values("people", "weight"))
    people = list(Reliability.objects.values("confusion", "competent", "skill"))
    wrong = answers(campaign, "wo", awa, ["admin"] * 30)
    wrong += answers(campaign, "wo", also_inti, ["admin"] * 30)
    refit_all(campaign)
    during = Consensus.objects.filter(sample__language__tag="qu").order_by("sample")
    assert list(during.values("people", "weight")) != before
    for one in wrong:
        one.state, one.revision = Annotation.State.WITHDRAWN, one.revision + 1
        one.save()
    refit_all(campaign)
    assert list(Consensus.objects.order_by("sample").values("people", "weight")) == before
    assert list(Reliability.objects.values("confusion", "competent", "skill")) == people


def test_who_is_known_in_one_language_begins_the_next_as_known(campaign: Campaign) -> None:
    lazy = make_annotator("lazy", "wo")
    for number in range(30):
        gold = make_gold(campaign, label=LABELS[number % 3])
        answer(gold.sample, lazy, LABELS[0])
    in_qu = Annotator.objects.create(user=lazy.user, language=make_language("qu"))
    stranger = make_annotator("stranger", "qu")
    for who in (in_qu, stranger):
        answers(campaign, "qu", who, [LABELS[0]])
    refit_all(campaign)
    told = {row.annotator_id: row.competent for row in Reliability.objects.all()}
    assert told[lazy.pk] < 0.5
    assert told[in_qu.pk] < 0.5 < told[stranger.pk]


def test_a_polyglot_makes_no_language_stale_whose_view_of_them_stays(campaign: Campaign) -> None:
    awa = make_annotator("awa", "wo")
    in_qu = Annotator.objects.create(user=awa.user, language=make_language("qu"))
    answers(campaign, "qu", in_qu, ["dates"] * 60)
    answers(campaign, "wo", awa, ["dates"] * 60)
    refit_all(campaign)
    answers(campaign, "wo", awa, ["dates"])
    assert stale_languages(campaign) == [make_language("wo")]
    refit_all(campaign)


def test_reading_what_refits_rest_on_takes_as_many_queries_for_any_number_of_languages(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    tags = ("wo", "qu", "ff", "bm", "ha", "ig", "yo", "zu")
    campaign = make_campaign(languages=tags)
    user = make_annotator("awa", "wo").user
    for tag in tags:
        who, _ = Annotator.objects.get_or_create(user=user, language=make_language(tag))
        answers(campaign, tag, who, ["dates"])
    refit_all(campaign)
    with django_assert_num_queries(8):
        standings = Standings.of(campaign)
        assert stale_languages(campaign, standings=standings) == []


def test_whoever_answered_an_item_at_both_desks_has_one_vote(campaign: Campaign) -> None:
    awa, moussa = make_annotator("awa", "wo"), make_annotator("moussa", "wo")
    first, again, other = answers(campaign, "wo", awa, ["dates"] * 3)
    by_moussa = answers(campaign, "wo", moussa, ["dates"])[0]
    Annotation.objects.filter(pk__in=(again.pk, by_moussa.pk)).update(item=first.item)
    home = other.item.campaign_language
    assert Standings.of(campaign).votes[home.pk].sum() == 3


def test_who_left_the_other_language_is_a_stranger_again(campaign: Campaign) -> None:
    lazy = make_annotator("lazy", "wo")
    for number in range(30):
        answer(make_gold(campaign, label=LABELS[number % 3]).sample, lazy, LABELS[0])
    in_qu = Annotator.objects.create(user=lazy.user, language=make_language("qu"))
    answers(campaign, "qu", in_qu, [LABELS[0]])
    refit_all(campaign)
    lazy.active = False
    lazy.save()
    assert make_language("qu") in stale_languages(campaign)
    refit_all(campaign)
    assert Reliability.objects.get(annotator=in_qu).competent > 0.5


def test_a_pool_without_other_languages_is_uniform(campaign: Campaign) -> None:
    answers(campaign, "wo", make_annotator("awa", "wo"), ["dates"] * 9)
    wolof = campaign.languages.get(language__tag="wo")
    pool = Standings.of(campaign).pool(wolof)
    np.testing.assert_allclose(pool, np.full(len(pool), 1 / len(pool)))
