"""Pages of those who lead nothing say every word in the reader's language."""

import re
from typing import Any

import pytest
from django.conf import settings
from django.utils import translation

from tests.security.doors import DOORS
from tests.security.world import World

pytestmark = pytest.mark.django_db
LOOKING = {"open": "stranger", "signed-in": "annotator", "answer": "annotator"}
# Of Django's own, and of no page that anybody reads.
NO_PAGES = re.compile(r"^(api_|admin)|(_json|_feed|_csv|_file)$|^(openapi|metrics|healthz|readyz)$")


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Texts that were asked for in Arabic, and that the catalogue does not know."""
    missing: set[str] = set()
    real = translation._trans

    def heard(name: str) -> Any:
        asked = getattr(real, name)

        def ask(*given: Any) -> str:
            text = str(asked(*given))
            words = [one for one in given if isinstance(one, str)]
            if translation.get_language() == "ar" and text in words and re.search("[a-z]{2}", text):
                missing.add(text)
            return text

        return ask

    for name in ("gettext", "ngettext", "pgettext", "npgettext"):
        monkeypatch.setattr(real, name, heard(name))
    return missing


def test_no_page_of_those_who_lead_nothing_falls_back_to_english(silent: set[str]) -> None:
    world = World()
    silent.clear()
    seen, wrong = 0, set()
    for name, door in DOORS.items():
        if door.who not in LOOKING or NO_PAGES.search(name) or "200" not in door.get:
            continue
        client = world.client(LOOKING[door.who])
        client.cookies[settings.LANGUAGE_COOKIE_NAME] = "ar"
        answer = client.get(door.address(world))
        seen += answer.status_code == 200
        b"".join(answer.streaming_content) if answer.streaming else None
        wrong |= {(name, text) for text in silent}
        silent.clear()
    assert wrong == set()
    assert seen > 20
