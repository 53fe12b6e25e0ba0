"""Asking a generator: what it is given for a source, and what its output begins with.

A sequence-to-sequence network reads the source and begins its output with the code of the
language, where it has codes; a causal one goes on from a prompt. What a network was made for is
not to be guessed, so the prompt is a setting that is stored with the weights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from annotation.errors import InvalidInputError
from learning.networks.codes import code_for, codes_of

LONGEST = 1024
PATTERNS = {True: "{source}", False: "{source}\n"}


@dataclass(frozen=True)
class Manners:
    """How a source is put to a network.

    ``prompt`` holds ``{source}`` and may hold ``{language}``, the tag of what is to be written;
    empty: the source as it is. ``source_language`` is that of sources which say no other, ``codes``
    names the network's own codes by tag where they are not found by themselves.
    """

    prompt: str = ""
    source_language: str = ""
    codes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a prompt without a place for the source."""
        if self.prompt and "{source}" not in self.prompt:
            raise InvalidInputError(
                f"The prompt {self.prompt!r} has no place for the source.",
                remedy="Write {source} where it is to stand, as in 'Translate to {language}: {source}'.",
            )

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Manners":
        """Read what ``record`` wrote."""
        return cls(
            str(settings.get("prompt", "")),
            str(settings.get("source_language", "")),
            dict(settings.get("codes", {})),
        )

    def over(self, other: "Manners") -> "Manners":
        """Return these, with another's where they say nothing; codes of both."""
        return Manners(
            self.prompt or other.prompt,
            self.source_language or other.source_language,
            {**other.codes, **self.codes},
        )

    def record(self) -> dict[str, Any]:
        """Return plain values, to be stored beside the weights."""
        return asdict(self)


@dataclass(frozen=True)
class Asked:
    """What a network is given for one source, and what its output begins with, as tokens.

    A causal network has nothing begun: its output goes on from what is given.
    """

    given: list[int]
    begun: list[int]


class Asking:
    """Turns sources and outputs into the tokens of one network."""

    def __init__(self, tokenizer: Any, *, config: Any, ends: Any, manners: Manners) -> None:
        self.tokenizer = tokenizer
        self.manners = manners
        self.two_sided = bool(config.is_encoder_decoder)
        self.end = _end(tokenizer, ends)
        self.start = _start(config, ends) if self.two_sided else -1
        self.codes = codes_of(tokenizer) if self.two_sided else {}
        self.longest = _longest(tokenizer, config)
        self._suffixed = not getattr(tokenizer, "prefix_tokens", True)
        self._numbers: dict[str, int] = {}

    def asked(
        self, sources: Sequence[str], languages: Sequence[str], *, of: Sequence[str] = ()
    ) -> list[Asked]:
        """Return what is given for each source, whatever its length.

        ``of`` are the sources' own languages; without them, the one that the manners tell.
        """
        if not sources:
            return []
        pattern = self.manners.prompt or PATTERNS[self.two_sided]
        texts = [
            pattern.replace("{language}", tag).replace("{source}", source)
            if source or self.manners.prompt or self.two_sided
            else ""
            for source, tag in zip(sources, languages, strict=True)
        ]
        if not self.two_sided:
            return [Asked(self._prompt(ids), []) for ids in self.tokens(texts, bare=False)]
        if not self.codes:
            return [Asked(ids, [self.start]) for ids in self.tokens(texts, bare=False)]
        homes = of or [self.manners.source_language] * len(sources)
        return [
            Asked([self.code(home, source=True), *ids, self.end], [self.start, self.code(tag)])
            for ids, home, tag in zip(self.tokens(texts), homes, languages, strict=True)
        ]

    def outputs(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of outputs, each with the one that ends it."""
        return [[*ids, self.end] for ids in self.tokens(texts)]

    def tokens(self, texts: Sequence[str], *, bare: bool = True) -> list[list[int]]:
        """Return the tokens of texts; half a character becomes a question mark."""
        whole = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        if not whole:
            return []
        told = self.tokenizer(whole, add_special_tokens=not bare, verbose=False)["input_ids"]
        return [list(ids) for ids in told]

    def text(self, ids: Sequence[int]) -> str:
        """Return the text of an output's tokens."""
        told: str = self.tokenizer.decode(
            list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return told.strip()

    def code(self, tag: str, *, source: bool = False) -> int:
        """Return the number of a language's code."""
        if self._suffixed:
            raise InvalidInputError(
                "This generator wants codes of languages at the end of a text, which is not known here.",
                remedy="Use one that has them in front, such as NLLB, M2M or mBART-50.",
            )
        if source and not tag:
            raise InvalidInputError(
                "This generator must be told which language its sources are in.",
                remedy="Give each row its source_language, or all of them one (--from en).",
            )
        if tag not in self._numbers:
            self._numbers[tag] = code_for(tag, known=self.codes, told=self.manners.codes)
        return self._numbers[tag]

    def problem(self, asked: Asked, *, longest: int = 0) -> str:
        """Say why something cannot be asked, or nothing; ``longest`` tokens are to follow."""
        most = self.longest - (0 if self.two_sided else longest)
        if len(asked.given) <= most:
            return ""
        return (
            f"The source is {len(asked.given):,} tokens long and this generator takes"
            f" {max(most, 0):,}{'' if self.two_sided else ', with its output beside it'}."
            " Cut it into sentences or paragraphs"
            + ("." if self.two_sided else ", or ask for shorter outputs.")
        )

    def _prompt(self, ids: list[int]) -> list[int]:
        """Return a prompt that its tokenizer has not ended, and that is not empty."""
        while ids and ids[-1] == self.end:
            ids = ids[:-1]
        begin = self.tokenizer.bos_token_id
        return ids or [self.end if begin is None else int(begin)]


def _end(tokenizer: Any, ends: Any) -> int:
    told = tokenizer.eos_token_id
    if told is None:
        told = ends.eos_token_id[0] if isinstance(ends.eos_token_id, list) else ends.eos_token_id
    if told is None:
        raise InvalidInputError(
            "This generator has no token that ends a text, so no output would ever be finished.",
            remedy="Name one (eos_token) in the checkpoint's tokenizer_config.json.",
        )
    return int(told)


def _start(config: Any, ends: Any) -> int:
    for told in (
        ends.decoder_start_token_id,
        getattr(config, "decoder_start_token_id", None),
        ends.bos_token_id,
        getattr(config, "pad_token_id", None),
    ):
        if told is not None:
            return int(told)
    raise InvalidInputError(
        "This generator does not say with which token an output starts.",
        remedy="Name one (decoder_start_token_id) in the checkpoint's config.json.",
    )


def _longest(tokenizer: Any, config: Any) -> int:
    places = getattr(config, "max_position_embeddings", None) or LONGEST
    return min(
        LONGEST if config.is_encoder_decoder else 1 << 30,
        int(places),
        int(tokenizer.model_max_length),
    )
