"""The training loop, to be read once from top to bottom.

Soft targets with weights; AdamW on what the network lets be trained; the plan of
:mod:`training.methods.sampling`; one step at a time, in which every method of
:mod:`training.methods.continual` is called in sight; checkpoints between steps. At points of
the curve the development set is looked at, and where a language loses, the rest of the plan
leans towards it. Afterwards the new weights are drawn back towards the champion's as far as the
development set says (WiSE-FT, Wortsman et al. 2022, arXiv 2109.01903), by the mean plus the
worst language.

On a CPU with the same number of threads the final weights are a function of the job alone:
a run that was killed at any step and taken up again ends with the same bits. A GPU promises
that only where its kernels do. There it multiplies in bfloat16, which needs no loss scaling.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from learning.networks import Network
from training.methods import adapters, carried, continual, distributed, leaning, rates
from training.methods.checkpoints import Checkpoints, Elsewhere, seed_everything
from training.methods.interpolation import copied, follow, interpolate, measured, put, wearing
from training.methods.lessons import Floats, Job, Learned, Lessons, Measure, Watch
from training.methods.memories import rows_seen, seen_by
from training.methods.recipes import A_GEM, EWC, HOLDING, LWF, O_LORA, Recipe
from training.methods.sampling import Plan
from training.methods.state import State, pack, unpack

__all__ = [
    "InterruptedTrainingError",
    "Job",
    "Learned",
    "Lessons",
    "Measure",
    "Recipe",
    "fit",
    "interpolate",
]

IntArray = npt.NDArray[np.int64]


class InterruptedTrainingError(Exception):
    """The worker has to go; the checkpoint is written and another may take up from it."""


@dataclass(frozen=True)
class _Given:
    """What belongs to the B rows of a batch beside their texts."""

    targets: torch.Tensor
    weights: torch.Tensor
    fresh: torch.Tensor
    languages: torch.Tensor
    taught: torch.Tensor
    several: bool
    raised: torch.Tensor | None = None


def fit(
    network: Network,
    *,
    job: Job,
    folder: Path,
    watch: Watch,
    should_stop: Callable[[], bool],
    elsewhere: Elsewhere | None = None,
) -> Learned:
    """Fine-tune the network in place, from its newest checkpoint if there is one.

    In a team of processes each calls this alike; the leader writes, watches and is asked to stop.
    ``elsewhere`` is asked before a checkpoint is written, and for what another machine wrote.
    """
    recipe, seen = job.recipe, rows_seen(job.lessons, recipe=job.recipe)
    lessons = seen_by(job.lessons, rows=seen, recipe=recipe)
    plan = lessons.plan(recipe, seed=job.seed)
    lessons = lessons.weighed(plan, recipe=recipe)
    kept = Checkpoints(folder, plan=plan.digest, snapshot=job.snapshot, elsewhere=elsewhere)
    state = _resume(network, job=job, lessons=lessons, plan=plan, kept=kept)
    team = distributed.team()
    for place in range(len(state.curve)):
        plan = _leant(plan, state.curve[: place + 1], state=state, lessons=lessons, job=job)
    every = max(1, plan.steps // recipe.curve_points)
    while state.step < plan.steps and not leaning.worn_out(state.curve, patience=recipe.patience):
        if team.any(should_stop()):
            _save(state, kept=kept, leaving=True)
            raise InterruptedTrainingError
        _learn(state, lessons, rows=plan.step(state.step), job=job)
        state.step += 1
        if state.step % every == 0 or state.step == plan.steps:
            plan = _look(state, plan, job=job, lessons=lessons)
        team.led(partial(watch, state.step, steps=plan.steps, curve=state.curve))
        old = team.one_for_all(kept.older_than(recipe.checkpoint_seconds))
        if old or state.step % recipe.checkpoint_steps == 0 or state.step == plan.steps:
            _save(state, kept=kept)

    put(network, state.best or state.average or network.trainable())
    share, dev = interpolate(
        network, champion=state.champion, measure=job.measure, least=recipe.least_share
    )
    drawn = seen[np.unique(plan.rows[: state.step * plan.batch])]
    logits = _to_store(network, job=job, rows=drawn)
    left = _to_carry(state, job=job)
    distributed.made_whole(network.module)
    return Learned(state.step, state.curve, share, dev, logits=logits, carried=left)


def _save(state: State, *, kept: Checkpoints, leaving: bool = False) -> None:
    team = distributed.team()
    held = pack(state) if team.leads or team.sharded else {}
    if team.leads:
        kept.save(held, step=state.step, leaving=leaving)


def _learn(state: State, lessons: Lessons, *, rows: IntArray, job: Job) -> None:
    """Take one step: gradients of all who share the batch, optimizer, average."""
    network, team, recipe = state.network, distributed.team(), job.recipe
    trainable = network.trainable()
    network.module.train()
    state.optimizer.zero_grad(set_to_none=True)
    told, count = torch.zeros_like(state.told), min(state.pieces, len(rows))
    stored = [
        _descend(
            state, lessons, rows=rows, piece=piece if piece < count else None, told=told, job=job
        )
        for piece in team.pieces(count)
    ]
    if recipe.method == EWC and state.fisher and team.leads:
        drift = continual.drifted(trainable, champion=state.champion, fisher=state.fisher)
        torch.autograd.backward(recipe.penalty * drift)
        told[-1, 0] += recipe.penalty * drift.detach()
    if recipe.method == O_LORA and team.leads:
        overlap = adapters.penalty(network)
        torch.autograd.backward(recipe.orthogonality * overlap)
        told[-1, 0] += recipe.orthogonality * overlap.detach()
    team.sum_gradients(trainable)
    team.sum([told])
    state.told += told
    state.told[-1, 1] += 1
    if recipe.method == A_GEM:
        continual.project(trainable, reference=continual.together(stored, weights=trainable))
    for weights in rates.frozen(network, step=state.step, every=recipe.unfreeze_every):
        weights.grad = None
    torch.nn.utils.clip_grad_norm_(trainable, recipe.clip)
    state.optimizer.step()
    state.schedule.step()
    if state.average:
        follow(state.average, trainable, most=recipe.average, step=state.step + 1)


def _descend(
    state: State,
    lessons: Lessons,
    *,
    rows: IntArray,
    piece: int | None,
    told: torch.Tensor,
    job: Job,
) -> Sequence[torch.Tensor | None]:
    """Add the gradients of a part of a batch; return the store's alone where it is asked for.

    Without a part nothing is learned, but whoever holds other parts of the weights is served.
    """
    network, trainable, recipe = state.network, state.network.trainable(), job.recipe
    of = float(len(rows))
    if piece is None:
        rows, of, told = rows[:1], math.inf, torch.zeros_like(told)
    else:
        rows = rows[piece :: state.pieces]
    distributed.draw_for(job.seed, step=state.step, piece=piece or 0)
    device = trainable[0].device
    batch = continual.sent(lessons.batch(network, rows), device)
    given = _given(state, lessons, rows=rows, device=device)
    with _precision(device):
        logits = network.logits(batch).float()
    apart = partial(continual.of_texts, batch=batch)
    cost = continual.surprise(
        logits, targets=given.targets, several=given.several, raised=given.raised
    )
    surprise = apart(cost)
    loss = _loss(logits, given=given, surprise=surprise, recipe=recipe, apart=apart).sum() / of
    reference: Sequence[torch.Tensor | None] = ()
    if recipe.method == A_GEM:
        kept = (given.weights * surprise * ~given.fresh).sum() / of
        reference = torch.autograd.grad(kept, trainable, retain_graph=True, allow_unused=True)
    torch.autograd.backward(loss)
    ones = torch.ones_like(surprise, dtype=torch.float64)
    found = torch.stack((surprise.detach().double(), ones), dim=1)
    told.index_add_(0, given.languages, found)
    told[-1, 0] += loss.detach()
    return reference


def _loss(
    logits: torch.Tensor,
    *,
    given: _Given,
    surprise: torch.Tensor,
    recipe: Recipe,
    apart: Callable[[torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    """Return what each text costs (B): the new ones, the store beside them, what is held on to.

    ``apart`` makes of a term for each row of logits one for each text.
    """
    loss = given.weights * surprise * given.fresh
    if recipe.method != A_GEM:
        loss = loss + recipe.store_weight * given.weights * surprise * ~given.fresh
    if recipe.method in HOLDING and recipe.hold_weight:
        loss = loss + recipe.hold_weight * apart(continual.held(logits, stored=given.taught))
    if recipe.method == LWF:
        away = continual.distilled(
            logits,
            taught=given.taught,
            temperature=recipe.distil_temperature,
            several=given.several,
        )
        loss = loss + recipe.distil_weight * apart(away)
    return loss


def _given(state: State, lessons: Lessons, *, rows: IntArray, device: torch.device) -> _Given:
    at = lessons.places(rows)
    beside = {
        "targets": torch.from_numpy(lessons.targets[at]),
        "weights": torch.from_numpy(lessons.weights[rows]),
        "fresh": torch.from_numpy(lessons.fresh[rows]),
        "languages": torch.from_numpy(lessons.described.languages[rows]),
        "taught": state.taught[torch.from_numpy(at)],
    }
    if lessons.raised is not None:
        beside["raised"] = torch.from_numpy(lessons.raised)
    return _Given(**continual.sent(beside, device), several=lessons.several)


def _resume(
    network: Network,
    *,
    job: Job,
    lessons: Lessons,
    plan: Plan,
    kept: Checkpoints,
) -> State:
    """Return the state in which the run begins, or the one of its newest checkpoint."""
    seed_everything(job.seed)
    lessons.prepare(network)
    if job.recipe.shard:
        distributed.spread(network.module)
    team = distributed.team()
    known = team.told(kept.newest() if team.leads else None)
    recipe, trainable = job.recipe, network.trainable()
    device = trainable[0].device
    new = rates.new_languages(job.lessons.languages, job.lessons.fresh.tolist())
    parts = rates.groups(
        network,
        lr=rates.adjusted(recipe.lr, factor=recipe.lr_adjust, new=len(new)),
        weight_decay=recipe.weight_decay,
        layer_decay=recipe.layer_decay,
    )
    optimizer = torch.optim.AdamW(parts, eps=recipe.eps, fused=True)
    if known:
        warm = int(known["warm"])
    elif recipe.keep_optimizer and carried.take_up(
        network, optimizer=optimizer, carried=job.carried
    ):
        warm = 1
    else:
        warm = max(1, round(recipe.warmup * plan.steps))

    def rate(step: int) -> float:
        left = (plan.steps - step) / max(1, plan.steps - warm)
        return min((step + 1) / warm, max(0.0, left), 1.0)

    state = State(
        network,
        optimizer,
        schedule=torch.optim.lr_scheduler.LambdaLR(optimizer, rate),
        warm=warm,
        champion=copied(trainable),
        average=copied(trainable) if recipe.average else [],
        taught=torch.from_numpy(lessons.stored_logits()),
        told=torch.zeros(len(lessons.tags) + 1, 2, dtype=torch.float64, device=device),
        pieces=team.size,
    )
    if distributed.draws(network.module):
        usual = distributed.usual_pieces(device)
        state.pieces = known["pieces"] if known else recipe.pieces or usual
    if known:
        unpack(state, known)
    else:
        _look_back(state, job=job, lessons=lessons)
    return state


def _look_back(state: State, *, job: Job, lessons: Lessons) -> None:
    """Ask the champion, before anything is learned, for all that it is to be held to."""
    network, recipe = state.network, job.recipe
    if recipe.lean > 1:
        state.before = measured(network, job.measure)
    if recipe.method == LWF:
        rows = np.arange(len(lessons.texts))
        state.taught = torch.from_numpy(continual.answers(network, lessons=lessons, rows=rows))
    if recipe.method == EWC:
        state.fisher = carried.fisher_of(network, carried=job.carried)
        store = np.flatnonzero(~job.lessons.fresh)
        if not state.fisher and len(store):
            some = _some(store, most=recipe.fisher_rows, seed=job.seed)
            state.fisher = continual.fisher(network, lessons=job.lessons, rows=some)


def _some(rows: IntArray, *, most: int, seed: int) -> IntArray:
    """Return at most so many of the rows, drawn evenly."""
    if len(rows) <= most:
        return rows
    drawn: IntArray = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    return drawn


def _look(state: State, plan: Plan, *, job: Job, lessons: Lessons) -> Plan:
    """Add a point to the curve; return the plan, leant towards whoever loses."""
    with wearing(state.network, state.average):
        dev = measured(state.network, job.measure)
    sums, counts = state.told.cpu().T.tolist()
    by_language = {
        tag: round(total / count, 6)
        for tag, total, count in zip(lessons.tags, sums, counts, strict=False)
        if count
    }
    state.curve.append([state.step, round(sums[-1] / counts[-1], 6), dev, by_language, {}])
    state.told.zero_()
    plan = _leant(plan, state.curve, state=state, lessons=lessons, job=job)
    state.curve[-1][4] = {
        lessons.tags[place]: round(share, 4) for place, share in plan.shares(state.step).items()
    }
    if job.recipe.patience and leaning.best_point(state.curve) == len(state.curve) - 1:
        state.best = copied(state.average or state.network.trainable())
    return plan


def _leant(plan: Plan, curve: Sequence[Any], *, state: State, lessons: Lessons, job: Job) -> Plan:
    """Return the plan as the last point of a curve leaves it."""
    lost, known = (
        leaning.losing(point[2], before=state.before, items=job.items)
        for point in (curve[-1], curve[-2] if len(curve) > 1 else (0, 0, {}))
    )
    if lost == known:
        return plan
    tags = lessons.tags
    return plan.leaned(
        curve[-1][0], languages={tags.index(tag): job.recipe.lean for tag in lost if tag in tags}
    )


def _to_store(network: Network, *, job: Job, rows: IntArray) -> Floats | None:
    """Return the logits to keep with the lessons: what is said now of the rows that were drawn."""
    if job.recipe.method not in HOLDING or not job.recipe.hold_weight:
        return None
    said = continual.answers(network, lessons=job.lessons, rows=rows)
    return np.where(np.isnan(said), job.lessons.stored_logits(), said)


def _to_carry(state: State, *, job: Job) -> dict[str, torch.Tensor]:
    """Return what the next run may take up."""
    network, recipe = state.network, job.recipe
    if recipe.method == EWC:
        some = _some(np.flatnonzero(job.lessons.fresh), most=recipe.fisher_rows, seed=job.seed)
        now = continual.fisher(network, lessons=job.lessons, rows=some)
        old = state.fisher or [torch.zeros_like(part) for part in now]
        state.fisher = [recipe.fisher_decay * a + b for a, b in zip(old, now, strict=True)]
    if not recipe.keep_optimizer and not state.fisher:
        return {}
    return carried.to_carry(network, optimizer=state.optimizer, fisher=state.fisher)


def _precision(device: torch.device) -> AbstractContextManager[object]:
    if device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return nullcontext()
