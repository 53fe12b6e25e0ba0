"""Nudges from the desk: counted, kept a while, and never more than one sweep every few seconds."""

from datetime import datetime, timedelta

from django.db.models import Q

from annotation.models import CampaignLanguage, DeskEvent

# Nudges that come within this time of one another are answered by one sweep, which starts
# after it has passed and so sees what all of them spoke of.
WINDOW = timedelta(seconds=2)
SWEEP_AFTER_SECONDS = 3
KEPT = timedelta(days=7)
# Whoever forges nudges shall not fill the database with the record of it.
REFUSALS_A_MINUTE = 60


def note_nudge(campaign_language_id: int, *, action: str, now: datetime) -> bool | None:
    """Record a nudge; True if a sweep is due, None if we have no such language."""
    # In no order: that of the model would join two tables for one row.
    home = CampaignLanguage.objects.filter(pk=campaign_language_id).order_by()
    known = list(home.values_list("nudged_at", flat=True))
    if not known:
        return None
    DeskEvent.objects.create(
        campaign_language_id=campaign_language_id, action=action, accepted=True
    )
    (before,) = known
    if before is not None and now - WINDOW < before <= now:
        # Hundreds a second come while one sweep is due: they only are written down.
        return False
    rested = Q(nudged_at=None) | Q(nudged_at__lte=now - WINDOW) | Q(nudged_at__gt=now)
    return home.filter(rested).update(nudged_at=now) == 1


def note_refusal(campaign_language_id: int, *, detail: str, now: datetime) -> None:
    """Record a nudge that was not believed, as long as there are not too many."""
    lately = DeskEvent.objects.filter(accepted=False, created_at__gt=now - timedelta(minutes=1))
    if lately.count() >= REFUSALS_A_MINUTE:
        return
    home = CampaignLanguage.objects.filter(pk=campaign_language_id).first()
    DeskEvent.objects.create(campaign_language=home, accepted=False, detail=detail)


def forget_old_nudges(*, now: datetime) -> int:
    """Delete the record of nudges that are long past; return how many."""
    return DeskEvent.objects.filter(created_at__lt=now - KEPT).delete()[0]
