"""Reservations: items that one person has fetched ahead, and nobody else is handed meanwhile."""

from datetime import datetime

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.items import Item
from annotation.models.people import Annotator


class ReservationQuerySet(models.QuerySet["Reservation"]):
    """Reads of reservations."""

    def held(self, *, now: datetime) -> "ReservationQuerySet":
        """Reservations that keep an item from others now."""
        return self.filter(released_at=None, until__gt=now)


class Reservation(models.Model):
    """One item leased to one person until a time, behind both desks; the row outlives the lease.

    Whoever once held an item may answer it ever after: a late answer is one more answer.
    """

    class Ended(models.TextChoices):
        """Why a lease was over."""

        ANSWERED = "answered", _("answered")
        EXPIRED = "expired", _("expired")
        TAKEN = "taken", _("somebody has it at the desk")
        GIVEN_BACK = "given_back", _("given back")

    item = models.ForeignKey(Item, models.CASCADE, related_name="reservations")
    annotator = models.ForeignKey(Annotator, models.CASCADE, related_name="reservations")
    until = models.DateTimeField()
    released_at = models.DateTimeField(null=True, blank=True)
    ended = models.CharField(max_length=10, choices=Ended, blank=True)
    locked_until = models.DateTimeField(
        null=True, blank=True, help_text=_("Until when the desk keeps its task for that person.")
    )
    pending = models.BooleanField(
        default=False,
        help_text=_("The desk has not said yet that it keeps its task: nobody is shown it."),
    )
    guideline_version = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ReservationQuerySet.as_manager()

    class Meta:
        ordering = ("id",)
        indexes = (
            models.Index(
                fields=("item", "until"),
                name="reservation_of_item",
                condition=models.Q(released_at__isnull=True),
            ),
            models.Index(
                fields=("annotator", "until"),
                name="reservation_of_person",
                condition=models.Q(released_at__isnull=True),
            ),
        )
        constraints = (
            models.UniqueConstraint(
                fields=("item", "annotator"),
                condition=models.Q(released_at__isnull=True),
                name="one_lease_per_person_and_item",
            ),
            models.CheckConstraint(
                condition=models.Q(released_at__isnull=True) | ~models.Q(ended=""),
                name="released_leases_say_why",
            ),
        )

    def __str__(self) -> str:
        return f"{self.item} → {self.annotator}"
