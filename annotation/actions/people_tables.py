"""Who answers in a campaign, as rows: for its page and for a spreadsheet."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from django.db.models import Count as Tally
from django.db.models import (
    Exists,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
)
from django.utils import timezone

from annotation.actions.agreement import known_agreement
from annotation.actions.kept_numbers import MANY_ROWS, Count, kept_for
from annotation.methods.agreement import Agreement
from annotation.methods.charts import Estimate
from annotation.models import (
    Annotation,
    Annotator,
    Campaign,
    Consent,
    Invitation,
    Language,
    Reliability,
)

Row = list[Any]
GIVEN = "given"
# Rows that are fetched at once where thousands go into a file.
CHUNK = 500

PEOPLE = (
    *("user", "name", "language", "active", "consent", "dialect", "script", "answers"),
    *("gold_answers", "skill", "skill_low", "skill_high", "kind", "at_the_desk"),
)
INVITATIONS = ("name", "languages", "role", "created_by", "created", "expires", "opened", "revoked")
AGREEMENT = (
    *("language", "part", "answered_by_two", "skipped", "alpha", "alpha_low", "alpha_high"),
    *("ac1", "ac1_low", "ac1_high", "same_answer", "same_low", "same_high"),
)


def annotators_in(
    campaign: Campaign, *, languages: Collection[Language], wanted: str = ""
) -> "QuerySet[Annotator]":
    """Return who answers in these languages, whom a word finds, with their reliability."""
    reliabilities = Reliability.objects.filter(campaign=campaign)
    people = (
        Annotator.objects.filter(language__campaigns__campaign=campaign, language__in=languages)
        .select_related("user", "language")
        .prefetch_related(Prefetch("reliabilities", queryset=reliabilities, to_attr="here"))
        .annotate(agreed=Exists(Consent.objects.training().filter(user=OuterRef("user"))))
        .order_by("language__tag", "user__username")
    )
    for word in wanted.split():
        people = people.filter(
            Q(user__name__icontains=word)
            | Q(user__username__icontains=word)
            | Q(language__name__icontains=word)
            | Q(language__autonym__icontains=word)
            | Q(language__tag__iexact=word)
        )
    return people


def given_by(people: Collection[Annotator], *, campaign: Campaign) -> dict[int, int]:
    """How many answers these people gave; of a large campaign as it is kept."""
    kept = kept_for(campaign, name=GIVEN)
    if kept is not None:
        return dict(kept.value)
    answered = Annotation.objects.answered().filter(item__campaign_language__campaign=campaign)
    mine = answered.filter(annotator__in=people).order_by().values_list("annotator")
    return dict(mine.annotate(Tally("pk")))


def count_given(campaigns: Sequence[Campaign]) -> dict[int, Count]:
    """Count the answers of each person, for :func:`given_by`; ``value`` has a row each."""
    rows: dict[int, list[list[int]]] = {campaign.pk: [] for campaign in campaigns}
    found = (
        Annotation.objects.answered()
        .filter(item__campaign_language__campaign__in=campaigns)
        .order_by()
        .values_list("item__campaign_language__campaign", "annotator")
        .annotate(Tally("pk"))
    )
    for campaign, annotator, given in found:
        rows[campaign].append([annotator, given])
    return {
        pk: Count(mine, sum(given for _, given in mine) >= MANY_ROWS) for pk, mine in rows.items()
    }


def people_rows(campaign: Campaign, *, languages: Collection[Language]) -> Iterator[Row]:
    """Yield everybody who answers, as the page shows them."""
    everybody = annotators_in(campaign, languages=languages)
    given = given_by(everybody.order_by(), campaign=campaign)
    found: Iterator[Any] = everybody.iterator(chunk_size=CHUNK)
    for person in found:
        known = person.here[0] if person.here else None
        yield [
            *(person.user.username, person.user.name, person.language.tag, person.active),
            *(person.agreed, person.dialect, person.script, given.get(person.pk, 0)),
            known.gold_answers if known else 0,
            *((known.skill, known.skill_low, known.skill_high) if known else (None,) * 3),
            *(person.kind, person.user.desk_user_id is not None),
        ]


def invitation_rows(campaign: Campaign, *, languages: Collection[Language]) -> Iterator[Row]:
    """Yield the invitations to these languages and no other; a link itself is kept nowhere."""
    own = {language.pk for language in languages}
    for row in invitations_in(campaign).iterator(chunk_size=CHUNK):
        asked = list(row.languages.all())
        if own.issuperset(language.pk for language in asked):
            yield [
                *(row.name, " ".join(language.tag for language in asked), row.role),
                row.created_by.username if row.created_by else "",
                *map(_moment, (row.created_at, row.expires_at, row.last_used_at, row.revoked_at)),
            ]


def invitations_in(campaign: Campaign) -> "QuerySet[Invitation]":
    """Return the invitations to a campaign with whom they ask, and for what."""
    rows = campaign.invitations.select_related("user", "created_by")
    return rows.prefetch_related("languages")


def agreement_rows(campaign: Campaign, *, languages: Collection[Language]) -> Iterator[Row]:
    """Yield how far people agree in each language, under each guideline and in each week."""
    homes = campaign.languages.select_related("language").filter(language__in=languages)
    for group in known_agreement(campaign, homes=homes, now=timezone.now()).groups:
        parts: list[tuple[str, Agreement, int | None]] = [("", group.found, group.skipped)]
        parts += [(f"guideline {part.name}", part.found, None) for part in group.guidelines]
        parts += [(part.name, part.found, None) for part in group.weeks]
        for name, found, skipped in parts:
            ends = [_ends(one) for one in (found.alpha, found.ac1, found.raw)]
            shown = [end for three in ends for end in three] if found.enough else [None] * 9
            yield [group.language.tag, name, found.double, skipped, *shown]


def _ends(found: Estimate) -> tuple[float | None, ...]:
    return found.value, found.low, found.high


def _moment(at: Any) -> str:
    return at.isoformat() if at else ""
