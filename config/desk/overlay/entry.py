"""The way in: a link that our service signed lets one person, once, into one project."""

from contextlib import suppress
from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.db.models import Q
from django.http import HttpResponseRedirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from projects.models import Project
from users.functions import login
from users.models import User

from overlay import pages
from overlay.members import BEGAN, EPOCH, leads

SALT = "vernacular.entry"
SECONDS = 600
KEY = {"key": settings.VERNACULAR_ENTRY_KEY, "salt": SALT, "fallback_keys": []}


@never_cache
@require_GET
def enter(request, signed: str):
    """Let the bearer of a fresh link in and show the project; tell everybody else the way home."""
    told, words = _read(signed)
    user = told and User.objects.filter(pk=told["user"], is_active=True).first()
    project = told and Project.objects.filter(pk=told["project"]).first()
    if not user or not project or not project.has_permission(user) or not _is_theirs(user, told):
        return pages.refused(request, pages.LINK_IS_OLD, words=words)
    address = f"/projects/{project.pk}/data?labeling=1"
    if leads(user):
        # Whoever runs Label Studio shows a password: a link would open all of it.
        known = request.user.is_authenticated and request.user.pk == user.pk
        return HttpResponseRedirect(address if known else f"/user/login/?next={address}")
    if not _is_first_use(user, at=told["at"]):
        # Back and reload by the same person are no second use.
        if request.user.is_authenticated and request.user.pk == user.pk:
            return pages.doorway(address, words)
        return pages.refused(request, pages.LINK_IS_USED, words=words)
    _sign_in(request, user, at=told["at"])
    return pages.doorway(address, words)


def _is_theirs(user: User, told) -> bool:
    """Whether the account is still that person's: a new database gives old numbers out again."""
    return leads(user) or told["email"].lower() in ("", user.email.lower())


def _read(signed: str):
    """What a link says and in which words; one that is too old has only the words left."""
    try:
        told = signing.loads(signed, **KEY)
    except signing.BadSignature:
        return None, {}
    words = {name: word for name, word in told.get("words", {}).items() if name in pages.ENGLISH}
    with suppress(signing.SignatureExpired):
        return signing.loads(signed, **KEY, max_age=SECONDS), words
    return None, words


def _is_first_use(user: User, *, at: int) -> bool:
    """True for exactly one visit by a link, and for none by a link older than that.

    Label Studio's own column is enough: it holds the moment at which our service signed the
    newest link that was used, so that no two clocks are compared.
    """
    moment = EPOCH + timedelta(microseconds=at)
    earlier = Q(last_login=None) | Q(last_login__lt=moment)
    return User.objects.filter(earlier, pk=user.pk).update(last_login=moment) == 1


def _sign_in(request, user: User, *, at: int) -> None:
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    request.session[BEGAN] = at
    # Django has just noted its own clock there; a link that is signed from now on must count.
    User.objects.filter(pk=user.pk).update(last_login=EPOCH + timedelta(microseconds=at))
    if user.active_organization_id is None:
        user.active_organization_id = user.organizations.values_list("pk", flat=True).first()
        user.save(update_fields=["active_organization"])
