"""``predict``: what the serving version says of texts, one JSON line each."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand

from annotation.errors import InvalidInputError
from annotation.models import Campaign
from annotation.objectives import objective, whole
from learning.actions.answering import answer, answer_with
from training.management.choosing import (
    CAMPAIGN,
    VERSION,
    campaign_named,
    complaints,
    version_named,
)

AT_ONCE = 256


class Command(BaseCommand):
    """Reads for as long as lines come; whatever serves when a line is answered answers it."""

    help = (
        "Have the serving version answer texts: those given here, or each line of standard input."
        " Every answer is one JSON line with the label, calibrated probabilities, and the version and"
        " digest that gave it; of a line that is no pair, where pairs are asked, the error, and the next"
        " line goes on. After a promotion or a rollback the next line is the other version's."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whose version, in which language, which texts."""
        parser.add_argument("campaign", help=CAMPAIGN)
        parser.add_argument(
            "text",
            nargs="*",
            help="a text (of pairs: two with a tab between); without any, standard input is read",
        )
        parser.add_argument("--language", required=True, help="tag of the texts' language: wo")
        parser.add_argument(
            "--version-number", metavar="N", help=f"not what serves but a {VERSION}"
        )

    def handle(self, **options: Any) -> None:
        """Answer, and keep answering while lines come."""
        campaign = campaign_named(options["campaign"])
        name = options["version_number"]
        chosen = version_named(campaign, name=name) if name else None
        for texts in _batches(options["text"] or _lines()):
            with complaints():
                wholes, wrong = _wholes(campaign, texts, strict=bool(options["text"]))
            given = [one for one in wholes if one is not None]
            tags = [options["language"]] * len(given)
            with complaints():
                if chosen:
                    answers = answer_with(chosen, texts=given, languages=tags)
                else:
                    answers = answer(campaign, texts=given, languages=tags)
            coming = iter(answers)
            for text, one, why in zip(texts, wholes, wrong, strict=True):
                said = {"error": why} if one is None else next(coming).record()
                self.stdout.write(json.dumps({"text": text, **said}, ensure_ascii=False))
            self.stdout.flush()


def _wholes(
    campaign: Campaign, texts: list[str], *, strict: bool
) -> tuple[list[str | None], list[str]]:
    """Pairs as they are stored, or None and why not; a single text is answered whatever it is.

    Of a stream that goes on for hours one bad line is told and passed over.
    """
    if objective(campaign.objective).PARTS == 1:
        return list(texts), [""] * len(texts)
    wholes, wrong = list[str | None](), list[str]()
    for text in texts:
        try:
            wholes.append(whole(campaign.objective, told=text))
            wrong.append("")
        except InvalidInputError as error:
            if strict:
                raise
            wholes.append(None)
            wrong.append(str(error))
    return wholes, wrong


def _lines() -> Iterator[str]:
    for line in sys.stdin:
        if text := line.rstrip("\n"):
            yield text


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield what is given at once in lots; what comes line by line is answered line by line."""
    if isinstance(texts, list):
        source = iter(texts)
        while lot := list(islice(source, AT_ONCE)):
            yield lot
        return
    for text in texts:
        yield [text]
