"""Scoring against the plain transformers pipeline: ``python -m benchmarks.scoring [--quick]``.

The same network, the same texts (NusaX, shuffled over its languages), the same processor, one
thread: from strings to logits (ours: and embeddings). Networks have XLM-R's shape, random weights
and a tokenizer of 32,000 subwords; the small one is fine-tuned for a minute or two, the base-sized
one has a head fitted over random weights, so that there are margins to be compared. The peer is
``pipeline("text-classification")`` with its default batch size and with 32. Ours is what a worker
does, in every arithmetic that this machine may try; the bar stands at the one that the probe takes.
Numbers are texts per second of processor time, medians of runs that take turns. On a machine with a
GPU base and large are measured there too, by the clock, with model FLOPs utilisation.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from tokenizers import AddedToken, Tokenizer, processors
from transformers import (
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
    pipeline,
)

from benchmarks import report
from learning.networks import Network, runtimes
from learning.networks.encoder import Encoder
from learning.networks.starter import SHIPPED, Starter, _shipped_vectors

LABELS = ("negative", "neutral", "positive")
BAR = {"cpu": 3.0, "cuda": 5.0}
PROBE = 200
# Steps of fine-tuning for the small network: taught networks are sure of some texts, and then a
# quick arithmetic has to keep what they say. The base-sized one is only fitted a head: minutes.
LESSONS = 150
RATE = 5e-4
SHORT = 160
# Dense bfloat16 operations per second, as their maker says.
PEAK = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L4": 121e12, "T4": 65e12}


class Shape(NamedTuple):
    """How large a network is."""

    layers: int
    width: int
    heads: int


SHAPES = {"small": Shape(6, 384, 6), "base": Shape(12, 768, 12), "large": Shape(24, 1024, 16)}


class Text(NamedTuple):
    """One text with its label and language."""

    text: str
    label: str
    language: str


def main() -> None:
    """Measure and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--quick", action="store_true", help="few texts once; nothing is written")
    options = parser.parse_args()
    torch.set_num_threads(1)
    runtimes.keep_memory()  # as a worker does; the peer runs in the same process and gains too
    texts = read(options.data / "sentiment/nusax-senti")
    gpu = torch.cuda.is_available()
    plan = {"small": (200, 5, LESSONS), "base": (32, 3, 0)}
    if options.quick:
        plan = {"small": (60, 1, 0)}
    rows, trials = [], {}
    for name, (count, turns, lessons) in plan.items():
        network = made(SHAPES[name], texts[-PROBE:], device="cpu", lessons=lessons, pool=texts)
        found, tried = compare(name, network, texts, count=count, turns=turns, device="cpu")
        rows += found
        trials[name] = tried
    if gpu and not options.quick:
        for name in ("base", "large"):
            network = made(SHAPES[name], texts[-PROBE:], device="cuda", lessons=500, pool=texts)
            found, tried = compare(name, network, texts, count=8000, turns=5, device="cuda")
            rows += found
            trials[f"{name}, GPU"] = tried
    rows.append(starter(texts[: 500 if options.quick else 4000]))
    print(report.table(rows))
    print(json.dumps(trials, indent=1))
    if not options.quick:
        notes = ["No GPU was there."] if not gpu else []
        print(report.write("scoring", rows, notes=notes, trials=trials))


def read(folder: Path) -> list[Text]:
    """Read all languages of a set in one shuffled list."""
    found = [
        Text(row["text"], row["label"], path.stem)
        for path in sorted(folder.glob("*.jsonl"))
        for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())
    ]
    if not found:
        raise SystemExit(f"There are no texts in {folder}; say where they are with --data.")
    return [found[i] for i in np.random.default_rng(0).permutation(len(found))]


def compare(
    name: str, network: Encoder, texts: Sequence[Text], *, count: int, turns: int, device: str
) -> tuple[list[report.Row], dict[str, Any]]:
    """Return a row for each batch size of the peer, and how the probe found the runtimes."""
    probe, some = texts[-PROBE:], [text.text for text in texts[:count]]
    begun = time.process_time()
    names = runtimes.runtimes_of(network, device=device, many=device == "cuda")
    best, trials = runtimes.choose(
        network,
        texts=[text.text for text in probe],
        languages=[text.language for text in probe],
        device=device,
        runtimes=names,
    )
    spent = time.process_time() - begun
    peer = pipeline(
        "text-classification",
        model=network.module,
        tokenizer=network._tokenizer,
        device=torch.device(device),
    )
    ours = {name: runtimes.recast(network, name) for name in (runtimes.FLOAT32, *names)}
    tasks: dict[str, Callable[[], object]] = {
        name: lambda cast=cast: list(answered(cast, some, device=device))
        for name, cast in ours.items()
    } | {
        "batch 1": lambda: peer(some, truncation=True),
        "batch 32": lambda: peer(some, truncation=True, batch_size=32),
    }
    speeds: dict[str, list[float]] = {task: [] for task in tasks}
    for _ in range(turns):
        for task, work in tasks.items():
            speeds[task].append(speed(work, count=count, device=device))
    rows = [
        row_of(
            f"{name} on {device}, {ours_in}; pipeline {task}",
            speeds[ours_in],
            speeds[task],
            bar=BAR[device] if ours_in == best else None,
        )
        for ours_in in ours
        for task in ("batch 1", "batch 32")
    ]
    told = {
        "probe_seconds": round(spent, 1),
        "runtimes": [trial.__dict__ | {"accepted": trial.accepted} for trial in trials],
    }
    if device == "cuda":
        told["model_flops_utilisation"] = utilisation(
            network, SHAPES[name], some, texts_per_second=statistics.median(speeds[best])
        )
    return rows, told


def row_of(row: str, ours: list[float], peer: list[float], *, bar: float | None) -> report.Row:
    """Return medians, with the largest distance of one turn's ratio from the mean."""
    ratios = [a / b for a, b in zip(ours, peer, strict=True)]
    spread = max(abs(ratio - statistics.mean(ratios)) for ratio in ratios)
    return report.Row(row, statistics.median(ours), statistics.median(peer), bar, spread=spread)


def speed(work: Callable[[], object], *, count: int, device: str) -> float:
    """Return texts per second of processor (GPU: of clock)."""
    clock = time.perf_counter if device == "cuda" else time.process_time
    begun = clock()
    work()
    return count / (clock() - begun)


def answered(network: Network, texts: Sequence[str], *, device: str) -> Any:
    """Do what a worker does with a shard."""
    packed = network.packed(texts, ["und"] * len(texts), device=device)
    return runtimes.answers(network, packed, device=device)


def made(
    shape: Shape, probe: Sequence[Text], *, device: str, lessons: int, pool: Sequence[Text]
) -> Encoder:
    """Make a network of XLM-R's kind and teach it something, or at least its head."""
    tokenizer = subwords()
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=4 * shape.width,
        max_position_embeddings=514,
        pad_token_id=1,  # positions are counted from there; the tokenizer pads with its own
        id2label=dict(enumerate(LABELS)),
    )
    module = XLMRobertaForSequenceClassification(config).eval().to(device)
    network = Encoder(LABELS, name="benchmark", module=module, tokenizer=tokenizer)
    if lessons:
        teach(network, pool[: len(pool) // 2], lessons=lessons, device=device)
    else:
        fit_head(network, probe, device=device)
    return network


def teach(network: Encoder, texts: Sequence[Text], *, lessons: int, device: str) -> None:
    """Fine-tune on short texts for so many steps, enough for margins of all sizes."""
    module, short = network.module, [text for text in texts if len(text.text) < SHORT]
    table = _shipped_vectors()
    with torch.no_grad():
        words = module.roberta.embeddings.word_embeddings.weight
        words[: len(table), : table.shape[1]] += torch.nn.functional.normalize(table).to(device) / 2
    optimiser = torch.optim.AdamW(module.parameters(), lr=RATE)
    rng = np.random.default_rng(0)
    module.train()
    for step in range(lessons):
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 20) * (1 - step / lessons)
        some = [short[i] for i in rng.integers(0, len(short), 16)]
        batch = network.collate([text.text for text in some], [""] * len(some))
        wanted = torch.tensor([LABELS.index(text.label) for text in some], device=device)
        told = network.logits({key: part.to(device) for key, part in batch.items()})
        torch.nn.functional.cross_entropy(told, wanted).backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
    module.eval()


def fit_head(network: Encoder, texts: Sequence[Text], *, device: str) -> None:
    """Fit the last layer to the labels of some texts, over what the random encoder says of them."""
    head, seen, order = network.module.classifier.out_proj, [], []
    ear = head.register_forward_pre_hook(lambda _, given: seen.append(given[0].float().cpu()))
    with torch.inference_mode():
        for rows, batch in network.packed(
            [text.text for text in texts], [""] * len(texts), device=device
        ):
            network.logits({key: part.to(device) for key, part in batch.items()})
            order += rows.tolist()
    ear.remove()
    fitted = LogisticRegression(max_iter=2000)
    fitted.fit(torch.cat(seen).numpy(), [LABELS.index(texts[i].label) for i in order])
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(fitted.coef_))
        head.bias.copy_(torch.from_numpy(fitted.intercept_))


def subwords() -> Any:
    """Return the shipped subwords with what an encoder wants around a text."""
    plain = Tokenizer.from_file(str(SHIPPED / "tokenizer.json"))
    special = ["<s>", "<pad>", "</s>"]
    plain.add_special_tokens([AddedToken(word, special=True) for word in special])
    begin, end = (plain.token_to_id(word) for word in ("<s>", "</s>"))
    plain.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", begin), ("</s>", end)]
    )
    fast: Any = PreTrainedTokenizerFast
    return fast(
        tokenizer_object=plain,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        model_max_length=256,
    )


def utilisation(
    network: Encoder, shape: Shape, texts: Sequence[str], *, texts_per_second: float
) -> float | None:
    """Return the share of the GPU's bfloat16 operations that the real tokens needed."""
    peak = next((top for name, top in PEAK.items() if name in torch.cuda.get_device_name()), None)
    lengths = np.array([len(row.ids) for row in network._tokens(texts)], np.float64)
    matrices = 12 * shape.layers * shape.width**2
    operations = 2 * matrices * lengths + 4 * shape.layers * shape.width * lengths**2
    return None if peak is None else float(operations.mean() * texts_per_second / peak)


def starter(texts: Sequence[Text]) -> report.Row:
    """Return how quick the shipped network is; it has no peer here."""
    network = Starter.fresh(LABELS)
    some, tags = [text.text for text in texts], [text.language for text in texts]
    begun = time.process_time()
    packed = network.packed(some, tags, device="cpu")
    list(runtimes.answers(network, packed, device="cpu"))
    rate = len(some) / (time.process_time() - begun)
    return report.Row("starter on cpu, no peer", rate, 0.0, None)


if __name__ == "__main__":
    main()
