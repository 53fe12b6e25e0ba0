#!/usr/bin/env python3
"""The one way in. Runs on the standard library until ``.venv`` exists, then inside it."""

import os
import sys

if sys.version_info < (3, 11):
    sys.exit(
        "Vernacular needs Python 3.11 or newer; this is %d.%d (%s).\n"
        "Get one from your system (Debian 12, Ubuntu 23.04 and newer have it; on Ubuntu 22.04:\n"
        "sudo apt install python3.11 python3.11-venv), from https://www.python.org/downloads/,\n"
        "or without root: https://docs.astral.sh/uv/ and `uv python install 3.12`.\n"
        "Then start it by name: python3.11 manage.py demo"
        % (sys.version_info[0], sys.version_info[1], sys.executable)
    )


def main() -> None:
    from config.bootstrap import enter

    if not enter(sys.argv):
        return
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line

    from config.audited_commands import audited

    with audited(sys.argv):
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
