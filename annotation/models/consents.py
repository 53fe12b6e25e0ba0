"""Consents: what people were told in their words, and what they agreed to, for how long."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.people import User


class Purpose(models.TextChoices):
    """What somebody's words may be used for; each is asked for by itself."""

    TRAIN = "train", _("train models")
    PUBLISH_TEXT = "publish_text", _("publish texts")
    PUBLISH_LABELS = "publish_labels", _("publish answers")
    NAME_ME = "name_me", _("give the name")
    CONTACT = "contact", _("get in touch")


class ConsentText(models.Model):
    """What is asked, in one interface language; a changed text is a new version."""

    version = models.PositiveIntegerField(_("version"))
    tag = models.CharField(_("interface language"), max_length=35)
    text = models.TextField(_("text"), help_text=_("Plain words; blank lines part paragraphs."))
    purposes = models.JSONField(
        _("purposes"),
        help_text=_("What each purpose means, in the same words: train, publish_text and so on."),
    )
    digest = models.CharField(max_length=64, help_text=_("SHA-256 of text and purposes."))
    shipped = models.BooleanField(
        _("shipped"),
        default=False,
        help_text=_("Came with Vernacular; a text of the community's own goes before it."),
    )
    draft = models.BooleanField(
        _("draft"), default=False, help_text=_("Made by a machine; no native speaker has read it.")
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("tag", "-version")
        constraints = (
            models.UniqueConstraint(fields=("tag", "version"), name="one_consent_text_per_version"),
        )

    def __str__(self) -> str:
        return f"{self.tag} v{self.version}"


class ConsentQuerySet(models.QuerySet["Consent"]):
    """Reads of consents."""

    def standing(self) -> "ConsentQuerySet":
        """What holds now: one row a person at most."""
        return self.filter(ended_at=None)

    def training(self) -> "ConsentQuerySet":
        """What lets models learn from a person's answers."""
        return self.standing().filter(train=True)


class Consent(models.Model):
    """What somebody agreed to at one time; a change ends the row and begins another."""

    class How(models.TextChoices):
        """By which way it was given."""

        PAGE = "page", _("on the consent page")
        ADMIN = "admin", _("through the admin who added the person")
        COMMAND = "command", _("through whoever ran the command that added the person")
        BEFORE = "before", _("through the admin, before consents were kept")
        SIMULATED = "simulated", _("no person but a simulation")

    user = models.ForeignKey(User, models.PROTECT, related_name="consents")
    text = models.ForeignKey(
        ConsentText, models.PROTECT, null=True, blank=True, related_name="consents"
    )
    how = models.CharField(max_length=10, choices=How, default=How.PAGE)
    recorded_by = models.ForeignKey(
        User,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("Who answers for it, where it was not given on the page."),
    )
    of_age = models.BooleanField(default=False, help_text=_("Said to be old enough to decide."))
    train = models.BooleanField(default=False)
    publish_text = models.BooleanField(default=False)
    publish_labels = models.BooleanField(default=False)
    name_me = models.BooleanField(default=False)
    contact = models.BooleanField(default=False)
    given_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = ConsentQuerySet.as_manager()

    class Meta:
        ordering = ("user", "given_at", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("user",),
                condition=models.Q(ended_at__isnull=True),
                name="one_standing_consent_per_person",
            ),
            models.CheckConstraint(
                condition=~models.Q(how="page") | models.Q(text__isnull=False),
                name="consent_on_the_page_names_its_text",
            ),
            models.CheckConstraint(
                condition=~models.Q(how="page", train=True) | models.Q(of_age=True),
                name="consent_on_the_page_is_of_age",
            ),
            models.CheckConstraint(
                condition=models.Q(train=True)
                | models.Q(publish_text=False, publish_labels=False, name_me=False, contact=False),
                name="consent_grants_nothing_without_training",
            ),
        )

    def __str__(self) -> str:
        return f"{self.user}: {', '.join(self.granted) or '-'}"

    @property
    def granted(self) -> list[str]:
        """The purposes agreed to."""
        return [purpose for purpose in Purpose.values if getattr(self, purpose)]
