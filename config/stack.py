"""Everything that one machine runs, as a context: started, watched, stopped.

::

    with running_stack(StackOptions()) as stack:
        work(stack)      # call stack.check() now and then
        stack.watch()    # until Ctrl-C

Ctrl-C, SIGTERM and SIGHUP come as ``KeyboardInterrupt``; a process that cannot be kept alive comes
as ``ProcessFailedError``. Leaving the context stops everything, in order.
"""

import fcntl
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TextIO

from celery import Celery
from django.conf import settings

from config.desk_service import DeskAccount, make_template, prepare_data, template_folder
from config.env import env
from config.secret_file import ensure_secrets
from config.services import Layout, all_processes, free_port, without_password
from config.supervisor import Supervisor


class AlreadyRunningError(Exception):
    """Another `up` holds this installation; what it said about itself."""

    def __init__(self, told: str) -> None:
        super().__init__(f"Vernacular already runs from this folder: {without_password(told)}")


@dataclass(frozen=True)
class StackOptions:
    """How to run: the wanted ports, and who is told what."""

    web_port: int = 0
    label_studio_port: int = 0
    quiet: bool = False
    logs: bool = False
    out: TextIO | None = None
    take_signals: bool = True


class Stack:
    """The running parts, and where they are."""

    def __init__(self, layout: Layout, *, supervisor: Supervisor, seconds: float = 0.0) -> None:
        self.layout = layout
        self.supervisor = supervisor
        self.seconds = seconds

    @property
    def web_url(self) -> str:
        """Where the pages are."""
        return self.layout.web_url

    @property
    def label_studio_url(self) -> str:
        """Where Label Studio is."""
        return self.layout.desk_url

    @property
    def credentials(self) -> dict[str, tuple[str, str]]:
        """Name and password of the admin, for the pages and for Label Studio."""
        account = self.layout.account
        return {
            "web": ("admin", env().admin_password),
            "label_studio": (account.email, account.password),
        }

    def check(self) -> None:
        """Restart what died; raise ``ProcessFailedError`` when that does not help any more."""
        self.supervisor.poll()

    def watch(self) -> None:
        """Stay up until somebody interrupts."""
        self.supervisor.watch()


@contextmanager
def running_stack(
    options: StackOptions, *, prepare: Callable[[], object] | None = None
) -> Iterator[Stack]:
    """Start all parts; ``prepare`` brings the database up to date while the slow ones start."""
    began = time.monotonic()
    out = options.out or sys.stdout
    with only_one(env().var_dir) as lock:
        layout = choose_layout(options, out=out)
        _announce(lock, layout)
        if not layout.label_studio_url:
            prepare_desk_data(layout.var / "label-studio", say=partial(print, file=out, flush=True))
        supervisor = Supervisor(
            all_processes(layout),
            log_dir=layout.var / "log",
            out=None if options.quiet else out,
            logs=options.logs,
            keep_open=(lock,),
            take_signals=options.take_signals,
        )
        with adopted(layout), supervised(supervisor):
            _start(supervisor, prepare)
            yield Stack(layout, supervisor=supervisor, seconds=time.monotonic() - began)


@contextmanager
def supervised(supervisor: Supervisor) -> Iterator[None]:
    """Whatever was started inside is stopped at the end."""
    supervisor.open()
    try:
        yield
    finally:
        supervisor.stop()


def _start(supervisor: Supervisor, prepare: Callable[[], object] | None) -> None:
    for process in supervisor.processes:
        if process.name in ("redis", "label-studio"):
            supervisor.spawn(process.name)
    if prepare is not None:
        prepare()
    supervisor.start()


def choose_layout(options: StackOptions, *, out: TextIO) -> Layout:
    """Ports that are free, addresses that were given, secrets of this installation."""
    known = env()
    secrets = ensure_secrets(known.var_dir)
    account = DeskAccount(
        email=known.label_studio_email,
        password=known.label_studio_password or secrets["label_studio_password"],
        token=known.label_studio_token or secrets["label_studio_token"],
        entry_key=known.label_studio_entry_key or secrets["label_studio_entry_key"],
    )
    web = _port(options.web_port or known.web_port, what="pages", out=out)
    layout = Layout(
        var=known.var_dir.resolve(),
        web_port=web,
        redis_url=known.redis_url,
        label_studio_url=known.label_studio_url,
        account=account,
    )
    if known.label_studio_url:
        return layout
    wanted = options.label_studio_port or known.label_studio_port
    return replace(
        layout, label_studio_port=_port(wanted, what="Label Studio", out=out, taken=(web,))
    )


def _port(wanted: int, *, what: str, out: TextIO, taken: tuple[int, ...] = ()) -> int:
    port = free_port(wanted, taken=taken)
    if port != wanted:
        out.write(f"Port {wanted} is taken; {what}: port {port}.\n")
        out.flush()
    return port


@contextmanager
def adopted(layout: Layout) -> Iterator[None]:
    """Let this process, too, speak to the parts that were just chosen."""
    from config.celery import app

    before = dict(os.environ)
    os.environ.update(layout.environment())
    _read_again(app)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        _read_again(app)


def _read_again(app: Celery) -> None:
    env.cache_clear()
    settings.ENV = env()
    settings.SECRET_KEY = env().secret_key or settings.SECRET_KEY
    settings.CELERY_BROKER_URL = env().messages_url
    names = ("broker_url", "broker_read_url", "broker_write_url")
    app.conf.update(dict.fromkeys(names, settings.CELERY_BROKER_URL))
    # Pools that were opened for another broker would go on speaking to it; Celery drops them so
    # after a fork and offers no other way.
    app._after_fork()  # type: ignore[attr-defined]  # private: the types do not know it


def prepare_desk_data(data: Path, *, say: Callable[[str], object]) -> None:
    """Label Studio's data folder; the first time its database is made, which takes a minute."""
    if not template_folder().exists():
        began = time.monotonic()
        say("Preparing Label Studio's database (once; about a minute) ...")
        make_template()
        say(f"  done in {time.monotonic() - began:.0f} s")
    prepare_data(data)


@contextmanager
def only_one(var: Path) -> Iterator[int]:
    """Hold this installation; the guard inherits the lock, so that it outlives a killed parent."""
    var.mkdir(parents=True, exist_ok=True)
    handle = os.open(var / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(handle, var)
        try:
            yield handle
        finally:
            os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _lock(handle: int, var: Path) -> None:
    for patience in range(100):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            told = (var / "up.lock").read_text()
            if patience == 99 or _holder_lives(told):
                raise AlreadyRunningError(told.strip() or "it is just starting") from None
            time.sleep(0.1)  # its parent was killed; the guard is clearing up
        else:
            return


def _holder_lives(told: str) -> bool:
    try:
        os.kill(int(json.loads(told)["pid"]), 0)
    except (ValueError, KeyError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def _announce(lock: int, layout: Layout) -> None:
    os.ftruncate(lock, 0)
    told = {
        "pid": os.getpid(),
        "web": layout.web_url,
        "label_studio": layout.desk_url,
        "redis": layout.broker_url,
    }
    os.pwrite(lock, json.dumps(told).encode(), 0)
