"""Into the loop: a confirmed report brings its case first, then texts like it to its speakers."""

from datetime import datetime

from django.db import transaction

from annotation.actions.reports.table import SYSTEM
from annotation.actions.reports.transitions import transition
from annotation.actions.reports.triage import DEFAULT_PLAN
from annotation.errors import VernacularError
from annotation.methods.texts import digest
from annotation.models import (
    Annotator,
    CampaignLanguage,
    Item,
    Report,
    ReportLink,
    ReportState,
    Sample,
    User,
)
from annotation.objectives import objective, whole
from training.actions.cases import add_case
from training.actions.report_neighbours import neighbours
from training.models import RegressionCase, ReportCase

State, Kind = ReportState, ReportLink.Kind
# At most so much of what a language is asked in a round, beyond its quota.
BOOST = 0.25
# Whatever else waits at the desk comes after it.
FIRST = -1.0
JUDGES = 2


@transaction.atomic
def draft_case(report: Report, *, now: datetime) -> ReportCase | None:
    """Write the case that keeps a mistake from coming back, before anything is done about it.

    What is right is whatever speakers did not find wrong: any label but the one that they voted
    against. What whoever reported would have instead is a hint for people, and no label. Nothing
    without their consent to testing, and nothing where answers are composed, since too many would
    be right; then somebody writes a case of their own.
    """
    held = Report.objects.select_for_update().get(pk=report.pk)
    known = ReportCase.objects.filter(report=held).first()
    if known is not None:
        return known
    newest = held.reproductions.first()
    if not held.consent_test or held.language is None or newest is None or not held.input_text:
        return None
    if not objective(held.campaign.objective).PLAIN:
        return None
    right = [label.key for label in held.campaign.labels.all() if label.key != newest.label]
    case = _case(held, right=right)
    return keep_case(held, case=case, own_words=False, by=None, now=now)


def _case(report: Report, *, right: list[str]) -> RegressionCase:
    try:
        return add_case(
            report.campaign,
            tag=report.language.tag if report.language else "",
            text=report.input_text,
            expected=right,
            source=f"report {report.pk}",
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
    kept, _made = ReportCase.objects.get_or_create(
        report=report, case=case, defaults={"own_words": own_words, "created_by": by}
    )
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
    """Look for texts for this try; return how many a report has to be learned from in all."""
    taken = ReportLink.objects.filter(
        kind__in=(Kind.NEIGHBOUR, Kind.PROBE), report__campaign=report.campaign_id
    )
    others = set(taken.values_list("sample", flat=True))
    wanted = 2 * (report.planned or DEFAULT_PLAN)
    near = [one for one in neighbours(report, most=2 * wanted) if one.pk not in others][:wanted]
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


def ask_neighbours(home: CampaignLanguage) -> int:
    """Put texts like reported ones to the speakers, within the language's boost; return how many."""
    with transaction.atomic():
        CampaignLanguage.objects.select_for_update().get(pk=home.pk)
        waiting = home.items.filter(kind=Item.Kind.REPORT, state__in=Item.OPEN).count()
        room = boost_of(home) - waiting
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
        chosen = list(
            links.filter(sample__in=free)
            .order_by("-report__severity", "at", "pk")
            .select_related("sample")[:room]
        )
        return _queue(home, chosen)


def _queue(home: CampaignLanguage, links: list[ReportLink]) -> int:
    newest = home.items.order_by("-pk").first()
    people = Annotator.objects.filter(language=home.language, active=True).values("user").distinct()
    wanted = max(home.campaign.answers_per_item, min(JUDGES, people.count()), 1)
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
            batch=newest.batch if newest else "",
            wanted=wanted,
        )
        ReportLink.objects.filter(pk=link.pk).update(item=item)
    return len(seen)


def boost_of(home: CampaignLanguage) -> int:
    """Return how many texts like reported ones may wait in a language at once, one at least."""
    languages = max(1, home.campaign.languages.filter(active=True).count())
    return max(1, int(BOOST * home.campaign.items_per_round / languages))


def forget_words(now: datetime) -> int:
    """Take the words of reports that were taken back out of their cases; nobody is asked them again.

    What is left is a digest: the very text stays barred from training, without being kept. A case
    that another report brought too, or that we wrote ourselves, stays.
    """
    gone = ReportCase.objects.filter(report__state=State.WITHDRAWN, own_words=False)
    done = 0
    for row in gone.exclude(case__text="").select_related("case"):
        others = ReportCase.objects.filter(case=row.case).exclude(report__state=State.WITHDRAWN)
        if others.exists() or row.case.gold_id is not None:
            continue
        done += RegressionCase.objects.filter(pk=row.case_id).update(text="", active=False)
    return done
