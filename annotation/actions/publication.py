"""Publication: what people gave, for others to use, as far as each of them allows it today.

An answer goes out without a name if whoever gave it agreed to publish answers, and its note only if
they agreed to publish what they write. A text goes out where its source's licence lets it be passed
on, else its digest alone. Texts with a known answer stay here: whoever learned them could no longer
be measured by them. Consent is read each time, so what is taken back is in no later publication.
"""

import json
import random
import shutil
import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from django.db.models import Exists, OuterRef, Q, QuerySet

from annotation.actions.data_cards import data_card_text
from annotation.errors import ConflictError, InvalidInputError
from annotation.methods.agreement import Agreement, agreement
from annotation.methods.licences import lets_pass_on
from annotation.models import Annotation, Annotator, Campaign, Consent, Label, Sample
from annotation.objectives import objective
from annotation.objectives.ratings import CORRECTED

FORMAT = 1
ANSWERS = "answers.jsonl"
CARD = "card.json"
LONGEST_LICENCE = 80
CHUNK = 500
State = Annotation.State
Row = dict[str, Any]


@dataclass
class _Language:
    """What is counted of one language, and its answers as columns."""

    name: str
    texts: int = 0
    texts_shown: int = 0
    answers: int = 0
    flags: Counter[str] = field(default_factory=Counter)
    people: set[int] = field(default_factory=set)
    said: list[tuple[int, int, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Outlook:
    """How many answers may go out, and why how many others may not."""

    answers: int
    people: int
    left_out: Mapping[str, int]


def outlook(campaign: Campaign) -> Outlook:
    """Count what a publication would hold now."""
    given = _given(campaign)
    agreed = given.filter(_agreed())
    here = agreed.filter(sample_is_open())
    return Outlook(
        answers=here.count(),
        people=here.order_by().values("annotator").distinct().count(),
        left_out={
            "not_agreed": given.exclude(_agreed()).count(),
            "known_answer": agreed.filter(item__sample__gold__isnull=False).count(),
            "text_taken_back": agreed.filter(
                item__sample__gold=None, item__sample__withdrawn_at__isnull=False
            ).count(),
        },
    )


def write_publication(
    campaign: Campaign,
    *,
    folder: Path,
    licence: str,
    also: Collection[str] = (),
    now: datetime,
) -> dict[str, Any]:
    """Write the answers, a card for programs and one for people; return the card.

    The folder is there whole or not at all. ``also`` are licences that let texts be passed on
    besides those that we know.
    """
    licence = licence.strip()
    if not licence or len(licence) > LONGEST_LICENCE or "\n" in licence:
        raise InvalidInputError(
            "Say under which licence the answers are published.",
            remedy="Give an SPDX identifier, CC-BY-4.0 for instance.",
        )
    if folder.exists():
        raise ConflictError(f"{folder} is there already.", remedy="Name a folder that is not.")
    counts = outlook(campaign)
    if not counts.answers:
        raise ConflictError(
            "Nobody's answers may be published.",
            remedy="People say so on their consent page; gold and withdrawn texts stay here.",
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    arriving = folder.with_name(f".{folder.name}-{uuid.uuid4().hex}")
    arriving.mkdir()
    try:
        writing = _Writing(campaign, also=also)
        with (arriving / ANSWERS).open("w", encoding="utf-8") as out:
            out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in writing.rows())
        card = writing.card(licence=licence, left_out=counts.left_out, now=now)
        told = json.dumps(card, ensure_ascii=False, indent=1)
        (arriving / CARD).write_text(told + "\n", encoding="utf-8")
        (arriving / "README.md").write_text(data_card_text(card), encoding="utf-8")
        arriving.rename(folder)
    finally:
        shutil.rmtree(arriving, ignore_errors=True)
    return card


class _Writing:
    """One pass over the answers: rows go out, what the card tells is counted."""

    def __init__(self, campaign: Campaign, *, also: Collection[str]) -> None:
        self.campaign, self.also = campaign, also
        self.labels = list(campaign.labels.order_by("position"))
        # No words of anybody: the labels, and what else a kind of question has to tick.
        ticked = getattr(objective(campaign.objective), "ISSUES", ())
        self.keys = {label.key for label in self.labels} | set(ticked)
        self.writers = _people(publish_text=True)
        self.languages: dict[str, _Language] = {}
        self.sources: dict[tuple[str, str, bool], int] = defaultdict(int)
        self.written = 0
        # Drawn anew each time: two publications are not joined by whose number is whose.
        people = sorted({pk for (pk,) in _open(campaign).values_list("annotator")})
        random.SystemRandom().shuffle(people)
        self.person = {pk: number for number, pk in enumerate(people, start=1)}

    def rows(self) -> Iterator[Row]:
        """Each text's answers, one a person, in an order that tells nothing of who came first."""
        # Whoever agrees or answers while this is written comes with the next publication.
        answers = (
            _open(self.campaign)
            .filter(annotator__in=self.person)
            .select_related("annotator", "item__sample__source", "item__sample__language", "label")
        )
        each = answers.order_by("item__sample__uid", "pk").iterator(chunk_size=CHUNK)
        for _pk, some in groupby(each, key=lambda one: one.item.sample_id):
            newest = {one.annotator_id: one for one in some}
            mine = sorted(newest.values(), key=lambda one: self.person[one.annotator_id])
            yield from self._of_one_text([one for one in mine if self._may_go(one)])

    def _may_go(self, one: Annotation) -> bool:
        """Whether it holds no words of somebody who publishes no words."""
        may = one.annotator.user_id in self.writers or not _words(one.answer) - self.keys
        self.written += not may
        return may

    def _of_one_text(self, answers: list[Annotation]) -> Iterator[Row]:
        if not answers:
            return
        sample = answers[0].item.sample
        here = self.languages.setdefault(sample.language.tag, _Language(sample.language.name))
        shown = self._text(sample)
        here.texts += 1
        here.texts_shown += bool(shown)
        for one in answers:
            here.answers += 1
            here.people.add(one.annotator_id)
            if one.flag:
                here.flags[one.flag] += 1
            elif one.label is not None and one.label.value is None:
                here.said.append((sample.pk, one.annotator_id, one.label.position))
            yield {
                "sample": str(sample.uid),
                "language": sample.language.tag,
                **shown,
                "sha256": sample.digest,
                "person": f"p{self.person[one.annotator_id]}",
                **_said(one, words=bool(shown) and one.annotator.user_id in self.writers),
                "guideline": one.guideline_version,
            }

    def _text(self, sample: Sample) -> Row:
        """The text and whose it is, where it may be passed on."""
        source = sample.source
        name, licence = (source.name, source.licence) if source else ("", "")
        may = lets_pass_on(licence, also=self.also)
        self.sources[name, licence, may] += 1
        return {"text": sample.shown, "source": name, "licence": licence} if may else {}

    def card(self, *, licence: str, left_out: Mapping[str, int], now: datetime) -> dict[str, Any]:
        """Everything that is told of what was written."""
        campaign = self.campaign
        return {
            "format": FORMAT,
            "campaign": campaign.slug,
            "title": campaign.title,
            "question": campaign.question,
            "kind": campaign.objective,
            "labels": {label.key: label.name for label in self.labels},
            "licence": licence,
            "made_at": now.isoformat(timespec="seconds"),
            "languages": {tag: self._told(one) for tag, one in sorted(self.languages.items())},
            "sources": [
                {"name": name, "licence": terms, "texts": texts, "shown": may}
                for (name, terms, may), texts in sorted(self.sources.items())
            ],
            "left_out": {**left_out, "written": self.written},
            "thanks": self._names(),
        }

    def _told(self, one: _Language) -> dict[str, Any]:
        return {
            "name": one.name,
            "texts": one.texts,
            "texts_shown": one.texts_shown,
            "answers": one.answers,
            "people": len(one.people),
            "flags": dict(sorted(one.flags.items())),
            "agreement": self._agreement(one),
        }

    def _agreement(self, one: _Language) -> dict[str, Any] | None:
        """How far those agree whose answers these are; nothing where answers are no single label."""
        kind = objective(self.campaign.objective)
        if not one.said or not kind.PLAIN:
            return None
        item, person, label = np.array(one.said, dtype=np.int64).T
        found = agreement(
            np.unique(item, return_inverse=True)[1],
            person=np.unique(person, return_inverse=True)[1],
            label=label,
            labels=len(self.labels),
            rng=np.random.default_rng(0),
            ordinal=kind.ORDERED,
        )
        return {"double": found.double, **_estimates(found)}

    def _names(self) -> list[str]:
        """Who wants to be named, of those whose answers these are; in no order of theirs."""
        everybody = {pk for one in self.languages.values() for pk in one.people}
        people = Annotator.objects.filter(pk__in=everybody, user__in=_people(name_me=True))
        return sorted({str(one.user) for one in people.select_related("user")}, key=str.casefold)


def sample_is_open() -> Q:
    """Texts without a known answer that nobody has set aside or taken back."""
    return Q(item__sample__gold=None, item__sample__withdrawn_at=None)


def _given(campaign: Campaign) -> "QuerySet[Annotation]":
    """What people, and no simulations, say in a campaign: a label, or what is wrong with a text."""
    here = Annotation.objects.filter(item__campaign_language__campaign=campaign)
    said = here.filter(Q(state=State.ANSWERED) | Q(state=State.SKIPPED) & ~Q(flag=""))
    return said.exclude(annotator__kind=Annotator.Kind.SIMULATED)


def _open(campaign: Campaign) -> "QuerySet[Annotation]":
    return _given(campaign).filter(_agreed(), sample_is_open())


def _agreed() -> Exists:
    standing = Consent.objects.standing().filter(publish_labels=True)
    return Exists(standing.filter(user=OuterRef("annotator__user")))


def _people(**agreed: bool) -> set[int]:
    return set(Consent.objects.standing().filter(**agreed).values_list("user", flat=True))


def _said(one: Annotation, *, words: bool) -> Row:
    """An answer as it is read without our tables: a composed one by what it is composed of.

    Without ``words`` neither a note nor a corrected text goes out: both quote what was asked about.
    """
    answer = {name: told for name, told in one.answer.items() if name != "label"}
    if not words:
        answer.pop(CORRECTED, None)
    plain = one.label is not None and one.label.value is None
    label = {"label": one.label.key} if plain and isinstance(one.label, Label) else {}
    note = {"note": one.note} if words and one.note else {}
    return {**label, **answer, **({"flag": one.flag} if one.flag else {}), **note}


def _words(told: object) -> set[str]:
    """The strings in an answer, but for the key of what it is composed of."""
    if isinstance(told, str):
        return {told}
    if isinstance(told, list):
        return {word for one in told for word in _words(one)}
    if isinstance(told, dict):
        return {word for name, one in told.items() if name != "label" for word in _words(one)}
    return set()


def _estimates(found: Agreement) -> dict[str, list[float] | None]:
    return {
        name: None
        if (told := getattr(found, name)).value is None
        else [round(float(one), 4) for one in (told.value, told.low, told.high)]
        for name in ("raw", "alpha", "ac1")
    }
