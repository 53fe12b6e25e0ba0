"""Which languages the pages speak: one catalogue of texts makes one; nothing else has to be told.

Each app ships ``locale/<tag>/LC_MESSAGES/django.po``; a community's own catalogue may lie in
``translations/<tag>.po`` of the folder for what is written, and goes before what was shipped.
"""

import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.env import ROOT

APPS = ("annotation", "learning", "training", "config")
HEADER_SIZE = 4096
# Tells those texts apart that annotators, reporters and the invited see.
SEEN = "Annotators see this."


@dataclass(frozen=True)
class Interface:
    """One language of the pages, as the headers of its catalogues describe it."""

    tag: str
    name: str
    english: str
    right_to_left: bool
    draft: bool
    files: tuple[Path, ...]


def find_interfaces(own: Path | None = None) -> dict[str, Interface]:
    """Return every language that has a catalogue, English first, then by tag."""
    files: dict[str, list[Path]] = {}
    for app in APPS:
        for path in sorted((ROOT / app / "locale").glob("*/LC_MESSAGES/django.po")):
            files.setdefault(_tag(path.parent.parent.name), []).append(path)
    for path in sorted(own.glob("*.po")) if own else ():
        files.setdefault(_tag(path.stem), []).append(path)
    english = Interface("en", "English", "English", right_to_left=False, draft=False, files=())
    found = {tag: _described(tag, tuple(paths)) for tag, paths in sorted(files.items())}
    return {"en": english} | {tag: one for tag, one in found.items() if tag != "en"}


def known_to_django(interfaces: Iterable[Interface]) -> dict[str, dict[str, Any]]:
    """What Django must be told of languages, for it knows few of them."""
    return {
        one.tag: {
            "bidi": one.right_to_left,
            "code": one.tag,
            "name": one.english,
            "name_local": one.name,
        }
        for one in interfaces
    }


def compile_stale(interfaces: Mapping[str, Interface], *, folder: Path) -> list[str]:
    """Turn catalogues into what gettext reads, where that is older or missing; tell which.

    Written beside the database rather than beside the sources: those may be read-only. A text
    that a tool has marked as fuzzy is shown all the same, for a draft is better than English.
    """
    done = []
    for one in interfaces.values():
        target = folder / locale_name(one.tag) / "LC_MESSAGES" / "django.mo"
        if one.files and not _is_fresh(target, one.files):
            _write(target, merged(one.files))
            done.append(one.tag)
    return done


def merged(files: Iterable[Path]) -> bytes:
    """Several catalogues as one compiled one; the later goes before the earlier."""
    import polib  # only when there is something to compile

    entries: dict[tuple[str | None, str], Any] = {}
    head: dict[str, str] = {}
    for path in files:
        catalogue = polib.pofile(str(path), encoding="utf-8")
        head |= catalogue.metadata
        for entry in catalogue:
            if not entry.obsolete and is_translated(entry):
                entry.flags = [flag for flag in entry.flags if flag != "fuzzy"]
                entries[entry.msgctxt, entry.msgid] = entry
    made = polib.MOFile()
    made.metadata = head
    made.extend(polib.MOEntry(**_fields(entry)) for entry in entries.values())
    return bytes(made.to_binary())


def is_translated(entry: Any) -> bool:
    """Whether every form of a text is there."""
    return all(entry.msgstr_plural.values()) if entry.msgstr_plural else bool(entry.msgstr)


def locale_name(tag: str) -> str:
    """A tag as gettext's folders spell it: ``pt-br`` is ``pt_BR``, ``ff-adlm`` is ``ff_Adlm``.

    >>> locale_name("sw"), locale_name("pt-br"), locale_name("ff-adlm")
    ('sw', 'pt_BR', 'ff_Adlm')
    """
    language, _dash, rest = tag.partition("-")
    return f"{language}_{rest.upper() if len(rest) == len('BR') else rest.title()}" if rest else tag


def _tag(folder: str) -> str:
    return folder.lower().replace("_", "-")


def _described(tag: str, files: tuple[Path, ...]) -> Interface:
    told: dict[str, str] = {}
    for path in files:
        with path.open(encoding="utf-8") as file:
            told |= dict(re.findall(r'^"(X-[\w-]+): (.*?)(?:\\n)?"$', file.read(HEADER_SIZE), re.M))
    return Interface(
        tag=tag,
        name=told.get("X-Own-Name", tag),
        english=told.get("X-English-Name", tag),
        right_to_left=told.get("X-Direction", "ltr") == "rtl",
        draft=bool(told.get("X-Draft", "").strip()),
        files=files,
    )


def _is_fresh(target: Path, files: Iterable[Path]) -> bool:
    try:
        made = target.stat().st_mtime_ns
    except FileNotFoundError:
        return False
    return all(path.stat().st_mtime_ns < made for path in files)


def _write(target: Path, content: bytes) -> None:
    """At once or not at all: several processes may start together."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    Path(name).replace(target)


def _fields(entry: Any) -> dict[str, Any]:
    names = ("msgid", "msgstr", "msgid_plural", "msgstr_plural", "msgctxt")
    return {name: getattr(entry, name) for name in names}
