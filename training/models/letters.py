"""Letters: what a group did in a week and what its language gained, to whoever asked for it."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models import User


class Letter(models.Model):
    """One person's letter about one week: the outbox, so that no week is written about twice.

    It is claimed before it is handed to the mail server. If the worker dies in between, nobody can
    know whether it went out, and it is not sent again: a lost letter is better than two.
    """

    class State(models.TextChoices):
        """How far it is."""

        WAITING = "waiting", _("waits to be sent")
        CLAIMED = "claimed", _("being sent")
        SENT = "sent", _("sent")
        REFUSED = "refused", _("refused by the mail server")
        DROPPED = "dropped", _("not wanted any more")
        NOTHING = "nothing", _("nothing to tell")

    user = models.ForeignKey(User, models.CASCADE, related_name="letters")
    week = models.DateField(help_text=_("Monday of the week that it tells of."))
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    claimed_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-week", "user")
        constraints = (
            models.UniqueConstraint(fields=("user", "week"), name="one_letter_a_week"),
            models.CheckConstraint(
                condition=~models.Q(state__in=("claimed", "sent", "refused"))
                | models.Q(claimed_at__isnull=False),
                name="letter_is_claimed_before_it_goes",
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} {self.week}: {self.state}"
