"""Answers of one language by key: all of them, in order, wherever they lie among others."""

from uuid import uuid4

import pytest
from django.test import Client

from annotation.actions import listing
from annotation.actions.keys import create_key
from annotation.models import Annotation, Scope
from tests.make import make_annotator, make_campaign, make_item, make_sample, make_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("near", [1, 3, 1000])
def test_a_program_reads_every_answer_of_a_language_once_and_in_order(
    monkeypatch: pytest.MonkeyPatch, near: int
) -> None:
    monkeypatch.setattr(listing, "NEAR", near)
    campaign = make_campaign(languages=("wo", "qu"))
    people = {tag: make_annotator(f"p-{tag}", tag) for tag in ("wo", "qu")}
    told: dict[str, list[str]] = {"wo": [], "qu": []}
    for tag in ("qu", "wo", "wo", *["qu"] * 9, "wo", "qu", "wo", "wo", "wo", *["qu"] * 5):
        item = make_item(make_sample(campaign, tag), state="answered")
        one = Annotation.objects.create(item=item, annotator=people[tag], uid=uuid4())
        told[tag].append(str(one.pk))
    key = create_key(make_user(staff=True), name="k", scopes=[Scope.EXPORT])[1]
    program = Client(headers={"authorization": f"Bearer {key}"})
    for tag, wanted in told.items():
        found, after = [], ""
        while after is not None:
            path = f"/api/v1/campaigns/{campaign.slug}/answers"
            page = program.get(path, {"language": tag, "after": after, "limit": "2"}).json()
            assert len(page["items"]) <= 2
            assert all(one["language"] == tag for one in page["items"])
            found += [one["item"] for one in page["items"]]
            after = page["next"]
        items = Annotation.objects.filter(pk__in=wanted).order_by("pk")
        assert found == [str(uid) for uid in items.values_list("item__uid", flat=True)]
    nobody = program.get(f"/api/v1/campaigns/{campaign.slug}/answers", {"language": "ha"}).json()
    assert nobody == {"items": [], "next": None}
