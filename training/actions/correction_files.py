"""Correction files: what people wrote in place of what a model wrote, in one language, for other tools."""

import json
from collections.abc import Iterator
from itertools import islice

import polib

from annotation.actions.agreed_files import MOST
from annotation.errors import ConflictError, InvalidInputError
from annotation.models import Campaign, Language
from training.actions.corrections import Corrected, corrections_of

FORMATS = ("po", "jsonl")


def correction_file(campaign: Campaign, *, language: Language, format: str) -> Iterator[str]:
    """Yield the parts of a file; of other kinds of campaigns than ratings it is refused.

    In PO the source is the message, or the output where nothing is told of a source, and what was
    written is its translation. Several may say one message otherwise, so each has a context of its
    own. Both formats read back as an import.
    """
    if format not in FORMATS:
        raise InvalidInputError(
            f"There is no format {format!r}.", remedy=f"There are: {', '.join(FORMATS)}."
        )
    found = list(islice(corrections_of(campaign, language=language), MOST + 1))
    if len(found) > MOST:
        raise ConflictError(
            f"More than {MOST:,} corrections.", remedy="Use manage.py export_corrections."
        )
    if format == "jsonl":
        return (json.dumps(one.record(), ensure_ascii=False) + "\n" for one in found)
    return _po(found, language=language)


def _po(found: list[Corrected], *, language: Language) -> Iterator[str]:
    head = polib.POFile(wrapwidth=0)
    head.metadata = {"Content-Type": "text/plain; charset=UTF-8", "Language": language.tag}
    yield f"{head}\n"
    for one in found:
        yield f"{_entry(one)}\n"


def _entry(one: Corrected) -> str:
    told = one.record()
    said = [f"output: {one.output}", f"licence: {told['licence']}", f"origin: {told['origin']}"]
    entry = polib.POEntry(
        msgid=one.source or one.output,
        msgstr=one.corrected,
        msgctxt=told["id"],
        # A comment ends with its line.
        comment="\n".join(" ".join(line.split()) for line in said if not line.endswith(": ")),
    )
    return str(entry.__unicode__(wrapwidth=0))
