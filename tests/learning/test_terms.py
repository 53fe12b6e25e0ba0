"""What a campaign sets and what its rounds have shown decide the terms of the next round."""

from datetime import UTC, datetime

import pytest
from django.core.management import call_command

from annotation.models import Annotation, CampaignLanguage, Item
from learning.actions.pools import preview_quota, request_of
from learning.actions.rounds import open_round, select_round
from learning.actions.terms import terms_of
from learning.methods.selection import select
from learning.models import NearDuplicate, Round, StopDecision
from tests.learning.scored import score
from tests.learning.test_rounds import campaign_with, next_round
from tests.make import make_annotator, make_item, make_sample

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def got(campaign) -> dict[str, tuple[int, str]]:
    return {row.tag: (row.quota.got, row.quota.capped_by) for row in preview_quota(campaign)}


def decide(campaign, tag: str, *, gain_low: float) -> None:
    home = campaign.languages.get(language__tag=tag)
    StopDecision.objects.create(
        round=campaign.rounds.first(),
        campaign_language=home,
        version=campaign.model_versions.first(),
        verdict="go_on",
        labels=40,
        gain=gain_low + 1,
        gain_low=gain_low,
        gain_high=gain_low + 2,
    )


def answer(campaign, tag: str, *, seconds: float, count: int = 20) -> None:
    person = make_annotator(f"{tag} {seconds}", tag)
    for number in range(count):
        item = make_item(make_sample(campaign, tag), state="answered")
        Annotation.objects.create(
            item=item,
            annotator=person,
            desk_annotation_id=item.pk * 1000 + number,
            state="answered",
            desk_updated_at="2026",
            lead_seconds=seconds,
        )


def test_quota_follows_the_slope_only_as_far_as_the_campaign_trusts_it() -> None:
    campaign = campaign_with(wo=100, qu=100, floor_per_language=0)
    next_round(campaign)
    decide(campaign, "wo", gain_low=0.04)
    assert got(campaign) == {"qu": (10, ""), "wo": (10, "")}
    campaign.slope_trust = 0.5
    assert got(campaign) == {"qu": (10, ""), "wo": (10, "")}, "one slope is not known yet"
    decide(campaign, "qu", gain_low=-0.02)
    campaign.save()
    assert got(campaign) == {"qu": (5, ""), "wo": (15, "")}
    round_ = next_round(campaign)
    lines = {a.campaign_language.language.tag: a for a in round_.allotments.all()}
    assert lines["wo"].got == 15
    assert lines["wo"].slope == pytest.approx(0.0004)


def test_dear_language_gets_fewer_items_where_the_campaign_counts_seconds() -> None:
    campaign = campaign_with(wo=100, qu=100, floor_per_language=0)
    answer(campaign, "wo", seconds=30)
    answer(campaign, "qu", seconds=10)
    homes = list(campaign.languages.order_by("language__tag"))
    assert [one.cost for one in terms_of(campaign, homes)] == [1.0, 1.0]
    campaign.cost_exponent = 1
    assert [one.cost for one in terms_of(campaign, homes)] == [0.5, 1.5]
    assert got(campaign) == {"qu": (15, ""), "wo": (5, "")}


def test_people_and_limits_cap_a_language_and_the_preview_names_which() -> None:
    campaign = campaign_with(wo=100, qu=100, items_per_round=60, floor_per_language=0)
    make_annotator("awa", "wo")
    make_annotator("binta", "wo")
    make_annotator("inti", "qu")
    campaign.items_per_annotator = 12
    assert got(campaign) == {"qu": (12, "annotators"), "wo": (24, "annotators")}
    campaign.answers_per_item = 2
    assert got(campaign) == {"qu": (6, "annotators"), "wo": (12, "annotators")}
    campaign.items_per_annotator = None
    CampaignLanguage.objects.filter(language__tag="wo").update(most_per_round=7)
    assert got(campaign) == {"qu": (53, ""), "wo": (7, "limit")}
    campaign.save()
    assert {a.got for a in next_round(campaign).allotments.all()} == {7, 53}


def test_languages_that_may_get_nothing_end_the_round_with_a_reason() -> None:
    campaign = campaign_with(wo=10, qu=10)
    CampaignLanguage.objects.update(most_per_round=0)
    over = next_round(campaign)
    assert over.status == "closed"
    assert over.note.endswith("the languages that have texts left may get no items.")


def test_near_duplicates_are_one_question_and_none_beside_what_was_asked() -> None:
    campaign = campaign_with(wo=0, qu=0, gold=0, items_per_round=50, near_duplicates="0.950")
    home = campaign.languages.get(language__tag="wo")
    alike = [make_sample(campaign, "wo", text=f"alike {n}") for n in range(3)]
    asked = make_sample(campaign, "wo", text="asked")
    beside = make_sample(campaign, "wo", text="beside asked")
    single = make_sample(campaign, "wo", text="single")
    make_item(asked, state="answered")
    for group in (alike, [asked, beside]):
        name = min(sample.digest for sample in group)
        for sample in group:
            NearDuplicate.objects.create(home=home, digest=sample.digest, group=name)
    score(campaign.model_versions.get())
    assert {row.tag: (row.samples, row.texts) for row in preview_quota(campaign)}["wo"] == (4, 2)
    campaign.near_duplicates = None
    assert {row.tag: (row.samples, row.texts) for row in preview_quota(campaign)}["wo"] == (5, 5)
    next_round(campaign)
    picks = Item.objects.filter(batch="round-1").select_related("pick")
    assert single.pk in {item.sample_id for item in picks}
    assert len(picks) == 2
    stands = next(item for item in picks if item.sample_id != single.pk)
    assert {stands.sample_id, *stands.pick.duplicates} == {sample.pk for sample in alike}


def test_doubtful_answers_are_asked_once_more_by_somebody_else() -> None:
    campaign = campaign_with(wo=60, qu=0, gold=0, relabel_share="0.20")
    awa, binta = make_annotator("awa", "wo"), make_annotator("binta", "wo")
    first = next_round(campaign)
    assert not first.picks.filter(slot="relabel").exists()
    labels = list(campaign.labels.order_by("position"))
    items = list(Item.objects.filter(batch="round-1").order_by("pk"))
    for number, item in enumerate(items):
        best = campaign.labels.get(key=item.pick.best_label)
        other = labels[(best.position + 1) % 3]
        # Four answers contradict what the version is surest of; the rest agree with it.
        surest = number in _surest(items)
        Annotation.objects.create(
            item=item,
            annotator=awa,
            desk_annotation_id=item.pk,
            state="answered",
            desk_updated_at="2026",
            label=other if surest else best,
        )
    Item.objects.update(state="answered")
    second = next_round(campaign)
    again = list(second.picks.filter(slot="relabel").select_related("item"))
    assert {pick.item.sample_id for pick in again} == {
        items[number].sample_id for number in _surest(items)
    }
    assert {pick.item.kind for pick in again} == {"repeat"}
    assert second.picks.exclude(slot="gold").count() == 20
    third = next_round(campaign)
    sent = {pick.item.sample_id for pick in third.picks.filter(slot="relabel")}
    assert not sent & {pick.item.sample_id for pick in again}, "those wait for their answer"
    Item.objects.update(state="answered")
    binta.active = False
    binta.save()
    assert not next_round(campaign).picks.filter(slot="relabel").exists(), "nobody else is left"


def _surest(items: list[Item]) -> list[int]:
    order = sorted(range(len(items)), key=lambda at: -items[at].suggestion["confidence"])
    return order[:4]


def test_round_keeps_the_strategy_it_was_opened_with() -> None:
    campaign = campaign_with(strategy="entropy")
    round_ = open_round(campaign, now=NOW)
    campaign.strategy_mix = {"margin": 0.5, "least_confidence": 0.5}
    campaign.save()
    round_ = select_round(round_, now=NOW)
    assert {p.strategy for p in round_.picks.exclude(slot="gold")} == {"entropy", "random"}
    mixed = next_round(campaign)
    chosen = [p.strategy for p in mixed.picks.exclude(slot__in=("gold", "audit"))]
    assert len(chosen) == 18
    assert abs(chosen.count("margin") - chosen.count("least_confidence")) <= 2


def test_preview_ranks_as_the_round_will(capsys) -> None:
    campaign = campaign_with(strategy="gumbel:margin")
    call_command("preview_round", campaign.slug, "--top", "1")
    told = capsys.readouterr().out
    round_ = next_round(campaign)
    firsts = round_.picks.exclude(slot="gold").values_list("rationale", flat=True)
    assert any(sentence in told for sentence in firsts)


def test_rationale_names_the_language_and_the_labels_as_people_know_them() -> None:
    campaign = campaign_with()
    language = campaign.languages.get(language__tag="wo").language
    language.name = "Wolof"
    language.save()
    round_ = next_round(campaign)
    pick = round_.picks.filter(item__campaign_language__language=language, slot="weight").first()
    assert pick.rationale.startswith("Wolof quota ")
    assert campaign.labels.get(key=pick.best_label).name in pick.rationale


@pytest.mark.parametrize("mix", [{}, {"k_center": 0.5, "margin": 0.5}])
def test_strategy_without_its_embeddings_gives_way_to_margin_and_says_so(mix) -> None:
    from learning.models import EmbeddingShard

    campaign = campaign_with(strategy="k_center", strategy_mix=mix)
    EmbeddingShard.objects.all().delete()
    round_ = next_round(campaign)
    assert (round_.strategy, round_.mix) == ("margin", {})
    assert "k_center" in round_.note
    assert "no stored embeddings" in round_.note
    assert round_.picks.exclude(slot="gold").count() == 20


def test_strategy_with_embeddings_ranks_by_them_and_tells_distances() -> None:
    from learning.models import EmbeddingShard

    campaign = campaign_with(strategy="k_center")
    assert EmbeddingShard.objects.exists()
    first = next_round(campaign)
    assert (first.strategy, first.note) == ("k_center", "")
    assert {p.strategy for p in first.picks.exclude(slot="gold")} <= {
        "k_center",
        "random",
        "margin",
    }
    Item.objects.update(state="answered")
    second = next_round(campaign)
    for pick in second.picks.exclude(slot="gold"):
        assert pick.nearest.items.filter(batch="round-1").exists()
        assert 0 <= pick.nearest_distance <= 2


def test_margin_tells_distances_too_and_the_request_reads_no_pool_of_embeddings() -> None:
    campaign = campaign_with()
    next_round(campaign)
    Item.objects.update(state="answered")
    second = next_round(campaign)
    assert all(p.nearest_distance is not None for p in second.picks.exclude(slot="gold"))
    request = request_of(Round(campaign=campaign, version=second.version, number=9, seed=1))
    assert request.embeddings is None
    assert select(request).as_text() == select(request).as_text()
