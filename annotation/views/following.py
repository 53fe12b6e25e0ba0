"""Doors of the follow link: how a report stands, what its maker may do, and how they hear of it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from django.contrib import messages
from django.contrib.staticfiles import finders
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.feedgenerator import Atom1Feed
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from annotation.actions.reports import bells, following, hearing, tongues
from annotation.actions.reports.readers import waits_for_a_reader
from annotation.actions.reports.told import open_to_everybody, standing_of
from annotation.errors import InvalidInputError
from annotation.gateways.push import Bell, own_point
from annotation.models import Language, Report, ReportWish
from annotation.views.outcomes import attempt
from annotation.views.reports import report_or_404

HOURS = range(24)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def report_follow(request: HttpRequest, token: str) -> HttpResponse:
    """How a report stands, for whoever has its secret link, and what they may do."""
    found = report_or_404(token)
    if request.method == "POST":
        act = _ACTS.get(request.POST.get("act", ""))
        if act is None:
            messages.error(request, _("Choose what is to happen."))
        else:
            attempt(request, partial(act[0], request, found), done=str(act[1]))
        return redirect("report_follow", token)
    looks_like = tongues.doubted(found)
    context = {
        "standing": standing_of(found),
        "report": found,
        "token": token,
        "address": request.build_absolute_uri(request.path),
        "asked_to_withdraw": "withdraw" in request.GET,
        "waits": waits_for_a_reader(found),
        "looks_like": Language.objects.filter(tag=looks_like).first() if looks_like else None,
        "another": open_to_everybody(found.campaign.slug) is not None,
        "push_key": own_point(),
        "digests": " ".join(found.bells.values_list("digest", flat=True)),
        **_hearing(found),
    }
    return _private(render(request, "annotation/report_follow.html", context))


def _hearing(found: Report) -> dict[str, object]:
    """How somebody hears of a report now, and what there is to choose from."""
    return {
        "wish": ReportWish.objects.filter(report=found).first() or ReportWish(),
        "heard_at": hearing.address_of(found),
        "paces": ReportWish.Pace.choices,
        "hours": HOURS,
        "offsets": [(minutes, _clock(minutes)) for minutes in hearing.OFFSETS],
    }


def _clock(minutes: int) -> str:
    sign = "−" if minutes < 0 else "+"
    return f"UTC{sign}{abs(minutes) // 60}:{abs(minutes) % 60:02d}"


@never_cache
@require_safe
def report_feed(request: HttpRequest, token: str) -> HttpResponse:
    """What became of a report, step by step, for a feed reader; as secret as the link itself."""
    found = report_or_404(token)
    there = request.build_absolute_uri(reverse("report_follow", args=[token]))
    atom = Atom1Feed(
        title=_("Your report"),
        link=there,
        description="",
        language=translation.get_language() or "en",
        feed_url=request.build_absolute_uri(request.path),
    )
    for words, why, at in standing_of(found).log:
        atom.add_item(
            title=words,
            link=there,
            unique_id=f"{there}#{at.isoformat()}",
            unique_id_is_permalink=False,
            description=why,
            pubdate=at,
            updateddate=at,
        )
    return _private(HttpResponse(atom.writeString("utf-8"), content_type="application/atom+xml"))


def _private(response: HttpResponse) -> HttpResponse:
    """Keep a secret address: no other site hears it, and no search engine keeps it."""
    # Not even our own would be too little: browsers then send forms without saying from where,
    # and we refuse.
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


@require_safe
def report_worker(_request: HttpRequest) -> HttpResponse:
    """The service worker that shows what rings, from an address whose pages it belongs to."""
    path = finders.find("annotation/report-worker.js")
    if path is None:
        raise Http404
    script = Path(str(path)).read_text()
    return HttpResponse(
        script, content_type="text/javascript", headers={"Cache-Control": "no-cache"}
    )


@never_cache
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def report_letters_stop(request: HttpRequest, token: str) -> HttpResponse:
    """The way out of letters about reports, by one tap; looking at it alone does nothing."""
    found = hearing.reports_of(token)
    done = bool(found) and request.method == "POST"
    if done:
        hearing.stop(found)
    context = {"known": bool(found), "done": done}
    status = 200 if found else 404
    return _private(render(request, "annotation/report_letters_stop.html", context, status=status))


def _withdraw(_request: HttpRequest, found: Report) -> object:
    return following.withdraw(found, now=timezone.now())


def _answer(request: HttpRequest, found: Report) -> object:
    return following.answer(found, text=request.POST.get("text", ""), now=timezone.now())


def _better(request: HttpRequest, found: Report) -> object:
    verdict = request.POST.get("verdict", "")
    return following.say_if_better(found, verdict=verdict, now=timezone.now())


def _appeal(_request: HttpRequest, found: Report) -> object:
    return following.appeal(found, now=timezone.now())


def _hear(request: HttpRequest, found: Report) -> object:
    told = request.POST
    return hearing.wish_for(
        found,
        address=told.get("contact", ""),
        pace=told.get("pace", ""),
        offset=_whole(told.get("offset", "")) if told.get("offset") else None,
        quiet=(_whole(told.get("quiet_from", "")), _whole(told.get("quiet_until", ""))),
        now=timezone.now(),
    )


def _stop(_request: HttpRequest, found: Report) -> object:
    return hearing.stop([found])


def _whole(told: str) -> int:
    if not told.removeprefix("-").isdecimal() or len(told) > 5:
        raise InvalidInputError(_("Choose how often and at what hours you want to hear of it."))
    return int(told)


def _ring(request: HttpRequest, found: Report) -> object:
    told = request.POST
    bell = Bell(told.get("endpoint", ""), told.get("p256dh", ""), told.get("auth", ""))
    tongue = translation.get_language() or "en"
    return bells.hang(found, bell=bell, interface=tongue, now=timezone.now())


def _unring(request: HttpRequest, found: Report) -> object:
    return bells.take_down(found, endpoint=request.POST.get("endpoint", ""))


def _language(request: HttpRequest, found: Report) -> object:
    same = request.POST.get("same") == "yes"
    return tongues.say_language(found, tag=request.POST.get("tag", ""), same=same)


_ACTS: dict[str, tuple[Callable[[HttpRequest, Report], object], object]] = {
    "withdraw": (_withdraw, gettext_lazy("It is taken back, and what you wrote is erased.")),
    "answer": (_answer, gettext_lazy("Thank you: whoever asked can read it now.")),
    "better": (_better, gettext_lazy("Thank you: that helps to find out whether it is mended.")),
    "appeal": (_appeal, gettext_lazy("It is looked at once more.")),
    "hear": (_hear, gettext_lazy("Saved. You can change it again at any time.")),
    "stop": (_stop, gettext_lazy("No more letters about it; your address is erased.")),
    "ring": (_ring, gettext_lazy("This browser rings when there is news.")),
    "unring": (_unring, gettext_lazy("This browser rings no more for it.")),
    "language": (_language, gettext_lazy("Thank you: it is noted.")),
}
