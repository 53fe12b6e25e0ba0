"""``up``: run the service in the foreground."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.first_run import prepare_database
from config.installing import SetupError
from config.stack import AlreadyRunningError, Stack, StackOptions, running_stack
from config.supervisor import ProcessFailedError


class Command(BaseCommand):
    """Start everything, say where it is, stay until Ctrl-C."""

    help = "Run the service: pages, Label Studio, workers and timetable. Ctrl-C stops all of it."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The ports, and how much to show."""
        parser.add_argument("--port", type=int, default=0, help="port of the pages (8100)")
        parser.add_argument(
            "--label-studio-port", type=int, default=0, help="port of Label Studio (8180)"
        )
        parser.add_argument("--quiet", action="store_true", help="show only the addresses")
        parser.add_argument(
            "--logs", action="store_true", help="show every log here too; they are in var/log"
        )
        parser.add_argument("--once", action="store_true", help="start, say so, and stop again")

    def handle(self, **options: Any) -> None:
        """Exit with 0 after Ctrl-C, 1 when a process failed, 3 when it runs already."""
        wanted = StackOptions(
            web_port=options["port"],
            label_studio_port=options["label_studio_port"],
            quiet=options["quiet"],
            logs=options["logs"],
        )
        try:
            with running_stack(wanted, prepare=prepare_database) as stack:
                self.stdout.write(greeting(stack))
                self.stdout.flush()
                if not options["once"]:
                    stack.watch()
        except KeyboardInterrupt:
            self.stdout.write("Stopped.")
        except AlreadyRunningError as error:
            self.stderr.write(str(error))
            sys.exit(3)
        except (ProcessFailedError, SetupError) as error:
            raise CommandError(str(error)) from error


def greeting(stack: Stack) -> str:
    """Where everything is, and how to get in."""
    name, password = stack.credentials["web"]
    email, secret = stack.credentials["label_studio"]
    return (
        f"\nVernacular is serving after {stack.seconds:.1f} s.\n\n"
        f"  Pages         {stack.web_url}   sign in: {name} / {password}\n"
        f"  Label Studio  {stack.label_studio_url}   sign in: {email} / {secret}\n"
        f"  Logs          {stack.layout.var / 'log'}\n\n"
        "Ctrl-C stops everything; a worker may take a minute to save its work.\n"
    )
