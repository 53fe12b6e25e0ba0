"""Fifty people over both desks at once: ``python -m tests.annotation.crowd FOLDER``.

One process prepares an installation and forks: some processes answer, each for several people,
half of them on the light page and half at the desk, while another one pushes, mirrors and sweeps.
What was handed to whom comes out as JSON.
"""

import fcntl
import json
import os
import pickle
import random
import sys
import time
import uuid
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import django

PEOPLE, PROCESSES, ITEMS = 50, 8, 40
# Whoever is still here then has met something that never ends.
LONGEST_S = 200


class SharedDesk:
    """The fake desk in a file, one call at a time: processes share it as they would a server."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            with self.path.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                desk = pickle.load(file)  # noqa: S301 - our own
                made = getattr(desk, name)(*args, **kwargs)
                file.seek(0)
                pickle.dump(desk, file)
                file.truncate()
            return made

        return call


class NoMigrations:
    """Tables straight from the models: what migrations do is not what is raced for."""

    def __contains__(self, app: str) -> bool:
        return True

    def __getitem__(self, app: str) -> None:
        return None


def prepare(folder: Path) -> SharedDesk:
    """An installation whose items want one or two people each, some of them at the desk."""
    from django.conf import settings
    from django.core.management import call_command
    from django.utils import timezone

    from annotation.actions.queue import push_items
    from annotation.models import CampaignLanguage
    from tests.fakes import FakeLabelingDesk
    from tests.make import make_annotator, make_campaign, make_item, make_sample

    settings.MIGRATION_MODULES = NoMigrations()
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    call_command("migrate", run_syncdb=True, verbosity=0)
    path = folder / "desk.pickle"
    path.write_bytes(pickle.dumps(FakeLabelingDesk()))
    desk = SharedDesk(path)
    home = CampaignLanguage.objects.get(campaign=make_campaign(languages=("wo",), status="running"))
    for number in range(PEOPLE):
        user = make_annotator(f"person{number}", "wo").user
        account = desk.create_account(email=user.desk_email, name="", password="x" * 9)
        user.desk_user_id = account.user_id
        user.save()
    for number in range(ITEMS):
        make_item(make_sample(home.campaign), wanted=1 + number % 2, priority=number, batch="r1")
    push_items(home, desk=desk, now=timezone.now())
    return desk


def answer(desk: SharedDesk, *, turn: int) -> None:
    """Answer for every eighth person at whichever desk, until nothing is open any more."""
    from annotation.models import Annotator, CampaignLanguage, Item

    rng = random.Random(turn)  # noqa: S311 - a test's dice
    home = CampaignLanguage.objects.select_related("campaign", "language").get()
    people = list(Annotator.objects.select_related("user").order_by("pk"))[turn::PROCESSES]
    end = time.monotonic() + LONGEST_S
    # Every eighth person is like the first: all of these work at the same desk.
    light = people[0].pk % 2
    if not light:
        wait_for_answers("light", end=end)
    while Item.objects.open().exists() and time.monotonic() < end:
        who = rng.choice(people)
        home.refresh_from_db()
        if light and answer_on_the_light_page(who, home=home, desk=desk):
            wait_for_answers("desk", end=end)
        elif not light and answer_at_the_desk(who, home=home, desk=desk):
            time.sleep(0.3)  # a file is quicker than a server, and nobody else would get any
        else:
            time.sleep(0.05)


def wait_for_answers(source: str, *, end: float) -> None:
    """Neither desk is so quick that it leaves the other nothing."""
    from annotation.models import Annotation, Item

    theirs = Annotation.objects.filter(source=source)
    while Item.objects.open().exists() and not theirs.exists() and time.monotonic() < end:
        time.sleep(0.05)


def answer_on_the_light_page(who: Any, *, home: Any, desk: SharedDesk) -> bool:
    """Take up to two texts and answer each, told twice; whether there were any."""
    from django.utils import timezone

    from annotation.actions.handouts import reserve
    from annotation.actions.light import take_answer

    leases = reserve(who, home=home, desk=desk, now=timezone.now(), most=2)
    for lease in leases:
        told = {"uid": str(uuid.uuid4()), "item": str(lease.item.uid), "label": "admin"}
        for _ in range(2):
            take_answer(who, home=home, told=told, now=timezone.now())
    return bool(leases)


def answer_at_the_desk(who: Any, *, home: Any, desk: SharedDesk) -> bool:
    """Take the next task and answer it; whether there was one."""
    if not home.desk_project_id:
        return False
    task = desk.take_next(home.desk_project_id, user_id=who.user.desk_user_id)
    if task is not None:
        desk.annotate(task.id, user_id=who.user.desk_user_id, label="admin")
        desk.unlock_tasks(home.desk_project_id, [task.id], user_id=who.user.desk_user_id)
    return task is not None


def tend(desk: SharedDesk, over: Path) -> None:
    """Push, mirror and sweep until everybody has gone home, and once more."""
    from django.utils import timezone

    from annotation.actions.intake import sweep
    from annotation.actions.mirror import mirror
    from annotation.actions.queue import push_items
    from annotation.models import CampaignLanguage

    last = False
    while not last:
        last = over.exists()
        for work in (partial(push_items, record=True), mirror, sweep):
            work(CampaignLanguage.objects.get(), desk=desk, now=timezone.now())
        time.sleep(0.02)


def report(desk: SharedDesk) -> dict[str, Any]:
    """Who was handed what, and what came of it."""
    from annotation.models import Annotation, CampaignLanguage, Item, Reservation

    answers = Annotation.objects.answered()
    leases = Reservation.objects.exclude(ended="taken").values_list("item", "annotator")
    at_desk = answers.filter(source="desk").values_list("item", "annotator")
    handed = Counter(item for item, _ in {*leases, *at_desk})
    wanted = dict(Item.objects.values_list("pk", "wanted"))
    project = CampaignLanguage.objects.get().desk_project_id
    return {
        "too_many": [pk for pk, people in handed.items() if people > wanted[pk]],
        "wanted": sum(wanted.values()),
        "answers": answers.count(),
        "by_light": answers.filter(source="light").count(),
        "twice": answers.count() - answers.values("item", "annotator").distinct().count(),
        "at_the_desk": desk.counters(project).annotations,
        "states": sorted(set(Item.objects.values_list("state", flat=True))),
    }


def main(folder: Path) -> None:
    """Prepare, race, report."""
    from django.db import connections

    desk, over, children = prepare(folder), folder / "over", []
    connections.close_all()
    for turn in range(PROCESSES + 1):
        child = os.fork()
        if not child:
            if turn == PROCESSES:
                tend(desk, over)
            else:
                answer(desk, turn=turn)
            return
        children.append(child)
    failed = [os.waitpid(child, 0)[1] for child in children[:-1]]
    over.touch()
    failed.append(os.waitpid(children[-1], 0)[1])
    sys.stdout.write(json.dumps(report(desk) | {"failed": sum(map(bool, failed))}) + "\n")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    main(Path(sys.argv[1]))
