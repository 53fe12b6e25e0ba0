"""``demo``: the whole loop on a campaign that needs no download, with simulated annotators."""

import os
import sys
import threading
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.actions.campaigns import start_campaign
from annotation.errors import VernacularError
from annotation.gateways.label_studio import open_desk
from annotation.models import Campaign
from config.demo import material, preparing
from config.demo.material import LANGUAGES
from config.demo.report import outcome_of, render
from config.demo.rounds import Crews, Moment, gathering, run_rounds
from config.env import env
from config.first_run import prepare_database
from config.installing import SetupError
from config.stack import AlreadyRunningError, Stack, StackOptions, running_stack
from config.supervisor import ProcessFailedError
from learning.models import Round

LOOKS_EVERY_S = "2.0"
TELLS_EVERY_S = 15.0


class Command(BaseCommand):
    """Prepare the demo, run its rounds, show what came of them, stay up for people."""

    help = "Run the whole loop on a demo campaign; on a terminal stay up afterwards."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How many rounds, and whether to stop at the end."""
        parser.add_argument("--rounds", type=int, default=3, help="rounds to run in all (3)")
        parser.add_argument("--once", action="store_true", help="stop everything at the end")
        parser.add_argument(
            "--languages", type=int, default=0, help=f"how many languages ({len(LANGUAGES)})"
        )
        parser.add_argument("--port", type=int, default=0, help="port of the pages (8100)")
        parser.add_argument(
            "--label-studio-port", type=int, default=0, help="port of Label Studio (8180)"
        )
        parser.add_argument(
            "--patience",
            type=float,
            default=180.0,
            help="give up when nothing moves for so many seconds (180)",
        )

    def handle(self, **options: Any) -> None:
        """Exit with 0 only if every round went through."""
        _refuse_nonsense(options)
        # With people this quick the loop should look more often than for a real campaign.
        os.environ.setdefault("VERNACULAR_TICK_SECONDS", LOOKS_EVERY_S)
        wanted = StackOptions(
            web_port=options["port"],
            label_studio_port=options["label_studio_port"],
            quiet=True,
        )
        self.began = time.monotonic()
        self.live = sys.stdout.isatty()
        finished = False
        try:
            self._say(
                "Starting Redis, Label Studio, the pages, three workers and the timetable ..."
            )
            with running_stack(wanted, prepare=prepare_database) as stack:
                self._say(f"Serving after {stack.seconds:.1f} s.")
                campaign = self._prepare(stack, languages=options["languages"])
                self._run(stack, campaign, rounds=options["rounds"], patience_s=options["patience"])
                finished = True
                self._say(_addresses(stack))
                if self.live and not options["once"]:
                    self._say(
                        "The next round is open: answer in Label Studio, then choose “Train now"
                        " with what is there” on the campaign's page. Ctrl-C stops everything."
                    )
                    stack.watch()
        except KeyboardInterrupt:
            self._say("Stopped.")
            if not finished:
                sys.exit(130)
        except AlreadyRunningError as error:
            self.stderr.write(f"{error}\nStop it first (Ctrl-C where it runs).")
            sys.exit(3)
        except (ProcessFailedError, SetupError, VernacularError) as error:
            logs = env().var_dir / "log"
            raise CommandError(f"{error}\n  Logs: {logs}") from error

    def _run(self, stack: Stack, campaign: Campaign, *, rounds: int, patience_s: float) -> None:
        closed = campaign.rounds.filter(status=Round.Status.CLOSED).count()
        if closed < rounds:
            start_campaign(campaign)
            self._work(stack, campaign, rounds=rounds, patience_s=patience_s)
        else:
            self._say(f"{closed} rounds are through already.")
        self._say(f"\n{render(outcome_of(campaign))}")

    def _work(self, stack: Stack, campaign: Campaign, *, rounds: int, patience_s: float) -> None:
        stopping = threading.Event()
        crews = Crews(
            gathering(
                url=stack.label_studio_url,
                truths=self.truths,
                secret=env().secret_key,
                sleep=stopping.wait,
            )
        )
        started = time.monotonic()
        self.shown = ("", 0.0)
        try:
            run_rounds(
                campaign,
                wanted=rounds,
                crews=crews,
                check=stack.check,
                show=lambda moment: self._show(moment, rounds=rounds, started=started),
                patience_s=patience_s,
            )
        finally:
            stopping.set()
            crews.close()
        counts = crews.counts
        self._say(
            f"{rounds} rounds are through, in {time.monotonic() - started:.0f} s. Simulated people"
            f" gave {counts.answers} answers, {counts.repeats} of them twice, skipped"
            f" {counts.skips}, changed {counts.edits} and went away {counts.absences} times with"
            " one in hand."
        )

    def _prepare(self, stack: Stack, *, languages: int) -> Campaign:
        tags = preparing.choose_languages(languages)
        texts = material.read_texts(tags)
        self.truths = material.truths(texts)
        campaign = preparing.ensure_campaign(tags)
        preparing.ensure_texts(
            campaign, texts=texts, folder=stack.layout.var / "demo", check=stack.check
        )
        preparing.ensure_people(
            tags, open_desk=open_desk, secret=env().secret_key, check=stack.check
        )
        self._say(
            f"Campaign “{campaign.title}”: {campaign.samples.count()} texts in {len(tags)}"
            f" languages, {len(preparing.everybody(tags))} simulated people. ({self._seconds():.0f} s)"
        )
        return campaign

    def _show(self, moment: Moment, *, rounds: int, started: float) -> None:
        what = f"Round {moment.number or 1} of {rounds}: {moment.step or 'opening'}"
        line = f"{what}. {moment.sentence} {moment.answers} answers so far"
        now = time.monotonic()
        clock = time.strftime("%M:%S", time.gmtime(now - started))
        if self.live:
            self.stdout.write(f"\r\x1b[K{clock}  {line}", ending="")
            self.stdout.flush()
        elif what != self.shown[0] or now - self.shown[1] > TELLS_EVERY_S:
            self._say(f"{clock}  {line}")
            self.shown = (what, now)

    def _seconds(self) -> float:
        return time.monotonic() - self.began

    def _say(self, line: str) -> None:
        clear = "\r\x1b[K" if self.live else ""
        self.stdout.write(f"{clear}{line}")
        self.stdout.flush()


def _refuse_nonsense(options: dict[str, Any]) -> None:
    if options["rounds"] < 1:
        raise CommandError("--rounds takes a number from 1.")
    if not 0 <= options["languages"] <= len(LANGUAGES):
        raise CommandError(f"--languages takes a number from 1 to {len(LANGUAGES)}.")


def _addresses(stack: Stack) -> str:
    name, password = stack.credentials["web"]
    email, secret = stack.credentials["label_studio"]
    return (
        f"\n  Pages         {stack.web_url}/campaigns/{material.SLUG}/   "
        f"sign in: {name} / {password}\n"
        f"  Label Studio  {stack.label_studio_url}   sign in: {email} / {secret}\n"
    )
