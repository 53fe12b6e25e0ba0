"""Disputes: where people who can be relied on differ, more are asked, then a coordinator decides."""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from annotation.actions.queue import ask_one_more
from annotation.errors import ConflictError, InvalidInputError
from annotation.models import (
    Adjudication,
    Campaign,
    CampaignLanguage,
    Consensus,
    GoldItem,
    Item,
    Label,
    Sample,
    User,
)
from annotation.permissions import team_of


def disputed(home: CampaignLanguage) -> QuerySet[Consensus]:
    """Texts of a language on which people differ, the least certain first."""
    found = Consensus.objects.filter(
        disputed=True,
        sample__campaign=home.campaign_id,
        sample__language=home.language_id,
        sample__withdrawn_at=None,
    )
    return found.order_by("confidence", "pk")


def to_adjudicate(home: CampaignLanguage) -> QuerySet[Consensus]:
    """Disputed texts that no more people are going to be asked about."""
    if home.campaign.subjective:
        return Consensus.objects.none()
    waiting = Item.objects.open().filter(campaign_language=home)
    return disputed(home).exclude(sample__in=waiting.values("sample"))


@transaction.atomic
def ask_more_eyes(home: CampaignLanguage) -> int:
    """Have one more person answer each disputed text, up to what the campaign allows.

    Return how many were asked. Safe to repeat: a text that waits for an answer is left alone.
    """
    CampaignLanguage.objects.select_for_update().get(pk=home.pk)
    most = home.campaign.most_answers
    if home.campaign.status != Campaign.Status.RUNNING:
        return 0
    team = set(team_of(home.campaign, home.language).values_list("pk", flat=True))
    asked = 0
    for consensus in disputed(home).filter(answers__lt=most):
        items = list(consensus.sample.items.exclude(kind__in=Item.EXAMINING).order_by("-pk"))
        if not items or any(item.state in Item.OPEN for item in items):
            continue
        heard = {
            pk for item in items for pk in item.annotations.values_list("annotator", flat=True)
        }
        newest = next((item for item in items if item.state == Item.State.ANSWERED), None)
        if newest is not None and team - heard:
            ask_one_more(newest)
            asked += 1
    return asked


def adjudicate(
    sample: Sample, *, label: Label, reason: str, by: User, now: datetime
) -> Adjudication:
    """Decide what the answer to a disputed text is; the next refit believes it.

    Deciding the same again changes nothing; deciding otherwise replaces what was decided.
    """
    _refuse(sample, label=label, reason=reason)
    with transaction.atomic():
        Sample.objects.select_for_update().get(pk=sample.pk)
        standing = sample.adjudications.filter(undone_at=None).first()
        if standing is not None and standing.label_id == label.pk:
            return standing
        sample.adjudications.filter(undone_at=None).update(undone_at=now, undone_by=by)
        return Adjudication.objects.create(
            sample=sample, label=label, reason=reason.strip()[:500], decided_by=by, decided_at=now
        )


def undo(adjudication: Adjudication, *, by: User, now: datetime) -> bool:
    """Take a decision back; the answers speak for themselves again. True for who did it."""
    standing = Adjudication.objects.filter(pk=adjudication.pk, undone_at=None)
    return standing.update(undone_at=now, undone_by=by) == 1


def _refuse(sample: Sample, *, label: Label, reason: str) -> None:
    if not reason.strip():
        raise InvalidInputError(
            _("A decision needs a reason."),
            remedy=_("Say in a sentence why; those who answered otherwise will read it."),
        )
    if label.campaign_id != sample.campaign_id:
        raise InvalidInputError(
            _("“%s” is no label of this campaign.") % label,
            remedy=_("Choose one of its labels."),
        )
    if sample.campaign.subjective:
        raise ConflictError(
            _("This campaign asks for opinions: there is no right answer to decide on."),
            remedy=_("The spread of the answers is what is learned."),
        )
    if GoldItem.objects.filter(sample=sample, retired_at=None).exists():
        raise ConflictError(
            _("The answer to this text is known: it is a gold item."),
            remedy=_("Retire the gold item if its answer is wrong."),
        )
    if sample.withdrawn_at is not None:
        raise ConflictError(
            _("The text is set aside or was taken back."),
            remedy=_("Nothing needs to be decided."),
        )
