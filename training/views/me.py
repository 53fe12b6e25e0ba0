"""Doors of everybody's own page: what they did, what it became, and taking it back."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from annotation.actions.consents import standing_consent
from annotation.actions.progress import progress_of
from annotation.actions.welcome import is_asked_to_answer
from annotation.models import Consent
from annotation.permissions import Ability, may, person_of, signed_in


@signed_in
@require_safe
@never_cache
def me(request: HttpRequest) -> HttpResponse:
    """Somebody's own page: what they did and gave in each place, what it became, what waits."""
    from training.actions.thanks import gains_of, words_of

    user, now = person_of(request), timezone.now()
    before = standing_consent(user)
    asked = is_asked_to_answer(user, now=now)
    if asked and before is None:
        return redirect("consent")
    progress = progress_of(user, now=now) if before and before.train else []
    gains = gains_of([one.place.home for one in progress])
    context = {
        "rows": [
            {"progress": one, "place": one.place, "gain": gain, "gained": words_of(gain)}
            for one, gain in zip(progress, gains, strict=True)
        ],
        "consent": before,
        "declined": asked and before is not None and not before.train,
        "ended": Consent.objects.filter(user=user, train=True, ended_at__isnull=False).exists(),
        "leads": may(user, Ability.WATCH),
    }
    return render(request, "training/me.html", context)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def take_back(request: HttpRequest) -> HttpResponse:
    """Taking back: what it would do, one button a language and one for all, then what it did."""
    from training.actions import taking_back

    user = person_of(request)
    holdings = taking_back.holdings_of(user)
    everything = request.POST.get("what") == "all"
    chosen = [
        one.annotator
        for one in holdings
        if everything or request.POST.get("what") == str(one.annotator.pk)
    ]
    if request.method == "POST" and (chosen or everything):
        done = taking_back.take_back(
            user,
            annotators=chosen,
            everything=everything,
            interface=translation.get_language() or "en",
            now=timezone.now(),
        )
        messages.success(request, _told(sum(one.answers for one in done)))
        return redirect("take_back")
    if request.method == "POST":
        messages.error(request, _("Choose what you want to take back."))
        return redirect("take_back")
    taken = [one.annotator for one in holdings if one.taken]
    consent = standing_consent(user)
    context = {
        "holdings": holdings,
        "answers": sum(one.answers for one in holdings),
        "taken": taken,
        "due": any(one.consensus_due for each in holdings for one in each.taken),
        "remains": taking_back.remains_of(taken) if taken else None,
        "takes_part": consent is not None and consent.train,
    }
    return render(request, "training/take_back.html", context)


def _told(answers: int) -> str:
    if not answers:
        return _("Nothing was left to take back.")
    return (
        ngettext(
            "Done: %d answer of yours is erased here, and no model learns from it any more.",
            "Done: %d answers of yours are erased here, and no model learns from them any more.",
            answers,
        )
        % answers
    )
