"""Answers of the plain form that come to a closed door: said to be unsaved, and shown once more."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from annotation.actions.invitations import invite, revoke
from annotation.models import Annotation, Annotator, CampaignLanguage, Consent
from tests.annotation.test_light_page import asked, awa, fields, home, signed_in  # noqa: F401
from tests.make import make_annotator, make_consent, make_language

pytestmark = pytest.mark.django_db
HERE = "/answer/mail/wo/"
CHOICE = {"answer": "label:admin", "note": "ñu <b>"}


def once_more(device: Client, *, before: dict[str, str]) -> None:
    """The page shows the same text with the choice marked, and pressing it saves it."""
    page = device.get(HERE).content.decode()
    assert "Your last answer was not saved" in page
    assert fields(page)["item"] == before["item"]
    assert 'value="label:admin" data-key="1" aria-current="true"' in page
    assert 'value="ñu &lt;b&gt;"' in page
    assert "was not saved" not in device.get(HERE).content.decode()
    device.post(HERE, fields(page) | CHOICE)
    assert Annotation.objects.get().label.key == "admin"


def test_who_was_signed_out_is_told_and_sees_the_answer_again(awa: Annotator) -> None:  # noqa: F811
    device = signed_in(awa)
    before = fields(device.get(HERE).content.decode())
    device.logout()
    page = device.post(HERE, before | CHOICE, follow=True)
    assert "Your answer was not saved" in page.content.decode()
    assert page.redirect_chain[-1][0].endswith(f"?next={HERE}")
    assert not Annotation.objects.exists()
    device.force_login(awa.user)
    once_more(device, before=before)


def test_who_agrees_no_more_is_told_and_sees_the_answer_again(awa: Annotator) -> None:  # noqa: F811
    device = signed_in(awa)
    before = fields(device.get(HERE).content.decode())
    Consent.objects.update(ended_at=timezone.now())
    page = device.post(HERE, before | CHOICE, follow=True)
    assert page.redirect_chain == [("/consent/", 302)]
    assert "Your answer was not saved" in page.content.decode()
    make_consent(awa.user)
    once_more(device, before=before)


def test_whose_link_ended_meanwhile_is_told_and_sees_the_answer_again(
    home: CampaignLanguage,  # noqa: F811
    awa: Annotator,  # noqa: F811
) -> None:
    ticket = invite(home.campaign, name="Awa", languages=[make_language("wo")], actor=None)
    ticket.invitation.user = awa.user
    ticket.invitation.save()
    device = Client()
    device.post(f"/go/{ticket.token}/")
    before = fields(device.get(HERE).content.decode())
    revoke(ticket.invitation, now=timezone.now() - timedelta(seconds=1))
    page = device.post(HERE, before | CHOICE)
    assert page.status_code == 410
    assert "Your answer was not saved" in page.content.decode()
    device.force_login(awa.user)
    once_more(device, before=before)


def test_a_changed_answer_comes_back_as_a_change(awa: Annotator) -> None:  # noqa: F811
    device = signed_in(awa)
    first = fields(device.get(HERE).content.decode())
    device.post(HERE, first | {"answer": "label:dates"})
    change = fields(device.get(f"{HERE}?change={first['uid']}").content.decode())
    device.logout()
    device.post(HERE, change | CHOICE)
    device.force_login(awa.user)
    once_more(device, before=change)


def test_another_person_on_the_device_sees_nothing_of_it(awa: Annotator) -> None:  # noqa: F811
    device = signed_in(awa)
    before = fields(device.get(HERE).content.decode())
    device.logout()
    device.post(HERE, before | CHOICE)
    device.force_login(make_annotator("ibou").user)
    page = device.get(HERE).content.decode()
    assert 'id="unsaved"' not in page
    assert "ñu" not in page


@pytest.mark.parametrize("told", ["", "nonsense", "a:b:c"])
def test_a_forged_cookie_is_nothing(awa: Annotator, told: str) -> None:  # noqa: F811
    device = signed_in(awa)
    device.cookies["unsaved_answer"] = told
    page = device.get(HERE)
    assert page.status_code == 200
    assert "Your last answer" not in page.content.decode()
