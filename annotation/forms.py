"""Forms: what people type, checked field by field before an action sees it."""

import re
from collections.abc import Mapping, Sequence
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

from annotation.actions.campaigns import LabelSpec, agree, labels_of, refuse_wide_margin
from annotation.actions.languages import describe_language
from annotation.actions.people import USERNAME
from annotation.actions.standings import SettingError
from annotation.errors import InvalidInputError
from annotation.models import Campaign, Direction, Language, Role
from annotation.objectives import Habits, kinds

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
            " What a model wrote has labels of its own: leave the field empty there."
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
            "calibrate",
            "subjective",
            "most_answers",
            "title",
            "slug",
            "question",
            "objective",
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
            "calibrate": gettext_lazy(
                "Newcomers read the rules, look at examples and take a short test on texts with a"
                " known answer; what they answer counts once they are through. Import about 60"
                " such texts a language. What the test asks is set later, under Calibration."
            ),
            "subjective": gettext_lazy(
                "Tick it where no answer is wrong, as with taste or offence. Nobody decides for"
                " the others: how answers are spread is what is learned. Let three people or"
                " more answer each text."
            ),
            "most_answers": gettext_lazy(
                "Where people differ, so many are asked before a coordinator decides; opinions"
                " are left as they are. Empty: 3, or as many as answer every text."
            ),
            "slug": gettext_lazy(
                "Letters, digits and hyphens, for addresses. Empty: made from the title."
            ),
            "answers_per_item": gettext_lazy("How many people answer the same text."),
            "seed": gettext_lazy("The same seed and data give the same choices."),
        }

    FIRST = ("title", "question", "objective", "labels", "languages")
    BUDGET = (
        "items_per_round",
        "floor_per_language",
        "answers_per_item",
        "train_when_answered",
        "max_rounds",
    )
    PEOPLE = ("calibrate", "subjective", "most_answers")
    FINE: tuple[str, ...] = ("slug", "audit_share", "gold_share", "margin", "network", "seed")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["objective"] = forms.ChoiceField(
            label=_("Kind of question"),
            choices=[(name, kind.TITLE) for name, kind in kinds().items()],
            initial="classes",
            required=False,
            help_text=_(
                "Pairs want a column “second” beside “text” in every file; what a model wrote"
                " “output”, or “output_a” and “output_b”, and “source” where there is one."
            ),
        )
        self.fields["slug"].required = self.fields["labels"].required = False
        self.fields["most_answers"].required = False
        self.initial["most_answers"] = None

    def groups(self) -> dict[str, list[BoundField]]:
        """Fields as the page groups them."""
        names = {
            "first": self.FIRST,
            "budget": self.BUDGET,
            "people": self.PEOPLE,
            "fine": self.FINE,
        }
        return {group: [self[name] for name in members] for group, members in names.items()}

    def clean_objective(self) -> str:
        """The kind of question; classes where nobody says which."""
        return str(self.cleaned_data["objective"] or "classes")

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

    def clean(self) -> dict[str, Any]:
        """Settings that go together, or what to do about those that do not."""
        data = super().clean() or self.cleaned_data
        if self.errors:
            return data
        told = {name: data[name] for name in (*self.BUDGET, *self.PEOPLE)}
        try:
            agree(Campaign(**_without_empty(told)), told=told)
        except SettingError as error:
            self.add_error(error.setting, str(error))
        return data

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
        kind = str(self.cleaned_data.get("objective") or "classes")
        if Habits.of(kind).labels:
            return _usual(kind, told=pairs)
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
        names = ("objective", *self.BUDGET, *self.PEOPLE, *self.FINE[1:])
        return _without_empty({name: self.cleaned_data[name] for name in names})

    def answered(self) -> list[tuple[str, str]]:
        """Every field as it was typed, for the next page to carry along."""
        return [(field.html_name, str(field.value() or "")) for field in self]


def _usual(kind: str, *, told: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The labels that a kind of question always has, with the names that were told."""
    try:
        labels = labels_of(kind, told=[LabelSpec(key, name) for key, name in told])
    except InvalidInputError as error:
        raise ValidationError(str(error)) from error
    return [(label.key, label.name) for label in labels]


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


def _without_empty(told: Mapping[str, Any]) -> dict[str, Any]:
    """What was left empty is as the campaign has it by itself."""
    return {name: value for name, value in told.items() if value is not None}


def _lines(text: str) -> list[tuple[int, str]]:
    return [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
