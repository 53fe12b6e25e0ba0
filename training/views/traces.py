"""Doors of traces: where answers went, and taking them back."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from django.contrib import messages
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from annotation.errors import VernacularError
from annotation.models import (
    Annotation,
    Annotator,
    Campaign,
    CampaignLanguage,
    Membership,
    Sample,
    Withdrawal,
)
from annotation.permissions import Ability, campaigns_with, person_of, required
from annotation.views.numbers import number_in
from learning.models import ModelVersion
from training.actions.lineage import tainted, versions_of_annotator, versions_with

if TYPE_CHECKING:
    from training.actions.withdrawals import Outcome, Wish


@required(Ability.LEAD)
@require_http_methods(["GET", "POST"])
def person(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    from training.actions.withdrawals import Wish

    campaign = get_object_or_404(Campaign, slug=slug)
    people = _people_of(campaign).select_related("user", "language")
    annotator = get_object_or_404(people, pk=pk)
    if request.method == "POST":
        if _leads_wherever(request, Wish(annotator=annotator)):
            _withdraw(request, Wish(annotator=annotator))
        else:
            told = _("Some of these answers belong to campaigns that you do not lead.")
            messages.error(request, f"{told} {_('Ask whoever runs the service.')}")
        return redirect("person_trace", slug, pk)
    context = {
        "campaign": campaign,
        "annotator": annotator,
        "waiting": Wish(annotator=annotator).answers.filter(withdrawal=None).count(),
        "withdrawals": annotator.withdrawals.select_related("actor"),
        "versions": _marked(versions_of_annotator(annotator.pk)),
    }
    return render(request, "training/trace.html", context)


def _leads_wherever(request: HttpRequest, wish: "Wish") -> bool:
    """Whether somebody leads every campaign that these answers were given in."""
    given = wish.answers.order_by().values_list("item__campaign_language__campaign", flat=True)
    led = campaigns_with(person_of(request), Ability.LEAD).values_list("pk", flat=True)
    return set(given.distinct()) <= set(led)


@required(Ability.LEAD)
@require_http_methods(["GET", "POST"])
def text(request: HttpRequest, slug: str, uid: UUID) -> HttpResponse:
    from training.actions.withdrawals import Wish

    samples = Sample.objects.select_related("language", "source", "campaign")
    sample = get_object_or_404(samples, campaign__slug=slug, uid=uid)
    answers = Wish(sample=sample).answers
    if request.method == "POST":
        _withdraw(request, _of_one(request, sample))
        return redirect("text_trace", slug, uid)
    context = {
        "campaign": sample.campaign,
        "sample": sample,
        "answers": answers.select_related("annotator__user", "label", "withdrawal").order_by("pk"),
        "waiting": answers.filter(withdrawal=None).count(),
        "withdrawals": Withdrawal.objects.filter(annotations__in=answers).distinct(),
        "versions": _marked(versions_with(answers)),
    }
    return render(request, "training/trace.html", context)


@required(Ability.LEAD)
@require_safe
def find(request: HttpRequest, slug: str) -> HttpResponse:
    """Go to the page of the text whose uid somebody has copied from the desk."""
    campaign = get_object_or_404(Campaign, slug=slug)
    try:
        uid = UUID(request.GET.get("uid", "").strip())
    except ValueError:
        uid = None
    found = campaign.samples.filter(uid=uid).first() if uid else None
    if found is None and uid:
        found = Sample.objects.filter(campaign=campaign, items__uid=uid).first()
    if found is None:
        messages.error(request, _("No text of this campaign has that number."))
        return redirect("versions", slug)
    return redirect("text_trace", slug, found.uid)


def _people_of(campaign: Campaign) -> "QuerySet[Annotator]":
    """Who is to answer here or has answered; a language's people in other campaigns are not ours."""
    held = Membership.objects.filter(campaign=campaign, user=OuterRef("user"))
    homes = CampaignLanguage.objects.filter(campaign=campaign)
    gave = Annotation.objects.filter(
        annotator=OuterRef("pk"), item__campaign_language__in=homes.values("pk")
    )
    people = Annotator.objects.filter(language__in=homes.values("language"))
    return people.filter(Q(everywhere=True) | Exists(held) | Exists(gave))


def _of_one(request: HttpRequest, sample: Sample) -> "Wish":
    """Return the wish: one person's answers on the text, or the text with everybody's."""
    from training.actions.withdrawals import Wish

    told = request.POST.get("annotator")
    if told is None:
        return Wish(sample=sample)
    # A person who cannot be made out must not be taken for everybody.
    return Wish(annotator=get_object_or_404(Annotator, pk=number_in(told)), sample=sample)


def _withdraw(request: HttpRequest, wish: "Wish") -> None:
    from training.actions.withdrawals import withdraw

    try:
        done = withdraw(
            wish,
            reason=request.POST.get("reason", ""),
            actor=person_of(request),
            now=timezone.now(),
        )
    except VernacularError as error:
        messages.error(request, str(error))
        return
    whole = [_("The text is taken back.")] if wish.annotator is None else []
    messages.success(request, " ".join([*whole, *_told(done)]))


def _told(done: "Outcome") -> list[str]:
    """Say what a withdrawal did, and what is left to a person to do."""
    if not done.answers:
        return [_("No answer was left to take back.")]
    told = ngettext("%d answer is taken back.", "%d answers are taken back.", done.answers)
    sentences = [told % done.answers]
    if done.aborted:
        runs = ", ".join(str(run.pk) for run in done.aborted)
        sentences.append(_("Aborted, since they were learning from them: run %s.") % runs)
    if done.versions:
        numbers = ", ".join(f"{v.campaign.title} {v.number}" for v in done.versions)
        sentences.append(
            _("Learned by these versions, which are marked with the way out: %s.") % numbers
        )
    else:
        sentences.append(_("No version has learned from them."))
    return sentences


def _marked(versions: Sequence[ModelVersion]) -> list[tuple[ModelVersion, bool]]:
    campaigns = {version.campaign_id: version.campaign for version in versions}
    flagged = {pk for campaign in campaigns.values() for pk in tainted(campaign)}
    return [(version, version.pk in flagged) for version in versions]
