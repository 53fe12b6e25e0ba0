"""Estimates after a withdrawal: what others' answers amount to without those taken back.

They take seconds a language, so no page waits for them: the withdrawal is noted as one whose
consensus is due, a worker fits it anew, and nothing is learned before.
"""

from datetime import datetime

from annotation.actions.consensus import refit, stale_languages
from annotation.models import Campaign, Withdrawal
from learning.actions.serving import serving_version
from training.actions.dispatches import Work
from training.actions.priors import priors_of


def due_estimates() -> list[Work]:
    """What a worker has to fit anew, a withdrawal each."""
    due = Withdrawal.objects.filter(consensus_due=True).order_by("pk").values_list("pk", flat=True)
    return [Work("training.tasks.estimate_anew", {"withdrawal_id": pk}) for pk in due]


def estimate_anew(withdrawal_id: int, *, now: datetime) -> int:
    """Fit what a withdrawal left stale as if its answers had never been given; count languages.

    Languages learn from one another, so others than those that were answered in may have become
    stale. Safe to run twice; a crash half-way leaves it due.
    """
    withdrawal = Withdrawal.objects.filter(pk=withdrawal_id, consensus_due=True)
    if not withdrawal.exists():
        return 0
    concerned = Campaign.objects.filter(samples__items__annotations__withdrawal=withdrawal_id)
    fitted = sum(_fit(campaign, now=now) for campaign in concerned.distinct())
    withdrawal.update(consensus_due=False)
    return fitted


def catch_up(campaign: Campaign, *, now: datetime) -> None:
    """Fit a campaign's languages anew if a withdrawal still waits for it; else do nothing."""
    samples = campaign.samples.filter(items__annotations__withdrawal__consensus_due=True)
    if samples.exists():
        _fit(campaign, now=now)


def _fit(campaign: Campaign, *, now: datetime) -> int:
    serving = serving_version(campaign)
    stale = stale_languages(campaign)
    for language in stale:
        priors = priors_of(serving, language=language) if serving else None
        refit(campaign, language=language, now=now, priors=priors)
    return len(stale)
