"""Pages in other languages: texts of speakers keep their own, and numbers for programs stay so."""

import re
from html.parser import HTMLParser

import pytest
from django.conf import settings
from django.test import Client

from annotation.models import Annotator, Campaign, Language
from tests.make import make_user
from tests.rich import make_rich_campaign
from training.models import TrainingRun

pytestmark = pytest.mark.django_db
ALONE = {"br", "hr", "img", "input", "link", "meta", "path", "rect", "circle", "line", "use"}
# What browsers compute with; none of it may be written as people of a language write numbers.
COMPUTED = re.compile(
    r'\s(x|y|x1|x2|y1|y2|cx|cy|r|d|points|width|height|viewBox|transform|value|min|max|step|style|aria-valuenow)="([^"]*)"'
)


class Samples(HTMLParser):
    """Finds where texts of speakers stand, and what the page says of their language."""

    def __init__(self, texts: dict[str, str]) -> None:
        super().__init__()
        self.texts = texts
        self.within: list[tuple[str, str, str]] = []
        self.wrong: list[str] = []
        self.seen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag not in ALONE:
            self.within.append((tag, told.get("lang") or "", told.get("dir") or ""))

    def handle_endtag(self, tag: str) -> None:
        while self.within and self.within.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        for text, lang in self.texts.items():
            if text in data and not any(one[0] in ("title", "script") for one in self.within):
                self.seen += 1
                inside = [one for one in self.within if one[0] != "html"]
                said = next((one[1] for one in reversed(inside) if one[1]), "")
                turned = any(one[2] or one[0] == "bdi" for one in inside)
                if said != lang or not turned:
                    self.wrong.append(f"{data.strip()[:60]!r}: lang={said!r}, not {lang!r}")


def addresses(campaign: Campaign) -> list[str]:
    run = TrainingRun.objects.get(campaign=campaign, round__number=2)
    speaker = Annotator.objects.first()
    text = campaign.samples.filter(language__tag="ar").first()
    assert speaker
    assert text
    pages = (
        "",
        "guidelines/ar/",
        "languages/ar/",
        "languages/ar/catalogue/",
        "imports/",
        f"imports/{campaign.imports.get().pk}/",
        "people/",
        "people/add/",
        "publication/",
        "quarantine/",
        "queue/",
        "quota/",
        "rounds/1/",
        "runs/",
        f"runs/{run.pk}/",
        f"runs/{run.pk}/gate/",
        "gate/",
        "cases/",
        "versions/",
        "versions/5/",
        "versions/compare/?a=2&b=5",
        f"people/{speaker.pk}/answers/",
        f"texts/{text.uid}/",
        "versions/2/confidence/",
        "versions/1/roll-back/",
        "finish/",
        "webhooks/",
    )
    here = [f"/campaigns/{campaign.slug}/{page}" for page in pages]
    languages = ["/languages/", f"/languages/{campaign.slug}/", f"/languages/{campaign.slug}/ar/"]
    others = [
        "/campaigns/",
        "/campaigns/new/",
        "/health/",
        "/me/keys/",
        "/nowhere/",
        "/campaigns/empty/",
    ]
    return [*here, *languages, *others]


@pytest.fixture
def campaign() -> Campaign:
    return make_rich_campaign()


def staff(tag: str) -> Client:
    client = Client()
    client.force_login(make_user("noor", staff=True))
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = tag
    return client


def pages(campaign: Campaign) -> list[str]:
    here = f"/campaigns/{campaign.slug}"
    more = [f"{here}/calibration/", *(f"{here}/{one}/ar/" for one in ("calibration", "languages"))]
    # A refused row of an import is no text of a language yet.
    shown = [one for one in addresses(campaign) if "/imports/" not in one]
    return [*shown, *more]


def test_every_text_of_a_speaker_names_its_language_and_nothing_else_turns_the_page(
    campaign: Campaign,
) -> None:
    client = staff("ar")
    texts = {
        one.text: one.language.lang
        for one in campaign.samples.select_related("language")
        if len(one.text) > 5
    }
    seen = 0
    for address in pages(campaign):
        page = client.get(address).content.decode()
        assert '<html lang="ar" dir="rtl">' in page, address
        found = Samples(texts)
        found.feed(page)
        assert found.wrong == [], address
        seen += found.seen
    assert seen > 20
    assert Language.objects.get(tag="tzm").lang == "tzm-Tfng"


def test_what_browsers_compute_with_is_written_for_them_in_every_language(
    campaign: Campaign,
) -> None:
    client = staff("fr")
    for address in pages(campaign):
        page = client.get(address).content.decode()
        odd = [
            found[0]
            for found in COMPUTED.finditer(page)
            if re.search(r"\d,\d+(?!\d*\s*[-\d.]+,)", found[2])
            and not re.search(r"\d\.\d", found[2])
        ]
        assert odd == [], address
