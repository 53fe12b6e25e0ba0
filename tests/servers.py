"""Real servers for tests: each in a folder of its own, on a socket or a free port, stopped after."""

import math
import os
import pwd
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from config.bootstrap import ROOT
from config.desk_service import DeskAccount, label_studio_process, prepare_data
from config.services import Layout, all_processes, free_port, redis_process, redis_socket
from config.stack import adopted
from config.supervisor import Process, Supervisor

EMAIL = "admin@vernacular.localhost"
PASSWORD = "a-password-for-tests"  # noqa: S105 - of a server that lives for some seconds
TOKEN = "0123456789abcdef0123456789abcdef01234567"  # noqa: S105 - likewise

HOME = "http://vernacular.localhost/me/"
ENTRY_KEY = "a-key-for-tests-that-nobody-else-knows"


@dataclass(frozen=True)
class LabelStudioServer:
    """A running Label Studio and its admin."""

    url: str
    account: DeskAccount
    process: Process
    known: dict[str, int] = field(default_factory=dict)

    @property
    def email(self) -> str:
        return self.account.email

    @property
    def password(self) -> str:
        return self.account.password

    @property
    def token(self) -> str:
        return self.account.token

    @property
    def access(self) -> dict[str, str]:
        """What a gateway must know."""
        return {
            "url": self.url,
            "email": self.email,
            "password": self.password,
            "token": self.token,
            "entry_key": self.account.entry_key,
        }


@contextmanager
def running(*processes: Process, logs: Path) -> Iterator[Supervisor]:
    """The processes, started and ready; killed afterwards, for nobody needs what they would say.

    That they stop in good order is seen where ``up`` is run as a person runs it.
    """
    supervisor = Supervisor(processes, log_dir=logs, take_signals=False)
    supervisor.open()
    try:
        supervisor.start()
        yield supervisor
    finally:
        for process in processes:
            if process.popen is not None and process.alive:
                os.killpg(process.popen.pid, signal.SIGKILL)
        supervisor.stop()


@contextmanager
def running_redis(folder: Path) -> Iterator[str]:
    """A Redis on a socket; its URL."""
    with running(redis_process(folder), logs=folder / "log"):
        yield f"unix://{redis_socket(folder)}"


@contextmanager
def running_label_studio(folder: Path) -> Iterator[LabelStudioServer]:
    """A Label Studio whose database is a copy of the template."""
    data = folder / "label-studio"
    prepare_data(data)
    account = DeskAccount(email=EMAIL, password=PASSWORD, token=TOKEN, entry_key=ENTRY_KEY)
    port = free_port(18700 + os.getpid() % 900)
    process = label_studio_process(data, port=port, account=account, home=HOME)
    with running(process, logs=folder / "log"):
        yield LabelStudioServer(url=f"http://127.0.0.1:{port}", account=account, process=process)


def find_postgres() -> Path | None:
    """The folder of PostgreSQL's programs, the newest if there are several."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if on_path := shutil.which("initdb"):
        found.append(Path(on_path).parent)
    return max(found, key=lambda path: [int(n) for n in path.parts if n.isdigit()], default=None)


@contextmanager
def running_postgres(*, durable: bool = False) -> Iterator[str]:
    """A PostgreSQL on a socket; its URL. As root it runs as another user, for it refuses root.

    A durable one writes to disk before it says so, as in production.
    """
    programs = find_postgres()
    assert programs is not None
    folder = Path(tempfile.mkdtemp(prefix="pg.", dir="/tmp"))  # another user must reach it
    folder.chmod(0o711)
    user = _postgres_user(folder)

    def call(name: str, *arguments: str) -> None:
        subprocess.run(
            [str(programs / name), "-D", f"{folder}/data", *arguments],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=90,
            **user,
        )

    options = f"-c listen_addresses= -c unix_socket_directories={folder}"
    # Tests fill tables within seconds and ask at once: plans must not be those of empty ones.
    options += "" if durable else " -c fsync=off -c autovacuum_naptime=1s"
    try:
        call("initdb", "-U", "test", "-A", "trust", "-E", "UTF8", "--no-sync")
        call("pg_ctl", "-w", "-t", "60", "-l", f"{folder}/log", "-o", options, "start")
        yield f"postgresql://test@/postgres?host={folder}"
    finally:
        if (folder / "data/postmaster.pid").exists():
            call("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def _postgres_user(folder: Path) -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    names = {one.pw_name for one in pwd.getpwall()}
    who = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    os.chown(folder, who.pw_uid, who.pw_gid)
    return {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}


TEMPLATES = sorted((ROOT / "docker/proxy").glob("*.conf.template"))


def find_nginx() -> str | None:
    """The program, which Debian keeps where only root looks."""
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


def proxy_command(
    folder: Path, *, pages: str, desk: str, name: str, ports: tuple[int, int]
) -> list[str]:
    """Both configurations as the image fills them in, with a certificate of their own."""
    tls, key = folder / "tls", folder / "tls/key.pem"
    tls.mkdir()
    made = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=x"
    )
    made += f" -keyout {key} -out {tls}/cert.pem"
    subprocess.run(shlex.split(made), check=True, capture_output=True)
    (tls / "one.conf").write_text(f"ssl_certificate {tls}/cert.pem; ssl_certificate_key {key};")
    values = {
        "LISTEN": f"127.0.0.1:{ports[0]} ssl",
        "PLAIN": f"127.0.0.1:{ports[1]}",
        "TLS": str(tls),
        "SERVER_NAME": "desk.example",
        "PAGES_NAME": name,
        "DESK": desk,
        "PAGES": pages,
        "LS_PACKAGES": str(folder),
        "LS_PACKED": str(folder),
    }
    whole = (
        f"{'user root; ' if os.geteuid() == 0 else ''}daemon off; pid {folder}/pid; events {{}}\n"
    )
    whole += f"error_log {folder}/error.log; http {{ access_log off;\n"
    for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        whole += f"{kind}_temp_path {folder}/{kind};\n"
    for template in TEMPLATES:
        text = _filled(template, values).replace("/dev/stdout", f"{folder}/access.log")
        (folder / template.stem).write_text(text)
        whole += f"include {folder / template.stem};\n"
    (folder / "nginx.conf").write_text(whole + "}")
    return [find_nginx() or "nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def _filled(template: Path, values: Mapping[str, str]) -> str:
    text = template.read_text()
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", value)
    return text


BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
BROWSER_FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def find_browser() -> str | None:
    """A Chromium: the one that $CHROMIUM names, else one on the path."""
    named = os.environ.get("CHROMIUM")
    return named or next((found for name in BROWSERS if (found := shutil.which(name))), None)


@dataclass
class LiveService:
    """Everything that ``up`` runs, for one test, on the test's own database."""

    layout: Layout
    supervisor: Supervisor
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def web_url(self) -> str:
        return self.layout.web_url

    @property
    def label_studio_url(self) -> str:
        return self.layout.desk_url

    @property
    def account(self) -> DeskAccount:
        return self.layout.account

    def process(self, name: str) -> Process:
        """One of redis, label-studio, web, worker-default, worker-io, worker-gpu, beat."""
        return next(one for one in self.supervisor.processes if one.name == name)

    def log(self, name: str) -> str:
        """What it has written."""
        return self.supervisor.log_path(self.process(name)).read_text(errors="replace")

    def stop(self, name: str) -> None:
        """Stop one in good order; it stays down until it is started."""
        self.supervisor.stop_one(self.process(name))

    def kill(self, name: str) -> None:
        """Kill one outright, with all its children; it is down until it is started or waited for."""
        popen = self.process(name).popen
        assert popen is not None
        os.killpg(popen.pid, signal.SIGKILL)
        popen.wait()

    def keep_down(self, name: str) -> None:
        """Kill one outright; it stays down, whatever is waited for, until it is started."""
        self.kill(name)
        self.process(name).again_at = math.inf

    def start(self, name: str) -> None:
        """Start one again and wait until it is ready."""
        self.process(name).again_at = 0.0
        self.supervisor.spawn(name)
        self.supervisor.start()

    def wait_until(
        self, happened: Callable[[], object], *, seconds: float = 60.0, every: float = 0.2
    ) -> None:
        """Wait for something the processes do, starting again what died, as ``up`` does.

        On failure tell what they wrote last.
        """
        deadline = time.monotonic() + seconds
        while not happened():
            self.supervisor.poll()
            if time.monotonic() > deadline:
                raise AssertionError(f"Not within {seconds} s.\n{self._last_words()}")
            time.sleep(every)

    def _last_words(self) -> str:
        return "\n".join(
            f"== {one.name}\n" + "\n".join(self.log(one.name).splitlines()[-15:])
            for one in self.supervisor.processes
            if self.supervisor.log_path(one).exists()
        )


def processes_of(var: Path) -> list[int]:
    """Every living process whose environment or command names the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            known = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(var) in known:
            found.append(int(entry.name))
    return found


@contextmanager
def running_service(
    var: Path, *, without: tuple[str, ...] = (), environment: Mapping[str, str] | None = None
) -> Iterator[LiveService]:
    """All processes of one machine on the database in ``var``, except those left out."""
    for old in ("label-studio", "log", "run"):
        shutil.rmtree(var / old, ignore_errors=True)
    account = DeskAccount(email=EMAIL, password=PASSWORD, token=TOKEN, entry_key=ENTRY_KEY)
    web = free_port(19700 + os.getpid() % 900)
    layout = Layout(var=var, web_port=web, account=account)
    if "label-studio" in without:
        nobody = "http://127.0.0.1:9"
        url = (environment or {}).get("VERNACULAR_LABEL_STUDIO_URL", nobody)
        layout = replace(layout, label_studio_url=url)
    else:
        prepare_data(var / "label-studio")
        layout = replace(layout, label_studio_port=free_port(web + 1))
    with _changed(environment or {}), adopted(layout):
        wanted = [one for one in all_processes(layout) if one.name not in without]
        for process in wanted:
            process.needs = [name for name in process.needs if name not in without]
        with running(*wanted, logs=var / "log") as supervisor:
            yield LiveService(layout, supervisor=supervisor, environment=environment or {})


@contextmanager
def _changed(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
