"""``translations``: begin a language of the pages, keep its texts up to date, check them."""

from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polib
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.env import ROOT
from config.interfaces import APPS, compile_stale, find_interfaces, locale_name
from config.texts import Text, faults, find_texts, key_of, update

WIDTH = 100
TWO_FORMS = "nplurals=2; plural=(n != 1);"


class Command(BaseCommand):
    """One file of texts a language, which any editor for gettext opens."""

    help = (
        "Interface languages: 'new TAG --name NAME' makes a file to translate, 'update' adds what"
        " is new to every catalogue, 'check' looks whether texts fit, 'status' counts."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """A verb, and for a new language what it is called."""
        parser.add_argument("verb", choices=("new", "update", "check", "status"))
        parser.add_argument("tag", nargs="?", default="", help="language tag: wo, ff-adlm")
        parser.add_argument("--name", default="", help="what its speakers call it: Wolof")
        parser.add_argument("--english", default="", help="what English calls it")
        parser.add_argument("--right-to-left", action="store_true")
        parser.add_argument("--plural", default=TWO_FORMS, help="gettext's rule of plural forms")
        parser.add_argument("--all", action="store_true", help="texts that only admins see, too")

    def handle(self, **options: Any) -> None:
        """Do one of the four."""
        getattr(self, f"_{options['verb']}")(options)

    def _new(self, options: dict[str, Any]) -> None:
        tag = options["tag"].lower()
        if not tag or not options["name"]:
            raise CommandError("Say which: translations new wo --name Wolof")
        target = settings.VAR_DIR / "translations" / f"{tag}.po"
        if target.exists():
            raise CommandError(f"{target} is there; 'translations update' adds what is new to it.")
        catalogue = polib.POFile(wrapwidth=WIDTH)
        catalogue.metadata = _head(tag, options)
        update(catalogue, _all_texts(), everything=options["all"])
        target.parent.mkdir(parents=True, exist_ok=True)
        catalogue.save(str(target))
        self.stdout.write(
            f"{target}: {len(catalogue)} texts. Translate it with any editor for gettext (Poedit,"
            " Lokalize, Weblate); its pages speak it after the next start."
        )

    def _update(self, options: dict[str, Any]) -> None:
        for path in _catalogues(options["tag"]):
            catalogue = polib.pofile(str(path), encoding="utf-8", wrapwidth=WIDTH)
            new, gone = update(catalogue, _texts_of(path), everything=options["all"])
            catalogue.save(str(path))
            self.stdout.write(f"{_shown(path)}: {new} new, {gone} gone")

    def _check(self, options: dict[str, Any]) -> None:
        found = 0
        for path in _catalogues(options["tag"]):
            for fault in faults(polib.pofile(str(path), encoding="utf-8")):
                self.stderr.write(f"{_shown(path)}: {fault}")
                found += 1
        if found:
            raise CommandError(
                f"Texts that do not fit: {found}. Mend them in the files named above."
            )
        interfaces = find_interfaces(settings.VAR_DIR / "translations")
        compile_stale(interfaces, folder=settings.LOCALE_PATHS[0])
        self.stdout.write("All texts fit; restart the service to show them.")

    def _status(self, options: dict[str, Any]) -> None:
        for path in _catalogues(options["tag"]):
            texts = _texts_of(path)
            catalogue = polib.pofile(str(path), encoding="utf-8")
            said = {key_of(one) for one in catalogue.translated_entries()}
            seen = {one.key for one in texts.values() if one.is_seen}
            self.stdout.write(
                f"{_shown(path)}: {len(said & seen)} of {len(seen)} that annotators see,"
                f" {len(said & set(texts))} of {len(texts)} in all"
            )


def _head(tag: str, options: dict[str, Any]) -> dict[str, str]:
    now = datetime.now(UTC)
    return {
        "Project-Id-Version": "Vernacular",
        "PO-Revision-Date": f"{now:%Y-%m-%d %H:%M+0000}",
        "Language": locale_name(tag),
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
        "Plural-Forms": options["plural"],
        "X-Own-Name": options["name"],
        "X-English-Name": options["english"] or options["name"],
        "X-Direction": "rtl" if options["right_to_left"] else "ltr",
    }


def _catalogues(tag: str) -> list[Path]:
    interfaces = find_interfaces(settings.VAR_DIR / "translations")
    if tag and tag.lower() not in interfaces:
        raise CommandError(f"There is no catalogue of {tag}; 'translations new' makes one.")
    wanted = [interfaces[tag.lower()]] if tag else interfaces.values()
    return [path for one in wanted for path in one.files]


def _texts_of(path: Path) -> dict[str, Text]:
    """What belongs into a catalogue: an app's texts, or all of them in a community's file."""
    if path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in APPS:
        return find_texts(path.relative_to(ROOT).parts[0])
    return _all_texts()


def _all_texts() -> dict[str, Text]:
    return dict(_pairs())


def _pairs() -> Iterator[tuple[str, Text]]:
    for app in APPS:
        yield from find_texts(app).items()


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
