"""Faults of :mod:`benchmarks.chaos`: what is done to which part, when, and what must follow."""

import itertools
import time
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any

import httpx

from benchmarks.chaos_people import Backups, Worker
from benchmarks.chaos_stack import PARTS, ChaosStack

KILLED, FROZEN, RESTARTED, CUT_OFF, FULL, CLOCK = (
    "killed",
    "frozen",
    "restarted",
    "cut off",
    "disk full",
    "clock",
)
PHASES = ("import", "scoring", "annotation", "training", "promotion", "backup")
CLOCKS = ("web", "worker-default", "worker-io", "worker-gpu", "beat", "label-studio")
JUMPS = (-3600, -90, 90, 3600)
# These come seldom and are soon over: worth waiting for.
SELDOM = ("scoring", "training", "promotion")
WAIT_S, WAIT_FOR_SELDOM_S = 4.0, 20.0
BAR_S = 60.0
PATIENCE_S = 90.0
TOGETHER = (1, 2, 2, 3)
# Shorter ones are over before anybody looks.
SAID_AFTER_S = {
    "web": 3.0,
    "proxy": 3.0,
    "redis": 3.0,
    "postgres": 3.0,
    "var": 3.0,
    "label-studio": 9.0,
}


@dataclass
class Fault:
    """One fault: what was asked for, and what came of it."""

    part: str
    kind: str
    phase: str
    seconds: float
    jump: int = 0
    during: list[str] = field(default_factory=list)
    said: bool | None = None
    recovered_s: float = 0.0
    waited_for: str = ""

    @property
    def met(self) -> bool:
        """Back by itself in time, and said meanwhile wherever that was possible."""
        return self.recovered_s <= BAR_S and self.said is not False

    @property
    def is_hard_to_see(self) -> bool:
        """Over before anybody looks; or a wrong clock, which stops nothing, and `doctor` tells of."""
        longest = SAID_AFTER_S.get(self.part, float("inf"))
        return self.kind == CLOCK or self.seconds < longest

    def record(self) -> dict[str, Any]:
        """Return it as it is written down."""
        return asdict(self) | {"met": self.met}


# Every part and what may happen to it; both disks as often as what fills them deserves.
FATES = [(p, k) for p in PARTS for k in (KILLED, FROZEN, RESTARTED, CUT_OFF)]
FATES += [(disk, FULL) for disk in ("var", "postgres")] * 3
FATES += [(part, CLOCK) for part in CLOCKS]


def plan(rng: Random, *, seen: Collection[tuple[str, str]] = ()) -> Iterator[list[Fault]]:
    """Every part and kind in turn, in an order of the seed's own, up to three of them at once.

    What earlier chunks have ``seen`` comes after what none has.
    """
    while True:
        deck = sorted(rng.sample(FATES, len(FATES)), key=lambda fate: fate not in seen)
        phases = itertools.cycle(rng.sample(PHASES, len(PHASES)))
        while deck:
            drawn: dict[str, str] = {}
            for part, kind in [deck.pop() for _ in range(min(rng.choice(TOGETHER), len(deck)))]:
                if part in drawn:
                    deck.insert(0, (part, kind))
                else:
                    drawn[part] = kind
            phase = next(phases)
            yield [_made(part, kind, phase, rng) for part, kind in drawn.items()]


def _made(part: str, kind: str, phase: str, rng: Random) -> Fault:
    longest = 3.0 if kind == RESTARTED else 14.0 if part == "label-studio" else 10.0
    seconds = rng.uniform(1.0, longest)
    return Fault(part, kind, phase, seconds, jump=rng.choice(JUMPS) if kind == CLOCK else 0)


@dataclass
class Injector:
    """Hurts the stack, watches what is said of it, heals it, waits until it goes on."""

    stack: ChaosStack
    people: list[Worker]
    backups: Backups

    def wait_for(self, phase: str) -> list[str]:
        """Wait a while for the phase to come; return what goes on now."""
        if phase == "backup":
            self.backups.wanted.set()
        until = time.monotonic() + (WAIT_FOR_SELDOM_S if phase in SELDOM else WAIT_S)
        while True:
            going = self._going_on()
            if phase in going or time.monotonic() > until:
                return going
            self._look(0.02)

    def suffer(self, faults: list[Fault]) -> None:
        """Have faults happen at once; each ends at its own time; then all must go on."""
        during = self.wait_for(faults[0].phase)
        began = time.monotonic()
        for fault in faults:
            fault.during = during
            self._begin(fault)
        for fault in sorted(faults, key=lambda one: one.seconds):
            while (passed := time.monotonic() - began) < fault.seconds:
                self._look(0.1)
                self._listen([one for one in faults if passed <= one.seconds])
            self._end(fault)
        for fault in faults:
            if fault.is_hard_to_see:
                fault.said = fault.said or None
        seconds, lacking = self._wait_until_all_goes_on()
        for fault in faults:
            fault.recovered_s, fault.waited_for = seconds, lacking
        self.stack.settle()

    def _listen(self, faults: list[Fault]) -> None:
        for fault in faults:
            if not fault.said:
                fault.said = self._is_said(fault)

    def _wait_until_all_goes_on(self) -> tuple[float, str]:
        """Seconds until then, and what was lacking last."""
        over, wall, last = time.monotonic(), time.time(), ""
        while True:
            lacking = self._lacking(over, wall)
            last = lacking or last
            passed = time.monotonic() - over
            if not lacking or passed > PATIENCE_S:
                return round(passed, 2), last
            self._look(0.2)

    def _begin(self, fault: Fault) -> None:
        stack, part = self.stack, fault.part
        if fault.kind == KILLED:
            stack.hold_down(part)
        elif fault.kind == FROZEN:
            stack.freeze(part)
        elif fault.kind == RESTARTED:
            stack.stop(part)
        elif fault.kind == CUT_OFF:
            stack.cut_off(part)
        elif fault.kind == FULL:
            stack.fill(part)
        else:
            stack.set_clock(part, seconds=fault.jump)

    def _end(self, fault: Fault) -> None:
        stack, part = self.stack, fault.part
        if fault.kind in (KILLED, RESTARTED):
            stack.let_up(part)
        elif fault.kind == FROZEN:
            stack.thaw(part)
        elif fault.kind == CUT_OFF:
            stack.join(part)
        elif fault.kind == FULL:
            stack.make_room(part)
        else:
            stack.set_clock(part, seconds=0)

    def _look(self, rest: float) -> None:
        self.stack.look()
        time.sleep(rest)

    def _going_on(self) -> list[str]:
        from django.db import Error, connection

        try:
            return self._phases()
        except Error:  # the server was killed since we last asked
            connection.close()
            return []

    def _phases(self) -> list[str]:
        from annotation.models import SampleImport
        from learning.models import Round, ScoringShard
        from training.models import TrainingRun

        now = time.monotonic()
        looks = {
            "import": SampleImport.objects.filter(status="running").exists(),
            "scoring": ScoringShard.objects.filter(status="running").exists(),
            "annotation": any(now - one.done_at < 3 for one in self.people),
            "training": TrainingRun.objects.filter(status="running").exists(),
            "promotion": Round.objects.filter(status="judging").exists(),
            "backup": self.backups.going.is_set(),
        }
        return [name for name, so in looks.items() if so]

    def _is_said(self, fault: Fault) -> bool:
        """Whether a look at our health tells of it."""
        if fault.part == "var":
            from annotation.actions.health import Health, check_disk

            return check_disk().health is Health.BAD
        told = self._readyz()
        if fault.part == "label-studio":
            return told.get("desk") == "not available"
        return fault.part in SAID_AFTER_S and told.get("status") != "ok"

    def _readyz(self) -> dict[str, str]:
        try:
            answer = httpx.get(
                f"{self.stack.proxy_url}/readyz",
                verify=False,
                timeout=2.5,
            )
            return dict(answer.json())
        except (httpx.TransportError, ValueError):
            return {}

    def _lacking(self, over: float, wall: float) -> str:
        """What does not go on yet, in words; nothing once all does."""
        if [one.name for one in self.stack.supervisor.processes if not (one.alive and one.up)]:
            return "a part that is not up"
        told = self._readyz()
        if told.get("status") != "ok" or told.get("desk") != "answers":
            return f"readyz: {told}"
        late = [one.name for one in self.people if one.done_at < over]
        return f"no success since: {late}" if late else self._silent(wall)

    def _silent(self, wall: float) -> str:
        from django.db import Error, connection

        from annotation.models import Heartbeat

        try:
            seen = dict(Heartbeat.objects.values_list("name", "seen_at"))
        except Error:
            connection.close()
            return "database"
        names = ("timetable", "default", "io", "gpu")
        late = [n for n in names if (at := seen.get(n)) is None or at.timestamp() < wall]
        return f"no heartbeat since: {late}" if late else ""
