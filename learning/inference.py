"""Inference: one network per worker; texts in, logits and embeddings out.

Texts are sorted by length and packed into batches of about equal work, so that no short text
is padded to a long neighbour; what comes out does not depend on who shared the batch, beyond
the last bits of a float (the last digits where activations are rounded to int8).
"""

import fcntl
import hashlib
import json
import platform
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import structlog
import torch
from django.conf import settings

from annotation.methods.spans import classes_of
from learning.gateways.weights import open_weights
from learning.methods import several
from learning.methods.sequences import token_bald
from learning.methods.tagging import Read, decoded, log_probabilities, opinions
from learning.models import ModelVersion
from learning.networks import Batch, Network, runtimes
from learning.networks.chance import by_chance, thinned
from learning.networks.opening import load_network
from learning.networks.runtimes import Answers, Packed
from learning.networks.tokens import tags_units, units_of

KEPT = 2
# Texts that go through the tokenizer together; on a GPU the next ones do while these are answered.
AT_ONCE = {"cpu": 4_096, "cuda": 512}
# A probe of at least so many texts, and only where there is so much more to do that it pays.
PROBE = 200
WORTH_A_PROBE = 10 * PROBE
WORTH_COMPILING = 50_000

_networks: OrderedDict[tuple[str, str], Network] = OrderedDict()
_lock = threading.Lock()

log = structlog.get_logger(__name__)


class Marks(NamedTuple):
    """What a network reads in some texts: their positions, the readings, M x d embeddings."""

    rows: npt.NDArray[np.intp]
    reads: list[Read]
    embeddings: npt.NDArray[np.float32]


def network_of(version: ModelVersion, *, runtime: str = runtimes.FLOAT32) -> Network:
    """Return the version's network, verified, on the device and ready to answer.

    The last two stay in memory: champion and candidate.
    """
    with _lock:
        key = (version.digest, runtime)
        if key not in _networks:
            network = load_network(open_weights(version.path, digest=version.digest))
            network.module.to(device()).eval()
            _networks[key] = runtimes.recast(network, runtime)
        _networks.move_to_end(key)
        while len(_networks) > KEPT:
            _networks.popitem(last=False)
        return _networks[key]


def answers_of(
    version: ModelVersion,
    *,
    texts: Sequence[str],
    languages: Sequence[str],
    runtime: str = runtimes.FLOAT32,
) -> Iterator[Answers]:
    """Yield a version's answers batch by batch, each text once; ``languages`` are their tags."""
    network = network_of(version, runtime=runtime)
    return network_answers(network, texts=texts, languages=languages)


def network_answers(
    network: Network, *, texts: Sequence[str], languages: Sequence[str]
) -> Iterator[Answers]:
    """Yield a network's answers; on a GPU batches are made in another thread meanwhile."""
    home = device().type
    step = AT_ONCE[home]
    packed = (
        (start + rows, batch)
        for start in range(0, len(texts), step)
        for rows, batch in network.packed(
            texts[start : start + step], languages[start : start + step], device=home
        )
    )
    coming = _ahead(packed) if home == "cuda" else packed
    return runtimes.answers(network, coming, device=home)


def _ahead(packed: Iterator[Packed]) -> Iterator[Packed]:
    """Yield the same, with the next one being made meanwhile."""
    with ThreadPoolExecutor(max_workers=1) as other:
        coming = other.submit(next, packed, None)
        while (batch := coming.result()) is not None:
            coming = other.submit(next, packed, None)
            yield batch


def logits_of(
    version: ModelVersion, *, texts: Sequence[str], languages: Sequence[str]
) -> npt.NDArray[np.float32]:
    """Return N x K logits of the texts, in their order; ``languages`` are their tags."""
    return network_logits(network_of(version), texts=texts, languages=languages)


def network_logits(
    network: Network, *, texts: Sequence[str], languages: Sequence[str]
) -> npt.NDArray[np.float32]:
    """Return N x K logits under a network that is at hand, such as one in training.

    In float32 on every machine: by these a version is judged. A network for spans says N arrays,
    each of u x K logits of a text's units.
    """
    if len(texts) != len(languages):
        raise ValueError("every text needs its language tag")
    if tags_units(network):
        return _unit_logits(network, texts=texts, languages=languages)
    found = np.empty((len(texts), len(network.labels)), dtype=np.float32)
    home = next(network.module.parameters()).device
    # Not in inference mode: weights that are cut among processes (FSDP) are put together here.
    with _resting(network), torch.no_grad():
        for rows, batch in network.packed(texts, languages, device=home.type):
            there = {name: tensor.to(home) for name, tensor in batch.items()}
            found[rows] = network.logits(there).float().cpu().numpy()
    return found


def _unit_logits(
    network: Network, *, texts: Sequence[str], languages: Sequence[str]
) -> npt.NDArray[Any]:
    found = np.empty(len(texts), dtype=object)
    home = next(network.module.parameters()).device
    with _resting(network), torch.no_grad():
        for rows, batch in network.packed(texts, languages, device=home.type):
            there = {name: tensor.to(home) for name, tensor in batch.items()}
            told = _by_text(network.logits(there).float().cpu().numpy(), batch)
            for row, one in zip(rows, told, strict=True):
                found[row] = one
    return found


def _by_text(rows: npt.NDArray[Any], batch: Batch) -> list[npt.NDArray[Any]]:
    """Part rows of units among the texts of their batch."""
    return np.split(rows, np.cumsum(batch["units"].cpu().numpy())[:-1])


def marks_of(
    version: ModelVersion, *, texts: Sequence[str], languages: Sequence[str]
) -> Iterator[Marks]:
    """Yield what a version for spans reads in texts, batch by batch, each text once."""
    network = network_of(version)
    classes, cut = classes_of(network.labels), units_of(texts)
    home = device()
    with torch.inference_mode():
        for rows, batch in network.packed(texts, languages, device=home.type):
            there = {name: tensor.to(home) for name, tensor in batch.items()}
            logits, embeddings = network.answer(there)
            told = logits.float().cpu().numpy()
            lost = [not np.isfinite(one).all() for one in _by_text(told, batch)]
            logs = log_probabilities([np.where(np.isfinite(told), told, 0.0)])
            reads = decoded(logs, units=[cut[row] for row in rows], labels=classes)
            vectors = embeddings.float().cpu().numpy()
            vectors[lost] = np.nan  # a text without finite numbers is spoilt whole
            yield Marks(rows, reads, vectors)


def mc_probabilities(
    version: ModelVersion,
    *,
    texts: Sequence[str],
    languages: Sequence[str],
    passes: int,
    seed: int,
) -> npt.NDArray[np.float32]:
    """Return N x T x K probabilities of T passes in which chance leaves out some of the network.

    Of several labels N x T x 2: that the one which all passes together doubt most holds not, or holds.
    Of marks N x T x 2 as well: two classes on which the passes disagree as much as on tokens.

    The same texts in the same order with the same seed give the same numbers on the same machine.
    """
    network = network_of(version)
    home = next(network.module.parameters()).device
    if tags_units(network):
        return _disagreements(
            network, texts=texts, languages=languages, passes=passes, seed=seed, home=home.type
        )
    found = np.empty((len(texts), passes, len(network.labels)), dtype=np.float32)
    with _resting(network), by_chance(network, seed=seed), torch.inference_mode():
        for rows, batch in network.packed(texts, languages, device=home.type):
            there = {name: tensor.to(home) for name, tensor in batch.items()}
            for turn in range(passes):
                logits = network.logits(thinned(there)).float()
                told = torch.sigmoid(logits) if network.several else torch.softmax(logits, dim=1)
                found[rows, turn] = told.cpu().numpy()
    return several.doubtful_opinions(found) if network.several else found


def _disagreements(
    network: Network,
    *,
    texts: Sequence[str],
    languages: Sequence[str],
    passes: int,
    seed: int,
    home: str,
) -> npt.NDArray[np.float32]:
    found = np.zeros(len(texts))
    with _resting(network), by_chance(network, seed=seed), torch.inference_mode():
        for rows, batch in network.packed(texts, languages, device=home):
            there = {name: tensor.to(home) for name, tensor in batch.items()}
            told = [
                torch.softmax(network.logits(thinned(there)).float(), dim=1).cpu().numpy()
                for _ in range(passes)
            ]
            lengths = batch["units"].cpu().numpy()
            found[rows] = token_bald(np.stack(told, axis=1), lengths=lengths)
    return opinions(found, passes=passes).astype(np.float32)


@contextmanager
def _resting(network: Network) -> Iterator[None]:
    """Have the network answer as it serves, and leave it as it was found."""
    training = network.module.training
    network.module.eval()
    try:
        yield
    finally:
        network.module.train(training)


def runtime_of(
    version: ModelVersion, *, samples: int, probe: Callable[[], list[tuple[str, str]]]
) -> str:
    """Return the arithmetic in which this machine scores with the version.

    Where so many samples are to be scored that it pays, a probe decides on some (text, language
    tag) from all over the pool, once a version and kind of machine; its findings lie on disk, and
    workers wait for each other.
    """
    wish: str = settings.ENV.runtime
    if wish != "auto":
        return wish
    if samples < WORTH_A_PROBE or not _choices(version, samples=samples):
        return runtimes.FLOAT32
    home = _findings(version)
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = _read(home)
        if known is None:
            known = _probe(version, pairs=probe(), names=_choices(version, samples=samples))
            arriving = home.with_suffix(".arriving")
            arriving.write_text(json.dumps(known, indent=1))
            arriving.replace(home)
    return str(known["runtime"])


def _choices(version: ModelVersion, *, samples: int) -> tuple[str, ...]:
    many = samples >= WORTH_COMPILING
    return runtimes.runtimes_of(network_of(version), device=device().type, many=many)


def _probe(
    version: ModelVersion, *, pairs: list[tuple[str, str]], names: tuple[str, ...]
) -> dict[str, Any]:
    """Try what this machine can; with too few texts to judge by, float32 stays."""
    if len(pairs) < PROBE:
        return {"runtime": runtimes.FLOAT32, "trials": []}
    best, trials = runtimes.choose(
        network_of(version),
        texts=[text for text, _ in pairs],
        languages=[tag for _, tag in pairs],
        device=device().type,
        runtimes=names,
    )
    told = [asdict(trial) for trial in trials]
    log.info("inference.runtime_chosen", version=version.digest[:8], runtime=best, trials=told)
    return {"runtime": best, "trials": told}


def _findings(version: ModelVersion) -> Path:
    """Return the file of a probe: one a version, device, processor, torch and number of threads."""
    facts = (platform.processor(), platform.machine(), _processor(), torch.__version__)
    threads = torch.get_num_threads() if device().type == "cpu" else 0
    machine = hashlib.sha256(repr((facts, device().type, threads)).encode()).hexdigest()[:12]
    return Path(settings.VAR_DIR) / "runtimes" / f"{version.digest}-{machine}.json"


@cache
def _processor() -> str:
    if device().type == "cuda":
        return str(torch.cuda.get_device_name())
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.is_file() else []
    return "".join(sorted({line for line in lines if line.startswith(("model name", "flags"))}))


def _read(findings: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(findings.read_text()))
    except (FileNotFoundError, ValueError):
        return None


@cache
def device() -> torch.device:
    """Return where networks run, as the settings say; set the threads of a CPU once."""
    wish = settings.ENV.device
    if wish == "auto":
        wish = "cuda" if torch.cuda.is_available() else "cpu"
    if wish == "cpu":
        runtimes.keep_memory()
    if wish == "cpu" and settings.ENV.torch_threads:
        torch.set_num_threads(settings.ENV.torch_threads)
    return torch.device(wish)
