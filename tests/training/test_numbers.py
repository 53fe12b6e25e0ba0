"""Numbers in addresses and forms: whatever stands there, the answer is a page and never a crash."""

import re

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from annotation.models import Campaign
from tests.make import make_user
from tests.rich import make_rich_campaign
from tests.training.test_doors import STAFF, _routes

pytestmark = pytest.mark.django_db

NUMBERED = sorted(name for name, route in _routes().items() if name in STAFF and "<int:" in route)
EDGES: tuple[str, ...] = (
    *(str(edge) for edge in (2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64, 10**30)),
    "9" * 4000,
    "9" * 4400,
)
# What a person or a program may put where a number is read: digits of any script among them.
WORDS = st.one_of(
    st.sampled_from(EDGES),
    st.text(st.characters(categories=["Nd", "No", "Nl"]), max_size=30),
    st.text(max_size=20),
    st.integers().map(str),
)
ASKED = (
    ("versions/compare/", ("a", "b")),
    ("versions/", ("page",)),
    ("rounds/1/", ("page", "language", "slot")),
    ("cases/", ("page",)),
    ("quarantine/", ("after", "before")),
    ("imports/IMPORT/", ("after", "before")),
    ("runs/RUN/live/", ("seen",)),
    ("runs/RUN/gate/predictions.jsonl", ("look",)),
    ("texts/", ("uid",)),
)
POSTED = (
    ("versions/undo/", ("number",)),
    ("versions/measure/", ("a", "b")),
    ("texts/TEXT/", ("annotator",)),
    ("cases/from-gold/", ("sample",)),
)


@pytest.fixture
def campaign() -> Campaign:
    return make_rich_campaign()


@pytest.fixture
def noor(client: Client) -> Client:
    client.force_login(make_user("noor", staff=True))
    client.raise_request_exception = False
    return client


@pytest.mark.parametrize("edge", [EDGES[1], EDGES[5], EDGES[-2]], ids=len)
def test_a_number_that_nothing_has_is_not_found(
    noor: Client, campaign: Campaign, edge: str
) -> None:
    told = {"slug": campaign.slug, "tag": "ar"}
    for name in NUMBERED:
        wanted = re.findall(r"<(\w+):(\w+)>", _routes()[name])
        words = {key: 7 if kind == "int" else told[key] for kind, key in wanted}
        there = reverse(name, kwargs=words).replace("/7/", f"/{edge}/")
        for answer in (noor.get(there), noor.post(there)):
            # Taking back a change that is not there sends back, with words.
            assert answer.status_code in (302, 403, 404, 405), name


def _filled(path: str, campaign: Campaign) -> str:
    run = campaign.training_runs.order_by("pk").first()
    text = campaign.samples.order_by("pk").first()
    places = {"RUN": run and run.pk, "TEXT": text and text.uid, "IMPORT": campaign.imports.get().pk}
    for name, value in places.items():
        path = path.replace(name, str(value))
    return f"/campaigns/{campaign.slug}/{path}"


@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(word=WORDS)
@example(word=EDGES[5])
@example(word=EDGES[-2])
@example(word="²")
def test_whatever_is_asked_for_is_answered_in_words(
    noor: Client, campaign: Campaign, word: str
) -> None:
    for path, names in ASKED:
        answer = noor.get(_filled(path, campaign), dict.fromkeys(names, word))
        assert answer.status_code in (200, 204, 302, 400, 404), (path, word)
    for path, names in POSTED:
        answer = noor.post(_filled(path, campaign), dict.fromkeys(names, word))
        assert answer.status_code in (302, 400, 404, 405, 422), (path, word)
