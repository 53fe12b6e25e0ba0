"""``import_samples``: bring a file of texts into a campaign."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from annotation.actions.folders import queue_folder
from annotation.actions.imports import queue_import, release_import, run_import
from annotation.actions.uploads import ImportOptions
from annotation.errors import VernacularError
from annotation.methods.readers import FIELDS, FORMATS
from annotation.models import Campaign, SampleImport

HELP = f"""\
Bring texts into a campaign from {", ".join(FORMATS)}.

  manage.py import_samples health-topics texts.csv --default language=wo --default licence=CC0-1.0
  manage.py import_samples health-topics corpus.jsonl --column text=body --column id=key

Fields: {", ".join(FIELDS)}, and meta.NAME for anything else. A column of the same name fills
its field; --column says which other one does. Every row needs a text, a language and a licence.
A label makes the row gold: its answer is known, it is never trained on, and it goes to the part
(split) dev or gate; without a split about three in ten go to dev. Rows of one group are
translations of each other and stay together. Rows are numbered as a spreadsheet does (the header
is row 1), lines of JSON Lines and PO as an editor does.

Label Studio's exports are .json: what a ground_truth annotation says is the label; with --column
label=annotations it is what all annotations of a task say alike.

A folder is read as the library `datasets` lays it out: of the part `train` the texts alone come in,
to be asked about; labels of `validation` become gold for tuning, of `test` gold for the gate. A
configuration called like a language of the campaign is of that language.
"""
SHOWN = 20


class Command(BaseCommand):
    """Import here and now with progress, or leave it to a worker."""

    help = HELP

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Keep the example's lines as they are."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.formatter_class = RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which file, how to read it, and what to do with bad rows."""
        parser.add_argument("campaign", help="short name of the campaign")
        parser.add_argument("file", nargs="?", help="file or folder; not with --resume")
        parser.add_argument("--format", default="", choices=FORMATS, help="else by the file's name")
        parser.add_argument(
            "--column", nargs="+", action="extend", default=[], metavar="FIELD=NAME"
        )
        parser.add_argument(
            "--default", nargs="+", action="extend", default=[], metavar="FIELD=VALUE"
        )
        parser.add_argument(
            "--refuse-all", action="store_true", help="one bad row keeps the whole file out"
        )
        parser.add_argument("--again", action="store_true", help="though the file came in before")
        place = parser.add_mutually_exclusive_group()
        place.add_argument("--now", action="store_true", help="read it here (this is the default)")
        place.add_argument("--queue", action="store_true", help="leave it to a worker of `up`")
        place.add_argument("--resume", type=int, metavar="NUMBER", help="go on with an import")

    def handle(self, **options: Any) -> None:
        """Queue, run, and report."""
        try:
            campaign = _campaign(options["campaign"])
            if options["file"] and Path(options["file"]).is_dir():
                self._whole_folder(campaign, options)
                return
            job = self._resumed(campaign, options) or self._queued(campaign, options)
            if options["queue"]:
                self._leave_to_a_worker(job)
                return
            self._report(self._run(job))
        except VernacularError as error:
            raise CommandError(str(error)) from error

    def _whole_folder(self, campaign: Campaign, options: dict[str, Any]) -> None:
        """Queue every file before the first is read: what cannot be read stops it all."""
        try:
            queued = queue_folder(campaign, folder=Path(options["file"]), **_told(options))
        except OSError as error:
            raise CommandError(f"Cannot read {options['file']}: {error.strerror}.") from error
        for one, job in queued:
            self.stdout.write(f"{one.path} ({one.config}, {one.split}):")
            if options["queue"]:
                self._leave_to_a_worker(job)
            else:
                self._report(self._run(job))

    def _queued(self, campaign: Campaign, options: dict[str, Any]) -> SampleImport:
        if not options["file"]:
            raise CommandError("Say which file: import_samples CAMPAIGN FILE")
        path = Path(options["file"])
        try:
            with path.open("rb") as file:
                return queue_import(campaign, file=file, filename=path.name, **_told(options))
        except OSError as error:
            raise CommandError(f"Cannot read {path}: {error.strerror}.") from error

    def _resumed(self, campaign: Campaign, options: dict[str, Any]) -> SampleImport | None:
        if options["resume"] is None:
            return None
        job = campaign.imports.filter(pk=options["resume"]).first()
        if job is None:
            known = ", ".join(str(pk) for pk in campaign.imports.values_list("pk", flat=True)[:20])
            raise CommandError(
                f"{campaign.slug!r} has no import {options['resume']}; it has: {known or 'none'}."
            )
        return job

    def _run(self, job: SampleImport) -> SampleImport:
        try:
            return run_import(job.pk, now=timezone.now, progress=self._show)
        except KeyboardInterrupt:
            release_import(job.pk)
            self._end_of_progress()
            raise CommandError(
                "Stopped; what was read so far is kept. A worker of `up` goes on with it, or: "
                f"manage.py import_samples {job.campaign.slug} --resume {job.pk}"
            ) from None

    def _show(self, job: SampleImport) -> None:
        if self.stderr.isatty():
            share = 100 * job.bytes_read // max(1, job.bytes_total)
            told = f"{job.rows_read:,} rows read, {job.rows_refused:,} refused"
            self.stderr.write(f"\r{share:3d} %  {told}", ending="")
            self.stderr.flush()

    def _end_of_progress(self) -> None:
        if self.stderr.isatty():
            self.stderr.write("")

    def _report(self, job: SampleImport) -> None:
        self._end_of_progress()
        for row in job.refused_rows.all()[:SHOWN]:
            field = f"{row.field}: " if row.field else ""
            self.stdout.write(f"  row {row.row}: {field}{row.reason}")
        if job.rows_refused > SHOWN:
            self.stdout.write(f"  … and {job.rows_refused - SHOWN:,} more, on the import's page")
        skipped = "".join(f", {n:,} {why} skipped" for why, n in sorted(job.rows_skipped.items()))
        told = (
            f"Import {job.pk}: {job.rows_read:,} rows read, {job.rows_kept:,} kept, "
            f"{job.rows_refused:,} refused{skipped}."
        )
        if job.status in (SampleImport.Status.FAILED, SampleImport.Status.REFUSED):
            raise CommandError(f"{told} {job.error}")
        if job.status != SampleImport.Status.DONE:
            raise CommandError(f"{told} Another process is reading it now.")
        self.stdout.write(told)

    def _leave_to_a_worker(self, job: SampleImport) -> None:
        from annotation import tasks

        transaction.on_commit(partial(_enqueue, tasks.run_import, job.pk))
        self.stdout.write(
            f"Import {job.pk} is queued; a worker of `manage.py up` reads it. "
            f"Progress: manage.py inspect_campaign {job.campaign.slug}"
        )


def _told(options: dict[str, Any]) -> ImportOptions:
    return {
        "format": options["format"],
        "columns": _pairs(options["column"], "column"),
        "defaults": _pairs(options["default"], "default"),
        "on_error": SampleImport.OnError.REFUSE_ALL if options["refuse_all"] else "",
        "again": options["again"],
    }


def _enqueue(task: Any, import_id: int) -> None:
    """A broker that is away is no loss: the timetable finds what is queued."""
    from kombu.exceptions import OperationalError

    try:
        task.apply_async(kwargs={"import_id": import_id}, retry=False)
    except (OperationalError, OSError):
        return


def _campaign(slug: str) -> Campaign:
    campaign = Campaign.objects.filter(slug=slug).first()
    if campaign is None:
        known = ", ".join(Campaign.objects.values_list("slug", flat=True)[:20])
        raise CommandError(f"There is no campaign {slug!r}. There are: {known or 'none yet'}.")
    return campaign


def _pairs(told: list[str], option: str) -> dict[str, str]:
    pairs = {}
    for pair in told:
        field, equals, value = pair.partition("=")
        if not (field.strip() and equals and value.strip()):
            raise CommandError(f"--{option} {pair!r} is not of the form FIELD=VALUE.")
        pairs[field.strip()] = value.strip()
    return pairs
