"""The form of a recipe: a field for each setting there is, empty where the network may decide."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from annotation.errors import InvalidInputError
from training.actions.recipe_words import CHOICES, GROUPS, span
from training.methods.recipes import METHODS, Recipe


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
                _("A recipe has no setting called %(names)s. Known are: %(known)s.")
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
    told = _("as usual: %(value)s") % {"value": _said(usual)}
    if name in CHOICES:
        options = [("", told), *((one, one) for one in CHOICES[name] if one)]
        return forms.ChoiceField(choices=options, help_text=meaning, **words)
    bounds = span(name)
    help_text = f"{meaning} ({bounds})" if bounds else meaning
    widget = forms.TextInput(attrs={"inputmode": "decimal", "dir": "ltr", "placeholder": told})
    return forms.CharField(max_length=30, help_text=help_text, widget=widget, **words)


def _said(value: Any) -> str:
    if value == "":
        return _("none")
    return f"{value:g}" if isinstance(value, float) else str(value)
