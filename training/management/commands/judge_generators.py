"""``judge_generators``: whether people let a generator pass, language by language."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from training.actions.blind import Verdict, is_open, judge_generators
from training.actions.comparing_generators import judge_comparison
from training.management.choosing import CAMPAIGN, campaign_named, complaints
from training.methods.judged import MARGIN
from training.models import BlindCheck, BlindComparison
from training.models.generators import LOOKS


class Command(BaseCommand):
    """The people's gate."""

    help = (
        "Say in each language whether what a candidate generator writes is preferred no less than"
        " the champion's, from what people chose blindly in a campaign of preferences. It ends with"
        " an error unless every language passes; without people's choices none does. Of registered"
        " generators the verdict is kept, in three looks at most: then promote_generator."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where, between whom, how much is allowed."""
        parser.add_argument("campaign", help=CAMPAIGN)
        parser.add_argument("--candidate", default="", help="its name, if it is not registered")
        parser.add_argument("--champion", default="", help="its name, if it is not registered")
        parser.add_argument(
            "--margin",
            type=float,
            default=MARGIN,
            help="how far below a half the share of preferences may lie; usual: 0.05",
        )
        parser.add_argument("--json", action="store_true", help="one JSON object a language")

    def handle(self, **options: Any) -> None:
        """Judge, and say so."""
        campaign = campaign_named(options["campaign"])
        kept = BlindComparison.objects.filter(campaign=campaign).first()
        if kept is not None:
            self._keep(kept, as_json=options["json"])
            return
        if not (options["candidate"] and options["champion"]):
            raise CommandError(
                f"{campaign.slug!r} compares no registered generators: name --candidate and --champion."
            )
        with complaints():
            verdicts = judge_generators(
                campaign,
                candidate=options["candidate"],
                champion=options["champion"],
                margin=options["margin"],
            )
        for one in verdicts:
            told = json.dumps(_record(one)) if options["json"] else _sentence(one)
            self.stdout.write(told)
        if not is_open(verdicts):
            raise CommandError(
                f"{options['candidate']!r} does not pass in every language: it may not take the"
                " champion's place."
            )
        self.stdout.write(f"{options['candidate']!r} passes in every language.")

    def _keep(self, comparison: BlindComparison, *, as_json: bool) -> None:
        with complaints():
            found = judge_comparison(comparison)
        for check in found.checks.select_related("language"):
            told = f"{check.language.tag}: {check.verdict}. {check.sentence}"
            self.stdout.write(json.dumps(_kept(check)) if as_json else told)
        for tag, number in found.record["unchanged"].items():
            self.stderr.write(f"{tag}: both wrote the same for all {number} prompts.")
        for tag in found.record["uncompared"]:
            self.stderr.write(f"{tag}: HOLD. Nobody has compared them in this language.")
        if found.verdict != "PASS":
            raise CommandError(
                f"{comparison.candidate} does not pass in every language ({found.verdict}, look"
                f" {found.look} of {LOOKS}): it may not take {comparison.champion}'s place."
            )
        self.stdout.write(
            f"{comparison.candidate} passes in every language."
            f" Next: manage.py promote_generator {comparison.candidate}"
        )


def _sentence(one: Verdict) -> str:
    return f"{one.home.language.tag}: {one.verdict}. {one.judged.finding.sentence}"


def _kept(check: BlindCheck) -> dict[str, Any]:
    names = ("verdict", "choices", "share", "low", "high", "harm_p", "missing")
    told = {name: getattr(check, name) for name in names}
    return {"language": check.language.tag, **told, "said": check.sentence}


def _record(one: Verdict) -> dict[str, Any]:
    share = one.judged.share
    return {
        "language": one.home.language.tag,
        "verdict": one.verdict,
        "choices": one.choices,
        "share": share.value,
        "low": share.low,
        "high": share.high,
        "harm_p": one.harm_p,
        "missing": one.judged.missing,
        "said": one.judged.finding.sentence,
    }
