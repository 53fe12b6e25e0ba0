"""Tables: the answers of one language as columns, the way an estimate takes them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from django.db.models import Exists, OuterRef, QuerySet

from annotation.methods import aggregation
from annotation.models import (
    Adjudication,
    Annotation,
    CampaignLanguage,
    GoldGlance,
    GoldItem,
    Label,
)


@dataclass(frozen=True)
class Table:
    """Answers as columns, with the ids that their numbers stand for; ``gold`` by sample id."""

    answers: aggregation.Answers
    samples: list[int]
    people: list[int]
    said: list[Annotation]
    gold: Mapping[int, int]

    @classmethod
    def of(cls, home: CampaignLanguage, *, labels: int) -> "Table":
        """Read the newest answer of each active person on each sample, and what is known of them."""
        said, gold = newest_answers(home), known_answers(home)
        known = _adjudicated(home) | gold
        samples = sorted({answer.item.sample_id for answer in said})
        people = sorted({answer.annotator_id for answer in said})
        item_of = {pk: number for number, pk in enumerate(samples)}
        person_of = {pk: number for number, pk in enumerate(people)}
        columns = np.array(
            [
                (
                    item_of[answer.item.sample_id],
                    person_of[answer.annotator_id],
                    answer.label.position if answer.label else 0,
                )
                for answer in said
            ],
            dtype=np.int64,
        ).reshape(-1, 3)
        answers = aggregation.Answers(
            item=columns[:, 0],
            person=columns[:, 1],
            label=columns[:, 2],
            known=np.array([known.get(pk, aggregation.UNKNOWN) for pk in samples], dtype=np.int64),
            people=len(people),
            labels=labels,
        )
        return cls(answers, samples, people, said, gold)


def known_answers(home: CampaignLanguage) -> dict[int, int]:
    """Return the position of the known label by sample; nobody is measured on gold they made.

    Nor on gold that was retired: its label may be wrong, and the answers speak for themselves.
    """
    return dict(_gold(home).values_list("sample_id", "label__position"))


def known_labels(home: CampaignLanguage) -> tuple[dict[int, Label], set[int]]:
    """Return the known label by sample, gold before decisions, and which samples are gold."""
    gold = {one.sample_id: one.label for one in _gold(home).select_related("label")}
    decided = {one.sample_id: one.label for one in _decided(home).select_related("label")}
    return decided | gold, set(gold)


def _gold(home: CampaignLanguage) -> "QuerySet[GoldItem]":
    return GoldItem.objects.exclude(origin=GoldItem.SPEAKERS).filter(
        sample__items__campaign_language=home, retired_at=None
    )


def newest_answers(home: CampaignLanguage) -> list[Annotation]:
    """The newest answer of each active person on each sample, in a fixed order."""
    newest: dict[tuple[int, int], Annotation] = {}
    answers = (
        Annotation.objects.answered()
        .filter(item__campaign_language=home, annotator__active=True, label__isnull=False)
        .select_related("item", "label")
        .order_by("desk_updated_at", "pk")
    )
    for answer in answers.exclude(_of_who_decided()).exclude(_of_who_was_shown_it()):
        newest[(answer.item.sample_id, answer.annotator_id)] = answer
    return [newest[key] for key in sorted(newest)]


def _of_who_decided() -> Exists:
    """An answer to a text by whoever decided it: nobody is measured on that either."""
    return Exists(
        Adjudication.objects.filter(
            sample=OuterRef("item__sample"),
            decided_by=OuterRef("annotator__user"),
            undone_at=None,
        )
    )


def _of_who_was_shown_it() -> Exists:
    """An answer to gold by somebody whose page had shown them what is right: it measures nobody."""
    return Exists(
        GoldGlance.objects.filter(
            gold__sample=OuterRef("item__sample"),
            user=OuterRef("annotator__user"),
            shown_at__lt=OuterRef("created_at"),
        )
    )


def _adjudicated(home: CampaignLanguage) -> dict[int, int]:
    """What coordinators have decided, which is believed though it is not gold."""
    return dict(_decided(home).values_list("sample_id", "label__position"))


def _decided(home: CampaignLanguage) -> "QuerySet[Adjudication]":
    return Adjudication.objects.filter(
        undone_at=None, sample__campaign=home.campaign_id, sample__language=home.language_id
    )
