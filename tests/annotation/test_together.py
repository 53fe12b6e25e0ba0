"""Answers that come together are stored as they are one by one, with no question more than for one."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotation.actions.light import Receipt
from annotation.actions.together import take_answers
from annotation.models import (
    Annotation,
    AnnotationRevision,
    Annotator,
    CampaignLanguage,
    Item,
    Objection,
    QuarantinedAnswer,
    Reservation,
)
from tests.make import make_annotator, make_campaign, make_item, make_sample

pytestmark = pytest.mark.django_db


@pytest.fixture
def home() -> CampaignLanguage:
    made = make_campaign(languages=("wo",), status="running")
    return CampaignLanguage.objects.select_related("campaign", "language").get(campaign=made)


@pytest.fixture
def awa(home: CampaignLanguage) -> Annotator:
    return make_annotator()


def leased(home: CampaignLanguage, who: Annotator, **over: object) -> Item:
    item = make_item(make_sample(home.campaign), **over)
    until = timezone.now() + timedelta(hours=1)
    Reservation.objects.create(item=item, annotator=who, until=until)
    return item


def said(item: Item, **over: object) -> dict[str, object]:
    return {"uid": str(uuid.uuid4()), "item": str(item.uid), "label": "admin", "edit": 0} | over


def send(home: CampaignLanguage, who: Annotator, *told: dict[str, object]) -> list[Receipt]:
    return take_answers(who, home=home, told=told, now=timezone.now())


def outcomes(receipts: list[Receipt]) -> list[str]:
    return [str(one.outcome) for one in receipts]


def test_each_is_stored_with_its_past_and_its_item_is_done(
    home: CampaignLanguage, awa: Annotator
) -> None:
    one, two = leased(home, awa), leased(home, awa, wanted=2)
    told = [said(one), said(two, label="dates", note=" so ", lead_seconds=4)]
    assert outcomes(send(home, awa, *told)) == ["stored", "stored"]
    rows = Annotation.objects.order_by("pk").values_list("label__key", "note", "lead_seconds")
    assert list(rows) == [("admin", "", None), ("dates", "so", 4.0)]
    assert AnnotationRevision.objects.count() == 2
    one.refresh_from_db()
    two.refresh_from_db()
    assert (one.state, one.answered_at is not None) == ("answered", True)
    assert two.state == "answered"  # nobody else is in the team
    assert not Reservation.objects.filter(released_at=None).exists()
    assert outcomes(send(home, awa, *told)) == ["same", "same"]
    assert Annotation.objects.count() == 2


def test_what_cannot_be_used_stops_none_of_the_others(
    home: CampaignLanguage, awa: Annotator
) -> None:
    others = make_item(make_sample(home.campaign))
    told = [
        said(leased(home, awa)),
        said(leased(home, awa), label="no such label"),
        said(others),
        said(leased(home, awa), label="", flag="offensive"),
        {"item": 7},
    ]
    receipts = send(home, awa, *told)
    assert outcomes(receipts) == ["stored", "refused", "refused", "stored", "refused"]
    assert [one.reason for one in receipts] == ["", "unknown_label", "not_found", "", "not_found"]
    assert QuarantinedAnswer.objects.count() == 1
    assert Objection.objects.get().kind == "offensive"


def test_of_one_text_the_last_word_holds_though_both_come_together(
    home: CampaignLanguage, awa: Annotator
) -> None:
    item = leased(home, awa)
    first = said(item)
    changed = first | {"edit": 1, "label": "dates"}
    assert outcomes(send(home, awa, first, changed)) == ["stored", "revised"]
    assert Annotation.objects.get().label.key == "dates"


def test_whoever_is_no_longer_in_the_team_is_told_so(
    home: CampaignLanguage, awa: Annotator
) -> None:
    item = leased(home, awa)
    Annotator.objects.update(active=False)
    (receipt,) = send(home, awa, said(item))
    assert receipt.reason == "unknown_person"
    assert not Annotation.objects.exists()


def test_twenty_ask_no_more_than_two(home: CampaignLanguage, awa: Annotator) -> None:
    counts = []
    for number in (2, 20):
        told = [said(leased(home, awa)) for _ in range(number)]
        with CaptureQueriesContext(connection) as seen:
            assert set(outcomes(send(home, awa, *told))) == {"stored"}
        counts.append(len(seen))
    assert counts[0] == counts[1] < 20


def test_what_is_sent_again_is_heard_once_with_no_question_more_however_much_it_is(
    home: CampaignLanguage, awa: Annotator
) -> None:
    told = [said(leased(home, awa), note=f"n{n}") for n in range(20)]
    assert outcomes(send(home, awa, *told)) == ["stored"] * 20
    then = list(Annotation.objects.order_by("pk").values())
    send(home, awa, told[0])
    with CaptureQueriesContext(connection) as few:
        send(home, awa, told[0])
    with CaptureQueriesContext(connection) as many:
        assert outcomes(send(home, awa, *told)) == ["same"] * 20
    assert len(many) <= len(few) + 1
    assert list(Annotation.objects.order_by("pk").values()) == then
    assert AnnotationRevision.objects.count() == 20


def test_a_change_among_what_is_sent_again_is_stored_and_an_old_one_is_not(
    home: CampaignLanguage, awa: Annotator
) -> None:
    told = [said(leased(home, awa)) for _ in range(4)]
    send(home, awa, *told)
    other = said(leased(home, awa))
    changed = told[1] | {"edit": 1, "label": "accounts"}
    again = [told[0], changed, told[2] | {"label": "accounts"}, told[3], other]
    assert outcomes(send(home, awa, *again)) == ["same", "revised", "revised", "same", "stored"]
    assert Annotation.objects.get(uid=told[1]["uid"]).label.key == "accounts"
    # The first version comes late once more.
    assert outcomes(send(home, awa, told[1])) == ["same"]
    assert Annotation.objects.get(uid=told[1]["uid"]).label.key == "accounts"


def test_nobody_hears_that_another_persons_number_was_stored_or_for_another_text(
    home: CampaignLanguage, awa: Annotator
) -> None:
    fatou, item, other = make_annotator("fatou"), leased(home, awa), leased(home, awa)
    mine = said(item)
    send(home, awa, mine)
    until = timezone.now() + timedelta(hours=1)
    Reservation.objects.create(item=item, annotator=fatou, until=until)
    assert outcomes(send(home, fatou, mine)) == ["refused"]
    assert outcomes(send(home, awa, mine | {"item": str(other.uid)})) == ["refused"]
    awa.active = False
    awa.save()
    assert outcomes(send(home, awa, mine)) == ["refused"]
    assert Annotation.objects.count() == 1
