"""Forms: what people type, checked field by field before an action sees it."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.forms.boundfield import BoundField
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation.actions.campaigns import refuse_wide_margin
from annotation.actions.languages import describe_language
from annotation.actions.people import USERNAME
from annotation.errors import InvalidInputError
from annotation.models import Campaign, Direction, Language, Role, SampleImport

FORMATS = (
    ("", gettext_lazy("by the file's name")),
    ("csv", "CSV"),
    ("tsv", "TSV"),
    ("jsonl", "JSON Lines"),
    ("parquet", "Parquet"),
    ("po", "gettext PO"),
)
COLUMNS = ("text", "language", "id", "label", "split", "source", "licence", "dialect", "group")
RESERVED = {"new"}
# Generic for the type checker only: at run time Django's forms take no brackets.
if TYPE_CHECKING:
    CampaignFields = forms.ModelForm[Campaign]
else:
    CampaignFields = forms.ModelForm

_LABEL = re.compile(r"^\s*([A-Za-z0-9_-]{1,60})\s*(?:=\s*(.{1,120}?)\s*)?$")
_TAG = re.compile(r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")


class CampaignForm(CampaignFields):
    """A new campaign; saved by an action, not by the form."""

    labels = forms.CharField(
        label=gettext_lazy("Labels"),
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false", "dir": "auto"}),
        help_text=gettext_lazy(
            "One a line, as key = Name. The key is short and never changes; speakers see the name."
        ),
    )
    languages = forms.CharField(
        label=gettext_lazy("Languages"),
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false", "dir": "ltr"}),
        help_text=gettext_lazy(
            "One language tag a line, as the community writes it: wo, quy, zh-Hant, ace-Arab."
        ),
    )

    class Meta:
        model = Campaign
        fields: tuple[str, ...] = (
            "title",
            "slug",
            "question",
            "items_per_round",
            "floor_per_language",
            "answers_per_item",
            "train_when_answered",
            "max_rounds",
            "audit_share",
            "gold_share",
            "margin",
            "network",
            "seed",
        )
        widgets = {
            "title": forms.TextInput(attrs={"dir": "auto"}),
            "question": forms.TextInput(attrs={"dir": "auto"}),
        }
        help_texts = {
            "slug": gettext_lazy(
                "Letters, digits and hyphens, for addresses. Empty: made from the title."
            ),
            "answers_per_item": gettext_lazy("How many people answer the same text."),
            "seed": gettext_lazy("The same seed and data give the same choices."),
        }

    FIRST = ("title", "question", "labels", "languages")
    BUDGET = (
        "items_per_round",
        "floor_per_language",
        "answers_per_item",
        "train_when_answered",
        "max_rounds",
    )
    FINE: tuple[str, ...] = ("slug", "audit_share", "gold_share", "margin", "network", "seed")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["slug"].required = False

    def groups(self) -> dict[str, list[BoundField]]:
        """Fields as the page groups them."""
        names = {"first": self.FIRST, "budget": self.BUDGET, "fine": self.FINE}
        return {group: [self[name] for name in members] for group, members in names.items()}

    def clean_slug(self) -> str:
        """The short name, made from the title where none is given, and not an address of ours."""
        given = str(self.cleaned_data["slug"] or "")
        slug = given or slugify(self.cleaned_data.get("title", ""))[:60].strip("-")
        if not slug:
            raise ValidationError(_("Write a short name in Latin letters: the title gives none."))
        if slug in RESERVED:
            raise ValidationError(_("This name is taken by a page; choose another."))
        if Campaign.objects.filter(slug=slug).exists():
            raise ValidationError(_("A campaign named %s exists already.") % slug)
        return slug

    def clean_margin(self) -> Decimal:
        """No wider than one person may decide."""
        margin = Decimal(self.cleaned_data["margin"])
        try:
            refuse_wide_margin(margin)
        except InvalidInputError as error:
            raise ValidationError(str(error)) from error
        return margin

    def clean_labels(self) -> list[tuple[str, str]]:
        """Pairs of key and name, at least two, no key twice."""
        pairs = []
        for number, line in _lines(self.cleaned_data["labels"]):
            match = _LABEL.match(line)
            if not match:
                values = {"line": number, "text": line[:40]}
                raise ValidationError(_("Line %(line)d is not key = Name: %(text)s") % values)
            pairs.append((match[1], match[2] or match[1]))
        keys = [key for key, _name in pairs]
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            raise ValidationError(_("The key %s is there twice.") % twice)
        if len(pairs) < 2:
            raise ValidationError(_("A question needs two labels at least."))
        return pairs

    def clean_languages(self) -> list[str]:
        """Language tags, at least one, none twice."""
        tags: list[str] = []
        for number, line in _lines(self.cleaned_data["languages"]):
            tag = line.strip()
            if not _TAG.match(tag) or len(tag) > 35:
                values = {"line": number, "text": tag[:40]}
                raise ValidationError(_("Line %(line)d is no language tag: %(text)s") % values)
            if tag.lower() in {t.lower() for t in tags}:
                raise ValidationError(_("The language %s is there twice.") % tag)
            try:
                described = describe_language(tag)
            except InvalidInputError as error:
                raise ValidationError(str(error)) from error
            tags.append(described.tag)
        return tags

    def settings(self) -> dict[str, Any]:
        """The campaign's own columns beside its name, title and question."""
        return {name: self.cleaned_data[name] for name in (*self.BUDGET, *self.FINE[1:])}

    def answered(self) -> list[tuple[str, str]]:
        """Every field as it was typed, for the next page to carry along."""
        return [(field.html_name, str(field.value() or "")) for field in self]


class GuidelinesForm(forms.Form):
    """What speakers read before they answer: one text a language, and one for the others."""

    guideline = forms.CharField(
        label=gettext_lazy("In every language that has none of its own"),
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 4, "dir": "auto"}),
    )

    def __init__(self, *args: Any, languages: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.languages = [describe_language(tag) for tag in languages]
        for language in self.languages:
            rtl = language.direction == Direction.RTL
            attrs = {"rows": 4, "lang": language.tag, "dir": "rtl" if rtl else "auto"}
            self.fields[f"guideline-{language.tag}"] = forms.CharField(
                label=str(language),
                help_text=language.name if language.autonym not in ("", language.name) else "",
                required=False,
                max_length=20_000,
                widget=forms.Textarea(attrs=attrs),
            )

    def guidelines(self) -> dict[str, str]:
        """Tag to text, for every language that gets one."""
        general = self.cleaned_data["guideline"]
        texts = {
            language.tag: self.cleaned_data[f"guideline-{language.tag}"] or general
            for language in self.languages
        }
        return {tag: text for tag, text in texts.items() if text.strip()}


class GuidelineForm(forms.Form):
    """A guideline's next version."""

    text = forms.CharField(
        label=gettext_lazy("Guideline"),
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 14, "dir": "auto"}),
        help_text=gettext_lazy(
            "In the speakers' own language: the rule, two good and two bad examples a label, what to do with other dialects and mixed texts."
        ),
    )


class SpeakerForm(forms.Form):
    """Somebody who is to answer in a language."""

    language = forms.ChoiceField(label=gettext_lazy("Language"))
    username = forms.CharField(
        label=gettext_lazy("User name"),
        max_length=60,
        validators=[
            RegexValidator(
                USERNAME.pattern.join(("^(", ")$")),
                gettext_lazy("Write Latin letters, digits, dots, hyphens or underscores only."),
            )
        ],
        widget=forms.TextInput(
            attrs={"dir": "ltr", "autocomplete": "off", "autocapitalize": "none"}
        ),
        help_text=gettext_lazy("Short, in Latin letters: awa. The sign-in name is made from it."),
    )
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=150,
        required=False,
        widget=forms.TextInput(attrs={"dir": "auto", "autocomplete": "off"}),
        help_text=gettext_lazy("What others see. Empty: the user name."),
    )

    def __init__(self, *args: Any, campaign: Campaign, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        homes = campaign.languages.select_related("language")
        field = self.fields["language"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [(home.language.tag, str(home.language)) for home in homes]


class InvitationForm(forms.Form):
    """Somebody who is to get a link of their own."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=150,
        widget=forms.TextInput(attrs={"dir": "auto", "autocomplete": "off"}),
        help_text=gettext_lazy("What you call the person; they are greeted by it."),
    )
    languages = forms.MultipleChoiceField(
        label=gettext_lazy("Languages"), required=False, widget=forms.CheckboxSelectMultiple
    )
    role = forms.ChoiceField(label=gettext_lazy("Role"))
    interface = forms.ChoiceField(
        label=gettext_lazy("Interface language"),
        required=False,
        help_text=gettext_lazy("Of the pages, and of the text that you send along."),
    )

    def __init__(
        self, *args: Any, languages: Sequence[Language], roles: Sequence[str], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        offered: dict[str, list[tuple[str, Any]]] = {
            "languages": [(language.tag, str(language)) for language in languages],
            "role": [(role, Role(role).label) for role in roles],
            "interface": [("", _("as the language goes")), *settings.LANGUAGES],
        }
        for name, choices in offered.items():
            field = self.fields[name]
            if isinstance(field, forms.ChoiceField):
                field.choices = choices
        self.initial.setdefault("role", Role.ANNOTATOR)

    def clean(self) -> dict[str, Any]:
        """Everybody but an admin is something in a language."""
        data = self.cleaned_data
        if data.get("role") not in (None, Role.ADMIN) and not data.get("languages"):
            self.add_error("languages", _("Choose one language at least."))
        return data


class ImportForm(forms.Form):
    """A file of texts, and where in it everything is."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy(
            "CSV, TSV, JSON Lines, Parquet or gettext PO. A first row names the columns."
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


def _lines(text: str) -> list[tuple[int, str]]:
    return [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]


def _column_names() -> dict[str, str]:
    return {
        "text": _("Text"),
        "language": _("Language tag"),
        "id": _("Your own id"),
        "label": _("Known answer (makes gold)"),
        "split": _("Gold for dev or gate"),
        "source": _("Source"),
        "licence": _("Licence"),
        "dialect": _("Dialect"),
        "group": _("Group (translations of each other)"),
    }
