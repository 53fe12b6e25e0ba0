"""Weight: what Label Studio's labelling page costs a line, behind our proxy settings.

``python -m benchmarks.desk_weight``: Label Studio as `up` runs it, a real nginx with
``docker/proxy/label-studio.conf.template``, and a real browser that comes in by a signed link, as an
annotator does: once with nothing kept, once more with what it kept, and then through some tasks. Every
byte is counted by nginx, headers included, and the bars hold for both ways together; TLS would add its
own. ``docker/proxy/pack.py`` makes Label Studio's files small before, which needs ``pip install brotli``;
a first visit without it stands beside it. ``--quick`` does fewer tasks and writes nothing.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "docker/proxy/label-studio.conf.template"
PROGRAMS = Path("/usr/sbin")
LOG = """log_format weight escape=json '{"path":"$uri","down":$bytes_sent,"up":$request_length}';"""
BARS = {"cold": 2.2e6, "plain": 2.2e6, "warm": 50e3, "task": 10e3}
ROWS = {
    "cold": "first visit",
    "plain": "first visit, nothing packed",
    "warm": "second visit",
    "task": "one task",
}
SETTLED_S = 1.5
SCREEN: Any = {"width": 1280, "height": 800}


@dataclass(frozen=True)
class Weight:
    """What one step moved, in bytes, and how many requests it took."""

    row: str
    down: int
    up: int
    requests: float
    bar: float

    @property
    def total(self) -> int:
        """Both directions."""
        return self.down + self.up

    def record(self) -> dict[str, Any]:
        """Return plain names and numbers."""
        return {**asdict(self), "total": self.total, "met": self.total <= self.bar}

    def line(self) -> str:
        """Return the row for a terminal."""
        said = "met" if self.total <= self.bar else "NOT met"
        return (
            f"{self.row}: {self.down / 1e3:.1f} KB down, {self.up / 1e3:.1f} KB up,"
            f" {self.total / 1e3:.1f} KB in all (bar {self.bar / 1e3:g} KB: {said}),"
            f" {self.requests:g} requests"
        )


def main() -> None:
    """Measure in a folder of its own, which is thrown away."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer tasks, and writes nothing")
    options = parser.parse_args()
    nginx = shutil.which("nginx") or shutil.which("nginx", path=str(PROGRAMS))
    if nginx is None:
        sys.exit("There is no nginx here. Debian, Ubuntu: sudo apt install nginx-light.")
    with tempfile.TemporaryDirectory() as place:
        os.environ |= {
            "VERNACULAR_VAR_DIR": f"{place}/var",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        import django

        django.setup()
        packed = Path(place) / "packed"
        if not options.quick:
            pack(packed)
        rows = measure(Path(place), nginx=nginx, tasks=3 if options.quick else 20)
    for row in rows:
        print(row.line())
    if not options.quick:
        from benchmarks.report import write

        write("desk_weight", rows, notes=["bytes counted by nginx, HTTP/1.1, no TLS"])


def measure(place: Path, *, nginx: str, tasks: int) -> list[Weight]:
    """Come in cold, come in again, and answer so many tasks."""
    from tests.servers import BROWSER_FLAGS, find_browser

    with behind_proxy(place, nginx=nginx) as desk:
        project, account = _something_to_do(desk, tasks=tasks)
        from playwright.sync_api import sync_playwright

        with sync_playwright() as player:
            browser = player.chromium.launch(
                executable_path=find_browser(), args=list(BROWSER_FLAGS)
            )
            weights = []

            def visit(page: "Page", name: str) -> None:
                before = _counted(place)
                page.goto(desk.entry_link(user_id=account, project_id=project))
                page.get_by_test_id("bottombar-submit-button").wait_for(timeout=120_000)
                weights.append(_weight(place, before, page=page, name=name))

            page = browser.new_context(viewport=SCREEN).new_page()
            visit(page, "cold")
            gzip_only = {"Accept-Encoding": "gzip, deflate"}
            visit(
                browser.new_context(viewport=SCREEN, extra_http_headers=gzip_only).new_page(),
                "plain",
            )
            visit(page, "warm")
            page.keyboard.press("Escape")
            before = _counted(place)
            for _ in range(tasks):
                _answer(page)
            weights.append(_weight(place, before, page=page, name="task", times=tasks))
            browser.close()
    return weights


def _answer(page: "Page") -> None:
    """Answer as people do: choose, look at it, submit, and see the next text."""
    shown = page.locator(".lsf-richtext, .lsf-htx-richtext").first.inner_text()
    page.keyboard.press("1")
    page.wait_for_timeout(300)
    page.get_by_test_id("bottombar-submit-button").click()
    page.wait_for_function("text => !document.body.innerText.includes(text)", arg=shown)


@contextmanager
def behind_proxy(place: Path, *, nginx: str) -> Iterator[Any]:
    """A Label Studio behind a proxy, and the gateway that speaks to it through that."""
    from annotation.gateways.label_studio import LabelStudioDesk
    from config.desk_service import DeskAccount, label_studio_process, prepare_data
    from config.services import free_port
    from config.supervisor import Supervisor

    inner = free_port(18900 + os.getpid() % 900)
    outer = free_port(inner + 1)
    address = f"http://127.0.0.1:{outer}"
    account = DeskAccount("admin@vernacular.localhost", "weighing-it", "0" * 39 + "1", "weight")
    prepare_data(place / "desk")
    process = label_studio_process(
        place / "desk", port=inner, account=account, address=address, home=f"{address}/me/"
    )
    supervisor = Supervisor([process], log_dir=place / "log", take_signals=False)
    supervisor.open()
    try:
        supervisor.start()
        with _proxy(place, nginx=nginx, inner=inner, outer=outer):
            yield LabelStudioDesk(url=address, **asdict(account))
    finally:
        supervisor.stop()


@contextmanager
def _proxy(place: Path, *, nginx: str, inner: int, outer: int) -> Iterator[None]:
    told = {
        "LISTEN": f"127.0.0.1:{outer}",
        "SERVER_NAME": "127.0.0.1",
        "TLS": str(place / "tls"),
        "DESK": f"127.0.0.1:{inner}",
        "LS_PACKAGES": str(_packages()),
        "LS_PACKED": str(place / "packed"),
    }
    server = TEMPLATE.read_text()
    for name, value in told.items():
        server = server.replace(f"${{{name}}}", value)
    frame = (
        f"daemon off; pid {place}/nginx.pid; error_log {place}/nginx.error;\n"
        f"{'user root;' if os.geteuid() == 0 else ''}\nevents {{}}\n"
        f"http {{ include /etc/nginx/mime.types; {LOG}\naccess_log {place}/weights weight;\n"
        f"client_body_temp_path {place}/b; proxy_temp_path {place}/p; fastcgi_temp_path {place}/f;\n"
        f"uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;\n{server}}}\n"
    )
    (place / "nginx.conf").write_text(frame)
    (place / "weights").touch()
    running = subprocess.Popen([nginx, "-c", f"{place}/nginx.conf", "-e", f"{place}/nginx.error"])
    try:
        time.sleep(4)  # for three of these it tries to get its port
        if running.poll() is not None:
            sys.exit(f"nginx did not start:\n{(place / 'nginx.error').read_text()}")
        yield
    finally:
        running.terminate()
        running.wait()


def pack(to: Path) -> None:
    """Make Label Studio's files small, as README tells whoever runs a proxy."""
    program = ROOT / "docker/proxy/pack.py"
    done = subprocess.run([sys.executable, program, _packages(), to], check=False)
    if done.returncode:
        sys.exit(done.returncode)


def _packages() -> Path:
    return next((ROOT / ".venv-labelstudio/lib").glob("python3*/site-packages"))


def _something_to_do(desk: Any, *, tasks: int) -> tuple[int, int]:
    from annotation.gateways import DeskItem
    from annotation.objectives import Choice, classes

    form = classes.desk_config(
        question="What is the text about?",
        choices=[Choice(name, name) for name in ("news", "talk", "rules")],
        rtl=False,
    )
    project = desk.create_project(title="weight", marker="weight", config=form, instruction="")
    items = [
        DeskItem(f"uid-{n}", f"Text {n}. " + "a sentence of common length; " * 6, n / 100, "r1")
        for n in range(tasks + 2)
    ]
    desk.push(project, items)
    account = desk.create_account(email="awa@example.org", name="Awa", password=desk.entry_key * 2)
    desk.set_members(project, [account.user_id])
    return project, account.user_id


def _counted(place: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (place / "weights").read_text().splitlines()]


def _weight(place: Path, before: list[Any], *, page: "Page", name: str, times: int = 1) -> Weight:
    """What nginx counted since, once nothing more comes."""
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(SETTLED_S * 1000)
    since = _counted(place)[len(before) :]
    return Weight(
        row=ROWS[name],
        down=round(sum(one["down"] for one in since) / times),
        up=round(sum(one["up"] for one in since) / times),
        requests=round(len(since) / times, 1),
        bar=BARS[name],
    )


if __name__ == "__main__":
    main()
