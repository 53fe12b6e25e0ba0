"""Forms: the quota's knobs, of the campaign and of each of its languages."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.boundfield import BoundField
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation.models import Campaign, CampaignLanguage
from learning.actions.quota_settings import KNOBS, KnobError, offered_strategies

# Generic for the type checker only: at run time Django's forms take no brackets.
if TYPE_CHECKING:
    KnobFields = forms.ModelForm[Campaign]
else:
    KnobFields = forms.ModelForm


class QuotaForm(KnobFields):
    """Every knob, with its present value; saved by an action, not by the form."""

    BUDGET = ("items_per_round", "floor_per_language", "answers_per_item", "items_per_annotator")
    SHARES = ("audit_share", "gold_share", "relabel_share")
    WEIGHTS = ("slope_trust", "cost_exponent")
    CHOICE = ("strategy", "near_duplicates", "strategy_mix")
    STOPPING = ("most_labels_per_language", "least_gain", "stop_automatically")

    strategy = forms.ChoiceField(
        label=gettext_lazy("Strategy"),
        help_text=gettext_lazy("How the texts of one language are ranked."),
    )
    strategy_mix = forms.CharField(
        label=gettext_lazy("Mixture of strategies"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "dir": "ltr", "spellcheck": "false"}),
        help_text=gettext_lazy(
            "One a line, as strategy = share; the shares sum to 1. Empty: the strategy alone."
        ),
    )
    seen = forms.IntegerField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = Campaign
        fields = tuple(knob for knob in KNOBS if knob not in ("strategy", "strategy_mix"))
        labels = {
            "slope_trust": gettext_lazy("Weight of the learning curve (λ)"),
            "cost_exponent": gettext_lazy("Weight of the cost (β)"),
        }
        help_texts = {"answers_per_item": gettext_lazy("How many people answer the same text.")}

    def __init__(self, *args: Any, homes: list[CampaignLanguage], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.homes = homes
        names = offered_strategies()
        if self.instance.strategy not in names:
            # One that was set elsewhere must not be lost by saving another knob.
            names.append(self.instance.strategy)
        field = self.fields["strategy"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [(name, name) for name in names]
        self.initial["strategy"] = self.instance.strategy
        mix = self.instance.strategy_mix.items()
        self.initial["strategy_mix"] = "\n".join(f"{name} = {share}" for name, share in mix)
        for home in homes:
            self._add_language(home)

    def _add_language(self, home: CampaignLanguage) -> None:
        name, tag = home.language.name, home.language.tag
        self.fields[f"active-{tag}"] = forms.BooleanField(
            label=_("%s takes part") % name, required=False, initial=home.active
        )
        self.fields[f"most_per_round-{tag}"] = forms.IntegerField(
            label=_("Most items a round in %s") % name,
            required=False,
            min_value=0,
            max_value=1_000_000,
            initial=home.most_per_round,
        )

    def groups(self) -> list[tuple[str, list[BoundField]]]:
        """Knobs as the page groups them."""
        groups = (
            (_("How much"), self.BUDGET),
            (_("Shares"), self.SHARES),
            (_("Weights between languages"), self.WEIGHTS),
            (_("Which texts inside a language"), self.CHOICE),
            (_("When a language may stop"), self.STOPPING),
        )
        return [(title, [self[name] for name in names]) for title, names in groups]

    def language_fields(self) -> list[tuple[BoundField, BoundField]]:
        """The two knobs of each language, in the languages' order."""
        tags = [home.language.tag for home in self.homes]
        return [(self[f"active-{tag}"], self[f"most_per_round-{tag}"]) for tag in tags]

    def clean_strategy_mix(self) -> dict[str, float]:
        """Lines of name and share."""
        shares: dict[str, float] = {}
        for number, line in enumerate(self.cleaned_data["strategy_mix"].splitlines(), 1):
            name, _equals, share = (part.strip() for part in line.partition("="))
            if not name and not share:
                continue
            try:
                value = float(share)
            except ValueError:
                values = {"line": number, "text": line[:40]}
                raise ValidationError(
                    _("Line %(line)d is not strategy = share: %(text)s") % values
                ) from None
            if name in shares:
                raise ValidationError(_("%s is there twice.") % name)
            shares[name] = value
        return shares

    def values(self) -> dict[str, Any]:
        """The campaign's knobs."""
        return {knob: self.cleaned_data[knob] for knob in KNOBS}

    def language_values(self) -> dict[str, Mapping[str, Any]]:
        """The knobs of each language, by tag."""
        return {
            home.language.tag: {
                "active": self.cleaned_data[f"active-{home.language.tag}"],
                "most_per_round": self.cleaned_data[f"most_per_round-{home.language.tag}"],
            }
            for home in self.homes
        }

    def show(self, error: KnobError) -> None:
        """Put an action's complaint where the knob is."""
        name = f"{error.knob}-{error.tag}" if error.tag else error.knob
        self.add_error(name if name in self.fields else None, str(error))
