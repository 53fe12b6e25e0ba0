"""Clocks of reports: how long one has waited, and when something must follow, from its events alone.

An event is a pair of the state that begins with it and the time in seconds. Nothing is stored but
the events, so that a clock can be computed anew at any time, and comes out the same.
"""

from collections.abc import Sequence

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
Events = Sequence[tuple[str, float]]

# Nobody of ours can do anything meanwhile, so nobody is late.
STOPPED = frozenset({"needs_info", "on_hold", "merged", "withdrawn"})
# In how long something must have followed, whatever the severity.
SPANS = {
    "received": MINUTE,
    "screened": MINUTE,
    "quarantined": 72 * HOUR,
    "needs_info": 30 * DAY,
    "awaiting_triage": 7 * DAY,
    "confirmed": 14 * DAY,
    "collecting": 30 * DAY,
    "training": 60 * DAY,
    "verifying": 14 * DAY,
    "fix_pending_release": 30 * DAY,
    "released": 14 * DAY,
    "reopened": DAY,
    "on_hold": 30 * DAY,
}
CRITICAL = 4
TRIAGE_OF_CRITICAL = DAY
# After the first alarm a report that nobody can read waits for so long, in all.
NOBODY_READS = 180 * DAY


def has_stopped(state: str) -> bool:
    """Return whether nobody of ours is late while a report is in that state.

    >>> has_stopped("needs_info"), has_stopped("closed_fixed"), has_stopped("confirmed")
    (True, True, False)
    """
    return state in STOPPED or state.startswith("closed_")


def running(events: Events, *, now: float) -> float:
    """Return for how many seconds of a report's life the service was due.

    >>> running([("received", 0), ("needs_info", 10), ("awaiting_triage", 100)], now=130)
    40.0
    """
    ends = [at for _, at in events[1:]] + [now]
    spans = (
        end - at for (state, at), end in zip(events, ends, strict=True) if not has_stopped(state)
    )
    return float(sum(spans))


def spent(events: Events, state: str, *, now: float) -> float:
    """Return for how many seconds in all a report was in a state.

    >>> spent([("awaiting_triage", 0), ("needs_info", 10), ("awaiting_triage", 50)],
    ...       "awaiting_triage", now=60)
    20.0
    """
    ends = [at for _, at in events[1:]] + [now]
    return float(sum(end - at for (was, at), end in zip(events, ends, strict=True) if was == state))


def has_alarmed(steps: Sequence[tuple[str, str]]) -> bool:
    """Return whether a report that waits for triage has been told to be late, this time round.

    The alarm is a step from waiting to waiting.

    >>> waits = "awaiting_triage"
    >>> has_alarmed([("screened", waits), (waits, waits)]), has_alarmed([("screened", waits)])
    (True, False)
    >>> has_alarmed([(waits, waits), (waits, "closed_wont_fix"), ("closed_wont_fix", waits)])
    False
    """
    for was, state in reversed(steps):
        if was == state == "awaiting_triage":
            return True
        if was not in ("awaiting_triage", "needs_info"):
            return False
    return False


def due(events: Events, *, severity: int, alarmed: bool = False) -> float | None:
    """Return when something must have followed on the present state; nothing where none is due.

    A report that waits for triage goes on with the time that it had left before it was asked
    something; every other state begins anew. ``alarmed`` once it has been told to be late.

    >>> due([("received", 0), ("awaiting_triage", 60)], severity=4) == 60 + DAY
    True
    >>> asked = [("awaiting_triage", 0), ("needs_info", DAY), ("awaiting_triage", 20 * DAY)]
    >>> due(asked, severity=1) == 26 * DAY
    True
    >>> due([("received", 0), ("closed_fixed", 9)], severity=1) is None
    True
    """
    if not events:
        return None
    state, since = events[-1]
    if state not in SPANS:
        return None
    if state != "awaiting_triage":
        return since + SPANS[state]
    span = TRIAGE_OF_CRITICAL if severity >= CRITICAL else SPANS[state]
    if alarmed:
        span = NOBODY_READS
    # What was waited for before it was closed, or put to another one, is past.
    ends = [at for at, (was, _) in enumerate(events) if was not in (state, "needs_info")]
    round_ = events[ends[-1] + 1 :] if ends else events
    return max(since, since + span - spent(round_, state, now=since))
