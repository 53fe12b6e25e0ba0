"""A generator: any Hugging Face network that writes, by name or by path, as a network like others.

Sequence-to-sequence (mT5, NLLB, M2M and their like) and causal ones. Only safetensors are read and
no code of a model's author is ever run. To whoever trains or scores, a lesson is a text of two
parts, source and output (:func:`lesson`), and a generator is a network with two labels: ``written``,
whose logarithm of probability is the mean log-probability of the output's tokens given the source,
and ``otherwise``, the rest. So the cross-entropy of a lesson whose target is (1, 0) is exactly the loss
of fine-tuning, a token's mean; and replay, distillation, Fisher, checkpoints and the drawing back
towards the champion work on generators as they do on encoders, in the same loop. What it writes
itself is asked for through :mod:`learning.networks.writing`.

Shapes: N lessons, T tokens of the longest, V words of the vocabulary.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    GenerationConfig,
)

from annotation.errors import InvalidInputError, NotFoundError
from annotation.methods.texts import GLUE, glued
from learning.networks import Batch
from learning.networks.asking import Asked, Asking, Manners
from learning.networks.encoder import _refuse_pickles
from learning.networks.folders import SETTINGS, read_settings, write_settings
from learning.networks.packing import batches

WRITTEN: tuple[str, ...] = ("written", "otherwise")
# Tokens in one batch, padding included, and how many numbers its logits may be.
TOKENS = {"cpu": 2_048, "cuda": 32_768}
LOGITS = {"cpu": 1 << 26, "cuda": 1 << 30}
# Nobody is surer of a token than this: beyond it nothing is left to learn, and logits stay finite.
SUREST = -1e-4
UNSAID = -100

# A generator holds on to the store by seeing it again; what it once said of a lesson, as one
# number, tells too little to be held to. Every look at the development set is dear.
RECIPE: dict[str, Any] = {
    "optimizer": "adamw",
    "lr": 1e-4,
    "weight_decay": 0.01,
    "batch": 32,
    "epochs": 4,
    "hold_weight": 0.0,
    "curve_points": 5,
    "lora": {"lr": 1e-3, "weight_decay": 0.0, "epochs": 8},
    "o-lora": {"lr": 1e-3, "weight_decay": 0.0, "epochs": 8},
}

Ints = npt.NDArray[np.int64]
Row = tuple[Asked, list[int]]


def lesson(source: str, output: str) -> str:
    """Return source and output as one text; there may be no source.

    >>> parts("only an output"), parts(lesson("Good day", "Salaam"))
    (('', 'only an output'), ('Good day', 'Salaam'))
    """
    return glued([source, output])


def parts(text: str) -> tuple[str, str]:
    """Take a lesson apart again."""
    source, glue, output = text.partition(GLUE)
    return (source, output) if glue else ("", source)


class Generator:
    """A network that writes."""

    kind = "generator"
    several = False
    labels = WRITTEN

    def __init__(
        self, *, name: str, module: Any, tokenizer: Any, manners: Manners | None = None
    ) -> None:
        self.name = name
        self.module = module
        module.eval()
        told = module.generation_config
        self.asking = Asking(
            tokenizer, config=module.config, ends=told, manners=manners or Manners()
        )
        self.ends = _ends(told, end=self.asking.end)
        pad = tokenizer.pad_token_id
        self.pad = self.asking.end if pad is None else int(pad)
        # How to write is asked for each time; of what a checkpoint wishes only its tokens stay.
        module.generation_config = GenerationConfig(
            eos_token_id=sorted(self.ends),
            pad_token_id=self.pad,
            bos_token_id=told.bos_token_id,
            decoder_start_token_id=self.asking.start if self.asking.two_sided else None,
        )

    @property
    def manners(self) -> Manners:
        """Return how sources are put to it."""
        return self.asking.manners

    def collate(self, texts: Sequence[str], languages: Sequence[str]) -> Batch:
        """Turn lessons into padded tokens; what is beyond the longest input is cut."""
        return self.padded(self.rows(texts, languages))

    def packed(
        self, texts: Sequence[str], languages: Sequence[str], *, device: str
    ) -> Iterator[tuple[npt.NDArray[np.intp], Batch]]:
        """Yield batches of about as many tokens; all texts go through the tokenizer at once."""
        rows = self.rows(texts, languages)
        for places in batches(sizes_of(rows), budget=self.budget(device)):
            yield places, self.padded([rows[i] for i in places])

    def budget(self, device: str) -> int:
        """Return how many tokens are scored at once: a large vocabulary takes its room."""
        words = int(self.module.get_output_embeddings().weight.shape[0])
        return max(1, min(TOKENS[device], LOGITS[device] // words))

    def rows(self, texts: Sequence[str], languages: Sequence[str]) -> list[Row]:
        """Return what is given and what is said in each lesson, as tokens, cut where too long."""
        both = [parts(text) for text in texts]
        asked = self.asking.asked([source for source, _ in both], languages)
        said = self.asking.outputs([output for _, output in both])
        return [self._cut(*row) for row in zip(asked, said, strict=True)]

    def _cut(self, asked: Asked, said: list[int]) -> Row:
        most = self.asking.longest
        if self.asking.two_sided:
            return Asked(asked.given[:most], asked.begun), said[: max(1, most - len(asked.begun))]
        said = said[: max(1, most // 2)]
        return Asked(asked.given[: max(1, most - len(said))], []), said

    def padded(self, rows: Sequence[Row]) -> Batch:
        """Pad rows on the right; ``said`` holds at each place the token that comes next there."""
        if self.asking.two_sided:
            into = [[*asked.begun, *said[:-1]] for asked, said in rows]
            next_ = [[UNSAID] * (len(asked.begun) - 1) + said for asked, said in rows]
            return {
                **self._inputs([asked.given for asked, _ in rows]),
                "decoder_input_ids": _filled(into, self.pad),
                "said": _filled(next_, UNSAID),
            }
        whole = [[*asked.given, *said[:-1]] for asked, said in rows]
        next_ = [[UNSAID] * (len(asked.given) - 1) + said for asked, said in rows]
        return {**self._inputs(whole), "said": _filled(next_, UNSAID)}

    def _inputs(self, rows: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
        ids = _filled(rows, self.pad)
        lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
        mask = torch.arange(ids.shape[1]).unsqueeze(0) < lengths.unsqueeze(1)
        return {"input_ids": ids, "attention_mask": mask.long()}

    def sums(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return each output's summed log-probability (N) and its number of tokens (N)."""
        return told_of(self.forward(batch).logits, said=batch["said"])

    def forward(self, batch: Batch, **more: Any) -> Any:
        """Pass a batch through the network."""
        given = {name: part for name, part in batch.items() if name != "said"}
        return self.module(**given, use_cache=False, **more)

    def logits(self, batch: Batch) -> torch.Tensor:
        """Return N x 2 logarithms of probability, differentiable in the whole network."""
        if not len(batch["input_ids"]):
            return torch.zeros((0, len(WRITTEN)))
        return as_logits(*self.sums(batch))

    def lengths(self, texts: Sequence[str]) -> Ints:
        """Return how many characters each lesson has."""
        return np.array([len(text) for text in texts], np.int64)

    def answer(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits and embeddings of one pass."""
        if self.asking.two_sided:
            told = self.forward(batch)
            states = told.encoder_last_hidden_state
        else:
            told = self.forward(batch, output_hidden_states=True)
            states = told.hidden_states[-1]
        weights = batch["attention_mask"].unsqueeze(-1).to(states.dtype)
        mean = (states * weights).sum(dim=1) / weights.sum(dim=1).clamp_min(1)
        return as_logits(*told_of(told.logits, said=batch["said"])), mean

    @torch.no_grad()
    def embed(self, batch: Batch) -> torch.Tensor:
        """Return N x d: the mean of the last layer over the source (causal: over the whole)."""
        return self.answer(batch)[1]

    def beside(self, languages: Sequence[str]) -> Batch:
        """Return what a batch holds beside tokens, for rows in these languages."""
        return {}

    def speaking(self, languages: Sequence[str]) -> AbstractContextManager[None]:
        """Have rows of these languages answered; a generator without adapters cares not."""
        return nullcontext()

    def prepare(self, texts: Sequence[str], languages: Sequence[str]) -> None:
        """Do nothing: a generator has all its weights from the start."""

    def trainable(self) -> list[torch.nn.Parameter]:
        """Return every parameter that asks for a gradient, in the module's order."""
        return [part for part in self.module.parameters() if part.requires_grad]

    def settings(self) -> dict[str, Any]:
        """Return what, beside the weights, makes this network."""
        return {
            "kind": self.kind,
            "name": self.name,
            "labels": list(WRITTEN),
            "manners": self.manners.record(),
            "recipe": RECIPE,
        }

    def save(self, folder: Path) -> None:
        """Write weights, configuration, tokenizer and settings."""
        folder.mkdir(parents=True, exist_ok=True)
        self.module.save_pretrained(folder, safe_serialization=True, max_shard_size="1TB")
        self.asking.tokenizer.save_pretrained(folder)
        write_settings(folder, self.settings())

    @classmethod
    def open(
        cls, name: str, *, manners: Manners | None = None, dtype: torch.dtype = torch.float32
    ) -> "Generator":
        """Open a checkpoint by its hub name or its path."""
        module, tokenizer = _open(name, dtype=dtype)
        return cls(name=name, module=module, tokenizer=tokenizer, manners=manners)

    @classmethod
    def load(
        cls, folder: Path, *, settings: Mapping[str, Any], dtype: torch.dtype = torch.float32
    ) -> "Generator":
        """Bring a stored generator back, bit for bit, without the network."""
        module, tokenizer = _open(str(folder), dtype=dtype)
        manners = Manners.of(settings["manners"])
        return cls(name=settings["name"], module=module, tokenizer=tokenizer, manners=manners)


def open_generator(
    name: str, *, manners: Manners | None = None, dtype: torch.dtype = torch.float32
) -> Generator:
    """Open a generator by its hub name, the path of a checkpoint, or that of a stored network.

    A stored one has manners of its own; what is given here counts before them.
    """
    folder = Path(name)
    if not (folder / SETTINGS).is_file():
        return Generator.open(name, manners=manners, dtype=dtype)
    settings = read_settings(folder)
    if manners:
        own = Manners.of(settings.get("manners", {}))
        settings = settings | {"manners": manners.over(own).record()}
    if settings.get("kind") == "adapted-generator":
        from learning.networks.adapted_generator import AdaptedGenerator

        return AdaptedGenerator.load(folder, settings=settings, dtype=dtype)
    if settings.get("kind") != Generator.kind:
        raise _no_generator(name, f"it is a network of the kind {settings.get('kind')!r}")
    return Generator.load(folder, settings=settings, dtype=dtype)


def told_of(logits: torch.Tensor, *, said: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return summed log-probabilities (N) and counts (N) of what was said (N x T; -100: nothing).

    >>> sums, counts = told_of(torch.zeros(1, 2, 4), said=torch.tensor([[3, -100]]))
    >>> sums.exp().tolist(), counts.tolist()
    ([0.25], [1])
    """
    flat = functional.cross_entropy(
        logits.float().flatten(0, 1), said.flatten(), ignore_index=UNSAID, reduction="none"
    )
    return -flat.view(said.shape).sum(dim=1), (said != UNSAID).sum(dim=1)


def as_logits(sums: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Return log-probabilities (N x 2) of an output's token, in the mean, and of any other.

    >>> as_logits(torch.tensor([-2.0]), torch.tensor([2])).exp().round(decimals=3)
    tensor([[0.3680, 0.6320]])
    """
    mean = (sums / counts.clamp_min(1)).clamp_max(SUREST)
    return torch.stack((mean, torch.log(-torch.expm1(mean))), dim=1)


def sizes_of(rows: Sequence[Row]) -> Ints:
    """Return how many tokens each row is, given and said."""
    return np.array(
        [len(asked.given) + len(asked.begun) + len(said) for asked, said in rows], np.int64
    )


def _filled(rows: Sequence[Sequence[int]], nothing: int) -> torch.Tensor:
    width = max((len(row) for row in rows), default=1)
    filled = np.full((len(rows), width), nothing, np.int64)
    for place, row in zip(filled, rows, strict=True):
        place[: len(row)] = row
    return torch.from_numpy(filled)


def _ends(told: Any, *, end: int) -> frozenset[int]:
    ends = told.eos_token_id
    several = ends if isinstance(ends, list) else [] if ends is None else [ends]
    return frozenset([end, *map(int, several)])


def _open(name: str, *, dtype: torch.dtype) -> tuple[Any, Any]:
    """Read configuration, weights and tokenizer; nothing pickled, nothing remote that runs."""
    local = Path(name).is_dir()
    if local:
        _refuse_pickles(Path(name))
    options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": local}
    try:
        config = AutoConfig.from_pretrained(name, **options)
        family = _family(name, config)
        tokenizer = AutoTokenizer.from_pretrained(name, **options)
        module, report = family.from_pretrained(
            name,
            config=config,
            use_safetensors=True,
            dtype=dtype,
            output_loading_info=True,
            **options,
        )
    except (OSError, ValueError, RuntimeError, ImportError, SafetensorError) as error:
        raise _explained(name, error, local=local) from error
    if report["missing_keys"] or report["mismatched_keys"]:
        missing = sorted([*report["missing_keys"], *map(str, report["mismatched_keys"])])
        raise InvalidInputError(
            f"The weights in {name} do not fit its configuration: {', '.join(missing[:3])}.",
            remedy="Download the checkpoint again, or choose another one.",
        )
    return module, tokenizer


def _family(name: str, config: Any) -> Any:
    """Return how to open it, or say that it does not write."""
    if config.is_encoder_decoder:
        return AutoModelForSeq2SeqLM
    told = getattr(config, "architectures", None) or []
    if any(one.endswith(("ForCausalLM", "LMHeadModel")) for one in told):
        return AutoModelForCausalLM
    what = ", ".join(told) or config.model_type
    raise _no_generator(name, f"its configuration says {what}")


def _no_generator(name: str, why: str) -> InvalidInputError:
    return InvalidInputError(
        f"{name} is not a generator: {why}.",
        remedy="Use a sequence-to-sequence network (such as mT5, NLLB or M2M) or a causal one.",
    )


def _explained(name: str, error: Exception, *, local: bool) -> Exception:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if local:
        return InvalidInputError(f"{name} cannot be opened as a generator: {reason}")
    return NotFoundError(
        f"The generator {name} cannot be opened: {reason}",
        remedy="Check the name and the connection to the hub, choose a checkpoint with"
        " safetensors, or give the path of a downloaded one.",
    )
