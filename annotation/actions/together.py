"""Answers of the light page, several at once: as one by one, with one question to each table.

Nearly every answer is new, fits, and is its giver's first on its text. Those are stored together;
whatever is not plainly so goes the way of :func:`annotation.actions.light.take_answer`, in the order
in which it was told.
"""

import logging
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from annotation.actions.answers import NONSENSE, settle_together
from annotation.actions.light import STAMP, Outcome, Receipt, take_answer
from annotation.actions.revisions import Said, revision_of
from annotation.actions.standings import may_answer
from annotation.actions.told import Told, edit_of, given_at, number_of, read_told, seconds_of
from annotation.errors import NotFoundError
from annotation.models import (
    Annotation,
    AnnotationRevision,
    Annotator,
    AnswerNumber,
    CampaignLanguage,
    Label,
    QuarantinedAnswer,
    Reservation,
)
from annotation.objectives import objective
from annotation.permissions import team_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Plain:
    """An answer that is new and fits, with the lease under which it was given."""

    lease: Reservation
    uid: UUID
    told: Told
    said: Said
    label: Label | None


def take_answers(
    annotator: Annotator, *, home: CampaignLanguage, told: Sequence[Told], now: datetime
) -> list[Receipt]:
    """Store each answer once; one whose item was never this person's is refused as not found."""
    numbered = [(number_of(one, annotator=annotator), one) for one in told]
    taken = _take_plain(annotator, home=home, told=_told_once(numbered), now=now)
    return [
        Receipt(str(uid), Outcome.STORED)
        if uid in taken
        else _take_alone(annotator, home=home, told=one, now=now)
        for uid, one in numbered
    ]


def _told_once(numbered: Sequence[tuple[UUID, Told]]) -> dict[UUID, Told]:
    """Answers of which neither the number nor the text comes twice, so that no order matters."""
    uids = Counter(uid for uid, _ in numbered)
    items = Counter(str(one.get("item", "")) for _, one in numbered)
    return {
        uid: one for uid, one in numbered if uids[uid] == 1 and items[str(one.get("item", ""))] == 1
    }


def _take_alone(
    annotator: Annotator, *, home: CampaignLanguage, told: Told, now: datetime
) -> Receipt:
    try:
        return take_answer(annotator, home=home, told=told, now=now)
    except NotFoundError as error:
        uid = str(told.get("uid", ""))[:64]
        return Receipt(uid, Outcome.REFUSED, reason=NotFoundError.code, detail=str(error))


def _take_plain(
    annotator: Annotator, *, home: CampaignLanguage, told: Mapping[UUID, Told], now: datetime
) -> set[UUID]:
    """Store what is plainly new and fits; the numbers of those answers."""
    try:
        with transaction.atomic():
            # As where one is taken: what is counted here is still true when it is written.
            CampaignLanguage.objects.select_for_update().get(pk=home.pk)
            plain = _plain(annotator, home=home, told=told)
            if plain:
                _put_down(plain, home=home, now=now)
    except (*NONSENSE, RecursionError):
        logger.warning("%d answers of %s are taken one by one.", len(told), home, exc_info=True)
        return set()
    return {one.uid for one in plain}


def _plain(
    annotator: Annotator, *, home: CampaignLanguage, told: Mapping[UUID, Told]
) -> list[_Plain]:
    leases = _leases(annotator, home=home, told=told)
    known = _known(annotator, uids=list(told), items=[one.item_id for one in leases.values()])
    in_team = team_of(home.campaign, home.language).filter(pk=annotator.pk)
    if not leases or not may_answer(annotator, home.campaign) or not in_team.exists():
        return []
    labels = {one.key: one for one in home.campaign.labels.all()}
    found = []
    for uid, lease in leases.items():
        if uid in known or lease.item_id in known:
            continue
        said = read_told(home, item=lease.item, told=told[uid], keys=labels)
        if (
            not said.reason
            and said.state != Annotation.State.DELETED
            and "value" not in said.answer
        ):
            label = labels.get(said.answer.get("label", ""))
            found.append(_Plain(lease, uid, told[uid], said, label))
    return found


def _leases(
    annotator: Annotator, *, home: CampaignLanguage, told: Mapping[UUID, Told]
) -> dict[UUID, Reservation]:
    """The last lease that somebody had of each text, by the number of what they say of it."""
    named = {}
    for uid, one in told.items():
        with suppress(ValueError):
            named[UUID(str(one.get("item", "")))] = uid
    given = Reservation.objects.filter(
        item__uid__in=named, item__campaign_language=home, annotator=annotator
    )
    texts = objective(home.campaign.objective).READS_TEXT
    given = given.select_related("item__sample" if texts else "item").order_by("pk")
    return {named[lease.item.uid]: lease for lease in given}


def _known(
    annotator: Annotator, *, uids: Sequence[UUID], items: Sequence[int]
) -> set[UUID | int | None]:
    """Numbers under which we hold something, and items that this person has spoken of."""
    same = Q(uid__in=uids) | Q(item__in=items, annotator=annotator)
    own = Annotation.objects.filter(same).order_by().values_list("uid", "item_id")
    further = AnswerNumber.objects.filter(uid__in=uids).order_by()
    return {
        one for row in own.union(further.values_list("uid", "annotation__item_id")) for one in row
    }


def _put_down(plain: Sequence[_Plain], *, home: CampaignLanguage, now: datetime) -> None:
    """Store the answers with their first revisions, end the leases, and settle the items."""
    told = any(isinstance(one.told.get("guideline_version"), int) for one in plain)
    guidelines = set(home.guidelines.values_list("version", flat=True)) if told else set()
    stored = Annotation.objects.bulk_create(
        _annotation(one, guidelines=guidelines, now=now) for one in plain
    )
    AnnotationRevision.objects.bulk_create(revision_of(one) for one in stored)
    aside = QuarantinedAnswer.objects.filter(uid__in=[one.uid for one in plain], resolved_at=None)
    aside.update(resolved_at=now)
    leases = [one.lease for one in plain]
    mine = Reservation.objects.filter(
        item__in=[one.item_id for one in leases], annotator=leases[0].annotator_id
    )
    mine.filter(released_at=None).update(released_at=now, ended=Reservation.Ended.ANSWERED)
    settle_together([one.item for one in leases], now=now)


def _annotation(one: _Plain, *, guidelines: Container[object], now: datetime) -> Annotation:
    screen = one.told.get("guideline_version")
    version = screen if isinstance(screen, int) and screen in guidelines else None
    return Annotation(
        item=one.lease.item,
        annotator_id=one.lease.annotator_id,
        uid=one.uid,
        source=Annotation.Source.LIGHT,
        state=one.said.state,
        label=one.label,
        answer=one.said.answer,
        flag=one.said.flag,
        note=one.said.note,
        edit=edit_of(one.told),
        given_at=given_at(one.lease, told=one.told, now=now),
        desk_updated_at=now.strftime(STAMP),
        lead_seconds=seconds_of(one.told),
        guideline_version=one.lease.guideline_version if version is None else version,
    )
