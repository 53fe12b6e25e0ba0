"""Forms of the gate: how strict it is, who answers for what it held, what must stay right."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext, gettext_lazy

from annotation.models import Campaign
from training.actions.gate_settings import SETTINGS, USUAL_MARGIN
from training.actions.maintenance import LONGEST
from training.actions.waivers import LONGEST_DAYS

# Generic for the type checker only: at run time Django's forms take no brackets.
if TYPE_CHECKING:
    SettingsFields = forms.ModelForm[Campaign]
else:
    SettingsFields = forms.ModelForm


class GateSettingsForm(SettingsFields):
    """What the campaign asks of its gate."""

    class Meta:
        model = Campaign
        fields = SETTINGS

    def __init__(self, *args: Any, admin: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._admin = admin

    def clean_margin(self) -> Any:
        """Let only an admin wish for more than three points: a wider margin is a standing waiver."""
        margin = self.cleaned_data["margin"]
        if margin > USUAL_MARGIN and margin > self.instance.margin and not self._admin:
            raise forms.ValidationError(
                gettext("Only an admin may let a language lose more than %(points)s points.")
                % {"points": f"{USUAL_MARGIN * 100:.0f}"}
            )
        return margin


class WaiverForm(forms.Form):
    """Who answers for a held candidate, why, and for how long."""

    name = forms.CharField(label=gettext_lazy("Who answers for it"), max_length=150)
    reason = forms.CharField(
        label=gettext_lazy("Reason"), widget=forms.Textarea(attrs={"rows": 3, "dir": "auto"})
    )
    days = forms.IntegerField(
        label=gettext_lazy("Days that it holds"), min_value=1, max_value=LONGEST_DAYS, initial=7
    )


class MaintenanceForm(forms.Form):
    """Who declares that a run need not make anything better, and why."""

    name = forms.CharField(label=gettext_lazy("Who declares it"), max_length=150)
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=LONGEST,
        widget=forms.Textarea(attrs={"rows": 3, "dir": "auto"}),
    )


class CaseForm(forms.Form):
    """A regression case."""

    language = forms.ChoiceField(label=gettext_lazy("Language"))
    text = forms.CharField(
        label=gettext_lazy("Text"), widget=forms.Textarea(attrs={"rows": 3, "dir": "auto"})
    )
    expected = forms.MultipleChoiceField(
        label=gettext_lazy("Right answers"),
        help_text=gettext_lazy("If several are named, any of them is right."),
        widget=forms.SelectMultiple(attrs={"size": 6}),
    )
    source = forms.CharField(
        label=gettext_lazy("Where it comes from"), max_length=200, required=False
    )

    def __init__(self, *args: Any, campaign: Campaign, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        homes = campaign.languages.select_related("language")
        labels = campaign.labels.order_by("position")
        languages = self.fields["language"], [(h.language.tag, h.language.name) for h in homes]
        answers = self.fields["expected"], [(label.key, label.name) for label in labels]
        for field, choices in (languages, answers):
            if isinstance(field, forms.ChoiceField):
                field.choices = choices
