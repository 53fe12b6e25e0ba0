"""Campaigns: made, told what to ask, started, paused and finished."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from annotation.actions.languages import ensure_language
from annotation.actions.standings import SETTINGS as CALIBRATING
from annotation.actions.standings import refuse_contradictions
from annotation.errors import ConflictError, InvalidInputError
from annotation.methods.guidelines import changed
from annotation.models import (
    Campaign,
    CampaignLanguage,
    Guideline,
    Label,
    Recalibration,
    Sample,
    SampleImport,
    User,
)
from annotation.models.disagreeing import MOST_EYES
from annotation.objectives import Habits, objective

Status = Campaign.Status
SETTINGS = (
    "objective",
    "network",
    "seed",
    "items_per_round",
    "floor_per_language",
    "audit_share",
    "strategy",
    "strategy_mix",
    "cold_start",
    "opinion_passes",
    "slope_trust",
    "cost_exponent",
    "items_per_annotator",
    "words_per_round",
    "near_duplicates",
    "relabel_share",
    "gold_share",
    "answers_per_item",
    "train_when_answered",
    "max_rounds",
    "margin",
    "gate_metric",
    "gate_looks",
    "gold_at_once",
    "parity_blocks",
    "strict_calibration",
    "case_rule",
    *CALIBRATING,
)
# A gate with a wider margin lets languages lose more: nobody may decide that alone.
USUAL_MARGIN = Decimal("0.030")


@dataclass(frozen=True)
class LabelSpec:
    """One class as it is asked for: key, English name, and names in languages by tag."""

    key: str
    name: str
    names: Mapping[str, str] = field(default_factory=dict)


@transaction.atomic
def create_campaign(  # noqa: PLR0913 - what a campaign is; every door names each of them
    *,
    slug: str,
    title: str,
    question: str,
    labels: Sequence[LabelSpec],
    languages: Sequence[str],
    guidelines: Mapping[str, str] | None = None,
    actor: User | None = None,
    **settings: Any,
) -> Campaign:
    """Create a draft with its labels, languages and guidelines; all of it or nothing."""
    if unknown := sorted(set(settings) - set(SETTINGS)):
        raise InvalidInputError(
            f"A campaign has no setting {unknown[0]!r}.",
            remedy=f"There are: {', '.join(SETTINGS)}.",
        )
    if Campaign.objects.filter(slug=slug).exists():
        raise ConflictError(
            f"There is a campaign {slug!r} already.", remedy="Choose another short name."
        )
    campaign = Campaign(slug=slug, title=title, question=question, created_by=actor, **settings)
    objective(campaign.objective)  # refuses a kind that there is not
    _clean(campaign)
    agree(campaign, told=settings)
    refuse_wide_margin(campaign.margin)
    campaign.save()
    _create_labels(campaign, labels_of(campaign.objective, told=labels))
    homes = {
        home.language.tag.casefold(): home
        for home in (add_language(campaign, tag=tag) for tag in languages)
    }
    for tag, text in (guidelines or {}).items():
        home = homes.get(tag.casefold().replace("_", "-"))
        if home is None:
            raise InvalidInputError(
                f"There is a guideline for {tag!r}, which is no language of the campaign.",
                remedy=f"Its languages are: {', '.join(languages) or 'none'}.",
            )
        set_guideline(home, text=text, actor=actor)
    return campaign


def agree(campaign: Campaign, *, told: Mapping[str, Any]) -> None:
    """Make what was left open go with what was told, and refuse what contradicts itself."""
    if told.get("most_answers") is None:
        campaign.most_answers = max(
            campaign.most_answers, min(campaign.answers_per_item, MOST_EYES)
        )
    refuse_contradictions(campaign)


@transaction.atomic
def set_guideline(
    campaign_language: CampaignLanguage,
    *,
    text: str,
    actor: User | None = None,
    recalibrate: bool = False,
) -> Guideline:
    """Give speakers of one language a new guideline; the same text again changes nothing.

    With ``recalibrate`` whoever has calibrated looks at what changed, in a short session.
    """
    text = text.strip()
    if not text:
        raise InvalidInputError(_("A guideline needs a text."))
    # The row is the lock: two editors at once get two versions, not one number twice.
    CampaignLanguage.objects.select_for_update().get(pk=campaign_language.pk)
    newest = campaign_language.guidelines.order_by("-version").first()
    if newest is not None and newest.text == text:
        return newest
    version = newest.version + 1 if newest else 1
    written = Guideline.objects.create(
        campaign_language=campaign_language, version=version, text=text, created_by=actor
    )
    if recalibrate and newest is not None:
        Recalibration.objects.create(
            guideline=written, paragraphs=changed(newest.text, text), created_by=actor
        )
    return written


@transaction.atomic
def add_language(
    campaign: Campaign, *, tag: str, guideline: str = "", actor: User | None = None
) -> CampaignLanguage:
    """Let a language take part; one that was switched off takes part again."""
    _refuse_if_finished(campaign)
    language = ensure_language(tag)
    home, __ = CampaignLanguage.objects.get_or_create(campaign=campaign, language=language)
    if not home.active:
        home.active = True
        home.save(update_fields=["active"])
    if guideline.strip():
        set_guideline(home, text=guideline, actor=actor)
    return home


@transaction.atomic
def start_campaign(campaign: Campaign) -> Campaign:
    """Let the loop go round; a campaign that runs already just goes on running."""
    campaign.refresh_from_db(fields=["status"])
    if campaign.status in (Status.DRAFT, Status.PAUSED) and (missing := missing_to_start(campaign)):
        raise ConflictError(f"{campaign.slug!r} cannot start yet.", remedy=" ".join(missing))
    return _move(campaign, to=Status.RUNNING, allowed=(Status.DRAFT, Status.PAUSED))


def pause_campaign(campaign: Campaign) -> Campaign:
    """Stop new rounds, selection and training; answers still come home."""
    return _move(campaign, to=Status.PAUSED, allowed=(Status.RUNNING,))


def finish_campaign(campaign: Campaign) -> Campaign:
    """End a campaign for good."""
    return _move(
        campaign, to=Status.FINISHED, allowed=(Status.DRAFT, Status.RUNNING, Status.PAUSED)
    )


def labels_of(kind: str, *, told: Sequence[LabelSpec]) -> Sequence[LabelSpec]:
    """The labels of a campaign: as told, or those that its kind of question always has.

    What such labels are called may be told, in every language; their keys and order may not.
    """
    usual = Habits.of(kind).labels
    most = getattr(objective(kind), "MOST_LABELS", None)
    if most is not None and len(told) > most:
        raise InvalidInputError(
            _("Questions of the kind %(kind)s have %(most)d labels at most.")
            % {"kind": kind, "most": most},
            remedy=_("Ask two questions, each with some of the labels."),
        )
    if not usual:
        return told
    given = {spec.key: spec for spec in told}
    if told and (set(given) != set(usual) or len(told) != len(usual)):
        raise InvalidInputError(
            _("Questions of the kind %(kind)s have the labels %(keys)s.")
            % {"kind": kind, "keys": ", ".join(usual)},
            remedy=_("Give each of them a name of your own, or no labels at all."),
        )
    return [given.get(key) or LabelSpec(key, name) for key, name in usual.items()]


def refuse_wide_margin(margin: Decimal) -> None:
    """Refuse what takes two admins from whoever makes a campaign by themselves."""
    if margin > USUAL_MARGIN:
        raise InvalidInputError(
            _("No campaign begins with a margin wider than %(margin)s.") % {"margin": USUAL_MARGIN},
            remedy=_(
                "Create it with %(margin)s, then ask for the wider one on the gate's settings"
                " page: it takes two admins."
            )
            % {"margin": USUAL_MARGIN},
        )


def missing_to_start(campaign: Campaign) -> list[str]:
    """Return what a campaign lacks before it can run, as sentences that say what to do."""
    missing = []
    if campaign.labels.count() < 2:
        missing.append("It needs at least two labels.")
    homes = campaign.languages.filter(active=True)
    if not homes.exists():
        missing.append("It needs a language.")
    pool = Sample.objects.pool().filter(campaign=campaign, language__in=homes.values("language"))
    if not pool.exists():
        unfinished = (SampleImport.Status.QUEUED, SampleImport.Status.RUNNING)
        waiting = campaign.imports.filter(status__in=unfinished).exists()
        missing.append(
            "Its import is not finished: wait for it."
            if waiting
            else "It has no sample to ask about: import some (import_samples)."
        )
    return missing


def _move(campaign: Campaign, *, to: str, allowed: Sequence[str]) -> Campaign:
    moved = Campaign.objects.filter(pk=campaign.pk, status__in=allowed).update(status=to)
    campaign.refresh_from_db(fields=["status"])
    if not moved and campaign.status != to:
        raise ConflictError(
            f"{campaign.slug!r} is {campaign.get_status_display()} and cannot become "
            f"{Status(to).label}.",
            remedy=f"That is possible when it is {_either(allowed)}.",
        )
    return campaign


def _either(statuses: Sequence[str]) -> str:
    return " or ".join(str(Status(status).label) for status in statuses)


def _refuse_if_finished(campaign: Campaign) -> None:
    if campaign.status == Status.FINISHED:
        raise ConflictError(
            f"{campaign.slug!r} is finished.", remedy="Create a new campaign to go on."
        )


def _create_labels(campaign: Campaign, labels: Sequence[LabelSpec]) -> None:
    for place, spec in enumerate(labels):
        if any(spec.key == other.key for other in labels[:place]):
            raise InvalidInputError(f"The label {spec.key!r} is there twice.")
        label = Label(
            campaign=campaign,
            key=spec.key,
            name=spec.name or spec.key,
            names=dict(spec.names),
            position=place,
        )
        _clean(label)
        label.save()


def _clean(row: Campaign | Label) -> None:
    try:
        row.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        told = "; ".join(
            f"{name}: {' '.join(messages)}" for name, messages in error.message_dict.items()
        )
        raise InvalidInputError(f"The {row._meta.verbose_name} is not valid: {told}") from error
