"""The door to Label Studio: one click, no password, into the right project only."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from annotation.actions.entry import enter_desk
from annotation.errors import OverlayMissingError, VernacularError
from annotation.gateways.accounts import in_turn
from annotation.gateways.door import open_door
from annotation.models import CampaignLanguage
from annotation.permissions import Ability, person_of, required

PATIENCE_S = 10.0


@required(Ability.ANSWER)
@never_cache
@require_safe
def desk_entry(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    """Send somebody on to Label Studio with a link of ten minutes, or say why not.

    Each call makes a new link, so that programs which look ahead use up nobody's.
    """
    homes = CampaignLanguage.objects.select_related("campaign", "language")
    home = get_object_or_404(homes, campaign__slug=slug, language__tag=tag)
    user = person_of(request)
    try:
        with in_turn():
            desk = open_door(timeout=PATIENCE_S)
            link = enter_desk(user, home=home, desk=desk, now=timezone.now())
    except VernacularError as error:
        return _closed(request, error, home=home)
    return HttpResponseRedirect(link, headers={"Referrer-Policy": "no-referrer"})


def _closed(
    request: HttpRequest, error: VernacularError, *, home: CampaignLanguage
) -> HttpResponse:
    lacks_overlay = isinstance(error, OverlayMissingError)
    context = {
        "error": error,
        "home": home,
        "lacks_overlay": lacks_overlay,
        # Without our overlay whoever was given a password signs in there as ever.
        "sign_in": f"{settings.ENV.label_studio_url}/user/login/" if lacks_overlay else "",
    }
    return render(request, "annotation/desk_closed.html", context, status=error.status)
