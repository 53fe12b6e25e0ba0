"""People: those who sign in, and what they are in each language."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.languages import Language


class User(AbstractUser):
    """Somebody who signs in; staff lead campaigns, others answer or report."""

    name = models.CharField(_("name"), max_length=150, blank=True)
    desk_user_id = models.BigIntegerField(
        _("account at the desk"),
        null=True,
        blank=True,
        unique=True,
        help_text=_("Number of this person's account at the labelling desk."),
    )
    interface = models.CharField(
        _("interface language"),
        max_length=35,
        blank=True,
        help_text=_("What pages and letters speak to this person; empty: as the invitation did."),
    )
    letters_to = models.EmailField(
        _("address for letters"),
        blank=True,
        help_text=_("Where the weekly letter goes, as given by the person; empty: nowhere."),
    )

    def __str__(self) -> str:
        return self.name or self.username

    @property
    def desk_email(self) -> str:
        """What this person signs in with at the desk, which knows no user names."""
        return self.email or f"{self.username}@vernacular.localhost"


class Annotator(models.Model):
    """A person in one language: the unit whose reliability is estimated."""

    class Kind(models.TextChoices):
        """Whether a person answers, or a simulation that says so."""

        PERSON = "person", _("person")
        SIMULATED = "simulated", _("simulated")

    user = models.ForeignKey(User, models.PROTECT, related_name="annotators")
    language = models.ForeignKey(Language, models.PROTECT, related_name="annotators")
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.PERSON)
    active = models.BooleanField(_("active"), default=True)
    everywhere = models.BooleanField(
        _("in every campaign"),
        default=True,
        help_text=_("Answers in all campaigns of the language; if not, in those of memberships."),
    )
    joined_at = models.DateTimeField(auto_now_add=True)
    dialect = models.CharField(
        _("dialect"), max_length=120, blank=True, help_text=_("As the person told it.")
    )
    script = models.CharField(
        _("script"),
        max_length=60,
        blank=True,
        help_text=_("What the person writes the language in, as told."),
    )

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("user", "language"), name="one_annotator_per_user_and_language"
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} · {self.language.tag}"
