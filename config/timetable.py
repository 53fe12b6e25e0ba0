"""The timetable's own clock may be put back: nothing waits until it is where it was.

Celery's beat remembers by the clock of the wall when a task was last sent and when the next is due. A
clock that is put back by 90 s would send nothing for 90 s.
"""

from typing import Any

from celery.beat import PersistentScheduler
from celery.utils.time import maybe_make_aware


class SteadyScheduler(PersistentScheduler):
    """Beat's timetable in a file, which takes what was sent in the future for sent now."""

    def tick(self, *given: Any, **named: Any) -> float:
        """Send what is due; return for how many seconds nothing will be."""
        now = self.app.now()
        ahead = [
            one
            for one in self.schedule.values()
            if one.last_run_at and maybe_make_aware(one.last_run_at) > now
        ]
        for entry in ahead:
            entry.last_run_at = now
        if ahead:
            self._heap = None  # it is in the order of the other clock
        return float(super().tick(*given, **named))
