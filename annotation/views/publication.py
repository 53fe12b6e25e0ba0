"""The doors through which answers leave: published as far as people agreed, and for the team itself."""

import shutil
import tempfile
from pathlib import Path

from django import forms
from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from annotation.actions.agreed_files import FOLDER, MOST, agreed_file, agreed_texts
from annotation.actions.publication import LONGEST_LICENCE, outlook, write_publication
from annotation.errors import BusyError, TransientError, VernacularError
from annotation.models import Campaign
from annotation.permissions import Ability, required

_FORMATS = {
    "csv": "CSV",
    "jsonl": "JSON Lines",
    "parquet": "Parquet",
    "json": "Label Studio",
    FOLDER: "datasets (ZIP)",
}


class PublicationForm(forms.Form):
    """Under which licence, and what else may be passed on."""

    licence = forms.CharField(
        label=_("Licence of the answers"),
        initial="CC-BY-4.0",
        max_length=LONGEST_LICENCE,
        help_text=_("An SPDX identifier."),
    )
    also = forms.CharField(
        label=_("Other licences under which texts may be passed on"),
        required=False,
        max_length=300,
        help_text=_("Separated by commas. Open licences are known already."),
    )


@required(Ability.LEAD)
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def publication(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Say what may go out; give it as one file when asked."""
    campaign = get_object_or_404(Campaign, slug=slug)
    form = PublicationForm(request.POST or None)
    counts = outlook(campaign)
    can = 0 < counts.answers <= MOST
    if can and form.is_valid():
        try:
            return _as_one_file(campaign, form=form)
        except VernacularError as error:
            form.add_error(None, str(error))
    texts = agreed_texts(campaign)
    context = {"campaign": campaign, "form": form, "counts": counts, "can": can, "most": MOST}
    context |= {"texts": texts, "formats": _FORMATS.items() if 0 < texts <= MOST else ()}
    status = 422 if form.errors else 200
    return render(request, "annotation/publication.html", context, status=status)


@required(Ability.LEAD)
@require_safe
@never_cache
def agreed(request: HttpRequest, slug: str, format: str) -> HttpResponseBase:
    """Give what people agree on, with its texts; nothing of it stays on the disk."""
    campaign = get_object_or_404(Campaign, slug=slug)
    if format not in _FORMATS or agreed_texts(campaign) > MOST:
        raise Http404
    try:
        name, file = agreed_file(campaign, format=format)
    except (BusyError, TransientError) as error:
        messages.error(request, str(error))
        return redirect("publication", campaign.slug)
    return FileResponse(file, as_attachment=True, filename=name)


def _as_one_file(campaign: Campaign, *, form: PublicationForm) -> HttpResponse | FileResponse:
    """All of it in one archive; nothing of it stays on the disk."""
    name = f"{campaign.slug}-answers"
    also = [one.strip() for one in form.cleaned_data["also"].split(",") if one.strip()]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / name
        licence = form.cleaned_data["licence"]
        write_publication(campaign, folder=folder, licence=licence, also=also, now=timezone.now())
        whole = shutil.make_archive(str(folder), "zip", root_dir=place, base_dir=name)
        return FileResponse(Path(whole).open("rb"), as_attachment=True, filename=f"{name}.zip")
