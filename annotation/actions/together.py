"""Answers of the light page, several at once: as one by one, with one question to each table.

Nearly every answer is new, fits, and is its giver's first on its text. Those are stored together, and
with them what others give at the same moment (:mod:`annotation.actions.gathering`); whatever is not
plainly so goes the way of :func:`annotation.actions.light.take_answer`, in the order in which it was told.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import UUID

from django.db import transaction

from annotation.actions.answers import NONSENSE
from annotation.actions.gathering import Gathering
from annotation.actions.given import (
    Heard,
    Lease,
    Stored,
    heard_under,
    known_numbers,
    leases_of,
    lock_homes,
    settle_plain,
)
from annotation.actions.light import STAMP, Outcome, Receipt, take_answer
from annotation.actions.revisions import Said, revision_of
from annotation.actions.told import Told, edit_of, given_at, number_of, read_told, seconds_of
from annotation.errors import NotFoundError
from annotation.models import Annotation, Annotator, CampaignLanguage, Guideline, Item, Label
from annotation.models.often import Often, store_rows
from annotation.objectives import objective

logger = logging.getLogger(__name__)
State = Annotation.State
# So many answers are stored in one transaction at most: others wait for its languages meanwhile.
MOST_AT_ONCE = 100
LABELS = Often(
    lambda campaign: Label.objects.filter(campaign=campaign).order_by().values_list("key", "pk"),
    campaign=int,
)


@dataclass(frozen=True, eq=False)
class Given:
    """What one person tells at once of one language, by number."""

    annotator: Annotator
    home: CampaignLanguage
    told: Mapping[UUID, Told]
    now: datetime

    @cached_property
    def items(self) -> dict[UUID, UUID]:
        """The text that each number speaks of, where it names one."""
        named = {}
        for uid, one in self.told.items():
            with suppress(ValueError):
                named[uid] = UUID(str(one.get("item", "")))
        return named


@dataclass(frozen=True)
class _Plain:
    """An answer that fits, with the lease under which it was given; it is new, or was ``heard``."""

    given: Given
    lease: Lease
    uid: UUID
    said: Said
    label: int | None
    heard: Heard | None

    @property
    def outcome(self) -> Outcome:
        """What its giver is told of it."""
        return Outcome.STORED if self.heard is None else Outcome.SAME

    def is_the_same(self) -> bool:
        """Whether it is what this person told us of this text under this number."""
        edit = edit_of(self.given.told[self.uid])
        mine = (self.lease.item, self.lease.annotator)
        held = self.heard
        return bool(
            held and (held.item, held.annotator) == mine and held.is_told_by(self.said, edit=edit)
        )


def take_answers(
    annotator: Annotator, *, home: CampaignLanguage, told: Sequence[Told], now: datetime
) -> list[Receipt]:
    """Store each answer once; one whose item was never this person's is refused as not found."""
    numbered = [(number_of(one, annotator=annotator), one) for one in told]
    once = _told_once(numbered)
    taken = (once and GATHERING.take(Given(annotator, home, once, now))) or {}
    return [
        Receipt(str(uid), taken[uid])
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


def _take_plain(gathered: Sequence[Given]) -> list[dict[UUID, Outcome]]:
    """Store what is plainly new and fits, of everybody in one transaction.

    Return by number what became of that, and of what came before and is the same: a phone on a bad
    line sends all of it again when it has not heard that it came.
    """
    try:
        with transaction.atomic():
            # As where one is taken: what is counted here is still true when it is written.
            lock_homes({one.home.pk for one in gathered})
            plain = _plain(gathered)
            if fresh := [one for one in plain if one.heard is None]:
                _put_down(fresh, now=max(one.now for one in gathered))
    except (*NONSENSE, RecursionError):
        logger.warning("Answers of %d people are taken alone.", len(gathered), exc_info=True)
        return [{} for _ in gathered]
    return [{one.uid: one.outcome for one in plain if one.given is given} for given in gathered]


GATHERING = Gathering(_take_plain, weight=lambda one: len(one.told), most=MOST_AT_ONCE)


def _plain(gathered: Sequence[Given]) -> list[_Plain]:
    times = Counter(uid for one in gathered for uid in one.told)
    mine = Counter((one.annotator.pk, item) for one in gathered for item in one.items.values())
    leases = leases_of((g.annotator.pk, g.home.pk, g.items.values()) for g in gathered)
    known = known_numbers(sorted(times))
    heard = heard_under(sorted(known))
    labels = {pk: _labels(pk) for pk in {g.home.campaign_id for g in gathered}}
    texts = _items_to_read(gathered, leases)
    found = []
    for given in gathered:
        keys, calibrate = labels[given.home.campaign_id], given.home.campaign.calibrate
        for uid, item in given.items.items():
            lease = leases.get((given.annotator.pk, given.home.pk, item))
            before = heard.get(uid)
            if (
                lease is None
                or not lease.in_team
                or (before is None and (lease.spoken or uid in known))
            ):
                continue
            twice = times[uid] > 1 or mine[given.annotator.pk, item] > 1
            if twice or (before is None and calibrate and not lease.qualified):
                continue
            told, text = given.told[uid], texts.get(lease.item) or Item(pk=lease.item)
            said = read_told(given.home, item=text, told=told, keys=keys)
            if said.reason or said.state == State.DELETED or "value" in said.answer:
                continue
            label = keys.get(said.answer.get("label", ""))
            one = _Plain(given, lease, uid, said, label, before)
            if before is None or one.is_the_same():
                found.append(one)
    return found


def _labels(campaign: int) -> dict[str, int]:
    return {str(key): int(pk) for key, pk in LABELS.rows(campaign=campaign)}


def _items_to_read(
    gathered: Sequence[Given], leases: Mapping[tuple[int, int, UUID], Lease]
) -> dict[int, Item]:
    """Items with their texts, where what was said is read against them."""
    reading = {g.home.pk for g in gathered if objective(g.home.campaign.objective).READS_TEXT}
    wanted = [one.item for one in leases.values() if one.home in reading]
    found = Item.objects.filter(pk__in=wanted).select_related("sample") if wanted else ()
    return {item.pk: item for item in found}


def _put_down(plain: Sequence[_Plain], *, now: datetime) -> None:
    """Store the answers with their first revisions, end the leases, and settle the items."""
    shown = _guidelines(plain)
    stored = [_annotation(one, guidelines=shown) for one in plain]
    store_rows(stored)
    store_rows([revision_of(one) for one in stored])
    settle_plain([_stored(one) for one in plain], now=now)


def _stored(one: _Plain) -> Stored:
    answered = one.said.state == State.ANSWERED
    return Stored(one.given.home, one.lease, answered, flagged=bool(one.said.flag))


def _guidelines(plain: Sequence[_Plain]) -> set[tuple[int, int]]:
    """Which versions there are of guidelines that were on the screens, by language."""
    told = {
        one.lease.home
        for one in plain
        if isinstance(one.given.told[one.uid].get("guideline_version"), int)
    }
    known = Guideline.objects.filter(campaign_language__in=told).order_by()
    return set(known.values_list("campaign_language", "version")) if told else set()


def _annotation(one: _Plain, *, guidelines: set[tuple[int, int]]) -> Annotation:
    told, lease, now = one.given.told[one.uid], one.lease, one.given.now
    screen = told.get("guideline_version")
    version = screen if isinstance(screen, int) else None
    seen = (lease.home, version) in guidelines
    return Annotation(
        item_id=lease.item,
        annotator_id=lease.annotator,
        uid=one.uid,
        source=Annotation.Source.LIGHT,
        state=one.said.state,
        label_id=one.label,
        answer=one.said.answer,
        flag=one.said.flag,
        note=one.said.note,
        edit=edit_of(told),
        given_at=given_at(lease, told=told, now=now),
        desk_updated_at=now.strftime(STAMP),
        lead_seconds=seconds_of(told),
        guideline_version=version if seen and version else lease.guideline_version,
    )
