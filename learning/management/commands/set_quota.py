"""``set_quota``: the quota's knobs, tried first with ``--dry-run``, and the last change undone."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.errors import VernacularError
from annotation.models import Campaign
from learning.actions.quota_settings import (
    KNOBS,
    Proposal,
    preview_proposal,
    propose,
    set_quota,
    undo_quota,
)

SHORT = {
    "floor_per_language": "floor",
    "items_per_round": "items",
    "answers_per_item": "answers",
    "most_labels_per_language": "most-labels",
}
LANGUAGE_OPTIONS = {
    "--pause": "ask nothing in a language for now",
    "--resume": "ask any number in it again",
    "--leave-out": "take a language out altogether",
    "--take-in": "let it take part again",
}
NONE = "none"


class Command(BaseCommand):
    """Print what each language would get, then save it, unless only asked to try."""

    help = (
        "Set how many items each language gets a round, and how they are chosen: "
        "manage.py set_quota mood-of-reviews --items 300 --floor 8 --most wo=40 --dry-run. "
        "--dry-run shows what the next choice would be and saves nothing; none empties a knob."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One option a knob, and those of single languages."""
        parser.add_argument("campaign", help="short name of the campaign")
        for knob in KNOBS:
            if knob != "strategy_mix":
                field = Campaign._meta.get_field(knob)
                told = str(getattr(field, "help_text", "") or getattr(field, "verbose_name", ""))
                option = SHORT.get(knob, knob.replace("_", "-"))
                parser.add_argument(f"--{option}", dest=knob, help=told.replace("%", "%%"))
        parser.add_argument(
            "--mix",
            action="append",
            default=[],
            metavar="STRATEGY=SHARE",
            help="a part of a mixture; --mix none ends it",
        )
        for option, told in LANGUAGE_OPTIONS.items():
            parser.add_argument(option, action="append", default=[], metavar="TAG", help=told)
        parser.add_argument(
            "--most", action="append", default=[], metavar="TAG=ITEMS", help="no more a round"
        )
        parser.add_argument("--dry-run", action="store_true", help="show it, save nothing")
        parser.add_argument("--undo", action="store_true", help="take the last change back")

    def handle(self, **options: Any) -> None:
        """Try, then set or undo."""
        campaign = Campaign.objects.filter(slug=options["campaign"]).first()
        if campaign is None:
            raise CommandError(
                f"There is no campaign {options['campaign']!r}. See: manage.py list_campaigns"
            )
        try:
            if options["undo"]:
                change = undo_quota(campaign)
                campaign.refresh_from_db()
                self._show(campaign, propose(campaign, values={}))
                self.stdout.write(f"Change {change.number} takes the one before back.")
                return
            values, languages = _values(options), _languages(options)
            self._show(campaign, propose(campaign, values=values, languages=languages))
            if options["dry_run"]:
                self.stdout.write("Nothing is saved.")
                return
            saved = set_quota(campaign, values=values, languages=languages)
        except VernacularError as error:
            raise CommandError(str(error)) from error
        told = f"Saved as change {saved.number}; --undo takes it back." if saved else "No change."
        self.stdout.write(told)

    def _show(self, campaign: Campaign, proposal: Proposal) -> None:
        preview = preview_proposal(campaign, proposal)
        line = "{:<12} {:>6} {:>6} {:>7} {:>9} {:>7} {:>7}  {}"
        head = ("language", "now", "new", "change", "at random", "owed", "texts", "capped by")
        self.stdout.write(line.format(*head))
        for row in preview.rows:
            now, new = (q.got if q else "-" for q in (row.now, row.new))
            audit, capped = (row.new.audit, row.new.capped_by) if row.new else ("-", "out")
            numbers = (now, new, f"{row.difference:+d}", audit, f"{row.owed:.2f}", row.texts)
            self.stdout.write(line.format(row.home.language.tag, *numbers, capped).rstrip())
        self.stdout.write(
            f"Items {preview.now} -> {preview.new}, "
            f"answers {preview.answers_now} -> {preview.answers_new}."
        )


def _values(options: dict[str, Any]) -> dict[str, Any]:
    given = {knob: options[knob] for knob in KNOBS if options.get(knob) is not None}
    empty = {"cold_start": ""}
    values = {knob: empty.get(knob) if value == NONE else value for knob, value in given.items()}
    if options["mix"]:
        told = [] if options["mix"] == [NONE] else options["mix"]
        values["strategy_mix"] = {name: _share(share) for name, share in _pairs(told, "mix")}
    return values


def _languages(options: dict[str, Any]) -> dict[str, dict[str, Any]]:
    languages: dict[str, dict[str, Any]] = {}
    knobs = (
        ("pause", "most_per_round", 0),
        ("resume", "most_per_round", None),
        ("leave_out", "active", False),
        ("take_in", "active", True),
    )
    for option, knob, value in knobs:
        for tag in options[option]:
            languages.setdefault(tag, {})[knob] = value
    for tag, most in _pairs(options["most"], "most"):
        languages.setdefault(tag, {})["most_per_round"] = None if most == NONE else most
    return languages


def _pairs(told: list[str], option: str) -> list[tuple[str, str]]:
    pairs = []
    for pair in told:
        key, equals, value = (part.strip() for part in pair.rpartition("="))
        if not (key and equals and value):
            raise CommandError(f"--{option} {pair!r} is not of the form NAME=VALUE.")
        pairs.append((key, value))
    return pairs


def _share(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise CommandError(f"--mix: {text!r} is no number.") from None
