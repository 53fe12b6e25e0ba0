"""Into the loop: a confirmed report brings its case first, then texts like it to its speakers."""

from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.actions.reports.planning import answers_each, texts_left
from annotation.actions.reports.table import SYSTEM
from annotation.actions.reports.transitions import transition
from annotation.actions.reports.triage import DEFAULT_PLAN
from annotation.errors import ConflictError, VernacularError
from annotation.methods.texts import digest
from annotation.models import (
    CampaignLanguage,
    Item,
    Report,
    ReportLink,
    ReportPlan,
    ReportState,
    Sample,
    User,
)
from annotation.objectives import objective, whole
from learning.actions.gold import gold_beside
from learning.actions.report_boost import room_of
from learning.actions.served_writing import source_of, writes
from training.actions.case_versions import new_version
from training.actions.cases import add_case, add_written_case
from training.actions.report_neighbours import neighbours
from training.methods import predicates
from training.models import (
    CaseDispute,
    CaseVersion,
    RegressionCase,
    ReportCase,
    WritingCheck,
    WrittenAnswer,
)

State, Kind = ReportState, ReportLink.Kind
TAKEN_BACK = "Taken back with the report that brought it."
ERASED = "Its words were erased by hand."
# Whatever else waits at the desk comes after it.
FIRST = -1.0
# What these reasons ask of a text that is written, without anybody's grade.
NAMED = {"language": predicates.LANGUAGE, "refuses": predicates.ANSWERS}


@transaction.atomic
def draft_case(report: Report, *, now: datetime) -> ReportCase | None:
    """Write the case that keeps a mistake from coming back, before anything is done about it.

    What is right is whatever speakers did not find wrong: any label but the one that they voted
    against; of a text that was written, the reason that was given says what is asked for. What whoever reported would have instead is a hint for people, and no label. Nothing
    without their consent to testing, and nothing where answers are composed, since too many would
    be right; then somebody writes a case of their own.
    """
    held = Report.objects.select_for_update(no_key=True).get(pk=report.pk)
    known = ReportCase.objects.filter(report=held).first()
    if known is not None:
        return known
    newest = held.reproductions.first()
    if not held.consent_test or held.language is None or newest is None or not held.input_text:
        return None
    if writes(held.campaign):
        case = _written_case(held, wrong=newest.said)
        return keep_case(held, case=case, own_words=False, by=None, now=now)
    if not objective(held.campaign.objective).PLAIN:
        return None
    right = [label.key for label in held.campaign.labels.all() if label.key != newest.label]
    case = _case(held, right=right)
    return keep_case(held, case=case, own_words=False, by=None, now=now)


def _written_case(report: Report, *, wrong: str) -> RegressionCase:
    """Make the case of a text that was written: in its language, an answer at all, or rated well.

    The very words that were found wrong are wrong for good, whoever writes them.
    """
    predicate = next((NAMED[one] for one in report.reasons if one in NAMED), predicates.PEOPLE)
    told = [wrong] if predicate == predicates.PEOPLE and wrong.strip() else []
    return add_written_case(
        report.campaign,
        tag=report.language.tag if report.language else "",
        text=source_of(report),
        predicate=predicate,
        told=told,
        source=f"report {report.pk}",
        severity=report.severity,
    )


def _case(report: Report, *, right: list[str]) -> RegressionCase:
    try:
        return add_case(
            report.campaign,
            tag=report.language.tag if report.language else "",
            text=report.input_text,
            expected=right,
            source=f"report {report.pk}",
            severity=report.severity,
        )
    except VernacularError:
        text = whole(report.campaign.objective, told=report.input_text)
        same = RegressionCase.objects.filter(
            campaign=report.campaign, language=report.language, digest=digest(text)
        )
        found = same.first()
        if found is None:
            raise
        return found


def keep_case(
    report: Report, *, case: RegressionCase, own_words: bool, by: User | None, now: datetime
) -> ReportCase:
    """Let a case stand for a report; without consent only one in words of our own."""
    kept = ReportCase.objects.get_or_create(
        report=report, case=case, defaults={"own_words": own_words, "created_by": by}
    )[0]
    ReportLink.objects.get_or_create(
        report=report, kind=Kind.CASE, ref=str(case.pk), defaults={"at": now}
    )
    return kept


@transaction.atomic
def start_collecting(report: Report, *, now: datetime) -> Report:
    """Draft the case, then look for texts like the reported one; half are kept for the proof.

    Every other of the likest is asked of speakers; those between are left unseen, as far as no
    round takes them, so that a fix can be shown on texts that nobody learned.
    """
    draft_case(report, now=now)
    known = find_more(report, now=now)
    if not known:
        return report
    transition(
        report, to=State.COLLECTING, actor=SYSTEM, now=now, planned=min(report.planned, known)
    )
    return report


def find_more(report: Report, *, now: datetime) -> int:
    """Look for texts for this try; return how many a report has to be learned from in all.

    Where the budget is used up nothing is looked for, which costs a comparison with the whole pool.
    """
    home = report.campaign.languages.filter(language=report.language).first()
    left = texts_left(report, home=home) if home else None
    most = report.planned or DEFAULT_PLAN
    wanted = 2 * (most if left is None else min(most, left))
    near = _untaken(report, most=wanted) if wanted else []
    with transaction.atomic():
        # First the report, then what points at it, as everybody does who holds it.
        Report.objects.select_for_update(no_key=True).get(pk=report.pk)
        ReportLink.objects.bulk_create(
            [
                ReportLink(report=report, kind=kind, sample=one, attempt=report.attempts, at=now)
                for kind, some in ((Kind.NEIGHBOUR, near[0::2]), (Kind.PROBE, near[1::2]))
                for one in some
            ],
            ignore_conflicts=True,
        )
        known = report.links.filter(kind=Kind.NEIGHBOUR).count()
        if report.state == State.COLLECTING and known:
            Report.objects.filter(pk=report.pk).update(planned=known)
    return known


def _untaken(report: Report, *, most: int) -> list[Sample]:
    """Return the likest texts that no report of the campaign has taken."""
    taken = ReportLink.objects.filter(
        kind__in=(Kind.NEIGHBOUR, Kind.PROBE), report__campaign=report.campaign_id
    )
    others = set(taken.values_list("sample", flat=True))
    return [one for one in neighbours(report, most=2 * most) if one.pk not in others][:most]


def ask_neighbours(home: CampaignLanguage) -> int:
    """Put texts like reported ones to the speakers, within the language's boost; return how many."""
    with transaction.atomic():
        CampaignLanguage.objects.select_for_update().get(pk=home.pk)
        room = room_of(home)
        if room <= 0:
            return 0
        links = ReportLink.objects.filter(
            kind=Kind.NEIGHBOUR,
            item=None,
            report__state=State.COLLECTING,
            report__campaign=home.campaign,
            report__language=home.language,
        )
        free = Sample.objects.unasked().filter(pk__in=links.values("sample"))
        links = links.filter(sample__in=free).order_by("-report__severity", "at", "pk")
        chosen = _paid(list(links.select_related("sample", "report__plan")), home=home)[:room]
        return _queue(home, chosen)


def _paid(links: list[ReportLink], *, home: CampaignLanguage) -> list[ReportLink]:
    """Return the texts that the budgets of their reports pay for, in their order."""
    left: dict[int, int | None] = {}
    found = []
    for link in links:
        pk = link.report_id
        there = left.setdefault(pk, texts_left(link.report, home=home))
        if there is None or there > 0:
            left[pk] = None if there is None else there - 1
            found.append(link)
    return found


def _queue(home: CampaignLanguage, links: list[ReportLink]) -> int:
    newest = home.items.order_by("-pk").first()
    batch = newest.batch if newest else ""
    wanted = answers_each(home)
    seen: set[int] = set()
    for link in links:
        if link.sample is None or link.sample.pk in seen:
            continue
        seen.add(link.sample.pk)
        item = Item.objects.create(
            campaign_language=home,
            sample=link.sample,
            kind=Item.Kind.REPORT,
            priority=FIRST,
            batch=batch,
            wanted=wanted,
        )
        ReportLink.objects.filter(pk=link.pk).update(item=item)
    for report in {link.report for link in links}:
        _queue_gold(home, report, batch=batch, wanted=wanted)
    return len(seen)


def _queue_gold(home: CampaignLanguage, report: Report, *, batch: str, wanted: int) -> None:
    """Put as much gold beside a report's texts as its plan says: it tells who answers with care."""
    plan = ReportPlan.objects.filter(report=report).first()
    if plan is None or not plan.gold_percent:
        return
    asked = report.links.filter(item__isnull=False)
    beside = asked.filter(kind=Kind.NEIGHBOUR).count()
    known = set(asked.filter(kind=Kind.GOLD).values_list("sample", flat=True))
    due = plan.gold_percent * beside // 100 - len(known)
    # What went out beside this report in an earlier try does not go out beside it again.
    for pk in gold_beside(home, wished=due, seed=report.pk, without=known):
        item = Item.objects.create(
            campaign_language=home,
            sample_id=pk,
            kind=Item.Kind.GOLD,
            priority=FIRST,
            batch=batch,
            wanted=wanted,
        )
        ReportLink.objects.update_or_create(
            report=report,
            kind=Kind.GOLD,
            sample_id=pk,
            defaults={"item": item, "attempt": report.attempts, "at": timezone.now()},
        )


def forget_words(now: datetime) -> int:
    """Take the words of reports that were taken back out of their cases; nobody is asked them again.

    What is left is a digest: the very text stays barred from training, without being kept. A case
    that another report brought too, or that we wrote ourselves, stays.
    """
    gone = ReportCase.objects.filter(report__state=State.WITHDRAWN, own_words=False)
    done = _forget_leavings(gone)
    for row in gone.exclude(case__text="").select_related("case"):
        others = ReportCase.objects.filter(case=row.case).exclude(report__state=State.WITHDRAWN)
        if others.exists() or row.case.gold_id is not None:
            continue
        erase_words(row.case, now=now)
        done += 1
    return done


def _forget_leavings(gone: "QuerySet[ReportCase]") -> int:
    """Take words away that older releases left around cases whose own words are gone."""
    blank = RegressionCase.objects.filter(pk__in=gone.values("case"), text="")
    left = (
        Q(pk__in=WrittenAnswer.objects.exclude(texts=[]).values("case"))
        | Q(pk__in=CaseDispute.objects.exclude(note=TAKEN_BACK).values("case"))
        | Q(pk__in=_worded().values("case"))
        | Q(reports__report__in=_checks_with_words().values("report"))
    )
    cases = list(blank.filter(left).distinct())
    for case in cases:
        _erase_around(case)
    return len(cases)


def _worded() -> "QuerySet[CaseVersion]":
    return CaseVersion.objects.filter(predicate__in=predicates.WRITTEN).exclude(told=[])


def _checks_with_words() -> "QuerySet[WritingCheck]":
    """Return checks that still say what was written for a case: now its words stand there alone."""
    rows = WritingCheck.objects.filter(report__state=State.WITHDRAWN).exclude(cases=[])
    found = [pk for pk, told in rows.values_list("pk", "cases") if any(said for _, said, _ in told)]
    return WritingCheck.objects.filter(pk__in=found)


@transaction.atomic
def erase_case(report: Report, *, case: RegressionCase, user: User, now: datetime) -> None:
    """Erase the words of a case that a report brought, as somebody found a name in them; for good.

    A mask leaves cases alone: another text is another question. Safe to call twice.
    """
    held = RegressionCase.objects.select_for_update().get(pk=case.pk)
    if report.user_id == user.pk:
        raise ConflictError(_("This report is yours: somebody else decides it."))
    if held.gold_id is not None:
        raise ConflictError(_("It is gold: its words stay."))
    if held.text:
        erase_words(held, now=now, reason=ERASED, by=user)


@transaction.atomic
def erase_words(
    case: RegressionCase, *, now: datetime, reason: str = TAKEN_BACK, by: User | None = None
) -> None:
    """Take words out of a case, all its versions, and what was written and said of it; it is asked no more."""
    _erase_around(case)
    last = case.versions.last()
    if last is not None and last.predicate not in predicates.WORDED:
        new_version(case, now=now, by=by, state=CaseVersion.State.RETIRED, reason=reason)
    RegressionCase.objects.filter(pk=case.pk).update(text="", active=False)


def _erase_around(case: RegressionCase) -> None:
    """Take words away that were written and said of a case."""
    _worded().filter(case=case).update(told=[])
    WrittenAnswer.objects.filter(case=case).update(texts=[], languages=[])
    CaseDispute.objects.filter(case=case).update(note=TAKEN_BACK)
    for check in WritingCheck.objects.filter(report__cases__case=case).distinct():
        kept = [[pk, "" if pk == case.pk else said, right] for pk, said, right in check.cases]
        WritingCheck.objects.filter(pk=check.pk).update(cases=kept)
