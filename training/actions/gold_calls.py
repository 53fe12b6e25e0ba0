"""Gold calls: a gate that holds asks native speakers for the gold it lacks, and then looks again.

Texts are drawn by lot from what nobody was asked and nothing was trained on, no translation and
no near copy of that either. Two people, each for themselves, have to give the same answer; if they
differ a third decides, and what three people cannot agree on is dropped. People whom gold has shown
to guess or to deceive do not count. Meanwhile rounds go on from the champion: the held candidate
is looked at again when the gold is there, and is past when another version has been released. Gold
that was asked for stays asked then: it serves the next gate.
"""

from collections.abc import Iterator

from django.db import transaction
from django.db.models import Count
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation.models import Annotator, Campaign, CampaignLanguage, GoldItem, Item, Sample
from learning.actions.serving import serving_version
from learning.methods.acquisition import lots
from learning.methods.phrases import values_of
from training.actions.distillation import for_gold, studied
from training.actions.gold_marks import GoldMarks
from training.models import GateCheck, GateRun, GoldCall, GoldCandidate, Verdict

PEOPLE = 2
# Why fewer texts went out than are missing, in English; pages say it in their reader's language.
FEW_PEOPLE = "Fewer than %(people)s people can answer here: invite speakers."
FEW_TEXTS = (
    "Only %(texts)s texts are left that neither were asked nor resemble or"
    " translate what was: import more, or import gold."
)
# Whatever teaches comes first at the desk.
LAST = 1_000_000.0
# So many texts are read together while it is looked for some that resemble nothing.
AT_ONCE = 500

Waiting = GoldCandidate.State.WAITING


def call_for_gold(gate: GateRun) -> list[GoldCall]:
    """Queue the gold that a held candidate lacks, language by language, once a gate."""
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update().get(pk=gate.run.campaign_id)
        if not is_wanted(gate, campaign):
            return list(gate.gold_calls.all())
        short = list(gate.checks.filter(items_missing__gt=0).select_related("language"))
        taken = _touched(campaign) if short else GoldMarks.made(())
        return [_call(gate, check, campaign=campaign, taken=taken) for check in short]


def may_look_again(gate: GateRun) -> bool:
    """Tell whether a held candidate is to be judged once more, on gold that has come since."""
    if gate.verdict != Verdict.HOLD or not gate.looks_left:
        return False
    if serving_version(gate.run.campaign) != gate.champion:
        return False
    short = list(gate.checks.filter(items_missing__gt=0))
    return bool(short) and all(_has_come(gate.run.campaign, check) for check in short)


def held_gates(campaign: Campaign) -> list[GateRun]:
    """Return the newest looks that held and may look again against what serves, newest first."""
    serving = serving_version(campaign)
    rows = GateRun.objects.filter(run__campaign=campaign, champion=serving)
    newest: dict[int, GateRun] = {}
    for gate in rows.select_related("run__campaign", "champion").order_by("run", "look"):
        newest[gate.run_id] = gate
    held = [g for g in newest.values() if g.verdict == Verdict.HOLD and g.looks_left]
    return sorted(held, key=lambda gate: gate.pk, reverse=True)


def waiting_by_language(campaign: Campaign) -> dict[int, int]:
    """Return, by language, how many texts wait for people to make gold of them."""
    rows = (
        GoldCandidate.objects.filter(call__gate__run__campaign=campaign, state=Waiting)
        .order_by()
        .values_list("call__language")
        .annotate(Count("pk"))
    )
    return dict(rows)


def is_wanted(gate: GateRun, campaign: Campaign) -> bool:
    """Tell whether gold is to be asked for that a held candidate lacks, and was not asked for yet."""
    number = gate.run.round.number if gate.run.round else 0
    last = campaign.max_rounds is not None and number >= campaign.max_rounds
    return (
        gate.verdict == Verdict.HOLD
        and bool(gate.looks_left)
        and campaign.gold_at_once != 0
        and campaign.status != Campaign.Status.FINISHED
        and not last
        and not gate.gold_calls.exists()
    )


def note_of_call(told: str) -> str:
    """Say in the reader's language why fewer texts were asked; as it was written if that is unknown."""
    if values := values_of(told, pattern=FEW_PEOPLE):
        return _("Fewer than %(people)s people can answer here: invite speakers.") % values
    if values := values_of(told, pattern=FEW_TEXTS):
        left = int(values["texts"])
        sentence = ngettext(
            "Only %(left)d text is left that neither was asked nor resembles or translates what was:"
            " import more, or import gold.",
            "Only %(left)d texts are left that neither were asked nor resemble or translate what was:"
            " import more, or import gold.",
            left,
        )
        return sentence % {"left": left}
    return told


def _call(gate: GateRun, check: GateCheck, *, campaign: Campaign, taken: GoldMarks) -> GoldCall:
    home = CampaignLanguage.objects.get(campaign=campaign, language=check.language)
    waiting = waiting_by_language(campaign).get(check.language_id, 0)
    wish = max(0, check.items_missing - waiting)
    if campaign.gold_at_once is not None:
        wish = min(wish, max(0, campaign.gold_at_once - waiting))
    people = Annotator.objects.filter(language=check.language, active=True)
    note, drawn = "", list[Sample]()
    if people.values("user").distinct().count() < PEOPLE:
        note = FEW_PEOPLE % {"people": PEOPLE}
    elif wish:
        drawn = list(_drawn(home, gate=gate, taken=taken, most=wish))
        if len(drawn) < wish:
            note = FEW_TEXTS % {"texts": len(drawn)}
    call = GoldCall.objects.create(
        gate=gate,
        language=check.language,
        missing=check.items_missing,
        asked=len(drawn),
        note=note,
    )
    _queue(call, home, drawn)
    return call


def _queue(call: GoldCall, home: CampaignLanguage, drawn: list[Sample]) -> None:
    newest = home.items.order_by("-pk").first()
    items = Item.objects.bulk_create(
        Item(
            campaign_language=home,
            sample=sample,
            kind=Item.Kind.CANDIDATE,
            priority=LAST + place,
            # The batch that orders the desk now: a new one would have all of it put in order anew.
            batch=newest.batch if newest else "",
            wanted=PEOPLE,
        )
        for place, sample in enumerate(drawn)
    )
    GoldCandidate.objects.bulk_create(GoldCandidate(call=call, item=item) for item in items)


def _drawn(
    home: CampaignLanguage, *, gate: GateRun, taken: GoldMarks, most: int
) -> Iterator[Sample]:
    """Yield samples by lot that resemble nothing that was asked or is gold, no two the same."""
    free = Sample.objects.unasked().filter(campaign=home.campaign_id, language=home.language_id)
    known = studied(gate.candidate)
    uids = free.order_by("pk").values_list("pk", "uid")
    names = [pk for pk, uid in uids if not known or for_gold(uid)]
    order = lots((str(pk) for pk in names), seed=gate.run.seed, purpose=f"gold call {gate.look}")
    by_lot = [names[at] for at in sorted(range(len(names)), key=lambda at: int(order[at]))]
    seen: set[str] = set()
    for start in range(0, len(by_lot), AT_ONCE):
        few = Sample.objects.in_bulk(by_lot[start : start + AT_ONCE])
        for pk in by_lot[start : start + AT_ONCE]:
            if len(seen) >= most:
                return
            sample = few.get(pk)  # none: it was taken back meanwhile
            if sample is None or sample.digest in seen or taken.near(sample):
                continue
            seen.add(sample.digest)
            yield sample


def _touched(campaign: Campaign) -> GoldMarks:
    """Return the marks of all that was ever asked, and so may have been learned, or is gold."""
    asked = Sample.objects.filter(campaign=campaign, items__isnull=False).distinct()
    gold = Sample.objects.filter(campaign=campaign, gold__isnull=False)
    columns = ("pk", "digest", "group", "text")
    return GoldMarks.made([*asked.values_list(*columns), *gold.values_list(*columns)])


def _has_come(campaign: Campaign, check: GateCheck) -> bool:
    present = GoldItem.objects.present(campaign.pk, language=check.language_id)
    gold = present.filter(split=GoldItem.Split.GATE).count()
    if gold >= check.items + check.items_missing:
        return True
    # All that was asked for is answered, and some of it was dropped: the look takes what came.
    called = GoldCandidate.objects.filter(
        call__gate__run__campaign=campaign, call__language=check.language_id
    )
    return gold > check.items and called.exists() and not called.filter(state=Waiting).exists()
