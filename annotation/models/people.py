"""People: those who sign in, and what they are in each language."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.languages import Language
from annotation.models.often import Often


class Users(UserManager["User"]):
    """Django's own, but for what every request of somebody who is signed in asks."""

    # For migrations, which know it, it is that one.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, UserManager)

    __hash__ = UserManager.__hash__

    def get(self, *args: Any, **kwargs: Any) -> "User":
        """One person; by the number alone it is not put into SQL anew."""
        # What is made of this class for a relation asks within that relation.
        plainly = type(self) is Users and not args and kwargs.keys() == {"pk"}
        if not plainly or not isinstance(kwargs["pk"], int):
            return super().get(*args, **kwargs)
        row = BY_NUMBER.first(**kwargs)
        if row is None:
            raise User.DoesNotExist
        return User.from_db("default", _names(), list(row))


def _names() -> list[str]:
    return [field.attname for field in User._meta.concrete_fields]


BY_NUMBER = Often(
    lambda pk: User._base_manager.filter(pk=pk).order_by().values_list(*_names()), pk=int
)


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

    objects: ClassVar[Users] = Users()

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
