"""Vocabularies: bytes round trip, a published one is read from disk, and what is not there."""

import dataclasses
import json

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from d2v_core.data.batches import item_tensor
from d2v_core.data.folder import read_folder
from d2v_core.data.vocabulary import vocabulary
from d2v_core.errors import InputError
from d2v_core.metrics import read_metrics
from d2v_core.train import train
from tests.conftest import smallest

SENTENCES = ["One robin sits here, number 1.", "Two owls sit there.", "A duck, öhm, 鸭子!"]


@pytest.fixture
def tokenizer_file(tmp_path):
    """A byte-level BPE vocabulary as RoBERTa's, trained on three sentences."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<s>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    path = tmp_path / "vocabulary" / "tokenizer.json"
    path.parent.mkdir()
    tokenizer.save(str(path))
    return path


@pytest.mark.parametrize("text", SENTENCES)
def test_bytes_are_utf_8(text):
    words = vocabulary("bytes").encode(text)

    assert bytes(words).decode() == text
    assert max(words) < 256


@pytest.mark.parametrize("text", SENTENCES)
def test_a_published_vocabulary_starts_with_its_start_symbol_and_loses_nothing(
    text, tokenizer_file
):
    words = vocabulary(str(tokenizer_file)).encode(text)
    spelled = json.loads(tokenizer_file.read_text())["model"]["vocab"]
    letters = {number: word for word, number in spelled.items()}
    decoded = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(text)

    assert words[0] == spelled["<s>"]
    assert len(words) < 1 + len(text.encode())
    assert "".join(letters[n] for n in words[1:]) == "".join(piece for piece, _ in decoded)
    assert vocabulary(str(tokenizer_file.parent)).encode(text) == words  # the folder will do


def test_a_text_is_trained_on_in_words_of_a_vocabulary(tokenizer_file, toys, tmp_path):
    config = smallest("tiny")
    text = dataclasses.replace(config.text, vocabulary=str(tokenizer_file), size=300, max_tokens=16)
    config = dataclasses.replace(config, image=None, audio=None, text=text)
    folder = read_folder(toys)
    train(folder, config, tmp_path / "run")

    assert all(line["loss"] > 0 for line in read_metrics(tmp_path / "run"))
    words = item_tensor(folder.of("text")[0], config)
    assert words.dtype == torch.long
    assert len(words) < len(folder.of("text")[0].source.encode())


def test_a_vocabulary_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    broken = tmp_path / "tokenizer.json"
    broken.write_text("{}")
    with pytest.raises(InputError, match=r"no vocabulary '.*tokenizer.json': it is neither a"):
        vocabulary(str(broken))


def test_a_fairseq_vocabulary_has_the_numbers_of_its_dictionary(tokenizer_file):
    """The same pieces as in one file, under the numbers that `dict.txt` gives them."""
    one = json.loads(tokenizer_file.read_text())["model"]
    pieces = [piece for piece in one["vocab"] if not piece.startswith("<")]
    folder = tokenizer_file.parent.parent / "fairseq"
    folder.mkdir()
    (folder / "encoder.json").write_text(json.dumps({p: n for n, p in enumerate(pieces)}))
    backwards = list(reversed(range(len(pieces))))
    (folder / "dict.txt").write_text("".join(f"{n} 1\n" for n in backwards))
    merges = [" ".join(pair) for pair in one["merges"]]
    (folder / "vocab.bpe").write_text("\n".join(["#version: 0.2", *merges]))
    same, theirs = vocabulary(str(tokenizer_file)), vocabulary(str(folder))
    spelled = {number: piece for piece, number in one["vocab"].items()}

    for text in SENTENCES:
        words = theirs.encode(text)
        assert words[0] == 0
        found = [pieces[backwards[word - 4]] for word in words[1:]]
        assert found == [spelled[n] for n in same.encode(text)[1:]]


def test_fairseq_files_that_do_not_fit_together(tmp_path):
    for name, text in (("encoder.json", "[]"), ("dict.txt", "0 1"), ("vocab.bpe", "a b")):
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=r"dict.txt, encoder.json, vocab.bpe, but they do not fit"):
        vocabulary(str(tmp_path))
