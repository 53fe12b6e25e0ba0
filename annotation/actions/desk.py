"""The desk's side of a campaign language: its project, its form, its nudges, its health."""

import hashlib
import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Max, Q
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext

from annotation.actions.accounts import find_accounts_again
from annotation.errors import ConflictError, VernacularError
from annotation.gateways import DeskProject, LabelingDesk
from annotation.models import (
    Annotation,
    Campaign,
    CampaignLanguage,
    DeskConfig,
    DeskEvent,
    Direction,
    Item,
    Label,
    QuarantinedAnswer,
)
from annotation.objectives import Choice, form, objective

logger = logging.getLogger(__name__)

# Answers still come home this long after a finished campaign last sent out or heard something.
LINGER = timedelta(days=7)
# So many sweeps come between two patrols: an hour, unless sweeps are set otherwise.
SWEEPS_A_PATROL = 12
AFTER_TROUBLE = timedelta(minutes=2)
# So many uids tell whether a project without our marker is ours all the same.
UIDS_TO_KNOW_IT_BY = 20


def prepare_desk(campaign_language: CampaignLanguage, *, desk: LabelingDesk) -> CampaignLanguage:
    """Give the language its project, form and nudges at the desk; whatever is there is kept."""
    home = CampaignLanguage.objects.select_related("campaign", "language").get(
        pk=campaign_language.pk
    )
    config = _present_config(home)
    guideline = _instruction(home)
    project = _found_project(home, desk=desk)
    if project is None:
        _create_project(home, desk=desk, config=config, instruction=guideline)
    else:
        _repair(home, desk=desk, project=project, config=config, instruction=guideline)
    if home.desk_project_id is not None:
        address = settings.ENV.web_url.rstrip("/") + reverse("desk_hook", args=[home.pk])
        secret = settings.ENV.webhook_secret
        desk.ensure_webhook(home.desk_project_id, url=address, secret=secret)
    return home


def marker_of(home: CampaignLanguage) -> str:
    """What names our project at the desk, even after we died before noting its number."""
    made = home.campaign.created_at.strftime("%Y%m%dT%H%M%S.%f")
    return f"vernacular {home.campaign.slug} {home.language.tag} {made} {home.pk}"


def note_desk_error(home_id: int, *, error: VernacularError, now: datetime) -> bool:
    """Remember that the desk fails; True if it did not a moment ago."""
    homes = CampaignLanguage.objects.filter(pk=home_id)
    fresh = homes.filter(desk_error="").exists()
    if fresh:
        homes.update(desk_error_at=now)
    homes.update(desk_error=str(error)[:300])
    return fresh


def note_desk_answers(home_id: int) -> bool:
    """Remember that the desk answers; True if it did not a moment ago."""
    homes = CampaignLanguage.objects.filter(pk=home_id).exclude(desk_error="")
    return homes.update(desk_error="", desk_error_at=None) > 0


def homes_to_tend() -> list[int]:
    """The campaign languages whose desk projects are swept and filled by the timetable."""
    homes = CampaignLanguage.objects.filter(
        active=True, campaign__status__in=(Campaign.Status.RUNNING, Campaign.Status.PAUSED)
    )
    return list(homes.values_list("pk", flat=True))


def homes_to_sweep(now: datetime) -> list[int]:
    """Those of them, and the lately finished, whose people may still be answering."""
    lately = Q(pushed_at__gt=now - LINGER) | Q(answered_at__gt=now - LINGER)
    finished = CampaignLanguage.objects.filter(
        active=True,
        campaign__status=Campaign.Status.FINISHED,
        pk__in=Item.objects.filter(lately).values("campaign_language"),
    )
    return homes_to_tend() + list(finished.values_list("pk", flat=True))


def homes_to_patrol(now: datetime) -> list[int]:
    """Those that are swept and were not compared with the desk for so many sweeps."""
    due = CampaignLanguage.objects.filter(pk__in=homes_to_sweep(now))
    due = due.exclude(desk_project_id=None).exclude(patrolled_at__gt=now - _between_patrols())
    return list(due.values_list("pk", flat=True))


def compare_soon(home_id: int, *, now: datetime) -> None:
    """Have a language compared once the desk is calm: whoever fails may have kept half of a thing."""
    soon = now - _between_patrols() + AFTER_TROUBLE
    CampaignLanguage.objects.filter(pk=home_id, patrolled_at__gt=soon).update(patrolled_at=soon)


def _between_patrols() -> timedelta:
    return timedelta(seconds=SWEEPS_A_PATROL * settings.ENV.sweep_seconds)


def _instruction(home: CampaignLanguage) -> str:
    newest = home.guidelines.order_by("-version").first()
    return form.instruction(
        newest.text if newest else "",
        tag=home.language.tag,
        rtl=home.language.direction == Direction.RTL,
    )


@transaction.atomic
def _present_config(home: CampaignLanguage) -> DeskConfig:
    """The newest form, a new version of it if labels, question or guideline changed."""
    CampaignLanguage.objects.select_for_update().get(pk=home.pk)
    campaign, tag = home.campaign, home.language.tag
    labels = list(campaign.labels.order_by("position"))
    with _spoken(tag):
        xml = objective(campaign.objective).desk_config(
            question=campaign.question,
            choices=[Choice(key=label.key, name=label.name_in(tag)) for label in labels],
            rtl=home.language.direction == Direction.RTL,
            flags=_flags(tag),
            note=_note(tag),
        )
    guideline = home.guidelines.aggregate(newest=Max("version"))["newest"] or 0
    digest = hashlib.sha256(f"{guideline}\n{xml}".encode()).hexdigest()
    newest = home.desk_configs.order_by("-version").first()
    if newest is not None and newest.digest == digest:
        return newest
    _refuse_to_orphan(home, keys={label.key for label in labels})
    return DeskConfig.objects.create(
        campaign_language=home,
        version=newest.version + 1 if newest else 1,
        xml=xml,
        digest=digest,
        guideline_version=guideline,
    )


def _flags(tag: str) -> list[Choice]:
    """What can be said of a text instead of answering, in the language if we speak it."""
    with _spoken(tag):
        return [Choice(key, str(name)) for key, name in Annotation.Flag.choices if key]


def _note(tag: str) -> str:
    """The words that the light page asks for a note in."""
    with _spoken(tag):
        return gettext("A note, if you like: which dialect, what is unclear")


def _spoken(tag: str) -> translation.override:
    return translation.override(tag if translation.check_for_language(tag) else None)


def _found_project(home: CampaignLanguage, *, desk: LabelingDesk) -> DeskProject | None:
    """Our project at the desk, if it is there; one that somebody deleted is let go."""
    if home.desk_project_id is None:
        for known in desk.find_projects(marker_of(home))[:1]:
            _find_people_again(home, desk=desk)
            _adopt(home, known)
    if home.desk_project_id is None:
        return None
    project = our_project(home, desk=desk)
    if project is None:
        # Before anything is forgotten: whoever is interrupted here comes by again.
        _find_people_again(home, desk=desk)
        _let_go(home)
    elif home.language.annotators.filter(
        # Whoever was invited gets an account there with their first visit.
        active=True,
        everywhere=True,
        user__desk_user_id=None,
    ).exists():
        _find_people_again(home, desk=desk)
    return project


def _find_people_again(home: CampaignLanguage, *, desk: LabelingDesk) -> None:
    found = find_accounts_again(desk)
    if found.moved or found.gone:
        detail = f"The desk numbers its accounts anew: {found.moved} found by their addresses"
        if found.gone:
            detail += f", none for {', '.join(found.gone)}: add them again"
        _tell(home, action="ACCOUNTS_MOVED", detail=f"{detail}.")


def our_project(home: CampaignLanguage, *, desk: LabelingDesk) -> DeskProject | None:
    """Read our project; nothing if it is gone, or if another one sits under its number."""
    if home.desk_project_id is None:
        return None
    project = desk.read_project(home.desk_project_id)
    if project is None or marker_of(home) in project.marker:
        return project
    # Anybody can rewrite a description, but nobody guesses our uids.
    sent = home.items.exclude(desk_task_id=None).order_by("-pk")[:UIDS_TO_KNOW_IT_BY]
    known = desk.find_tasks(home.desk_project_id, [str(item.uid) for item in sent])
    return project if known else None


def _create_project(
    home: CampaignLanguage, *, desk: LabelingDesk, config: DeskConfig, instruction: str
) -> None:
    marker = marker_of(home)
    made = desk.create_project(
        title=f"{home.language.tag} · {home.campaign.title}",
        marker=marker,
        config=config.xml,
        instruction=instruction,
    )
    # Two that create at once both list both, and agree on the older.
    first = min([made, *desk.find_projects(marker)])
    if first != made:
        desk.delete_project(made)
    _adopt(home, first)


def _adopt(home: CampaignLanguage, project_id: int) -> None:
    CampaignLanguage.objects.filter(pk=home.pk, desk_project_id=None).update(
        desk_project_id=project_id
    )
    home.refresh_from_db(fields=["desk_project_id"])


@transaction.atomic
def _let_go(home: CampaignLanguage) -> None:
    """Forget a project that is gone: what was open is owed again, what was answered stays.

    Deleting a whole project says nothing about the answers in it, so none is withdrawn.
    A new desk counts from 1 again, so what we hold gives its numbers back.
    """
    lost = home.desk_project_id
    CampaignLanguage.objects.filter(pk=home.pk, desk_project_id=lost).update(
        desk_project_id=None, swept_until="", desk_counters={}, desk_batch=""
    )
    home.items.filter(state=Item.State.PUSHED).update(state=Item.State.QUEUED, pushed_at=None)
    home.items.update(desk_task_id=None, desk_updated_at="")
    _give_numbers_back(home)
    _tell(home, action="PROJECT_LOST", detail=f"Project {lost} is gone; a new one is made.")
    home.refresh_from_db()


def _give_numbers_back(home: CampaignLanguage) -> None:
    """Number what we hold below zero: even for answers, odd for those only in quarantine.

    What was given on the light page needs no number, and is mirrored to the next project.
    """
    held = Annotation.objects.filter(item__campaign_language=home)
    light = held.filter(source=Annotation.Source.LIGHT)
    light.update(desk_annotation_id=None, desk_seen_at="", mirrored_revision=0)
    numbered = held.filter(desk_annotation_id__gt=0)
    numbers = {number: -2 * pk for number, pk in numbered.values_list("desk_annotation_id", "pk")}
    aside = home.quarantine.filter(resolved_at=None, desk_annotation_id__gt=0).order_by("pk")
    for row in list(aside.only("pk", "desk_annotation_id")):
        number = numbers.setdefault(row.desk_annotation_id, -2 * row.pk - 1)
        QuarantinedAnswer.objects.filter(pk=row.pk).update(desk_annotation_id=number)
    numbered.update(desk_annotation_id=-2 * F("pk"))
    held.update(desk_task_id=0)


def _repair(
    home: CampaignLanguage,
    *,
    desk: LabelingDesk,
    project: DeskProject,
    config: DeskConfig,
    instruction: str,
) -> None:
    """Bring the project to our newest form, whoever changed it."""
    wanted = DeskProject(
        config=config.xml, instruction=instruction, intact=True, marker=project.marker
    )
    if home.desk_project_id is None or project == wanted:
        return
    known = home.desk_configs.filter(xml=project.config).exists()
    desk.update_project(home.desk_project_id, config=config.xml, instruction=instruction)
    home.items.filter(state=Item.State.PUSHED).update(desk_config=config)
    if not known or not project.intact:
        detail = f"Somebody changed the project at the desk; form {config.version} is back."
        _tell(home, action="PROJECT_REPAIRED", detail=detail)


def _refuse_to_orphan(home: CampaignLanguage, *, keys: set[str]) -> None:
    """A form without a key that was already given would make those answers unreadable."""
    given = Annotation.objects.answered().filter(item__campaign_language=home)
    kind = objective(home.campaign.objective)
    plain = given.filter(label__value__isnull=True).values_list("answer__label", flat=True)
    composed = Label.everything.filter(pk__in=given.values("label"), value__isnull=False)
    said = [{"label": key} for key in plain.distinct()]
    said += [{"label": one.key, "value": one.value} for one in composed]
    lost = {key for answer in said for key in kind.keys_in(answer)} - keys
    if lost:
        raise ConflictError(
            f"People have already answered with {', '.join(sorted(map(str, lost)))}.",
            remedy="Keep the label, or begin another campaign.",
        )


def _tell(home: CampaignLanguage, *, action: str, detail: str) -> None:
    logger.warning("%s: %s", home, detail)
    DeskEvent.objects.create(
        campaign_language=home, action=action, accepted=True, detail=detail[:200]
    )
