"""The callers of :mod:`benchmarks.intake`, a process of their own: ``… -m benchmarks.intake_load PLAN``.

Raw HTTP/1.1 over connections that stay open, for a client library takes more of a core than the
server that is measured. With a rate, calls are due by the clock whether or not the last one has been
answered, and each is timed from when it was due; without one, every connection calls again at once.
"""

import asyncio
import itertools
import json
import resource
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# As often as a shaky line has a phone, or a desk that got no answer, say the same again.
TWICE_EVERY = 20
# A server that is so far behind is not waited for: what was not called by then is not counted as done.
PATIENCE = 1.5


class Line:
    """One connection, opened anew whenever the server has closed it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, head: str, body: bytes) -> tuple[int, bytes]:
        """Send a request and return status and body; once more on a connection that was closed."""
        raw = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        fresh = self.streams is None
        try:
            return await self._once(raw)
        except (OSError, asyncio.IncompleteReadError):
            self.streams = None
            if fresh:
                raise
        return await self._once(raw)

    async def _once(self, raw: bytes) -> tuple[int, bytes]:
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        writer.write(raw)
        top = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = top.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        body = await reader.readexactly(int(length or 0))
        if b"connection: close" in top:
            writer.close()
            self.streams = None
        return int(top[9:12]), body


def nudges(plan: dict[str, Any]) -> Iterator[tuple[str, bytes, list[str], int]]:
    """What Label Studio sends: the name of an event, nothing to believe."""
    body = b'{"action": "ANNOTATION_CREATED"}'
    for home in itertools.cycle(plan["homes"]):
        head = (
            f"POST /hooks/label-studio/{home}/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {plan['secret']}\r\nContent-Type: application/json\r\n"
        )
        yield head, body, [], 1


def answers(plan: dict[str, Any]) -> Iterator[tuple[str, bytes, list[str], int]]:
    """What phones send: so many answers at once, of everybody in turn, some of it twice."""
    together, number = plan["together"], 0
    queues = [(one, list(one["items"])) for one in plan["people"]]
    while any(items for _, items in queues):
        for one, items in queues:
            mine, items[:] = items[:together], items[together:]
            if not mine:
                continue
            uids = [str(uuid.uuid4()) for _ in mine]
            given = [
                {"uid": uid, "item": item, "label": "admin", "edit": 0, "lead_seconds": 2.0}
                for uid, item in zip(uids, mine, strict=True)
            ]
            head = (
                f"POST {one['path']} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {one['cookie']}\r\n"
                f"X-CSRFToken: {one['token']}\r\nContent-Type: application/json\r\n"
            )
            body = json.dumps({"person": one["person"], "answers": given}).encode()
            number += 1
            yield head, body, uids, len(uids)
            if number % TWICE_EVERY == 0:
                yield head, body, uids, 0


async def ask(
    line: Line,
    head: str,
    body: bytes,
    *,
    due: float,
    uids: list[str],
    fresh: int,
    told: dict[str, Any],
) -> None:
    """Make one call, and note when it was answered and which of its answers were taken."""
    try:
        status, said = await line.call(head, body)
    except (OSError, asyncio.IncompleteReadError) as error:
        told["bad"].append(type(error).__name__)
        return
    told["late_s"].append(time.monotonic() - due)
    told["answered"] += fresh
    if status == 204:
        return
    receipts = json.loads(said)["receipts"] if status == 200 else []
    fine = {one["uid"] for one in receipts if one["outcome"] in ("stored", "same")}
    told["taken"] += sorted(fine & set(uids))
    if fine != set(uids):
        told["bad"].append(f"{status} {said[:120]!r}")


async def press(plan: dict[str, Any]) -> dict[str, Any]:
    """Make the calls of a plan, and tell of each when it was answered, and what was taken."""
    calls = nudges(plan) if plan["kind"] == "nudges" else answers(plan)
    begun = time.monotonic()
    told: dict[str, Any] = {"late_s": [], "taken": [], "bad": [], "answered": 0}

    called = 0

    async def work(line: Line) -> None:
        nonlocal called
        for head, body, uids, fresh in calls:
            due = time.monotonic()
            if plan["rate"]:
                due = begun + called / plan["rate"]
                called += fresh
                await asyncio.sleep(max(due - time.monotonic(), 0))
            if (
                due - begun > plan["seconds"]
                or time.monotonic() - begun > PATIENCE * plan["seconds"]
            ):
                return
            await ask(line, head, body, due=due, uids=uids, fresh=fresh, told=told)

    await asyncio.gather(*(work(Line(plan["port"])) for _ in range(plan["lines"])))
    used = resource.getrusage(resource.RUSAGE_SELF)
    told["took_s"] = time.monotonic() - begun
    told["cpu_s"] = used.ru_utime + used.ru_stime
    return told


if __name__ == "__main__":
    asked = json.loads(Path(sys.argv[1]).read_text())
    print(json.dumps(asyncio.run(press(asked))))
