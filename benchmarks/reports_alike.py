"""Duplicates of ``benchmarks.reports``: recall at five by letters, by embeddings and by both, per script.

Real sentences of SIB-200; half of a language's are known, and told again in eight ways, or asked for in a related
language, which is the same in other words. The other half was never told: how often is one of them said to be alike?
"""

import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Told = tuple[str, float, float | None, bool]
SAME = 0.5
RELATED = ("ace-Latn", "ban-Latn", "bug-Latn")
Way = Callable[[str], str]


def duplicates(data: Path, *, asked: int) -> Iterator[Told]:
    """Yield what was measured: words, value, bar, and whether less is better."""
    by = _texts(data)
    found: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    wrong: dict[str, list[float]] = {}
    for name, texts in by.items():
        script = name.rpartition("-")[2]
        rows, strange = _of_language(list(texts.values()), asked=asked)
        for way, hits in rows.items():
            found.setdefault((script, way), []).append(hits)
        wrong.setdefault(script, []).append(strange)
    for (script, way), hits_of in sorted(found.items()):
        yield from _three(f"{script}, {way}", hits_of)
    for script, shares in sorted(wrong.items()):
        text = f"{script}: texts never told that are said to be alike (letters, cosine {SAME})"
        yield text, sum(shares) / len(shares), None, True
    pairs = [(one, two) for one in RELATED for two in RELATED if one != two]
    yield from _three("the same in a related language", [_between(by, *p, asked) for p in pairs])


def _three(what: str, rows: list[tuple[float, ...]]) -> Iterator[Told]:
    for at, how in enumerate(("letters", "embeddings", "both")):
        yield f"{what}: recall at 5 by {how}", sum(one[at] for one in rows) / len(rows), None, False


def _texts(data: Path) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for file in sorted((data / "topic/sib200").glob("*.jsonl")):
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        found[file.stem] = {row["group"]: row["text"] for row in rows}
    return found


def _embedded(texts: list[str]) -> Any:
    """Return what the starter, which ships, makes of texts: N x d, of length one."""
    import numpy as np
    import torch

    from learning.networks.starter import Starter

    network = _kept.setdefault("starter", Starter.fresh(["one", "other"]))
    with torch.no_grad():
        return np.concatenate(
            [
                network.embed(network.collate(some, ["und"] * len(some))).numpy()
                for some in (texts[at : at + 200] for at in range(0, len(texts), 200))
            ]
        )


_kept: dict[str, Any] = {}


def _index(texts: list[str]) -> tuple[Any, Any]:
    from learning.methods.alike import Index

    index, senses = Index(), _embedded(texts)
    index.add(range(1, len(texts) + 1), texts=texts)
    index.add_senses(list(range(1, len(texts) + 1)), senses=senses)
    return index, senses


def _hits(known: tuple[Any, Any], asked: list[tuple[int, str]]) -> tuple[float, ...]:
    """Return recall at five by letters alone, by embeddings alone, and as the product does it."""
    index, kept = known
    senses, hits = _embedded([text for _, text in asked]), [0, 0, 0]
    for (right, text), sense in zip(asked, senses, strict=True):
        told = (
            [one.id for one in index.nearest(text, most=5, by_letters=5)],
            list((-(kept @ sense)).argsort(kind="stable")[:5] + 1),
            [one.id for one in index.nearest(text, sense=sense, most=5)],
        )
        for at, near in enumerate(told):
            hits[at] += right in near
    return tuple(one / len(asked) for one in hits)


def _of_language(texts: list[str], *, asked: int) -> tuple[dict[str, tuple[float, ...]], float]:
    rng = random.Random(11)
    texts = list(dict.fromkeys(texts))
    rng.shuffle(texts)
    known, strange = texts[: len(texts) // 2], texts[len(texts) // 2 :]
    index = _index(known)
    ways = _ways(known, strange, rng)
    found = {
        name: _hits(index, [(at + 1, way(known[at])) for at in range(min(asked, len(known)))])
        for name, way in ways.items()
    }
    tops = [index[0].nearest(text, most=1, by_letters=1) for text in strange[:asked]]
    return found, sum(bool(one) and one[0].letters >= SAME for one in tops) / len(tops)


def _ways(known: list[str], strange: list[str], rng: random.Random) -> dict[str, Way]:
    """How people tell the same again, from slips to other words."""
    from learning.methods.noise import romanised, without_marks

    signs = sorted({sign for text in known for sign in text if not sign.isspace()})
    words = [word for text in strange for word in text.split()]

    def slips(share: float) -> Way:
        def way(text: str) -> str:
            return "".join(
                sign
                if sign.isspace() or rng.random() >= share
                else rng.choice(("", sign * 2, rng.choice(signs)))
                for sign in text
            )

        return way

    def others(share: float) -> Way:
        return lambda text: " ".join(
            rng.choice(words) if rng.random() < share else word for word in text.split()
        )

    def shuffled(text: str) -> str:
        told = text.split()
        rng.shuffle(told)
        return " ".join(told)

    def shorter(text: str) -> str:
        return " ".join(word for word in text.split() if rng.random() < 0.5) or text

    return {
        "20 % of letters changed": slips(0.2),
        "40 % of letters changed": slips(0.4),
        "half of the words left out": shorter,
        "words in any order": shuffled,
        "marks left out": without_marks,
        "in Latin letters": romanised,
        "half of the words others": others(0.5),
        "70 % of the words others": others(0.7),
    }


def _between(by: dict[str, dict[str, str]], one: str, two: str, asked: int) -> tuple[float, ...]:
    """Ask for sentences of one language among those of another, which is related to it."""
    keys = sorted(set(by[one]) & set(by[two]))
    index = _index([by[two][key] for key in keys])
    return _hits(index, [(at + 1, by[one][keys[at]]) for at in range(min(asked, len(keys)))])


def speed(data: Path, *, size: int) -> Iterator[Told]:
    """What a query costs among very many, by letters and by both; CPU time, the machine is shared."""
    import numpy as np

    from learning.methods.alike import Index

    rng, made = random.Random(3), []
    words = [text.split() for texts in _texts(data).values() for text in texts.values()]
    for n, one in enumerate(rng.choices(words, k=size)):
        made.append(" ".join(rng.sample(one, len(one)) if len(one) > 2 else one) + f" {n}")
    senses = np.random.default_rng(0).standard_normal((size, 192)).astype(np.float32)
    senses /= np.linalg.norm(senses, axis=1, keepdims=True)
    index, began = Index(), time.process_time()
    for start in range(0, size, 20_000):
        ids = range(start + 1, min(start + 20_000, size) + 1)
        index.add(ids, texts=made[start : start + 20_000])
    yield f"CPU seconds to index {size:,} real texts", time.process_time() - began, None, True
    index.add_senses(list(range(1, size + 1)), senses=senses)
    asked = rng.sample(range(size), 60)
    for how, sense in (("letters", False), ("letters and embeddings", True)):
        began = time.process_time()
        right = sum(
            index.nearest(made[at], sense=senses[at] if sense else None)[0].id == at + 1
            for at in asked
        )
        each = (time.process_time() - began) / len(asked)
        yield f"CPU milliseconds a query among {size:,}, by {how}", 1000 * each, 20.0, True
        yield f"of 60 of these found first, by {how}", right / len(asked), None, False
