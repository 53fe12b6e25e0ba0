"""Run in Avalanche's environment: a stream and a method in, the accuracy matrix out.

Each line is JSON with ``folder`` (whose ``stream.npz`` holds token numbers and classes of every
language), ``shape`` of the network, ``method``, ``seed``, ``epochs``, ``memory`` and ``rate``. The
answer is JSON: accuracy after each language (row 0 before the first) and CPU seconds of learning.
"""

import json
import random
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

BATCH = 32


def declare_what_torchvision_wants() -> None:
    """Let torchvision be imported where its compiled part cannot: nobody calls these two."""
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    globals()["_library"] = library  # it is undone when it is forgotten


def strategy(asked: dict[str, Any], network: Any, languages: int) -> Any:
    """Return Avalanche's method with the settings its authors give."""
    from avalanche.training import AGEM, DER, EWC, Cumulative, LwF, Naive, Replay
    from avalanche.training.plugins import EvaluationPlugin, LwFPlugin, ReplayPlugin

    common = {
        "model": network,
        "optimizer": torch.optim.AdamW(network.parameters(), lr=asked["rate"]),
        "criterion": torch.nn.CrossEntropyLoss(),
        "train_mb_size": BATCH,
        "train_epochs": asked["epochs"],
        "eval_mb_size": 256,
        "evaluator": EvaluationPlugin(loggers=[]),
    }
    memory = asked["memory"]
    makers = {
        "naive": lambda: Naive(**common),
        "ER": lambda: Replay(mem_size=memory, **common),
        "ER+LwF": lambda: Naive(
            plugins=[ReplayPlugin(mem_size=memory), LwFPlugin(alpha=1.0, temperature=2)], **common
        ),
        "DER++": lambda: DER(mem_size=memory, alpha=0.1, beta=0.5, **common),
        "EWC": lambda: EWC(ewc_lambda=1000.0, mode="online", decay_factor=0.9, **common),
        "LwF": lambda: LwF(alpha=1.0, temperature=2, **common),
        "A-GEM": lambda: AGEM(patterns_per_exp=memory // languages, sample_size=64, **common),
        "Cumulative": lambda: Cumulative(**common),
    }
    return makers[asked["method"]]()


def run(asked: dict[str, Any]) -> dict[str, Any]:
    """Learn one language after another."""
    from avalanche.benchmarks import benchmark_from_datasets
    from avalanche.benchmarks.utils.classification_dataset import (
        _make_taskaware_classification_dataset as made_dataset,
    )
    from torch.utils.data import TensorDataset

    from benchmarks.continual_model import accuracies, made

    parts = np.load(Path(asked["folder"]) / "stream.npz")
    count = sum(name.startswith("train_x") for name in parts.files)

    def pair(split: str, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        names = (f"{split}_x{number}", f"{split}_y{number}")
        return torch.from_numpy(parts[names[0]]), torch.from_numpy(parts[names[1]])

    def dataset(split: str, number: int) -> Any:
        texts, truth = pair(split, number)
        return made_dataset(TensorDataset(texts, truth), targets=truth.tolist(), task_labels=0)

    tests = [pair("test", number) for number in range(count)]
    random.seed(asked["seed"])
    network = made(asked["shape"], seed=asked["seed"])
    matrix = [accuracies(network, tests)]
    learner = strategy(asked, network, count)
    stream = benchmark_from_datasets(
        train=[dataset("train", number) for number in range(count)],
        test=[dataset("test", number) for number in range(count)],
    ).train_stream
    spent = 0.0
    for experience in stream:
        began = time.process_time()
        learner.train(experience, num_workers=0)
        spent += time.process_time() - began
        matrix.append(accuracies(learner.model, tests))
    return {"matrix": matrix, "cpu": spent}


def main() -> None:
    """Answer until nobody asks."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    declare_what_torchvision_wants()
    answers, sys.stdout = sys.stdout, sys.stderr  # Avalanche prints while it learns
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
