"""``openapi``: write what the JSON API is into ``config/openapi.json``, which is committed."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from config.env import ROOT

FILE = ROOT / "config/openapi.json"


def written() -> str:
    """The schema as the file holds it."""
    from config.api import api

    schema = api.get_openapi_schema(path_prefix="/api/v1/")
    return json.dumps(schema, indent=1, ensure_ascii=False, default=str) + "\n"


class Command(BaseCommand):
    """A test compares the two, so that no program is surprised."""

    help = "Write the schema of the JSON API into config/openapi.json; --check only compares."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whether to write."""
        parser.add_argument("--check", action="store_true", help="end with 1 if they differ")

    def handle(self, **options: Any) -> None:
        """Write or compare."""
        if not options["check"]:
            FILE.write_text(written())
        elif FILE.read_text() != written():
            self.stderr.write("config/openapi.json is out of date: python3 manage.py openapi")
            sys.exit(1)
