"""Group sessions: the same texts for several people, each alone first, then side by side."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db import transaction
from django.utils.translation import gettext as _

from annotation.actions.agreement import agreement_of
from annotation.actions.campaigns import set_guideline
from annotation.actions.choosing import chosen_label
from annotation.actions.exposures import gold_for_people, unseen_gold
from annotation.errors import ConflictError, InvalidInputError
from annotation.methods.agreement import Agreement
from annotation.models import (
    Annotator,
    CampaignLanguage,
    Consensus,
    GroupAnswer,
    GroupRemark,
    GroupSession,
    GroupText,
    Label,
    Sample,
    User,
)
from annotation.objectives import Fields

State = GroupSession.State
MOST_TEXTS = 40
SENT = uuid.UUID("0d3f5b0e-52c0-4c1c-9a2c-6d6a3b8a7a41")


@dataclass(frozen=True)
class Row:
    """One text with what each member said, in the members' order; None: nothing yet."""

    text: GroupText
    answers: tuple[GroupAnswer | None, ...]
    known: Label | None

    @property
    def agreed(self) -> bool:
        """Whether everybody who answered gave the same label."""
        return len({one.label_id for one in self.answers if one}) <= 1


@dataclass(frozen=True)
class Side:
    """A session side by side: texts, members, and how far they agree."""

    members: tuple[Annotator, ...]
    rows: tuple[Row, ...]
    found: Agreement

    @property
    def differing(self) -> int:
        """On how many texts people differ."""
        return sum(not row.agreed for row in self.rows)

    @property
    def answered(self) -> int:
        """How many answers there are."""
        return sum(one is not None for row in self.rows for one in row.answers)


@transaction.atomic
def open_group(
    home: CampaignLanguage,
    *,
    title: str,
    members: Sequence[Annotator],
    number: int,
    disputed: bool,
    actor: User | None = None,
) -> GroupSession:
    """Give several people the same texts: disputed ones, or gold that none of them has seen."""
    title = title.strip()[:120]
    if not title:
        raise InvalidInputError(_("Give the session a title."))
    if len(members) < 2:
        raise InvalidInputError(_("Choose two people at least: one alone agrees with nobody."))
    if any(one.language_id != home.language_id for one in members):
        raise InvalidInputError(_("All of them must answer in this language."))
    there = home.group_sessions.filter(title=title).exclude(state=State.CLOSED).first()
    if there is not None:
        return there
    samples = _samples(home, members=members, number=min(number, MOST_TEXTS), disputed=disputed)
    if not samples:
        raise ConflictError(
            _("There is no such text for these people."),
            remedy=_("Choose the other kind of texts, or import more gold."),
        )
    session = GroupSession.objects.create(
        campaign_language=home,
        title=title,
        guideline=home.guidelines.order_by("-version").first(),
        created_by=actor,
    )
    session.members.set(members)
    GroupText.objects.bulk_create(
        GroupText(session=session, sample=sample, position=place)
        for place, sample in enumerate(samples)
    )
    return session


@transaction.atomic
def answer_text(
    text: GroupText, *, annotator: Annotator, fields: Fields, why: str, now: datetime
) -> GroupAnswer:
    """Keep what a member says of a text; it can be changed until answers lie side by side."""
    session = GroupSession.objects.select_for_update().get(pk=text.session_id)
    if not session.members.filter(pk=annotator.pk).exists():
        raise ConflictError(_("You are not in this session."))
    campaign = session.campaign_language.campaign
    label = chosen_label(campaign, fields=fields, text=text.sample.text)
    there = GroupAnswer.objects.filter(text=text, annotator=annotator).first()
    if session.state != State.ANSWERING:
        if there is not None and there.label_id == label.pk:
            return there
        raise ConflictError(_("Answers lie side by side already: say in a remark what you think."))
    values = {"label": label, "why": why.strip()[:500], "answered_at": now}
    return GroupAnswer.objects.update_or_create(text=text, annotator=annotator, defaults=values)[0]


def next_text(session: GroupSession, *, annotator: Annotator) -> GroupText | None:
    """The first text that a member has not answered."""
    mine = GroupAnswer.objects.filter(annotator=annotator).values("text")
    return session.texts.exclude(pk__in=mine).select_related("sample__language").first()


def put_side_by_side(session: GroupSession) -> GroupSession:
    """Show everybody's answers to everybody; from now on they are talked about, not changed."""
    GroupSession.objects.filter(pk=session.pk, state=State.ANSWERING).update(state=State.DISCUSSING)
    session.refresh_from_db()
    return session


def remark(
    session: GroupSession, *, author: User, says: str, token: str, text: GroupText | None = None
) -> GroupRemark:
    """Keep a remark; the same form sent twice says it once, with other words it says both."""
    says = says.strip()[:2000]
    if not says:
        raise InvalidInputError(_("Write what you want to say."))
    if session.state != State.DISCUSSING:
        raise ConflictError(_("Remarks belong to the talk: put the answers side by side first."))
    # A page that somebody went back to sends its token again, with something else in it.
    sent = f"{token}\n{author.pk}\n{text.pk if text else ''}\n{says}"
    return GroupRemark.objects.get_or_create(
        session=session,
        token=str(uuid.uuid5(SENT, sent)),
        defaults={"author": author, "says": says, "text": text},
    )[0]


@transaction.atomic
def conclude(
    session: GroupSession,
    *,
    conclusion: str,
    guideline: str,
    recalibrate: bool,
    now: datetime,
    actor: User | None = None,
) -> GroupSession:
    """Close a session with what was agreed on, and with the guideline that came of it."""
    locked = GroupSession.objects.select_for_update().get(pk=session.pk)
    if locked.state == State.CLOSED:
        return locked
    if locked.state == State.ANSWERING:
        raise ConflictError(_("Put the answers side by side first."))
    locked.conclusion, locked.closed_at = conclusion.strip()[:5000], now
    locked.state = State.CLOSED
    if guideline.strip():
        home = locked.campaign_language
        before = home.guidelines.order_by("-version").first()
        written = set_guideline(home, text=guideline, actor=actor, recalibrate=recalibrate)
        locked.led_to = written if written != before else None
    locked.save(update_fields=["conclusion", "closed_at", "state", "led_to"])
    return locked


def side_by_side(session: GroupSession) -> Side:
    """Everybody's answers beside each other, the texts on which people differ first."""
    members = tuple(session.members.select_related("user").order_by("pk"))
    texts = list(session.texts.select_related("sample__language", "sample__gold__label"))
    said = {
        (answer.text_id, answer.annotator_id): answer
        for answer in GroupAnswer.objects.filter(text__session=session).select_related("label")
    }
    rows = [
        Row(
            text,
            tuple(said.get((text.pk, member.pk)) for member in members),
            _known(text.sample),
        )
        for text in texts
    ]
    rows.sort(key=lambda row: (row.agreed, row.text.position))
    return Side(members, tuple(rows), _agreement(session, rows))


def _known(sample: Sample) -> Label | None:
    """The known answer, as long as it is held to be right."""
    gold = getattr(sample, "gold", None)
    return gold.label if gold is not None and gold.retired_at is None else None


def _agreement(session: GroupSession, rows: Sequence[Row]) -> Agreement:
    columns = np.array(
        [
            (row.text.sample_id, one.annotator_id, one.label_id)
            for row in rows
            for one in row.answers
            if one is not None
        ],
        dtype=np.int64,
    ).reshape(-1, 3)
    item, person, label = columns.T
    campaign = session.campaign_language.campaign
    return agreement_of(campaign, item=item, person=person, label=label)


def _samples(
    home: CampaignLanguage, *, members: Sequence[Annotator], number: int, disputed: bool
) -> list[Sample]:
    if disputed:
        torn = Consensus.objects.filter(
            disputed=True,
            sample__campaign=home.campaign_id,
            sample__language=home.language_id,
            sample__withdrawn_at=None,
        )
        return [one.sample for one in torn.order_by("confidence").select_related("sample")[:number]]
    unseen = set.intersection(
        *({gold.pk for gold in unseen_gold(member, home)} for member in members)
    )
    gold = [one for one in gold_for_people(home).order_by("pk") if one.pk in unseen]
    return [one.sample for one in gold[:number]]
