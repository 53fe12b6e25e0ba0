"""Health of everything: the installation's parts, and the work that goes through them."""

from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import Count
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from annotation.actions import health
from annotation.actions.health import Health, PartHealth
from annotation.models import CampaignLanguage, DeskEvent, QuarantinedAnswer, SampleImport
from learning.models import Round, ScoringShard
from training.models import TrainingRun

STUCK_AFTER = timedelta(minutes=15)
BY_ITSELF = (Round.Status.SCORING, Round.Status.SELECTING, Round.Status.JUDGING)


def report(now: datetime) -> list[PartHealth]:
    """Every part, then the rounds and imports that do not move."""
    parts = health.report(now)
    if any(p.health is Health.BAD and p.name == "Database" for p in parts):
        return parts
    busy = _gpu_at_work(now)
    parts = [_busy(part) if busy and part.name == health.GPU_TITLE else part for part in parts]
    return [*parts, _projects(now), _quarantine(), _nudges(now), _rounds(now), _imports(now)]


def _gpu_at_work(now: datetime) -> bool:
    """A held lease proves a worker that is too busy to answer pings."""
    running = TrainingRun.objects.filter(
        status=TrainingRun.Status.RUNNING, lease_until__gt=now
    ).exists()
    return (
        running
        or ScoringShard.objects.filter(
            status=ScoringShard.Status.RUNNING, lease_until__gt=now
        ).exists()
    )


def _busy(part: PartHealth) -> PartHealth:
    return replace(part, health=Health.GOOD, detail=_("at work on a long task"), remedy="")


def _projects(now: datetime) -> PartHealth:
    """The projects at the desk, one a campaign and language: which of them fail, and at what."""
    name = gettext_noop("Projects at the desk")
    homes = CampaignLanguage.objects.filter(active=True).exclude(campaign__status="finished")
    failing = homes.exclude(desk_error="").select_related("campaign", "language")
    if failing:
        since = min(home.desk_error_at or now for home in failing)
        said: dict[str, list[str]] = {}
        for home in failing:
            said.setdefault(home.desk_error, []).append(f"{home.campaign.slug} {home.language.tag}")
        detail = " ".join(f"{', '.join(those)}: {error}" for error, those in said.items())
        remedy = _(
            "It is tried again by itself. If it goes on: is Label Studio up, and are its address "
            "and its admin's token in the settings right?"
        )
        return PartHealth(name, Health.BAD, detail, remedy, since)
    late = homes.filter(campaign__status="running", swept_at__lt=now - STUCK_AFTER)
    if names := [str(home) for home in late.select_related("campaign", "language")[:5]]:
        detail = _("no answers were fetched lately: %s") % ", ".join(names)
        remedy = _("See the timetable and the workers above; nothing is lost meanwhile.")
        return PartHealth(name, Health.WARN, detail, remedy)
    working = homes.exclude(desk_project_id=None).count()
    return PartHealth(
        name, Health.GOOD, ngettext("%d without errors", "%d without errors", working) % working
    )


def _quarantine() -> PartHealth:
    name = gettext_noop("Quarantine")
    waiting = QuarantinedAnswer.objects.filter(resolved_at=None)
    counts = waiting.order_by().values_list("campaign_language__campaign__slug")
    each = [f"{slug}: {count}" for slug, count in counts.annotate(Count("pk"))]
    if each:
        remedy = _("Look at them on the campaign's page of quarantined answers.")
        return PartHealth(name, Health.WARN, _("answers wait in %s") % ", ".join(each), remedy)
    return PartHealth(name, Health.GOOD, _("empty"))


def _nudges(now: datetime) -> PartHealth:
    """Webhook calls that were not believed: somebody else's, or our secret was changed there."""
    name = gettext_noop("Nudges from the desk")
    lately = DeskEvent.objects.filter(created_at__gt=now - timedelta(days=1))
    refused = lately.filter(accepted=False)
    newest = refused.first()
    if newest:
        remedy = _(
            "Answers come home by the sweep all the same. If Label Studio itself is refused, its "
            "webhook carries an old secret: it is renewed when the next round is sent out."
        )
        count = refused.count()
        said = ngettext(
            "%(count)d refused within a day, the last one for: %(why)s",
            "%(count)d refused within a day, the last one for: %(why)s",
            count,
        )
        detail = said % {"count": count, "why": newest.detail}
        return PartHealth(name, Health.WARN, detail, remedy, newest.created_at)
    return PartHealth(name, Health.GOOD, _("%d within a day, none refused") % lately.count())


def _rounds(now: datetime) -> PartHealth:
    name = gettext_noop("Rounds")
    stuck = [str(round_) for round_ in _stuck_rounds(now)]
    if stuck:
        remedy = _("See the workers above; when they run, rounds go on by themselves.")
        detail = _("not moving: %s") % ", ".join(stuck)
        return PartHealth(name, Health.WARN, detail, remedy)
    return PartHealth(name, Health.GOOD, _("%d open") % Round.objects.open().count())


def _stuck_rounds(now: datetime) -> list[Round]:
    open_rounds = Round.objects.open().filter(campaign__status="running").select_related("campaign")
    working = open_rounds.filter(status__in=BY_ITSELF, opened_at__lt=now - STUCK_AFTER)
    lost = open_rounds.filter(
        status=Round.Status.TRAINING,
        training_run__status=TrainingRun.Status.RUNNING,
        training_run__lease_until__lt=now - STUCK_AFTER,
    )
    scoring = Round.Status.SCORING
    alive = set(
        ScoringShard.objects.filter(
            status=ScoringShard.Status.RUNNING, lease_until__gt=now
        ).values_list("scoring__version", flat=True)
    )
    stuck = [r for r in working if not (r.status == scoring and r.version_id in alive)]
    # Judging starts long after the round opened: count from when its answers were in.
    late = now - STUCK_AFTER
    stuck = [r for r in stuck if (r.collected_at or r.selected_at or r.opened_at) < late]
    return [*stuck, *lost]


def _imports(now: datetime) -> PartHealth:
    name = gettext_noop("Imports")
    waiting = SampleImport.objects.filter(
        status=SampleImport.Status.QUEUED, created_at__lt=now - STUCK_AFTER
    ) | SampleImport.objects.filter(
        status=SampleImport.Status.RUNNING, lease_until__lt=now - STUCK_AFTER
    )
    names = ", ".join(waiting.values_list("filename", flat=True)[:5])
    if names:
        remedy = _("Start the worker of queue io.")
        return PartHealth(name, Health.WARN, _("not moving: %s") % names, remedy)
    return PartHealth(name, Health.GOOD, _("nothing waits"))
