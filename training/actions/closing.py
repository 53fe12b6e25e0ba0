"""Closing a round's collecting early: a person says that what is there is enough."""

from datetime import datetime

from django.utils.translation import gettext as _

from annotation.errors import ConflictError
from annotation.models import Campaign
from learning.models import Round


def ask_to_train_now(campaign: Campaign, *, now: datetime) -> Round:
    """Note the wish on the collecting round; the loop takes it from there."""
    round_ = campaign.rounds.open().first()
    if round_ is None or round_.status != Round.Status.COLLECTING:
        raise ConflictError(_("No round is collecting answers now."))
    Round.objects.filter(pk=round_.pk, status=Round.Status.COLLECTING, close_asked_at=None).update(
        close_asked_at=now
    )
    round_.refresh_from_db()
    return round_
