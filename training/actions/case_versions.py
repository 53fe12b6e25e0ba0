"""Versions of regression cases: what each asks for now, who disputes it, and how that is settled.

Nothing of a case is ever written over: every change is one more version with its reason. A case that
speakers dispute is asked on, decides nothing, and is settled by whoever leads.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from annotation.actions.reports.table import VOTES
from annotation.actions.standings import may_answer
from annotation.errors import ConflictError, InvalidInputError
from annotation.models import Annotator, Guideline, Label, Severity, User
from annotation.objectives import objective
from training.methods import predicates
from training.models import CaseDispute, CaseVersion, RegressionCase, ReportCase

State = CaseVersion.State
LONGEST_REASON = 300
DISPUTED = "Speakers dispute what it asks for."
FLAKY = "It differs over three seeds: two of three have to be right."


@dataclass(frozen=True)
class Terms:
    """What a case asks for now."""

    number: int = 0
    state: str = State.ACTIVE
    predicate: str = predicates.RIGHT
    told: tuple[str, ...] = field(default_factory=tuple)
    severity: int = Severity.MEDIUM
    of_three: bool = False
    guideline_version: int = 0

    @property
    def disputed(self) -> bool:
        """Whether it decides nothing until it is settled."""
        return self.state == State.DISPUTED

    @property
    def grave(self) -> bool:
        """Whether nothing may bring it back."""
        return self.severity >= Severity.HIGH

    @property
    def written(self) -> bool:
        """Whether it is put to a generator, and not to a network that gives labels."""
        return self.predicate in predicates.WRITTEN


def terms_of(cases: Iterable[RegressionCase]) -> dict[int, Terms]:
    """Return by case what it asks for now; as grave as the worst report that brought it."""
    asked = list(cases)
    newest = {
        one.case_id: one for one in CaseVersion.objects.filter(case__in=asked).order_by("number")
    }
    worst = dict(
        ReportCase.objects.filter(case__in=asked)
        .values("case")
        .annotate(worst=Max("report__severity"))
        .values_list("case", "worst")
    )
    found = {one.pk: _terms(one, newest.get(one.pk)) for one in asked}
    return {
        pk: replace(one, severity=max(one.severity, worst.get(pk, 0)))
        if newest.get(pk)
        else replace(one, severity=worst.get(pk, one.severity))
        for pk, one in found.items()
    }


def _terms(case: RegressionCase, held: CaseVersion | None) -> Terms:
    if held is None:
        return Terms(state=State.ACTIVE if case.active else State.RETIRED)
    return Terms(
        held.number,
        held.state if case.active else State.RETIRED,
        held.predicate,
        tuple(held.told),
        held.severity,
        held.of_three,
        held.guideline_version,
    )


def is_right(terms: Terms, *, case: RegressionCase, said: Label, right: Iterable[str]) -> bool:
    """Return whether an answer is what the case asks for; ``right`` are the keys of its right answers."""
    answer = {"label": said.key} | ({} if said.value is None else {"value": said.value})
    parts = objective(case.campaign.objective).keys_in(answer)
    told = set(right) if terms.predicate == predicates.RIGHT else set(terms.told)
    return predicates.labelled(terms.predicate, said=said.key, parts=parts, told=told)


@transaction.atomic
def new_version(  # noqa: PLR0913 - what is asked for, since when, why, and by whom
    case: RegressionCase,
    *,
    now: datetime,
    reason: str = "",
    by: User | None = None,
    state: str | None = None,
    predicate: str | None = None,
    told: Sequence[str] | None = None,
    severity: int | None = None,
    of_three: bool | None = None,
) -> CaseVersion:
    """Write down what a case asks for from now on; what is not named stays as it was."""
    held = RegressionCase.objects.select_for_update().get(pk=case.pk)
    last = terms_of([held])[held.pk]
    asked = predicate or last.predicate
    words = tuple(told) if told is not None else last.told
    _check(held, asked, words)
    home = held.campaign.languages.filter(language=held.language).first()
    newest = Guideline.objects.filter(campaign_language=home).last()
    made = CaseVersion.objects.create(
        case=held,
        number=last.number + 1,
        state=state or last.state,
        predicate=asked,
        told=list(words),
        severity=severity or last.severity,
        of_three=last.of_three if of_three is None else of_three,
        guideline_version=newest.version if newest else 0,
        reason=reason.strip()[:LONGEST_REASON],
        made_by=by,
        made_at=now,
    )
    if asked == predicates.RIGHT and told is not None:
        held.expected.set(Label.everything.filter(campaign=held.campaign_id, key__in=words))
    RegressionCase.objects.filter(pk=held.pk).update(active=made.state != State.RETIRED)
    case.refresh_from_db()
    return made


def _check(case: RegressionCase, predicate: str, told: Sequence[str]) -> None:
    """Raise if nothing could ever be found right, or wrong, by it."""
    if predicate not in CaseVersion.Predicate.values:
        raise InvalidInputError(_("Choose what must hold of an answer."))
    if predicate in predicates.WORDED and not any(one.strip() for one in told):
        raise InvalidInputError(_("Name the words, or the labels, that it is about."))
    if predicate in (predicates.WITHOUT, predicates.SOME):
        known = set(case.campaign.labels.values_list("key", flat=True))
        if strange := sorted(set(told) - known):
            raise InvalidInputError(
                _("There is no label %s.") % strange[0],
                remedy=_("The labels are %s.") % ", ".join(sorted(known)),
            )
    writes = case.campaign.objective in ("ratings", "preferences")
    if predicate in predicates.WRITTEN and not writes:
        raise InvalidInputError(
            _("Nothing is written in this campaign that this could be asked of.")
        )


@transaction.atomic
def dispute(case: RegressionCase, *, user: User, note: str, now: datetime) -> CaseDispute:
    """Keep that a speaker finds what a case asks for not right; from two on it decides nothing."""
    held = RegressionCase.objects.select_for_update().get(pk=case.pk)
    if not may_dispute(held, user):
        raise ConflictError(_("Speakers of the language say so, of a case that is asked."))
    if not note.strip():
        raise InvalidInputError(_("Say why."))
    terms, number = terms_of([held])[held.pk], asked_since(held)
    told = CaseDispute.objects.update_or_create(
        case=held,
        user=user,
        number=number,
        defaults={"note": note.strip()[:LONGEST_REASON], "at": now},
    )[0]
    voices = held.disputes.filter(number=number).count()
    if voices >= VOTES and not terms.disputed:
        new_version(held, now=now, state=State.DISPUTED, reason=DISPUTED)
    case.refresh_from_db()
    return told


def asked_since(case: RegressionCase) -> int:
    """Return the version since which it asks for what it asks for: what a machine noted changes nothing."""
    people = case.versions.filter(state=State.ACTIVE).exclude(reason=FLAKY).order_by("number")
    last = people.last()
    return last.number if last else 0


def may_dispute(case: RegressionCase, user: User) -> bool:
    """Whether somebody is a qualified speaker of the case's language; what is retired is past."""
    mine = Annotator.objects.filter(
        user=user, language=case.language_id, active=True, user__is_active=True
    ).first()
    return bool(case.active and case.text and mine and may_answer(mine, case.campaign))


def settle(  # noqa: PLR0913 - what is decided, of which case, why, when, and by whom
    case: RegressionCase,
    *,
    by: User,
    now: datetime,
    reason: str,
    retire: bool = False,
    predicate: str | None = None,
    told: Sequence[str] | None = None,
    severity: int | None = None,
) -> CaseVersion:
    """Decide about a case: that it stands, asks for something else, or is asked no more."""
    if not reason.strip():
        raise InvalidInputError(_("Say why."))
    return new_version(
        case,
        now=now,
        by=by,
        reason=reason,
        state=State.RETIRED if retire else State.ACTIVE,
        predicate=predicate,
        told=told,
        severity=severity,
    )
