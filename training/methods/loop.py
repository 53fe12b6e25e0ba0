"""The training loop, to be read once from top to bottom.

Soft targets with weights; AdamW on what the network lets be trained, warm-up and linear decay;
the plan of :mod:`training.methods.sampling`; checkpoints between steps. Afterwards the new
weights are drawn back towards the champion's as far as the development set says (WiSE-FT,
Wortsman et al. 2022, arXiv 2109.01903), by the mean plus the worst language.

On a CPU with the same number of threads the final weights are a function of the job alone:
a run that was killed at any step and taken up again ends with the same bits. A GPU promises
that only where its kernels do.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from learning.networks import Network
from training.methods.checkpoints import (
    newest_checkpoint,
    random_states,
    restore_random_states,
    save_checkpoint,
    seed_everything,
)
from training.methods.sampling import Described, Plan, balance, make_plan

SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)

Measure = Callable[[Network], dict[str, float]]


class InterruptedTrainingError(Exception):
    """The worker has to go; the checkpoint is written and another may take up from it."""


@dataclass(frozen=True)
class Recipe:
    """How a network is fine-tuned; what a network advises comes before these defaults.

    ``balance`` is how many times a rare label may be raised against a common one (1: not at all).
    """

    lr: float = 1e-3
    weight_decay: float = 0.01
    eps: float = 1e-8
    balance: float = 1.0
    batch: int = 32
    epochs: int = 4
    least_steps: int = 0
    repeats: int = 4
    warmup: float = 0.1
    average: float = 0.0
    clip: float = 1.0
    curve_points: int = 20
    checkpoint_steps: int = 50
    checkpoint_seconds: float = 60.0

    @classmethod
    def of(cls, *layers: Mapping[str, Any]) -> "Recipe":
        """Lay settings over the defaults, later layers last; what is no setting is left out."""
        known = {knob.name: type(getattr(cls(), knob.name)) for knob in fields(cls)}
        merged = {name: value for layer in layers for name, value in layer.items()}
        return cls(**{name: known[name](merged[name]) for name in known if name in merged})


@dataclass(frozen=True)
class Lessons:
    """N texts to learn from, with their soft targets (N x K), weights, and which are fresh."""

    texts: Sequence[str]
    languages: Sequence[str]
    targets: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float32]
    fresh: npt.NDArray[np.bool_]

    def plan(self, recipe: Recipe, *, seed: int) -> Plan:
        """Return the order in which they are learned."""
        tags = sorted(set(self.languages))
        described = Described(
            languages=np.array([tags.index(tag) for tag in self.languages], np.int64),
            labels=self.targets.argmax(axis=1).astype(np.int64),
            fresh=self.fresh,
        )
        return make_plan(
            described,
            seed=seed,
            batch=recipe.batch,
            epochs=max(recipe.epochs, self._least_epochs(recipe)),
            repeats=recipe.repeats,
        )

    def balanced(self, plan: Plan, *, most: float) -> "Lessons":
        """Return the same lessons with each label weighing alike over the whole plan."""
        draws = np.bincount(plan.rows, minlength=len(self.weights))
        raised = balance(self.targets, self.weights * draws, most=most)
        return replace(self, weights=(self.weights * raised).astype(np.float32))

    def _least_epochs(self, recipe: Recipe) -> int:
        """Return how often the fresh rows are gone through so that few of them are enough steps."""
        rows = int(self.fresh.sum()) or len(self.texts)
        store = rows if 0 < self.fresh.sum() < len(self.texts) else 0
        return math.ceil(recipe.least_steps * recipe.batch / max(rows + store, 1))


@dataclass(frozen=True)
class Job:
    """Everything that the final weights depend on, beside the network they start from."""

    lessons: Lessons
    measure: Measure
    recipe: Recipe
    seed: int
    snapshot: str


class Watch(Protocol):
    """Told of every step; may raise to end the run at once."""

    def __call__(self, step: int, *, steps: int, curve: list[Any]) -> None:
        """See how far the run is."""


@dataclass(frozen=True)
class Learned:
    """How the run went: the curve, and how much of the new weights was kept."""

    steps: int
    curve: list[Any]
    share: float
    dev: dict[str, float]


@dataclass
class _State:
    network: Network
    optimizer: torch.optim.AdamW
    schedule: torch.optim.lr_scheduler.LambdaLR
    average: list[torch.Tensor]
    step: int = 0
    loss: float = 0.0
    curve: list[Any] = field(default_factory=list)


def fit(
    network: Network,
    *,
    job: Job,
    folder: Path,
    watch: Watch,
    should_stop: Callable[[], bool],
) -> Learned:
    """Fine-tune the network in place, from its newest checkpoint if there is one."""
    recipe, plan = job.recipe, job.lessons.plan(job.recipe, seed=job.seed)
    lessons = job.lessons.balanced(plan, most=recipe.balance)
    marks = {"plan": plan.digest, "snapshot": job.snapshot}
    seed_everything(job.seed)
    network.prepare(job.lessons.texts, job.lessons.languages)
    champion = [weights.detach().clone() for weights in network.trainable()]
    state = _begin(network, recipe=recipe, steps=plan.steps)
    if kept := newest_checkpoint(folder, **marks):
        _unpack(state, kept)
    every = max(1, plan.steps // recipe.curve_points)
    saved_at = time.monotonic()
    while state.step < plan.steps:
        if should_stop():
            save_checkpoint(folder, step=state.step, state=_pack(state) | marks)
            raise InterruptedTrainingError
        _learn(state, lessons, rows=plan.step(state.step), recipe=recipe)
        state.step += 1
        if state.step % every == 0 or state.step == plan.steps:
            since = state.step - (state.curve[-1][0] if state.curve else 0)
            dev = _measured(network, job.measure)
            state.curve.append([state.step, round(state.loss / since, 6), dev])
            state.loss = 0.0
        old = time.monotonic() - saved_at > recipe.checkpoint_seconds
        if old or state.step % recipe.checkpoint_steps == 0 or state.step == plan.steps:
            save_checkpoint(folder, step=state.step, state=_pack(state) | marks)
            saved_at = time.monotonic()
        watch(state.step, steps=plan.steps, curve=state.curve)

    _set(network, state.average or network.trainable())
    share, dev = interpolate(network, champion=champion, measure=job.measure)
    return Learned(plan.steps, state.curve, share, dev)


def _begin(network: Network, *, recipe: Recipe, steps: int) -> _State:
    optimizer = torch.optim.AdamW(
        network.trainable(), lr=recipe.lr, eps=recipe.eps, weight_decay=recipe.weight_decay
    )
    warm = max(1, round(recipe.warmup * steps))

    def rate(step: int) -> float:
        return min((step + 1) / warm, max(0.0, (steps - step) / max(1, steps - warm)), 1.0)

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    average = [w.detach().clone() for w in network.trainable()] if recipe.average else []
    return _State(network, optimizer, schedule, average)


def _learn(state: _State, lessons: Lessons, *, rows: npt.NDArray[np.int64], recipe: Recipe) -> None:
    network, trainable = state.network, state.network.trainable()
    network.module.train()
    device = trainable[0].device
    batch = network.collate([lessons.texts[i] for i in rows], [lessons.languages[i] for i in rows])
    logits = network.logits({name: part.to(device) for name, part in batch.items()})
    targets = torch.from_numpy(lessons.targets[rows]).to(device)
    weights = torch.from_numpy(lessons.weights[rows]).to(device)
    surprise = -(targets * functional.log_softmax(logits.float(), dim=1)).sum(dim=1)
    loss = (weights * surprise).mean()
    state.optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(trainable, recipe.clip)
    state.optimizer.step()
    state.schedule.step()
    for mean, now in zip(state.average, trainable, strict=bool(state.average)):
        mean.lerp_(now.detach(), 1 - recipe.average)
    state.loss += float(loss.detach())


def _pack(state: _State) -> dict[str, Any]:
    return {
        "step": state.step,
        "loss": state.loss,
        "curve": state.curve,
        "weights": [weights.detach() for weights in state.network.trainable()],
        "buffers": dict(state.network.module.named_buffers()) if _has_moving(state) else {},
        "average": state.average,
        "optimizer": state.optimizer.state_dict(),
        "schedule": state.schedule.state_dict(),
        "random": random_states(),
    }


def _has_moving(state: _State) -> bool:
    """Tell whether training moves buffers too, as the running means of normalisation do."""
    return any(
        getattr(part, "track_running_stats", False) for part in state.network.module.modules()
    )


def _unpack(state: _State, kept: dict[str, Any]) -> None:
    _set(state.network, kept["weights"])
    buffers = dict(state.network.module.named_buffers())
    for name, value in kept["buffers"].items():
        buffers[name].copy_(value)
    for mean, value in zip(state.average, kept["average"], strict=True):
        mean.copy_(value)
    state.optimizer.load_state_dict(kept["optimizer"])
    state.schedule.load_state_dict(kept["schedule"])
    state.step, state.loss, state.curve = kept["step"], kept["loss"], kept["curve"]
    restore_random_states(kept["random"])


@torch.no_grad()
def _set(network: Network, weights: Sequence[torch.Tensor]) -> None:
    for own, value in zip(network.trainable(), weights, strict=True):
        own.copy_(value)


def _measured(network: Network, measure: Measure) -> dict[str, float]:
    network.module.eval()
    with torch.no_grad():
        return {tag: round(value, 6) for tag, value in measure(network).items()}


def interpolate(
    network: Network, *, champion: Sequence[torch.Tensor], measure: Measure
) -> tuple[float, dict[str, float]]:
    """Keep the share of the new weights that serves the mean and the worst language best.

    Of equal shares the largest stays: what was learned is given up only for a gain.
    """
    learned = [weights.detach().clone() for weights in network.trainable()]
    best: tuple[float, float, dict[str, float]] | None = None
    for share in SHARES:
        _set(network, [o.lerp(n, share) for o, n in zip(champion, learned, strict=True)])
        dev = _measured(network, measure)
        merit = sum(dev.values()) / len(dev) + min(dev.values()) if dev else 0.0
        if best is None or merit > best[0]:
            best = (merit, share, dev)
        if not dev:
            break
    share, dev = (best[1], best[2]) if best else (1.0, {})
    _set(network, [o.lerp(n, share) for o, n in zip(champion, learned, strict=True)])
    return share, dev
