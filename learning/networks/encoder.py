"""Any Hugging Face encoder under a labels head, by name or by path.

Only safetensors are read and no code of a model's author is ever run. A path on disk is read
without touching the network; a name is looked for in the local cache first, then at the hub.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from annotation.errors import InvalidInputError, NotFoundError
from learning.networks import Batch
from learning.networks.folders import write_settings

LONGEST = 256
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle", "*.msgpack", "*.h5")

RECIPE: dict[str, Any] = {
    "optimizer": "adamw",
    "lr": 2e-5,
    "weight_decay": 0.01,
    "batch": 32,
    "epochs": 4,
}


class Encoder:
    """A pre-trained encoder that is fine-tuned whole, with one logit a label."""

    kind = "encoder"

    def __init__(self, labels: Sequence[str], *, name: str, module: Any, tokenizer: Any) -> None:
        self.labels = tuple(labels)
        self.name = name
        self.module = module
        module.eval()
        self._tokenizer = tokenizer
        self._longest = _longest(module, tokenizer)

    @classmethod
    def fresh(cls, labels: Sequence[str], *, name: str, seed: int) -> "Encoder":
        """Open a checkpoint and put a new head on it; the seed decides the head."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            module, tokenizer = _open(name, labels=len(labels))
        return cls(labels, name=name, module=module, tokenizer=tokenizer)

    def collate(self, texts: Sequence[str], languages: Sequence[str]) -> Batch:
        """Turn texts into padded token numbers; what is beyond the longest input is cut."""
        if not texts:
            nothing = torch.zeros((0, 1), dtype=torch.int64)
            return {"input_ids": nothing, "attention_mask": nothing}
        whole = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        batch = self._tokenizer(
            whole, padding=True, truncation=True, max_length=self._longest, return_tensors="pt"
        )
        return {key: batch[key] for key in ("input_ids", "attention_mask")}

    def logits(self, batch: Batch) -> torch.Tensor:
        """Return N x K logits, differentiable in the whole encoder."""
        if not len(batch["input_ids"]):
            return torch.zeros((0, len(self.labels)))
        logits: torch.Tensor = self.module(**batch).logits
        return logits

    def lengths(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return how many characters each text has, as far as they may count."""
        return np.array([min(len(text), 8 * self._longest) for text in texts], np.int64)

    @torch.no_grad()
    def embed(self, batch: Batch) -> torch.Tensor:
        """Return the mean of the last layer over each text's tokens: N x d."""
        inner = getattr(self.module, self.module.base_model_prefix)
        states = inner(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1).to(states.dtype)
        mean: torch.Tensor = (states * mask).sum(dim=1) / mask.sum(dim=1).clamp_min(1)
        return mean

    def trainable(self) -> list[torch.nn.Parameter]:
        """Return every parameter that asks for a gradient, in the module's order."""
        return [parameter for parameter in self.module.parameters() if parameter.requires_grad]

    def settings(self) -> dict[str, Any]:
        """Return what, beside the weights, makes this network."""
        return {
            "kind": self.kind,
            "name": self.name,
            "labels": list(self.labels),
            "recipe": RECIPE,
        }

    def save(self, folder: Path) -> None:
        """Write weights, configuration, tokenizer and settings."""
        folder.mkdir(parents=True, exist_ok=True)
        self.module.save_pretrained(folder, safe_serialization=True, max_shard_size="1TB")
        self._tokenizer.save_pretrained(folder)
        write_settings(folder, self.settings())

    @classmethod
    def load(cls, folder: Path, *, settings: Mapping[str, Any]) -> "Encoder":
        """Bring a stored encoder back, bit for bit, without the network."""
        labels = settings["labels"]
        module, tokenizer = _open(str(folder), labels=len(labels), whole=True)
        return cls(labels, name=settings["name"], module=module, tokenizer=tokenizer)


def _longest(module: Any, tokenizer: Any) -> int:
    positions = int(getattr(module.config, "max_position_embeddings", LONGEST) or LONGEST)
    spent = (getattr(module.config, "pad_token_id", 0) or 0) + 1  # XLM-R counts from there
    return min(LONGEST, int(tokenizer.model_max_length), max(1, positions - spent))


def _refuse_pickles(folder: Path) -> None:
    """Say no, before anything is read, to a folder whose weights could run code."""
    if any(folder.glob("*.safetensors")):
        return
    pickled = sorted(path.name for pattern in PICKLED for path in folder.glob(pattern))
    if pickled:
        raise InvalidInputError(
            f"{folder} holds pickled weights ({', '.join(pickled)}), which can run code when read.",
            remedy="Convert them to safetensors, or use a checkpoint that has them.",
        )
    raise NotFoundError(
        f"{folder} holds no weights: there is no .safetensors file.",
        remedy="Point at the folder that `save_pretrained` wrote.",
    )


def _open(name: str, *, labels: int, whole: bool = False) -> tuple[Any, Any]:
    """Read configuration, weights and tokenizer; nothing pickled, nothing remote that runs."""
    local = Path(name).is_dir()
    if local:
        _refuse_pickles(Path(name))
    options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": local}
    try:
        config = AutoConfig.from_pretrained(name, num_labels=labels, **options)
        tokenizer = AutoTokenizer.from_pretrained(name, use_fast=True, **options)
        module, report = AutoModelForSequenceClassification.from_pretrained(
            name,
            config=config,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=not whole,
            **options,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise _explained(name, error, local=local) from error
    if whole and (report["missing_keys"] or report["mismatched_keys"]):
        raise InvalidInputError(f"The weights in {name} do not fit its labels and configuration.")
    return module, tokenizer


def _explained(name: str, error: Exception, *, local: bool) -> Exception:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if local:
        return InvalidInputError(f"{name} cannot be opened as an encoder: {reason}")
    return NotFoundError(
        f"The encoder {name} cannot be opened: {reason}",
        remedy="Check the name and the connection to the hub, choose a checkpoint with"
        " safetensors, or give the path of a downloaded one.",
    )
