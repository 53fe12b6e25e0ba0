"""What a campaign needs from people, and what happened in it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation.models import Campaign, Consensus, Item, Objection, SampleImport
from learning.actions.round_words import note_of
from learning.actions.serving import serving_version
from learning.models import Round
from training.actions.lineage import tainted
from training.actions.parity import ParityRow
from training.actions.standings import LanguageRow
from training.actions.waivers import serves_by_waiver
from training.models import GateRun, Verdict

GOLD_ENOUGH = 30


@dataclass(frozen=True)
class Need:
    """Something only a person can do, and the page where to do it."""

    sentence: str
    page: str
    arguments: tuple[str | int, ...]


@dataclass(frozen=True)
class Event:
    """Something that happened."""

    at: datetime
    sentence: str


def needs_of(
    campaign: Campaign, *, languages: Sequence[LanguageRow], rounds: Sequence[Round]
) -> list[Need]:
    """What only people can do now, the most pressing first."""
    needs = [
        *_desk_needs(languages),
        *_import_needs(campaign, languages),
        *_language_needs(campaign, languages),
    ]
    needs = [*_withdrawal_needs(campaign), *needs, *_dispute_needs(campaign)]
    last = rounds[0] if rounds else None
    if last and last.status == Round.Status.FAILED:
        sentence = _("Round %(number)d failed: %(why)s") % {
            "number": last.number,
            "why": note_of(last.note),
        }
        needs.insert(0, Need(sentence, "round_detail", (campaign.slug, last.number)))
    judged = next((r for r in rounds if _gate(r)), None)
    gate = _gate(judged) if judged else None
    if gate and gate.verdict in (Verdict.HOLD, Verdict.VOID):
        sentence = {
            Verdict.HOLD: _("The last gate held: more gold items would let it decide."),
            Verdict.VOID: _("The last gate was void: see what it could not compare."),
        }[Verdict(gate.verdict)]
        needs.append(Need(sentence, "gate_detail", (campaign.slug, gate.run_id)))
    needs += _waiver_needs(campaign)
    if campaign.status == Campaign.Status.DRAFT and not needs:
        sentence = _("Everything is ready: start the campaign.")
        needs.append(Need(sentence, "campaign_detail", (campaign.slug,)))
    return needs


def alarms_of(campaign: Campaign, *, rows: Sequence[ParityRow]) -> list[Need]:
    """Where a language falls behind, in what the model says or in how reports of it are served."""
    needs = []
    if behind := [row for row in rows if row.behind]:
        said = ngettext(
            "%(names)s is falling behind the other languages: look at what it lacks.",
            "%(names)s are falling behind the other languages: look at what they lack.",
            len(behind),
        )
        here = (campaign.slug, behind[0].language.tag)
        needs.append(Need(said % {"names": _names(behind)}, "language_page", here))
    if slow := [row for row in rows if row.service.slow]:
        said = _("Reports in %s wait much longer than elsewhere: decide them.")
        needs.append(Need(said % _names(slow), "reports_overview", (campaign.slug,)))
    if urgent := sum(row.service.urgent for row in rows):
        said = ngettext("%d urgent report is open.", "%d urgent reports are open.", urgent)
        needs.append(Need(said % urgent, "reports_overview", (campaign.slug,)))
    return needs


def _dispute_needs(campaign: Campaign) -> Iterable[Need]:
    """Texts that wait for a coordinator: people differ on them, or say that they are unfit."""
    waiting = Item.objects.open().filter(campaign_language__campaign=campaign).values("sample")
    disputed = Consensus.objects.filter(
        disputed=True, sample__campaign=campaign, sample__withdrawn_at=None
    ).exclude(sample__in=waiting)
    objections = Objection.objects.filter(sample__campaign=campaign, state=Objection.State.OPEN)
    count, tag = (0, "") if campaign.subjective else _most(disputed)
    if count:
        said = ngettext(
            "%d text waits for somebody to decide what it says.",
            "%d texts wait for somebody to decide what they say.",
            count,
        )
        yield Need(said % count, "language_desk", (campaign.slug, tag))
    count, tag = _most(objections)
    if count:
        said = ngettext(
            "%d text was called unfit and waits for a decision.",
            "%d texts were called unfit and wait for a decision.",
            count,
        )
        yield Need(said % count, "language_desk", (campaign.slug, tag))


def _most(rows: "QuerySet[Consensus] | QuerySet[Objection]") -> tuple[int, str]:
    """Return how many texts there are, and the language that has the most of them."""
    counts = rows.order_by().values_list("sample__language__tag").annotate(Count("pk"))
    found = sorted(counts, key=lambda pair: (-pair[1], pair[0]))
    return sum(count for _tag, count in found), found[0][0] if found else ""


def _waiver_needs(campaign: Campaign) -> Iterable[Need]:
    """What serves by a waiver that has run out: somebody must decide anew."""
    waiver = serves_by_waiver(campaign)
    if waiver and (waiver.revoked_at or waiver.expires_at <= timezone.now()):
        sentence = _("What serves rests on the waiver of %s, which holds no longer.")
        arguments = (campaign.slug, waiver.gate.run_id)
        yield Need(sentence % waiver.name, "gate_detail", arguments)


def _withdrawal_needs(campaign: Campaign) -> Iterable[Need]:
    """What serves and should not: a version that learned from answers taken back since."""
    flagged = tainted(campaign)
    serving = serving_version(campaign) if flagged else None
    if serving is not None and serving.pk in flagged:
        sentence = _("Version %d serves and learned from answers that were taken back since.")
        page = (campaign.slug, serving.number)
        yield Need(sentence % serving.number, "version_detail", page)


def _desk_needs(languages: Sequence[LanguageRow]) -> Iterable[Need]:
    """What the desk fails at, said once for all the languages in which it fails alike."""
    failing: dict[tuple[str, bool], list[LanguageRow]] = {}
    for row in languages:
        if row.home.desk_error and row.home.active:
            has_project = row.home.desk_project_id is not None
            failing.setdefault((row.home.desk_error, has_project), []).append(row)
    for (error, has_project), rows in failing.items():
        values = {"names": _names(rows), "error": error}
        sentence = (
            _("The desk fails in %(names)s: %(error)s What was answered is safe there.")
            if has_project
            else _("No project could be made at the desk for %(names)s: %(error)s")
        )
        yield Need(sentence % values, "health", ())


def _import_needs(campaign: Campaign, languages: Sequence[LanguageRow]) -> Iterable[Need]:
    broken = (
        campaign.imports.filter(
            status__in=(SampleImport.Status.FAILED, SampleImport.Status.REFUSED)
        )
        .order_by("-created_at")
        .first()
    )
    newest = campaign.imports.order_by("-created_at").first()
    if broken and broken == newest:
        sentence = _("The import of %s did not come in.") % broken.filename
        yield Need(sentence, "import_detail", (campaign.slug, broken.pk))
    empty = [row for row in languages if not row.pool and not row.asked]
    if empty and (newest is None or newest.status != SampleImport.Status.RUNNING):
        sentence = _("No texts yet in %s: import some.") % _names(empty)
        yield Need(sentence, "import_create", (campaign.slug,))


def _language_needs(campaign: Campaign, languages: Sequence[LanguageRow]) -> Iterable[Need]:
    here = (campaign.slug,)
    if alone := [row for row in languages if not row.people]:
        yield Need(_("Nobody can answer in %s: invite speakers.") % _names(alone), "people", here)
    if short := [row for row in languages if row.gold < GOLD_ENOUGH]:
        sentence = _("Fewer than %(enough)d gold items in %(names)s: the gate will have to hold.")
        values = {"enough": GOLD_ENOUGH, "names": _names(short)}
        yield Need(sentence % values, "import_create", here)
    if mute := [row for row in languages if not row.guideline]:
        tag = mute[0].home.language.tag
        sentence = _("No guideline yet in %s.") % _names(mute)
        yield Need(sentence, "guideline_edit", (campaign.slug, tag))
    if strange := sum(row.quarantined for row in languages):
        sentence = ngettext(
            "%d answer does not fit the question: have a look.",
            "%d answers do not fit the question: have a look.",
            strange,
        )
        yield Need(sentence % strange, "quarantine", here)


def _names(rows: Sequence[LanguageRow] | Sequence[ParityRow], *, most: int = 3) -> str:
    names = [row.home.language.name for row in rows[:most]]
    if len(rows) > most:
        more = len(rows) - most
        names.append(ngettext("%d more", "%d more", more) % more)
    return ", ".join(names)


def _gate(round_: Round) -> GateRun | None:
    run = getattr(round_, "training_run", None)
    return getattr(run, "gate", None) if run else None


def _came_in(row: SampleImport) -> str:
    """Say how many rows a file brought, and how many of them were refused."""
    kept = ngettext(
        "%(kept)d row came in from %(file)s.", "%(kept)d rows came in from %(file)s.", row.rows_kept
    ) % {"kept": row.rows_kept, "file": row.filename}
    if not row.rows_refused:
        return kept
    refused = ngettext("%d row was refused.", "%d rows were refused.", row.rows_refused)
    return f"{kept} {refused % row.rows_refused}"


def events_of(campaign: Campaign, *, most: int = 6) -> list[Event]:
    """What happened last, the newest first."""
    deployments = campaign.deployments.select_related("version").order_by("-number")[:most]
    happened = [
        Event(
            d.created_at,
            _("Version %(number)d serves (%(kind)s).")
            % {"number": d.version.number, "kind": d.get_kind_display()},
        )
        for d in deployments
    ]
    happened += [
        Event(
            gate.created_at,
            _("Gate on version %(number)d: %(verdict)s.")
            % {"number": gate.candidate.number, "verdict": gate.get_verdict_display()},
        )
        for gate in GateRun.objects.filter(run__campaign=campaign).select_related("candidate")[
            :most
        ]
    ]
    happened += [
        Event(r.opened_at, _("Round %d opened.") % r.number)
        for r in campaign.rounds.order_by("-number")[:most]
    ]
    happened += [
        Event(i.finished_at, _came_in(i))
        for i in campaign.imports.exclude(finished_at=None).order_by("-finished_at")[:most]
        if i.finished_at
    ]
    return sorted(happened, key=lambda e: e.at, reverse=True)[:most]
