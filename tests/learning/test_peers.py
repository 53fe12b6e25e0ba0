"""scikit-activeml as an oracle, where its environment is there (``python -m benchmarks.peers``)."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.peers import peer_environment
from config.installing import is_complete
from learning.methods.acquisition import STRATEGIES
from learning.methods.contrast import contrastive
from learning.methods.diversity import k_center

POOLS, PICKS, NEIGHBOURS = 20, 25, 4
ORACLE = f"""
import json, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
from sklearn.linear_model import LogisticRegression
from skactiveml.classifier import SklearnClassifier
from skactiveml.pool import ContrastiveAL, CoreSet, uncertainty_scores
given, found = np.load(sys.argv[1]), {{}}
for number in range({POOLS}):
    rows, asked = given[f"rows{{number}}"], given[f"asked{{number}}"]
    known = np.where(asked, 0.0, np.nan)
    picks = CoreSet(random_state=0).query(rows, known, batch_size={PICKS})
    found[f"picks{{number}}"] = picks.tolist()
rows, asked = given["rows0"].astype(np.float64), given["asked0"]
known = np.where(asked, np.arange(len(rows)) % 3, np.nan)
network = SklearnClassifier(LogisticRegression(), classes=[0, 1, 2]).fit(rows, known)
found["probabilities"] = network.predict_proba(rows).tolist()
contrast = ContrastiveAL(nearest_neighbors_dict={{"n_neighbors": {NEIGHBOURS}}}, random_state=0)
_, found["contrast"] = contrast.query(rows, known, network, fit_clf=False, return_utilities=True)
found["contrast"] = np.nan_to_num(found["contrast"][0]).tolist()
for method in ("margin_sampling", "least_confident", "entropy"):
    found[method] = uncertainty_scores(np.array(found["probabilities"]), method=method).tolist()
print(json.dumps(found))
"""


def pools() -> dict[str, np.ndarray]:
    """Pools without ties whose labelled points lie scattered, half of them of float16."""
    made = {}
    for seed in range(POOLS):
        rng = np.random.default_rng(seed)
        middles = 2.0 * rng.standard_normal((10, 16))
        rows = middles[rng.integers(10, size=300)] + rng.standard_normal((300, 16))
        made[f"rows{seed}"] = rows.astype(np.float16 if seed % 2 else np.float32)
        asked = np.zeros(300, dtype=bool)
        asked[rng.choice(300, size=30, replace=False)] = True
        made[f"asked{seed}"] = asked
    return made


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What scikit-activeml answers."""
    peers = peer_environment()
    if not is_complete(peers):
        pytest.skip("the peers' environment is not there; python -m benchmarks.peers makes it")
    path: Path = tmp_path_factory.mktemp("peers") / "pools.npz"
    # float16 is widened for the oracle, which refuses it; the numbers stay what they are.
    np.savez(path, **{name: rows.astype(np.float32) for name, rows in pools().items()})
    done = subprocess.run(
        [str(peers.python), "-c", ORACLE, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout))


def test_k_center_picks_what_scikit_activeml_picks(oracle: dict[str, Any]) -> None:
    made = pools()
    for number in range(POOLS):
        rows, asked = made[f"rows{number}"], made[f"asked{number}"]
        free = np.flatnonzero(~asked)
        for block in (7, 8192):
            picks = k_center(rows[free], known=rows[asked], count=PICKS, block=block)
            assert free[picks].tolist() == oracle[f"picks{number}"]


def test_contrast_is_that_of_scikit_activeml(oracle: dict[str, Any]) -> None:
    made = pools()
    rows, asked = made["rows0"], made["asked0"]
    chances = np.array(oracle["probabilities"])
    ours = contrastive(
        rows[~asked],
        probabilities=chances[~asked],
        known=rows[asked],
        known_probabilities=chances[asked],
        neighbours=NEIGHBOURS,
    )
    assert np.allclose(ours, np.array(oracle["contrast"])[~asked], atol=1e-5)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("margin", "margin_sampling"),
        ("least_confidence", "least_confident"),
        ("entropy", "entropy"),
    ],
)
def test_uncertainties_are_those_of_scikit_activeml(
    ours: str, theirs: str, oracle: dict[str, Any]
) -> None:
    found = STRATEGIES[ours](np.array(oracle["probabilities"]))
    assert np.allclose(found, oracle[theirs], atol=1e-6)
