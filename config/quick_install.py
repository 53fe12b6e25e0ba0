"""Install packages with uv, where it can be had: a twentieth of the time; standard library only.

uv is brought by pip into the environment's own folder and removed again, its cache with it. It is told what
pip is set to (indexes, folders of wheels, certificates) and nothing else, addresses by its environment, for
they may hold passwords and everybody on a machine sees its processes' words. Whatever is wrong with that,
nothing is: the caller asks pip itself, which knows better what to say.
"""

import ast
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

UV = "uv==0.13.9"  # Apache-2.0 or MIT
# Settings of pip that uv is told, with what is between several; those that it has no need of; the rest
# is left to pip. The later of two places counts, as it does for pip.
TOLD = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
}
PLACES = ("global", "install", ":env:")
PLAIN = {"cert": "SSL_CERT_FILE", "proxy": "ALL_PROXY"}
TRUE = {"y", "yes", "t", "true", "on", "1"}
NEEDLESS = {
    "break-system-packages",
    "cache-dir",
    "config-file",
    "default-timeout",
    "disable-pip-version-check",
    "no-cache-dir",
    "no-compile",
    "no-input",
    "progress-bar",
    "retries",
    "root-user-action",
    "timeout",
}
Run = Callable[[Sequence[str], Mapping[str, str]], int]


def quickly(python: Path, *, arguments: Sequence[str], run: Run) -> int | None:
    """Install what pip's arguments name: 0, or what whoever stopped it has it say; None: pip has to."""
    folder = python.parent.parent / ".quick"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        options = options_of(settings_of(python))
        if options is None:
            return None
        brought = ["--quiet", "--no-compile", "--no-deps", "--only-binary", ":all:", "--target"]
        pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        pip += ["--retries", "1"]  # without a network pip itself shall say so, and soon
        if code := run([*pip, *brought, str(folder), UV], {}):
            return code if code < 0 else None
        words, variables = options
        uv = [str(folder / "bin/uv"), "pip", "install", "--quiet", "--python", str(python)]
        code = run([*uv, *words, *arguments], variables | _own(folder))
        return code if code <= 0 else None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def settings_of(python: Path) -> dict[str, str]:
    """What pip is set to: for all it does, for installing, by the environment; the later of these counts."""
    told = subprocess.run(  # noqa: S603 - the environment's own pip
        [str(python), "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    found: dict[str, dict[str, str]] = {place: {} for place in PLACES}
    for line in told.stdout.splitlines():
        name, _, value = line.partition("=")
        place, _, setting = name.rpartition(".")
        if place in PLACES and (said := _read(value)):  # what is empty pip passes over
            found[place][setting] = said
    return found["global"] | found["install"] | found[":env:"]


def _read(value: str) -> str:
    """A value as pip lists it: a string of Python."""
    try:
        return str(ast.literal_eval(value)).strip()
    except (SyntaxError, ValueError):
        return value.strip("'\"")


def options_of(settings: Mapping[str, str]) -> tuple[list[str], dict[str, str]] | None:
    """The same for uv, as words and variables; None if it cannot be said to it."""
    if settings.keys() - TOLD.keys() - PLAIN.keys() - NEEDLESS - {"no-index"}:
        return None
    variables = {PLAIN[name]: value for name, value in settings.items() if name in PLAIN}
    for name in settings.keys() & TOLD.keys():
        variable, between = TOLD[name]
        several = settings[name].split()
        if between in "".join(several):
            return None
        variables[variable] = between.join(several)
    if settings.get("no-index", "").lower() in TRUE:
        # Pip asks no index then, whatever it was told of any.
        told = {name: one for name, one in variables.items() if not name.endswith("_INDEX")}
        return ["--no-index"], told
    # As pip does: the best version of all that any index has.
    several_indexes = "UV_INDEX" in variables
    return ["--index-strategy", "unsafe-best-match"] if several_indexes else [], variables


def _own(folder: Path) -> dict[str, str]:
    """Files are linked from a cache on the same disk; of the user's own settings no other counts."""
    cache = os.environ.get("UV_CACHE_DIR") or str(folder / "cache")
    return {"UV_CACHE_DIR": cache, "UV_NO_CONFIG": "1"}
