"""Environments: installed once, explained when they fail, begun again when killed half-way."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from config import bootstrap, installing
from config.installing import Environment, SetupError, digests, explain, install, is_complete

FAKE_PIP = """#!{python}
import sys
import time
from pathlib import Path
from threading import Thread
folder = Path(sys.argv[0]).parent.parent
with (folder / "calls").open("a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
(folder / "asked").write_text(sys.stdin.read())
print({says!r})
sys.exit({code})
"""


def make_environment(
    root: Path, *, code: int = 0, says: str = "", wanted: Sequence[str] = ("one==1",)
) -> Environment:
    """An environment whose interpreter is a script that plays pip."""
    environment = Environment(
        name="Things",
        folder=root / ".venv-things",
        sets={"things": list(wanted)},
        needs_mb=1,
        log=root / "var/log/things.log",
        quick=False,
    )
    (environment.folder / "bin").mkdir(parents=True, exist_ok=True)
    (environment.folder / f"lib/python{installing.PYTHON}").mkdir(parents=True, exist_ok=True)
    script = FAKE_PIP.format(python=sys.executable, says=says, code=code)
    environment.python.write_text(script)
    environment.python.chmod(0o755)
    return environment


def calls(environment: Environment) -> int:
    path = environment.folder / "calls"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_second_start_calls_nothing(tmp_path: Path) -> None:
    environment = make_environment(tmp_path)
    assert install(environment) is True
    assert is_complete(environment)
    assert install(environment) is False
    assert calls(environment) == 1
    assert (environment.folder / "asked").read_text() == "one==1"


def test_other_pins_are_installed_into_the_same_environment(tmp_path: Path) -> None:
    install(make_environment(tmp_path))
    environment = make_environment(tmp_path, wanted=("one==2",))
    assert not is_complete(environment)
    assert install(environment) is True
    assert calls(environment) == 2


def test_stamp_of_another_python_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = make_environment(tmp_path)
    install(environment)
    monkeypatch.setattr(installing, "PYTHON", "3.99")
    assert not is_complete(environment)


def test_torn_stamp_does_not_count(tmp_path: Path) -> None:
    environment = make_environment(tmp_path)
    install(environment)
    environment.stamp.write_text('{"things": "12')
    assert not is_complete(environment)


def test_failure_leaves_no_stamp_and_names_cause_remedy_and_log(tmp_path: Path) -> None:
    says = "ERROR: HTTPSConnectionPool: Max retries exceeded: Temporary failure in name resolution"
    environment = make_environment(tmp_path, code=1, says=says)
    with pytest.raises(SetupError) as caught:
        install(environment)
    told = str(caught.value)
    assert "The package index cannot be reached." in told
    assert "What to do: Check the network" in told
    assert str(environment.log) in told
    assert says in told
    assert not environment.stamp.exists()


def test_killed_installation_begins_from_nothing(tmp_path: Path) -> None:
    environment = make_environment(tmp_path)
    environment.unfinished.touch()
    real = replace(environment, sets={"things": ["--no-such-option"]})
    with pytest.raises(SetupError, match="no-such-option"):
        install(real)  # by the real pip of a fresh environment
    assert calls(environment) == 0, "the half-made environment must not be used again"
    assert (environment.folder / "pyvenv.cfg").exists()


def test_interrupted_installation_leaves_no_pip_running(tmp_path: Path) -> None:
    environment = make_environment(tmp_path)
    environment.python.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    failures: list[BaseException] = []
    thread = Thread(target=bootstrap._install_one, args=(environment, failures, 0.0))
    thread.start()
    deadline = time.monotonic() + 60
    while not installing.RUNNING and time.monotonic() < deadline:
        time.sleep(0.02)
    installing.interrupt()
    thread.join(60)
    assert not thread.is_alive()
    assert isinstance(failures[0], SetupError)
    assert not environment.stamp.exists()


def test_full_disk_is_seen_before_anything_is_made(tmp_path: Path) -> None:
    environment = Environment(
        name="Things", folder=tmp_path / "x", sets={"a": ["b"]}, needs_mb=10**9, log=tmp_path / "l"
    )
    with pytest.raises(SetupError, match="disk is nearly full"):
        install(environment)
    assert not environment.folder.exists()


def test_python_without_venv_is_told_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    environment = Environment(
        name="Things", folder=tmp_path / "x", sets={"a": ["b"]}, needs_mb=1, log=tmp_path / "l"
    )
    with pytest.raises(
        SetupError, match=r"(?s)ensurepip is missing.*apt install python3.*Without root"
    ):
        install(environment)


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("OSError: [Errno 28] No space left on device", "The disk is full."),
        ("ERROR: Could not install: [Errno 13] Permission denied: '/x'", "cannot be written"),
        ("ReadTimeoutError: Connection timed out. ConnectTimeout", "cannot be reached"),
        ("ERROR: No matching distribution found for torch==2.13.0", "does not exist for this"),
        ("SSLError(SSLCertVerificationError: CERTIFICATE_VERIFY_FAILED)", "not trusted"),
        ("error: command 'gcc' failed", "had to be compiled"),
        ("Something nobody has seen", "pip failed."),
    ],
)
def test_each_failure_has_its_cause_and_a_remedy(tmp_path: Path, said: str, cause: str) -> None:
    environment = make_environment(tmp_path)
    error = explain(said, code=1, environment=environment)
    assert cause in str(error)
    assert error.remedy


def test_digest_changes_with_pins_and_with_requirements(tmp_path: Path) -> None:
    pins = tmp_path / "constraints.txt"
    pins.write_text("a==1\n")
    one = Environment(name="x", folder=tmp_path, sets={"s": ["a"]}, constraints=pins)
    before = digests(one)
    pins.write_text("a==2\n")
    assert digests(one) != before


@pytest.mark.parametrize(
    ("command", "everything", "wanted"),
    [
        ("migrate", "", [".venv"]),
        ("up", "", [".venv", ".venv-labelstudio"]),
        ("demo", "", [".venv", ".venv-labelstudio"]),
        ("test", "", [".venv"]),
        ("test", "1", [".venv", ".venv-labelstudio"]),
    ],
)
def test_each_command_asks_only_for_what_it_needs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    everything: str,
    wanted: list[str],
) -> None:
    (tmp_path / "docker").mkdir()
    for name in ("pyproject.toml", "constraints.txt", "docker/label-studio.lock"):
        (tmp_path / name).write_text((bootstrap.ROOT / name).read_text())
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setenv("REQUIRE_ALL", everything)
    monkeypatch.delenv("VERNACULAR_LABEL_STUDIO_URL", raising=False)
    assert [one.folder.name for one in bootstrap.needed(command)] == wanted


def test_tests_bring_the_tools_that_users_do_not_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "stamped", lambda _one: {})
    assert set(bootstrap.needed("test")[0].sets) == {"project", "dev", "telemetry"}
    assert set(bootstrap.needed("up")[0].sets) == {"project"}


def test_help_needs_no_environment_and_works_from_anywhere(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-S", str(bootstrap.ROOT / "manage.py")],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "python3 manage.py demo" in done.stdout


def test_manage_imports_no_django_before_its_environment() -> None:
    code = "import sys, config.bootstrap; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", f"import json; {code}"],
        cwd=bootstrap.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert not loaded & {"django", "celery", "pydantic", "torch"}


QUICK_PIP = """#!{python}
import sys
from pathlib import Path
folder = Path(sys.argv[0]).parent.parent
with (folder / "calls").open("a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
if "config" in sys.argv:
    print({settings!r})
if "--target" in sys.argv:
    uv = Path(sys.argv[sys.argv.index("--target") + 1]) / "bin/uv"
    uv.parent.mkdir(parents=True)
    uv.write_text("#!{python}\\nimport json, os, sys\\n"
        "open(" + repr(str(folder / 'known')) + ", 'w').write(json.dumps(dict(os.environ)))\\n"
        "open(" + repr(str(folder / 'quick')) + ", 'w').write(' '.join(sys.argv[1:]) + sys.stdin.read())\\n"
        "sys.exit({code})\\n")
    uv.chmod(0o755)
"""


def make_quick(root: Path, *, code: int = 0, settings: str = "") -> Environment:
    """An environment whose pip brings a uv that notes what it was asked."""
    environment = replace(make_environment(root), quick=True)
    script = QUICK_PIP.format(python=sys.executable, code=code, settings=settings)
    environment.python.write_text(script)
    return environment


def pip_calls(environment: Environment) -> list[str]:
    """What pip itself had to install."""
    lines = (environment.folder / "calls").read_text().splitlines()
    return [line for line in lines if " install " in line and "--target" not in line]


def told_by_environment(environment: Environment) -> dict[str, str]:
    """What the quicker one was told where only its owner looks."""
    known = json.loads((environment.folder / "known").read_text())
    return {name: value for name, value in known.items() if name.startswith("UV_")}


def test_what_pip_is_set_to_is_told_to_the_quicker_one_and_nothing_of_it_stays(
    tmp_path: Path,
) -> None:
    settings = "global.find-links='/wheels'\nglobal.extra-index-url='https://a/ https://b/'"
    environment = make_quick(tmp_path, settings=settings)
    assert install(environment) is True
    asked = (environment.folder / "quick").read_text()
    assert asked.startswith(f"pip install --quiet --python {environment.python} ")
    assert " --index-strategy unsafe-best-match " in asked
    assert asked.endswith("one==1")
    known = told_by_environment(environment)
    assert (known["UV_FIND_LINKS"], known["UV_INDEX"]) == ("/wheels", "https://a/ https://b/")
    assert pip_calls(environment) == []
    assert not (environment.folder / ".quick").exists()


def test_the_environment_wins_over_files_and_installing_over_what_is_set_for_all(
    tmp_path: Path,
) -> None:
    # As pip lists it: by the alphabet, the environment first; a file's several lines as one.
    settings = ":env:.config-file='/mine'\n:env:.index-url='https://env/'\n"
    settings += "global.find-links='\\n/a\\n/b'\nglobal.index-url='https://all/'\n"
    settings += "global.no-index='false'\nglobal.trusted-host='x'\ninstall.trusted-host='y z'"
    environment = make_quick(tmp_path, settings=settings)
    assert install(environment) is True
    assert pip_calls(environment) == [], "nothing of this has to be left to pip"
    known = told_by_environment(environment)
    assert known["UV_DEFAULT_INDEX"] == "https://env/"
    assert (known["UV_INSECURE_HOST"], known["UV_FIND_LINKS"]) == ("y z", "/a,/b")
    assert "--no-index" not in (environment.folder / "quick").read_text()


def test_passwords_of_an_index_are_in_no_list_of_processes_and_what_uv_is_set_to_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_PRERELEASE"):
        monkeypatch.setenv(name, "another")
    monkeypatch.setenv("UV_CACHE_DIR", "/kept")
    secret = "https://me:a-token@index/"  # noqa: S105 - of an index that is not
    environment = make_quick(tmp_path, settings=f"global.index-url='{secret}'")
    assert install(environment) is True
    assert "a-token" not in (environment.folder / "quick").read_text()
    assert told_by_environment(environment) == {
        "UV_CACHE_DIR": "/kept",
        "UV_DEFAULT_INDEX": secret,
        "UV_NO_CONFIG": "1",
    }


def test_pip_itself_installs_where_the_quicker_one_fails_or_cannot_be_told_how(
    tmp_path: Path,
) -> None:
    for number, how in enumerate(({"code": 2}, {"settings": "global.require-hashes='true'"})):
        environment = make_quick(tmp_path / str(number), **how)
        assert install(environment) is True
        assert len(pip_calls(environment)) == 1


def test_whoever_stops_the_quicker_one_has_not_asked_for_the_slower(tmp_path: Path) -> None:
    environment = make_quick(tmp_path, code=0)
    script = environment.python.read_text().replace(
        "sys.exit(0)", "import os; os.kill(os.getpid(), 15)"
    )
    environment.python.write_text(script)
    with pytest.raises(SetupError):
        install(environment)
    assert pip_calls(environment) == []
    assert environment.unfinished.exists(), "half of it may be there: it begins from nothing"


def test_traces_come_only_to_who_asks_and_then_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "stamped", lambda _one: {"project": "1"})
    assert set(bootstrap.needed("setup")[0].sets) == {"project"}
    assert set(bootstrap.needed("setup", telemetry=True)[0].sets) == {"project", "telemetry"}
    monkeypatch.setattr(bootstrap, "stamped", lambda _one: {"project": "1", "telemetry": "2"})
    assert set(bootstrap.needed("up")[0].sets) == {"project", "telemetry"}
