"""How often a report's language is known by its letters: ``python -m benchmarks.report_languages [--quick]``.

The identifier learns from as many texts a language as a campaign's pool has and is asked about texts
that it did not see: of the same source, of another source where there is one, cut to their first 20
letters, and in a language that it never learned, which it should leave unnamed. Beside it stands
what reports had before: the script, and of its languages the one with the most texts. CPU seconds
of this process, not wall time. ``--quick`` takes half and writes nothing.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from annotation.methods.identify import NOBODY, Identifier, learn
from annotation.methods.scripts import dominant_script
from benchmarks.registry import Measured
from benchmarks.report import write

SEEDS = (1, 2, 3)
MOST, TESTED, SHORT = 120, 40, 20
RIGHT_BAR = 0.95
Texts = Mapping[str, Mapping[str, list[str]]]


@dataclass(frozen=True)
class Share:
    """Of so many texts so many were named, and so many of those rightly."""

    texts: int
    named: int
    right: int

    @property
    def answered(self) -> float:
        """How many texts it dared to name."""
        return self.named / max(self.texts, 1)

    @property
    def precision(self) -> float:
        """How many of those were right."""
        return self.right / max(self.named, 1)


def main() -> None:
    """Measure on three draws of the texts and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, default=Path("../shared/data"))
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    most, tested = (60, 20) if options.quick else (MOST, TESTED)
    texts = read(options.data)
    runs = [measured(texts, most=most, tested=tested, seed=seed) for seed in SEEDS]
    rows = [
        Measured(name, mean(run[name] for run in runs), unit, bar, worst(run[name] for run in runs))
        for name, (unit, bar) in UNITS.items()
        for worst in (min,)
    ]
    for row in rows:
        print(row.line())
    if not options.quick:
        write("report_languages", rows, notes=["three draws; worst is the lowest of them"])


def read(data: Path) -> Texts:
    """Return texts by language (with its script) and source."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted(data.glob("*/*/*.jsonl")):
        for line in path.read_text().splitlines():
            told = json.loads(line)
            text = told.get("text") or " ".join(told.get("tokens", ()))
            found[f"{told['lang']}-{told['script']}"][path.parent.name].append(text)
    return found


UNITS = {
    "languages": ("that it learned", None),
    "same source, right of those named": ("share", None),
    "same source, named": ("share", None),
    "the languages of one archipelago alone, right of those named": ("share", None),
    "the languages of one archipelago alone, named": ("share", None),
    "worst language, right of those named": ("share", None),
    "another source, right of those named": ("share", None),
    "another source, named": ("share", None),
    "first 20 letters, right of those named": ("share", None),
    "first 20 letters, named": ("share", None),
    "a language that it never learned, named all the same": ("share", None),
    "by script alone, right": ("share", None),
    "learning": ("CPU seconds", None),
    "one text": ("CPU milliseconds", None),
    "kept": ("megabytes", None),
}


def measured(texts: Texts, *, most: int, tested: int, seed: int) -> dict[str, float]:
    """Learn once and ask about everything that was kept apart."""
    import numpy as np

    rng = np.random.default_rng(seed)
    known, same, other = {}, {}, {}
    for tag, sources in sorted(texts.items()):
        first, *more = sorted(sources, key=lambda name: -len(sources[name]))
        drawn = [sources[first][at] for at in rng.permutation(len(sources[first]))]
        same[tag], known[tag] = drawn[:tested], drawn[tested : tested + most]
        if more:
            some = sources[more[0]]
            other[tag] = [some[at] for at in rng.permutation(len(some))[:tested]]
    begun = time.process_time()
    found = learn(known, seed=seed)
    learned = time.process_time() - begun
    same = {tag: some for tag, some in same.items() if tag in found.tags}
    begun = time.process_time()
    by_language = {tag: _asked(found, {tag: some}) for tag, some in same.items()}
    asked = time.process_time() - begun
    here = _summed(by_language.values())
    there = _asked(found, {tag: some for tag, some in other.items() if tag in found.tags})
    short = _asked(found, {tag: [one[:SHORT] for one in some] for tag, some in same.items()})
    close = {tag: same[tag] for tag in same if "nusax-senti" in texts[tag]}
    near = _asked(learn({tag: known[tag] for tag in close}, seed=seed), close)
    return {
        "languages": float(len(found.tags)),
        "same source, right of those named": here.precision,
        "same source, named": here.answered,
        "the languages of one archipelago alone, right of those named": near.precision,
        "the languages of one archipelago alone, named": near.answered,
        "worst language, right of those named": min(x.precision for x in by_language.values()),
        "another source, right of those named": there.precision,
        "another source, named": there.answered,
        "first 20 letters, right of those named": short.precision,
        "first 20 letters, named": short.answered,
        "a language that it never learned, named all the same": _strangers(known, same, seed=seed),
        "by script alone, right": _by_script(known, same),
        "learning": learned,
        "one text": 1000 * asked / here.texts,
        "kept": len(found.packed()) / 1e6,
    }


def _asked(found: Identifier, texts: Mapping[str, Sequence[str]]) -> Share:
    told = [(found.named(text)[0], tag) for tag, some in texts.items() for text in some]
    named = [one for one in told if one[0] != NOBODY]
    return Share(len(told), len(named), sum(said == tag for said, tag in named))


def _summed(shares: Iterable[Share]) -> Share:
    parts = list(shares)
    return Share(
        sum(one.texts for one in parts),
        sum(one.named for one in parts),
        sum(one.right for one in parts),
    )


def _strangers(
    known: Mapping[str, list[str]], same: Mapping[str, list[str]], *, seed: int
) -> float:
    """Leave each sixth language out and tell how often one of the others is said in its place."""
    named = []
    for left in range(6):
        out = [tag for at, tag in enumerate(sorted(same)) if at % 6 == left]
        others = learn({tag: some for tag, some in known.items() if tag not in out}, seed=seed)
        named.append(_asked(others, {tag: same[tag] for tag in out}).answered)
    return mean(named)


def _by_script(known: Mapping[str, list[str]], same: Mapping[str, list[str]]) -> float:
    """Name the language of the text's script that has the most texts."""
    likely: dict[str, str] = {}
    for tag in sorted(known, key=lambda one: (-len(known[one]), one)):
        likely.setdefault(tag.split("-")[1], tag)
    told = [likely.get(dominant_script(text)) == tag for tag, some in same.items() for text in some]
    return mean(told)


if __name__ == "__main__":
    main()
