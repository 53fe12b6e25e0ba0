"""Which tests run in one process when several run side by side, and in which order.

The tests of a file stay together, for what a file has made is made once. What starts many processes
mostly waits for them: all of it goes to one process, one after the other, beside as many others as
there are cores. So do browsers, and what needs a PostgreSQL, each of which is then started once.
"""

from functools import cache
from pathlib import Path
from typing import Any

from xdist.scheduler.loadscope import LoadScopeScheduling

ROOT = Path(__file__).parent.parent
# What the text of a file names, and whose company its tests then run in, the longest first.
COMPANIES = {
    "services": ("live_service", "start_service", "mark.label_studio"),
    "browsers": ("mark.browser",),
    "postgres": ("mark.postgres",),
}


@cache
def company(path: str) -> str:
    """The company of a file of tests: ``tests/journeys/test_demo.py`` is of the services."""
    file = ROOT / path
    text = file.read_text(encoding="utf-8") if file.suffix == ".py" and file.is_file() else ""
    for name, words in COMPANIES.items():
        if any(word in text for word in words):
            return name
    return path


def rank(path: str) -> int:
    """Companies first, for the longest must not be waited for at the end."""
    return [*COMPANIES, path].index(company(path))


class Companies(LoadScopeScheduling):
    """xdist's scheduler of scopes, where a scope is a file or a company of files."""

    def __init__(self, config: Any, log: Any = None) -> None:
        super().__init__(config, log)
        # In the order of the collection; by the number of tests, the longest would be among the last.
        self.config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return company(nodeid.partition("::")[0])
