"""The quota's knobs: tried without a trace, set with one, and taken back."""

from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from annotation.errors import ConflictError
from annotation.models import Campaign
from learning.actions.quota_settings import (
    KnobError,
    preview_proposal,
    propose,
    set_quota,
    undo_quota,
)
from learning.actions.rounds import open_round, select_round
from learning.actions.scoring import open_scoring, reclaim_shards, score_shard
from learning.actions.versions import initial_version
from learning.models import QuotaChange, Round
from tests.make import make_annotator, make_campaign, make_sample, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def campaign() -> Campaign:
    campaign = make_campaign(
        slug="moods", languages=("wo", "qu", "ar"), items_per_round=20, floor_per_language=2
    )
    for tag, count in (("wo", 40), ("qu", 30), ("ar", 5)):
        for number in range(count):
            make_sample(campaign, tag, text=f"{tag} {number}")
    scoring = open_scoring(initial_version(campaign), now=NOW)
    for pk in reclaim_shards(scoring, now=NOW):
        score_shard(pk, now=lambda: NOW)
    return campaign


def next_round(campaign: Campaign) -> dict[str, int]:
    Round.objects.filter(campaign=campaign).update(status="closed")
    round_ = select_round(open_round(campaign, now=NOW), now=NOW)
    return {
        a.campaign_language.language.tag: a.got
        for a in round_.allotments.select_related("campaign_language__language")
    }


CHANGES = [
    ({}, {}),
    ({"items_per_round": 7}, {}),
    ({"items_per_round": 31, "floor_per_language": 9}, {}),
    ({"floor_per_language": 50}, {}),
    ({"audit_share": Decimal("0.4"), "answers_per_item": 3}, {}),
    ({"items_per_round": 13}, {"wo": {"active": False}}),
    ({"items_per_round": 500}, {}),
    ({}, {"wo": {"most_per_round": 3}, "qu": {"most_per_round": 0}}),
    ({"cost_exponent": "1", "slope_trust": "0.5", "relabel_share": "0.3"}, {}),
]


@pytest.mark.parametrize(("values", "languages"), CHANGES)
def test_what_was_shown_before_saving_is_what_the_next_round_gives(
    values: dict[str, object], languages: dict[str, dict[str, object]], campaign: Campaign
) -> None:
    next_round(campaign)
    before = list(Campaign.objects.values()), list(campaign.languages.values())
    preview = preview_proposal(campaign, propose(campaign, values=values, languages=languages))
    assert (list(Campaign.objects.values()), list(campaign.languages.values())) == before
    set_quota(campaign, values=values, languages=languages)
    campaign.refresh_from_db()
    shown = {row.home.language.tag: row.new.got for row in preview.rows if row.new}
    # Nothing but the quota decides it: an audit drawn by chance would show in some other case.
    assert next_round(campaign) == shown
    kinds = Round.objects.order_by("number").last()
    assert kinds
    audits = {
        row.home.language.tag: row.new.audit for row in preview.rows if row.new and row.new.got
    }
    drawn = kinds.picks.filter(slot="audit").values_list("item__sample__language__tag", flat=True)
    assert {tag: list(drawn).count(tag) for tag in audits} == audits


@pytest.mark.parametrize("seed", range(3))
def test_ties_fall_as_they_were_shown(seed: int, campaign: Campaign) -> None:
    Campaign.objects.update(seed=seed)
    campaign.refresh_from_db()
    values = {"items_per_round": 4, "floor_per_language": 0}
    preview = preview_proposal(campaign, propose(campaign, values=values))
    set_quota(campaign, values=values)
    campaign.refresh_from_db()
    assert next_round(campaign) == {
        row.home.language.tag: row.new.got for row in preview.rows if row.new
    }


def test_the_preview_shows_both_sides(campaign: Campaign) -> None:
    proposal = propose(campaign, values={"items_per_round": 8}, languages={"qu": {"active": False}})
    preview = preview_proposal(campaign, proposal)
    assert (preview.now, preview.new) == (20, 8)
    assert (preview.answers_now, preview.answers_new) == (20, 8)
    rows = {row.home.language.tag: row for row in preview.rows}
    assert rows["qu"].new is None
    assert rows["qu"].now is not None
    assert rows["qu"].difference == -rows["qu"].now.got
    assert sum(row.difference for row in preview.rows) == -12


def test_every_change_is_written_down_and_the_last_is_taken_back(campaign: Campaign) -> None:
    noor = make_user("noor", staff=True)
    languages = {"ar": {"most_per_round": 3}, "wo": {"active": True}}
    first = set_quota(campaign, values={"floor_per_language": 5}, languages=languages, actor=noor)
    assert first
    assert (first.number, first.actor) == (1, noor)
    assert (first.before, first.after) == ({"floor_per_language": 2}, {"floor_per_language": 5})
    assert first.languages_before == {"ar": {"most_per_round": None}}
    assert first.languages_after == {"ar": {"most_per_round": 3}}
    second = set_quota(campaign, values={"audit_share": "0.25"}, actor=noor)
    assert second
    assert (second.before, second.after) == ({"audit_share": "0.10"}, {"audit_share": "0.25"})
    undo = undo_quota(campaign, actor=noor, seen=2)
    campaign.refresh_from_db()
    assert (undo.number, undo.undoes, campaign.audit_share) == (3, second, Decimal("0.10"))
    assert campaign.floor_per_language == 5
    undo_quota(campaign, actor=noor, seen=3)
    campaign.refresh_from_db()
    assert campaign.audit_share == Decimal("0.25")
    assert campaign.languages.get(language__tag="ar").most_per_round == 3
    assert QuotaChange.objects.count() == 4


def test_the_same_values_again_are_no_change(campaign: Campaign) -> None:
    values = {"floor_per_language": 5, "audit_share": "0.1"}
    assert set_quota(campaign, values=values)
    assert set_quota(campaign, values=values) is None
    assert QuotaChange.objects.count() == 1


@pytest.mark.parametrize(
    ("values", "languages", "knob"),
    [
        ({"audit_share": "0.05"}, {}, "audit_share"),
        ({"items_per_round": 0}, {}, "items_per_round"),
        ({"items_per_round": "many"}, {}, "items_per_round"),
        ({"strategy": "guess"}, {}, "strategy"),
        ({"strategy_mix": {"margin": 0.5}}, {}, "strategy_mix"),
        ({"strategy_mix": {"margin": 0.5, "guess": 0.5}}, {}, "strategy_mix"),
        ({"strategy_mix": {"margin": 1.5, "random": -0.5}}, {}, "strategy_mix"),
        ({"slope_trust": "0.9"}, {}, "slope_trust"),
        ({"title": "x"}, {}, "title"),
        ({}, {"xx": {"active": False}}, "language"),
        ({}, {"wo": {"most_per_round": -1}}, "most_per_round"),
        ({}, {tag: {"active": False} for tag in ("wo", "qu", "ar")}, "active"),
    ],
)
def test_what_cannot_be_is_refused_by_knob_and_nothing_is_saved(
    values: dict[str, object],
    languages: dict[str, dict[str, object]],
    knob: str,
    campaign: Campaign,
) -> None:
    before = list(Campaign.objects.values())
    with pytest.raises(KnobError) as refused:
        set_quota(campaign, values={"floor_per_language": 9} | values, languages=languages)
    assert refused.value.knob == knob
    assert list(Campaign.objects.values()) == before
    assert not QuotaChange.objects.exists()


def test_whoever_decided_on_an_older_page_is_asked_to_look_again(campaign: Campaign) -> None:
    set_quota(campaign, values={"floor_per_language": 5}, seen=0)
    with pytest.raises(ConflictError, match="since you opened"):
        set_quota(campaign, values={"floor_per_language": 6}, seen=0)
    with pytest.raises(ConflictError):
        undo_quota(campaign, seen=0)
    campaign.refresh_from_db()
    assert campaign.floor_per_language == 5


def test_nothing_is_set_when_the_campaign_is_over(campaign: Campaign) -> None:
    Campaign.objects.update(status="finished")
    with pytest.raises(ConflictError, match="finished"):
        set_quota(campaign, values={"floor_per_language": 5})


def test_a_round_that_has_not_chosen_yet_is_the_one_that_is_shown(campaign: Campaign) -> None:
    make_annotator("awa", "wo")
    make_annotator("inti", "qu")
    open_round(campaign, now=NOW)
    values = {"items_per_round": 9, "floor_per_language": 0}
    preview = preview_proposal(campaign, propose(campaign, values=values))
    set_quota(campaign, values=values)
    round_ = select_round(campaign.rounds.get(), now=NOW)
    got = {a.campaign_language.language.tag: a.got for a in round_.allotments.all()}
    assert got == {row.home.language.tag: row.new.got for row in preview.rows if row.new}
    assert got["ar"] == 0


def told(*options: str) -> str:
    out = StringIO()
    call_command("set_quota", "moods", *options, stdout=out)
    return out.getvalue()


def test_the_command_tries_sets_and_undoes(campaign: Campaign) -> None:
    tried = told("--items", "9", "--leave-out", "ar", "--dry-run")
    assert "Items 20 -> 9" in tried
    assert "Nothing is saved." in tried
    assert not QuotaChange.objects.exists()
    assert "Saved as change 1" in told("--items", "9", "--pause", "ar", "--most", "wo=4")
    campaign.refresh_from_db()
    limits = dict(campaign.languages.values_list("language__tag", "most_per_round"))
    assert (campaign.items_per_round, limits) == (9, {"wo": 4, "qu": None, "ar": 0})
    told("--mix", "margin=0.5", "--mix", "random=0.5")
    campaign.refresh_from_db()
    assert campaign.strategy_mix == {"margin": 0.5, "random": 0.5}
    told("--undo")
    campaign.refresh_from_db()
    assert (campaign.items_per_round, campaign.strategy_mix) == (9, {})
    for wrong in (["--audit-share", "0.01"], ["--most", "wo"], ["--mix", "margin=x"]):
        with pytest.raises(CommandError):
            told(*wrong)
    with pytest.raises(CommandError, match="no campaign"):
        call_command("set_quota", "nowhere")
