"""Commands in the audit: what ``manage.py`` wrote into the database is told as what pages did is.

Who it was is what the operating system says. Options and numbers are told, and which campaign and
language it was about; every other word may be somebody's name, address or secret, and nothing is
ever taken out of the audit.
"""

import logging
import os
import pwd
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from django.db import DatabaseError

logger = logging.getLogger(__name__)
# They build the database or throw it away, or start others that are audited themselves.
SILENT = {
    *("migrate", "flush", "makemigrations", "test", "check_all", "reset", "setup", "up", "demo"),
    *("createcachetable", "runserver"),
}


@contextmanager
def audited(argv: Sequence[str]) -> Iterator[None]:
    """Write down what a command did, however it ends."""
    if len(argv) < 2 or argv[1] in SILENT:
        yield
        return
    import django

    django.setup()
    from annotation.actions.auditing import tallied

    ended = "failed"
    with tallied() as tally:
        try:
            yield
            ended = "done"
        except SystemExit as error:
            ended = "failed" if error.code else "done"
            raise
        finally:
            if tally.wrote:
                _note(argv, wrote=tally.wrote, ended=ended)


def _note(argv: Sequence[str], *, wrote: Mapping[str, list[int]], ended: str) -> None:
    from annotation.actions.auditing import record
    from annotation.models import Campaign, Language

    try:
        slugs = Campaign.objects.filter(slug__in=argv[2:]).values_list("slug", flat=True)
        known = {*slugs, *Language.objects.filter(tag__in=argv[2:]).values_list("tag", flat=True)}
        words = " ".join(_told(word, known=known) for word in argv[2:])
        record(
            f"manage.py {argv[1]}",
            actor=None,
            campaign=next(iter(slugs), ""),
            named={"by": who(), "arguments": words, "ended": ended},
            wrote=wrote,
        )
    except DatabaseError as error:
        # What was done is done: the database may be one that this command has just taken away.
        logger.warning("The audit could not be told of %s: %s", argv[1], error)


def _told(word: str, *, known: set[str]) -> str:
    from annotation.actions.auditing import HIDDEN

    if word.startswith("-"):
        option, equals, _ = word.partition("=")
        return option + (f"={HIDDEN}" if equals else "")
    return word if word in known or (word.isascii() and word.isdigit()) else HIDDEN


def who() -> str:
    """Who the operating system says it is, and who signed in at the terminal."""
    number = os.getuid()
    name = str(number)
    with suppress(KeyError):
        name = pwd.getpwuid(number).pw_name
    with suppress(OSError):
        behind = os.getlogin()
        return name if behind == name else f"{name} ({behind})"
    return name
