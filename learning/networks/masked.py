"""The masked-language head of an encoder's checkpoint: how much each token surprises it.

The head is the checkpoint's own, not that of a version trained from it: a version is stored
with a head for labels. It serves the cold start, when nothing was trained yet.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from transformers import AutoModelForMaskedLM, AutoTokenizer

from learning.errors import NoMaskedHeadError
from learning.networks.encoder import Encoder
from learning.networks.packing import batches

# Tokens in one batch: each is held against the whole vocabulary, a quarter of a million words
# for some encoders, so this is a gigabyte where an encoder's own batches would be sixteen.
TOKENS = {"cpu": 256, "cuda": 4_096}


class MaskedReader(Encoder):
    """An encoder under the head that guesses tokens."""

    kind = "masked"

    @classmethod
    def of(cls, name: str) -> "MaskedReader":
        """Open a checkpoint with its masked head; one that has none is refused."""
        options: dict[str, Any] = {
            "trust_remote_code": False,
            "local_files_only": Path(name).is_dir(),
        }
        try:
            tokenizer = AutoTokenizer.from_pretrained(name, use_fast=True, **options)
            module, report = AutoModelForMaskedLM.from_pretrained(
                name,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
                **options,
            )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise _without(name) from error
        if report["missing_keys"] or report["mismatched_keys"]:
            raise _without(name)
        return cls((), name=name, module=module, tokenizer=tokenizer)

    def losses(
        self, texts: Sequence[str], *, device: torch.device
    ) -> list[npt.NDArray[np.float32]]:
        """Return, for every text, how unlikely the head finds each of its tokens, in nats.

        As in ALPS (Yuan et al. 2020) the text is read unmasked and in one pass; theirs asks for
        15 tokens of 100 drawn anew each time, here it is all of them, so nothing is left to
        chance. Tokens that the tokenizer adds by itself are left out.
        """
        tokens = self._tokens(texts)
        lengths = np.array([len(row.ids) for row in tokens], np.int64)
        found: list[npt.NDArray[np.float32]] = [np.zeros(0, np.float32)] * len(texts)
        special = torch.tensor(sorted(self._tokenizer.all_special_ids), device=device)
        with torch.inference_mode():
            for rows in batches(lengths, budget=TOKENS[device.type]):
                padded = self._padded([tokens[at] for at in rows])
                batch = {name: tensor.to(device) for name, tensor in padded.items()}
                ids = batch["input_ids"]
                logits = self.module(**batch).logits.float()
                apart = torch.nn.functional.cross_entropy(
                    logits.flatten(0, 1), ids.flatten(), reduction="none"
                ).view(ids.shape)
                kept = (batch["attention_mask"] == 1) & ~torch.isin(ids, special)
                for at, row, mask in zip(rows, apart, kept, strict=True):
                    found[at] = row[mask].cpu().numpy()
        return found


def _without(name: str) -> NoMaskedHeadError:
    return NoMaskedHeadError(
        f"The checkpoint {name} has no masked-language head.",
        remedy="Choose another strategy for the cold start, such as typiclust, or a checkpoint"
        " that was saved with its head, such as xlm-roberta-base.",
    )
