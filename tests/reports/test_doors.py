"""Doors of reports beside the form: from a text at hand, by its language, and who is missing."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.core import signing
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.actions.reports import timers, tongues
from annotation.actions.reports.intake import Receipt, Telling, receive
from annotation.methods import identify
from annotation.methods.texts import digest
from annotation.models import (
    Campaign,
    LanguageIdentifier,
    Membership,
    PublicDoor,
    Report,
    Reservation,
)
from annotation.views.reports import BEGUN
from learning.models import Deployment, ModelVersion
from tests.make import (
    make_annotator,
    make_campaign,
    make_item,
    make_language,
    make_sample,
    make_user,
)

pytestmark = pytest.mark.django_db
WORDS = {
    "wo": "nanga ñu xam bëgg dafa lool rekk jërëjëf",
    "qu": "ñuqa kani wasi runa huk sumaq kay",
}


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annotation.views.reports.soon", lambda *_, **__: None)


@pytest.fixture
def campaign() -> Campaign:
    made = make_campaign(slug="here", languages=("wo", "qu"))
    PublicDoor.objects.create(campaign=made, open=True)
    return made


def text_in(tag: str, rng: np.random.Generator) -> str:
    return " ".join(rng.choice(WORDS[tag].split(), 16))


def pool(campaign: Campaign) -> None:
    rng = np.random.default_rng(7)
    for tag in WORDS:
        for _ in range(tongues.LEAST):
            make_sample(campaign, tag, text_in(tag, rng))


def tell(campaign: Campaign, text: str, **over: Any) -> Receipt:
    now = timezone.now()
    mark = digest(text)
    got = receive(campaign, telling=Telling(text=text, **over), key=mark, client=mark, now=now)
    timers.tend(now)
    got.report.refresh_from_db()
    return got


def test_a_machine_asks_which_language_it_is_and_whoever_reported_decides(
    campaign: Campaign, client: Client
) -> None:
    pool(campaign)
    now = timezone.now()
    assert tongues.campaigns_to_learn(now) == [campaign.pk]
    learned = tongues.learn_languages(campaign, now=now)
    assert learned is not None
    assert (learned.right, tongues.campaigns_to_learn(now + timedelta(days=8))) == (1.0, [])
    rng = np.random.default_rng(8)
    stray, wrong, right = (
        tell(campaign, text_in(tag, rng), tag=told)
        for tag, told in (("wo", "?"), ("qu", "wo"), ("wo", "wo"))
    )
    odd = tell(campaign, "הכול שונה כאן לגמרי")
    assert tongues.detect_waiting() == 4
    assert tongues.detect_waiting() == 0
    for got in (stray, wrong, right, odd):
        got.report.refresh_from_db()
    assert [tongues.doubted(got.report) for got in (stray, wrong, right, odd)] == [
        "wo", "qu", "", "",
    ]  # fmt: skip
    assert (stray.report.language, wrong.report.language.tag) == (None, "wo")  # nothing is decided
    for got, tag, same in ((stray, "wo", "yes"), (wrong, "qu", "no")):
        there = reverse("report_follow", args=[got.token])
        assert 'name="same"' in client.get(there).content.decode()
        client.post(there, {"act": "language", "tag": tag, "same": same})
        assert 'name="same"' not in client.get(there).content.decode()
        got.report.refresh_from_db()
    assert (stray.report.language.tag, wrong.report.language.tag) == ("wo", "wo")


def test_a_language_is_not_named_that_was_never_learned() -> None:
    rng = np.random.default_rng(3)
    found = identify.learn({tag: [text_in(tag, rng) for _ in range(60)] for tag in WORDS}, seed=1)
    assert [found.named(text_in(tag, rng))[0] for tag in WORDS] == list(WORDS)
    for other in ("The quick brown fox jumps over the lazy dog", "Быстрая лиса", "12 34", ""):
        assert found.named(other)[0] == identify.NOBODY
    again = identify.unpacked(found.packed())
    assert again.named("nanga xam lool")[0] == "wo"
    with pytest.raises(ValueError, match="texts"):
        identify.learn({"wo": ["one"]}, seed=1)


def test_a_campaign_with_few_texts_names_nothing(campaign: Campaign) -> None:
    assert tongues.learn_languages(campaign, now=timezone.now()) is None
    assert not LanguageIdentifier.objects.exists()


def test_an_annotator_reports_the_text_at_hand_by_one_tap_and_nobody_elses(
    campaign: Campaign,
) -> None:
    awa = make_annotator("awa", "wo")
    sample = make_sample(campaign, "wo", "bu ma ci yoon")
    item, other = make_item(sample), make_item(make_sample(campaign, "wo", "mbir u keneen"))
    now = timezone.now()
    Reservation.objects.create(item=item, annotator=awa, until=now + timedelta(hours=1))
    client = Client()
    client.force_login(awa.user)
    there = reverse("report_item", args=["here", "wo"])
    PublicDoor.objects.update(open=False)  # nobody else may; whoever answers may
    page = client.post(there, {"item": str(item.uid)})
    assert "bu ma ci yoon" in page.content.decode()
    assert not Report.objects.exists()
    for foreign in (str(other.uid), "x", ""):
        assert client.post(there, {"item": foreign}).status_code == 404
    begun = signing.dumps(now.timestamp() - 60, salt=BEGUN)
    told = {"item": str(item.uid), "begun": begun, "key": "k", "reason": "insult", "test": "on"}
    answer = client.post(there, told | {"text": "something else", "language": "qu"})
    report = Report.objects.get()
    assert answer.url.startswith("/reports/follow/")
    assert (report.input_text, report.language.tag, report.surface) == (
        "bu ma ci yoon", "wo", "annotator",
    )  # fmt: skip
    assert (report.user, report.consent_test, report.consent_train) == (awa.user, True, False)


def test_it_says_so_where_nobody_reads_a_language(campaign: Campaign, client: Client) -> None:
    told = tell(campaign, "huk", tag="qu")
    there = reverse("report_follow", args=[told.token])
    assert "nobody does here yet" in client.get(there).content.decode()
    lead = make_user("lead")
    Membership.objects.create(
        user=lead, campaign=campaign, language=make_language("qu"), role="coordinator"
    )
    assert "nobody does here yet" not in client.get(there).content.decode()
    stray = tell(campaign, "wax", tag="Pulaar")
    page = client.get(reverse("report_follow", args=[stray.token])).content.decode()
    assert "<bdi>Pulaar</bdi>" in page


def test_the_public_page_of_a_language_says_that_a_report_waits_for_a_reader(
    campaign: Campaign,
) -> None:
    tell(campaign, "huk", tag="qu")
    boss = Client()
    boss.force_login(make_user("boss", staff=True))
    address = reverse("language_page", args=["here", "qu"])
    assert (
        "1 report waits since nobody here reads this language" in boss.get(address).content.decode()
    )
    make_annotator("inti", "qu")
    assert "since nobody here reads" not in boss.get(address).content.decode()


def test_the_card_of_what_answers_is_public_and_of_what_never_did_is_not(
    campaign: Campaign, client: Client
) -> None:
    one, two = (
        ModelVersion.objects.create(
            campaign=campaign, number=n, digest=f"{n}" * 64, network="tiny", path="-"
        )
        for n in (1, 2)
    )
    Deployment.objects.create(campaign=campaign, number=1, version=one, kind="initial")
    address = reverse("public_card", args=["here", one.number])
    page = client.get(address).content.decode()
    assert "It answers now" in page
    assert client.get(reverse("public_card", args=["here", two.number])).status_code == 404
    PublicDoor.objects.update(open=False)
    assert client.get(address).status_code == 404
