"""Which language a report looks like: learned from the campaign's own texts, asked, never decided."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache

from django.db import transaction
from django.utils.translation import gettext as _

from annotation.actions.reports.transitions import StepError
from annotation.errors import InvalidInputError
from annotation.methods import identify
from annotation.methods.identify import NOBODY, Identifier
from annotation.models import Campaign, LanguageIdentifier, Report, ReportState, Sample
from annotation.models.reports import OPEN

State = ReportState
# So many texts a language tell it as well as all of them; of more than that it is a matter of hours.
MOST = 400
# A third of them is kept apart to be asked, and what is left still has to be enough.
LEAST = identify.FEWEST * 3 // 2 + 1
GROWTH = 1.2
OLD_AFTER = timedelta(days=7)
AT_ONCE = 500
SEED = 1
# Until speakers have begun with it, whoever reported may say that it is another language after all.
MOVABLE = (State.RECEIVED, State.QUARANTINED, State.AWAITING_TRIAGE, State.NEEDS_INFO)


def campaigns_to_learn(now: datetime) -> list[int]:
    """Return the campaigns whose languages are to be learned: open ones, where much has come since."""
    found = []
    there = {one.campaign_id: one for one in LanguageIdentifier.objects.defer("weights")}
    for campaign in Campaign.objects.filter(public_door__open=True):
        held = there.get(campaign.pk)
        number = campaign.languages.filter(active=True).count()
        if number < 2 or (held and held.made_at > now - OLD_AFTER and held.languages == number):
            continue
        texts = campaign.samples.ready().count()
        if held is None or texts > held.texts * GROWTH or held.languages != number:
            found.append(campaign.pk)
    return found


def learn_languages(campaign: Campaign, *, now: datetime) -> LanguageIdentifier | None:
    """Learn what tells a campaign's languages apart; nothing where fewer than two have texts.

    A third of what is learned from is kept apart to say how good it is; then all of it is learned.
    """
    texts = {tag: some for tag, some in texts_of(campaign).items() if len(some) >= LEAST}
    if len(texts) < 2:
        return None
    part = {tag: some[len(some) // 3 :] for tag, some in texts.items()}
    tried = identify.learn(part, seed=SEED)
    right, answered = _held_to(tried, {tag: some[: len(some) // 3] for tag, some in texts.items()})
    found = identify.learn(texts, seed=SEED)
    return LanguageIdentifier.objects.update_or_create(
        campaign=campaign,
        defaults={
            "weights": found.packed(),
            "texts": campaign.samples.ready().count(),
            "languages": campaign.languages.filter(active=True).count(),
            "right": right,
            "answered": answered,
            "made_at": now,
        },
    )[0]


def texts_of(campaign: Campaign) -> Mapping[str, list[str]]:
    """Return some texts of each language's pool, the same ones whoever asks."""
    found = {}
    for home in campaign.languages.filter(active=True).select_related("language"):
        pool = Sample.objects.ready().filter(campaign=campaign, language=home.language)
        # By digest they are in no order that means anything.
        found[home.language.tag] = list(
            pool.order_by("digest", "pk").values_list("text", flat=True)[:MOST]
        )
    return found


def _held_to(found: Identifier, apart: Mapping[str, list[str]]) -> tuple[float, float]:
    told = [(found.named(text)[0], tag) for tag, some in apart.items() for text in some]
    named = [said == tag for said, tag in told if said != NOBODY]
    return sum(named) / max(len(named), 1), len(named) / max(len(told), 1)


def detect_waiting() -> int:
    """Say of open reports that no machine has looked at which language they look like."""
    there = LanguageIdentifier.objects.values_list("campaign", "made_at")
    done = 0
    for campaign_id, made_at in there:
        rows = Report.objects.filter(campaign=campaign_id, state__in=OPEN, detected_tag="")
        for pk, text, told in rows.order_by("-pk").values_list("pk", "input_text", "description")[
            :AT_ONCE
        ]:
            tag, share = _identifier(campaign_id, made_at.isoformat()).named(text or told)
            found = {"detected_tag": tag, "detected_share": share}
            done += Report.objects.filter(pk=pk, detected_tag="").update(**found)
    return done


@lru_cache(maxsize=4)
def _identifier(campaign_id: int, _made_at: str) -> Identifier:
    held = LanguageIdentifier.objects.get(campaign=campaign_id)
    return identify.unpacked(bytes(held.weights))


def language_like(campaign: Campaign, text: str) -> str:
    """Return which of a campaign's languages a text looks like; nothing where nobody can tell."""
    held = LanguageIdentifier.objects.filter(campaign=campaign).values_list("made_at", flat=True)
    made_at = held.first()
    if made_at is None:
        return ""
    tag, _share = _identifier(campaign.pk, made_at.isoformat()).named(text)
    return "" if tag == NOBODY else tag


def doubted(report: Report) -> str:
    """Return the language that a report looks like, where that is not what was told; else nothing."""
    named = report.detected_tag not in ("", NOBODY) and report.state in MOVABLE
    own = report.language.tag if report.language else ""
    same = own == report.detected_tag or (not own and report.tag == report.detected_tag)
    return report.detected_tag if named and not same else ""


@transaction.atomic
def say_language(report: Report, *, tag: str, same: bool) -> Report:
    """Keep what whoever reported says of the language that it looks like: theirs is the word.

    What nobody has voted on, and no other report belongs to, goes to that language's speakers.
    """
    held = (
        Report.objects.select_for_update(no_key=True, of=("self",))
        .select_related("campaign", "language")
        .get(pk=report.pk)
    )
    if doubted(held) != tag or not tag:
        raise InvalidInputError(_("Nobody asks that at the moment."))
    if not same:
        Report.objects.filter(pk=held.pk).update(detected_tag=NOBODY, detected_share=0.0)
        report.refresh_from_db()
        return report
    home = held.campaign.languages.filter(language__tag=tag, active=True).first()
    begun = held.votes.exists() or held.followers.exists() or held.links.exists()
    if home is None or begun:
        raise StepError(_("Speakers have begun with it: tell it once more in that language."))
    Report.objects.filter(pk=held.pk).update(language=home.language, tag=tag)
    report.refresh_from_db()
    return report
