"""Ends a supervisor's processes when the supervisor itself was killed; standard library only.

Run as ``guard.py FD``. The descriptor is a pipe on which the supervisor names process groups
(``+123``) and takes them back (``-123``). When it closes, what is still named is asked to end,
and killed after some seconds.
"""

import os
import signal
import sys
import time

GRACE_S = 8.0


def read_groups(descriptor: int) -> set[int]:
    """Read until the other end is closed; the groups that nobody took back."""
    groups: set[int] = set()
    with os.fdopen(descriptor) as lines:
        for line in lines:
            number = int(line[1:])
            groups.add(number) if line[0] == "+" else groups.discard(number)
    return groups


def signal_all(groups: set[int], number: signal.Signals) -> set[int]:
    """Signal every group; return those that still exist."""
    left = set()
    for group in groups:
        try:
            os.killpg(group, number)
            left.add(group)
        except (ProcessLookupError, PermissionError):
            continue
    return left


def main() -> None:
    """Wait for the supervisor's end, then see to it that nothing outlives it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    left = signal_all(read_groups(int(sys.argv[1])), signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while left and time.monotonic() < deadline:
        time.sleep(0.1)
        left = {group for group in left if _exists(group)}
    signal_all(left, signal.SIGKILL)


def _exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main()
