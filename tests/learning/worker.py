"""Processes of their own for tests that need several: ``python -m tests.learning.worker FOLDER``.

What is slow is imported once. Then every line of words on stdin, ``VERB …``, is forked into a
process that writes to ``FOLDER/NUMBER.out`` and ``.err``, its exit code to ``.code`` at the end.
Imports stand inside the verbs: models need a Django that is set up.
"""

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import django
from django.utils import timezone


def prepare(samples: str) -> Any:
    """A campaign whose pool holds some texts twice, and a first version that serves."""
    from django.core.management import call_command

    from learning.actions.versions import initial_version
    from tests.make import make_campaign, make_gold, make_sample

    call_command("migrate", verbosity=0)
    campaign = make_campaign(items_per_round=24, floor_per_language=2)
    for number in range(int(samples)):
        tag = ("wo", "qu", "wo")[number % 3]
        make_sample(campaign, tag, text=f"text {number - (number % 9 == 8) * 3}")
    make_gold(campaign, "wo", text="known")
    initial_version(campaign)
    return campaign.slug


def score(batches: str = "1000000") -> Any:
    """Score until the scoring is done, or die by SIGKILL in the middle of that many batches."""
    from annotation.models import Campaign
    from learning.actions import scoring
    from learning.actions.serving import serving_version
    from learning.models import Scoring
    from learning.networks import packing
    from tests.learning.tiny import TinyNetwork

    collate, left = TinyNetwork.collate, [int(batches)]

    def mortal(self: TinyNetwork, *args: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return collate(self, *args)

    TinyNetwork.collate = mortal
    packing.MOST_TEXTS = 5
    work = scoring.open_scoring(serving_version(Campaign.objects.get()), now=timezone.now())
    while work.status == Scoring.Status.RUNNING:
        for pk in scoring.reclaim_shards(work, now=timezone.now()):
            scoring.score_shard(pk)
        time.sleep(0.05)
        work.refresh_from_db()
    return work.pk


def choose_and_die() -> Any:
    """Choose for the first round, write all of it, and die by SIGKILL before it is committed."""
    from annotation.models import Campaign
    from learning.actions import rounds
    from learning.models import Round

    campaign = Campaign.objects.get()
    commit = rounds._commit

    def mortal(*args: Any, **kwargs: Any) -> Any:
        round_ = commit(*args, **kwargs)
        sys.stdout.write(json.dumps(_choice(round_)) + "\n")
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    rounds._commit = mortal
    rounds.select_round(rounds.open_round(campaign, now=timezone.now()), now=timezone.now())
    return Round.objects.count()


def _choice(round_: Any) -> list[Any]:
    """What a round chose, but for gold, which is drawn by how often it was shown."""
    picks = round_.picks.exclude(slot="gold").order_by("item__sample")
    chosen = picks.values_list("item__sample", "slot", "propensity")
    return [round_.request_digest, *map(list, chosen)]


def race(rounds: str, start: str) -> Any:
    """Open, select and close rounds as fast as others allow, from the moment the file is there."""
    from annotation.errors import ConflictError
    from annotation.models import Campaign
    from learning.actions.rounds import open_round, select_round
    from learning.models import Round

    campaign = Campaign.objects.get()
    Path(f"{start}.{os.getpid()}").touch()
    while not Path(start).exists():
        time.sleep(0.005)
    won = 0
    while Round.objects.count() < int(rounds) or Round.objects.open().exists():
        try:
            round_ = select_round(open_round(campaign, now=timezone.now()), now=timezone.now())
        except ConflictError:
            continue
        over = {"status": Round.Status.CLOSED, "closed_at": timezone.now()}
        won += Round.objects.filter(pk=round_.pk, status="collecting").update(**over)
    return won


def walk_reports(seed: str, walks: str) -> Any:
    """Walk reports at random, check what must hold, and leave nothing behind."""
    import random

    from tests.reports.walks import DEEDS, stroll
    from tests.reports.world import World

    rng, world = random.Random(int(seed)), World()  # noqa: S311 - not a secret
    for _ in range(int(walks)):
        deeds = [(rng.randrange(len(DEEDS)), rng.randrange(100_001)) for _ in range(12)]
        stroll(world, deeds)
    return len(world.seen)


def race_reports(seed: str, start: str) -> Any:
    """Move the very reports that others move at the same time, from the moment the file is there."""
    import random

    from annotation.models import Report
    from tests.reports.walks import DEEDS, race
    from tests.reports.world import World

    rng = random.Random(int(seed))  # noqa: S311 - not a secret
    Path(f"{start}.{os.getpid()}").touch()
    while not Path(start).exists():
        time.sleep(0.005)
    world = World.of(Report.objects.order_by("-pk")[0].campaign)
    deeds = [(rng.randrange(len(DEEDS)), rng.randrange(100_001)) for _ in range(40)]
    return race(world, deeds)


def raced_reports(made: str) -> Any:
    """Make reports to race for, or check what became of those that were."""
    from datetime import timedelta

    from django.db import transaction

    from annotation.models import Report
    from tests.reports.walks import check, tell
    from tests.reports.world import World

    if int(made):
        world = World()
        for number in range(int(made)):
            tell(world, number)
        return world.pks
    world = World.of(Report.objects.order_by("-pk")[0].campaign)
    world.now = timezone.now() + timedelta(days=9)
    with transaction.atomic():
        check(world)
        transaction.set_rollback(True)
    return sum(report.events for report in world.reports)


def tamper() -> Any:
    """Try to change what served and who changed the gate, and say what is held of it still."""
    from django.db import connection

    from learning.actions.identities import check_identity
    from learning.models import Deployment, ModelVersion
    from training.actions.gate_settings import keep_track
    from training.models import GateChange

    version = ModelVersion.objects.get()
    check_identity(version)
    keep_track(version.campaign, now=timezone.now())
    acts: list[Any] = [
        lambda: Deployment.objects.update(reason="it was never so"),
        lambda: Deployment.objects.all().delete(),
        lambda: connection.cursor().execute("DELETE FROM learning_deployment"),
    ]
    for table, columns in (
        ("learning_deployment", "version_id, kind, reason, created_at"),
        ("training_gatechange", "before, after, wish, created_at"),
    ):
        for statement in _round_the_triggers(table, columns, connection.vendor):
            acts.append(lambda statement=statement: connection.cursor().execute(statement))
    said = []
    if connection.vendor == "sqlite":
        asked = connection.cursor().execute("PRAGMA recursive_triggers").fetchone()
        said.append(asked == (1,))
    for pragma in ("ON", "OFF"):  # others may open the file, and ask for nothing
        if connection.vendor == "sqlite":
            connection.cursor().execute(f"PRAGMA recursive_triggers={pragma}")
        said += [_is_refused(act) for act in acts]
    left = list(Deployment.objects.values_list("reason", flat=True))
    return {"refused": said, "left": left, "changes": GateChange.objects.count()}


def _is_refused(act: Any) -> bool:
    from django.db import IntegrityError, transaction

    try:
        with transaction.atomic():
            act()
    except IntegrityError as error:
        return "append-only" in str(error)
    return False


def _round_the_triggers(table: str, columns: str, vendor: str) -> list[str]:
    if vendor == "postgresql":
        return [f"TRUNCATE {table} CASCADE"]
    rest = f"number, campaign_id, {columns}"
    same_id = f"SELECT id, number + 9, campaign_id, {columns} FROM {table}"  # noqa: S608
    return [
        f"REPLACE INTO {table} (id, {rest}) {same_id}",
        f"REPLACE INTO {table} ({rest}) SELECT {rest} FROM {table}",  # noqa: S608
    ]


def report() -> Any:
    """What is in the database now."""
    from django.db.models import Count

    from annotation.models import Item
    from learning.models import Prediction, QuotaAccount, Round, ScoringShard

    twice = Item.objects.exclude(kind="gold").values("sample__language", "sample__digest")
    rounds = list(Round.objects.order_by("number"))
    shards = ScoringShard.objects.order_by("pk")
    return {
        "predictions": Prediction.objects.count(),
        "attempts": list(shards.values_list("attempts", flat=True)),
        "shards": list(shards.values_list("status", flat=True)),
        "twice": twice.annotate(n=Count("pk")).filter(n__gt=1).count(),
        "rounds": [(round_.number, round_.status) for round_ in rounds],
        "got": [sum(row.got for row in round_.allotments.all()) for round_ in rounds],
        "picks": [round_.picks.exclude(slot="gold").count() for round_ in rounds],
        "first": _choice(rounds[0]) if rounds else [],
        "debts": list(QuotaAccount.objects.values_list("debt", flat=True)),
    }


def _use_tiny_networks() -> None:
    """Everything slow that a verb needs comes with these."""
    import learning.actions.rounds
    import learning.actions.scoring
    import learning.inference
    import learning.networks.opening
    from tests.learning.tiny import load_tiny, open_tiny

    learning.networks.opening.open_network = open_tiny
    learning.inference.load_network = load_tiny


def _serve(folder: Path) -> None:
    """Fork for every line; one that waits for it tells how it ended."""
    _use_tiny_networks()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait
    for number, line in enumerate(sys.stdin):
        if os.fork():
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        at = folder / str(number)
        child = os.fork()
        if not child:
            _work(json.loads(line), at)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        at.with_suffix(".new").write_text(str(code))
        at.with_suffix(".new").rename(at.with_suffix(".code"))
        os._exit(0)


def _work(words: list[str], at: Path) -> None:
    """Do what the verb says, as a program would that is started for it."""
    for number, suffix in ((1, ".out"), (2, ".err")):
        file = os.open(at.with_suffix(suffix), os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
    code = 1
    try:
        verb, *arguments = words
        sys.stdout.write(json.dumps(globals()[verb](*arguments)) + "\n")
        code = 0
    except Exception:  # noqa: BLE001 - it ends here, and whoever waits reads why
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    _serve(Path(sys.argv[1]))
