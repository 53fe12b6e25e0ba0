"""``judge_generators``: whether people let a generator pass, language by language."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from training.actions.blind import Verdict, is_open, judge_generators
from training.management.choosing import CAMPAIGN, campaign_named, complaints
from training.methods.judged import MARGIN


class Command(BaseCommand):
    """The people's gate."""

    help = (
        "Say in each language whether what a candidate generator writes is preferred no less than"
        " the champion's, from what people chose blindly in a campaign of preferences. It ends with"
        " an error unless every language passes; without people's choices none does."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where, between whom, how much is allowed."""
        parser.add_argument("campaign", help=CAMPAIGN)
        parser.add_argument("--candidate", required=True, help="the candidate's name")
        parser.add_argument("--champion", required=True, help="the champion's name")
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


def _sentence(one: Verdict) -> str:
    return f"{one.home.language.tag}: {one.verdict}. {one.judged.finding.sentence}"


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
