"""Gold answers: what people said of the texts that are to become gold, and what follows."""

from collections import Counter
from datetime import datetime

from django.db import transaction
from django.db.models import F, Q, QuerySet

from annotation.actions.queue import ask_one_more
from annotation.errors import VernacularError
from annotation.models import (
    Annotation,
    Annotator,
    Campaign,
    CampaignLanguage,
    GoldItem,
    Item,
    Reliability,
)
from training.actions.dispatches import Work
from training.actions.gold_calls import (
    PEOPLE,
    Waiting,
    call_for_gold,
    held_gates,
    is_wanted,
    may_look_again,
)
from training.actions.promotion import promote
from training.models import GateRun, GoldCandidate, Verdict

MOST_ANSWERS = 3
COMPETENT = 0.5
State = GoldCandidate.State


def tend_gold(campaign: Campaign, *, now: datetime) -> list[Work]:
    """Make gold of what people agree on; then have held candidates looked at again, or serve."""
    settle_gold(campaign, now=now)
    retract_gold(campaign, now=now)
    _release(campaign)
    for gate in held_gates(campaign):
        # Whoever judged may have died before asking, or was a person with a command.
        if is_wanted(gate, campaign):
            call_for_gold(gate)
    due = [gate for gate in held_gates(campaign) if may_look_again(gate)]
    return [
        *(Work("annotation.tasks.push", {"campaign_language_id": pk}) for pk in _owed(campaign)),
        *(Work("training.tasks.judge", {"run_id": gate.run_id}) for gate in due[:1]),
    ]


def tend_elsewhere(*, now: datetime) -> list[Work]:
    """Tend what is held in campaigns that are paused or over, where the loop does not come by.

    Gold can come there too: people go on answering in a paused campaign, and gold is imported
    anywhere. In one that is over nobody is asked any more.
    """
    running, over = Campaign.Status.RUNNING, Campaign.Status.FINISHED
    held = GateRun.objects.filter(verdict=Verdict.HOLD).values("run__campaign")
    works: list[Work] = []
    for campaign in Campaign.objects.filter(pk__in=held).exclude(status=running):
        due = tend_gold(campaign, now=now)
        works += [w for w in due if campaign.status != over or not w.task.endswith(".push")]
    return works


def settle_gold(campaign: Campaign, *, now: datetime) -> int:
    """Decide every candidate that has the answers it waited for; safe to run twice."""
    over = (Item.State.ANSWERED, Item.State.WITHDRAWN)
    ready = GoldCandidate.objects.filter(
        call__gate__run__campaign=campaign, state=Waiting, item__state__in=over
    )
    settled = 0
    for candidate in ready.select_related("item__sample", "item__campaign_language"):
        with transaction.atomic():
            settled += _settle(candidate, now=now)
    return settled


def retract_gold(campaign: Campaign, *, now: datetime) -> int:
    """Retire gold whose answers were taken back or changed since: it is known no longer."""
    made = GoldCandidate.objects.filter(
        call__gate__run__campaign=campaign, state=State.GOLD, gold__retired_at=None
    ).exclude(gold=None)
    rows = list(made.select_related("gold"))
    ids = {pk for row in rows for pk, _ in row.answers}
    stands = {
        (one.pk, one.label_id)
        for one in Annotation.objects.answered().filter(
            item__campaign_language__campaign=campaign, item__kind=Item.Kind.CANDIDATE
        )
        if one.pk in ids
    }
    shaken = 0
    for row in rows:
        gold = row.gold
        if gold is None or all((pk, gold.label_id) in stands for pk, _ in row.answers):
            continue
        GoldItem.objects.filter(pk=gold.pk, retired_at=None).update(retired_at=now)
        shaken += _drop(
            row, reason="An answer that made it gold was changed or taken back.", now=now
        )
    return shaken


def _settle(candidate: GoldCandidate, *, now: datetime) -> bool:
    item = candidate.item
    if GoldItem.objects.filter(sample=item.sample_id).exists():
        return _drop(candidate, reason="It became gold by another way.", now=now)
    answers = _counted(item)
    said = Counter(one.label for one in answers if one.label is not None)
    top = said.most_common(1)
    if top and top[0][1] >= PEOPLE:
        agreed = [one for one in answers if one.label == top[0][0]]
        gold, made = GoldItem.objects.get_or_create(
            sample=item.sample,
            defaults={
                "label": top[0][0],
                "split": GoldItem.Split.GATE,
                "origin": GoldItem.SPEAKERS,
            },
        )
        if not made:  # somebody else settles it at this moment
            return False
        return _write(
            candidate,
            state=State.GOLD,
            gold=gold,
            answers=[[one.pk, one.revision] for one in agreed],
            settled_at=now,
        )
    if len(answers) >= MOST_ANSWERS:
        return _drop(candidate, reason=f"{len(answers)} people gave different answers.", now=now)
    if item.state == Item.State.WITHDRAWN:
        return _drop(candidate, reason="It was taken back from the desk.", now=now)
    if not _others(item).exists():
        reason = "People disagree." if len(said) > 1 else "Too few answers count."
        return _drop(candidate, reason=f"{reason} There is nobody else to ask.", now=now)
    ask_one_more(item)
    return False


def _counted(item: Item) -> list[Annotation]:
    """Return one answer a person, of those who are not known to guess or to deceive."""
    doubtful = Reliability.objects.filter(
        campaign=item.campaign_language.campaign_id, competent__lt=COMPETENT
    )
    answers = (
        item.annotations.answered()
        .filter(annotator__active=True, label__isnull=False)
        .exclude(annotator__in=doubtful.values("annotator"))
        .select_related("annotator", "label")
        .order_by("desk_updated_at", "pk")
    )
    newest = {one.annotator.user_id: one for one in answers}
    return [newest[user] for user in sorted(newest)]


def _others(item: Item) -> QuerySet[Annotator]:
    heard = item.annotations.exclude(state=Annotation.State.DELETED).values("annotator__user")
    team = Annotator.objects.filter(language=item.campaign_language.language_id, active=True)
    return team.exclude(user__in=heard)


def _drop(candidate: GoldCandidate, *, reason: str, now: datetime) -> bool:
    return _write(candidate, state=State.DROPPED, reason=reason, settled_at=now)


def _write(candidate: GoldCandidate, **values: object) -> bool:
    mine = GoldCandidate.objects.filter(pk=candidate.pk, state=candidate.state)
    return bool(mine.update(**values))


def _release(campaign: Campaign) -> None:
    """Let a round's candidate serve that a later look has passed; its round is over by then."""
    passed = GateRun.objects.filter(
        run__campaign=campaign, run__round__isnull=False, verdict=Verdict.PASS, look__gt=1
    )
    for gate in passed.filter(candidate__deployments=None).order_by("-pk"):
        try:
            promote(gate)
        except VernacularError:
            # Another version serves by now; the page says that this one is past.
            continue


def _owed(campaign: Campaign) -> list[int]:
    """Return the languages with texts on their way to the desk, or that want one more answer."""
    more = Q(items__desk_wanted__lt=F("items__wanted"), items__state=Item.State.PUSHED)
    queued = Q(items__state=Item.State.QUEUED)
    asked = Q(items__kind=Item.Kind.CANDIDATE) & (queued | more)
    homes = CampaignLanguage.objects.filter(asked, campaign=campaign, active=True)
    return list(homes.order_by("pk").values_list("pk", flat=True).distinct())
