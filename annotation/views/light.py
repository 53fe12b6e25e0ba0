"""The light page: one text, a few buttons, and doors for the script that works without a line."""

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.staticfiles import finders
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.actions.handouts import BATCH, Handed, give_back, hand_out, is_open
from annotation.actions.light import Outcome, Receipt
from annotation.actions.numbers import answer_under
from annotation.actions.standings import may_answer
from annotation.actions.together import take_answers
from annotation.errors import NotFoundError
from annotation.methods.tags import with_script
from annotation.models import (
    Annotation,
    Annotator,
    CampaignLanguage,
    QuarantinedAnswer,
    Reservation,
)
from annotation.permissions import Ability, entry_at, entry_of, person_of, required
from annotation.tasks import keep_soon, mirror_soon, push_soon
from annotation.views.fields import fields_of, form_of
from annotation.views.unsaved import forget_unsaved, keeps_unsaved, unsaved

# What a person may take along where there is no line for days.
MOST_AHEAD = 200
MOST_AT_ONCE = 50
# With so few texts in hand the plain page has the desk asked for more; the script has a limit of
# its own.
LOW = 8
SHELL = (
    "annotation/light.css",
    "annotation/light-data.js",
    "annotation/light.js",
    "annotation/characters.js",
    "annotation/boxes.js",
    "annotation/logo.svg",
)
# Kept along only with pages that ask for them.
ASKED = ("annotation/marks.js", "annotation/marks.css", "annotation/correct.js")
FONTS = "annotation/fonts/"
FLAG_KEYS = {
    Annotation.Flag.CANNOT_JUDGE: "c",
    Annotation.Flag.WRONG_LANGUAGE: "w",
    Annotation.Flag.OTHER_DIALECT: "d",
    Annotation.Flag.UNCLEAR: "u",
    Annotation.Flag.OFFENSIVE: "o",
}


@keeps_unsaved
@required(Ability.ANSWER)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def answer_page(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    """Show the next text; a form that was sent without a script comes in by the same address."""
    home, annotator = _found(request)
    if request.method == "POST":
        return _take_form(request, annotator, home=home)
    if not may_answer(annotator, home.campaign):
        return redirect("calibrate", slug, tag)
    changed = request.GET.get("change")
    context = _shell(home, annotator) | {"done": request.GET.get("done", "")}
    if changed:
        context |= _to_change(annotator, home=home, uid=changed)
    elif "X-Keep-Page" not in request.headers:
        handed = _handed(annotator, home=home, most=BATCH, low=LOW)
        context["item"] = handed.leases[0].item if handed.leases else None
        context["coming"] = handed.more
    context = {"uid": changed or uuid.uuid4(), "open": is_open(annotator, home=home)} | context
    if changed or "X-Keep-Page" in request.headers:
        return render(request, "annotation/light.html", context)
    context |= _once_more(annotator, home=home, told=unsaved(request))
    return forget_unsaved(request, render(request, "annotation/light.html", context))


def _take_form(
    request: HttpRequest, annotator: Annotator, *, home: CampaignLanguage
) -> HttpResponse:
    kind, _colon, value = request.POST.get("answer", "").partition(":")
    told: dict[str, object] = {name: request.POST.get(name, "") for name in ("uid", "item", "note")}
    told |= {name: _number(request.POST.get(name)) for name in ("edit", "guideline_version")}
    if kind == "form":
        told |= {"fields": fields_of(request)}
    else:
        told |= {"take_back": True} if kind == "take_back" else {kind or "label": value}
    (receipt,) = take_answers(annotator, home=home, told=[told], now=timezone.now())
    if receipt.reason == NotFoundError.code:
        raise Http404(receipt.detail)
    here = reverse("answer", args=[home.campaign.slug, home.language.tag])
    if receipt.outcome == Outcome.REFUSED:
        messages.error(request, _said_of(receipt))
        return redirect(here)
    mirror_soon(home.pk)
    return redirect(here if kind == "take_back" else f"{here}?done={receipt.uid}")


@never_cache
@require_POST
def batch(request: HttpRequest, slug: str, tag: str) -> JsonResponse:
    """Hand out texts ahead."""

    def work(annotator: Annotator, home: CampaignLanguage, told: Mapping[str, Any]) -> JsonResponse:
        asked = told.get("most")
        most = min(max(asked, 1), MOST_AHEAD) if isinstance(asked, int) else BATCH
        handed = _handed(annotator, home=home, most=most, low=most)
        if len(handed.leases) < most and home.items.filter(state="queued").exists():
            push_soon(home.pk)
        return JsonResponse(
            {
                "person": _person(annotator),
                "shell": _shell(home, annotator)["config"]["shell"],
                "items": [
                    {"item": str(one.item.uid), "text": one.item.sample.shown}
                    for one in handed.leases
                ],
                "more": handed.more,
            }
        )

    return _for_the_script(request, slug, tag, work)


@never_cache
@require_POST
def answers(request: HttpRequest, slug: str, tag: str) -> JsonResponse:
    """Take answers, each by itself: one that cannot be used stops none of the others."""

    def work(annotator: Annotator, home: CampaignLanguage, told: Mapping[str, Any]) -> JsonResponse:
        given = told.get("answers")
        if told.get("person") != _person(annotator):
            return _no(409, "other_person", _("These answers are another person's."))
        if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
            return _no(422, "invalid_input", _("Send a list of answers."))
        mine, now = given[:MOST_AT_ONCE], timezone.now()
        receipts = [
            asdict(one) | {"detail": _said_of(one)}
            for one in take_answers(annotator, home=home, told=mine, now=now)
        ]
        if any(one["outcome"] in (Outcome.STORED, Outcome.REVISED) for one in receipts):
            mirror_soon(home.pk)
        strange = bool(receipts) and all(one["reason"] == NotFoundError.code for one in receipts)
        return JsonResponse({"receipts": receipts}, status=404 if strange else 200)

    return _for_the_script(request, slug, tag, work)


@required(Ability.ANSWER)
@require_POST
def hand_back(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    """Let others have what this person fetched and will not answer."""
    home, annotator = _found(request)
    if give_back(annotator, home=home, now=timezone.now()):
        mirror_soon(home.pk)
        messages.success(request, _("The texts you had fetched are free for others again."))
    return redirect("home")


@require_safe
def worker(request: HttpRequest) -> HttpResponse:
    """The service worker, from an address whose pages it may keep."""
    shell = [static(path) for path in SHELL]
    asked = [static(path) for path in ASKED]
    told = {"version": _version(), "shell": shell, "asked": asked, "fonts": static(FONTS)}
    script = f"const KEPT = {json.dumps(told)};\n{_source('annotation/light-worker.js')}"
    return HttpResponse(
        script, content_type="text/javascript", headers={"Cache-Control": "no-cache"}
    )


def _for_the_script(
    request: HttpRequest,
    slug: str,
    tag: str,
    work: Callable[[Annotator, CampaignLanguage, Mapping[str, Any]], JsonResponse],
) -> JsonResponse:
    """Let the script in as a page would be, and tell it in its own way why not."""
    if not request.user.is_authenticated:
        return _no(401, "signed_out", _("Open your personal link again."))
    here = entry_of(person_of(request), slug=slug, tag=tag)
    if here is None:
        return _no(404, "not_found", _("There is no such page."))
    if not here.may:
        return _no(403, "not_here", _("You no longer answer in this language."))
    if not here.agreed:
        return _no(403, "consent", _("Agree on the consent page first."))
    try:
        told = json.loads(request.body or b"{}")
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        return _no(422, "invalid_input", _("Send an object as JSON."))
    if here.annotator is None:
        # As on the page: staff are added before they answer.
        raise PermissionDenied
    return work(here.annotator, here.home, told)


def _no(status: int, code: str, detail: str) -> JsonResponse:
    return JsonResponse({"code": code, "detail": detail}, status=status)


def _said_of(receipt: Receipt) -> str:
    """Why an answer was refused, in words."""
    if receipt.outcome != Outcome.REFUSED:
        return ""
    reasons = dict(QuarantinedAnswer.Reason.choices)
    why = reasons.get(receipt.reason)
    return f"{why}: {receipt.detail}" if why else receipt.detail


def _found(request: HttpRequest) -> tuple[CampaignLanguage, Annotator]:
    """Where somebody answers, and as whom."""
    entry = entry_at(request)
    if entry is None:
        raise Http404
    if entry.annotator is None:
        # Staff may look at everything; to answer they are added like anybody else.
        raise PermissionDenied
    return entry.home, entry.annotator


def _to_change(annotator: Annotator, *, home: CampaignLanguage, uid: str) -> dict[str, Any]:
    """An answer that was given, to be given anew; others' are not there."""
    try:
        held = answer_under(uuid.UUID(uid))
    except ValueError:
        raise Http404 from None
    if held is None or held.annotation.annotator_id != annotator.pk:
        raise Http404
    given = held.annotation
    if given.item.campaign_language_id != home.pk:
        raise Http404
    chosen = f"label:{given.answer.get('label', '')}" if given.answer else f"flag:{given.flag}"
    told = {"chosen": chosen, "given": given.answer, "note": given.note, "edit": held.edit + 1}
    return {"item": given.item} | told


def _once_more(
    annotator: Annotator, *, home: CampaignLanguage, told: Mapping[str, str]
) -> dict[str, Any]:
    """An answer that was not saved, ready to be given again; nothing if it is another person's."""
    try:
        uid, asked = uuid.UUID(told.get("uid", "")), uuid.UUID(told.get("item", ""))
    except ValueError:
        return {}
    chosen = {"uid": uid, "pressed": told["answer"], "note": told["note"]}
    mine = Annotation.objects.filter(annotator=annotator, item__uid=asked)
    if mine.filter(uid=uid).exists():
        return _to_change(annotator, home=home, uid=str(uid)) | chosen
    held = Reservation.objects.filter(
        annotator=annotator, item__uid=asked, item__campaign_language=home
    )
    lease = held.select_related("item__sample").first()
    return {} if lease is None or mine.exists() else {"item": lease.item} | chosen


def _shell(home: CampaignLanguage, annotator: Annotator) -> dict[str, Any]:
    """What stands around the texts of one language."""
    language, campaign = home.language, home.campaign
    guideline = home.guidelines.order_by("-version").first()
    labels = [
        {"key": label.key, "name": label.name_in(language.tag), "shortcut": str(number)}
        if number < 10
        else {"key": label.key, "name": label.name_in(language.tag), "shortcut": ""}
        for number, label in enumerate(campaign.labels.order_by("position"), start=1)
    ]
    flags = [
        {"key": flag.value, "name": str(flag.label), "shortcut": shortcut}
        for flag, shortcut in FLAG_KEYS.items()
    ]
    version = guideline.version if guideline else 0
    spoken = [campaign.question, labels, flags, version, language.letters]
    told = json.dumps([*spoken, get_language(), _version()], sort_keys=True)
    return {
        "home": home,
        "labels": labels,
        "form": form_of(campaign),
        "flags": flags,
        "guideline": guideline,
        "lang": with_script(language.tag, script=language.script),
        "config": {
            "person": _person(annotator),
            "shell": hashlib.sha256(told.encode()).hexdigest()[:16],
            "guideline": version,
            "cookie": settings.CSRF_COOKIE_NAME,
            "batch": reverse("answer_batch", args=[campaign.slug, language.tag]),
            "answers": reverse("answer_answers", args=[campaign.slug, language.tag]),
            "worker": reverse("answer_worker"),
        },
        "words": _words(),
    }


def _words() -> dict[str, str]:
    """What the script says."""
    return {
        "waiting": _("{n} waiting"),
        "sent": _("Sent"),
        "kept": _("Saved on this phone"),
        "offline": _("No connection. Go on: answers are kept on this phone and sent later."),
        "signed_out": _(
            "You are signed out. Your answers are kept on this phone: open your personal link"
            " again and they are sent."
        ),
        "consent": _(
            "Your consent is missing. Your answers are kept on this phone until you agree again."
        ),
        "not_here": _(
            "You no longer answer in this language. What you have not sent is kept on this phone;"
            " ask your coordinator."
        ),
        "trouble": _(
            "The server does not answer as it should. Your answers are kept and sent later."
        ),
        "full": _(
            "This phone is full: the last answer could not be saved here. Make room, then answer"
            " this text again."
        ),
        "others": _("{n} answers of another person wait on this phone for their personal link."),
        "coming": _("Texts are being fetched for you. One moment."),
        "empty": _("There is nothing to answer just now. Come back later."),
        "empty_offline": _("No more texts on this phone. Connect, and more will come."),
        "changing": _("You are changing your answer. What you choose now replaces it."),
        "more": _("Texts on this phone: {n}"),
        "metered": _("Waiting for Wi-Fi, as you chose. Your answers are kept on this phone."),
        "unsure": _("Nothing is sent until you press “Send now”, as you chose. It is kept here."),
        "weight": _("Data used, about: {visit} in this visit, {month} this month."),
    }


def _person(annotator: Annotator) -> str:
    """Whose answers lie on a phone, without saying who that is."""
    return salted_hmac("vernacular.light", str(annotator.user_id)).hexdigest()[:16]


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else 0


def _handed(annotator: Annotator, *, home: CampaignLanguage, most: int, low: int) -> Handed:
    """What somebody holds; a worker has the desk keep more for them where that is little."""
    alone = not _has_desk()
    handed = hand_out(annotator, home=home, with_desk=not alone, now=timezone.now(), most=most)
    if handed.more and len(handed.leases) <= low:
        keep_soon(annotator.pk, home.pk, most=most)
    return handed


def _has_desk() -> bool:
    """Whether there is to be a Label Studio, be it there just now or not."""
    return bool(settings.ENV.label_studio_url)


def _source(path: str) -> str:
    found = finders.find(path)
    if not isinstance(found, str):
        raise Http404
    return Path(found).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _version() -> str:
    """Changes whenever a file does that phones keep."""
    kept = "".join(_source(path) for path in (*SHELL, *ASKED, "annotation/light-worker.js"))
    return hashlib.sha256(kept.encode()).hexdigest()[:16]
