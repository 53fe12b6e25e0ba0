"""Taking back by oneself: what it would do, said before; done once; what it did, said after."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from annotation.actions.consents import give_consent, present_text, standing_consent
from annotation.models import Annotator, User, Withdrawal
from learning.models import Deployment, ModelVersion
from training.actions.lineage import versions_of_annotator, versions_with
from training.actions.withdrawals import Outcome, Wish, withdraw

REASON_LANGUAGE = "The person took back what they gave in this language."
REASON_ALL = "The person took back everything and takes part no more."


@dataclass(frozen=True)
class Holding:
    """What is held of a person in one language, and which versions learned from it."""

    annotator: Annotator
    answers: int
    versions: Sequence[ModelVersion]
    taken: Sequence[Withdrawal]


@dataclass(frozen=True)
class Remainder:
    """What a withdrawal cannot undo at once: versions that learned, and those that serve now."""

    learned: Sequence[ModelVersion]
    serving: Sequence[ModelVersion]


def holdings_of(user: User) -> list[Holding]:
    """Return what is held of somebody, a language each; those where they left too."""
    people = user.annotators.select_related("user", "language").order_by("language__tag")
    return [_holding(annotator) for annotator in people]


def take_back(
    user: User, *, annotators: Sequence[Annotator], everything: bool, interface: str, now: datetime
) -> list[Outcome]:
    """Take back what somebody gave in these languages; with everything their consent ends first.

    No snapshot can hold the answers from the moment the consent has ended, so a crash half-way
    leaves nothing to be learned: what is left the timetable takes back. Asked again, nothing is
    left to take.
    """
    before = standing_consent(user)
    if everything and before is not None and before.train:
        text = before.text or present_text(interface)
        give_consent(user, text=text, granted=set(), of_age=False, now=now)
    reason = REASON_ALL if everything else REASON_LANGUAGE
    return [
        withdraw(Wish(annotator=annotator), reason=reason, actor=user, now=now)
        for annotator in annotators
    ]


def remains_of(annotators: Sequence[Annotator]) -> Remainder:
    """Return what is left after people's answers were taken back."""
    found = {v.pk: v for each in annotators for v in versions_of_annotator(each.pk)}
    learned = sorted(found.values(), key=lambda version: (version.campaign_id, version.number))
    campaigns = {version.campaign_id: version.campaign for version in learned}
    newest = [Deployment.objects.serving(campaign) for campaign in campaigns.values()]
    served = {deployment.version_id for deployment in newest if deployment}
    return Remainder(learned, [version for version in learned if version.pk in served])


def _holding(annotator: Annotator) -> Holding:
    held = Wish(annotator=annotator).answers.filter(withdrawal=None)
    return Holding(annotator, held.count(), versions_with(held), list(annotator.withdrawals.all()))
