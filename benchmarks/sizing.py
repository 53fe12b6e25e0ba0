"""Past these machines: how many calls a second larger ones take, ``python -m benchmarks.sizing``.

A simulation, not a measurement. It is fed with the processor time of a call that
``benchmarks.intake`` measured (``results/intake.json``, or ``--web`` and ``--database`` in milliseconds)
and plays the calls out: Poisson arrivals; cores of the web and cores of PostgreSQL, each a queue that
serves whoever came first; and the lock on its language that an answer holds while it is stored, over
languages of unequal size (Zipf). Service times vary (log-normal, coefficient of variation 0.5). Not in
it: disks, networks, memory, the proxy, garbage, and whatever else shares the machine. The first row is
the machine that was measured; where it disagrees with the measurement, so will the others.
"""

import argparse
import heapq
import json
import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

P99_S, SPREAD, CALLS, WARM = 0.1, 0.5, 5_000, 0.1
# What of the web's time passes before the lock is asked for: who it is, and may they.
BEFORE_LOCK = 0.4
MACHINES = ((2, 0), (6, 2), (12, 4), (24, 8))


@dataclass(frozen=True)
class Call:
    """What one call costs in seconds of processors, and whether it locks its language."""

    name: str
    web_s: float
    database_s: float
    locks: bool
    answers: int = 1


@dataclass(frozen=True)
class Sized:
    """The most calls a second that a machine takes within the bar."""

    row: str
    web_cores: int
    database_cores: int
    languages: int
    a_second: float
    p99_ms: float
    answers_a_second: float

    def record(self) -> dict[str, Any]:
        """Return plain names and numbers."""
        return {k: round(v, 2) if isinstance(v, float) else v for k, v in asdict(self).items()}

    def line(self) -> str:
        """For a terminal."""
        shared = "shared" if not self.database_cores else f"{self.database_cores} database"
        return (
            f"{self.row:<22} {self.web_cores:3d} web, {shared:<12} {self.languages:4d} languages"
            f" {self.a_second:9.0f} calls/s {self.answers_a_second:9.0f} answers/s  p99 {self.p99_ms:6.1f} ms"
        )


class Cores:
    """A queue before some processors; whoever came first is served first."""

    def __init__(self, number: int) -> None:
        self.free, self.line = number, deque[tuple[Iterator[Any], float]]()


class Play:
    """One simulation: calls are generators that say where they go next and for how long."""

    def __init__(self, seed: int) -> None:
        self.rng, self.now = random.Random(seed), 0.0
        self.coming: list[tuple[float, int, Iterator[Any], Cores | None]] = []
        self.number = 0

    def at(self, when: float, call: Iterator[Any], freed: Cores | None = None) -> None:
        """Have a call go on then."""
        self.number += 1
        heapq.heappush(self.coming, (when, self.number, call, freed))

    def run(self) -> None:
        """Go on until nothing is left to happen."""
        while self.coming:
            self.now, _, call, freed = heapq.heappop(self.coming)
            if freed is not None:
                self._leave(freed)
            step = next(call, None)
            if step is not None:
                self._enter(call, *step)

    def _enter(self, call: Iterator[Any], place: Cores, lasting: float) -> None:
        if place.free:
            place.free -= 1
            self._serve(call, place, lasting)
        else:
            place.line.append((call, lasting))

    def _serve(self, call: Iterator[Any], place: Cores, lasting: float) -> None:
        # A lock lasts until it is given back by hand: it says so by a time below nought.
        self.at(self.now + max(lasting, 0.0), call, place if lasting >= 0 else None)

    def _leave(self, place: Cores) -> None:
        if place.line:
            call, lasting = place.line.popleft()
            self._serve(call, place, lasting)
        else:
            place.free += 1

    def give_back(self, place: Cores) -> None:
        """Give a lock back."""
        self._leave(place)


def played(call: Call, *, rate: float, web: int, database: int, languages: int) -> list[float]:
    """How long each call took, in seconds, of those that came after the beginning.

    >>> quick = Call("nudge", web_s=0.002, database_s=0.001, locks=False)
    >>> times = played(quick, rate=50.0, web=2, database=0, languages=1)
    >>> 0.003 < sum(times) / len(times) < 0.004
    True
    """
    play, times, lasting_s = Play(seed=0), list[float](), CALLS / rate
    pages, tables = Cores(web), Cores(database or 1)
    if not database:
        tables = pages
    locks = [Cores(1) for _ in range(languages)]
    shares = [1 / (rank + 1) for rank in range(languages)]

    def vary(mean: float) -> float:
        return mean * play.rng.lognormvariate(-(SPREAD**2) / 2, SPREAD)

    def one(lock: Cores) -> Iterator[tuple[Cores, float]]:
        came = play.now
        yield pages, vary(call.web_s * BEFORE_LOCK)
        if call.locks:
            yield lock, -1.0
        yield pages, vary(call.web_s * (1 - BEFORE_LOCK))
        yield tables, vary(call.database_s)
        if call.locks:
            play.give_back(lock)
        if came > WARM * lasting_s:
            times.append(play.now - came)

    when = 0.0
    while when < lasting_s:
        when += play.rng.expovariate(rate)
        (lock,) = play.rng.choices(locks, shares)
        play.at(when, one(lock))
    play.run()
    return times


def p99(times: Sequence[float]) -> float:
    """The time that one in a hundred is above.

    >>> p99([0.1] * 99 + [5.0])
    0.1
    """
    return sorted(times)[int(0.99 * (len(times) - 1))] if times else 0.0


def most(call: Call, *, web: int, database: int, languages: int) -> Sized:
    """The highest rate within the bar, by halving."""
    low, high = 0.0, 1.5 * (web + database) / (call.web_s + call.database_s)
    best = 0.0
    for _ in range(5):
        rate = (low + high) / 2
        late = p99(played(call, rate=rate, web=web, database=database, languages=languages))
        if late <= P99_S:
            low, best = rate, late
        else:
            high = rate
    return Sized(call.name, web, database, languages, low, 1000 * best, low * call.answers)


def measured() -> list[Call]:
    """What each kind of call cost where it was called by the clock."""
    known = json.loads((Path(__file__).parent / "results/intake.json").read_text())
    calls = []
    for row in known["rows"]:
        name, _, how = row["row"].partition(", ")
        if how == "by the clock":
            web_s, database_s = (
                row[at] * row["together"] / 1000 for at in ("web_ms", "database_ms")
            )
            calls.append(Call(name, web_s, database_s, name != "nudges", row["together"]))
    return calls


def main() -> None:
    """Read what was measured, simulate, show, and write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two machines, and writes nothing")
    parser.add_argument("--web", type=float, default=0.0, help="milliseconds of the web, a call")
    parser.add_argument("--database", type=float, default=0.0, help="and of PostgreSQL")
    options = parser.parse_args()
    given = Call("as given", options.web / 1000, options.database / 1000, locks=True)
    calls = [given] if options.web else measured()
    rows = []
    for call in calls:
        for web, database in MACHINES[:2] if options.quick else MACHINES:
            for languages in (8, 200) if call.locks else (1,):
                rows.append(most(call, web=web, database=database, languages=languages))
                print(rows[-1].line(), flush=True)
    if not options.quick and not options.web:
        from benchmarks.report import write

        write("sizing", rows, notes=["simulated, from processor times of benchmarks.intake"])


if __name__ == "__main__":
    main()
