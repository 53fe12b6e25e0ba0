"""Rounds: open one, and choose what it asks, in one transaction that leases the samples."""

import hashlib
from datetime import datetime

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Max

from annotation.errors import ConflictError
from annotation.models import Campaign, CampaignLanguage, Item
from learning.actions.asked import with_nearest
from learning.actions.desk_order import Draft, drafts_of
from learning.actions.gold import draw_gold
from learning.actions.looks import looks_to_wait_for
from learning.actions.pools import active_languages, preview_quota, request_of
from learning.actions.round_words import (
    FEWER,
    NOBODY_TO_ASK,
    NOTHING_ALLOWED,
    NOTHING_LEFT,
    NOTHING_SCORED,
)
from learning.actions.scoring import likely_scored
from learning.actions.serving import serving_version
from learning.actions.supplies import why_margin
from learning.actions.terms import accounts_of
from learning.errors import NothingServesError
from learning.methods.batches import LanguageOutcome, SelectionBatch
from learning.methods.requests import LanguageState, SelectionRequest
from learning.models import Allotment, Pick, QuotaAccount, Round

__all__ = ["open_round", "preview_quota", "seed_of", "select_round"]

BEFORE = (Round.Status.SCORING, Round.Status.SELECTING)
ATTEMPTS = 5

log = structlog.get_logger(__name__)


def open_round(campaign: Campaign, *, now: datetime) -> Round:
    """Open the campaign's next round under the version that serves; an open one is returned."""
    with transaction.atomic():
        Campaign.objects.select_for_update().get(pk=campaign.pk)
        running = campaign.rounds.open().first()
        if running:
            return running
        version = serving_version(campaign)
        if version is None:
            raise NothingServesError(
                f"No model version serves {campaign}.", remedy="Make its first version."
            )
        number = (campaign.rounds.aggregate(last=Max("number"))["last"] or 0) + 1
        cold = bool(campaign.cold_start) and version.base_id is None
        return Round.objects.create(
            campaign=campaign,
            number=number,
            version=version,
            seed=seed_of(campaign, number=number),
            strategy=campaign.cold_start if cold else campaign.strategy,
            mix={} if cold else campaign.strategy_mix,
            target=campaign.items_per_round,
            opened_at=now,
        )


def seed_of(campaign: Campaign, *, number: int) -> int:
    """Return the seed of a round: the campaign's seed and the number decide it."""
    text = f"{campaign.seed}:{number}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:7], "big")


def select_round(round_: Round, *, now: datetime) -> Round:
    """Choose what the round asks and lease it; a round that was selected is returned as it is.

    The choice is computed without holding anything. Then, alone with the campaign, it is made
    sure that nothing it rests on has changed meanwhile, or it is computed anew.
    """
    from learning.methods.selection import select  # SciPy is for workers only

    for _ in range(ATTEMPTS):
        current = _fresh(round_)
        if current.status not in BEFORE:
            return current
        if not likely_scored(current.version):
            raise ConflictError(f"{current} waits for its scoring to end.")
        if looks_to_wait_for(current):
            raise ConflictError(f"{current} waits for a closer look at some texts.")
        request = request_of(current)
        languages = active_languages(current.campaign)
        batch = with_nearest(select(request), languages, version=current.version)
        try:
            selected = _lease(round_, request, batch, now=now)
        except IntegrityError:
            # Somebody who does not ask for the campaign's row has leased one of the samples.
            selected = None
        if selected:
            return selected
        log.info("round.selected_anew", round_id=current.pk)
    raise ConflictError(
        f"The pool of {current.campaign} changes too quickly to choose from.",
        remedy="The next try comes by itself.",
    )


def _lease(
    round_: Round, request: SelectionRequest, batch: SelectionBatch, *, now: datetime
) -> Round | None:
    """Commit the choice, alone with the campaign; None if what it rests on has changed."""
    with transaction.atomic():
        Campaign.objects.select_for_update().get(pk=round_.campaign_id)
        current = _fresh(round_)
        if current.status not in BEFORE:
            return current
        if not _still_holds(current, request, batch):
            return None
        return _commit(current, request, batch, now=now)


def _fresh(round_: Round) -> Round:
    return Round.objects.select_related("campaign", "version__campaign").get(pk=round_.pk)


def _still_holds(round_: Round, request: SelectionRequest, batch: SelectionBatch) -> bool:
    """Tell whether no sample was leased and no account moved since the request was read."""
    languages = active_languages(round_.campaign)
    accounts = accounts_of(languages)
    ledger = [
        (home.language.tag, account.debt, account.owed, account.audit_carry)
        for home in languages
        for account in (accounts[home.pk],)
    ]
    if ledger != [(s.tag, s.debt, s.owed, s.audit_carry) for s in request.languages]:
        return False
    new = [pick for pick in batch.items if pick.slot != "relabel"]
    named = [int(pk) for pick in new for pk in (pick.item_id, *pick.duplicates)]
    asked = Item.objects.filter(campaign_language__campaign=round_.campaign_id)
    return not any(
        asked.filter(sample__in=named[start : start + 500]).exists()
        for start in range(0, len(named), 500)
    )


def _commit(
    round_: Round, request: SelectionRequest, batch: SelectionBatch, *, now: datetime
) -> Round:
    """Write everything the choice means; the caller holds the transaction."""
    notes: list[str] = []
    homes = {home.language.tag: home for home in active_languages(round_.campaign)}
    terms = {state.tag: state for state in request.languages}
    for outcome in batch.languages:
        tag = outcome.language
        _enter(outcome, home=homes[tag], round_=round_, terms=terms[tag])
    drafts = [
        draft for tag, home in homes.items() for draft in _drafts(round_, batch, home=home, tag=tag)
    ]
    items = Item.objects.bulk_create(draft.item for draft in drafts)
    Pick.objects.bulk_create(
        _pick(draft, item=item, round_=round_) for draft, item in zip(drafts, items, strict=True)
    )
    round_.request_digest = batch.request_digest
    if not request.mix and (round_.mix or round_.strategy != request.strategy):
        notes.append(why_margin(round_))
        round_.strategy, round_.mix = request.strategy, {}
    round_.shortfall = batch.shortfall
    round_.selected_at = now
    round_.status = Round.Status.COLLECTING
    if batch.shortfall:
        reasons = ", ".join(batch.shortfall_reasons)
        notes.append(FEWER % {"number": batch.shortfall, "reasons": reasons})
    round_.note = " ".join(notes)[:300]
    if not batch.items:
        round_.status, round_.closed_at = Round.Status.CLOSED, now
        round_.note = _why_empty(round_.campaign)
    round_.save()
    return round_


def _why_empty(campaign: Campaign) -> str:
    left = [row for row in preview_quota(campaign) if row.texts]
    if not left:
        return NOTHING_LEFT
    caps = {row.quota.capped_by for row in left if not row.quota.got}
    if any(row.quota.got for row in left) or not caps <= {"annotators", "limit"}:
        return NOTHING_SCORED
    return NOBODY_TO_ASK if "annotators" in caps else NOTHING_ALLOWED


def _drafts(
    round_: Round, batch: SelectionBatch, *, home: CampaignLanguage, tag: str
) -> list[Draft]:
    picks = [pick for pick in batch.items if pick.language == tag]
    gold = draw_gold(home, round_=round_, beside=len(picks))
    return drafts_of(picks, gold, home=home, round_=round_)


def _enter(
    outcome: LanguageOutcome, *, home: CampaignLanguage, round_: Round, terms: LanguageState
) -> None:
    """Write the language's line of the round, and carry its ledger on."""
    Allotment.objects.create(
        round=round_,
        campaign_language=home,
        target=outcome.target + outcome.debt_before,
        got=outcome.got,
        capped_by=outcome.capped_by,
        debt_before=outcome.debt_before + outcome.owed_before,
        debt_after=outcome.debt_after + outcome.owed_after,
        pool=outcome.texts,
        slope=terms.slope,
        cost=terms.cost,
    )
    QuotaAccount.objects.update_or_create(
        campaign_language=home,
        defaults={
            "debt": outcome.debt_after,
            "owed": outcome.owed_after,
            "audit_carry": outcome.audit_carry_after,
        },
    )


def _pick(draft: Draft, *, item: Item, round_: Round) -> Pick:
    return Pick(round=round_, item=item, **draft.reason)
