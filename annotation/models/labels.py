"""Labels: the classes of a campaign, and what answers are composed of them."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.campaigns import Campaign


class PlainLabels(models.Manager["Label"]):
    """The labels that a campaign was made with; what people composed of them is elsewhere."""

    def get_queryset(self) -> "models.QuerySet[Label]":
        """Leave out what answers are composed of."""
        return super().get_queryset().filter(value__isnull=True)


class Label(models.Model):
    """One class of a campaign, whose position networks learn, or an answer composed of classes.

    Several classes at once, or spans of a text: whatever people may say of a text that is more
    than one class is kept here once, as its ``value``, so that an answer, gold, a consensus, a
    decision and a case name what was said by one number. Composed labels have no position.
    """

    # Beyond what any campaign has labels for: to learn it as a position would fail at once.
    COMPOSED = 32_767

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="labels")
    key = models.SlugField(_("key"), max_length=60)
    position = models.PositiveSmallIntegerField(_("position"))
    name = models.CharField(_("name"), max_length=120)
    names = models.JSONField(
        _("names in languages"),
        default=dict,
        blank=True,
        help_text=_("Language tag to native name; the plain name is used where one is missing."),
    )
    value = models.JSONField(
        null=True,
        blank=True,
        editable=False,
        help_text=_("What a composed answer says, as its kind of question writes it."),
    )

    objects = PlainLabels()
    everything = models.Manager["Label"]()

    class Meta:
        ordering = ("campaign", "position")
        constraints = (
            models.UniqueConstraint(fields=("campaign", "key"), name="one_label_per_key"),
            models.UniqueConstraint(
                fields=("campaign", "position"),
                condition=models.Q(value__isnull=True),
                name="one_plain_label_per_position",
            ),
            models.CheckConstraint(
                condition=models.Q(value__isnull=True, position__lt=32_767)
                | models.Q(value__isnull=False, position=32_767),
                name="composed_label_has_no_position",
            ),
        )

    def __str__(self) -> str:
        return self.name

    def name_in(self, tag: str) -> str:
        """The label as speakers of that language call it."""
        return str(self.names.get(tag) or self.name)
