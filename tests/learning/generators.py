"""Tiny random generators with tokenizers of their own, written where a test wants them."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    M2M100Config,
    M2M100ForConditionalGeneration,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

SPECIAL = ("<pad>", "</s>", "<unk>")
LETTERS = "abcdefghijklmnopqrstuvwxyz ?:"
CODES = ("eng_Latn", "wol_Latn", "quy_Latn", "arb_Arab", "ary_Arab")


def letters_tokenizer(*, ends: bool = True, codes: tuple[str, ...] = (), **more: Any) -> Any:
    """A token a letter; a text ends with its end, if it is one that is read."""
    vocabulary = {word: number for number, word in enumerate((*SPECIAL, *LETTERS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=SPECIAL[2]))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    if ends:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="$A </s>", special_tokens=[("</s>", 1)]
        )
    fast: Any = PreTrainedTokenizerFast
    return fast(
        tokenizer_object=tokenizer,
        pad_token=SPECIAL[0],
        eos_token=SPECIAL[1],
        unk_token=SPECIAL[2],
        model_max_length=512,
        extra_special_tokens=list(codes),
        **more,
    )


def tiny_generator(folder: Path, *, kind: str = "t5", width: int = 32, seed: int = 0) -> Path:
    """Write a random t5, one with codes of languages (m2m), or a causal one (gpt2, llama)."""
    tokenizer = letters_tokenizer(ends=kind in ("t5", "m2m"), codes=CODES if kind == "m2m" else ())
    words, shape = len(tokenizer), {"pad_token_id": 0, "eos_token_id": 1}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module: Any
        if kind == "gpt2":
            module = GPT2LMHeadModel(
                GPT2Config(
                    vocab_size=words,
                    n_embd=width,
                    n_layer=2,
                    n_head=2,
                    n_positions=160,
                    bos_token_id=1,
                    **shape,
                )
            )
        elif kind == "llama":
            module = LlamaForCausalLM(
                LlamaConfig(
                    vocab_size=words,
                    hidden_size=width,
                    intermediate_size=2 * width,
                    num_hidden_layers=1,
                    num_attention_heads=2,
                    num_key_value_heads=1,
                    max_position_embeddings=160,
                    bos_token_id=None,
                    **shape,
                )
            )
        elif kind == "m2m":
            module = M2M100ForConditionalGeneration(
                M2M100Config(
                    vocab_size=words,
                    d_model=width,
                    encoder_layers=1,
                    decoder_layers=1,
                    encoder_attention_heads=2,
                    decoder_attention_heads=2,
                    # With a single layer, to leave out one in twenty is to learn nothing now and then.
                    encoder_layerdrop=0.0,
                    decoder_layerdrop=0.0,
                    encoder_ffn_dim=2 * width,
                    decoder_ffn_dim=2 * width,
                    max_position_embeddings=160,
                    decoder_start_token_id=1,
                    bos_token_id=1,
                    **shape,
                )
            )
        else:
            module = T5ForConditionalGeneration(
                T5Config(
                    vocab_size=words,
                    d_model=width,
                    d_kv=width // 2,
                    d_ff=2 * width,
                    num_layers=1,
                    num_heads=2,
                    decoder_start_token_id=0,
                    **shape,
                )
            )
    module.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
