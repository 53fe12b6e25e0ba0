"""Texts of the demo: human translations of Django's own messages, sorted by where they are used.

Django keeps, next to each English message, the source file that shows it. That file says what
the message is about, so every translation comes with a known answer. Messages whose place says
nothing clear (debugging pages, site maps …) are left out.
"""

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import django
import polib

from annotation.methods.texts import normalise

ADMIN, ACCOUNTS, INPUT, DATES, MAPS, LANGUAGES = (
    "administration",
    "accounts",
    "input",
    "dates",
    "maps",
    "languages",
)
# The first prefix that fits decides.
SUBJECTS = (
    ("contrib/admin/static/admin/js/calendar", DATES),
    ("contrib/admin/static/admin/js/admin/DateTimeShortcuts", DATES),
    ("contrib/admindocs/", ADMIN),
    ("contrib/admin/", ADMIN),
    ("contrib/auth/", ACCOUNTS),
    ("contrib/sessions/", ACCOUNTS),
    ("contrib/gis/", MAPS),
    ("contrib/humanize/", DATES),
    ("contrib/postgres/", INPUT),
    ("conf/global_settings", LANGUAGES),
    ("core/validators", INPUT),
    ("db/models/", INPUT),
    ("forms/", INPUT),
    ("utils/ipv6", INPUT),
    ("utils/dateformat", DATES),
    ("utils/dates", DATES),
    ("utils/timesince", DATES),
)
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[a-z]|\{\w*\}|<[^>]+>|&\w+;")
SHORTEST = 2
ALIKE = 0.7


@dataclass(frozen=True)
class Message:
    """One translated message: ``group`` is shared by its translations and its look-alikes."""

    group: str
    locale: str
    text: str
    subject: str


def read_messages(locales: Sequence[str], *, root: Path | None = None) -> list[Message]:
    """All usable translations of those locales, in a fixed order.

    A text that stands for two subjects in its language is left out there, and messages that
    look alike in English or share a translation anywhere share a group: what is kept apart by
    group can not be learned from in one place and judged by in another.
    """
    root = root or Path(django.__file__).parent
    subjects = read_subjects(root)
    found = {
        locale: _distinct(_translations(root, locale=locale, subjects=subjects))
        for locale in locales
    }
    groups = _groups(found)
    return [
        Message(group=groups[message], locale=locale, text=text, subject=subjects[message])
        for locale, texts in found.items()
        for message, text in sorted(texts.items())
    ]


def read_subjects(root: Path) -> dict[str, str]:
    """Each English message whose every place speaks of one and the same subject."""
    places: dict[str, set[str]] = defaultdict(set)
    for catalogue in _catalogues(root, locale="en"):
        for entry in polib.pofile(str(catalogue)):
            for path, _line in entry.occurrences:
                places[entry.msgid].add(_subject(path))
    return {
        message: next(iter(subjects))
        for message, subjects in places.items()
        if len(subjects) == 1 and "" not in subjects
    }


def _subject(path: str) -> str:
    return next((subject for prefix, subject in SUBJECTS if path.startswith(prefix)), "")


def _catalogues(root: Path, *, locale: str) -> Iterator[Path]:
    for folder in (root / "conf", *sorted((root / "contrib").iterdir())):
        yield from sorted((folder / "locale" / locale / "LC_MESSAGES").glob("*.po"))


def _translations(
    root: Path, *, locale: str, subjects: Mapping[str, str]
) -> Iterator[tuple[str, str, str]]:
    """English message, its translation, its subject."""
    for catalogue in _catalogues(root, locale=locale):
        for entry in polib.pofile(str(catalogue)):
            text = _text(entry)
            if entry.msgid in subjects and _is_translation(entry, text):
                yield entry.msgid, text, subjects[entry.msgid]


def _text(entry: polib.POEntry) -> str:
    forms = entry.msgstr_plural
    text = forms[max(forms)] if forms else entry.msgstr
    return " ".join(unicodedata.normalize("NFC", text).split())


def _is_translation(entry: polib.POEntry, text: str) -> bool:
    letters = sum(unicodedata.category(sign)[0] in "LM" for sign in PLACEHOLDER.sub("", text))
    original = {entry.msgid.strip(), entry.msgid_plural.strip()}
    return letters >= SHORTEST and text not in original and not (entry.obsolete or entry.fuzzy)


def _distinct(rows: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """One text per message and one message per text; a text of two subjects falls away."""
    subjects: dict[str, set[str]] = defaultdict(set)
    chosen: dict[str, str] = {}
    for message, text, subject in rows:
        key = normalise(text)
        if message not in chosen and key not in subjects:
            chosen[message] = text
        subjects[key].add(subject)
    return {
        message: text for message, text in chosen.items() if len(subjects[normalise(text)]) == 1
    }


def _groups(found: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Name the group of each message."""
    leader = {message: message for texts in found.values() for message in texts}

    def lead(message: str) -> str:
        while leader[message] != message:
            leader[message] = leader[leader[message]]
            message = leader[message]
        return message

    pairs = (*_look_alikes(sorted(leader)), *_same_texts(found))
    for one, other in pairs:
        leader[max(lead(one), lead(other))] = min(lead(one), lead(other))
    return {message: hashlib.sha256(lead(message).encode()).hexdigest()[:16] for message in leader}


def _same_texts(found: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    first: dict[str, str] = {}
    for texts in found.values():
        for message, text in texts.items():
            yield message, first.setdefault(normalise(text), message)


def _look_alikes(messages: Sequence[str]) -> Iterator[tuple[str, str]]:
    shingles = {message: _shingles(message) for message in messages}
    for number, one in enumerate(messages):
        for other in messages[number + 1 :]:
            a, b = shingles[one], shingles[other]
            if len(a & b) >= ALIKE * len(a | b):
                yield one, other


def _shingles(message: str) -> frozenset[str]:
    text = " ".join(PLACEHOLDER.sub("", message).casefold().split())
    return frozenset(text[start : start + 3] for start in range(max(len(text) - 2, 1)))
