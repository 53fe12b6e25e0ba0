"""Where people do not agree: more eyes, a coordinator's decision, or their spread."""

from datetime import UTC, datetime

import pytest

from annotation.actions.consensus import refit, stale_languages
from annotation.actions.disputes import adjudicate, ask_more_eyes, to_adjudicate, undo
from annotation.errors import ConflictError, InvalidInputError
from annotation.models import (
    Annotator,
    Campaign,
    CampaignLanguage,
    Consensus,
    GoldItem,
    Item,
    Reliability,
    Sample,
)
from tests.annotation.test_consensus import answer, label
from tests.make import (
    make_annotator,
    make_campaign,
    make_gold,
    make_language,
    make_sample,
    make_user,
)

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def campaign() -> Campaign:
    return make_campaign(status=Campaign.Status.RUNNING)


@pytest.fixture
def wolof(campaign: Campaign) -> CampaignLanguage:
    return campaign.languages.get(language__tag="wo")


@pytest.fixture
def team() -> list[Annotator]:
    return [make_annotator(name, "wo") for name in ("awa", "ibou", "fatou")]


@pytest.fixture
def torn(campaign: Campaign, team: list[Annotator]) -> Sample:
    """A text on which two people differ who agree elsewhere."""
    for key in ("dates", "admin"):
        sample = make_sample(campaign)
        for who in team:
            answer(sample, who, key)
    sample = make_sample(campaign)
    answer(sample, team[0], "dates")
    answer(sample, team[1], "admin")
    sample.items.update(state=Item.State.ANSWERED, wanted=2)
    refit_all(campaign)
    assert Consensus.objects.get(sample=sample).disputed
    return sample


def refit_all(campaign: Campaign) -> None:
    for language in stale_languages(campaign):
        refit(campaign, language=language, now=NOW)


def test_a_disputed_text_is_asked_once_more_of_somebody_who_has_not_answered(
    wolof: CampaignLanguage, torn: Sample
) -> None:
    assert ask_more_eyes(wolof) == 1
    item = torn.items.get()
    assert (item.wanted, item.state) == (3, Item.State.QUEUED)
    assert ask_more_eyes(wolof) == 0
    assert not to_adjudicate(wolof).exists()


def test_nobody_is_asked_twice_and_the_coordinator_decides(
    campaign: Campaign, wolof: CampaignLanguage, torn: Sample, team: list[Annotator]
) -> None:
    team[2].active = False
    team[2].save()
    assert ask_more_eyes(wolof) == 0
    assert [one.sample for one in to_adjudicate(wolof)] == [torn]
    noor = make_user("noor")
    adjudicate(torn, label=label(campaign, "admin"), reason="A form.", by=noor, now=NOW)
    assert stale_languages(campaign) == [make_language("wo")]
    refit_all(campaign)
    row = Consensus.objects.get(sample=torn)
    assert (row.label.key, row.confidence, row.disputed, row.weight) == ("admin", 1.0, False, 1.0)
    skills = {one.annotator_id: one.skill for one in Reliability.objects.all()}
    assert skills[team[1].pk] > skills[team[0].pk]
    # It says how people answer and is no gold: no model is judged by it.
    assert not GoldItem.objects.exists()


def test_as_many_are_asked_as_the_campaign_allows(
    campaign: Campaign, wolof: CampaignLanguage, torn: Sample
) -> None:
    Campaign.objects.filter(pk=campaign.pk).update(most_answers=2)
    wolof = CampaignLanguage.objects.get(pk=wolof.pk)
    assert ask_more_eyes(wolof) == 0


def test_a_decision_can_be_undone_and_made_otherwise(
    campaign: Campaign, wolof: CampaignLanguage, torn: Sample
) -> None:
    noor = make_user("noor")
    first = adjudicate(torn, label=label(campaign, "admin"), reason="A form.", by=noor, now=NOW)
    again = adjudicate(torn, label=label(campaign, "admin"), reason="Still.", by=noor, now=NOW)
    assert again == first
    adjudicate(torn, label=label(campaign, "dates"), reason="A day.", by=noor, now=NOW)
    assert torn.adjudications.filter(undone_at=None).count() == 1
    assert not undo(first, by=noor, now=NOW)
    assert undo(torn.adjudications.get(undone_at=None), by=noor, now=NOW)
    refit_all(campaign)
    assert Consensus.objects.get(sample=torn).disputed


@pytest.mark.parametrize("reason", ["", "   "])
def test_a_decision_needs_a_reason(campaign: Campaign, torn: Sample, reason: str) -> None:
    with pytest.raises(InvalidInputError, match="needs a reason"):
        adjudicate(
            torn, label=label(campaign, "dates"), reason=reason, by=make_user("noor"), now=NOW
        )


def test_gold_and_foreign_labels_are_not_decided_on(campaign: Campaign) -> None:
    noor = make_user("noor")
    gold = make_gold(campaign).sample
    with pytest.raises(ConflictError, match="gold item"):
        adjudicate(gold, label=label(campaign, "dates"), reason="So.", by=noor, now=NOW)
    other = make_campaign(slug="another")
    with pytest.raises(InvalidInputError, match="no label of this campaign"):
        adjudicate(
            make_sample(campaign), label=label(other, "dates"), reason="So.", by=noor, now=NOW
        )


def test_who_decides_is_not_measured_on_it(
    campaign: Campaign, torn: Sample, team: list[Annotator]
) -> None:
    adjudicate(torn, label=label(campaign, "dates"), reason="Mine.", by=team[0].user, now=NOW)
    refit_all(campaign)
    counted = {one.annotator_id: one.answers for one in Reliability.objects.all()}
    assert counted[team[0].pk] == counted[team[1].pk] - 1


def test_opinions_keep_their_spread_and_are_learned_in_full(
    campaign: Campaign, wolof: CampaignLanguage, torn: Sample, team: list[Annotator]
) -> None:
    answer(torn, team[2], "dates")
    Campaign.objects.filter(pk=campaign.pk).update(subjective=True)
    campaign.refresh_from_db()
    refit_all(campaign)
    row = Consensus.objects.get(sample=torn)
    shares = dict(zip(campaign.labels.order_by("position"), row.people, strict=True))
    dates, admin = shares[label(campaign, "dates")], shares[label(campaign, "admin")]
    # Two said one thing and one the other; a single truth would be all but certain.
    assert 0.55 < dates < 0.8
    assert 0.2 < admin < 0.45
    assert row.weight == 1.0
    wolof = CampaignLanguage.objects.get(pk=wolof.pk)
    assert not to_adjudicate(wolof).exists()
    with pytest.raises(ConflictError, match="no right answer"):
        adjudicate(
            torn, label=label(campaign, "dates"), reason="So.", by=make_user("noor"), now=NOW
        )
