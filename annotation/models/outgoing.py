"""What goes out by mail: rows that are claimed before they go, so that none goes twice."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.people import User


class Outgoing(models.Model):
    """A letter in the outbox.

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

    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    claimed_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True


class AddressQuestion(Outgoing):
    """A letter that asks at an address whether somebody's letters are wanted there."""

    user = models.ForeignKey(User, models.CASCADE, related_name="address_questions")
    address = models.EmailField(_("where it is asked"))

    class Meta:
        ordering = ("-pk",)
        constraints = (
            models.UniqueConstraint(
                fields=("user",),
                condition=models.Q(state="waiting"),
                name="one_address_question_waits",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=("claimed", "sent", "refused"))
                | models.Q(claimed_at__isnull=False),
                name="address_question_is_claimed_before_it_goes",
            ),
        )

    def __str__(self) -> str:
        return f"{self.user}: {self.state}"
