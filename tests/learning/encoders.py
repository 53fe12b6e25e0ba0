"""A tiny random encoder with a tokenizer of its own, written where a test wants it."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForMaskedLM,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
)

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def tiny_tokenizer() -> Any:
    words = (*SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS))
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=SPECIAL[3]))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> $B:1 </s>:1",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    names = ("cls_token", "pad_token", "sep_token", "unk_token", "mask_token")
    fast: Any = PreTrainedTokenizerFast
    return fast(
        tokenizer_object=tokenizer, model_max_length=64, **dict(zip(names, SPECIAL, strict=True))
    )


def tiny_encoder(folder: Path, *, kind: str = "xlm-roberta") -> Path:
    """Write a two-layer encoder without a classification head, as a hub's checkpoint has none."""
    tokenizer = tiny_tokenizer()
    shape: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 80,
        "pad_token_id": 1,
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module: BertForMaskedLM | XLMRobertaForMaskedLM
        if kind == "bert":
            module = BertForMaskedLM(BertConfig(**shape))
        else:
            module = XLMRobertaForMaskedLM(XLMRobertaConfig(**shape))
    module.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
