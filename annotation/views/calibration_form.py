"""The form of what a campaign asks of people: their sessions, and what follows where they differ."""

from django.forms.boundfield import BoundField

from annotation.actions.standings import DISAGREEING, SESSIONS
from annotation.forms import CampaignFields
from annotation.models import Campaign


class CalibrationForm(CampaignFields):
    """What sessions ask, and what is done where people differ; saved by an action."""

    class Meta:
        model = Campaign
        fields = (*SESSIONS, *DISAGREEING)

    def sessions(self) -> list[BoundField]:
        """What decides who calibrates and when somebody is through."""
        return [self[name] for name in SESSIONS]

    def differing(self) -> list[BoundField]:
        """What follows where answers to the same text differ."""
        return [self[name] for name in DISAGREEING]
