"""Compressions: what serves, made smaller or quicker, and let through the same gate.

A compression is a training run of another kind. A worker claims it, leaves it with a checkpoint
and takes it up again as it does any run; its candidate is a version of its own, whose stored
bytes the gate measures in every language and which serve as they are. It is maintenance: nothing
has to get better by it, and nothing may get worse than the margin.
"""

import hashlib
import shutil
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils.translation import gettext as _

from annotation.errors import ConflictError, InvalidInputError, VernacularError
from annotation.models import Campaign
from annotation.objectives import spans
from learning.actions.doubts import positions_mean_classes
from learning.actions.kinds import kind_of
from learning.actions.serving import serving_version
from learning.models import ModelVersion
from training.actions.checkpoints import candidate_folder, forget, run_folder
from training.actions.claims import Claim, claimable
from training.actions.datasets import lineage, take_snapshot
from training.actions.dispatches import Work
from training.actions.gold_calls import call_for_gold
from training.actions.promotion import promote
from training.actions.timing import sizes_and_speeds
from training.methods.recipes import BOTTLENECK
from training.models import DataSnapshot, TrainingRun, Verdict

if TYPE_CHECKING:
    from learning.networks import Network

Kind, Status = TrainingRun.Kind, TrainingRun.Status
COMPRESSIONS = (Kind.DISTIL, Kind.QUANTISE, Kind.PRUNE)
OPEN = (Status.QUEUED, Status.RUNNING)

# What each kind may be told, and what it does without being told. No layers: half of them.
KNOBS: dict[str, dict[str, Any]] = {
    Kind.QUANTISE: {},
    Kind.PRUNE: {"keep": 0.5},
    Kind.DISTIL: {
        "student": "layers",
        "layers": 0,
        "temperature": 2.0,
        "texts": 2_000,
        "epochs": 4,
        "lr": 0.0,
        "batch": 32,
    },
}
STUDENTS = ("layers", "starter")
BOUNDS: dict[str, tuple[float, float]] = {
    "keep": (0.01, 0.99),
    "layers": (0, 1_000),
    "temperature": (1.0, 100.0),
    "texts": (1, 1_000_000),
    "epochs": (1, 1_000),
    "lr": (0.0, 1.0),
    "batch": (1, 100_000),
}
# Why a gate asks for no gain of it; it stands in the gate's record.
MAINTENANCE = "smaller or quicker, with nothing new learned"
# A judging that was begun so often and never ended will not end by itself.
MOST_JUDGINGS = 5


def open_compression(
    campaign: Campaign, *, kind: str, settings: Mapping[str, Any] | None = None
) -> TrainingRun:
    """Open a run that makes what serves smaller; the one that is open already, if it is the same."""
    told = _settings(kind, settings or {})
    if campaign.objective == spans.NAME:
        raise ConflictError(
            "Networks that mark spans are not made smaller: how well their tags survive it is not"
            " known.",
            remedy="Serve them as they are.",
        )
    if kind == Kind.DISTIL and not positions_mean_classes(campaign):
        raise ConflictError(
            "A student is taught one label a text, and answers here are composed of several.",
            remedy="Quantise or prune instead.",
        )
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update().get(pk=campaign.pk)
        waiting = campaign.training_runs.filter(kind__in=COMPRESSIONS, status__in=OPEN).first()
        if waiting:
            if (waiting.kind, waiting.settings) == (kind, told):
                return waiting
            raise ConflictError(
                f"Run {waiting.pk} is compressing {waiting.base} already.",
                remedy="Wait for its gate, or abort it first.",
            )
        base = serving_version(campaign)
        if base is None:
            raise ConflictError(
                f"Nothing serves {campaign} yet; there is nothing to compress.",
                remedy="Start the campaign first: manage.py run_campaign.",
            )
        _refuse_kind(base, kind=kind, settings=told)
        name = f"{campaign.seed}:{base.digest}:{kind}"
        return TrainingRun.objects.create(
            campaign=campaign,
            kind=kind,
            snapshot=_snapshot(campaign, base=base, kind=kind),
            base=base,
            seed=int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big"),
            settings=told,
        )


def due_compressions(*, now: datetime) -> list[Work]:
    """Return what workers have to do for compressions, in running campaigns and all others.

    What passed its gate is promoted here; what was held calls for the gold that it lacks.
    """
    runs = TrainingRun.objects.filter(kind__in=COMPRESSIONS, candidate__deployments=None)
    works = []
    for run in runs.filter(status__in=OPEN):
        if claimable(run.pk, now=lambda: now):
            works.append(Work("training.tasks.train", {"run_id": run.pk}))
    for run in runs.filter(status=Status.FINISHED).select_related("campaign", "base", "candidate"):
        if serving_version(run.campaign) != run.base:
            continue  # what it was held against serves no longer
        if run.gate is not None:
            settle(run)
        elif run.judgings < MOST_JUDGINGS:
            works.append(Work("training.tasks.judge", {"run_id": run.pk}))
    return works


def settle(run: TrainingRun) -> str:
    """Do what the gate says, once: promote, or call for gold; return what came of it."""
    gate = run.gate
    if gate is None or run.candidate is None:
        return _("Not judged yet.")
    if run.candidate.deployments.exists():
        return _("It serves, or has served.")
    if gate.verdict != Verdict.PASS:
        call_for_gold(gate)
        return " ".join(gate.reasons)
    try:
        promote(gate)
    except VernacularError as error:
        return str(error)
    return _("It serves from now on.")


def compress(claim: Claim, *, should_stop: Callable[[], bool]) -> None:
    """Make the smaller network, store it, measure it beside the one it came from."""
    from learning.gateways.weights import open_weights
    from learning.networks.opening import load_network
    from training.actions.distillation import distilled
    from training.methods.compression import pruned, quantised

    run, folder = claim.run, run_folder(claim.run)
    if run.kind == Kind.DISTIL:
        network, facts = distilled(claim, folder=folder, should_stop=should_stop)
    else:
        whole = load_network(open_weights(run.base.path, digest=run.base.digest))
        rounds = run.kind == Kind.QUANTISE
        network = quantised(whole) if rounds else pruned(whole, keep=run.settings["keep"])
        facts = {}
    if claim.follows:
        return
    claim.beat(force=True)
    network.module.to("cpu")
    out = candidate_folder(run, token=claim.token)
    shutil.rmtree(out, ignore_errors=True)
    network.save(out)
    _finish(claim, out=out, network=network, facts=facts)
    forget(run)


def _finish(claim: Claim, *, out: Path, network: "Network", facts: dict[str, Any]) -> None:
    from learning.actions.versions import libraries, register_version
    from learning.gateways.weights import open_weights

    run = claim.run
    before = open_weights(run.base.path, digest=run.base.digest)
    told = {"kind": run.kind, "from": run.base.digest, "settings": run.settings}
    manifest = {
        "base": run.base.digest,
        "labels": run.base.manifest.get("labels", []),
        "snapshot": run.snapshot.digest,
        "seed": run.seed,
        "libraries": libraries(),
        "compression": told | facts | sizes_and_speeds(claim, before=before, after=out),
    }
    version = register_version(
        run.campaign,
        folder=out,
        network="starter" if network.kind.startswith("starter") else run.base.network,
        base=run.base,
        manifest=manifest,
        confirm=claim.confirm,
    )
    if version.base_id != run.base_id:
        raise ConflictError(
            f"What comes of it is {version}, which is there already.",
            remedy="Choose other settings, or judge that one.",
        )
    claim.finish(candidate=version, step=max(1, run.step), steps_total=max(1, run.step))


def _refuse_kind(base: ModelVersion, *, kind: str, settings: Mapping[str, Any]) -> None:
    """Raise at the door for what no worker could do to this network, with the way that there is."""
    made = kind_of(base)
    to_starter = kind == Kind.DISTIL and settings["student"] == "starter"
    if kind == Kind.DISTIL and made.name.startswith("starter"):
        raise ConflictError(
            f"{base} is a starter, which is small already.",
            remedy="Round it to int8 or drop small weights instead (quantise, prune).",
        )
    if kind == Kind.QUANTISE and made.name.endswith("-int8"):
        raise ConflictError(
            f"{base} is in int8 already.", remedy="Drop small weights instead (prune)."
        )
    if not made.adapted or to_starter:
        return
    slug, tags = base.campaign.slug, " ".join(made.languages)
    student = f"manage.py compress {slug} --kind distil --set student=starter"
    plain = f"manage.py merge_adapters {slug} --languages {tags} --plain"
    folds = made.backbone == "encoder" and made.method != BOTTLENECK and tags
    raise ConflictError(
        f"{base} answers through adapters of its languages ({tags or 'none'}), and those can be"
        " neither rounded nor cut nor taught to fewer layers.",
        remedy=f"Add them into the encoder first: {plain} – or teach a starter: {student}"
        if folds
        else f"Teach a plain starter what it says: {student}"
        if made.backbone == "encoder"
        else "It is a starter, which is small already; or roll back to a version without adapters.",
    )


def _snapshot(campaign: Campaign, *, base: ModelVersion, kind: str) -> DataSnapshot:
    """Return the data that the run rests on: what its base learned, or for a student all there is."""
    behind = (
        TrainingRun.objects.filter(candidate__in=lineage(base))
        .order_by("-candidate__number")
        .first()
    )
    if behind is None:
        raise ConflictError(
            f"{base} has learned nothing yet; there is nothing to compress.",
            remedy="Wait until a first round was learned and has passed its gate.",
        )
    return take_snapshot(campaign) if kind == Kind.DISTIL else behind.snapshot


def _settings(kind: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a kind, checked, each with its type."""
    if kind not in KNOBS:
        raise InvalidInputError(
            f"There is no way to compress called {kind!r}.", remedy=f"Use: {', '.join(KNOBS)}."
        )
    known = KNOBS[kind]
    strangers = sorted(told.keys() - known.keys())
    if strangers:
        raise InvalidInputError(
            f"{kind} has no setting called {', '.join(strangers)}.",
            remedy=f"Known are: {', '.join(known) or 'none'}.",
        )
    try:
        whole = {name: type(usual)(told.get(name, usual)) for name, usual in known.items()}
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"A setting of {kind} is no number: {error}.") from error
    _refuse_nonsense(whole)
    return whole | {"maintenance": f"{Kind(kind).label}: {MAINTENANCE}"}


def _refuse_nonsense(told: Mapping[str, Any]) -> None:
    for name, (low, high) in BOUNDS.items():
        if name in told and not low <= told[name] <= high:
            raise InvalidInputError(
                f"{name} cannot be {told[name]}.", remedy=f"It goes from {low} to {high}."
            )
    if told.get("student", "layers") not in STUDENTS:
        raise InvalidInputError(
            f"There is no student called {told['student']}.", remedy=f"Use: {', '.join(STUDENTS)}."
        )
