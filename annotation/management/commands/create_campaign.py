"""``create_campaign``: a question, its labels and its languages, from options or a TOML file."""

import tomllib
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils.text import slugify

from annotation.actions.campaigns import (
    SETTINGS,
    LabelSpec,
    add_language,
    create_campaign,
)
from annotation.actions.languages import ensure_language
from annotation.errors import InvalidInputError, VernacularError
from annotation.models import Campaign

HELP = """\
Create a campaign: one question put to speakers of some languages. It starts as a draft.

  manage.py create_campaign health-topics --title "Health topics" \\
      --question "What is this message about?" \\
      --label malaria=Malaria --label vaccines=Vaccines --label other="Something else" \\
      --language wo --language qu --guideline wo=guideline-wo.txt

or the same, and more, from a file: manage.py create_campaign --from campaign.toml

  slug = "health-topics"
  title = "Health topics"
  question = "What is this message about?"
  items_per_round = 60            # any setting of a campaign may stand here
  calibrate = true                # newcomers pass a session before their answers count

  [[labels]]
  key = "malaria"
  name = "Malaria"
  names = { wo = "Sibiru" }       # as speakers call it; the name is used where none is given

  [[labels]]
  key = "vaccines"
  name = "Vaccines"

  [languages.wo]
  guideline = "Tànnal li ..."     # or guideline_file = "guideline-wo.txt"

  [languages.ff-Adlm]             # what a registry does not know, you know better
  name = "Fulfulde"
  autonym = "𞤊𞤵𞤤𞤬𞤵𞤤𞤣𞤫"
  script = "Adlm"
  direction = "rtl"
"""
# A switch as TOML and people write it.
_SAID = {"true": "True", "false": "False"}
_SWITCHES = {"calibrate": "calibrate", "subjective": "opinions"}
_DETAILS = ("name", "autonym", "script", "direction")


class Command(BaseCommand):
    """Create a campaign in one go, or say what is missing."""

    help = HELP

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Keep the example's lines as they are."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.formatter_class = RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Everything may come from options; a file holds the same."""
        parser.add_argument("slug", nargs="?", help="short name, as in addresses: health-topics")
        parser.add_argument("--from", dest="source", metavar="FILE", help="read a TOML file")
        parser.add_argument("--title", default="", help="what people see; default: the short name")
        parser.add_argument("--question", default="", help="what speakers are asked of each text")
        parser.add_argument("--label", action="append", default=[], metavar="KEY=NAME")
        parser.add_argument("--language", action="append", default=[], metavar="TAG")
        parser.add_argument("--guideline", action="append", default=[], metavar="TAG=FILE")
        parser.add_argument(
            "--calibrate",
            action="store_true",
            help="newcomers' answers count once a calibration session has let them through;"
            " wants about 60 texts with a known answer a language",
        )
        parser.add_argument(
            "--opinions",
            action="store_true",
            help="no answer is wrong: the spread of the answers is what is learned; give"
            " answers_per_item=3 or more with --set",
        )
        parser.add_argument(
            "--set", action="append", default=[], metavar="SETTING=VALUE", help=", ".join(SETTINGS)
        )

    def handle(self, **options: Any) -> None:
        """Gather, create, and say what comes next."""
        try:
            plan = _from_file(Path(options["source"])) if options["source"] else {}
            campaign = _create(_merged(plan, options))
        except VernacularError as error:
            raise CommandError(str(error)) from error
        tags = ", ".join(campaign.languages.values_list("language__tag", flat=True))
        self.stdout.write(
            f"Created {campaign.slug!r} with {campaign.labels.count()} labels in: {tags or '-'}.\n"
            f"Next: manage.py import_samples {campaign.slug} FILE, "
            f"then manage.py run_campaign {campaign.slug}."
        )


def _from_file(path: Path) -> dict[str, Any]:
    try:
        plan = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInputError(f"Cannot read {path}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path} is not TOML: {error}.") from error
    known = {"slug", "title", "question", "labels", "languages", *SETTINGS}
    if unknown := sorted(set(plan) - known):
        raise InvalidInputError(
            f"{path} has an entry {unknown[0]!r}.", remedy=f"There are: {', '.join(sorted(known))}."
        )
    languages = plan.get("languages", {})
    if isinstance(languages, list):
        languages = {tag: {} for tag in languages}
    for tag, details in languages.items():
        if "guideline_file" in details:
            details["guideline"] = _text(path.parent / details.pop("guideline_file"))
        if unknown := sorted(set(details) - {*_DETAILS, "guideline"}):
            raise InvalidInputError(f"{path}: the language {tag!r} has an entry {unknown[0]!r}.")
    return plan | {"languages": languages}


def _merged(plan: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Options add to the file, and win over it."""
    languages = dict(plan.get("languages", {})) | {tag: {} for tag in options["language"]}
    for tag, file in _pairs(options["guideline"], "guideline"):
        languages.setdefault(tag, {})["guideline"] = _text(Path(file))
    labels = [_label(entry) for entry in plan.get("labels", [])]
    labels += [LabelSpec(key, name) for key, name in _pairs(options["label"], "label")]
    title = options["title"] or plan.get("title", "")
    slug = options["slug"] or plan.get("slug") or slugify(title)[:60].strip("-")
    question = options["question"] or plan.get("question", "")
    for name, value in (("short name", slug), ("question", question)):
        if not value:
            raise InvalidInputError(f"The campaign needs a {name}.", remedy="See --help.")
    told = {name: value for name, value in plan.items() if name in SETTINGS}
    told |= {name: True for name, option in _SWITCHES.items() if options[option]}
    told |= {name: _SAID.get(value, value) for name, value in _pairs(options["set"], "set")}
    return {
        "slug": slug,
        "title": title or slug,
        "question": question,
        "labels": labels,
        "languages": languages,
        "settings": told,
    }


@transaction.atomic
def _create(plan: dict[str, Any]) -> Campaign:
    languages = plan.pop("languages")
    settings = plan.pop("settings")
    campaign = create_campaign(**plan, languages=[], **settings)
    for tag, details in languages.items():
        told = {name: str(details[name]) for name in _DETAILS if name in details}
        ensure_language(tag, **told)
        add_language(campaign, tag=tag, guideline=details.get("guideline", ""))
    return campaign


def _label(entry: Any) -> LabelSpec:
    if not isinstance(entry, dict) or not entry.get("key"):
        raise InvalidInputError("Each of [[labels]] needs a key.", remedy="See --help.")
    return LabelSpec(
        str(entry["key"]), str(entry.get("name", entry["key"])), dict(entry.get("names", {}))
    )


def _pairs(told: Sequence[str], option: str) -> list[tuple[str, str]]:
    pairs = []
    for pair in told:
        key, equals, value = pair.partition("=")
        if not (key.strip() and equals and value.strip()):
            raise InvalidInputError(f"--{option} {pair!r} is not of the form KEY=VALUE.")
        pairs.append((key.strip(), value.strip()))
    return pairs


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInputError(f"Cannot read {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{path} is not UTF-8.", remedy="Save it as UTF-8.") from error
