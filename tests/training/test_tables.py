"""Tables as files: all of them, streamed, and nothing in them runs in a spreadsheet."""

import csv
from collections.abc import Iterator

import pytest
from django.http import StreamingHttpResponse
from django.test import Client

from annotation.models import Annotator, Campaign, Item, Membership, Role, User
from tests.make import make_annotator, make_campaign, make_item, make_sample, make_user
from tests.rich import make_rich_campaign
from training.models import TrainingRun

pytestmark = pytest.mark.django_db
EVIL = '=HYPERLINK("http://evil.example";"Look")'


@pytest.fixture
def noor(client: Client) -> Client:
    client.force_login(make_user("noor", staff=True))
    return client


def rows_of(client: Client, address: str) -> list[dict[str, str]]:
    answer = client.get(address)
    assert answer.status_code == 200, address
    assert isinstance(answer, StreamingHttpResponse), address
    text = answer.getvalue().decode()
    # Some spreadsheets take UTF-8 without a mark for something else.
    assert text.startswith("\ufeff"), address
    return list(csv.DictReader(text.removeprefix("\ufeff").splitlines()))


def test_every_page_of_a_campaign_gives_its_tables(noor: Client) -> None:
    campaign = make_rich_campaign()
    there = f"/campaigns/{campaign.slug}/"
    run = TrainingRun.objects.filter(campaign=campaign).latest("pk")
    links = {
        "people/": ["people/people.csv", "people/agreement.csv"],
        "queue/": ["queue.csv"],
        "runs/": ["tables/runs.csv"],
        f"runs/{run.pk}/": [f"runs/{run.pk}/curve.csv", f"runs/{run.pk}/gate.csv"],
        "rounds/5/": ["rounds/5/due.csv", "rounds/5/asked.csv"],
        "versions/": ["tables/versions.csv", "tables/deployments.csv"],
        "imports/": ["tables/imports.csv"],
        "quarantine/": ["quarantine.csv"],
    }
    found = {}
    for page, files in links.items():
        told = noor.get(there + page).content.decode()
        for file in files:
            assert f'href="{there}{file}"' in told, page
            found[file] = rows_of(noor, there + file)
    assert found["tables/runs.csv"][0]["run"] == str(run.pk)
    assert found["tables/runs.csv"][0]["gate"] == run.gate.verdict if run.gate else ""
    assert {row["language"] for row in found["rounds/5/due.csv"]} == {
        home.language.tag for home in campaign.languages.all()
    }
    points = found[f"runs/{run.pk}/curve.csv"]
    assert (points[0]["step"], points[0]["language"]) == ("0", "")
    assert float(points[0]["loss"]) == pytest.approx(run.curve[0][1])
    assert found["quarantine.csv"][0]["reason"] == "unknown_label"


def test_nothing_in_a_table_runs_where_it_is_opened(noor: Client) -> None:
    campaign = make_campaign(languages=("wo",))
    for n, begins in enumerate(("=", "+", "-", "@", "\t")):
        make_item(make_sample(campaign, "wo", f"{begins}1{n}"))
    awa = make_annotator("awa")
    User.objects.filter(pk=awa.user_id).update(name=EVIL)
    there = f"/campaigns/{campaign.slug}/"
    texts = [row["text"] for row in rows_of(noor, f"{there}queue.csv")]
    assert len(texts) == 5
    assert all(text.startswith("'") for text in texts), texts
    assert [row["name"] for row in rows_of(noor, f"{there}people/people.csv")] == [f"'{EVIL}"]


def test_who_leads_one_language_takes_the_people_of_that_one(client: Client) -> None:
    campaign = make_campaign(languages=("wo", "qu"))
    make_annotator("awa", "wo")
    make_annotator("inti", "qu")
    fatou = make_user("fatou")
    wolof = campaign.languages.get(language__tag="wo").language
    Membership.objects.create(campaign=campaign, user=fatou, role=Role.COORDINATOR, language=wolof)
    client.force_login(fatou)
    there = f"/campaigns/{campaign.slug}/"
    assert [r["user"] for r in rows_of(client, f"{there}people/people.csv")] == ["awa"]
    assert client.get(f"{there}tables/imports.csv").status_code == 403
    assert client.get(f"{there}people/secrets.csv").status_code == 404


def test_the_queue_tells_what_waits_in_its_order_and_nothing_that_examines(noor: Client) -> None:
    campaign = make_campaign(languages=("wo", "qu"))
    late = make_item(make_sample(campaign, "wo", "late"), priority=9)
    first = make_item(make_sample(campaign, "wo", "first"), priority=1)
    make_item(make_sample(campaign, "wo", "secret"), kind=Item.Kind.GOLD)
    make_item(make_sample(campaign, "qu", "done"), state=Item.State.ANSWERED)
    there = f"/campaigns/{campaign.slug}/queue"
    page = noor.get(f"{there}/").content.decode()
    assert page.index("first") < page.index("late")
    assert "secret" not in page
    assert "done" not in page
    rows = rows_of(noor, f"{there}.csv")
    assert [(row["place"], row["text_id"]) for row in rows] == [
        ("1", str(first.sample.uid)),
        ("2", str(late.sample.uid)),
    ]
    assert rows_of(noor, f"{there}.csv?language=qu") == []
    # What examines is counted, so that the number is how much there is to do.
    assert 'data-label="Waiting">3</td>' in page


def test_ten_thousand_people_are_shown_a_hundred_at_a_time(
    noor: Client, django_assert_max_num_queries: object
) -> None:
    campaign: Campaign = make_campaign(languages=("wo",))
    wolof = campaign.languages.get().language
    users = [User(username=f"speaker{n:05d}", name=f"Speaker {n}") for n in range(2_000)]
    User.objects.bulk_create(users)
    everybody = User.objects.filter(username__startswith="speaker")
    Annotator.objects.bulk_create(Annotator(user=user, language=wolof) for user in everybody)
    there = f"/campaigns/{campaign.slug}/people/"
    with django_assert_max_num_queries(40):  # type: ignore[operator]
        page = noor.get(there).content.decode()
    assert page.count('data-label="On gold"') == 100
    assert "Page 1 of 20" in page
    found = noor.get(there, {"q": "speaker01234"}).content.decode()
    assert found.count('data-label="On gold"') == 1
    lines: Iterator[bytes] = noor.get(f"{there}people.csv").streaming_content  # type: ignore[attr-defined]
    next(lines)
    assert sum(1 for _ in lines) == 2_000
