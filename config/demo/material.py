"""What the demo campaign is made of: its languages, its labels, and who learns from what."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import django
from django.conf.locale import LANG_INFO

from annotation.actions.campaigns import LabelSpec
from config.demo import catalogues
from config.demo.catalogues import Message, read_messages

SLUG = "demo"
TITLE = "What is this message about?"
QUESTION = "What is this message about?"
LICENCE = "BSD-3-Clause"
# Nine scripts; from some 680 messages down to less than 200.
LANGUAGES = (
    *("ug", "hsb", "ky", "gd", "ml", "ka", "sw"),
    *("hy", "ne", "os", "br", "pa", "kab", "ta"),
)
LABELS = (
    LabelSpec(catalogues.ACCOUNTS, "Accounts"),
    LabelSpec(catalogues.INPUT, "Checks of what was typed"),
    LabelSpec(catalogues.MAPS, "Maps"),
    LabelSpec(catalogues.LANGUAGES, "Names of languages"),
    LabelSpec(catalogues.DATES, "Numbers and dates"),
    LabelSpec(catalogues.ADMIN, "Site administration"),
)
GUIDELINE = (
    "Each text is one message that a web site shows, sometimes a single word. Choose where it"
    " belongs. Site administration: pages where staff look after the site. Accounts: users,"
    " passwords, permissions. Checks of what was typed: what a form or field says or refuses."
    " Numbers and dates: days, months, times, how long ago, numbers in words. Maps: points, lines"
    " and areas. Names of languages: what a language is called. Signs such as %(name)s stand for"
    " something that is filled in. If you cannot tell, skip."
)
POOL, DEV, GATE = "", "dev", "gate"
# Of twenty groups of a subject nine are asked about, four tune, and seven judge: gold decides
# what may serve, so a small language needs much of it.
PARTS = (
    *(GATE, POOL, DEV, POOL, GATE, POOL, GATE, POOL, DEV, POOL),
    *(GATE, POOL, GATE, DEV, POOL, GATE, POOL, DEV, POOL, GATE),
)


@dataclass(frozen=True)
class Text:
    """One message with its part: the pool, or gold for tuning or judging."""

    message: Message
    part: str


def read_texts(locales: Sequence[str] = LANGUAGES) -> list[Text]:
    """All messages; a group of translations is whole in one part, in every language."""
    messages = read_messages(locales)
    subjects: dict[str, set[str]] = defaultdict(set)
    for message in messages:
        subjects[message.group].add(message.subject)
    by_subject: dict[str, list[str]] = defaultdict(list)
    for group in sorted(subjects):
        by_subject[min(subjects[group])].append(group)
    parts = {
        group: PARTS[place % len(PARTS)]
        for groups in by_subject.values()
        for place, group in enumerate(groups)
    }
    return [Text(message, parts[message.group]) for message in messages]


def truths(texts: Sequence[Text]) -> dict[str, dict[str, str]]:
    """Language tag to text to subject: what simulated people look up before they answer."""
    known: dict[str, dict[str, str]] = defaultdict(dict)
    for text in texts:
        known[text.message.locale][text.message.text] = text.message.subject
    return dict(known)


def write_samples(texts: Sequence[Text], path: Path) -> None:
    """Write a file as anybody could bring one: JSON Lines, known answers only where gold."""
    path.parent.mkdir(parents=True, exist_ok=True)
    source = f"Django {django.get_version()} translations"
    partial = path.with_suffix(".new")
    with partial.open("w", encoding="utf-8") as file:
        for text in texts:
            file.write(json.dumps(_row(text, source), ensure_ascii=False) + "\n")
    partial.replace(path)


def _row(text: Text, source: str) -> dict[str, str]:
    message = text.message
    row = {
        "id": hashlib.sha256(f"{message.locale} {message.text}".encode()).hexdigest()[:20],
        "text": message.text,
        "language": message.locale,
        "group": message.group,
        "source": source,
        "licence": LICENCE,
    }
    if text.part != POOL:
        row |= {"label": message.subject, "split": text.part}
    return row


def language_details(locale: str) -> dict[str, str]:
    """What Django knows for sure about a language: its names and its direction."""
    info = LANG_INFO.get(locale)
    if info is None:
        return {}
    own = str(info["name_local"]) if info["name_local"] != info["name"] else ""
    return {
        "name": str(info["name"]),
        "autonym": own,
        "direction": "rtl" if info["bidi"] else "ltr",
    }
