"""Reviews of translations: what speakers said of a catalogue's texts goes back into the file.

The file is whoever's it is: nothing in it changes but the entries that speakers found wrong.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from annotation.errors import InvalidInputError
from annotation.methods.catalogues import (
    Catalogue,
    Change,
    Entry,
    UnreadableCatalogueError,
    correct,
    read_catalogue,
)
from annotation.methods.texts import parts_of
from annotation.models import CampaignLanguage, Consensus

LEAST = 0.8
LONGEST_BYTES = 20_000_000

Key = tuple[str | None, str]


@dataclass(frozen=True)
class Review:
    """The file with speakers' word in it, and how many of its messages went which way.

    ``wrong`` are now fuzzy with a comment, ``right`` were found right, ``unsure`` were answered
    but not clearly enough or are disputed, ``changed`` were translated anew since, ``unasked`` nobody
    has spoken of.
    """

    data: bytes
    wrong: int
    right: int
    unsure: int
    changed: int
    unasked: int


def review(
    home: CampaignLanguage, *, data: bytes, wrong: Collection[str], least: float = LEAST
) -> Review:
    """Mark what speakers found wrong in a catalogue as fuzzy, with a comment that says so.

    ``wrong`` are the keys of the labels that mean it; what people agreed on with a probability below
    ``least`` marks nothing. The same file again gives the same bytes; a file that was reviewed
    already changes no more.
    """
    _check(home, wrong=wrong, least=least, size=len(data))
    try:
        catalogue = read_catalogue(data)
    except UnreadableCatalogueError as error:
        raise InvalidInputError(str(error)) from error
    said = dict(_said(home))
    changes: list[Change] = []
    counts = dict.fromkeys(("wrong", "right", "unsure", "changed", "unasked"), 0)
    for entry in catalogue.living.values():
        found = _found(entry, said.get(entry.key), wrong=wrong, least=least)
        counts[found] += 1
        if found == "wrong":
            changes.append(_change(entry, said[entry.key][1]))
    return Review(_written(catalogue, changes), **counts)


def _check(home: CampaignLanguage, *, wrong: Collection[str], least: float, size: int) -> None:
    known = list(home.campaign.labels.values_list("key", flat=True))
    if strange := sorted(set(wrong) - set(known)):
        raise InvalidInputError(
            f"There is no label “{strange[0]}”.", remedy=f"There are: {', '.join(known)}."
        )
    if not wrong or set(wrong) == set(known):
        raise InvalidInputError(
            "Some of the labels, and not all of them, mean that a translation is wrong.",
            remedy=f"There are: {', '.join(known)}.",
        )
    if not 0.5 <= least <= 1:
        raise InvalidInputError(
            f"{least:g} is no such probability.", remedy="Give one between 0.5 and 1."
        )
    if size > LONGEST_BYTES:
        raise InvalidInputError(
            f"The file is {size:,} bytes long; the most is {LONGEST_BYTES:,}.",
            remedy="Split the catalogue.",
        )


def _said(home: CampaignLanguage) -> Iterator[tuple[Key, tuple[str, Consensus]]]:
    """What people agreed on of each message; of texts that came in twice, the newer one."""
    agreed = Consensus.objects.filter(
        sample__campaign=home.campaign_id,
        sample__language=home.language_id,
        sample__withdrawn_at=None,
    )
    for row in agreed.select_related("sample", "label").order_by("sample_id").iterator():
        meta = row.sample.meta
        message, context = meta.get("msgid"), meta.get("msgctxt")
        if isinstance(message, str) and isinstance(context, str | None):
            yield (context, message), (parts_of(row.sample.text)[0], row)


def _found(
    entry: Entry, said: tuple[str, Consensus] | None, *, wrong: Collection[str], least: float
) -> str:
    if said is None:
        return "unasked"
    judged, agreed = said
    if judged != next((form for form in reversed(entry.forms) if form.strip()), None):
        return "changed"
    if agreed.disputed or agreed.confidence < least:
        return "unsure"
    return "wrong" if agreed.label.key in wrong else "right"


def _change(entry: Entry, agreed: Consensus) -> Change:
    # No numbers: a later review with more answers must not add a second comment.
    comment = f"Vernacular: speakers say “{agreed.label.name}”"
    return Change(entry.msgid, context=entry.context, fuzzy=True, comment=comment)


def _written(catalogue: Catalogue, changes: list[Change]) -> bytes:
    corrected = correct(catalogue, changes)
    if corrected.refused:
        # Of every change the same: a comment that the file's own encoding cannot hold.
        raise InvalidInputError(str(corrected.refused[0][1]))
    return corrected.data
