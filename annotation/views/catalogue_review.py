"""The door through which a catalogue of translations goes home with speakers' word in it."""

from pathlib import PurePath
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from annotation.actions.catalogue_reviews import LEAST, review
from annotation.errors import InvalidInputError
from annotation.models import CampaignLanguage
from annotation.permissions import Ability, required

MOST_BYTES = 3_000_000


class ReviewForm(forms.Form):
    """A catalogue, and which answers mean that a translation is wrong."""

    file = forms.FileField(
        label=gettext_lazy("Catalogue"),
        help_text=gettext_lazy("The PO file whose texts were imported, or a newer one of it."),
    )
    least = forms.FloatField(
        label=gettext_lazy("How sure people must be together"),
        initial=LEAST,
        min_value=0.5,
        max_value=1,
        help_text=gettext_lazy("What they are less sure of is left as it is."),
    )

    def __init__(self, *args: Any, home: CampaignLanguage, **kwargs: Any) -> None:
        """The answers are those of the campaign, as its speakers call them."""
        super().__init__(*args, **kwargs)
        self.home = home
        labels = home.campaign.labels.order_by("position")
        self.fields["wrong"] = forms.MultipleChoiceField(
            label=_("These answers mean that a translation is wrong"),
            widget=forms.CheckboxSelectMultiple,
            choices=[(label.key, label.name_in(home.language.tag)) for label in labels],
        )

    def clean_file(self) -> Any:
        """No larger than a page may take in; the command takes more."""
        file = self.cleaned_data["file"]
        if file.size > MOST_BYTES:
            raise ValidationError(
                _(
                    "The file has %(size)d bytes; a page takes %(most)d: manage.py review_catalogue takes more."
                )
                % {"size": file.size, "most": MOST_BYTES}
            )
        return file

    def clean(self) -> dict[str, Any]:
        """Review it at once: what is wrong with the file is said beside it."""
        data = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                data["review"] = review(
                    self.home,
                    data=data["file"].read(),
                    wrong=data["wrong"],
                    least=data["least"],
                )
            except InvalidInputError as error:
                raise ValidationError(str(error)) from error
        return data


@required(Ability.SETTLE)
@require_http_methods(["GET", "HEAD", "POST"])
def catalogue_review(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    """Take a catalogue, give it back with what speakers found wrong in it."""
    homes = CampaignLanguage.objects.select_related("campaign", "language")
    home = get_object_or_404(homes, campaign__slug=slug, language__tag=tag)
    form = ReviewForm(request.POST or None, request.FILES or None, home=home)
    found = form.cleaned_data["review"] if form.is_valid() else None
    if found is None or (request.POST.get("step") != "download"):
        context = {
            "campaign": home.campaign, "home": home, "language": home.language, "form": form,
            "found": found,
        }  # fmt: skip
        return render(request, "annotation/catalogue_review.html", context)
    name = PurePath(form.cleaned_data["file"].name or "catalogue.po")
    headers = {"Content-Disposition": f'attachment; filename="{_plain(name.stem)}.reviewed.po"'}
    return HttpResponse(found.data, content_type="text/x-gettext-translation", headers=headers)


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name)
