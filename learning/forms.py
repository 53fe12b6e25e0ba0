"""Forms: how a campaign chooses; the quota's knobs, of the campaign and of its languages."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.boundfield import BoundField
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation.forms import CampaignForm
from annotation.models import Campaign, CampaignLanguage
from learning.actions.quota_settings import KNOBS, KnobError
from learning.actions.strategy_names import group_names, refusal, strategy_groups

OWN_FIELDS = ("strategy", "strategy_mix", "cold_start")
# Generic for the type checker only: at run time Django's forms take no brackets.
if TYPE_CHECKING:
    KnobFields = forms.ModelForm[Campaign]
else:
    KnobFields = forms.ModelForm


def strategy_field(**over: Any) -> forms.ChoiceField:
    """A list of all strategies; its choices come with the form, since SciPy comes with them."""
    told = {
        "label": gettext_lazy("Strategy"),
        "help_text": gettext_lazy(
            "How the texts of one language are ranked. Margin is the default; each group says what"
            " its strategies need, and what ranks where that is missing."
        ),
    }
    return forms.ChoiceField(**(told | over))


def cold_start_field() -> forms.ChoiceField:
    """The same for the cold start."""
    return strategy_field(
        label=gettext_lazy("Strategy of the cold start"),
        required=False,
        help_text=gettext_lazy(
            "As long as the first version serves, which has learnt nothing from answers: what is"
            " typical (typiclust) or surprising (alps, encoders only)."
        ),
    )


def _offer_strategies(form: forms.BaseForm, *, present: str = "") -> None:
    """Fill both lists; a strategy that was set elsewhere must not be lost by saving another knob."""
    groups = strategy_groups()
    if present and not any(present in names for names in groups.values()):
        groups[""].append(present)
    names = group_names()
    choices = [(names[need], [(n, n) for n in some]) for need, some in groups.items()]
    for name, first in (("strategy", []), ("cold_start", [("", _("the strategy"))])):
        field = form.fields[name]
        if isinstance(field, forms.ChoiceField):
            field.choices = [*first, *choices]


class NewCampaignForm(CampaignForm):
    """A new campaign, with the way in which it chooses what to ask."""

    strategy = strategy_field(initial="margin")
    cold_start = cold_start_field()

    class Meta(CampaignForm.Meta):
        fields = (*CampaignForm.Meta.fields, "opinion_passes")

    FINE = (*CampaignForm.FINE, "strategy", "cold_start", "opinion_passes")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _offer_strategies(self)

    def clean(self) -> dict[str, Any]:
        """Refuse what the chosen network cannot do."""
        data = super().clean() or self.cleaned_data
        campaign = Campaign(network=data.get("network", ""))
        for name in ("strategy", "cold_start"):
            if (chosen := data.get(name)) and (told := refusal(campaign, chosen)):
                self.add_error(name, told)
        return data


class QuotaForm(KnobFields):
    """Every knob, with its present value; saved by an action, not by the form."""

    BUDGET = ("items_per_round", "floor_per_language", "answers_per_item", "items_per_annotator")
    SHARES = ("audit_share", "gold_share", "relabel_share")
    WEIGHTS = ("slope_trust", "cost_exponent")
    CHOICE = ("strategy", "cold_start", "opinion_passes", "near_duplicates", "strategy_mix")
    STOPPING = ("most_labels_per_language", "least_gain", "stop_automatically")

    strategy = strategy_field()
    cold_start = cold_start_field()
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
        fields = tuple(knob for knob in KNOBS if knob not in OWN_FIELDS)
        labels = {
            "slope_trust": gettext_lazy("Weight of the learning curve (λ)"),
            "cost_exponent": gettext_lazy("Weight of the cost (β)"),
        }
        help_texts = {"answers_per_item": gettext_lazy("How many people answer the same text.")}

    def __init__(self, *args: Any, homes: list[CampaignLanguage], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.homes = homes
        _offer_strategies(self, present=self.instance.strategy)
        self.initial["strategy"] = self.instance.strategy
        self.initial["cold_start"] = self.instance.cold_start
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
