"""Likeness among very many texts: what is sifted by signs is found as if all had been compared."""

import numpy as np
import pytest

from learning.methods import alike


def test_signs_sift_and_lose_nobody_who_is_near(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    # As networks make them: all lie in one direction, more or less.
    rows = rng.standard_normal(48) + rng.standard_normal((3_000, 48))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    senses = rows.astype(np.float32)
    index = alike.Index()
    index.add_senses(range(2_000), senses=senses[:2_000])
    index.add_senses(range(2_000, 3_000), senses=senses[2_000:])
    for at in (5, 1_999, 2_000, 2_999):
        told = rows[at] + 0.3 * rng.standard_normal(48) / np.sqrt(48)
        asked = (told / np.linalg.norm(told)).astype(np.float32)
        monkeypatch.setattr(alike, "MANY", 20_000)
        exact = index.nearest("", sense=asked, most=3)
        monkeypatch.setattr(alike, "MANY", 1_000)
        monkeypatch.setattr(alike, "SIFTED", 300)
        assert index.nearest("", sense=asked, most=3)[0] == exact[0]
        assert exact[0].id == at
