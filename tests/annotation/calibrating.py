"""People in calibration, for the tests of sessions, standings and drift."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

from annotation.actions.sessions import answer_question, begin_session, question_of
from annotation.models import (
    Annotation,
    Annotator,
    CalibrationSession,
    Campaign,
    CampaignLanguage,
    GoldItem,
    Item,
    Sample,
    SessionAnswer,
)
from tests.make import LABELS, make_campaign, make_item

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
_ids = count(900_000)


def make_home(*, gold: int = 66, **over: Any) -> CampaignLanguage:
    """A language whose campaign wants sessions, with so much gold, the labels evenly."""
    campaign = make_campaign(languages=("wo",), **({"calibrate": True} | over))
    home = CampaignLanguage.objects.get(campaign=campaign)
    labels = list(campaign.labels.all())
    texts = [f"gold {number} of {campaign.slug}" for number in range(gold)]
    samples = Sample.objects.bulk_create(
        Sample(campaign=campaign, language=home.language, text=text, digest=text) for text in texts
    )
    GoldItem.objects.bulk_create(
        GoldItem(sample=sample, label=labels[number % len(labels)])
        for number, sample in enumerate(samples)
    )
    return home


def wrong_key(answer: SessionAnswer) -> str:
    """A label that is not the right one."""
    return next(key for key in LABELS if key != answer.truth.key)


def say(session: CalibrationSession, *, right: bool = True, now: datetime = NOW) -> SessionAnswer:
    """Answer the question that waits."""
    waiting = question_of(session)
    assert waiting is not None
    key = waiting.truth.key if right else wrong_key(waiting)
    return answer_question(session, position=waiting.position, fields={"label": [key]}, now=now)


def go_through(
    annotator: Annotator,
    home: CampaignLanguage,
    *,
    right: bool = True,
    kind: str = "qualify",
    now: datetime = NOW,
) -> CalibrationSession:
    """Hold a whole session, every answer right or every answer wrong."""
    session = begin_session(annotator, home, kind=kind, now=now)
    while session.ended_at is None:
        say(session, right=right, now=now)
        session.refresh_from_db()
    return session


def ask_gold(home: CampaignLanguage, gold: GoldItem, **over: Any) -> Item:
    """Put a gold item into the daily queue."""
    fields = {"kind": Item.Kind.GOLD, "state": Item.State.PUSHED} | over
    return make_item(gold.sample, campaign_language=home, **fields)


def answer(item: Item, who: Annotator, key: str, **over: Any) -> Annotation:
    """What somebody said of an item at the desk."""
    campaign: Campaign = item.campaign_language.campaign
    number = next(_ids)
    fields = {
        "state": Annotation.State.ANSWERED,
        "label": campaign.labels.get(key=key),
        "desk_annotation_id": number,
        "desk_updated_at": f"2026-05-01T00:00:{number % 60:02d}.{number:06d}Z",
    } | over
    created = fields.pop("created_at", None)
    annotation = Annotation.objects.create(item=item, annotator=who, **fields)
    if created is not None:
        Annotation.objects.filter(pk=annotation.pk).update(created_at=created)
        annotation.refresh_from_db()
    return annotation
