"""Two campaigns, everybody with a role in one of them, and one row of all that an address can name."""

import gzip
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import models
from django.test import Client
from django.test.client import ClientHandler
from django.urls import reverse
from django.utils import timezone

from annotation.actions.invitations import Ticket, invite
from annotation.actions.keys import create_key
from annotation.actions.reports.doors import set_door
from annotation.actions.reports.intake import Receipt, Telling, receive
from annotation.models import (
    Adjudication,
    Annotator,
    CalibrationSession,
    Concern,
    DriftChart,
    GoldItem,
    GroupSession,
    Label,
    Membership,
    Objection,
    QuarantinedAnswer,
    Role,
    SessionAnswer,
    User,
    Webhook,
    WebhookDelivery,
)
from learning.models import GeneratorVersion, QuotaChange, Trial
from tests import rich
from tests.make import make_campaign, make_consent, make_language, make_user
from training.models import (
    BlindComparison,
    GateChange,
    GatePredictions,
    GateRun,
    RecipeChange,
    RegressionCase,
    TrainingRun,
    Waiver,
)

# Who there is. The neighbour coordinates another language of the campaign; `elsewhere` answers in
# another campaign, which the outsider leads; the reader came by a personal link.
ROLES = (
    *("stranger", "reader", "annotator", "elsewhere", "coordinator", "neighbour"),
    *("admin", "outsider", "staff", "superuser"),
)
PLAIN: dict[type, Any] = {
    models.JSONField: list,
    models.BooleanField: lambda: False,
    models.DateTimeField: timezone.now,
    models.UUIDField: lambda: UUID(int=7),
    models.BinaryField: lambda: b"",
}


class World:
    """Everything of one campaign that an address can name, by the word that the table has for it."""

    def __init__(self) -> None:
        # Middleware is put together once for all browsers, not once for each.
        self.handler = ClientHandler(enforce_csrf_checks=False)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rich, "LANGUAGES", rich.LANGUAGES[-4:])
            self.here = rich.make_rich_campaign(slug="here")
        self.there = make_campaign(slug="there", languages=("wo",))
        self.wolof = make_language("wo")
        self.people = {
            name: make_user(name) for name in ROLES if name not in ("stranger", "reader")
        }
        # Whoever has a password is asked for by a second step, which has tests of its own.
        for person in self.people.values():
            person.set_unusable_password()
            person.save()
        User.objects.filter(username__in=("staff", "superuser")).update(is_staff=True)
        User.objects.filter(username="superuser").update(is_superuser=True)
        self._give_roles()
        self._fill()

    def _give_roles(self) -> None:
        held = {
            "annotator": (self.here, self.wolof, Role.ANNOTATOR),
            "elsewhere": (self.there, self.wolof, Role.ANNOTATOR),
            "coordinator": (self.here, self.wolof, Role.COORDINATOR),
            "neighbour": (self.here, make_language("ta"), Role.COORDINATOR),
            "admin": (self.here, None, Role.ADMIN),
            "outsider": (self.there, None, Role.ADMIN),
        }
        for name, (campaign, language, role) in held.items():
            person = self.people[name]
            Membership.objects.create(user=person, campaign=campaign, language=language, role=role)
            make_consent(person)
        for name in ("annotator", "elsewhere", "coordinator"):
            Annotator.objects.create(user=self.people[name], language=self.wolof, everywhere=False)
        self.ticket: Ticket = invite(
            self.here, name="Sam", role=Role.REPORTER, languages=[self.wolof],
            actor=self.people["superuser"],
        )  # fmt: skip
        Client().post(reverse("go", args=[self.ticket.token]))
        self.reader = User.objects.get(invitations=self.ticket.invitation)

    def _fill(self) -> None:
        home = self.here.languages.get(language=self.wolof)
        run = TrainingRun.objects.filter(campaign=self.here).first()
        now = timezone.now()
        gold = GoldItem.objects.filter(sample__campaign=self.here, sample__language=self.wolof)
        gate, awa = GateRun.objects.get(run=run), self.people["annotator"].annotators.get()
        self.given: dict[type[models.Model], Any] = {
            one.__class__: one
            for one in (self.here, self.wolof, home, gate, awa, gold[0], gold[0].sample, run)
        } | {User: self.people["coordinator"], Label: self.here.labels.first()}
        self.given[DriftChart] = self._row(DriftChart, kind="gold", ended_at=now)
        self.given[CalibrationSession] = session = self._row(
            CalibrationSession, kind="qualify", result="", ended_at=None
        )
        trial = self._row(Trial, state="done", text="x", answer={"version": 1})
        receipt = self._reported()
        report = receipt.report
        waits = {"outcome": "", "closed_at": None, "decided_by": None}
        rows = {
            "run": run,
            "home": home,
            "person": awa,
            "gold": gold[0],
            "session": session,
            "import": self.here.imports.get(),
            "report": report,
            "sample": gold[0].sample,
            "invitation": self.ticket.invitation,
            "membership": awa.user.memberships.get(),
            "session-answer": self._row(SessionAnswer, label=None, answered_at=None),
            "note": self._row(Concern, kind="gold", refresher=None, **waits),
            "group": self._row(GroupSession, state="open"),
            "decision": self._row(Adjudication, undone_at=None, undone_by=None),
            "objection": self._row(Objection, kind="offensive"),
            "quarantined": self._row(QuarantinedAnswer, campaign_language=home, item=None),
            "waiver": self._row(Waiver, name="x", reason="x", expires_at=now + timedelta(days=1)),
            "case": self._row(RegressionCase, gold=None),
            "webhook": self._one(Webhook),
            "delivery": self._row(WebhookDelivery),
            "key": create_key(self.people["neighbour"], name="x", scopes=["read"])[0],
            "comparison": self._compared(),
        }
        self._row(GatePredictions, rows=0, content=gzip.compress(b""))
        for change in (QuotaChange, RecipeChange):
            self._row(change, number=1, before={}, after={})
        self._row(GateChange, number=1, before={}, after={}, wish=False)
        self.words: dict[str, Any] = {
            **{word: row.pk for word, row in rows.items()},
            "1": 1,
            "follow": receipt.token,
            "link": self.ticket.token,
            "trial": trial.uid,
            "text": gold[0].sample.uid,
            "nothing": "x" * 43,
            **{word: word for word in ("rounds", "people", "picks", "jsonl")},
        }

    def _reported(self) -> Receipt:
        """A report of somebody without an account, to a campaign that is open to everybody."""
        set_door(self.here, is_open=True, actor=self.people["admin"])
        told = Telling(text="Nanga def?", tag="wo", output="admin")
        return receive(self.here, telling=told, key="k", client="c", now=timezone.now())

    def _row(self, model: type[models.Model], **over: Any) -> Any:
        """A row whose fields are filled from what there is, and with plain values."""
        fields: dict[str, Any] = {}
        for field in model._meta.concrete_fields:
            if field.name in over or field.has_default() or field.primary_key:
                continue
            if isinstance(field, models.ForeignKey):
                fields[field.name] = None if field.null else self._one(field.related_model)
            elif not field.null or type(field) in PLAIN:
                fields[field.name] = PLAIN.get(type(field), lambda f=field: _plain(f))()
        return model._default_manager.create(**fields | over)

    def _compared(self) -> BlindComparison:
        both = [
            self._row(GeneratorVersion, number=number, digest=f"{number:064x}") for number in (1, 2)
        ]
        return self._row(BlindComparison, candidate=both[0], champion=both[1], margin=0.05)

    def _one(self, model: Any) -> Any:
        if model not in self.given:
            self.given[model] = self._row(model)
        return self.given[model]

    def client(self, role: str) -> Client:
        """A browser of somebody with that role."""
        client = Client(raise_request_exception=False)
        client.handler = self.handler
        if role == "reader":
            client.post(reverse("go", args=[self.ticket.token]))
        elif role != "stranger":
            client.force_login(self.people[role])
        return client

    def key(self, role: str | None, scopes: set[str], foreign: bool) -> dict[str, str]:
        """What a program of somebody sends along; a foreign key is of another campaign."""
        if role is None:
            return {"Authorization": "Bearer vernacular_nothing"}
        person = self.people[role] if role != "reader" else self.reader
        campaign = self.there if foreign else None
        made = create_key(person, name="x", scopes=sorted(scopes), campaign=campaign)
        return {"Authorization": f"Bearer {made[1]}"}


def _plain(field: Any) -> Any:
    if isinstance(field, models.CharField | models.TextField):
        return f"{field.model.__name__}-{field.name}"[: field.max_length]
    return 1
