"""Folders of data sets, as the library `datasets` and its hub lay them out: which file is what.

A header in ``README.md`` says which files make which configuration and which part (``split``) of
it; where it does not, the names do. The folder is a stranger's: no name leads out of it.

The layout: https://huggingface.co/docs/datasets/repository_structure.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from annotation.methods.readers import format_of

DEFAULT = "default"
TRAIN, VALIDATION, TEST = "train", "validation", "test"
_WORDS = {
    TRAIN: ("train", "training"),
    VALIDATION: ("validation", "valid", "val", "dev", "development"),
    TEST: ("test", "testing", "eval", "evaluation"),
}
_LONGEST_HEADER, _LONGEST_NAME = 1_000_000, 500
_MOST_PATTERNS, _DEEPEST = 500, 12
_ANY_FOLDERS, _WILD = "**", re.compile(r"[*?[]")
Names = Mapping[tuple[str, ...], Path]


class FolderError(ValueError):
    """The folder makes no sense; the message says what to do."""


@dataclass(frozen=True, order=True)
class DataFile:
    """One file, which configuration it belongs to, and which part of that."""

    path: Path
    config: str
    split: str


def data_files(folder: Path) -> list[DataFile]:
    """Return the files of a data set in order; raise if there are none or one lies elsewhere."""
    told = _configs(folder)
    found = list(_declared(folder, told)) if told else list(_by_name(folder))
    if not found:
        raise FolderError(f"{folder} holds no file of data that can be read.")
    return sorted(set(found), key=lambda one: (one.config, one.split, one.path))


def split_of(path: Path) -> str:
    """Return which part a file is by its name or that of a folder it lies in; ``train`` by itself.

    >>> split_of(Path("data/test-00000-of-00001.parquet")), split_of(Path("dev/wo.csv"))
    ('test', 'validation')
    >>> split_of(Path("contest.csv"))
    'train'
    """
    for name in reversed(path.parts):
        words = re.split(r"[^a-z]+", name.lower())
        for split, known in _WORDS.items():
            if any(word in known for word in words):
                return split
    return TRAIN


def _configs(folder: Path) -> list[Any]:
    """The configurations that the header names."""
    import yaml

    try:
        with (folder / "README.md").open(encoding="utf-8", errors="replace") as file:
            text = file.read(_LONGEST_HEADER)
    except OSError:
        return []
    head = re.match(r"---\s*\n(.*?)\n---\s*(\n|$)", text, re.DOTALL)
    if head is None:
        return []
    try:
        told = yaml.safe_load(head[1])
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise FolderError(f"The header of README.md is not YAML: {str(error)[:200]}.") from error
    configs = told.get("configs") if isinstance(told, dict) else None
    return configs if isinstance(configs, list) else []


def _declared(folder: Path, configs: list[Any]) -> Iterator[DataFile]:
    names = _names(folder)
    for number, (name, split, where) in enumerate(_patterns(configs)):
        _few(number)
        yield from (DataFile(path, name, split) for path in _matching(folder, where, names))


def _patterns(configs: list[Any]) -> Iterator[tuple[str, str, str]]:
    """Each pattern of the header, with its configuration and its part."""
    for config in _listed(configs):
        if not isinstance(config, dict) or "data_files" not in config:
            continue
        name = _name(config.get("config_name", DEFAULT))
        home = _name(config.get("data_dir") or "")
        for part in _listed(config["data_files"]):
            split, patterns = TRAIN, part
            if isinstance(part, dict):
                split, patterns = _name(part.get("split", TRAIN)), part.get("path")
            for pattern in _listed(patterns):
                yield name, split, "/".join(one for one in (home, _name(pattern)) if one)


def _listed(told: Any) -> list[Any]:
    """What stands in a list of the header, or by itself."""
    listed = told if isinstance(told, list) else [told]
    _few(len(listed) - 1)
    return listed


def _few(before: int) -> None:
    if before >= _MOST_PATTERNS:
        raise FolderError(f"The header of README.md names more than {_MOST_PATTERNS} things.")


def _name(told: object) -> str:
    """A name as the header tells it: a small header may stand for a very long list of lists."""
    if not isinstance(told, str) or len(told) > _LONGEST_NAME:
        raise FolderError("The header of README.md names something that is no short text.")
    return told


def _names(folder: Path) -> Names:
    """Every file of the folder by the parts of its name, and what lies at once in a linked one."""
    inside = list(folder.rglob("*"))
    inside += [p for link in inside if link.is_symlink() and link.is_dir() for p in link.iterdir()]
    return {path.relative_to(folder).parts: path for path in inside if path.is_file()}


def _matching(folder: Path, pattern: str, names: Names) -> list[Path]:
    parts = Path(pattern).parts
    if "://" in pattern or Path(pattern).is_absolute() or ".." in parts:
        raise FolderError(f"README.md names {pattern!r}, which lies outside the folder.")
    if parts.count(_ANY_FOLDERS) > 1 or len(parts) > _DEEPEST:
        raise FolderError(
            f"README.md names {pattern!r}: one '**' and {_DEEPEST} parts are the most that is read."
        )
    if _WILD.search(pattern):
        found = [path for name, path in names.items() if _fits(name, parts)]
    else:
        found = [names[parts]] if parts in names else []
    if not found:
        raise FolderError(f"README.md names {pattern!r}, but there is no such file.")
    return [_inside(folder, path) for path in found]


def _fits(name: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether a name is of a pattern, each part looked at once: ``**`` stands for any folders.

    >>> _fits(("data", "wo", "a.csv"), ("data", "**", "*.csv")), _fits(("a.csv",), ("*", "*.csv"))
    (True, False)
    """
    if _ANY_FOLDERS in pattern:
        at = pattern.index(_ANY_FOLDERS)
        after = pattern[at + 1 :] or ("*",)
        if len(name) < at + len(after):
            return False
        name, pattern = (*name[:at], *name[-len(after) :]), (*pattern[:at], *after)
    same = len(name) == len(pattern)
    return same and all(map(fnmatchcase, name, pattern))


def _inside(folder: Path, path: Path) -> Path:
    if not path.resolve().is_relative_to(folder.resolve()):
        raise FolderError(
            f"{path} is a link that leads out of the folder. Copy the folder with its files:"
            " cp -rL FOLDER COPY."
        )
    if not format_of(path.name):
        raise FolderError(f"{path} is of no kind that can be read.")
    return path


def _by_name(folder: Path) -> Iterator[DataFile]:
    """Every file that can be read, but for hidden ones and what describes the others."""
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inner.parts)
        if hidden or not path.is_file() or not format_of(path.name) or inner.suffix == ".json":
            continue
        yield DataFile(_inside(folder, path), DEFAULT, split_of(inner))
