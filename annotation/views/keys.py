"""Doors of keys: what one's own programs may do in one's place, made, seen and revoked."""

from datetime import timedelta

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from annotation.actions.keys import create_key, revoke_key
from annotation.errors import VernacularError
from annotation.models import ApiKey, Campaign, Scope, User
from annotation.permissions import Ability, campaigns_with, person_of, required
from annotation.views.outcomes import attempt

DAYS = (30, 90, 365)


class KeyForm(forms.Form):
    """What a key is for, and what it may."""

    name = forms.CharField(label=gettext_lazy("What it is for"), max_length=120)
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("What it may"), choices=Scope, widget=forms.CheckboxSelectMultiple
    )
    campaign = forms.ModelChoiceField(
        label=gettext_lazy("Campaign"),
        queryset=Campaign.objects.none(),
        required=False,
        empty_label=gettext_lazy("Every campaign that I may see"),
        to_field_name="slug",
    )
    days = forms.TypedChoiceField(
        label=gettext_lazy("How many days it lasts"),
        choices=[*((str(days), str(days)) for days in DAYS), ("", gettext_lazy("until revoked"))],
        coerce=int,
        empty_value=None,
        required=False,
        initial=str(DAYS[1]),
    )

    def __init__(self, *told: object, user: User, **more: object) -> None:
        super().__init__(*told, **more)  # type: ignore[arg-type]  # a form's own arguments
        self.fields["campaign"].queryset = campaigns_with(user, Ability.WATCH).order_by("slug")  # type: ignore[attr-defined]  # it is a ModelChoiceField


@required(Ability.WATCH)
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def keys(request: HttpRequest) -> HttpResponse:
    """List one's own keys; make one and show its secret this once."""
    user = _person(request)
    form, secret = KeyForm(request.POST or None, user=user), ""
    if form.is_valid():
        told = form.cleaned_data
        days = told["days"]
        try:
            _key, secret = create_key(
                user,
                name=told["name"],
                scopes=told["scopes"],
                campaign=told["campaign"],
                expires_at=timezone.now() + timedelta(days=days) if days else None,
            )
        except VernacularError as error:
            form.add_error(None, str(error))
        else:
            form = KeyForm(user=user)
    held = ApiKey.objects.filter(user=user).select_related("campaign")
    for key in held:
        key.said = [Scope(one).label for one in key.scopes]  # type: ignore[attr-defined]  # for the page alone
    context = {"form": form, "keys": held, "secret": secret, "now": timezone.now()}
    return render(request, "annotation/keys.html", context, status=422 if form.errors else 200)


@required(Ability.WATCH)
@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Have a key of one's own open nothing any more."""
    key = get_object_or_404(ApiKey, pk=pk, user=_person(request))
    attempt(
        request,
        lambda: revoke_key(key, now=timezone.now()),
        done=_("It opens nothing any more."),
    )
    return redirect("keys")


def _person(request: HttpRequest) -> User:
    person = person_of(request)
    if person is None:
        raise PermissionDenied
    return person
