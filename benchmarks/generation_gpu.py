"""What a GPU is for: tokens per second of a large generator, and LoRA of one of 7 to 8 billion weights.

Both networks are random and of the shapes of what people use: NLLB's distilled 600M and Llama's 8B.
Without a GPU each row stands empty and says so; the same code is walked on a CPU with tiny
shapes by the tests, which says that it runs and nothing of how fast.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM, M2M100Config, M2M100ForConditionalGeneration

from benchmarks.generation_made import CONSONANTS, TAGS, VOWELS, letters
from learning.networks.asking import Manners
from learning.networks.generator import Generator
from learning.networks.writing import Wish, precision, write
from training.methods.adapters import dressed
from training.methods.corrections import Correction, lessons_of
from training.methods.lessons import Job
from training.methods.loop import fit
from training.methods.recipes import Recipe

NLLB = {"d_model": 1024, "layers": 12, "heads": 16, "ffn": 4096, "words": 256_206}
LLAMA: dict[str, Any] = {
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14_336,
    "vocab_size": 128_256,
}
NO_GPU = "no GPU here: not measured, and no GPU has seen this code"


@dataclass(frozen=True)
class Told:
    """One row: a number, or why there is none."""

    row: str
    ours: float | None = None
    peer: float | None = None
    met: bool | None = None
    why: str = ""

    def record(self) -> dict[str, Any]:
        """Return plain names and values."""
        return {
            "row": self.row,
            "ours": self.ours,
            "peer": self.peer,
            "met": self.met,
            "why": self.why,
        }

    def told(self) -> str:
        """Return a line for a terminal."""
        if self.ours is None:
            return f"{self.row}: {self.why}"
        return f"{self.row}: {self.ours:,.1f}" + (f" (peer {self.peer:,.1f})" if self.peer else "")


ROWS = (
    "GPU: tokens/s of a 600M generator in batches, beside generate in a loop",
    "GPU: LoRA of an 8B-shaped causal network fits",
    "GPU: LoRA of it, tokens/s",
    "GPU: LoRA of it, GiB of memory at most",
)


def rows() -> list[Told]:
    """Return all rows, empty where there is no GPU."""
    if not torch.cuda.is_available():
        return [Told(row, why=NO_GPU) for row in ROWS]
    home = torch.device("cuda")
    return [writing(NLLB, home=home), *lora(LLAMA, home=home)]


def words_of(rng: np.random.Generator, number: int) -> str:
    """Return so many letters in syllables."""
    return "".join(
        str(rng.choice(list(part))) for _ in range(number // 2) for part in (CONSONANTS, VOWELS)
    )


def writing(
    shape: dict[str, int], *, home: torch.device, sources: int = 512, longest: int = 64
) -> Told:
    """Write in batches, and one by one by plain ``generate``; random networks write to the end."""
    generator = _sequence(shape, home=home)
    rng = np.random.default_rng(0)
    texts = [words_of(rng, int(n)) for n in rng.integers(10, 120, sources)]
    tags = rng.choice(TAGS, sources).tolist()
    wish = Wish(longest=longest)
    write(generator, texts[:4], tags[:4], wish=wish)
    start = time.perf_counter()
    told = write(generator, texts, tags, wish=wish)
    ours = sum(one.tokens for one in told) / (time.perf_counter() - start)
    few = max(1, sources // 32)
    start, tokens = time.perf_counter(), 0
    for one in generator.asking.asked(texts[:few], tags[:few]):
        with torch.no_grad(), precision(home):
            said = generator.module.generate(
                input_ids=torch.tensor([one.given], device=home),
                decoder_input_ids=torch.tensor([one.begun], device=home),
                max_new_tokens=longest,
            )
        tokens += said.shape[1] - len(one.begun)
    plain = tokens / (time.perf_counter() - start)
    return Told(ROWS[0], ours, plain, met=ours > plain)


def _sequence(shape: dict[str, int], *, home: torch.device) -> Generator:
    config = M2M100Config(
        vocab_size=shape["words"],
        d_model=shape["d_model"],
        encoder_layers=shape["layers"],
        decoder_layers=shape["layers"],
        encoder_attention_heads=shape["heads"],
        decoder_attention_heads=shape["heads"],
        encoder_ffn_dim=shape["ffn"],
        decoder_ffn_dim=shape["ffn"],
        max_position_embeddings=1024,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=1,
        decoder_start_token_id=1,
    )
    module: Any = M2M100ForConditionalGeneration(config)
    dtype = torch.bfloat16 if home.type == "cuda" else torch.float32
    manners = Manners(source_language=TAGS[0])
    return Generator(
        name="shape", module=module.to(home, dtype), tokenizer=letters(), manners=manners
    )


def lora(
    shape: dict[str, Any], *, home: torch.device, steps: int = 8, length: int = 512
) -> list[Told]:
    """Teach adapters of two languages of a causal network in bfloat16 by the product's loop."""
    batch = 8
    generator = _causal(shape, home=home)
    rng = np.random.default_rng(0)
    told = [
        Correction(words_of(rng, length // 2), words_of(rng, length // 2), TAGS[n % 2])
        for n in range(steps * batch)
    ]
    lessons = lessons_of(told)
    over = {"method": "lora", "rank": 8, "batch": batch, "epochs": 1, "curve_points": 1}
    recipe = Recipe.of({"hold_weight": 0.0, "pieces": 1, "checkpoint_steps": 1000}, over)
    network = dressed(generator, recipe=recipe, languages=TAGS[:2])
    if home.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        fit(
            network,
            job=Job(lessons, lambda _: {}, recipe, seed=0, snapshot="benchmark"),
            folder=Path(folder),
            watch=lambda step, *, steps, curve: None,
            should_stop=lambda: False,
        )
    rate = len(told) * length / (time.perf_counter() - start)
    used = torch.cuda.max_memory_allocated() / 2**30 if home.type == "cuda" else 0.0
    return [
        Told(ROWS[1], sum(p.numel() for p in generator.module.parameters()) / 1e9, met=True),
        Told(ROWS[2], rate),
        Told(ROWS[3], used),
    ]


def _causal(shape: dict[str, Any], *, home: torch.device) -> Generator:
    config = LlamaConfig(
        **shape, max_position_embeddings=4096, pad_token_id=0, eos_token_id=1, bos_token_id=None
    )
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16 if home.type == "cuda" else before)
    try:
        with home:
            module: Any = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    return Generator(name="shape", module=module, tokenizer=letters(), manners=Manners())
