"""Runtimes: the arithmetic a network answers in, the quickest that says the same as float32.

Margins decide what people are asked, so a quick runtime is taken only if a probe on real texts
finds it in agreement with float32. Gold is never measured in one: what a gate judges is what the
version's own bytes say.

A label that changes counts where float32 had decided. Between two labels that are nearly tied
float32 has not: the same weights summed in another order would as soon say the other one, and
selection asks such a text first, whichever way it fell. So what protects selection is looked at by
itself: that the texts in most doubt are the same ones.
"""

import ctypes
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from learning.networks import Batch, Network
from learning.networks.encoder import Encoder
from learning.networks.rounded import has_kernels, is_rounded, rounded
from learning.networks.tokens import tags_units

FLOAT32, BFLOAT16, COMPILED, INT8 = "float32", "bfloat16", "bfloat16-compiled", "int8"
# A runtime agrees if so many of the decided texts keep their label, no probability moves further
# than this, the gap between the two best moves no more than that on average, and of the texts
# with the smallest gaps so many are the same.
AGREEMENT = 0.995
WORST = 0.05
MARGINS = 0.01
OVERLAP = 0.9
# Two labels are tied where their probabilities lie closer than this: each may move by MARGINS.
TIED = 2 * MARGINS
# The share of texts in most doubt that has to stay the same: what a round asks, with some to spare.
DOUBTFUL = 0.2
# glibc's M_MMAP_THRESHOLD, as high as it goes, and M_TRIM_THRESHOLD.
KEPT_BYTES = {-3: 1 << 25, -1: 1 << 28}
# Instructions without which bfloat16 on a CPU is slower than float32.
BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16", "bf16")

Floats = npt.NDArray[np.float64]
Packed = tuple[npt.NDArray[np.intp], Batch]


class Answers(NamedTuple):
    """What a network says of some texts: their positions, M x K logits, M x d embeddings."""

    rows: npt.NDArray[np.intp]
    logits: npt.NDArray[np.float32]
    embeddings: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Trial:
    """How a runtime did on the probe's texts.

    ``agreement`` is over all texts, ``decided`` over those on which float32 had decided.
    """

    runtime: str
    texts_per_second: float
    agreement: float
    decided: float
    worst: float
    margins: float
    overlap: float

    @property
    def accepted(self) -> bool:
        """Whether it says what float32 says, and doubts what float32 doubts."""
        steady = self.worst <= WORST and self.margins <= MARGINS
        return steady and self.decided >= AGREEMENT and self.overlap >= OVERLAP


def keep_memory() -> None:
    """Have the C library keep what was freed, instead of giving it back and asking for it anew.

    Each layer's numbers are a few megabytes, which glibc hands to the system at once; every page
    of them is then faulted in again a moment later. Other C libraries are left as they are.
    """
    change = getattr(ctypes.CDLL(None), "mallopt", None)
    if change is not None:
        for option, value in KEPT_BYTES.items():
            change(option, value)


def runtimes_of(network: Network, *, device: str, many: bool) -> tuple[str, ...]:
    """Return what is worth a try beside float32; compiling only pays on a GPU with much to do."""
    if not isinstance(network, Encoder) or tags_units(network) or is_rounded(network.module):
        return ()
    if device == "cuda":
        return (BFLOAT16, COMPILED) if many else (BFLOAT16,)
    quantised = (INT8,) if has_kernels() else ()
    return (*quantised, BFLOAT16) if _has_bfloat16() else quantised


def recast(network: Network, runtime: str) -> Network:
    """Return the network in another arithmetic; float32 is the network itself."""
    if runtime == FLOAT32 or not isinstance(network, Encoder) or is_rounded(network.module):
        return network
    if (
        tags_units(network) or network.several
    ):  # what was tried on labels of texts says nothing of tags
        return network
    if runtime == INT8:
        return network.quantised(_rounded)
    return network.in_bfloat16(compiled=runtime == COMPILED)


def choose(
    network: Network,
    *,
    texts: Sequence[str],
    languages: Sequence[str],
    device: str,
    runtimes: Sequence[str],
) -> tuple[str, list[Trial]]:
    """Return the quickest runtime that agrees with float32 on these texts, and all trials."""
    exact, speed = _timed(network, texts, languages, device=device)
    trials = [Trial(FLOAT32, speed, 1.0, 1.0, 0.0, 0.0, 1.0)]
    for runtime in runtimes:
        try:
            other = recast(network, runtime)
            told, speed = _timed(other, texts, languages, device=device)
        except (
            RuntimeError,
            NotImplementedError,
            AttributeError,
        ):  # this machine or this network cannot
            trials.append(_useless(runtime, 0.0))
            continue
        trials.append(compared(runtime, exact=exact, told=told, texts_per_second=speed))
    best = max((t for t in trials if t.accepted), key=lambda trial: trial.texts_per_second)
    return best.runtime, trials


def compared(runtime: str, *, exact: Floats, told: Floats, texts_per_second: float) -> Trial:
    """Hold N x K logits against those of float32."""
    if not np.isfinite(told).all():
        return _useless(runtime, texts_per_second)
    p, q = _softmax(exact), _softmax(told)
    same = p.argmax(axis=1) == q.argmax(axis=1)
    return Trial(
        runtime,
        texts_per_second,
        agreement=float(same.mean()),
        decided=float((same | (_gap(p) < TIED)).mean()),
        worst=float(np.abs(p - q).max()),
        margins=float(np.abs(_gap(p) - _gap(q)).mean()),
        overlap=_overlap(_gap(p), _gap(q)),
    )


def _overlap(exact: Floats, told: Floats) -> float:
    """Return how many of the texts with the smallest gaps are the same, as a share."""
    most = max(1, round(DOUBTFUL * len(exact)))
    first, second = (set(np.argsort(gaps, kind="stable")[:most]) for gaps in (exact, told))
    return len(first & second) / most


def _useless(runtime: str, texts_per_second: float) -> Trial:
    return Trial(runtime, texts_per_second, 0.0, 0.0, 1.0, 1.0, 0.0)


@torch.inference_mode()
def answers(network: Network, packed: Iterable[Packed], *, device: str) -> Iterator[Answers]:
    """Yield a network's answers, one packed batch after the other."""
    for rows, batch in packed:
        there = {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
        logits, embeddings = network.answer(there)
        yield Answers(rows, logits.float().cpu().numpy(), embeddings.float().cpu().numpy())


def pace(network: Network, texts: Sequence[str], languages: Sequence[str], *, device: str) -> float:
    """Return texts per second of processor (GPU: of clock), the better of two turns."""
    return max(_timed(network, texts, languages, device=device)[1] for _ in range(2))


def _timed(
    network: Network, texts: Sequence[str], languages: Sequence[str], *, device: str
) -> tuple[Floats, float]:
    """Answer all texts and return the logits with texts per second of processor (GPU: of clock)."""
    clock = time.perf_counter if device == "cuda" else time.process_time
    found = np.empty((len(texts), len(network.labels)))
    few = max(1, len(texts) // 8)
    warming = network.packed(texts[:few], languages[:few], device=device)
    list(answers(network, warming, device=device))  # compiles, if that is the runtime
    begun = clock()
    packed = network.packed(texts, languages, device=device)
    for rows, logits, _ in answers(network, packed, device=device):
        found[rows] = logits
    return found, len(texts) / max(clock() - begun, 1e-9)


def _rounded(module: Any) -> Any:
    """Round the encoder's matrices, and leave its tables and its head as they are."""
    return rounded(module, tables=False)


def _has_bfloat16() -> bool:
    told = Path("/proc/cpuinfo")
    flags = told.read_text().split() if told.is_file() else []
    return any(flag in flags for flag in BFLOAT16_FLAGS)


def _softmax(logits: Floats) -> Floats:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _gap(probabilities: Floats) -> Floats:
    best = np.sort(probabilities, axis=1)
    return np.asarray(best[:, -1] - best[:, -2])
