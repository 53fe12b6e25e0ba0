"""``withdraw``: take a person's answers back, or a text with everybody's."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from training.actions.estimates import estimate_anew
from training.actions.withdrawals import Wish, preview_withdrawal, withdraw
from training.management.choosing import annotators_named, complaints, sample_named


class Command(BaseCommand):
    """At a person's wish, or at the owner's of a text."""

    help = (
        "Take back what somebody has answered: everything, in one language (--language), or on one"
        " text (--sample); or, with --sample alone, a text with all its answers. From then on it"
        " counts in no consensus and no training data. Versions that learned from it are named: what a"
        " network has learned it cannot unlearn, so roll back where that matters. It is not undone."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whose, which, why."""
        parser.add_argument("--person", metavar="NAME", help="user name of whoever takes back")
        parser.add_argument("--language", default="", help="only answers in this language: wo")
        parser.add_argument(
            "--sample", metavar="UID", help="only answers on the text with this uid"
        )
        parser.add_argument("--reason", default="", help="kept with the withdrawal")
        parser.add_argument("--dry-run", action="store_true", help="only say what it would change")

    def handle(self, **options: Any) -> None:
        """Take back, or say what that would mean."""
        for wish in _wishes(options):
            with complaints():
                self._do(wish, options)

    def _do(self, wish: Wish, options: dict[str, Any]) -> None:
        whose = str(wish.annotator) if wish.annotator else "everybody"
        if options["dry_run"]:
            told = preview_withdrawal(wish)
            answers, versions = told.answers, told.versions
            self.stdout.write(f"{whose}: {answers} answers would be taken back.")
        else:
            done = withdraw(wish, reason=options["reason"], actor=None, now=timezone.now())
            versions = done.versions
            if done.withdrawal:
                estimate_anew(done.withdrawal.pk, now=timezone.now())
            self.stdout.write(f"{whose}: {done.answers} answers are taken back.")
            for run in done.aborted:
                self.stdout.write(f"  {run} was learning from them and is aborted.")
        for version in versions:
            self.stdout.write(f"  {version.campaign.slug} {version} learned from them.")


def _wishes(options: dict[str, Any]) -> list[Wish]:
    sample = sample_named(options["sample"]) if options["sample"] else None
    if options["person"]:
        people = annotators_named(options["person"], tag=options["language"])
        return [Wish(annotator=person, sample=sample) for person in people]
    if sample is None:
        raise CommandError("Name a person (--person), a text (--sample), or both.")
    return [Wish(sample=sample)]
