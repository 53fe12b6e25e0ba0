"""Regression cases: versioned, disputed by speakers, settled by who leads, and how much may be lost."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.errors import ConflictError, InvalidInputError
from annotation.methods.texts import digest
from annotation.models import Campaign, Label, Sample, Severity
from learning.models import ModelVersion
from tests.make import make_annotator, make_campaign, make_gold, make_user
from training.actions import case_versions
from training.actions.cards import cases_of
from training.actions.cases import add_case, case_from_gold, switch_case
from training.methods.findings import Case, cases_finding
from training.models import CaseCheck, CaseVersion, GateRun, RegressionCase, TrainingRun

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign() -> Campaign:
    return make_campaign(slug="here", languages=("wo",))


def made(campaign: Campaign, **over: Any) -> RegressionCase:
    told = {"tag": "wo", "text": "Naka nga def?", "expected": ["admin"]} | over
    return add_case(campaign, **told)


def signed_in(name: str, **over: Any) -> Client:
    client = Client()
    client.force_login(make_user(name, **over))
    return client


def test_two_speakers_dispute_a_case_and_who_leads_settles_it(campaign: Campaign) -> None:
    case = made(campaign)
    awa, ibou = (make_annotator(name, "wo").user for name in ("awa", "ibou"))
    stranger = make_annotator("inti", "qu").user
    with pytest.raises(ConflictError):
        case_versions.dispute(case, user=stranger, note="no", now=timezone.now())
    pages = [Client(), Client()]
    there = reverse("language_cases", args=["here", "wo"])
    for page, user in zip(pages, (awa, ibou), strict=True):
        page.force_login(user)
        assert case_versions.terms_of([case])[case.pk].state == "active"
        for _ in range(2):  # the same voice again is one voice
            page.post(there, {"case": case.pk, "note": "it may mean the dates, too"})
    terms = case_versions.terms_of([case])[case.pk]
    assert (terms.state, terms.number, case.disputes.count()) == ("disputed", 2, 2)
    case.refresh_from_db()
    assert case.active  # it is asked on
    assert "disputed" in pages[0].get(there).content.decode()
    noor = signed_in("noor", staff=True, is_superuser=True)
    detail = reverse("case_detail", args=["here", case.pk])
    assert "it may mean the dates, too" in noor.get(detail).content.decode()
    settled = {"act": "stands", "predicate": "right", "told": "admin\ndates", "severity": "3"}
    noor.post(detail, settled)
    assert case_versions.terms_of([case])[case.pk].disputed  # nobody settles without a reason
    noor.post(detail, settled | {"reason": "both are right"})
    terms = case_versions.terms_of([case])[case.pk]
    assert (terms.state, terms.grave, terms.number) == ("active", True, 3)
    assert {one.key for one in case.expected.all()} == {"admin", "dates"}
    assert "both are right" in noor.get(detail).content.decode()
    noor.post(detail, settled | {"act": "retire", "reason": "the question has changed"})
    case.refresh_from_db()
    assert (case.active, case.versions.get(number=4).reason) == (False, "the question has changed")


def test_speakers_read_no_case_of_a_gold_text_however_it_was_made(campaign: Campaign) -> None:
    gold = make_gold(campaign, text="Lan la wor?")
    case_from_gold(gold)
    twin = make_gold(campaign, text="Ana wurus wi?", label="dates").sample
    Sample.objects.filter(pk=twin.pk).update(digest=digest(twin.text))
    hidden = [RegressionCase.objects.get(), made(campaign, text=f" {twin.text}")]
    case = made(campaign)
    page, there = Client(), reverse("language_cases", args=["here", "wo"])
    page.force_login(make_annotator("awa", "wo").user)
    shown = page.get(there)
    assert [one["case"] for one in shown.context["cases"]] == [case]
    assert not any(one.text in shown.content.decode() for one in hidden)
    for one in hidden:
        assert page.post(there, {"case": one.pk, "note": "no"}).status_code == 404


def test_what_a_case_asked_for_is_never_written_over(campaign: Campaign) -> None:
    case = made(campaign)
    switch_case(case, active=False)
    assert made(campaign).pk == case.pk
    said = [(one.state, one.told) for one in case.versions.all()]
    assert said == [(state, ["admin"]) for state in ("active", "retired", "active")]
    assert all(one.reason for one in case.versions.filter(number__gt=1))
    for act in (
        lambda: CaseVersion.objects.update(severity=1),
        lambda: case.versions.all().delete(),
        lambda: CaseVersion.objects.create(
            case=case, number=4, state="retired", made_at=timezone.now()
        ),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            act()
    with pytest.raises(InvalidInputError):
        case_versions.new_version(case, now=timezone.now(), predicate="without", told=["none"])
    with pytest.raises(InvalidInputError):
        case_versions.new_version(case, now=timezone.now(), predicate="refuses", told=["xam"])


@pytest.mark.parametrize(
    ("predicate", "told", "right"),
    [
        ("right", ["dates"], {"dates"}),
        ("without", ["admin"], {"accounts", "dates"}),
        ("some", ["admin", "dates"], {"admin", "dates"}),
    ],
)
def test_answers_are_held_to_what_a_case_asks_for(
    campaign: Campaign, predicate: str, told: list[str], right: set[str]
) -> None:
    case = made(campaign)
    case_versions.new_version(case, now=timezone.now(), predicate=predicate, told=told)
    terms = case_versions.terms_of([case])[case.pk]
    keys = [one.key for one in case.expected.all()]
    found = {
        one.key
        for one in Label.objects.filter(campaign=campaign)
        if case_versions.is_right(terms, case=case, said=one, right=keys)
    }
    assert found == right


def test_two_in_a_hundred_of_the_lesser_cases_of_a_language_may_be_lost_and_no_grave_one() -> None:
    kept = [Case("wo", f"text {n}", True, True) for n in range(99)]
    lost = Case("wo", "lost", True, False)
    assert cases_finding([*kept, lost]).holds
    assert "lost" in cases_finding([*kept, lost]).sentence
    assert not cases_finding([*kept[:97], lost, lost, lost]).holds
    assert not cases_finding([*kept[:48], lost]).holds
    # Many of one language do not pay for another's.
    assert not cases_finding([*kept, Case("qu", "lost", True, False)]).holds
    assert not cases_finding([*kept, Case("wo", "lost", True, False, grave=True)]).holds
    doubted = Case("wo", "lost", True, False, grave=True, disputed=True)
    found = cases_finding([*kept, doubted])
    assert found.holds
    assert (found.numbers["disputed"], found.numbers["broken"]) == (1, 0)


def test_the_model_card_names_each_case_that_got_worse_and_none_of_its_words(
    campaign: Campaign,
) -> None:
    old, new = (
        ModelVersion.objects.create(
            campaign=campaign, number=n, digest=f"{n:064d}", network="tiny", path="-"
        )
        for n in (1, 2)
    )
    snapshot = campaign.snapshots.create(digest="s" * 64, samples=0, fresh_samples=0)
    run = TrainingRun.objects.create(campaign=campaign, snapshot=snapshot, base=old, seed=1)
    gate = GateRun.objects.create(
        run=run, look=1, candidate=new, champion=old, verdict="PASS", **_gate_terms()
    )
    right, wrong = Label.objects.filter(campaign=campaign)[:2]
    for n, disputed in enumerate((False, True)):
        CaseCheck.objects.create(
            gate=gate,
            case=made(campaign, text=f"Secret words {n}"),
            champion_label=right,
            candidate_label=wrong,
            champion_right=True,
            candidate_right=False,
            terms={"version": 1, "severity": Severity.LOW, "disputed": disputed},
        )
    told = cases_of(new)
    assert (told["asked"], told["right"], told["disputed"]) == (2, 0, 1)
    assert [(one["language"], one["severity"]) for one in told["worse"]] == [("wo", "low")]
    assert "Secret" not in str(told)


def _gate_terms() -> dict[str, Any]:
    return {"margin": 0.03, "alpha": 0.05}


def test_what_the_admin_mends_is_a_version_of_its_own(
    campaign: Campaign, admin_client: Client
) -> None:
    case = made(campaign)
    labels = campaign.labels.filter(key__in=("admin", "dates"))
    address = reverse("admin:training_regressioncase_change", args=[case.pk])
    form = {"source": "by hand", "active": "on", "expected": [label.pk for label in labels]}
    assert admin_client.post(address, form).status_code == 302
    newest = CaseVersion.objects.filter(case=case).order_by("number").last()
    assert newest is not None
    assert (newest.number, newest.told) == (2, ["admin", "dates"])
    assert newest.made_by is not None
