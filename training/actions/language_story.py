"""The story of one language in one campaign, as everybody may read it: numbers, no texts, no persons.

Whoever answered is counted, and fewer than five are not counted out; named is only who asked for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation.actions.credit import Credit, credit_of
from annotation.actions.reports.readers import unread_reports
from annotation.methods.charts import Estimate
from annotation.models import CampaignLanguage, GoldItem, PublicDoor
from annotation.permissions import team_of
from learning.actions.generators import serving_generator
from learning.actions.served_writing import writes
from learning.models import Deployment, LanguageCalibration, ModelVersion
from training.actions.counts import pool_of
from training.actions.parity import ParityRow, parity_of
from training.actions.service_times import Service
from training.actions.written_cases import asked_of
from training.models import CaseCheck, Evaluation, GateRun, LanguageFigures, Slice

# Fewer people than this are told as "< 5": who they are could be guessed.
SMALL_CELL = 5
# With fewer gold items an interval hides what a gate must see.
GOLD_WANTED = 300
HISTORY = 30


@dataclass(frozen=True)
class Moment:
    """One version in the course of a language: when it began to serve, and how good it was."""

    at: datetime
    version: int
    kind: str
    metric: Estimate
    items: int
    ece: Estimate


@dataclass(frozen=True)
class Cases:
    """Regression cases of a language: how many hold under what serves, of how many that were run."""

    total: int
    green: int
    run: int


@dataclass(frozen=True)
class Story:
    """Everything that the page, the JSON twin and the feed of a language tell."""

    row: ParityRow
    serving: ModelVersion | None
    history: Sequence[Moment]
    calibration: LanguageCalibration | None
    credit: Credit | None
    pool: int
    gold: int
    team: int
    cases: Cases
    missing: Sequence[str]
    slices: Sequence[Slice]
    may_report: bool

    @property
    def figures(self) -> LanguageFigures | None:
        """What a worker took of the version that serves."""
        return self.row.figures

    @property
    def people(self) -> str:
        """How many speakers answered."""
        return few(self.credit.people if self.credit else 0)

    @property
    def cost_shown(self) -> bool:
        """Whether what speakers' time cost may be told without telling it of one person."""
        return self.credit is not None and self.credit.people >= SMALL_CELL


def few(people: int) -> str:
    """Return a count of people that points at nobody.

    >>> few(0), few(3), few(12)
    ('0', '< 5', '12')
    """
    return f"< {SMALL_CELL}" if 0 < people < SMALL_CELL else str(people)


def story_of(home: CampaignLanguage, *, now: datetime) -> Story:
    """Tell where a language stands; the number of queries does not grow with it."""
    campaign = home.campaign
    row = next(one for one in parity_of([campaign], now=now) if one.home.pk == home.pk)
    deployment = Deployment.objects.serving(campaign)
    serving = deployment.version if deployment else None
    credit = credit_of(campaign, language=home.language)
    gold = GoldItem.objects.present(campaign.pk, language=home.language_id).count()
    pool = pool_of(home)
    team = team_of(campaign, home.language).count()
    return Story(
        row=row,
        serving=serving,
        history=history_of(home),
        calibration=LanguageCalibration.objects.filter(
            version=serving, language=home.language
        ).first(),
        credit=credit,
        pool=pool,
        gold=gold,
        team=team,
        cases=_cases(home, serving),
        missing=_missing(home, row=row, gold=gold, pool=pool, team=team),
        slices=_slices(home, serving),
        may_report=PublicDoor.objects.filter(campaign=campaign, open=True).exists(),
    )


def _slices(home: CampaignLanguage, serving: ModelVersion | None) -> list[Slice]:
    """Return what was measured last of each slice under what serves, hard ones first."""
    rows = Slice.objects.filter(version=serving, language=home.language).exclude(kind="clean")
    newest = {row.kind: row for row in rows.order_by("created_at", "pk")}
    return sorted(newest.values(), key=lambda row: row.accuracy)


def history_of(home: CampaignLanguage) -> list[Moment]:
    """Return each move of what serves with how good it was in the language, oldest first."""
    moves = list(home.campaign.deployments.select_related("version").order_by("-number")[:HISTORY])
    versions = {move.version_id for move in moves}
    rows = Evaluation.objects.filter(
        version__in=versions, language=home.language_id, split=GoldItem.Split.GATE
    ).order_by("created_at", "pk")
    columns = ("version", "items", "accuracy", "accuracy_low", "accuracy_high")
    measured = {row[0]: row[1:] for row in rows.values_list(*columns)}
    taken = LanguageFigures.objects.filter(version__in=versions, language=home.language_id)
    errors = {one.version_id: Estimate(one.ece, one.ece_low, one.ece_high) for one in taken}
    return [
        Moment(
            move.created_at,
            move.version.number,
            str(move.get_kind_display()),
            Estimate(*measured.get(move.version_id, (0, None, None, None))[1:]),
            measured.get(move.version_id, (0,))[0],
            errors.get(move.version_id, Estimate()),
        )
        for move in reversed(moves)
    ]


def _cases(home: CampaignLanguage, serving: ModelVersion | None) -> Cases:
    """Count what the newest gate that ran a case said of the version that serves."""
    cases = home.campaign.regression_cases.filter(language=home.language_id, active=True)
    total = cases.count()
    if total and writes(home.campaign):
        return _written(home, total=total)
    if serving is None or not total:
        return Cases(total, 0, 0)
    gates = GateRun.objects.filter(candidate=serving) | GateRun.objects.filter(champion=serving)
    checks = CaseCheck.objects.filter(case__in=cases, gate__in=gates).order_by("gate", "pk")
    columns = ("case", "gate__candidate", "candidate_right", "champion_right")
    newest = {
        case: candidate_right if candidate == serving.pk else champion_right
        for case, candidate, candidate_right, champion_right in checks.values_list(*columns)
    }
    return Cases(total, sum(newest.values()), len(newest))


def _written(home: CampaignLanguage, *, total: int) -> Cases:
    """Count what is known of what the generator that serves wrote for the cases."""
    serving = serving_generator(home.campaign)
    if serving is None:
        return Cases(total, 0, 0)
    cases = home.campaign.regression_cases.filter(language=home.language_id, active=True)
    asked = asked_of(serving, cases=cases.values_list("pk", flat=True))
    known = [one.right for one in asked if one.right is not None]
    return Cases(total, sum(known), len(known))


def _missing(
    home: CampaignLanguage, *, row: ParityRow, gold: int, pool: int, team: int
) -> list[str]:
    """Say what is missing, in sentences that whoever speaks the language can do something about."""
    found = []
    if unread := unread_reports(home):
        found.append(
            ngettext(
                "A reader: %d report waits since nobody here reads this language.",
                "A reader: %d reports wait since nobody here reads this language.",
                unread,
            )
            % unread
        )
    if not team:
        found.append(_("Speakers: nobody answers in this language yet."))
    elif team < SMALL_CELL:
        found.append(_("Speakers: a few answer now; every one more counts."))
    if gold < GOLD_WANTED:
        short = GOLD_WANTED - gold
        found.append(
            ngettext(
                "Texts with a known answer: %d more would let a gate see a loss of a few points.",
                "Texts with a known answer: %d more would let a gate see a loss of a few points.",
                short,
            )
            % short
        )
    if not pool:
        found.append(_("Texts: there are none left to ask about."))
    if not home.guidelines.exists():
        found.append(_("A guideline: nobody has written one in this language yet."))
    if row.metric.value is None:
        found.append(_("A measurement: nobody knows yet how good the model is here."))
    return found


def record_of(story: Story) -> dict[str, Any]:
    """Return the page as plain names and numbers, for programs."""
    row, known, sets = story.row, story.figures, story.calibration
    return {
        "format": 1,
        "campaign": row.campaign.slug,
        "question": row.campaign.question,
        "language": {
            "tag": row.language.tag,
            "name": row.language.name,
            "autonym": row.language.autonym,
            "script": row.language.script,
        },
        "version": story.serving.number if story.serving else None,
        "accuracy": _told(row.metric) | {"items": row.items},
        "gap_to_best": _ends(row.gap),
        "falls_behind": row.behind,
        "calibration_error": _told(_error(known)) | {"items": known.ece_items if known else 0},
        "prediction_set": {
            "mean_labels": sets.set_size if sets else None,
            "level": sets.set_level if sets else None,
            "holds_truth": [sets.coverage, sets.coverage_low, sets.coverage_high] if sets else None,
            "gold": sets.gold if sets else 0,
        },
        "gain_since_first": [known.gain, known.gain_low, known.gain_high] if known else None,
        "slices": [*_parts(story.slices), *(known.slices if known else [])],
        "reports": _reports(row.service),
        "tokenizer": _tokenizer(known),
        "labels": story.credit.answers if story.credit else 0,
        "people": story.people,
        "named": list(story.credit.names) if story.credit else [],
        "texts_waiting": story.pool,
        "gold": story.gold,
        "regression_cases": {
            "total": story.cases.total,
            "run": story.cases.run,
            "green": story.cases.green,
        },
        "history": [
            {"at": one.at.isoformat(), "version": one.version, "kind": one.kind}
            | {
                "accuracy": _told(one.metric),
                "items": one.items,
                "calibration_error": _told(one.ece),
            }
            for one in story.history
        ],
        "missing": list(story.missing),
    }


def _parts(slices: Sequence[Slice]) -> list[dict[str, Any]]:
    return [
        {"kind": one.kind, "name": "", "items": one.items, "value": one.accuracy}
        | {"low": one.accuracy_low, "high": one.accuracy_high, "difference": one.difference}
        | {"difference_low": one.difference_low, "difference_high": one.difference_high}
        for one in slices
    ]


def _reports(service: Service) -> dict[str, Any]:
    """Return how reports fare; fewer than five of a kind are not counted out."""
    waits = {"decision": service.decided, "confirmed": service.confirmed, "fixed": service.mended}
    return {
        "reports": few(service.reports),
        "open": few(service.open),
        "urgent": few(service.urgent),
        "fixed": few(service.fixed),
        "reopened": few(service.reopened),
        "slow": service.slow,
        "median_days": {
            name: {"value": one.value, "low": one.low, "high": one.high} if one else None
            for name, one in waits.items()
        },
    }


def _error(known: LanguageFigures | None) -> Estimate:
    return Estimate(known.ece, known.ece_low, known.ece_high) if known else Estimate()


def _tokenizer(known: LanguageFigures | None) -> dict[str, Any] | None:
    if known is None:
        return None
    return {
        "tokens_per_word": known.tokens_per_word,
        "whole_words": known.whole_words,
        "words": known.words,
        "premium": [known.premium, known.premium_low, known.premium_high],
        "parallel_texts": known.parallel,
    }


def _told(found: Estimate) -> dict[str, Any]:
    return {"value": found.value, "low": found.low, "high": found.high}


def _ends(found: Any) -> dict[str, Any] | None:
    return {"value": found.value, "low": found.low, "high": found.high} if found else None
