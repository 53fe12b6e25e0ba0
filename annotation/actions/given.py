"""What is asked before plain answers are stored and what follows them: once, however many they are."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Count, Exists, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from annotation.actions.answers import settle
from annotation.actions.objections import flagged, note_objections
from annotation.actions.revisions import Said
from annotation.actions.standings import COUNTING
from annotation.models import (
    Annotation,
    AnswerNumber,
    CampaignLanguage,
    Item,
    Objection,
    QuarantinedAnswer,
    Reservation,
    Standing,
)
from annotation.models.often import Often
from annotation.permissions import in_the_team, team_of

State = Item.State


class Lease(NamedTuple):
    """The last lease that somebody had of a text, and how things stand with both."""

    pk: int
    item: int
    uid: UUID
    sample: int
    annotator: int
    home: int
    created_at: datetime
    guideline_version: int
    wanted: int
    state: str
    desk_task_id: int | None
    # Whether this person has spoken of the text, how many have answered it, whether anybody objected.
    spoken: bool
    heard: int
    objected: bool
    # Whether the person is in the team, and through a session where those are asked for.
    in_team: bool
    qualified: bool


def _leases(*, items: list[UUID], people: list[int], homes: list[int]) -> "QuerySet[Any, Any]":
    of_item = Annotation.objects.filter(item=OuterRef("item")).order_by()
    heard = of_item.answered().values("item").annotate(n=Count("annotator", distinct=True))
    sample = OuterRef("item__sample")
    standing = Standing.objects.filter(
        annotator=OuterRef("annotator"),
        campaign=OuterRef("item__campaign_language__campaign"),
        state__in=COUNTING,
    )
    given = Reservation.objects.filter(
        item__uid__in=items, annotator__in=people, item__campaign_language__in=homes
    )
    return (
        given.annotate(
            spoken=Exists(of_item.filter(annotator=OuterRef("annotator"))),
            heard=Coalesce(Subquery(heard.values("n"), output_field=IntegerField()), 0),
            objected=Exists(flagged().filter(item__sample=sample))
            | Exists(Objection.objects.filter(sample=sample)),
            in_team=in_the_team(of="item__campaign_language"),
            qualified=Exists(standing),
        )
        .order_by("pk")
        .values_list(
            *("pk", "item", "item__uid", "item__sample", "annotator", "item__campaign_language"),
            *("created_at", "guideline_version", "item__wanted", "item__state"),
            *("item__desk_task_id", "spoken", "heard", "objected", "in_team", "qualified"),
        )
    )


LEASES = Often(_leases, items=[UUID], people=[int], homes=[int])
HOMES = Often(
    lambda homes: (
        CampaignLanguage.objects.filter(pk__in=homes)
        .order_by("pk")
        .select_for_update()
        .values_list("pk")
    ),
    homes=[int],
)
NUMBERS = Often(
    lambda uids: (
        Annotation.objects.filter(uid__in=uids)
        .order_by()
        .values_list("uid")
        .union(
            AnswerNumber.objects.filter(uid__in=uids).order_by().values_list("uid"),
            QuarantinedAnswer.objects.filter(uid__in=uids, resolved_at=None)
            .order_by()
            .values_list("uid"),
        )
    ),
    uids=[UUID],
)
HELD = Often(
    lambda uids: (
        Annotation.objects.filter(uid__in=uids)
        .exclude(Exists(QuarantinedAnswer.objects.filter(uid=OuterRef("uid"), resolved_at=None)))
        .order_by()
        .values_list("uid", "item", "annotator", "state", "flag", "note", "answer", "edit")
    ),
    uids=[UUID],
)
END = Often(
    lambda leases, now: Reservation.objects.filter(pk__in=leases, released_at=None),
    change=lambda now, **_: {"released_at": now, "ended": Reservation.Ended.ANSWERED},
    leases=[int],
    now=datetime,
)
DONE = Often(
    lambda items, now: Item.objects.filter(pk__in=items),
    change=lambda now, **_: {"state": State.ANSWERED, "answered_at": now},
    items=[int],
    now=datetime,
)


def _left(*, items: list[int], campaign: Any, language: Any) -> "QuerySet[Any, Any]":
    """Items of which somebody in the team has not spoken yet."""
    spoken = Annotation.objects.filter(annotator=OuterRef("pk"), item=OuterRef(OuterRef("pk")))
    spoken = spoken.exclude(state=Annotation.State.DELETED)
    silent = team_of(campaign, language).exclude(Exists(spoken))
    return Item.objects.filter(Exists(silent), pk__in=items).order_by().values_list("pk")


LEFT = Often(_left, items=[int], campaign=int, language=int)


def lock_homes(homes: Collection[int]) -> None:
    """Let nobody else store in these languages meanwhile; in one order, so that none waits in a ring."""
    HOMES.rows(homes=sorted(homes))


def leases_of(
    asked: Iterable[tuple[int, int, Collection[UUID]]],
) -> dict[tuple[int, int, UUID], Lease]:
    """The last leases of texts, by person and language."""
    given = list(asked)
    items = sorted({uid for _person, _home, uids in given for uid in uids})
    if not items:
        return {}
    people, homes = ({one[at] for one in given} for at in (0, 1))
    rows = LEASES.rows(items=items, people=sorted(people), homes=sorted(homes))
    leases = [Lease(*row) for row in rows]
    return {(one.annotator, one.home, one.uid): one for one in leases}


def known_numbers(uids: Sequence[UUID]) -> set[UUID]:
    """Numbers under which we hold something, or keep something aside."""
    return {uid for (uid,) in NUMBERS.rows(uids=uids)}


class Heard(NamedTuple):
    """An answer that we hold under the number that it came with, as it stands."""

    uid: UUID
    item: int
    annotator: int
    state: str
    flag: str
    note: str
    answer: dict[str, Any]
    edit: int

    def is_told_by(self, said: Said, *, edit: int) -> bool:
        """Whether this is what came, and not a change of it; what was told before that is no news."""
        same = (self.state, self.flag, self.note) == (said.state, said.flag, said.note)
        return edit < self.edit or (edit == self.edit and same and self.answer == said.answer)


def heard_under(uids: Sequence[UUID]) -> dict[UUID, Heard]:
    """What we hold under these numbers; nothing of what waits in the quarantine as well."""
    rows = HELD.rows(uids=uids) if uids else []
    return {one.uid: one for one in (Heard(*row) for row in rows)}


class Stored(NamedTuple):
    """What settling needs to know of one answer."""

    home: CampaignLanguage
    lease: Lease
    answered: bool
    flagged: bool


def settle_plain(stored: Sequence[Stored], *, now: datetime) -> None:
    """End the leases of answers that were stored just now, and settle their items."""
    END.do(leases=sorted(one.lease.pk for one in stored), now=now)
    people = Counter({one.lease.item: one.lease.heard for one in stored})
    people.update(one.lease.item for one in stored if one.answered)
    full = [one.lease for one in stored if people[one.lease.item] >= one.lease.wanted]
    if fresh := sorted({one.item for one in full if one.state != State.ANSWERED}):
        DONE.do(items=fresh, now=now)
    done = {one.item for one in full}
    if unsettled := _unsettled([one for one in stored if one.lease.item not in done]):
        for item in Item.objects.filter(pk__in=unsettled):
            settle(item, now=now)
    for sample in sorted({one.lease.sample for one in stored if one.flagged or one.lease.objected}):
        note_objections(sample, now=now)


def _unsettled(stored: Sequence[Stored]) -> set[int]:
    """Of items that want more answers, those whose place may be another now."""
    waiting: dict[CampaignLanguage, set[int]] = {}
    for one in stored:
        at_desk = one.lease.state == State.PUSHED and one.lease.desk_task_id is not None
        if (at_desk or one.lease.state == State.QUEUED) and not one.home.campaign.calibrate:
            waiting.setdefault(one.home, set()).add(one.lease.item)
    fine = set()
    for home, items in waiting.items():
        told = {"campaign": home.campaign_id, "language": home.language_id}
        fine |= {pk for (pk,) in LEFT.rows(items=sorted(items), **told)}
    return {one.lease.item for one in stored} - fine
