"""Credit: who answered in a campaign, counted; named only who said yes to it, for as long."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef

from annotation.models import Annotation, Annotator, Campaign, Consent, Language


@dataclass(frozen=True)
class Credit:
    """A language of a campaign: how many answered how much, and who of them wants to be named."""

    language: Language
    answers: int
    people: int
    names: Sequence[str]


def credits_of(campaign: Campaign) -> list[Credit]:
    """Return every language in which somebody has answered; answers taken back are not counted."""
    counts = _counts(campaign)
    languages = Language.objects.filter(pk__in=counts).order_by("tag")
    return [Credit(one, *counts[one.pk], _names(campaign, one)) for one in languages]


def credit_of(campaign: Campaign, *, language: Language) -> Credit | None:
    """Return one language's credit, by two queries however many others there are."""
    counts = _counts(campaign, item__campaign_language__language=language)
    if language.pk not in counts:
        return None
    return Credit(language, *counts[language.pk], _names(campaign, language))


def _counts(campaign: Campaign, **only: Language) -> dict[int, tuple[int, int]]:
    """Count answers and people by language."""
    given = (
        Annotation.objects.answered()
        .filter(item__campaign_language__campaign=campaign, **only)
        .exclude(annotator__kind=Annotator.Kind.SIMULATED)
        .order_by()
    )
    rows = given.values_list("item__campaign_language__language").annotate(
        Count("pk"), Count("annotator", distinct=True)
    )
    return {pk: (answers, people) for pk, answers, people in rows}


def _names(campaign: Campaign, language: Language) -> list[str]:
    agreed = Consent.objects.standing().filter(user=OuterRef("user"), name_me=True)
    gave = Annotation.objects.answered().filter(
        annotator=OuterRef("pk"), item__campaign_language__campaign=campaign
    )
    people = Annotator.objects.filter(Exists(agreed), Exists(gave), language=language)
    people = people.exclude(kind=Annotator.Kind.SIMULATED).select_related("user")
    # By name, so that the order says nothing about who did how much.
    return sorted((str(one.user) for one in people), key=str.casefold)
