"""What ``benchmarks.reports`` does in a database of its own: ``python -m benchmarks.reports_apart ROLE N``."""

import json
import os
import random
import sys
import time
from datetime import timedelta
from typing import Any

ADDRESSES = 50
EVERY = 50


def main() -> None:
    """Do one part, and print what came of it as the last line."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    role, number = sys.argv[1], int(sys.argv[2])
    print(json.dumps({"walk": _walk, "flood": _flood}[role](number)))


def _walk(number: int) -> dict[str, Any]:
    from annotation.actions.reports.table import RULES
    from tests.reports.walks import DEEDS, World, stroll

    rng, world = random.Random(20_261_121), World()
    began = time.process_time()
    for _ in range(number):
        stroll(world, [(rng.randrange(len(DEEDS)), rng.randrange(100_001)) for _ in range(10)])
    seconds = time.process_time() - began
    return {"walks": number, "seen": len(world.seen), "rules": len(RULES), "seconds": seconds}


def _flood(number: int) -> dict[str, Any]:
    from django.test import Client
    from django.utils import timezone

    import annotation.views.report_api as doors
    from annotation.actions.reports.queue import ranked
    from annotation.actions.reports.timers import tend
    from annotation.models import PublicDoor, Report
    from tests.make import make_campaign

    vars(doors)["soon"] = lambda *_, **__: None  # no broker here
    campaign = make_campaign(slug="flooded", languages=("wo", "qu"))
    PublicDoor.objects.create(campaign=campaign, open=True)
    client, honest, pages = Client(headers={"host": "127.0.0.1"}), 0, []
    spent = 0.0
    for n in range(number):
        began = time.process_time()
        _post(
            client,
            f"10.{n % ADDRESSES}.0.1",
            {"text": "the very same", "expected": "dates", "language": "wo"},
        )
        spent += time.process_time() - began
        if n % (number // 20) == 0:
            told = _post(
                client, f"192.{n * 20 // number}.7.7", {"text": f"honest {n}", "language": "wo"}
            )
            honest += told.status_code == 201
        if n % EVERY == 0:
            pages.append(client.get("/report/flooded/").status_code == 200)
    now = timezone.now() + timedelta(minutes=2)
    for _ in range(5):
        tend(now)
    wolof = campaign.languages.get(language__tag="wo").language
    rows = ranked(campaign, language=wolof, now=now)
    of = {
        kind: [r.priority for r in rows if r.report.input_text.startswith(kind)]
        for kind in ("honest", "the very")
    }
    taken = Report.objects.exclude(input_text__startswith="honest").count()
    return {
        "taken": taken,
        "refused": number - taken,
        "honest": honest,
        "pages": sum(pages) / len(pages),
        "each_ms": 1000 * spent / number,
        "priority": max(of["the very"], default=0.0) / max(of["honest"]),
    }


def _post(client: Any, address: str, told: dict[str, Any]) -> Any:
    return client.post(
        "/api/reports/flooded/", told, content_type="application/json", REMOTE_ADDR=address
    )


if __name__ == "__main__":
    main()
