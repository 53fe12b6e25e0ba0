"""Long lists go step by step by key, there and back, and never count what they do not show."""

import pytest
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotation.models import RefusedRow, SampleImport
from annotation.views.steps import step_of
from tests.make import make_campaign, make_user

pytestmark = pytest.mark.django_db


def refused(number: int) -> SampleImport:
    job = SampleImport.objects.create(
        campaign=make_campaign(), filename="a.csv", format="csv", status="done"
    )
    RefusedRow.objects.bulk_create(
        RefusedRow(sample_import=job, row=row, reason=f"reason {row}")
        for row in range(1, number + 1)
    )
    return job


@pytest.mark.parametrize("falling", [False, True])
def test_every_row_is_met_once_on_the_way_there_and_on_the_way_back(falling: bool) -> None:
    rows = refused(23).refused_rows.all()
    wanted = sorted(range(1, 24), reverse=falling)

    def walk(name: str, **asked: int) -> list[list[int]]:
        seen = []
        while True:
            request = RequestFactory().get("/", asked)
            step = step_of(rows, request=request, size=5, key="row", falling=falling)
            seen.append([row.row for row in step.rows])
            if (key := getattr(step, name)) is None:
                return seen
            asked = {name: key}

    there = walk("after")
    assert [row for part in there for row in part] == wanted
    back = walk("before", before=there[-1][0])
    assert [*back[::-1], there[-1]] == there


@pytest.mark.parametrize("nonsense", ["x", "-1", "9" * 40, "1'", ""])
def test_nonsense_asks_for_the_first_rows(nonsense: str) -> None:
    request = RequestFactory().get("/", {"after": nonsense, "before": nonsense})
    step = step_of(refused(3).refused_rows.all(), request=request, size=2, key="row")
    assert [row.row for row in step.rows] == [1, 2]
    assert step.before is None


def test_refused_rows_are_shown_by_key_and_never_counted(client: Client) -> None:
    job = refused(120)
    client.force_login(make_user(staff=True))
    address = reverse("import_detail", args=[job.campaign.slug, job.pk])
    with CaptureQueriesContext(connection) as seen:
        page = client.get(address, {"after": "50"}).content.decode()
    assert "reason 51<" in page
    assert "reason 50<" not in page
    assert "?after=100" in page
    assert "?before=51" in page
    asked = [one["sql"] for one in seen if "refusedrow" in one["sql"]]
    assert len(asked) == 1
    assert "OFFSET" not in asked[0]
