"""Languages: how a community writes its own tag, name and script."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.methods.characters import special_characters
from annotation.methods.fonts import needs_font
from annotation.methods.tags import with_script


class Direction(models.TextChoices):
    """Which way a script runs."""

    LTR = "ltr", _("left to right")
    RTL = "rtl", _("right to left")


class Language(models.Model):
    """One language as its community names it; code never decides what a tag means."""

    tag = models.CharField(
        _("language tag"),
        max_length=35,
        unique=True,
        help_text=_("BCP 47, as the community writes it: wo, zh-Hant, ace-Arab."),
    )
    name = models.CharField(_("English name"), max_length=120)
    autonym = models.CharField(_("own name"), max_length=120, blank=True)
    script = models.CharField(_("script"), max_length=4, help_text=_("ISO 15924: Latn, Arab."))
    direction = models.CharField(
        _("direction"), max_length=3, choices=Direction, default=Direction.LTR
    )

    variants = models.JSONField(
        _("variants"),
        default=list,
        blank=True,
        help_text=_("Dialects that speakers choose from: a list of names as they call them."),
    )

    characters = models.CharField(
        _("special characters"),
        max_length=600,
        blank=True,
        help_text=_(
            "What many keyboards lack, parted by spaces: ɓ ɗ ƙ ƴ. It stands as buttons under text"
            " fields. Empty: what Unicode lists for the language; a lone – for none."
        ),
    )

    class Meta:
        ordering = ("tag",)

    def __str__(self) -> str:
        return f"{self.autonym or self.name} ({self.tag})"

    @property
    def lang(self) -> str:
        """What a browser is told that a text is in, script included."""
        return with_script(self.tag, script=self.script)

    @property
    def letters(self) -> list[str]:
        """What stands as buttons under text fields: the admin's choice, or what CLDR lists."""
        chosen = self.characters.split()
        if chosen in (["–"], ["-"]):
            return []
        return chosen or special_characters(self.tag, script=self.script)

    @property
    def needs_font(self) -> bool:
        """Whether many phones have no font for its script."""
        return needs_font(self.tag, script=self.script)
