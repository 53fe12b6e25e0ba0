"""The campaign that :mod:`benchmarks.chaos` disturbs, and the people who work in it."""

import hashlib
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.chaos_people import (
    LANGUAGES,
    PASSWORD,
    SLUG,
    Backups,
    DeskSpeaker,
    Ledger,
    LightSpeaker,
    Program,
    Worker,
    texts,
)
from benchmarks.chaos_stack import ChaosStack

ON_THE_LIGHT_PAGE, AT_THE_DESK = 2, 1


def set_up(stack: ChaosStack, *, gold: int, pool: int, seed: int) -> None:
    """A running campaign of small rounds, with gold, a pool, and its people."""
    from django.utils import timezone

    from annotation.actions.campaigns import LabelSpec, create_campaign, start_campaign
    from annotation.actions.people import ensure_annotator, join_team
    from annotation.gateways.label_studio import open_desk
    from annotation.models import GoldItem, Language, Sample
    from training.actions.recipes import set_recipe

    rng, desk = Random(seed), open_desk()
    campaign = create_campaign(
        slug=SLUG,
        title="Weather or food",
        question="What is it about?",
        labels=[LabelSpec("weather", "Weather"), LabelSpec("food", "Food")],
        languages=list(LANGUAGES),
        items_per_round=24,
    )
    labels = {one.key: one for one in campaign.labels.all()}
    for tag in LANGUAGES:
        language = Language.objects.get(tag=tag)
        made = texts(tag, count=gold + pool, start=0, rng=rng)
        rows = Sample.objects.bulk_create(
            Sample(
                campaign=campaign,
                language=language,
                text=text,
                digest=hashlib.sha256(text.encode()).hexdigest(),
            )
            for text, _ in made
        )
        GoldItem.objects.bulk_create(
            GoldItem(sample=row, label=labels[label], split=("dev", "gate")[n % 2])
            for n, (row, (_, label)) in enumerate(zip(rows[:gold], made, strict=False))
        )
        for name in (*_light(tag), *_desk(tag)):
            who = ensure_annotator(
                username=name, name=name, language=language, desk=desk, password=PASSWORD
            )
            join_team(who.user, language=language, now=timezone.now())
    set_recipe(campaign, changes={"epochs": 2})
    start_campaign(campaign)


def people_of(
    stack: ChaosStack, *, ledger: Ledger, backups: Path, seed: int
) -> tuple[list[Worker], Backups]:
    """Everybody who works, ready to begin."""
    from annotation.actions.keys import create_key
    from annotation.models import Campaign, User

    workers: list[Worker] = []
    for tag in LANGUAGES:
        for name in _light(tag):
            cookie = _signed_in(User.objects.get(username=name))
            own = {"ledger": ledger, "rest": 1.0, "seed": seed}
            workers.append(LightSpeaker(stack, name=name, tag=tag, cookie=cookie, **own))
        workers += [
            DeskSpeaker(stack, name=name, tag=tag, ledger=ledger, rest=1.0, seed=seed)
            for name in _desk(tag)
        ]
    noor = User.objects.create_superuser("noor", password=PASSWORD)
    campaign = Campaign.objects.get(slug=SLUG)
    _, key = create_key(noor, name="chaos", scopes=["import"], campaign=campaign)
    workers.append(Program(stack, key=key, ledger=ledger, rest=7.0, seed=seed))
    return workers, Backups(backups, ledger=ledger, rest=0.5, seed=seed)


def _light(tag: str) -> list[str]:
    return [f"light-{tag}-{number}" for number in range(ON_THE_LIGHT_PAGE)]


def _desk(tag: str) -> list[str]:
    return [f"desk-{tag}-{number}" for number in range(AT_THE_DESK)]


def _signed_in(user: Any) -> str:
    """A session as signing in makes one."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return str(session.session_key)
