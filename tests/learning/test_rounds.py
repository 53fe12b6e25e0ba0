"""Rounds: what is asked, of which language, why; and what is written when."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from annotation.errors import ConflictError
from annotation.models import CampaignLanguage, Item, Sample, SampleImport
from learning.actions import rounds as actions
from learning.actions.pools import askable, request_of
from learning.actions.rounds import open_round, preview_quota, seed_of, select_round
from learning.actions.scoring import open_scoring
from learning.actions.versions import initial_version
from learning.errors import NothingServesError
from learning.methods import selection
from learning.models import Allotment, Pick, Prediction, QuotaAccount, Round, Temperature
from tests.learning.scored import NOW, score
from tests.make import make_annotator, make_campaign, make_gold, make_item, make_sample

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]


def campaign_with(wo: int = 60, qu: int = 30, gold: int = 8, **over):
    campaign = make_campaign(**({"items_per_round": 20, "floor_per_language": 4} | over))
    for tag, count in (("wo", wo), ("qu", qu)):
        for number in range(count):
            make_sample(campaign, tag, text=f"{tag} text {number}")
        for number in range(gold):
            make_gold(campaign, tag, text=f"{tag} gold {number}")
    score(initial_version(campaign))
    return campaign


def next_round(campaign) -> Round:
    Round.objects.filter(campaign=campaign).update(status="closed")
    return select_round(open_round(campaign, now=NOW), now=NOW)


def test_one_round_is_open_at_a_time_and_needs_a_model() -> None:
    with pytest.raises(NothingServesError):
        open_round(make_campaign(), now=NOW)
    campaign = campaign_with()
    first = open_round(campaign, now=NOW)
    assert open_round(campaign, now=NOW) == first
    assert (first.number, first.status, first.target) == (1, "scoring", 20)
    assert first.seed == seed_of(campaign, number=1) != seed_of(campaign, number=2)
    Round.objects.update(status="closed")
    assert open_round(campaign, now=NOW).number == 2


def test_round_leases_its_quota_and_explains_every_item() -> None:
    campaign = campaign_with()
    round_ = next_round(campaign)
    assert (round_.status, round_.shortfall, round_.selected_at) == ("collecting", 0, NOW)
    assert len(round_.request_digest) == 64
    for home in campaign.languages.all():
        items = list(Item.objects.filter(campaign_language=home).select_related("pick"))
        kinds = [item.kind for item in items]
        assert (kinds.count("acquisition"), kinds.count("audit"), kinds.count("gold")) == (9, 1, 1)
        assert [item.priority for item in items] == list(range(1, 12))
        assert [item.pick.rank for item in items] == list(range(1, 12))
        for item in items:
            assert item.sample.language_id == home.language_id
            assert item.batch == "round-1"
            assert item.suggestion["label"] in ("admin", "accounts", "dates")
            assert 1 / 3 <= item.suggestion["confidence"] <= 1
            assert 0 < item.pick.propensity <= 1
            assert item.pick.rationale
            assert (item.pick.slot == "gold") == (item.kind == "gold")
            assert (item.pick.slot == "audit") == (item.kind == "audit")
    assert Allotment.objects.filter(round=round_).count() == 2
    assert QuotaAccount.objects.count() == 2


def test_selecting_twice_asks_once() -> None:
    campaign = campaign_with()
    round_ = next_round(campaign)
    before = sorted(Item.objects.values_list("pk", "sample_id", "priority"))
    again = select_round(round_, now=datetime(2027, 1, 1, tzinfo=UTC))
    assert again.selected_at == NOW
    assert sorted(Item.objects.values_list("pk", "sample_id", "priority")) == before
    assert Pick.objects.count() == len(before)


def test_margin_picks_are_the_least_certain_of_their_language() -> None:
    campaign = campaign_with()
    round_ = next_round(campaign)
    for home in campaign.languages.all():
        picked = Item.objects.filter(campaign_language=home, kind="acquisition")
        asked = Item.objects.filter(campaign_language=home).values("sample")
        rest = Prediction.objects.filter(sample__language=home.language, sample__gold=None)
        worst = max(item.pick.margin for item in picked)
        assert worst <= min(p.margin for p in rest.exclude(sample__in=asked)) + 1e-9
    assert round_.strategy == "margin"


def test_rounds_never_repeat_a_text_and_the_ledger_adds_up() -> None:
    campaign = campaign_with(wo=60, qu=12, items_per_round=15, floor_per_language=1)
    for number in range(1, 6):
        round_ = next_round(campaign)
        assert round_.number == number
    asked = Item.objects.exclude(kind="gold").values_list("sample_id", flat=True)
    assert len(asked) == len(set(asked)) == 72
    assert round_.shortfall == 3
    assert round_.note == "3 fewer than wanted: pool."
    last = {a.campaign_language_id: a for a in round_.allotments.all()}
    for account in QuotaAccount.objects.all():
        allotment = last[account.campaign_language_id]
        assert allotment.debt_after == pytest.approx(account.debt + account.owed)
        assert abs(account.debt) < 1


def test_nothing_left_closes_the_round_and_says_so() -> None:
    campaign = campaign_with(wo=3, qu=2)
    assert next_round(campaign).shortfall == 15
    over = next_round(campaign)
    assert (over.status, over.note) == ("closed", actions.NOTHING_LEFT)
    assert over.closed_at == NOW
    assert not Item.objects.filter(batch="round-2").exists()


def test_copies_are_asked_once_and_gold_or_asked_texts_never() -> None:
    campaign = campaign_with(wo=0, qu=0, gold=2, items_per_round=50)
    home = CampaignLanguage.objects.get(campaign=campaign, language__tag="wo")
    twins = [make_sample(campaign, "wo", text="twin") for _ in range(3)]
    make_sample(campaign, "wo", text="wo gold 0")
    old = make_sample(campaign, "wo", text="asked before")
    make_item(old, state="answered")
    make_sample(campaign, "wo", text="asked before")
    single = make_sample(campaign, "wo", text="single")
    score(campaign.model_versions.get())
    assert {row.tag: (row.samples, row.texts) for row in preview_quota(campaign)} == {
        "qu": (0, 0),
        "wo": (4, 2),
    }
    next_round(campaign)
    asked = Item.objects.filter(campaign_language=home, batch="round-1").exclude(kind="gold")
    assert {item.sample.text for item in asked} == {"twin", "single"}
    pick = asked.get(sample__in=twins).pick
    assert {pick.item.sample_id, *pick.duplicates} == {twin.pk for twin in twins}
    assert asked.get(sample=single).pick.duplicates == []


def test_gold_is_drawn_least_exposed_first_and_twice_at_most() -> None:
    campaign = campaign_with(wo=60, qu=0, gold=3, items_per_round=10, gold_share="0.20")
    for name in ("awa", "binta", "coumba"):
        make_annotator(name, "wo")
    make_annotator("gone", "wo", active=False)
    shown = []
    for _ in range(4):
        round_ = next_round(campaign)
        gold = Item.objects.filter(batch=f"round-{round_.number}", kind="gold")
        assert {item.wanted for item in gold} <= {3}
        shown.append(sorted(gold.values_list("sample_id", flat=True)))
        Item.objects.update(state="answered")
    assert [len(one) for one in shown] == [2, 2, 2, 0]
    everything = [sample for one in shown for sample in one]
    assert {everything.count(sample) for sample in everything} == {2}
    assert len(set(shown[0]) | set(shown[1])) == 3


def test_open_or_retired_gold_stays_at_home() -> None:
    campaign = campaign_with(wo=60, qu=0, gold=2, items_per_round=10, gold_share="0.50")
    retired, open_ = Sample.objects.exclude(gold=None).filter(language__tag="wo")
    retired.gold.retired_at = NOW
    retired.gold.save()
    make_item(open_, kind="gold")
    next_round(campaign)
    assert not Item.objects.filter(batch="round-1", kind="gold").exists()


def test_gold_of_an_import_that_is_not_done_stays_at_home() -> None:
    campaign = campaign_with(wo=60, qu=0, gold=0, items_per_round=10, gold_share="0.50")
    job = SampleImport.objects.create(campaign=campaign, path="p", format="csv", status="running")
    gold = make_gold(campaign, "wo", text="half read", sample_import=job)
    next_round(campaign)
    assert not Item.objects.filter(kind="gold").exists()
    SampleImport.objects.update(status="done")
    next_round(campaign)
    assert Item.objects.get(kind="gold").sample == gold.sample


def test_language_without_people_waits_and_is_owed_a_bounded_debt() -> None:
    campaign = campaign_with(wo=100, qu=30)
    make_annotator("awa", "wo")
    gone = make_annotator("inti", "qu", active=False)
    rows = {row.tag: row.quota for row in preview_quota(campaign)}
    assert {tag: (q.got, q.capped_by) for tag, q in rows.items()} == {
        "qu": (0, "annotators"),
        "wo": (20, ""),
    }
    for _ in range(4):
        round_ = next_round(campaign)
        line = round_.allotments.get(campaign_language__language__tag="qu")
        assert (line.got, line.capped_by, round_.shortfall) == (0, "annotators", 0)
    assert line.debt_after == pytest.approx(20, abs=1)
    gone.active = True
    gone.save()
    assert next_round(campaign).allotments.get(campaign_language__language__tag="qu").got > 10


def test_round_that_finds_nobody_to_ask_says_so() -> None:
    campaign = campaign_with(wo=0, qu=5)
    make_annotator("awa", "wo")
    assert not askable(campaign, version=campaign.model_versions.get()).exists()
    over = next_round(campaign)
    assert (over.status, over.note) == ("closed", actions.NOBODY_TO_ASK)


def test_gold_cannot_be_told_by_its_place_in_the_queue() -> None:
    campaign = campaign_with(wo=300, qu=0, gold=40, items_per_round=40, gold_share="0.20")
    places = []
    for _ in range(6):
        next_round(campaign)
        Item.objects.update(state="answered")
    for item in Item.objects.filter(kind="gold"):
        places.append(item.priority)
    assert len(places) == 48
    assert min(places) < 12
    assert max(places) > 36
    assert 18 < sum(places) / len(places) < 31


def test_selection_waits_for_its_scoring() -> None:
    campaign = campaign_with()
    make_sample(campaign, "wo", text="new")
    open_scoring(campaign.model_versions.get(), now=NOW)
    round_ = open_round(campaign, now=NOW)
    with pytest.raises(ConflictError, match="waits for its scoring"):
        select_round(round_, now=NOW)
    assert not Item.objects.exists()


def test_samples_without_a_prediction_wait_for_the_next_round() -> None:
    campaign = campaign_with(wo=0, qu=0, gold=0)
    make_sample(campaign, "wo", text="imported after scoring")
    over = next_round(campaign)
    assert (over.status, over.note) == ("closed", actions.NOTHING_SCORED)


def test_sample_leased_meanwhile_is_not_leased_again(monkeypatch) -> None:
    campaign = campaign_with()
    real, stolen = selection.select, []

    def late(request):
        batch = real(request)
        if not stolen:
            stolen.append(Sample.objects.get(pk=int(batch.items[0].item_id)))
            make_item(stolen[0])
        return batch

    monkeypatch.setattr(selection, "select", late)
    round_ = next_round(campaign)
    assert Item.objects.filter(sample=stolen[0]).count() == 1
    assert round_.picks.exclude(slot="gold").count() == 20


def test_failure_half_way_writes_nothing(monkeypatch) -> None:
    campaign = campaign_with()
    round_ = open_round(campaign, now=NOW)
    monkeypatch.setattr(actions, "_pick", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        select_round(round_, now=NOW)
    assert not Item.objects.exists()
    assert not Allotment.objects.exists()
    assert not QuotaAccount.objects.exists()
    monkeypatch.undo()
    assert Round.objects.get().status == "scoring"


def test_choice_after_a_crash_is_the_one_that_was_lost(monkeypatch) -> None:
    campaign = campaign_with()
    round_ = open_round(campaign, now=NOW)
    lost = selection.select(request_of(round_))
    with monkeypatch.context() as patch:
        patch.setattr(actions, "_commit", lambda *args, **kwargs: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            select_round(round_, now=NOW)
    round_ = select_round(round_, now=NOW)
    picks = round_.picks.exclude(slot="gold").select_related("item")
    assert round_.request_digest == lost.request_digest
    assert {(str(p.item.sample_id), p.slot, p.propensity) for p in picks} == {
        (p.item_id, p.slot, p.propensity) for p in lost.items
    }


def test_temperature_moves_no_share_and_inactive_languages_rest() -> None:
    campaign = campaign_with()
    version = campaign.model_versions.get()
    wolof = campaign.languages.get(language__tag="wo")
    Temperature.objects.create(version=version, language=wolof.language, value=0.3, gold=9)
    round_ = next_round(campaign)
    assert sorted(a.got for a in round_.allotments.all()) == [10, 10]
    wolof.active = False
    wolof.save()
    later = next_round(campaign)
    assert [a.campaign_language.language.tag for a in later.allotments.all()] == ["qu"]
    assert later.picks.exclude(slot="gold").count() == 20


def test_preview_says_what_the_round_will_do_and_writes_nothing() -> None:
    campaign = campaign_with(wo=60, qu=5)
    rows = preview_quota(campaign)
    out = StringIO()
    call_command("preview_round", campaign.slug, "--top", "3", stdout=out)
    assert not Item.objects.exists()
    assert not Round.objects.exists()
    round_ = next_round(campaign)
    got = {a.campaign_language.language.tag: a.got for a in round_.allotments.all()}
    assert {row.tag: row.quota.got for row in rows} == got == {"wo": 15, "qu": 5}
    lines = out.getvalue().splitlines()
    assert lines[1].split()[:3] == ["qu", "5", "5"]
    assert lines[1].endswith("pool")
    first = round_.picks.filter(slot="floor").first()
    assert first.rationale in out.getvalue() or "3:" in out.getvalue()
    assert sum(line.startswith("    ") for line in lines) == 3
    with pytest.raises(CommandError, match="no campaign"):
        call_command("preview_round", "nowhere")
