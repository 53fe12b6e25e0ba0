"""Any Hugging Face encoder under a head that tags tokens, for spans.

A unit has the logits of its first subword (Devlin et al. 2019), found by the offsets of the
tokenizer, which count code points. A text longer than the encoder's window is read in windows
that overlap by half, and each unit is taken from where it has most around it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoModelForTokenClassification

from annotation.errors import InvalidInputError
from learning.networks import Batch
from learning.networks.encoder import TOKENS, Encoder, Tokens, mean_of, open_checkpoint
from learning.networks.packing import batches
from learning.networks.tokens import Cuts, units_of

Ints = npt.NDArray[np.int64]

# Some characters are no token: no logits tell of them, so they are held to be outside.
OUTSIDE_LOGIT = 10.0


@dataclass(frozen=True)
class _Windows:
    """One text as the encoder reads it: tokens of each window, and where each unit is read.

    ``window`` and ``place`` (u) say which token of which window speaks for a unit; -1: none does.
    """

    tokens: list[Tokens]
    window: Ints
    place: Ints


class TokenEncoder(Encoder):
    """A pre-trained encoder that is fine-tuned whole, with a row of logits for each unit."""

    kind = "token-encoder"

    @classmethod
    def fresh(cls, labels: Sequence[str], *, name: str, seed: int) -> "TokenEncoder":
        """Open a checkpoint and put a new head on it; the seed decides the head."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            module, tokenizer = _open(name, labels=labels)
        return cls(labels, name=name, module=module, tokenizer=tokenizer)

    def collate(self, texts: Sequence[str], languages: Sequence[str], *, cuts: Cuts = ()) -> Batch:
        """Turn texts into windows of token numbers, and say where each unit is read."""
        return self._batch(self._windows(texts, units_of(texts, cuts=cuts)))

    def packed(
        self, texts: Sequence[str], languages: Sequence[str], *, device: str, cuts: Cuts = ()
    ) -> Iterator[tuple[npt.NDArray[np.intp], Batch]]:
        """Yield batches of about as many tokens; all texts go through the tokenizer at once."""
        read = self._windows(texts, units_of(texts, cuts=cuts))
        lengths = np.array(
            [sum(len(window.ids) for window in one.tokens) for one in read], np.int64
        )
        for rows in batches(lengths, budget=TOKENS[device]):
            yield rows, self._batch([read[i] for i in rows])

    def prepare(self, texts: Sequence[str], languages: Sequence[str], *, cuts: Cuts = ()) -> None:
        """Do nothing: an encoder has all its weights from the start."""

    def _windows(self, texts: Sequence[str], cut: Sequence[Ints]) -> list[_Windows]:
        """Cut every text into windows that overlap by half; half a character becomes a mark."""
        if not texts:
            return []
        # One for one, or offsets would shift: a lone surrogate is no character.
        whole = ["".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in t) for t in texts]
        found = self._tokenizer(
            whole,
            truncation=True,
            max_length=self._longest,
            stride=max(0, (self._longest - self._tokenizer.num_special_tokens_to_add()) // 2),
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
        )
        rows: list[list[int]] = [[] for _ in texts]
        for row, text in enumerate(found["overflow_to_sample_mapping"]):
            rows[text].append(row)
        return [_placed(found, rows=mine, units=one) for mine, one in zip(rows, cut, strict=True)]

    def _batch(self, read: Sequence[_Windows]) -> Batch:
        """Pad the windows of some texts; ``first`` (U) is each unit's place in them, -1: nowhere."""
        batch = self._padded([window for one in read for window in one.tokens])
        none: Ints = np.zeros(0, np.int64)
        width, first, before = batch["input_ids"].shape[1], [none], 0
        for one in read:
            place = (before + one.window) * width + one.place
            first.append(np.where(one.window < 0, -1, place))
            before += len(one.tokens)
        return {
            **batch,
            "first": torch.from_numpy(np.concatenate(first)),
            "windows": torch.tensor([len(one.tokens) for one in read], dtype=torch.int64),
            "units": torch.tensor([len(one.window) for one in read], dtype=torch.int64),
        }

    def logits(self, batch: Batch) -> torch.Tensor:
        """Return U x K logits, differentiable in the whole encoder."""
        return self.answer(batch)[0]

    def answer(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits (U x K) and each text's embedding (N x d) of one pass."""
        if not len(batch["units"]):
            return torch.zeros((0, len(self.labels))), torch.zeros((0, 0))
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        said = self.module(**inputs, output_hidden_states=True)
        flat = said.logits.reshape(-1, len(self.labels))
        outside = flat.new_zeros(1, len(self.labels))
        outside[0, 0] = OUTSIDE_LOGIT
        logits = torch.cat([flat, outside])[batch["first"]]
        means = mean_of(said.hidden_states[-1], batch["attention_mask"])
        text = torch.repeat_interleave(batch["windows"])
        sums = means.new_zeros(len(batch["windows"]), means.shape[1]).index_add_(0, text, means)
        return logits, sums / batch["windows"].clamp_min(1).unsqueeze(1)

    @torch.no_grad()
    def embed(self, batch: Batch) -> torch.Tensor:
        """Return the mean of the last layer over each text's windows: N x d."""
        return self.answer(batch)[1]

    @classmethod
    def load(cls, folder: Path, *, settings: Mapping[str, Any]) -> "TokenEncoder":
        """Bring a stored encoder back, bit for bit, without the network."""
        labels = settings["labels"]
        module, tokenizer = _open(str(folder), labels=labels, whole=True)
        return cls(labels, name=settings["name"], module=module, tokenizer=tokenizer)


def _placed(found: Mapping[str, Any], *, rows: Sequence[int], units: Ints) -> _Windows:
    """Say which token of which window speaks for each unit: its first one, most inside."""
    window, place = np.full(len(units), -1, np.int64), np.full(len(units), -1, np.int64)
    inside = np.full(len(units), -1, np.int64)
    for number, row in enumerate(rows):
        special = np.array(found["special_tokens_mask"][row], bool)
        offsets = np.array(found["offset_mapping"][row], np.int64).reshape(-1, 2)
        real = np.flatnonzero(~special & (offsets[:, 1] > offsets[:, 0]))
        if not len(real):
            continue
        at = np.searchsorted(offsets[real, 1], units[:, 0], "right")
        there = np.flatnonzero(at < len(real))
        there = there[offsets[real[at[there]], 0] < units[there, 1]]
        # The first token of a window may be the rest of a unit that began in the one before.
        begun = units[there, 0] >= offsets[real[0], 0]
        around = np.minimum(at[there], len(real) - 1 - at[there])
        better = there[begun & (around > inside[there])]
        inside[better] = np.minimum(at[better], len(real) - 1 - at[better])
        window[better], place[better] = number, real[at[better]]
    return _Windows([Tokens(list(found["input_ids"][row])) for row in rows], window, place)


def _open(name: str, *, labels: Sequence[str], whole: bool = False) -> tuple[Any, Any]:
    """Open a checkpoint under a head for tags; its tokenizer must say where tokens stand."""
    module, tokenizer = open_checkpoint(
        name, labels=len(labels), head=AutoModelForTokenClassification, whole=whole
    )
    if not tokenizer.is_fast:
        raise InvalidInputError(
            f"The tokenizer of {name} does not say where its tokens stand in the text.",
            remedy="Choose a checkpoint with a fast tokenizer (tokenizer.json).",
        )
    return module, tokenizer
