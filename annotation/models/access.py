"""Access: who may do what where, by which link they come in, and who tried too often."""

from datetime import datetime

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.campaigns import Campaign
from annotation.models.languages import Language
from annotation.models.people import User


class Role(models.TextChoices):
    """What somebody is in a campaign, or in one of its languages."""

    ADMIN = "admin", _("campaign admin")
    COORDINATOR = "coordinator", _("language coordinator")
    ANNOTATOR = "annotator", _("annotator")
    REPORTER = "reporter", _("reporter")


class MembershipQuerySet(models.QuerySet["Membership"]):
    """Reads of memberships."""

    def within(
        self,
        campaign: Campaign | models.OuterRef,
        language: Language | models.OuterRef | None = None,
    ) -> "MembershipQuerySet":
        """Memberships that hold in a campaign, and if one is named in that language."""
        found = self.filter(campaign=campaign, active=True)
        if language is None:
            return found
        return found.filter(models.Q(language=None) | models.Q(language=language))


class Membership(models.Model):
    """A role of somebody in a campaign; without a language it holds in all of them."""

    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="memberships")
    language = models.ForeignKey(
        Language,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="memberships",
        help_text=_("Empty: all languages of the campaign."),
    )
    role = models.CharField(_("role"), max_length=12, choices=Role)
    active = models.BooleanField(_("active"), default=True)
    added_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    added_at = models.DateTimeField(auto_now_add=True)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        ordering = ("campaign", "user", "role")
        constraints = (
            models.UniqueConstraint(
                fields=("user", "campaign", "language", "role"),
                condition=models.Q(language__isnull=False),
                name="one_membership_per_language_and_role",
            ),
            models.UniqueConstraint(
                fields=("user", "campaign", "role"),
                condition=models.Q(language__isnull=True),
                name="one_membership_per_campaign_and_role",
            ),
            models.CheckConstraint(
                condition=~models.Q(role="admin") | models.Q(language__isnull=True),
                name="admins_lead_whole_campaigns",
            ),
        )

    def __str__(self) -> str:
        where = self.language.tag if self.language else "*"
        return f"{self.user} · {self.campaign} · {where} · {self.role}"


class InvitationQuerySet(models.QuerySet["Invitation"]):
    """Reads of invitations."""

    def standing(self, now: datetime) -> "InvitationQuerySet":
        """Invitations whose link opens: neither revoked nor run out."""
        lasts = models.Q(expires_at=None) | models.Q(expires_at__gt=now)
        return self.filter(lasts, revoked_at=None)


class Invitation(models.Model):
    """One person's own link; of the link itself only a digest is kept."""

    name = models.CharField(_("name"), max_length=150)
    role = models.CharField(_("role"), max_length=12, choices=Role, default=Role.ANNOTATOR)
    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="invitations")
    languages = models.ManyToManyField(Language, related_name="invitations", blank=True)
    interface = models.CharField(
        _("interface language"),
        max_length=35,
        default="en",
        help_text=_("What the pages and the ready-made text are written in."),
    )
    token_digest = models.CharField(
        max_length=64, unique=True, help_text=_("SHA-256 of the link's secret, in hex.")
    )
    created_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    user = models.ForeignKey(
        User,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="invitations",
        help_text=_("Whose link it is, once it was opened."),
    )
    signs_in = models.BooleanField(
        default=True,
        help_text=_("Not for an account that was there before: it has its own way in."),
    )
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return f"{self.name} · {self.campaign}"


class LinkMiss(models.Model):
    """A link that was tried and is none: too many from one place, and it has to wait."""

    origin = models.CharField(
        max_length=64, help_text=_("Keyed digest of the address, never the address.")
    )
    created_at = models.DateTimeField()

    class Meta:
        indexes = (models.Index(fields=("origin", "created_at"), name="link_miss_by_origin"),)

    def __str__(self) -> str:
        return f"{self.origin[:8]} {self.created_at:%H:%M}"
