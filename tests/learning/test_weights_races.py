"""Two processes mend the same damaged copy: one mends it, and the other leaves it alone."""

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from learning.gateways import weights
from learning.gateways.weights import digest_of, open_weights, path_of, store, weights_dir


@pytest.fixture
def damaged(tmp_path: Path, settings: Any) -> tuple[Path, str]:
    """A folder that was stored, and whose stored copy is damaged."""
    settings.WEIGHTS_DIR = tmp_path / "weights"
    folder = tmp_path / "network"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    digest = store(folder)
    stored = weights_dir() / path_of(digest) / "model.safetensors"
    stored.chmod(0o644)
    stored.write_bytes(b"wEights")
    return folder, digest


class FakeBucket:
    """A bucket that holds the folder under any digest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fetch(self, digest: str, *, to: Path) -> None:
        shutil.copytree(self._folder, to)


@pytest.mark.parametrize("by", ["storing", "fetching"])
def test_who_comes_second_does_not_set_aside_what_the_first_has_mended(
    damaged: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    folder, digest = damaged
    home = weights_dir() / path_of(digest)
    saw, mended = threading.Event(), threading.Event()

    def slow_for_one(place: Path) -> str:
        found = digest_of(place)
        if threading.current_thread() is second and place == home and not saw.is_set():
            saw.set()
            mended.wait(5)
        return found

    def act() -> None:
        if by == "storing":
            store(folder)
        else:
            open_weights(path_of(digest), digest=digest)

    if by == "fetching":
        monkeypatch.setattr(weights, "_bucket", lambda: FakeBucket(folder))
    monkeypatch.setattr(weights, "digest_of", slow_for_one)
    second = threading.Thread(target=act)
    second.start()
    assert saw.wait(5)
    act()
    first = home.stat().st_ino
    mended.set()
    second.join()
    assert home.stat().st_ino == first
    assert digest_of(home) == digest
    assert len(list(home.parent.glob(".damaged-*"))) == 1
