"""``lineage``: which versions learned from whom, and from whom a version learned."""

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.models import Annotation
from learning.models import ModelVersion
from training.actions.cards import card_of
from training.actions.lineage import tainted, versions_with
from training.management.choosing import (
    annotators_named,
    campaign_named,
    complaints,
    sample_named,
    version_named,
)


class Command(BaseCommand):
    """Both ways."""

    help = (
        "From a person, a text or one answer to every version that learned from it; or, with"
        " --of, from a version to its data: samples, answers and people by language, licences,"
        " what it was made from, gates and deployments."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """From where."""
        start = parser.add_mutually_exclusive_group(required=True)
        start.add_argument("--person", metavar="NAME", help="user name of somebody who answers")
        start.add_argument("--sample", metavar="UID", help="uid of a text")
        start.add_argument("--answer", metavar="N", type=int, help="number of one answer")
        start.add_argument("--of", nargs=2, metavar=("CAMPAIGN", "N"), help="a version")
        parser.add_argument("--language", default="", help="only what the person said in it")
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, **options: Any) -> None:
        """Trace and show."""
        if options["of"]:
            slug, number = options["of"]
            version = version_named(campaign_named(slug), name=number)
            with complaints():
                self.stdout.write(json.dumps(card_of(version), ensure_ascii=False, indent=2))
            return
        versions = versions_with(_answers(options))
        if options["json"]:
            self.stdout.write(json.dumps([_record(version) for version in versions], indent=2))
            return
        if not versions:
            self.stdout.write("No version has learned from it.")
        marked = _marked(versions)
        for version in versions:
            flag = "  holds answers that were taken back" if version.pk in marked else ""
            self.stdout.write(f"{version.campaign.slug}  {version}{flag}")


def _answers(options: dict[str, Any]) -> Any:
    if options["person"]:
        people = annotators_named(options["person"], tag=options["language"])
        return Annotation.objects.filter(annotator__in=people)
    if options["sample"]:
        return Annotation.objects.filter(item__sample=sample_named(options["sample"]))
    found = Annotation.objects.filter(pk=options["answer"])
    if not found.exists():
        raise CommandError(f"There is no answer {options['answer']}.")
    return found


def _marked(versions: Sequence[ModelVersion]) -> set[int]:
    campaigns = {version.campaign_id: version.campaign for version in versions}
    return {pk for campaign in campaigns.values() for pk in tainted(campaign)}


def _record(version: ModelVersion) -> dict[str, Any]:
    return {
        "campaign": version.campaign.slug,
        "version": version.number,
        "digest": version.digest,
        "tainted": version.pk in _marked([version]),
    }
