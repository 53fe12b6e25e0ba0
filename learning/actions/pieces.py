"""Pieces: how a version's tokenizer treats each language of its campaign; for workers.

Only ``tokenizer.json`` is opened, no network, so that this costs seconds and no GPU.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from annotation.methods.texts import GLUE
from annotation.models import Campaign, Language, Sample
from learning.gateways.weights import open_weights
from learning.methods.pieces import (
    SPACELESS,
    Cut,
    Premium,
    cut_of,
    premiums,
    tokens_of_words,
    words_of,
)
from learning.models import ModelVersion

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Ints = npt.NDArray[np.int64]

TEXTS = 400
# Texts that say the same in several languages; so many of them, in all their languages.
PARALLEL = 300
AT_ONCE = 512
UNKNOWN = ("[UNK]", "<unk>")


@dataclass(frozen=True)
class Pieces:
    """What a tokenizer makes of each language, by tag; a language is missing where nothing is known."""

    cuts: Mapping[str, Cut]
    premiums: Mapping[str, Premium]


def pieces_of(version: ModelVersion, *, languages: Sequence[Language]) -> Pieces:
    """Cut texts of each language as the version does; nothing where it has no such tokenizer."""
    tokenizer = _tokenizer(version)
    if tokenizer is None:
        return Pieces({}, {})
    cuts = {}
    for language in languages:
        if language.script not in SPACELESS:
            found = cut_of(_counts(tokenizer, _texts(version.campaign, language)))
            if found:
                cuts[language.tag] = found
    return Pieces(cuts, premiums(_parallel(tokenizer, version.campaign, languages)))


def _tokenizer(version: ModelVersion) -> "Tokenizer | None":
    from tokenizers import Tokenizer  # heavy, and for workers only

    file = open_weights(version.path, digest=version.digest) / "tokenizer.json"
    if not file.is_file():
        return None
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _texts(campaign: Campaign, language: Language) -> list[str]:
    # By a number drawn once: a fair sample, and the same one every time.
    rows = Sample.objects.filter(campaign=campaign, language=language).ready()
    return list(rows.order_by("uid").values_list("text", flat=True)[:TEXTS])


def _counts(tokenizer: "Tokenizer", texts: Sequence[str]) -> Ints:
    parts: list[Ints] = [np.zeros(0, np.int64)]
    lost = {tokenizer.token_to_id(name) for name in UNKNOWN} - {None}
    plain = [text.replace(GLUE, " ") for text in texts]
    for some in _lots(plain):
        for text, told in zip(
            some, tokenizer.encode_batch(some, add_special_tokens=False), strict=True
        ):
            unknown = [number in lost for number in told.ids]
            parts.append(tokens_of_words(words_of(text), tokens=told.offsets, unknown=unknown))
    return np.concatenate(parts)


def _parallel(
    tokenizer: "Tokenizer", campaign: Campaign, languages: Sequence[Language]
) -> dict[str, dict[str, int]]:
    """Count tokens of texts that say the same, by language and by what they say."""
    tags = {language.pk: language.tag for language in languages}
    ready = Sample.objects.filter(campaign=campaign, language__in=tags).ready().exclude(group="")
    shared = list(ready.order_by("group").values_list("group", flat=True).distinct())
    step = max(1, len(shared) // PARALLEL)
    kept = shared[::step][:PARALLEL]
    found: dict[str, dict[str, int]] = {tag: {} for tag in tags.values()}
    for groups in _lots(kept):
        rows = list(
            ready.filter(group__in=groups).order_by("uid").values_list("language", "group", "text")
        )
        texts = [text.replace(GLUE, " ") for _, _, text in rows]
        told = tokenizer.encode_batch(texts, add_special_tokens=False)
        for (language, group, _text), one in zip(rows, told, strict=True):
            found[tags[language]].setdefault(group, len(one.ids))
    return found


def _lots(texts: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(texts), AT_ONCE):
        yield list(texts[start : start + AT_ONCE])
