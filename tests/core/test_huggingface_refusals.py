"""Hugging Face models that cannot be used: one sentence each, and nothing of theirs is run."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from d2v_core.encoders import open_encoder
from d2v_core.errors import CheckpointError, InputError, MediaError
from tests.core.huggingface_models import (
    cases,
    item,
    model_of,
    redrawn,
    save,
    tokenizer_of,
    transformers,
    write_items,
)


@pytest.fixture
def bert(tmp_path):
    config, processor = cases()["bert"]
    return save(tmp_path / "bert", model_of(config), processor)


def changed(path, **values):
    """Change settings in a JSON file; None takes one away."""
    settings = json.loads(path.read_text()) | values
    path.write_text(json.dumps({n: x for n, x in settings.items() if x is not None}))


def refused(name, match):
    with pytest.raises(CheckpointError, match=match) as error:
        open_encoder(name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["nosuch-model-of-nobody", "./nosuch/folder", "nobody/nosuch"])
def test_a_model_that_is_nowhere(name, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    refused(
        f"hf:{name}",
        f"there is no Hugging Face model '{name}': no folder of that name is here, and the hub has "
        "no such id or cannot be reached",
    )


def test_a_hub_without_a_network(monkeypatch):
    """What the hub's library raises when a name cannot be resolved is one sentence here."""

    def down(*_args, **_options):
        raise ConnectionError("Name or service not known\nand more lines")

    monkeypatch.setattr("huggingface_hub.snapshot_download", down)
    refused("hf:some/model", r"or cannot be reached \(Name or service not known\)$")


def test_what_the_hub_gave_before_is_found_without_a_network(bert, tmp_path, monkeypatch):
    commit = "0123456789abcdef0123456789abcdef01234567"
    kept = tmp_path / "hub" / "models--some--model"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text(commit)
    (kept / "snapshots").mkdir()
    bert.rename(kept / "snapshots" / commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    encoder = open_encoder("hf:some/model")

    assert encoder.name == "some/model"
    assert len(encoder.taps) == 4


def test_a_file_is_no_model(bert):
    refused(f"hf:{bert / 'config.json'}", "is a file; name the folder with its config.json")


def test_a_family_that_is_not_understood(bert):
    changed(bert / "config.json", model_type="llama")
    refused(
        f"hf:{bert}",
        "bert: it is a model of type 'llama'; understood are audio-spectrogram-transformer, beit, "
        "bert, clap, clip, data2vec-audio, data2vec-text, data2vec-vision, deit, dinov2, ",
    )


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (None, "bert: it has no config.json that can be read: "),
        ("{", "bert: it has no config.json that can be read: "),
        ("[1]", "bert: its config.json is no JSON object"),
        ("{}", "bert: it is a model of type None; understood are"),
    ],
)
def test_settings_that_are_missing_or_broken(bert, content, match):
    (bert / "config.json").unlink()
    if content is not None:
        (bert / "config.json").write_text(content)
    refused(f"hf:{bert}", match)


def test_settings_that_cannot_work(bert):
    changed(bert / "config.json", num_attention_heads=5)
    refused(f"hf:{bert}", "bert: the weights cannot be read: The hidden size")


def test_weights_that_are_missing(bert):
    (bert / "model.safetensors").unlink()
    refused(f"hf:{bert}", "bert: it has no weights: neither model.safetensors nor pytorch_model")


def test_weights_that_are_cut_off(bert):
    data = (bert / "model.safetensors").read_bytes()
    (bert / "model.safetensors").write_bytes(data[: len(data) // 2])
    refused(f"hf:{bert}", "bert: the weights cannot be read: ")


def test_one_weight_too_few_is_not_made_up(bert):
    file = bert / "model.safetensors"
    weights = load_file(file)
    del weights["encoder.layer.1.output.dense.bias"]
    save_file(weights, file, metadata={"format": "pt"})
    refused(
        f"hf:{bert}",
        "bert: its weights lack 1 that a bert model has, encoder.layer.1.output.dense.bias among "
        "them: they are of another model",
    )


def test_weights_of_another_model_are_not_made_up(bert):
    save_file({"other": torch.zeros(3)}, bert / "model.safetensors", metadata={"format": "pt"})
    refused(f"hf:{bert}", "bert: its weights lack 53 that a bert model has")


def test_a_weight_of_another_shape(bert):
    changed(bert / "config.json", vocab_size=7)
    refused(f"hf:{bert}", "bert: the weights cannot be read: ")


class Touches:
    """What a malicious file holds: unpickled, it writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_bin_of_tensors_is_read_and_one_that_executes_is_not(bert, tmp_path):
    expected = open_encoder(f"hf:{bert}").hash
    weights = load_file(bert / "model.safetensors")
    (bert / "model.safetensors").unlink()
    torch.save(weights, bert / "pytorch_model.bin")
    assert open_encoder(f"hf:{bert}").hash == expected

    torch.save(weights | {"extra": Touches(tmp_path / "executed")}, bert / "pytorch_model.bin")
    refused(
        f"hf:{bert}",
        r"bert: bert/pytorch_model\.bin cannot be read: it holds more .* Weights only load failed$",
    )
    assert not (tmp_path / "executed").exists()
    # The control: it would have.
    torch.load(bert / "pytorch_model.bin", weights_only=False)
    assert (tmp_path / "executed").exists()


def test_code_that_comes_with_a_model_is_never_run(bert, tmp_path):
    there = repr(str(tmp_path / "executed"))
    (bert / "code.py").write_text(f"import os; os.mkdir({there})\nclass Made: ...\n")
    made = {"AutoConfig": "code.Made", "AutoModel": "code.Made"}
    changed(bert / "config.json", auto_map=made)
    open_encoder(f"hf:{bert}")

    (bert / "tokenizer.json").unlink()
    (bert / "vocab.txt").write_text("[PAD]\n[UNK]\n")
    changed_to = {"tokenizer_class": "Made", "auto_map": {"AutoTokenizer": ["code.Made", None]}}
    (bert / "tokenizer_config.json").write_text(json.dumps(changed_to))
    refused(f"hf:{bert}", "bert: its tokenizer cannot be read: ")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("bert", "it has no vocabulary: none of tokenizer.json, vocab.txt, vocab.json, "),
        ("vit", "its image processor cannot be read: "),
        ("hubert", "its feature extractor cannot be read: "),
    ],
)
def test_a_processor_that_is_missing(tmp_path, name, match):
    config, _ = cases()[name]
    refused(f"hf:{save(tmp_path / name, model_of(config))}", f"{name}: {match}")


@pytest.mark.parametrize("kind", ["hf-other", "hf-image-text", "hf-random-random"])
def test_what_stands_in_front_of_a_name(kind):
    with pytest.raises(InputError, match=f"{kind}: is not understood; behind hf may stand -random"):
        open_encoder(f"{kind}:somewhere")


def test_a_tower_that_is_not_there(bert):
    with pytest.raises(InputError, match="bert is BERT, which encodes text and not image"):
        open_encoder(f"hf-image:{bert}")


def test_heads_are_left_out_and_their_models_are_the_same(tmp_path):
    """A model fine-tuned for something has other names in front, and weights of a head."""
    config, processor = cases()["bert"]
    whole = redrawn(transformers.BertForMaskedLM(config)).eval()
    encoder = open_encoder(f"hf:{save(tmp_path / 'head', whole, processor)}")
    bare = save(tmp_path / "bare", whole.bert, processor)

    assert open_encoder(f"hf:{bare}").hash == encoder.hash


def test_half_precision_weights_are_computed_with_in_fp32(tmp_path):
    config, processor = cases()["bert"]
    encoder = open_encoder(f"hf:{save(tmp_path / 'half', model_of(config).half(), processor)}")
    states = encoder.encode("text", [encoder.load(item("1", "text", "a robin sings"))])

    assert {x.dtype for x in (*states.pooled, *states.tokens)} == {torch.float32}


# Items that a model cannot take.


@pytest.fixture
def wave(tmp_path):
    def write(samples):
        soundfile.write(tmp_path / "short.wav", np.full(samples, 0.1), 16_000)
        return item("short", "audio", tmp_path / "short.wav")

    return write


def case(tmp_path, name):
    config, processor = cases()[name]
    return open_encoder(f"hf:{save(tmp_path / 'model', model_of(config), processor)}")


def test_the_shortest_recording_has_a_token(tmp_path, wave):
    encoder = case(tmp_path, "hubert")
    assert encoder.encode("audio", [encoder.load(wave(400))]).tokens[0].shape == (1, 1, 32)

    with pytest.raises(MediaError, match="lasts 399 samples at 16000 Hz; this model needs 400"):
        encoder.load(wave(399))


@pytest.mark.parametrize(("name", "least"), [("whisper", 1), ("clap", 1)])
def test_a_window_takes_the_shortest_recording(tmp_path, wave, name, least):
    encoder = case(tmp_path, name)
    states = encoder.encode("audio", [encoder.load(wave(least))])

    assert all(torch.isfinite(x).all() for x in states.pooled)


def test_the_shortest_recording_of_a_spectrogram(tmp_path, wave):
    encoder = case(tmp_path, "audio-spectrogram-transformer")
    assert encoder.encode("audio", [encoder.load(wave(400))]).valid.sum() == 5

    with pytest.raises(MediaError, match="this model needs 400"):
        encoder.load(wave(399))


@pytest.mark.parametrize(
    "name", ["whisper", "clap", "clap, fusion", "audio-spectrogram-transformer"]
)
def test_a_window_hears_the_start_and_draws_nothing(tmp_path, name):
    """CLAP's own extractor would cut a long recording at random."""
    items = write_items(tmp_path)["audio"]
    start, _ = soundfile.read(items[2].file, dtype="float32")
    long = np.concatenate([start, start, start])
    encoder = case(tmp_path, name)
    vectors = []
    for number, samples in enumerate([long, np.concatenate([long, start])]):
        soundfile.write(tmp_path / f"long{number}.wav", samples, 16_000, subtype="FLOAT")
        loaded = encoder.load(item("long", "audio", tmp_path / f"long{number}.wav"))
        vectors.append(encoder.encode("audio", [loaded]).pooled[-1])

    torch.testing.assert_close(vectors[0], vectors[1], rtol=1e-4, atol=1e-4)


def test_a_strip_would_become_gigabytes(tmp_path):
    encoder = case(tmp_path, "dinov2")
    for width, is_fine in [(300, True), (301, False)]:
        Image.new("RGB", (width, 3)).save(tmp_path / "strip.png")
        strip = item("strip", "image", tmp_path / "strip.png")
        if is_fine:
            assert encoder.load(strip).shape == (3, 24, 24)
        else:
            with pytest.raises(
                MediaError, match="a strip of 301 x 3 pixels; a side may be at most"
            ):
                encoder.load(strip)


def test_a_text_is_cut_where_positions_end(tmp_path):
    encoder = case(tmp_path, "roberta")
    words = encoder.load(item("long", "text", "robin " * 40))

    assert len(words) == 16
    assert words[-1] == tokenizer_of().sep_token_id
    assert torch.isfinite(encoder.encode("text", [words]).pooled[-1]).all()


def test_a_text_of_which_the_vocabulary_has_nothing(tmp_path, monkeypatch):
    encoder = case(tmp_path, "bert")
    prepare = encoder.parts["text"].prepare
    monkeypatch.setattr(prepare, "tokenizer", lambda *_a, **_k: {"input_ids": [1, 2]})
    with pytest.raises(MediaError, match="this model's tokenizer makes no token of it"):
        encoder.load(item("x", "text", "\u200d"))


def test_a_tokenizer_of_another_model(tmp_path):
    config, processor = cases()["bert"]
    processor.add_tokens(["penguin"])
    encoder = open_encoder(f"hf:{save(tmp_path / 'model', model_of(config), processor)}")
    encoder.load(item("x", "text", "a robin"))
    with pytest.raises(MediaError, match=r"its tokenizer gives entry 21, but this model knows 21"):
        encoder.load(item("x", "text", "a penguin"))


@pytest.mark.slow
def test_nothing_imports_the_library_before_a_model_is_opened():
    """Neither the commands, nor their help, nor the first page of the app."""
    code = """
import sys
from streamlit.testing.v1 import AppTest
from app import cli
try:
    cli.app(["--help"])
except SystemExit:
    pass
import d2v_core.embed, d2v_core.encoders
page = AppTest.from_file("app/main.py").run(timeout=300)
assert not page.exception
print("transformers" in sys.modules)
from d2v_core.encoders.huggingface_files import library
library()
print("transformers" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split()[-2:] == ["False", "True"], done.stderr
