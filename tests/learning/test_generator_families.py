"""Checkpoints as they lie at the hub: M2M's and mT5's tokens come as SentencePiece, NLLB's codes as tokens."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
from transformers import (
    M2M100Config,
    M2M100ForConditionalGeneration,
    MT5Config,
    MT5ForConditionalGeneration,
    NllbTokenizer,
)

from benchmarks import generation_gpu
from learning.networks.asking import Manners
from learning.networks.codes import code_for, codes_of
from learning.networks.generator import open_generator
from learning.networks.writing import Wish, write

CORPUS = [f"na nga def {number} mangi fi rek abc {number * 7}" for number in range(300)]
SHAPE = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
    "max_position_embeddings": 64,
}


@pytest.fixture(autouse=True)
def the_same_weights_each_time() -> None:
    """An untrained network may end its output at once, now and then."""
    torch.manual_seed(0)


def pieces(folder: Path, *, kind: str, **more: int) -> Path:
    name = folder / kind
    SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS),
        model_prefix=str(name),
        vocab_size=60,
        model_type=kind,
        minloglevel=2,
        num_threads=1,
        **more,
    )
    return name.with_suffix(".model")


def test_m2m_reads_its_sentence_pieces_and_writes_after_a_code(tmp_path: Path) -> None:
    model = pieces(tmp_path, kind="bpe")
    folder = tmp_path / "m2m"
    folder.mkdir()
    read = SentencePieceProcessor(model_file=str(model))
    words = ["<s>", "<pad>", "</s>", "<unk>"]
    words += [read.id_to_piece(number) for number in range(3, read.get_piece_size())]
    vocabulary = {word: number for number, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    shutil.copy(model, folder / "sentencepiece.bpe.model")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "M2M100Tokenizer"}')
    config = M2M100Config(vocab_size=len(words) + 108, **SHAPE)
    M2M100ForConditionalGeneration(config).save_pretrained(folder)
    generator = open_generator(str(folder), manners=Manners(source_language="en"))
    asked = generator.asking.asked(["na nga def"], ["wo"])[0]
    # As its own tokenizer does it: the source's code in front; </s> and the code begin an output.
    assert asked.given == generator.asking.tokenizer("na nga def")["input_ids"]
    assert asked.begun == [2, generator.asking.tokenizer.get_lang_id("wo")]
    assert generator.asking.text(generator.asking.outputs(["na nga def"])[0]) == "na nga def"
    assert write(generator, ["na nga def"], ["wo"], wish=Wish(longest=3))[0].tokens == 3


def test_mt5_reads_its_sentence_pieces_and_keeps_them(tmp_path: Path) -> None:
    model = pieces(tmp_path, kind="unigram", pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    folder = tmp_path / "mt5"
    folder.mkdir()
    shutil.copy(model, folder / "spiece.model")
    told = {"tokenizer_class": "T5Tokenizer", "eos_token": "</s>", "pad_token": "<pad>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(told | {"extra_ids": 0}))
    config = MT5Config(
        vocab_size=60,
        d_model=16,
        d_kv=8,
        d_ff=16,
        num_layers=1,
        num_heads=2,
        decoder_start_token_id=0,
    )
    MT5ForConditionalGeneration(config).save_pretrained(folder)
    generator = open_generator(str(folder))
    said = generator.asking.outputs(["na nga def"])[0]
    assert said[-1] == 1
    assert generator.asking.text(said) == "na nga def"
    generator.save(tmp_path / "stored")
    back = open_generator(str(tmp_path / "stored"))
    assert back.asking.outputs(["na nga def"])[0] == said


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("wo", "wol_Latn"),
        ("qu", "quy_Latn"),
        ("sw", "swh_Latn"),
        ("ar", "arb_Arab"),
        ("ms", "zsm_Latn"),
    ],
)
def test_nllb_names_languages_by_three_letters_and_script(tag: str, code: str) -> None:
    known = codes_of(NllbTokenizer())
    assert len(known) == 202
    assert code_for(tag, known=known, told={}) == known[code]


def test_what_a_gpu_is_asked_for_runs_in_small_on_a_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = torch.device("cpu")
    small = {"d_model": 16, "layers": 1, "heads": 2, "ffn": 16, "words": 40}
    told = generation_gpu.writing(small, home=home, sources=8, longest=4)
    assert told.ours
    causal = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "intermediate_size": 16,
        "vocab_size": 40,
    }
    assert [row.row for row in generation_gpu.lora(causal, home=home, steps=2, length=12)] == list(
        generation_gpu.ROWS[1:]
    )
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert {(row.ours, row.met) for row in generation_gpu.rows()} == {(None, None)}
