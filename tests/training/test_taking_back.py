"""Taking back by oneself: said before, done once, told after; nothing of it is left to read."""

import pytest
from django.test import Client
from django.utils import timezone

from annotation.actions.hours import work_done
from annotation.actions.objections import note_objections
from annotation.actions.own_answers import own_rows
from annotation.models import (
    Annotation,
    AnnotationRevision,
    Consent,
    Objection,
    QuarantinedAnswer,
    User,
    Withdrawal,
)
from annotation.models import CampaignLanguage as Home
from tests.make import make_annotator, make_consent
from tests.training.giving import allow, give, learn, make_group, version
from training.actions.ended_consents import people_to_honour
from training.actions.estimates import due_estimates, estimate_anew

pytestmark = pytest.mark.django_db
SECRET = "what Awa said"  # noqa: S105 - a note, no password
ADDRESS = "/me/take-back/"


@pytest.fixture
def home() -> Home:
    """Awa has answered in Wolof and, elsewhere, in Quechua; a version learned the first."""
    home = make_group(gold=40)[0]
    awa = User.objects.get(username="awa")
    first = give(awa.annotators.get(), home, note=SECRET)
    note = AnnotationRevision.objects.create
    note(annotation=first, number=1, state="answered", label=first.label, note=SECRET)
    give(awa.annotators.get(), home, state="skipped", flag="offensive", note=SECRET)
    give(User.objects.get(username="ibou").annotators.get(), home, note="stays")
    old, new = (version(home.campaign, right=n) for n in (10, 20))
    learn([first], base=old, candidate=new)
    return home


@pytest.fixture
def phone(client: Client, home: Home) -> Client:
    client.force_login(User.objects.get(username="awa"))
    return client


def held(name: str = "awa") -> int:
    return Annotation.objects.filter(annotator__user__username=name, withdrawal=None).count()


def told(answer) -> str:
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_the_page_says_before_what_will_happen_and_does_nothing(phone, home) -> None:
    page = told(phone.get(ADDRESS))
    assert "2 answers of yours would be erased." in page
    assert f"<bdi>{home.campaign.title} 2</bdi>" in page
    assert f"<bdi>{home.campaign.title} 1</bdi>" not in page
    assert held() == 2


def test_one_language_goes_and_the_rest_stays(phone, home) -> None:
    awa = User.objects.get(username="awa")
    elsewhere = make_annotator("awa", "qu")
    language = home.campaign.languages.create(language=elsewhere.language)
    give(elsewhere, language)
    page = told(phone.post(ADDRESS, {"what": awa.annotators.first().pk}, follow=True))
    assert "Done: 2 answers of yours are erased here" in page
    assert "is being worked out anew without yours" in page
    (due,) = due_estimates()
    estimate_anew(**due.kwargs, now=timezone.now())
    assert "has been worked out anew, as if yours had never been" in told(phone.get(ADDRESS))
    assert "One of them still serves" in page
    assert held() == 1
    assert Consent.objects.training().filter(user=awa).exists()
    for _ in range(2):
        page = told(phone.post(ADDRESS, {"what": awa.annotators.first().pk}, follow=True))
        assert "Nothing was left to take back." in page
    assert Withdrawal.objects.count() == 1


def test_everything_goes_with_the_consent_at_once_and_safely_twice(phone, home) -> None:
    awa = User.objects.get(username="awa")
    allow(awa.annotators.get(), name_me=True, contact=True)
    for done in ("Done: 2 answers", "Nothing was left"):
        assert done in told(phone.post(ADDRESS, {"what": "all"}, follow=True))
    assert held() == 0
    assert not Consent.objects.training().filter(user=awa).exists()
    assert [c.granted for c in Consent.objects.standing().filter(user=awa)] == [[]]
    assert not people_to_honour().exists(), "nothing is left to the timetable"
    assert held("ibou") == 1
    assert Annotation.objects.get(annotator__user__username="ibou").note == "stays"
    assert "You take part no more" in told(phone.get("/me/"))
    assert "Nothing of yours is held here any more." in told(phone.get(ADDRESS))


def test_nothing_that_was_said_is_left_to_read(phone, home) -> None:
    awa = User.objects.get(username="awa")
    QuarantinedAnswer.objects.create(
        campaign_language=home,
        annotator=awa.annotators.get(),
        uid="00000000-0000-0000-0000-000000000001",
        reason="not_qualified",
        payload={"note": SECRET},
    )
    phone.post(ADDRESS, {"what": "all"})
    for kind in (Annotation, AnnotationRevision):
        own = {"annotator": awa.annotators.get()}
        own = own if kind is Annotation else {f"annotation__{k}": v for k, v in own.items()}
        rows = kind.objects.filter(**own).values_list("label", "flag", "note", "answer")
        assert set(map(str, rows)) == {"(None, '', '', {})"}
    assert SECRET not in str(list(own_rows(awa)))
    aside = QuarantinedAnswer.objects.get()
    assert aside.payload == {}
    assert aside.resolved_at
    work = work_done(home, since=timezone.localdate(), until=timezone.localdate())
    assert {w.annotator.user.username: w.items for w in work} == {"awa": 2, "ibou": 1}


def test_what_was_said_of_a_text_is_taken_back_from_its_objection_too(phone, home) -> None:
    flagged = Annotation.objects.get(flag="offensive").item.sample
    note_objections(flagged.pk, now=timezone.now())
    assert Objection.objects.get().voices == 1
    phone.post(ADDRESS, {"what": "all"})
    objection = Objection.objects.get()
    assert (objection.voices, objection.state) == (0, "dropped")


@pytest.mark.parametrize("what", ["", "0", "other"])
def test_nobody_takes_back_what_is_not_theirs(phone, home, what: str) -> None:
    other = User.objects.get(username="ibou").annotators.get()
    page = told(phone.post(ADDRESS, {"what": other.pk if what == "other" else what}, follow=True))
    assert "Choose what you want to take back." in page
    assert (held(), held("ibou")) == (2, 1)


def test_whoever_has_given_nothing_yet_can_still_stop(client: Client) -> None:
    lee = make_annotator("lee", "qu").user
    make_consent(lee)
    client.force_login(lee)
    assert "Take everything back" in told(client.get(ADDRESS))
    assert "Nothing was left" in told(client.post(ADDRESS, {"what": "all"}, follow=True))
    assert not Consent.objects.training().filter(user=lee).exists()
