"""A toy world for the benchmark of generation: four languages, a network made here, and its judges.

A source is a word of syllables; each language writes it with letters of its own and an ending that
depends on the last vowel. One language was learned from a neighbouring dialect, which writes some
letters otherwise and ends differently: that is what its speakers correct. The network is of M2M's
family, with codes of languages, a token a letter and some 90,000 weights, and learns from scratch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import M2M100Config, M2M100ForConditionalGeneration, PreTrainedTokenizerFast

from annotation.methods.duels import Duel
from learning.methods.chrf import chrf, counts
from learning.networks.asking import Manners
from learning.networks.generator import Generator, lesson
from training.methods.corrections import Correction
from training.methods.written import Cases

CONSONANTS, VOWELS = "bdgklmnprst", "aeiou"
TAGS = ("aaa", "bbb", "ccc", "ddd")
CORRECTED = TAGS[0]
DIALECT = "aaa-x-dialect"
SPECIAL = ("<pad>", "</s>", "<unk>")
BATCH, RATE = 64, 3e-3


def letters() -> Any:
    """Return a tokenizer with a token a letter and a code for each language."""
    words = (*SPECIAL, *CONSONANTS, *VOWELS)
    tokenizer = Tokenizer(models.WordLevel({w: n for n, w in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    fast: Any = PreTrainedTokenizerFast
    return fast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=128,
        extra_special_tokens=list(TAGS),
    )


@dataclass(frozen=True)
class World:
    """How each language writes, drawn by a seed."""

    seed: int

    @cached_property
    def rules(self) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
        """Return letters and endings by language; the dialect shares some of its neighbour's."""
        rng = np.random.default_rng(self.seed)
        found = {}
        for tag in TAGS:
            letters = dict(zip(CONSONANTS, rng.permutation(list(CONSONANTS)).tolist(), strict=True))
            letters |= dict(zip(VOWELS, rng.permutation(list(VOWELS)).tolist(), strict=True))
            found[tag] = letters, {vowel: self._syllable(rng) for vowel in VOWELS}
        letters, endings = (dict(part) for part in found[CORRECTED])
        moved = rng.choice(list(CONSONANTS), 4, replace=False).tolist()
        for one, other in zip(moved, [*moved[1:], moved[0]], strict=True):
            letters[one] = found[CORRECTED][0][other]
        for vowel in VOWELS[:3]:
            endings[vowel] = self._syllable(rng)
        found[DIALECT] = letters, endings
        return found

    def _syllable(self, rng: np.random.Generator) -> str:
        return str(rng.choice(list(CONSONANTS))) + str(rng.choice(list(VOWELS)))

    def source(self, rng: np.random.Generator) -> str:
        """Draw a word of two to four syllables."""
        return "".join(self._syllable(rng) for _ in range(int(rng.integers(2, 5))))

    def output(self, source: str, tag: str) -> str:
        """Return how a language writes it."""
        letters, endings = self.rules[tag]
        return "".join(letters[letter] for letter in source) + endings[source[-1]]

    def cases(self, number: int, *, part: int, tags: Sequence[str] = TAGS) -> Cases:
        """Draw so many sources with what is right in each language; parts do not overlap by plan."""
        rng = np.random.default_rng((self.seed, 1, part))
        told = [(self.source(rng), tag) for tag in tags for _ in range(number)]
        right = [self.output(source, tag) for source, tag in told]
        return Cases([source for source, _ in told], right, [tag for _, tag in told])

    def corrections(self, number: int, *, store: int) -> list[Correction]:
        """Return corrections in one language, with a store of what the others have learned."""
        fresh = self.cases(number, part=0, tags=[CORRECTED])
        kept = self.cases(store, part=1, tags=TAGS[1:])
        return [
            Correction(source, right, tag, fresh=tag == CORRECTED)
            for told in (fresh, kept)
            for source, right, tag in zip(told.sources, told.right, told.languages, strict=True)
        ]

    def learned(self, *, steps: int, dialect: float = 1.0) -> Generator:
        """Return a network that has learned so many steps: three languages, and the dialect.

        ``dialect`` is how often it met the dialect where it was to meet its neighbour.
        """
        generator = fresh_network(self.seed)
        rng = np.random.default_rng((self.seed, 2))
        optimizer = torch.optim.AdamW(generator.trainable(), lr=RATE)
        generator.module.train()
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = RATE * min((step + 1) / 50, 1.0) * (1 - 0.9 * step / steps)
            tags = rng.choice(TAGS, BATCH).tolist()
            sources = [self.source(rng) for _ in tags]
            astray = rng.random(BATCH) < dialect
            met = [
                DIALECT if tag == CORRECTED and wrong else tag
                for tag, wrong in zip(tags, astray, strict=True)
            ]
            texts = [
                lesson(one, self.output(one, tag)) for one, tag in zip(sources, met, strict=True)
            ]
            loss = -generator.logits(generator.collate(texts, tags))[:, 0].mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(generator.trainable(), 1.0)
            optimizer.step()
        generator.module.eval()
        return generator


def fresh_network(seed: int, *, width: int = 64) -> Generator:
    """Return a network that has learned nothing."""
    tokenizer = letters()
    config = M2M100Config(
        vocab_size=len(tokenizer),
        d_model=width,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=2 * width,
        decoder_ffn_dim=2 * width,
        max_position_embeddings=64,
        dropout=0.0,
        attention_dropout=0.0,
        encoder_layerdrop=0.0,
        decoder_layerdrop=0.0,
        init_std=0.05,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=1,
        decoder_start_token_id=1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module: Any = M2M100ForConditionalGeneration(config)
    manners = Manners(source_language=TAGS[1])
    return Generator(name="toy", module=module, tokenizer=tokenizer, manners=manners)


def copied(generator: Generator) -> Generator:
    """Return the same network apart from the first."""
    twin = fresh_network(0)
    twin.module.load_state_dict(generator.module.state_dict())
    return twin


def exact(said: Sequence[str], cases: Cases, tag: str) -> float:
    """Return the share of outputs in a language that are not right to the letter."""
    rows = cases.places()[tag]
    return float(np.mean([said[row] != cases.right[row] for row in rows]))


@dataclass(frozen=True)
class Judges:
    """People who choose between two outputs by how near each is to how they would say it.

    They favour a side, heed quality more or less, and call ties; of ``raters`` each has habits
    of their own.
    """

    seed: int
    raters: int = 6
    part: int = 0

    def choose(
        self, first: Sequence[str], second: Sequence[str], *, right: Sequence[str], each: int
    ) -> list[tuple[int, int, int]]:
        """Return (item, rater, outcome) of so many people's choices: 1 first, 0 tie, -1 second."""
        rng = np.random.default_rng((self.seed, 3, self.part))
        side = rng.normal(0.2, 0.3, self.raters)
        tie = rng.normal(-0.5, 0.4, self.raters)
        heed = 10 * np.exp(rng.normal(0, 0.3, self.raters))
        apart = _worth(first, right) - _worth(second, right)
        found = []
        for item, gap in enumerate(apart):
            for rater in rng.permutation(self.raters)[:each]:
                eta = heed[rater] * gap + side[rater]
                odds = np.exp(np.array([eta / 2, tie[rater], -eta / 2]) - abs(eta) / 2)
                outcome = 1 - int(rng.choice(3, p=odds / odds.sum()))
                found.append((item, int(rater), outcome))
        return found

    def duel(self, new: Sequence[str], old: Sequence[str], *, cases: Cases, each: int) -> Duel:
        """Have them choose blindly between candidate and champion, sides drawn by lot."""
        rng = np.random.default_rng((self.seed, 4, self.part))
        left = rng.random(len(new)) < 0.5
        pairs = [(n, o) if at else (o, n) for n, o, at in zip(new, old, left, strict=True)]
        told = self.choose(
            [one for one, _ in pairs], [two for _, two in pairs], right=cases.right, each=each
        )
        items = np.array([item for item, _, _ in told])
        outcome = np.array([said for _, _, said in told]) * np.where(left[items], 1, -1)
        return Duel.of(
            outcome, rater=[rater for _, rater, _ in told], item=items, first=left[items]
        )


def _worth(said: Sequence[str], right: Sequence[str]) -> Any:
    return chrf(counts(said, right=right))
