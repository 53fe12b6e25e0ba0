"""What commands are told by name: campaigns, versions, runs, people and texts, or what to do instead."""

from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.core.management.base import CommandError
from django.db.utils import OperationalError, ProgrammingError

from annotation.errors import VernacularError
from annotation.models import Annotator, Campaign, Sample
from learning.models import ModelVersion
from training.models import TrainingRun

CAMPAIGN = "short name of the campaign, as in manage.py list_campaigns"
VERSION = "number of the version: 3 or v3, or the first signs of its digest"


@contextmanager
def tables() -> Iterator[None]:
    """Have a database without our tables end the command in words: nobody has set it up yet."""
    try:
        yield
    except (OperationalError, ProgrammingError) as error:
        raise CommandError(
            f"The database is not set up, or is older than this program ({error})."
            " Set it up: python3 manage.py setup"
        ) from error


def add_version(parser: ArgumentParser, name: str = "version", *, told: str = VERSION) -> None:
    """Ask for a version of the campaign that was asked for before."""
    parser.add_argument(name, help=told)


def campaign_named(slug: str) -> Campaign:
    """Return the campaign, or say which there are."""
    with tables():
        campaign = Campaign.objects.filter(slug=slug).first()
    if campaign is None:
        raise CommandError(f"There is no campaign {slug!r}. See: manage.py list_campaigns")
    return campaign


def version_named(campaign: Campaign, *, name: str) -> ModelVersion:
    """Return the version of that number, or with a digest that begins so."""
    versions = campaign.model_versions.select_related("campaign")
    number = name.removeprefix("v")
    if (
        number.isdecimal()
        and len(number) < 10
        and (found := versions.filter(number=int(number)).first())
    ):
        return found
    by_digest = list(versions.filter(digest__startswith=name.lower())[:2]) if len(name) > 3 else []
    if len(by_digest) == 1:
        return by_digest[0]
    last = versions.order_by("-number").first()
    there = f"It has versions 1 to {last.number}." if last else "It has none yet."
    raise CommandError(f"{campaign.slug!r} has no version {name!r}. {there}")


def run_numbered(number: int) -> TrainingRun:
    """Return the training run."""
    with tables():
        run = TrainingRun.objects.select_related("campaign", "candidate").filter(pk=number).first()
    if run is None:
        raise CommandError(
            f"There is no training run {number}. The campaign's page and inspect_campaign name them."
        )
    return run


def annotators_named(username: str, *, tag: str = "") -> list[Annotator]:
    """Return what somebody is in each language, or in one."""
    found = Annotator.objects.filter(user__username=username).select_related("user", "language")
    if tag:
        found = found.filter(language__tag=tag)
    with tables():
        people = list(found.order_by("language__tag"))
    if not people:
        where = f" in {tag}" if tag else ""
        raise CommandError(
            f"{username!r} is nobody who answers{where}. A campaign's page of people names them."
        )
    return people


def sample_named(uid: str) -> Sample:
    """Return the text with that uid."""
    try:
        with tables():
            sample = Sample.objects.filter(uid=UUID(uid)).first()
    except ValueError:
        sample = None
    if sample is None:
        raise CommandError(f"There is no text with the uid {uid!r}; items at the desk carry it.")
    return sample


@contextmanager
def complaints() -> Iterator[None]:
    """Have what somebody can mend end the command with its words, not with a traceback."""
    try:
        yield
    except VernacularError as error:
        raise CommandError(str(error)) from error
