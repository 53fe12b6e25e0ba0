"""Any Hugging Face encoder under a labels head, by name or by path.

Only safetensors are read and no code of a model's author is ever run. A path on disk is read
without touching the network; a name is looked for in the local cache first, then at the hub.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from annotation.errors import InvalidInputError, NotFoundError
from annotation.methods.texts import GLUE
from learning.networks import Batch
from learning.networks.folders import write_settings
from learning.networks.packing import batches

LONGEST = 256
# Tokens in one batch, padding included. On a CPU what fits its cache is quickest (measured in
# `benchmarks.scoring`); a GPU wants to be filled.
TOKENS = {"cpu": 512, "cuda": 65_536}
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle", "*.msgpack", "*.h5")

Both = Callable[[Any, Batch], tuple[torch.Tensor, torch.Tensor]]

RECIPE: dict[str, Any] = {
    "optimizer": "adamw",
    "lr": 2e-5,
    "weight_decay": 0.01,
    "batch": 32,
    "epochs": 4,
}


@dataclass(frozen=True)
class Tokens:
    """The numbers of one text's tokens; of a pair also which text each token is of."""

    ids: Sequence[int]
    kinds: Sequence[int] | None = None


class Encoder:
    """A pre-trained encoder that is fine-tuned whole, with one logit a label."""

    kind = "encoder"
    several = False

    def __init__(self, labels: Sequence[str], *, name: str, module: Any, tokenizer: Any) -> None:
        self.labels = tuple(labels)
        self.name = name
        self.module = module
        module.eval()
        self._tokenizer = tokenizer
        self._longest = _longest(module, tokenizer)
        self._tells_parts = getattr(module.config, "type_vocab_size", 0) > 1
        self._both: Both = _both

    @classmethod
    def fresh(cls, labels: Sequence[str], *, name: str, seed: int) -> "Encoder":
        """Open a checkpoint and put a new head on it; the seed decides the head."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            module, tokenizer = open_checkpoint(name, labels=len(labels))
        return cls(labels, name=name, module=module, tokenizer=tokenizer)

    def collate(self, texts: Sequence[str], languages: Sequence[str]) -> Batch:
        """Turn texts into padded token numbers; what is beyond the longest input is cut."""
        return self._padded(self._tokens(texts))

    def packed(
        self, texts: Sequence[str], languages: Sequence[str], *, device: str
    ) -> Iterator[tuple[npt.NDArray[np.intp], Batch]]:
        """Yield batches of about as many tokens; all texts go through the tokenizer at once."""
        tokens = self._tokens(texts)
        lengths = np.array([len(row.ids) for row in tokens], np.int64)
        for rows in batches(lengths, budget=TOKENS[device]):
            yield rows, self._padded([tokens[i] for i in rows])

    def _tokens(self, texts: Sequence[str]) -> list["Tokens"]:
        whole = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        pairs = np.array([GLUE in text for text in whole], bool)
        found: list[Tokens] = [Tokens([])] * len(whole)
        for rows in (np.flatnonzero(~pairs), np.flatnonzero(pairs)):
            if not len(rows):
                continue
            # A longer part is cut first, so that neither text of a pair is lost to the other.
            parts = zip(*(whole[row].split(GLUE, 1) for row in rows), strict=True)
            told = self._tokenizer(
                *(list(part) for part in parts),
                truncation=True,
                max_length=self._longest,
                return_token_type_ids=bool(pairs[rows[0]]) and self._tells_parts,
            )
            kinds = told.get("token_type_ids")
            for at, row in enumerate(rows):
                found[row] = Tokens(told["input_ids"][at], kinds[at] if kinds else None)
        return found

    def _padded(self, tokens: Sequence["Tokens"]) -> Batch:
        width = max((len(row.ids) for row in tokens), default=1)
        mask = np.zeros((len(tokens), width), np.int64)
        for place, row in zip(mask, tokens, strict=True):
            place[: len(row.ids)] = 1
        ids = np.full(mask.shape, self._tokenizer.pad_token_id or 0, np.int64)
        ids[mask == 1] = [number for row in tokens for number in row.ids]
        batch = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
        if any(row.kinds for row in tokens):
            kinds = np.zeros_like(ids)
            kinds[mask == 1] = [n for row in tokens for n in row.kinds or [0] * len(row.ids)]
            batch["token_type_ids"] = torch.from_numpy(kinds)
        return batch

    def logits(self, batch: Batch) -> torch.Tensor:
        """Return N x K logits, differentiable in the whole encoder."""
        if not len(batch["input_ids"]):
            return torch.zeros((0, len(self.labels)))
        logits: torch.Tensor = self.module(**batch).logits
        return logits

    def lengths(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return how many characters each text has, as far as they may count."""
        return np.array([min(len(text), 8 * self._longest) for text in texts], np.int64)

    def answer(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits and embeddings of one pass."""
        return self._both(self.module, batch)

    @torch.no_grad()
    def embed(self, batch: Batch) -> torch.Tensor:
        """Return the mean of the last layer over each text's tokens: N x d."""
        inner = getattr(self.module, self.module.base_model_prefix)
        return mean_of(inner(**batch).last_hidden_state, batch["attention_mask"])

    def quantised(self, quantise: Callable[[Any], Any]) -> "Encoder":
        """Return a copy that answers with what is made of its weights."""
        twin = copy.copy(self)
        twin.module = quantise(self.module)
        return twin

    def in_bfloat16(self, *, compiled: bool = False) -> "Encoder":
        """Return one that multiplies in bfloat16, adds and normalises in float32, compiled if told so."""
        twin = copy.copy(self)
        twin._both = torch.compile(_in_bfloat16, dynamic=True) if compiled else _in_bfloat16
        return twin

    def prepare(self, texts: Sequence[str], languages: Sequence[str]) -> None:
        """Do nothing: an encoder has all its weights from the start."""

    def trainable(self) -> list[torch.nn.Parameter]:
        """Return every parameter that asks for a gradient, in the module's order."""
        return [parameter for parameter in self.module.parameters() if parameter.requires_grad]

    def settings(self) -> dict[str, Any]:
        """Return what, beside the weights, makes this network."""
        return {
            "kind": self.kind,
            "name": self.name,
            "labels": list(self.labels),
            **({"several": True} if self.several else {}),
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
        module, tokenizer = open_checkpoint(str(folder), labels=len(labels), whole=True)
        return cls(labels, name=settings["name"], module=module, tokenizer=tokenizer)


def _both(module: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    answer = module(**batch, output_hidden_states=True)
    return answer.logits, mean_of(answer.hidden_states[-1], batch["attention_mask"])


def _in_bfloat16(module: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.autocast(batch["input_ids"].device.type, dtype=torch.bfloat16):
        return _both(module, batch)


def mean_of(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean of N x T x d states over the T tokens that the mask (N x T) counts: N x d."""
    weights = mask.unsqueeze(-1).to(states.dtype)
    mean: torch.Tensor = (states * weights).sum(dim=1) / weights.sum(dim=1).clamp_min(1)
    return mean


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


def open_checkpoint(
    name: str, *, labels: int, head: Any = AutoModelForSequenceClassification, whole: bool = False
) -> tuple[Any, Any]:
    """Read configuration, weights and tokenizer; nothing pickled, nothing remote that runs.

    ``head`` is the class of ``transformers`` that puts so many outputs on the encoder; a ``whole``
    checkpoint must bring that head's weights along.
    """
    local = Path(name).is_dir()
    if local:
        _refuse_pickles(Path(name))
    options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": local}
    try:
        config = AutoConfig.from_pretrained(name, num_labels=labels, **options)
        tokenizer = AutoTokenizer.from_pretrained(name, use_fast=True, **options)
        module, report = head.from_pretrained(
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
