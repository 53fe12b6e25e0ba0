"""Letters: what a group did in a week and what its language gained, to whoever asked for it."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models import Outgoing, User


class Letter(Outgoing):
    """One person's letter about one week: the outbox, so that no week is written about twice."""

    user = models.ForeignKey(User, models.CASCADE, related_name="letters")
    week = models.DateField(help_text=_("Monday of the week that it tells of."))

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
