"""Writing: outputs for many sources at once, and how sure a generator is of each.

Sources are sorted by length and packed, so that no short one is padded to a long neighbour; what
comes out does not depend on who shared the batch, beyond the last bits of a float. Two numbers
tell how sure a generator is, whoever wrote the output: the mean log-probability of its tokens (its
sequence log-probability over its length, end included), and, where several outputs are drawn, how
much these disagree (:func:`learning.methods.chrf.disagreement`).
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import GenerationConfig, LogitsProcessorList

from annotation.errors import InvalidInputError
from learning.methods.chrf import disagreement
from learning.networks.asking import Asked
from learning.networks.drawing import Draw, key_of
from learning.networks.generator import Generator, Row, lesson, sizes_of
from learning.networks.packing import batches

# Tokens of sources and of expected outputs in one batch; each holds keys and values of all layers.
ROOM = {"cpu": 4_096, "cuda": 131_072}
# An output is held to be so many times as long as its source, and a few tokens more.
STRETCH, MORE = 1.5, 8
MOST_BEAMS, MOST_SAMPLES, MOST_TOKENS = 16, 64, 4096


@dataclass(frozen=True)
class Wish:
    """How outputs are to be written.

    The output is the likeliest that a search over ``beams`` finds (1: token by token), or, if
    ``draw``, one drawn at random. Beside it ``samples`` outputs are drawn, at a ``temperature``,
    from the ``likeliest`` tokens at each place that make up a ``share`` of the chance. The same
    seed draws the same. No output is longer than ``longest`` tokens.
    """

    beams: int = 1
    draw: bool = False
    samples: int = 0
    temperature: float = 1.0
    likeliest: int = 50
    share: float = 1.0
    longest: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be asked for."""
        bounds: dict[str, tuple[float, float]] = {
            "beams": (1, MOST_BEAMS),
            "samples": (0, MOST_SAMPLES),
            "temperature": (0.05, 5.0),
            "likeliest": (1, 10_000),
            "share": (0.01, 1.0),
            "longest": (1, MOST_TOKENS),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InvalidInputError(
                    f"{name} cannot be {value}.", remedy=f"It goes from {low:g} to {high:g}."
                )
        if self.draw and self.beams > 1:
            raise InvalidInputError(
                "An output is either searched for or drawn.", remedy="Leave beams at 1 to draw."
            )


@dataclass(frozen=True)
class Written:
    """An output, the mean log-probability of its tokens, and whether it came to an end by itself.

    ``drawn`` are outputs that might as well have come, ``disagreement`` tells how unlike these
    are (None: none were drawn). ``problem`` says why there is nothing.
    """

    text: str = ""
    log_probability: float | None = None
    tokens: int = 0
    finished: bool = False
    drawn: tuple[str, ...] = ()
    disagreement: float | None = None
    problem: str = ""


def write(
    generator: Generator,
    sources: Sequence[str],
    languages: Sequence[str],
    *,
    wish: Wish | None = None,
    of: Sequence[str] = (),
) -> list[Written]:
    """Have a generator write an output for each source in the language beside it.

    ``of`` are the sources' own languages. A source that cannot be asked comes back with its
    problem, and the others with their outputs.
    """
    wish = wish or Wish()
    found = [Written()] * len(sources)
    asked = {}
    for place, (source, tag) in enumerate(zip(sources, languages, strict=True)):
        one = _one(generator, source, tag, of=of[place] if of else "", longest=wish.longest)
        if isinstance(one, Asked):
            asked[place] = one
        else:
            found[place] = Written(problem=one)
    seeds = [(wish.seed, languages[place], sources[place]) for place in asked]
    tags = [languages[place] for place in asked]
    for place, told in zip(
        asked, _written(generator, list(asked.values()), tags, wish=wish, seeds=seeds), strict=True
    ):
        found[place] = told
    return found


def _written(
    generator: Generator,
    asked: Sequence[Asked],
    tags: Sequence[str],
    *,
    wish: Wish,
    seeds: Sequence[tuple[int, str, str]],
) -> Iterator[Written]:
    """Yield what is written for each row, how sure it is, and what else might have come."""
    each = wish.samples
    with _at_rest(generator):
        keys = [key_of(*seed) if wish.draw else None for seed in seeds]
        best = _outputs(generator, asked, tags, wish=wish, keys=keys)
        rows = [(one, ids or [generator.asking.end]) for one, ids in zip(asked, best, strict=True)]
        sums, counts = _told(generator, rows, tags)
        drawn = _outputs(
            generator,
            [one for one in asked for _ in range(each)],
            [tag for tag in tags for _ in range(each)],
            wish=replace(wish, beams=1),
            keys=[key_of(*seed, 1 + turn) for seed in seeds for turn in range(each)],
        )
    for at, ids in enumerate(best):
        text = generator.asking.text(ids)
        others = [generator.asking.text(one) for one in drawn[at * each : (at + 1) * each]]
        apart = disagreement(others if len(others) > 1 else [text, *others]) if others else None
        sure, finished = float(sums[at] / counts[at]), bool(ids) and ids[-1] in generator.ends
        yield Written(text, sure, int(counts[at]), finished, tuple(others), apart)


def log_probabilities(
    generator: Generator, sources: Sequence[str], outputs: Sequence[str], languages: Sequence[str]
) -> npt.NDArray[np.float64]:
    """Return the mean log-probability (N) of the tokens of outputs that anybody wrote.

    What is beyond the longest input is cut, as in training.
    """
    texts = [lesson(source, output) for source, output in zip(sources, outputs, strict=True)]
    with _at_rest(generator):
        sums, counts = _told(generator, generator.rows(texts, languages), languages)
    return sums / counts


def _one(generator: Generator, source: str, tag: str, *, of: str, longest: int) -> Asked | str:
    """Return what is asked for one source, or why it cannot be."""
    try:
        asked = generator.asking.asked([source], [tag], of=[of] if of else ())[0]
    except InvalidInputError as error:
        return str(error)
    return generator.asking.problem(asked, longest=longest) or asked


@contextmanager
def _at_rest(generator: Generator) -> Iterator[None]:
    """Have a generator answer as it serves, and leave it as it was found."""
    training = generator.module.training
    generator.module.eval()
    try:
        with torch.no_grad(), precision(home_of(generator)):
            yield
    finally:
        generator.module.train(training)


def home_of(generator: Generator) -> torch.device:
    """Return the device that a generator is on."""
    home: torch.device = next(generator.module.parameters()).device
    return home


def precision(home: torch.device) -> AbstractContextManager[object]:
    """Multiply in bfloat16 on a GPU; elsewhere as the weights are."""
    if home.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return nullcontext()


def _outputs(
    generator: Generator,
    asked: Sequence[Asked],
    languages: Sequence[str],
    *,
    wish: Wish,
    keys: Sequence[int | None],
) -> list[list[int]]:
    """Return the tokens of an output for each row, its end with it if it came to one."""
    home = home_of(generator)
    found: list[list[int]] = [[] for _ in asked]
    given = np.array([len(one.given) for one in asked], np.int64)
    expected = np.minimum(wish.longest, (STRETCH * given + MORE).astype(np.int64))
    for rows in batches(wish.beams * (given + expected), budget=ROOM[home.type]):
        lot = [asked[i] for i in rows]
        told = [keys[i] for i in rows]
        with generator.speaking([languages[i] for i in rows]):
            said = _generate(generator, lot, wish=wish, keys=told, home=home)
        for row, ids in zip(rows, said, strict=True):
            found[row] = _cut(ids, ends=generator.ends)
    return found


def _generate(
    generator: Generator,
    lot: Sequence[Asked],
    *,
    wish: Wish,
    keys: Sequence[int | None],
    home: torch.device,
) -> list[list[int]]:
    """Write one batch: sources padded on the left, so that all outputs begin side by side."""
    width = max(len(one.given) for one in lot)
    ids = np.full((len(lot), width), generator.pad, np.int64)
    mask = np.zeros_like(ids)
    for place, one in enumerate(lot):
        at = slice(0, len(one.given)) if one.begun else slice(width - len(one.given), width)
        ids[place, at], mask[place, at] = one.given, 1
    begun = torch.tensor([one.begun for one in lot], dtype=torch.int64, device=home)
    start = begun.shape[1] or width
    given: dict[str, Any] = {"decoder_input_ids": begun} if begun.shape[1] else {}
    drawing = LogitsProcessorList()
    if keys[0] is not None:
        drawing.append(
            Draw(
                torch.tensor(keys, dtype=torch.int64, device=home),
                begun=start,
                temperature=wish.temperature,
                likeliest=wish.likeliest,
                share=wish.share,
            )
        )
    said = generator.module.generate(
        input_ids=torch.from_numpy(ids).to(home),
        attention_mask=torch.from_numpy(mask).to(home),
        generation_config=_how(generator, wish),
        logits_processor=drawing,
        **given,
    )
    rows: list[list[int]] = said[:, start:].tolist()
    return rows


def _how(generator: Generator, wish: Wish) -> GenerationConfig:
    own = generator.module.generation_config.to_dict()
    names = ("eos_token_id", "pad_token_id", "bos_token_id", "decoder_start_token_id")
    return GenerationConfig(
        num_beams=wish.beams,
        do_sample=False,
        max_new_tokens=wish.longest,
        **{name: own[name] for name in names},
    )


def _cut(ids: list[int], *, ends: frozenset[int]) -> list[int]:
    """Return the tokens up to the first that ends a text, and that one."""
    for place, token in enumerate(ids):
        if token in ends:
            return ids[: place + 1]
    return ids


def _told(
    generator: Generator, rows: Sequence[Row], languages: Sequence[str]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return summed log-probabilities and counts of what rows say."""
    home = home_of(generator)
    sums, counts = np.zeros(len(rows)), np.zeros(len(rows), np.int64)
    for places in batches(sizes_of(rows), budget=generator.budget(home.type)):
        batch = generator.padded([rows[i] for i in places])
        there = {name: part.to(home) for name, part in batch.items()}
        with generator.speaking([languages[i] for i in places]):
            total, number = generator.sums(there)
        sums[places], counts[places] = total.cpu().numpy(), number.cpu().numpy()
    return sums, counts
