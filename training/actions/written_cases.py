"""Regression cases of what writes: put to every generator, held to words, to the language, or to people.

Each is asked three times: once as visitors are answered, and twice drawn, with seeds of their own. A
case that differs over these has to be right two times of three from then on. What has to be rated is
rated by speakers, who do not know which generator wrote it; until they have, nothing is known.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from annotation.actions.reports.tongues import language_like
from annotation.actions.standings import may_answer
from annotation.errors import ConflictError, InvalidInputError
from annotation.methods.grams import Grams
from annotation.methods.texts import normalise, parts_of
from annotation.models import Annotator, Campaign, Language, Report, Severity, User
from learning.actions.generators import JUDGING, serving_generator
from learning.actions.served_writing import write_with
from learning.models import GeneratorVersion
from training.actions.case_versions import FLAKY, Terms, new_version, terms_of
from training.actions.gold_marks import ALIKE
from training.methods import predicates
from training.methods.findings import Case, Finding, cases_finding
from training.models import (
    BlindComparison,
    CaseVersion,
    GeneratorLesson,
    RegressionCase,
    WrittenAnswer,
    WrittenGrade,
)


@dataclass(frozen=True)
class Asked:
    """A case, what it asks for, what a generator wrote, and whether that is right (None: not known)."""

    case: RegressionCase
    terms: Terms
    answer: WrittenAnswer
    right: bool | None


def written_cases(campaign: Campaign) -> list[tuple[RegressionCase, Terms]]:
    """Return the active cases that are put to generators, in the campaign's languages."""
    if campaign.objective not in JUDGING:
        return []
    homes = campaign.languages.filter(active=True).values("language")
    rows = RegressionCase.objects.filter(campaign=campaign, active=True, language__in=homes)
    cases = list(rows.exclude(text="").select_related("language", "campaign").order_by("pk"))
    terms = terms_of(cases)
    return [(one, terms[one.pk]) for one in cases if terms[one.pk].written]


def put_cases(version: GeneratorVersion, *, now: datetime) -> int:
    """Have a generator write for every case that it has not written for; return how many."""
    known = set(WrittenAnswer.objects.filter(version=version).values_list("case", flat=True))
    new = [(one, terms) for one, terms in written_cases(version.campaign) if one.pk not in known]
    if not new:
        return 0
    learned = _learned([one for one, _ in new], version=version)
    texts = _tries(version, [one for one, _ in new])
    for (case, _terms), written in zip(new, texts, strict=True):
        tags = [language_like(version.campaign, text) for text in written]
        WrittenAnswer.objects.get_or_create(
            case=case,
            version=version,
            defaults={
                "texts": written,
                "languages": tags,
                "learned": case.pk in learned,
                "at": now,
            },
        )
    for one in asked_of(version):
        _note_flaky(one, now=now)
    return len(new)


def _tries(version: GeneratorVersion, cases: Sequence[RegressionCase]) -> list[list[str]]:
    """Return what is written for each case: as visitors are answered, then drawn."""
    sources, tags = [one.text for one in cases], [one.language.tag for one in cases]
    seeds = (None, *range(1, predicates.TRIES))
    rows = [write_with(version, sources=sources, languages=tags, seed=seed) for seed in seeds]
    return [[told.text for told in tries] for tries in zip(*rows, strict=True)]


def _learned(cases: Sequence[RegressionCase], *, version: GeneratorVersion) -> set[int]:
    """Return the cases whose text, or nearly the same, the generator or what it came from learned."""
    lessons = GeneratorLesson.objects.filter(version__in=chain_of(version)).order_by()
    texts = lessons.values_list("annotation__item__sample__text", flat=True).distinct()
    parts = {part for text in texts.iterator(chunk_size=2000) for part in parts_of(text)}
    same, near = {normalise(part) for part in parts}, Grams(sorted(parts))
    return {
        one.pk
        for one in cases
        if normalise(one.text) in same or near.like(one.text, threshold=ALIKE)
    }


def chain_of(version: GeneratorVersion) -> list[int]:
    """Return the ids of a generator and of all that it came from."""
    bases = dict(
        GeneratorVersion.objects.filter(campaign=version.campaign_id).values_list("pk", "base_id")
    )
    chain: list[int] = []
    at: int | None = version.pk
    while at is not None and at not in chain:
        chain.append(at)
        at = bases.get(at)
    return chain


def asked_of(version: GeneratorVersion, *, cases: Iterable[int] | None = None) -> list[Asked]:
    """Return what a generator wrote for the active cases, and whether it is right as far as is known."""
    rows = {one.case_id: one for one in WrittenAnswer.objects.filter(version=version)}
    wanted = None if cases is None else set(cases)
    return [
        Asked(case, terms, rows[case.pk], _right(case, terms, rows[case.pk]))
        for case, terms in written_cases(version.campaign)
        if case.pk in rows and (wanted is None or case.pk in wanted)
    ]


def digest_of(text: str) -> str:
    """Return what tells words apart that are to be rated."""
    return hashlib.sha256(normalise(text).encode("utf-8", "surrogatepass")).hexdigest()


def _right(case: RegressionCase, terms: Terms, answer: WrittenAnswer) -> bool | None:
    return predicates.over_tries(_outcomes(case, terms, answer), of_three=terms.of_three)


def _outcomes(case: RegressionCase, terms: Terms, answer: WrittenAnswer) -> list[bool | None]:
    grades: dict[str, list[int]] = {}
    for digest, grade in case.grades.values_list("digest", "grade"):
        grades.setdefault(digest, []).append(grade)
    return [
        predicates.written(
            terms.predicate,
            seen=predicates.Seen(text, language, tuple(grades.get(digest_of(text), ()))),
            told=terms.told,
            language=case.language.tag,
        )
        for text, language in zip(answer.texts, answer.languages, strict=True)
    ]


def _note_flaky(one: Asked, *, now: datetime) -> None:
    """Hold a case that differs over seeds to two of three from now on; it stays, and says why."""
    found = _outcomes(one.case, one.terms, one.answer)
    if not one.terms.of_three and True in found and False in found:
        new_version(one.case, now=now, of_three=True, reason=FLAKY)


@dataclass(frozen=True)
class Held:
    """How a candidate fares on the cases against what serves; ``open_`` wait for it, or for people."""

    finding: Finding
    broken: tuple[Asked, ...]
    open_: int


def held_to_cases(candidate: GeneratorVersion, *, champion: GeneratorVersion) -> Held:
    """Compare two generators on every active case, as a gate does with networks that give labels."""
    before = {one.case.pk: one for one in asked_of(champion)}
    after = {one.case.pk: one for one in asked_of(candidate)}
    told: list[Case] = []
    broken: list[Asked] = []
    open_ = 0
    for case, terms in written_cases(candidate.campaign):
        old, new = before.get(case.pk), after.get(case.pk)
        unknown = old is None or new is None or None in (old.right, new.right)
        if unknown or old is None or new is None:
            open_ += not terms.disputed
            continue
        one = Case(
            case.language.tag,
            case.text,
            bool(old.right),
            bool(new.right),
            new.answer.learned,
            terms.grave,
            terms.disputed,
        )
        told.append(one)
        if one.broken:
            broken.append(new)
    return Held(cases_finding(told), tuple(broken), open_)


def refuse_broken_cases(candidate: GeneratorVersion, *, champion: GeneratorVersion) -> None:
    """Raise if a candidate may not serve for what it makes of the cases, or if that is not known yet."""
    held = held_to_cases(candidate, champion=champion)
    if not held.finding.holds:
        raise ConflictError(
            f"{candidate} may not serve: {held.finding.sentence}",
            remedy="Teach it anew, or settle the case if what it asks for is not right.",
        )
    if held.open_:
        raise ConflictError(
            f"{held.open_} regression cases of {candidate} wait for the generator or for speakers.",
            remedy="A worker has it write within minutes; speakers rate on their page.",
        )


def due_versions() -> list[GeneratorVersion]:
    """Return the generators that cases are to be put to: what serves, and what people compare."""
    found: list[GeneratorVersion] = []
    with_cases = CaseVersion.objects.filter(
        predicate__in=predicates.WRITTEN, case__active=True
    ).values("case__campaign")
    for campaign in Campaign.objects.filter(pk__in=with_cases, objective__in=JUDGING):
        serving = serving_generator(campaign)
        if serving is None:
            continue
        running = BlindComparison.objects.filter(home=campaign, champion=serving)
        candidates = GeneratorVersion.objects.filter(pk__in=running.values("candidate"))
        for one in [serving, *candidates.select_related("campaign").exclude(pk=serving.pk)]:
            known = set(WrittenAnswer.objects.filter(version=one).values_list("case", flat=True))
            if any(case.pk not in known for case, _ in written_cases(campaign)):
                found.append(one)
    return found


def to_rate(
    campaign: Campaign, *, language: Language, user: User
) -> list[tuple[RegressionCase, str]]:
    """Return what was written for cases and waits for somebody's grade: the case, and the words."""
    me = Annotator.objects.filter(user=user, language=language, active=True).first()
    if me is None or not may_answer(me, campaign):
        return []
    found: dict[tuple[int, str], tuple[RegressionCase, str]] = {}
    for case, _terms in written_cases(campaign):
        reports = Report.objects.filter(cases__case=case)
        if case.language_id != language.pk or any(one.user_id == user.pk for one in reports):
            continue
        rated = WrittenGrade.objects.filter(case=case)
        for answer in WrittenAnswer.objects.filter(case=case).order_by("pk"):
            text = answer.texts[0]
            digest = digest_of(text)
            many = rated.filter(digest=digest)
            open_ = _right(case, terms_of([case])[case.pk], answer) is None
            if open_ and many.count() < predicates.RATERS and not many.filter(user=user).exists():
                found.setdefault((case.pk, digest), (case, text))
    return list(found.values())


@transaction.atomic
def rate(case: RegressionCase, *, text: str, user: User, grade: int, now: datetime) -> WrittenGrade:
    """Keep how good a speaker finds what was written for a case; a later word takes the earlier's place."""
    if not 1 <= grade <= 5:
        raise InvalidInputError("Choose from 1 to 5.")
    digest = digest_of(text)
    there = WrittenAnswer.objects.filter(case=case)
    if not any(digest in map(digest_of, one.texts) for one in there):
        raise InvalidInputError("Nobody wrote that for this case.")
    reports = Report.objects.filter(cases__case=case)
    me = Annotator.objects.filter(user=user, language=case.language_id, active=True).first()
    if (
        me is None
        or not may_answer(me, case.campaign)
        or any(o.user_id == user.pk for o in reports)
    ):
        raise ConflictError("Speakers of the language rate, and not of a report of their own.")
    return WrittenGrade.objects.update_or_create(
        case=case, digest=digest, user=user, defaults={"grade": grade, "at": now}
    )[0]


def written_cases_of(version: GeneratorVersion) -> dict[str, Any]:
    """Return how a generator fares on the cases, and each that got worse, for its card; none of their words."""
    asked = asked_of(version)
    against = BlindComparison.objects.filter(candidate=version).select_related("champion__campaign")
    last = against.order_by("pk").last()
    broken = held_to_cases(version, champion=last.champion).broken if last else ()
    return {
        "asked": len(asked),
        "right": sum(one.right is True for one in asked),
        "disputed": sum(one.terms.disputed for one in asked),
        "learned": sum(one.answer.learned for one in asked),
        "worse": [
            {
                "case": one.case.pk,
                "language": one.case.language.tag,
                "severity": Severity(one.terms.severity).name.lower(),
                "severity_words": str(Severity(one.terms.severity).label),
            }
            for one in broken
        ],
    }
