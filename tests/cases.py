"""How many cases a property is tried on: few in every run, many in a nightly one."""

import os

TIMES = 25


def cases(usual: int) -> int:
    """Return so many cases, or 25 times as many with ``HYPOTHESIS_PROFILE=nightly``."""
    return usual * (TIMES if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 1)
