"""Forms: how strict a gate is, who answers for what it held, what must stay right, recipes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext, gettext_lazy

from annotation.actions.campaigns import USUAL_MARGIN
from annotation.errors import InvalidInputError
from annotation.models import Campaign
from annotation.objectives import objective
from training.actions.gate_settings import SETTINGS
from training.actions.maintenance import LONGEST
from training.actions.recipe_words import CHOICES, GROUPS, span
from training.actions.waivers import LONGEST_DAYS
from training.methods.recipes import METHODS, Recipe

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


class _Lines(forms.CharField):
    """What was written, line by line."""

    def clean(self, value: Any) -> Any:
        """Return the lines that say something."""
        told = super().clean(value)
        return [line.strip() for line in told.splitlines() if line.strip()]


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
        if not objective(campaign.objective).PLAIN:
            self.fields["expected"] = _Lines(
                label=gettext_lazy("Right answers"),
                help_text=gettext_lazy(
                    "As in a file, joy|anger for instance; with one a line, any of them is right."
                ),
                widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
            )
        for field, choices in (languages, answers):
            if isinstance(field, forms.ChoiceField):
                field.choices = choices


class RecipeForm(forms.Form):
    """Settings as a person asks for them."""

    seen = forms.IntegerField(widget=forms.HiddenInput, min_value=0, max_value=2**31 - 1)

    def __init__(self, *args: Any, usual: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for _title, meanings in GROUPS:
            for name, meaning in meanings.items():
                self.fields[name] = _field(name, meaning, usual[name])

    @staticmethod
    def methods() -> tuple[str, ...]:
        """Return the methods there are."""
        return METHODS

    def groups(self) -> list[tuple[Any, list[forms.BoundField]]]:
        """Return the fields under their headings."""
        return [(title, [self[name] for name in meanings]) for title, meanings in GROUPS]

    def clean(self) -> dict[str, Any]:
        """Refuse settings that there are none of, and values that cannot be trained by."""
        told = super().clean() or {}
        strangers = sorted(self.data.keys() - {*self.fields, "csrfmiddlewaretoken"})
        if strangers:
            raise forms.ValidationError(
                gettext("A recipe has no setting called %(names)s. Known are: %(known)s.")
                % {"names": ", ".join(strangers), "known": ", ".join(Recipe.knobs())}
            )
        for name, value in self._asked().items():
            try:
                Recipe.of({"method": told.get("method") or METHODS[0], name: value})
            except InvalidInputError as error:
                self.add_error(name, str(error))
        return told

    def changes(self) -> dict[str, Any]:
        """Return every setting as it is asked for; ``None`` where the network decides."""
        return dict.fromkeys(Recipe.knobs()) | self._asked()

    def _asked(self) -> dict[str, Any]:
        told = {name: self.cleaned_data.get(name) for name in Recipe.knobs()}
        return {name: value for name, value in told.items() if value not in (None, "")}


def _field(name: str, meaning: Any, usual: Any) -> forms.Field:
    """Return the field of a setting; what it is where nothing is asked for stands in the empty field."""
    words: dict[str, Any] = {"label": name, "required": False}
    told = gettext("as usual: %(value)s") % {"value": _said(usual)}
    if name in CHOICES:
        options = [("", told), *((one, one) for one in CHOICES[name] if one)]
        return forms.ChoiceField(choices=options, help_text=meaning, **words)
    bounds = span(name)
    help_text = f"{meaning} ({bounds})" if bounds else meaning
    widget = forms.TextInput(attrs={"inputmode": "decimal", "dir": "ltr", "placeholder": told})
    return forms.CharField(max_length=30, help_text=help_text, widget=widget, **words)


def _said(value: Any) -> str:
    if value == "":
        return gettext("none")
    return f"{value:g}" if isinstance(value, float) else str(value)
