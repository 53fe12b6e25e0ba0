"""Numbers on gold: each item counts once for any number of processes, and heat mends no confusion."""

import numpy as np
import pytest

from learning.methods import metrics
from learning.methods.calibration import fit_temperatures
from learning.methods.probabilities import softmax
from tests.training.tiny import Tiny
from tests.training.wheel import make_wheel
from training.actions.evaluation import dev_measure
from training.methods import distributed


class Together(distributed.Team):
    """One of three processes; what the ones before it found is there when it asks."""

    boxes: list[dict] = []

    def gathered(self, found):
        self.boxes.append(dict(found))
        return {key: value for box in self.boxes for key, value in box.items()}


@pytest.mark.django_db
@pytest.mark.usefixtures("tiny_networks")
def test_gold_that_three_processes_cannot_divide_counts_once(monkeypatch):
    campaign = make_wheel(gold=0, dev=5, pool=0)
    network, seen = Tiny(["a", "b", "c"]), []
    with_torch = np.random.default_rng(0).normal(size=(8, 3))
    network.module.head.data += network.module.head.data.new_tensor(with_torch)
    alone = dev_measure(campaign, beat=lambda: seen.append(1))(network)
    Together.boxes = []
    for rank in range(3):
        team = Together(rank=rank, size=3)
        monkeypatch.setattr(distributed, "team", lambda team=team: team)
        try:
            together = dev_measure(campaign, beat=lambda: None)(network)
        except KeyError:
            assert rank < 2  # what the others have yet to find
    parts = [set(box) for box in Together.boxes]
    assert [len(part) for part in parts] == [4, 4, 2]
    assert len(set.union(*parts)) == 10
    assert together == alone
    assert len(set(alone.values())) == 2


def test_temperature_mends_a_boaster_and_not_one_who_is_sure_of_the_wrong_texts():
    rng = np.random.default_rng(4)
    z = rng.normal(size=(3000, 3)) * 2
    truth = np.array([rng.choice(3, p=p) for p in softmax(z)])
    # The same answers, each with another one's confidence.
    order = rng.permutation(len(z))
    spread = np.sort(z[order], axis=1)
    confused = np.take_along_axis(spread, np.argsort(np.argsort(z, axis=1), axis=1), axis=1)
    assert (confused.argmax(axis=1) == z.argmax(axis=1)).all()
    left = {}
    for name, said in {"boasts": 3 * z, "is confused": confused}.items():
        heat = fit_temperatures({name: (said, truth)})[name].value
        before, after = (
            metrics.adaptive_ece(softmax(said / t), truth=truth, rng=np.random.default_rng(0))
            for t in (1.0, heat)
        )
        left[name] = (before.value, after.value)
    assert left["boasts"][1] < 0.2 * left["boasts"][0]
    assert left["is confused"][1] > 0.1
