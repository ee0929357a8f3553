"""Checkpoints made into folders: the library opens them, and every layer is that of the source."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers

import d2v_core.conversions
from d2v_core.checkpoint import newest_checkpoint
from d2v_core.convert import convert
from d2v_core.data.folder import read_folder
from d2v_core.encoders import open_encoder
from d2v_core.encoders.torch_files import read_file, weights_of
from d2v_core.errors import CheckpointError, InputError
from d2v_core.likeness import Likeness, likeness
from d2v_core.train import train
from tests.conftest import smallest
from tests.core.foreign_files import (
    HEADS,
    clip_model,
    data2vec_pictures,
    plain_pictures,
    saved,
    sound_settings,
    sounds,
    texts,
    write_openclip,
    write_vocabulary,
)
from tests.core.huggingface_models import IMAGE, LAYER, WAVE, cases, model_of, save, transformers
from tests.core.test_fairseq import picture_weights
from tests.core.test_fairseq import saved as saved_as_fairseq
from tests.core.test_foreign import TEXT_SETTINGS, drawn, text_model

WORDS = "modality_encoders.TEXT.local_encoder."


def hubert(folder):
    weights = sounds(
        drawn("HubertModel", transformers.HubertConfig(**WAVE)).state_dict(), is_layer=False
    )
    left = {"final_proj.weight": torch.zeros(2), "label_embs_concat": torch.zeros(2)}
    return saved(folder / "hubert.pt", weights | left, **sound_settings("hubert"))


def wav2vec(folder):
    config = transformers.Wav2Vec2Config(**WAVE | LAYER)
    weights = sounds(drawn("Wav2Vec2Model", config).state_dict(), is_layer=True)
    return saved(folder / "w.pt", weights, **sound_settings("wav2vec2", layer_norm_first=True))


def data2vec_sounds(folder):
    config = transformers.Data2VecAudioConfig(**WAVE | {"num_conv_pos_embeddings": 5})
    weights = sounds(drawn("Data2VecAudioModel", config).state_dict(), is_layer=True)
    return saved(folder / "d.pt", weights, **sound_settings("data2vec_audio"))


def data2vec_texts(folder):
    model = text_model(write_vocabulary(folder))
    return saved(folder / "t.pt", texts(model.state_dict()), cfg=TEXT_SETTINGS)


def pictures(folder, *, is_tuned=False):
    config = transformers.Data2VecVisionConfig(
        **IMAGE, use_shared_relative_position_bias=True, use_mean_pooling=is_tuned
    )
    model = drawn("Data2VecVisionModel", config, add_pooling_layer=is_tuned)
    return saved(folder / "v.pth", data2vec_pictures(model.state_dict()))


def tuned_pictures(folder):
    return pictures(folder, is_tuned=True)


def mae(folder):
    model = drawn("ViTMAEModel", transformers.ViTMAEConfig(**IMAGE))
    model.embeddings.position_embeddings.data[:, 0] = 0
    return saved(folder / "mae.pth", plain_pictures(model.state_dict()))


def vit(folder):
    model = drawn("ViTModel", transformers.ViTConfig(**IMAGE), add_pooling_layer=False)
    return saved(folder / "vit.pth", plain_pictures(model.state_dict()))


def openclip(folder):
    return write_openclip(folder / "openclip", clip_model())


def data2vec2_texts(folder):
    """Write a data2vec 2.0 model of texts: the blocks of the pictures, the words of a text."""
    entries = write_vocabulary(folder)
    weights = picture_weights(prenet=0, depth=3)
    weights = {n: x for n, x in weights.items() if n.startswith("blocks.")}
    generator = torch.Generator().manual_seed(3)
    for name, shape in {
        "embed_tokens.weight": (entries, 32),
        "embed_positions.weight": (20, 32),
        "layernorm_embedding.weight": (32,),
        "layernorm_embedding.bias": (32,),
    }.items():
        weights[WORDS + name] = torch.randn(shape, generator=generator)
    return saved_as_fairseq(folder / "nlp.pt", weights)


@pytest.fixture(autouse=True)
def small_heads(monkeypatch):
    monkeypatch.setitem(d2v_core.encoders.foreign_names.PUBLISHED_HEADS, 32, HEADS)


SOURCES = {
    "HubertModel": hubert,
    "Wav2Vec2Model": wav2vec,
    "Data2VecAudioModel": data2vec_sounds,
    "Data2VecTextModel": data2vec_texts,
    "Data2VecVisionModel": pictures,
    "ViTMAEModel": mae,
    "ViTModel": vit,
    "CLIPModel": openclip,
}


@pytest.mark.parametrize("name", SOURCES)
def test_the_library_opens_what_was_written(tmp_path, name):
    source, out = SOURCES[name](tmp_path), tmp_path / "out"
    steps = []
    done = convert(str(source), out, progress=lambda *step: steps.append(step))

    assert steps == [(0, 2), (1, 2), (2, 2)]
    model = transformers.AutoModel.from_pretrained(out)
    assert type(model).__name__ == done.model == name
    assert not list(out.glob("*.bin"))
    assert done.opens == f"hf:{out}"
    assert done.likeness.difference <= 1e-5
    assert done.likeness.numbers > 1000
    written, read = open_encoder(done.opens), open_encoder(f"file:{source}")
    assert likeness(read, written).difference <= 1e-5
    assert done.to_json()["likeness"]["taps"].keys() == set(read.modalities)
    assert not list(tmp_path.glob(".*"))


def test_a_folder_of_the_library_is_named_as_such(tmp_path):
    convert(str(hubert(tmp_path)), tmp_path / "out")
    with pytest.raises(InputError, match=r"is a folder of the Hugging Face library; name it hf:/"):
        open_encoder(str(tmp_path / "out"))


def test_the_sentence_says_which_numbers_mean_nothing(tmp_path):
    (tmp_path / "a").mkdir()
    made_up = "what AutoModel gives as pooler_output means nothing"
    assert made_up in convert(str(data2vec_texts(tmp_path)), tmp_path / "text").sentence
    assert made_up in convert(str(vit(tmp_path)), tmp_path / "vit").sentence
    for made in (hubert, pictures, tuned_pictures):
        done = convert(str(made(tmp_path)), tmp_path / made.__name__)
        assert done.sentence == "transformers.AutoModel opens it."


def test_the_pooler_of_a_fine_tuned_model_is_kept(tmp_path):
    source = tuned_pictures(tmp_path)
    weights = weights_of(read_file(source))
    convert(str(source), tmp_path / "out")

    model = transformers.AutoModel.from_pretrained(tmp_path / "out", add_pooling_layer=True)
    torch.testing.assert_close(model.pooler.layernorm.weight, weights["fc_norm.weight"])


def test_what_was_left_out_is_listed(tmp_path):
    done = convert(str(hubert(tmp_path)), tmp_path / "out")

    assert done.dropped == ["final_proj.weight", "label_embs_concat"]


def test_texts_of_data2vec_2_become_the_library_s(tmp_path):
    """Our own student and the library's class compute the same, with one start and no end."""
    source = data2vec2_texts(tmp_path)
    done = convert(str(source), tmp_path / "out")

    assert done.model == "Data2VecTextModel"
    assert done.likeness.difference <= 1e-5
    assert done.likeness.taps == {"text": 7}
    model = transformers.AutoModel.from_pretrained(tmp_path / "out").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    student = open_encoder(f"fairseq:{source}")
    ids = tokenizer("a bcd", return_tensors="pt")
    assert ids["input_ids"].tolist() == [[0, 4, 30, 5, 6, 7]]
    with torch.no_grad():
        theirs = model(**ids).last_hidden_state
    ours = student.encode("text", [ids["input_ids"][0]]).tokens[-1]
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["image", "eat", "teacher"])
def test_what_the_library_has_no_class_for_is_our_own(tmp_path, kind):
    shape = {"channels": 1, "rows": 12, "columns": 8} if kind == "eat" else {}
    weights = picture_weights(prenet=1, depth=2, **shape)
    average = picture_weights(prenet=1, depth=2, seed=2, **shape)
    path = saved_as_fairseq(tmp_path / "x.pt", weights, average=average)
    name = f"{'fairseq-ema' if kind == 'teacher' else 'fairseq'}:{path}"
    done = convert(name, tmp_path / "out")

    assert done.model == "Student"
    assert done.sentence.startswith("The Hugging Face library has no class for it: its blocks ")
    assert done.sentence.endswith("It is in our own format, which d2v embed opens.")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "config.json",
        "student.safetensors",
    ]
    again, source = open_encoder(str(tmp_path / "out")), open_encoder(name)
    assert likeness(source, again).difference == 0
    assert again.hash == source.hash


def test_sounds_of_data2vec_2_say_why(shared_file, tmp_path):
    golden = load_file(shared_file("golden/audio.safetensors"))
    start = "init.student."
    weights = {n.removeprefix(start): x for n, x in golden.items() if n.startswith(start)}
    done = convert(str(saved_as_fairseq(tmp_path / "a.pt", weights)), tmp_path / "out")

    assert "no class for it: its attention counts distance (ALiBi)" in done.sentence
    assert done.likeness.difference == 0


@pytest.fixture(scope="module")
def run(toys, tmp_path_factory):
    place = tmp_path_factory.mktemp("runs") / "good"
    train(read_folder(toys), smallest("shared-pairs-50"), place)
    return place


def test_a_run_without_what_training_needs(run, tmp_path):
    done = convert(str(run), tmp_path / "out")
    source, again = open_encoder(str(run)), open_encoder(str(tmp_path / "out"))

    assert (done.model, done.opens) == ("Student", str(tmp_path / "out"))
    assert likeness(source, again).difference == 0
    assert again.hash == source.hash
    assert "joint" in again.taps
    names = {p.name for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert names == {"config.json", "learner.safetensors", "state.json"}
    assert "/" not in json.loads((tmp_path / "out" / "config.json").read_text())["about"]["data"]
    checkpoint = newest_checkpoint(run)
    assert convert(str(checkpoint), tmp_path / "more").likeness.difference == 0


@pytest.fixture
def pickled(tmp_path):
    config, processor = cases()["bert"]
    folder = save(tmp_path / "bert", model_of(config), processor)
    weights = load_file(folder / "model.safetensors")
    weights["cls.predictions.bias"] = weights["embeddings.LayerNorm.bias"]  # one memory, two names
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    (folder / "modeling_own.py").write_text("raise SystemExit")
    return folder


def test_a_pickled_folder_becomes_safetensors(pickled, tmp_path):
    done = convert(str(pickled), tmp_path / "out")

    assert done.model == "BertModel"
    there = torch.load(pickled / "pytorch_model.bin")
    written = load_file(tmp_path / "out" / "model.safetensors")
    assert there.keys() == written.keys()
    assert all(torch.equal(there[name], written[name]) for name in there)
    assert not list((tmp_path / "out").glob("*.py"))
    before, after = open_encoder(f"hf:{pickled}"), open_encoder(f"hf:{tmp_path / 'out'}")
    assert likeness(before, after).difference == 0


def test_a_pickled_folder_in_parts(pickled, tmp_path):
    weights = torch.load(pickled / "pytorch_model.bin")
    names = sorted(weights)
    index = {}
    for n, part in enumerate((names[::2], names[1::2]), 1):
        file = f"pytorch_model-0000{n}-of-00002.bin"
        torch.save({name: weights[name] for name in part}, pickled / file)
        index |= dict.fromkeys(part, file)
    (pickled / "pytorch_model.bin").unlink()
    (pickled / "pytorch_model.bin.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": index})
    )
    convert(f"hf:{pickled}", tmp_path / "out")

    assert load_file(tmp_path / "out" / "model.safetensors").keys() == weights.keys()
    assert not (tmp_path / "out" / "pytorch_model.bin.index.json").exists()


def refused(name, out, match, kind=InputError):
    with pytest.raises(kind, match=match):
        convert(str(name), out)
    assert not list(out.parent.glob(f".{out.name}*"))


def test_what_cannot_be_converted(tmp_path, pickled, run):
    out = tmp_path / "out"
    refused(tmp_path / "no", out, "there is no checkpoint .*no; name a file, a run folder, or a")
    refused("fairseq:nothing.pt", out, "nothing.pt: there is no such file", CheckpointError)
    source = hubert(tmp_path)
    refused(f"file-random:{source}", out, "file-random: makes a model of its own; what is conv")
    refused(f"hf-bf16:{pickled}", out, "hf-bf16: makes a model of its own")
    path = saved_as_fairseq(tmp_path / "x.pt", picture_weights(prenet=0, depth=2))
    refused(f"file-image:{path}", out, "x.pt is a data2vec 2.0 file, which has one modality")
    convert(str(path), tmp_path / "ours")
    refused(tmp_path / "ours", out, "ours is converted already: d2v embed .*ours opens it")
    convert(str(pickled), tmp_path / "safe")
    refused(tmp_path / "safe", out, "safe has no pickled weights: transformers.AutoModel opens it")
    assert not out.exists()


def test_nothing_is_overwritten(tmp_path):
    source, out = hubert(tmp_path), tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    refused(source, out, "out is there already; name a folder that is not")
    assert [p.name for p in out.iterdir()] == ["mine.txt"]
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    refused(source, tmp_path / "link", "link is there already")


def test_a_place_that_cannot_be_written_to(tmp_path):
    source = hubert(tmp_path)
    with pytest.raises(CheckpointError, match="out cannot be written: .*File exists"):
        convert(str(source), source / "out")


def test_what_is_not_like_its_source_is_not_kept(tmp_path, monkeypatch):
    """The control: a weight that is changed on the way is found, and nothing stays."""
    written = d2v_core.conversions._write

    def damaged(foreign, model, folder):
        written(foreign, model, folder)
        file = folder / "model.safetensors"
        weights = load_file(file)
        weights["encoder.layers.1.feed_forward.output_dense.bias"] += 2e-5
        save_file(weights, file, metadata={"format": "pt"})

    monkeypatch.setattr("d2v_core.conversions._write", damaged)
    source, out = hubert(tmp_path), tmp_path / "out"
    refused(
        source,
        out,
        "what was written of .*hubert.pt is not like it: its layers differ by up to .*e-05, at "
        "audio .*; nothing is kept",
        CheckpointError,
    )
    assert not out.exists()


def test_a_folder_of_ours_that_is_damaged(tmp_path):
    path = saved_as_fairseq(tmp_path / "x.pt", picture_weights(prenet=0, depth=2))
    out = tmp_path / "out"
    convert(str(path), out)
    file, whole = out / "student.safetensors", load_file(out / "student.safetensors")

    def refused_with(weights, match):
        save_file(weights, file)
        with pytest.raises(CheckpointError, match=match):
            open_encoder(str(out))

    name = "trunks.image.blocks.1.norm2.bias"
    refused_with(
        {n: x for n, x in whole.items() if n != name},
        f"student.safetensors does not fit its config.json: {name} is missing, wanted",
    )
    refused_with(whole | {"more": torch.zeros(2)}, r"more is \(2,\), wanted no such thing")
    refused_with(whole | {name: torch.zeros(3)}, rf"{name} is \(3,\), wanted \(32,\)")
    refused_with(whole | {name: torch.full((32,), torch.nan)}, f"{name} is not finite")
    refused_with(whole | {"positions": torch.zeros(2, 32)}, "its positions are")
    settings = json.loads((out / "config.json").read_text())
    settings["config"]["trunk"]["depth"] = 10**9
    (out / "config.json").write_text(json.dumps(settings))
    refused_with(whole, "of 1000000000 layers; it has")


def test_likeness_finds_one_wrong_number_and_other_layers(tmp_path):
    path = hubert(tmp_path)
    one, other = open_encoder(f"file:{path}"), open_encoder(f"file:{path}")
    numbers = 4 * (99 + 1) * 32  # taps, tokens of two seconds and their mean, channels
    assert likeness(one, other) == Likeness(0.0, "audio embed", {"audio": 4}, numbers)

    other.parts["audio"].body.encoder.layers[2].final_layer_norm.bias.data[5] += 0.5
    found = likeness(one, other)
    assert found.at == "audio block_03.resid"
    assert found.difference == pytest.approx(0.5, abs=1e-5)
    with_more = open_encoder(f"file:{path}", ffn=True)
    with pytest.raises(CheckpointError, match="have other layers: embed, block_01.resid"):
        likeness(one, with_more)


def test_words_of_a_vocabulary_that_has_no_start(tmp_path):
    source = data2vec2_texts(tmp_path)
    for name in ("dict.txt", "encoder.json", "vocab.bpe"):
        (tmp_path / name).unlink()
    made = Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.save(str(tmp_path / "tokenizer.json"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("d2v_core.encoders.fairseq.PUBLISHED", str(tmp_path / "tokenizer.json"))
        refused(source, tmp_path / "out", "has no <s> or no </s>", CheckpointError)
