"""Interface languages: what somebody chose, and how far each has been translated."""

from dataclasses import dataclass
from functools import cache

from django.conf import settings

from annotation.models import User


@dataclass(frozen=True)
class Share:
    """How much of the pages is translated, in percent: what annotators see, and all of it."""

    seen: int
    all: int


def choose_interface(user: User, *, tag: str) -> User:
    """Keep what pages and letters speak to a person; the same again changes nothing."""
    if user.interface != tag:
        user.interface = tag
        user.save(update_fields=("interface",))
    return user


@cache
def share_translated(tag: str) -> Share | None:
    """Return how far a language is, or nothing where there is nothing to translate.

    Looked at once a process: catalogues are read at the start, like sources.
    """
    import polib  # once a process; nobody else of the web needs it

    files = settings.INTERFACES[tag].files
    if not files:
        return None
    seen, done, total = [], 0, 0
    for path in files:
        catalogue = polib.pofile(str(path), encoding="utf-8")
        entries = [one for one in catalogue if not one.obsolete]
        said = [bool(one.msgstr or all(one.msgstr_plural.values() or [""])) for one in entries]
        seen += [told for one, told in zip(entries, said, strict=True) if one.comment]
        done += sum(said)
        total += int(catalogue.metadata.get("X-Texts", len(entries)))
    return Share(seen=_percent(sum(seen), len(seen)), all=_percent(done, total))


def _percent(part: int, whole: int) -> int:
    """Rounded down, so that a hundred means all."""
    return 100 * part // whole if whole else 0
