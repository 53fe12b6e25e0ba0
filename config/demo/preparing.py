"""Preparing the demo campaign by the same public actions that anybody's campaign goes through."""

import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from django.contrib.auth.hashers import make_password
from django.db import connections

from annotation.actions.campaigns import create_campaign
from annotation.actions.imports import queue_import
from annotation.actions.languages import ensure_language
from annotation.actions.people import ensure_annotator, ensure_desk_account
from annotation.errors import VernacularError
from annotation.gateways import LabelingDesk
from annotation.models import Annotator, Campaign, Language, SampleImport, User
from annotation.tasks import run_import
from config.demo.characters import Person, team_of
from config.demo.material import (
    GUIDELINE,
    LABELS,
    LANGUAGES,
    QUESTION,
    SLUG,
    TITLE,
    Text,
    language_details,
    write_samples,
)

SEED = 20260
ITEMS_OF_A_LANGUAGE = 20
IMPORT_TAKES_S = 180.0
SIGN_UPS_AT_ONCE = 4
Status = SampleImport.Status


class DemoError(VernacularError):
    """The demo cannot go on; the message says where to look."""

    code = "demo_failed"


def choose_languages(wanted: int = 0) -> tuple[str, ...]:
    """The first so many of the demo's languages, or those that it has begun with."""
    found = Campaign.objects.filter(slug=SLUG).first()
    if found is None:
        return LANGUAGES[: wanted or None]
    there = set(found.languages.values_list("language__tag", flat=True))
    begun = tuple(tag for tag in LANGUAGES if tag in there)
    if wanted and wanted != len(begun):
        raise DemoError(
            f"The demo has begun with {len(begun)} languages.",
            remedy="Leave --languages out, or begin anew: python3 manage.py reset.",
        )
    return begun


def ensure_campaign(languages: Sequence[str] = LANGUAGES) -> Campaign:
    """The demo campaign: found, or made with its languages, labels and guidelines."""
    found = Campaign.objects.filter(slug=SLUG).first()
    if found is not None:
        return found
    for tag in languages:
        ensure_language(tag, **language_details(tag))
    return create_campaign(
        slug=SLUG,
        title=TITLE,
        question=QUESTION,
        labels=LABELS,
        languages=languages,
        guidelines=dict.fromkeys(languages, GUIDELINE),
        seed=SEED,
        items_per_round=ITEMS_OF_A_LANGUAGE * len(languages),
        # All gold there is comes with the texts: one look has the whole risk, and asks for no more.
        gate_looks=1,
    )


def ensure_texts(
    campaign: Campaign, *, texts: Sequence[Text], folder: Path, check: Callable[[], None]
) -> None:
    """Bring the texts in as a file, through a worker; nothing happens if they are there."""
    if campaign.imports.filter(status=Status.DONE).exists():
        return
    job = campaign.imports.filter(status__in=(Status.QUEUED, Status.RUNNING)).first()
    if job is None:
        path = folder / "messages.jsonl"
        write_samples(texts, path)
        with path.open("rb") as file:
            job = queue_import(campaign, file=file, filename=path.name)
    run_import.delay(import_id=job.pk)
    deadline = time.monotonic() + IMPORT_TAKES_S
    while job.status in (Status.QUEUED, Status.RUNNING):
        if time.monotonic() > deadline:
            raise DemoError(
                f"The import of the texts is not done after {IMPORT_TAKES_S:.0f} s.",
                remedy="Look at the log of worker-io.",
            )
        check()
        time.sleep(0.3)
        job.refresh_from_db()
    if job.status != Status.DONE or job.rows_refused:
        raise DemoError(
            f"The texts did not come in whole: {job.get_status_display()}, "
            f"{job.rows_refused} rows refused. {job.error}",
            remedy="See the import's page.",
        )


def ensure_people(
    languages: Sequence[str] = LANGUAGES,
    *,
    open_desk: Callable[[], LabelingDesk],
    secret: str,
    check: Callable[[], None],
) -> None:
    """Give every simulated person an account here and at the desk, and the admin a place too."""
    known = Annotator.objects.exclude(user__desk_user_id=None)
    here = set(known.values_list("user__username", "language__tag"))
    everyone = everybody(languages)
    missing = [person for person in everyone if (person.username, person.language) not in here]
    with ThreadPoolExecutor(SIGN_UPS_AT_ONCE) as pool:
        for done in [pool.submit(_sign_up, person, open_desk, secret) for person in missing]:
            check()
            done.result()
    for tag in languages:
        if ("admin", tag) not in here:
            _place_admin(open_desk(), language=Language.objects.get(tag=tag))


def everybody(languages: Sequence[str] = LANGUAGES) -> list[Person]:
    """All simulated people of the demo."""
    return [person for tag in languages for person in team_of(tag)]


def email_of(username: str) -> str:
    """How somebody without an address of their own signs in at the desk."""
    return f"{username}@vernacular.localhost"


def password_of(username: str, *, secret: str) -> str:
    """A password that only this installation can work out, so that it need not be kept."""
    return hmac.new(secret.encode(), username.encode(), hashlib.sha256).hexdigest()[:24]


def _sign_up(person: Person, open_desk: Callable[[], LabelingDesk], secret: str) -> None:
    """At the desk with a password; in our own pages nobody signs in as a simulation."""
    desk = open_desk()
    try:
        user, _ = User.objects.get_or_create(
            username=person.username,
            defaults={"name": person.name, "password": make_password(None)},
        )
        ensure_desk_account(user, desk=desk, password=password_of(person.username, secret=secret))
        ensure_annotator(
            username=person.username,
            name=person.name,
            language=Language.objects.get(tag=person.language),
            desk=desk,
            kind=Annotator.Kind.SIMULATED,
        )
    finally:
        connections.close_all()


def _place_admin(desk: LabelingDesk, *, language: Language) -> None:
    """What the admin answers in Label Studio counts as well."""
    account = desk.account_of_token()
    User.objects.filter(username="admin", desk_user_id=None).update(desk_user_id=account.user_id)
    ensure_annotator(username="admin", name="Admin", language=language, desk=desk)
