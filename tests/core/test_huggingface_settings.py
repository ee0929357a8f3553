"""Settings of Hugging Face models that say anything: one sentence each, soon, in little room."""

import json
import re
import time

import pytest
import torch
from safetensors.torch import load_file

from d2v_core.encoders import open_encoder
from d2v_core.errors import CheckpointError
from tests.core.bounded import try_all
from tests.core.huggingface_models import cases, model_of, save

SECONDS = 10
NAMES = {"words": "bert", "pixels": "vit", "wave": "hubert, layer norm"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Small models that are as they should be, by what they take."""
    made = {}
    for form, name in NAMES.items():
        config, processor = cases()[name]
        made[form] = save(tmp_path_factory.mktemp(form) / form, model_of(config), processor)
    return made


def changed(whole, folder, file, *keys, says):
    """Write a model one of whose JSON files says something else."""
    folder.mkdir()
    for path in whole.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    told = json.loads((folder / file).read_text())
    place = told
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = says
    (folder / file).write_text(json.dumps(told))
    return folder


@pytest.fixture
def model(whole, tmp_path):
    """Return a function that gives a model one of whose JSON files says something else."""

    def make(form, file, *keys, says):
        return changed(whole[form], tmp_path / form, file, *keys, says=says)

    return make


def refusal(name):
    """Return why a model is refused; it takes no longer than a person waits."""
    started = time.process_time()  # of which another program takes nothing
    with pytest.raises(CheckpointError) as error:
        open_encoder(name)
    assert time.process_time() - started < SECONDS
    said = str(error.value)
    assert "\n" not in said
    return said


SENTENCE = (
    "(it is a model of type|its settings cannot be used|cannot be read|has no vocabulary|"
    "its tokenizer makes nothing|its tokenizer cuts texts at|"
    "its feature extractor wants a sampling rate|its weights lack)"
)
UNFIT = {
    ("words", "config.json", "num_attention_heads"): (0, -1, "four"),
    ("words", "config.json", "num_hidden_layers"): (0, -1),
    ("words", "config.json", "model_type"): ({"a": 1}, ["bert"]),
    ("words", "config.json", "vocab_size"): (0, -5),
    ("words", "config.json", "hidden_act"): ("nosuch",),
    ("words", "tokenizer.json", "padding"): ([], 3),
    ("words", "tokenizer.json", "post_processor"): (1, {"type": "x"}),
    ("words", "tokenizer.json", "model", "vocab"): ([], {}),
    ("words", "tokenizer_config.json", "model_max_length"): (-1, 0),
    ("wave", "preprocessor_config.json", "sampling_rate"): (0, -1, None, "x", [], 1e308, 10**9),
    ("wave", "config.json", "conv_stride"): ([], [0] * 7, [5, 2, 2, 2, 2, -1, 2]),
    ("pixels", "config.json", "image_size"): ([1], [], 0, "x"),
    ("pixels", "config.json", "patch_size"): (0, -3),
    ("pixels", "preprocessor_config.json", "image_mean"): ([1], {}, "x", [0.5, 0.5, "x"]),
    ("pixels", "preprocessor_config.json", "image_std"): ([0.5, 0.5], [[], 1, 1]),
    ("pixels", "preprocessor_config.json", "size"): (False, {"height": 3, "width": -1}, {}),
}


HUGE = {
    ("words", "config.json", "num_hidden_layers"): (10**30, "has 1e+30 blocks: refused"),
    ("pixels", "config.json", "num_hidden_layers"): (2000, "has 2000 blocks: refused"),
    ("words", "tokenizer.json", "model", "vocab", "a"): (10**9, "entry of number 1e+09: refused"),
    ("pixels", "preprocessor_config.json", "size"): (
        {"height": 30_000, "width": 30_000},
        "makes pictures of 30000 pixels a side; up to 4,096 are computed",
    ),
}


CASES = [
    *((place, says, SENTENCE) for place, values in UNFIT.items() for says in values),
    *((place, says, re.escape(message)) for place, (says, message) in HUGE.items()),
]


@pytest.fixture(scope="module")
def tried(whole, tmp_path_factory):
    """What is said of each in a process with bounds on memory and time."""
    place = tmp_path_factory.mktemp("settings")
    for number, ((form, file, *keys), says, _) in enumerate(CASES):
        changed(whole[form], place / str(number), file, *keys, says=says)
    return try_all("tests.core.bad_trials:is_a_model", map(str, range(len(CASES))), place)


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda n: "-".join(CASES[n][0]))
def test_settings_that_make_no_model_are_a_sentence(tried, number):
    """Sizes that no model has are refused before anything of them is made."""
    said = tried.said_of(str(number))

    assert said is not None
    assert "\n" not in said
    assert re.search(CASES[number][2], said)


@pytest.mark.parametrize(
    ("place", "says"),
    [
        (("pixels", "config.json", "patch_size"), 0),
        (("pixels", "config.json", "image_size"), [24]),
        (("words", "config.json", "num_attention_heads"), 0),
        (("words", "config.json", "hidden_act"), "nosuch"),
    ],
)
def test_fresh_weights_need_settings_that_fit_as_well(model, place, says):
    assert "cannot be" in refusal(f"hf-random:{model(*place, says=says)}")


def test_texts_are_filled_up_with_an_entry_that_the_model_knows(model):
    folder = model("words", "tokenizer_config.json", "pad_token", says="nosuch")
    assert re.search(r"fills up with entry \d+, but this model knows \d+$", refusal(f"hf:{folder}"))


def test_deep_json_is_a_sentence(model):
    folder = model("words", "config.json", "x", says=1)
    (folder / "config.json").write_text("[" * 100_000)
    assert "it has no config.json that can be read" in refusal(f"hf:{folder}")


def test_weights_outside_of_the_folder_are_not_read(model):
    folder = model("words", "config.json", "x", says=1)
    (folder / "model.safetensors").rename(folder.parent / "outside.safetensors")
    names = dict.fromkeys(
        load_file(folder.parent / "outside.safetensors"), "../outside.safetensors"
    )
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    (folder / "model-1.safetensors").write_bytes(b"")

    assert "names ../outside.safetensors, which is no file of its folder" in refusal(f"hf:{folder}")


def test_a_bin_that_is_packed_or_claims_more_than_it_has_is_refused(model):
    folder = model("words", "config.json", "x", says=1)
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    huge = torch.zeros(1).expand(10**6, 10**6)
    torch.save(weights | {"extra": huge}, folder / "pytorch_model.bin")
    assert "says that it has more numbers than there are" in refusal(f"hf:{folder}")
