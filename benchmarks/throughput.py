"""Fine-tuning against the transformers Trainer: ``python -m benchmarks.throughput [--quick]``.

Networks of XLM-R's shape with random weights and a tokenizer of 32,000 subwords; the same texts of
one length, the same batch, optimizer (fused AdamW, weight decay, linear rate with warm-up, clipped
at 1), dropout, precision (bfloat16 autocast on a GPU, float32 on a CPU) and gradient accumulation
(ours calls its parts ``pieces``). The Trainer is given token numbers that were made beforehand; ours
turns texts into numbers as it goes, as in the service. Both are timed from the end of one step to
the end of another, so that neither pays for its beginning or for a checkpoint. Numbers are tokens a
second, medians of runs that take turns. *naive* does what the Trainer does, *update* is our default:
an average of the weights and stored logits beside it. On a GPU, base and large by the clock, with
FLOPs utilisation (6 for each weight of the layers and token, 12 for each pair of tokens and number
of a layer's width); on a CPU a small shape, by processor time, without a bar.
"""

import argparse
import copy
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import (
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

from benchmarks import report, scoring
from benchmarks.scoring import LABELS, PEAK, Shape, subwords
from learning.networks.encoder import Encoder
from training.methods.lessons import Job, Lessons
from training.methods.loop import fit
from training.methods.recipes import Recipe

BAR = 1.0
TURNS = {"cuda": 5, "cpu": 3}
RATE = 2e-5


class Setting(NamedTuple):
    """What both sides are told alike."""

    shape: str
    device: str
    batch: int
    length: int
    pieces: int
    steps: int
    warm: int


GPU = (
    Setting("base", "cuda", 32, 128, 1, 120, 20),
    Setting("base", "cuda", 128, 128, 4, 60, 10),
    Setting("large", "cuda", 32, 128, 1, 80, 15),
    Setting("large", "cuda", 128, 128, 4, 40, 8),
)
CPU = (Setting("tiny", "cpu", 8, 64, 2, 8, 2),)
QUICK = (Setting("tiny", "cpu", 4, 16, 2, 5, 2),)
SHAPES = scoring.SHAPES | {"tiny": Shape(4, 256, 4)}


class Stretch:
    """The time from the end of one step to the end of the last but one."""

    def __init__(self, setting: Setting) -> None:
        self._first, self._last = setting.warm, setting.steps - 1
        self._device, self._tokens = setting.device, setting.batch * setting.length
        self._begun = self.seconds = 0.0

    def end_of(self, step: int) -> None:
        """Take the time at the end of a step, counted from 1."""
        if step == self._first:
            self._begun = self._now()
        elif step == self._last:
            self.seconds = self._now() - self._begun

    def _now(self) -> float:
        if self._device == "cuda":
            torch.cuda.synchronize()
            return time.perf_counter()
        return time.process_time()

    @property
    def tokens_per_second(self) -> float:
        """How many tokens were learned from in a second."""
        return self._tokens * (self._last - self._first) / self.seconds


def main() -> None:
    """Measure and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few steps; nothing is written")
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings = QUICK if options.quick else GPU if torch.cuda.is_available() else CPU
    rows, told = [], {}
    for setting in settings:
        found, more = compare(setting, turns=1 if options.quick else TURNS[setting.device])
        rows += found
        told[_name(setting)] = more
    print(report.table(rows))
    print(json.dumps(told, indent=1))
    if not options.quick:
        notes = [] if torch.cuda.is_available() else ["No GPU was there: CPU rows have no bar."]
        print(report.write("throughput", rows, notes=notes, settings=told))


def compare(setting: Setting, *, turns: int) -> tuple[list[report.Row], dict[str, Any]]:
    """Return a row for each of our methods, and what was measured beside the rate."""
    network, texts = made(setting), spoken(setting)
    sides: dict[str, Callable[[], float]] = {
        "naive": lambda: ours(network, texts, setting, method="naive"),
        "update": lambda: ours(network, texts, setting, method="update"),
        "Trainer": lambda: theirs(network, texts, setting),
    }
    speeds: dict[str, list[float]] = {side: [] for side in sides}
    memory: dict[str, float] = {}
    for _ in range(turns):
        for side, work in sides.items():
            with peak_memory(setting.device) as most:
                speeds[side].append(work())
            memory[side] = max(memory.get(side, 0.0), most[0])
    rows = []
    for side in ("naive", "update"):
        ratios = [a / b for a, b in zip(speeds[side], speeds["Trainer"], strict=True)]
        rows.append(
            report.Row(
                f"{_name(setting)}: {side} against Trainer",
                statistics.median(speeds[side]),
                statistics.median(speeds["Trainer"]),
                BAR if setting.device == "cuda" and side == "naive" else None,
                spread=max(abs(ratio - statistics.mean(ratios)) for ratio in ratios),
            )
        )
    medians = {side: statistics.median(found) for side, found in speeds.items()}
    return rows, {
        "tokens_per_second": {side: round(rate, 1) for side, rate in medians.items()},
        "flops_utilisation": {side: utilisation(setting, rate) for side, rate in medians.items()},
        "gpu_peak_mb": {side: round(most, 0) for side, most in memory.items()},
    }


def _name(setting: Setting) -> str:
    kind = "GPU" if setting.device == "cuda" else "CPU"
    return (
        f"{setting.shape} on {kind}, batch {setting.batch} in {setting.pieces},"
        f" {setting.length} tokens"
    )


def made(setting: Setting) -> Encoder:
    """Make a network of XLM-R's kind that drops out as the pre-trained one does."""
    tokenizer, shape = subwords(), SHAPES[setting.shape]
    tokenizer.model_max_length = setting.length
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=4 * shape.width,
        max_position_embeddings=514,
        pad_token_id=1,
        id2label=dict(enumerate(LABELS)),
    )
    module: Any = XLMRobertaForSequenceClassification(config)
    module.to(setting.device)
    return Encoder(LABELS, name="benchmark", module=module, tokenizer=tokenizer)


def spoken(setting: Setting) -> list[str]:
    """Return as many texts as are learned from, each at least as long as is read of it."""
    rng = np.random.default_rng(0)
    words = [f"{a}{b}" for a in ("ka", "mo", "ti", "lu") for b in ("ra", "ne", "so", "wi", "da")]
    count = setting.steps * setting.batch
    return [" ".join(rng.choice(words, setting.length)) for _ in range(count)]


def ours(network: Encoder, texts: Sequence[str], setting: Setting, *, method: str) -> float:
    """Return the tokens a second of our loop."""
    twin = copy.copy(network)
    twin.module, stretch = copy.deepcopy(network.module), Stretch(setting)
    classes = len(LABELS)
    lessons = Lessons(
        texts=texts,
        languages=["und"] * len(texts),
        targets=np.eye(classes, dtype=np.float32)[np.arange(len(texts)) % classes],
        weights=np.ones(len(texts), np.float32),
        fresh=np.ones(len(texts), bool),
    )
    recipe = Recipe.of(
        {
            "method": method,
            "keep_optimizer": 0,
            "lr": RATE,
            "batch": setting.batch,
            "pieces": setting.pieces,
            "epochs": 1,
            "curve_points": 1,
            "checkpoint_steps": setting.steps,
            "checkpoint_seconds": 1e9,
        }
    )
    job = Job(lessons=lessons, measure=lambda _: {}, recipe=recipe, seed=0, snapshot="throughput")
    with tempfile.TemporaryDirectory() as folder:
        fit(
            twin,
            job=job,
            folder=Path(folder),
            watch=lambda step, **_: stretch.end_of(step),
            should_stop=lambda: False,
        )
    return stretch.tokens_per_second


class _Watch(TrainerCallback):
    """Tells a stretch of every step of the Trainer."""

    def __init__(self, stretch: Stretch) -> None:
        self._stretch = stretch

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Take the time."""
        self._stretch.end_of(state.global_step)


def theirs(network: Encoder, texts: Sequence[str], setting: Setting) -> float:
    """Return the tokens a second of the Trainer."""
    stretch = Stretch(setting)
    rows = [
        {"input_ids": row.ids, "attention_mask": [1] * len(row.ids), "labels": place % len(LABELS)}
        for place, row in enumerate(network._tokens(texts))
    ]
    with tempfile.TemporaryDirectory() as folder:
        told = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=setting.batch // setting.pieces,
            gradient_accumulation_steps=setting.pieces,
            num_train_epochs=1,
            learning_rate=RATE,
            weight_decay=Recipe().weight_decay,
            max_grad_norm=Recipe().clip,
            warmup_steps=max(1, round(Recipe().warmup * setting.steps)),
            lr_scheduler_type="linear",
            optim="adamw_torch_fused",
            bf16=setting.device == "cuda",
            use_cpu=setting.device == "cpu",
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            seed=0,
        )
        Trainer(
            model=copy.deepcopy(network.module),
            args=told,
            train_dataset=rows,
            data_collator=DataCollatorWithPadding(network._tokenizer),
            callbacks=[_Watch(stretch)],
        ).train()
    return stretch.tokens_per_second


@contextmanager
def peak_memory(device: str) -> Iterator[list[float]]:
    """Yield a place for the most memory of the GPU that was taken meanwhile, in megabytes."""
    most = [0.0]
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    yield most
    if device == "cuda":
        most[0] = torch.cuda.max_memory_allocated() / 2**20


def operations(shape: Shape, length: int) -> float:
    """Return the operations that learning from one token of a text takes, forth and back."""
    return 6 * 12 * shape.layers * shape.width**2 + 12 * shape.layers * shape.width * length


def utilisation(setting: Setting, rate: float) -> float | None:
    """Return the share of the GPU's dense bfloat16 operations that so many tokens a second need."""
    if setting.device != "cuda":
        return None
    peak = next((top for name, top in PEAK.items() if name in torch.cuda.get_device_name()), None)
    need = operations(SHAPES[setting.shape], setting.length)
    return None if peak is None else round(need * rate / peak, 4)


if __name__ == "__main__":
    main()
