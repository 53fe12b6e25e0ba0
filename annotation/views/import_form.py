"""The form of an import: a file of texts, and where in it everything is."""

from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.forms.boundfield import BoundField
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation.models import Campaign, SampleImport

FORMATS = (
    ("", gettext_lazy("by the file's name")),
    ("csv", "CSV"),
    ("tsv", "TSV"),
    ("jsonl", "JSON Lines"),
    ("json", gettext_lazy("JSON list / Label Studio")),
    ("parquet", "Parquet"),
    ("po", "gettext PO"),
    ("conllu", "CoNLL-U"),
    ("iob2", "CoNLL / IOB2"),
)
COLUMNS = (
    "text",
    "second",
    "third",
    "language",
    "id",
    "label",
    "spans",
    "split",
    "source",
    "licence",
    "dialect",
    "group",
)


class ImportForm(forms.Form):
    """A file of texts, and where in it everything is."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy(
            "CSV, TSV, JSON (Lines, lists, or what Label Studio exports), Parquet, gettext PO, CoNLL-U, IOB2, or a folder of the library datasets as ZIP. Of tables a first row names the columns."
        ),
    )
    format = forms.ChoiceField(label=gettext_lazy("Format"), choices=FORMATS, required=False)
    default_language = forms.ChoiceField(
        label=gettext_lazy("Language"),
        required=False,
        help_text=gettext_lazy("Of rows that name none."),
    )
    default_source = forms.CharField(
        label=gettext_lazy("Source"),
        required=False,
        max_length=120,
        help_text=gettext_lazy("Where the texts come from, of rows that name none."),
    )
    default_licence = forms.CharField(
        label=gettext_lazy("Licence"),
        required=False,
        max_length=80,
        validators=[
            RegexValidator(r"^[A-Za-z0-9.+() -]+$", gettext_lazy("Not an SPDX identifier."))
        ],
        help_text=gettext_lazy("SPDX identifier, such as CC-BY-4.0, of rows that name none."),
    )
    on_error = forms.ChoiceField(
        label=gettext_lazy("If some rows are bad"),
        choices=SampleImport.OnError,
        initial=SampleImport.OnError.KEEP_GOOD,
        widget=forms.RadioSelect,
    )
    again = forms.BooleanField(
        label=gettext_lazy("Import it again"),
        required=False,
    )

    def __init__(self, *args: Any, campaign: Campaign, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        languages = [home.language for home in campaign.languages.select_related("language")]
        choices = [("", _("in a column")), *((lang.tag, str(lang)) for lang in languages)]
        field = self.fields["default_language"]
        if isinstance(field, forms.ChoiceField):
            field.choices = choices
        for name in COLUMNS:
            self.fields[f"column_{name}"] = forms.CharField(
                label=_column_names()[name],
                required=False,
                max_length=120,
                widget=forms.TextInput(attrs={"placeholder": name, "dir": "auto"}),
            )

    def column_fields(self) -> list[BoundField]:
        """The fields that say which column is what."""
        return [self[f"column_{name}"] for name in COLUMNS]

    def columns(self) -> dict[str, str]:
        """Our name to the file's name, where they differ."""
        given = {name: self.cleaned_data[f"column_{name}"].strip() for name in COLUMNS}
        return {name: column for name, column in given.items() if column}

    def defaults(self) -> dict[str, str]:
        """What holds for rows that say nothing themselves."""
        given = {
            name: self.cleaned_data[f"default_{name}"].strip()
            for name in ("language", "source", "licence")
        }
        return {name: value for name, value in given.items() if value}


def _column_names() -> dict[str, str]:
    return {
        "text": _("Text"),
        "second": _("Second text (of pairs)"),
        "third": _("Third text (of comparisons: the source)"),
        "language": _("Language tag"),
        "id": _("Your own id"),
        "label": _("Known answer (makes gold)"),
        "spans": _("Known marks (make gold)"),
        "split": _("Gold for dev or gate"),
        "source": _("Source"),
        "licence": _("Licence"),
        "dialect": _("Dialect"),
        "group": _("Group (translations of each other)"),
    }
