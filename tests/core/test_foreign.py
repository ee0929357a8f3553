"""Checkpoints in files of their own: every layer as transformers computes it.

The models are small and random, every parameter of them drawn anew so that none is zero.
"""

import argparse
import json
import sys
import types

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from d2v_core.encoders import open_encoder
from d2v_core.encoders.encoder import Encoder
from d2v_core.encoders.foreign import read_foreign
from tests.core.foreign_files import (
    HEADS,
    data2vec_pictures,
    plain_pictures,
    saved,
    sound_settings,
    sounds,
    texts,
    write_vocabulary,
)
from tests.core.huggingface_models import (
    IMAGE,
    SIZES,
    WAVE,
    item,
    redrawn,
    transformers,
    write_items,
)
from tests.core.huggingface_models import LAYER as LARGE

CLOSE = {"rtol": 0, "atol": 1e-5}


def drawn(model, config, **more):
    return redrawn(getattr(transformers, model)(config, **more)).eval()


def same_layers(encoder, tensors, expected, *, extra=0, last=None):
    """Compare all taps with hidden states; the last of those may have a norm behind it."""
    (modality,) = encoder.modalities
    states = encoder.encode(modality, tensors)
    by_tap = dict(zip(encoder.taps, states.tokens, strict=True))
    assert len([tap for tap in by_tap if tap != "final_norm"]) == len(expected)
    for number, hidden in enumerate(expected[:-1]):
        tap = "embed" if number == 0 else f"block_{number:02d}.resid"
        torch.testing.assert_close(by_tap[tap], hidden[:, extra:], **CLOSE)
    end = "final_norm" if "final_norm" in by_tap else f"block_{len(expected) - 1:02d}.resid"
    last = expected[-1] if last is None else last
    torch.testing.assert_close(by_tap[end], last[:, extra:], **CLOSE)


@torch.no_grad()
def hidden(model, **inputs):
    return model(**inputs, output_hidden_states=True)


WAVES = torch.randn(2, 4000, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("prefix", ["", "w2v_encoder.w2v_model."])
@pytest.mark.parametrize(
    ("kind", "settings", "name"),
    [
        ("Hubert", {}, "hubert"),
        ("Hubert", LARGE, "hubert"),
        ("Hubert", LARGE | {"conv_bias": False}, "hubert"),
        ("Wav2Vec2", {}, "wav2vec2"),
        ("Wav2Vec2", LARGE, "wav2vec2"),
        ("Data2VecAudio", {"num_conv_pos_embeddings": 5}, "data2vec_audio"),
    ],
)
def test_sounds_of_fairseq(tmp_path, kind, settings, name, prefix):
    config = getattr(transformers, f"{kind}Config")(**WAVE | settings)
    model = drawn(f"{kind}Model", config)
    is_large = settings.get("do_stable_layer_norm", False)
    weights = sounds(model.state_dict(), is_layer=is_large or kind == "Data2VecAudio")
    weights = {prefix + n: x for n, x in weights.items()}
    heads = {"final_proj.weight": torch.zeros(3), "label_embs_concat": torch.zeros(4, 2)}
    quantiser = {"quantizer.vars": torch.zeros(3), "project_q.weight": torch.zeros(2)}
    tuned = {"w2v_encoder.proj.weight": torch.zeros(3)}
    left = tuned if prefix else {"hubert": heads, "wav2vec2": quantiser}.get(name, {})
    said = sound_settings(name, layer_norm_first=is_large)
    encoder = open_encoder(f"fairseq:{saved(tmp_path / 'x.pt', weights | left, **said)}")

    assert isinstance(encoder, Encoder)
    assert encoder.name == "x"
    found = read_foreign(tmp_path / "x.pt")
    assert found.type == config.model_type
    assert set(found.dropped) == {n.removeprefix(prefix) for n in left}
    output = hidden(model, input_values=WAVES)
    same_layers(encoder, list(WAVES), output.hidden_states, last=output.last_hidden_state)
    # The other weights of the model are no zeros either: a layer depends on every one of them.
    assert output.hidden_states[0].abs().mean() > 1e-2


@pytest.mark.parametrize(
    ("said", "is_layer", "expected"),
    [
        ({"task": {"normalize": True}, "model": {}}, False, (True, False)),
        ({"task": {"normalize": False}, "model": {}}, True, (False, True)),
        ({"model": {"_name": "hubert"}}, True, (True, True)),
        ({"model": {"_name": "hubert"}}, False, (False, False)),
        ({"model": {"layer_norm_first": False}}, True, (True, False)),
        # A fine-tuned model keeps the settings of its pretraining, here as older versions did.
        (
            {"model": {"w2v_args": argparse.Namespace(layer_norm_first=True, normalize=True)}},
            False,
            (True, True),
        ),
        (
            {"model": {"w2v_args": {"model": {"layer_norm_first": True}, "task": {}}}},
            False,
            (False, True),
        ),
    ],
)
def test_what_weights_do_not_tell_is_read_from_the_settings(tmp_path, said, is_layer, expected):
    config = transformers.HubertConfig(**WAVE | (LARGE if is_layer else {}))
    weights = sounds(drawn("HubertModel", config).state_dict(), is_layer=is_layer)
    said["model"]["encoder_attention_heads"] = HEADS
    found = read_foreign(saved(tmp_path / "x.pt", weights, cfg=said))

    assert found.processors["audio"].do_normalize == expected[0]
    assert found.config.do_stable_layer_norm == expected[1]


def test_other_strides_are_read_from_the_settings(tmp_path):
    strides = [5, 2, 2, 2, 2, 2, 1]
    config = transformers.HubertConfig(**WAVE | {"conv_stride": strides})
    model = drawn("HubertModel", config)
    said = sound_settings(
        "hubert", conv_feature_layers="[(16, 10, 5)] + [(16, 3, 2)] * 4 + [(16,2,2)] + [(16,2,1)]"
    )
    weights = sounds(model.state_dict(), is_layer=False)
    encoder = open_encoder(f"file:{saved(tmp_path / 'x.pt', weights, **said)}")

    output = hidden(model, input_values=WAVES)
    same_layers(encoder, list(WAVES), output.hidden_states, last=output.last_hidden_state)


def test_a_recording_is_normalised_as_the_settings_say(tmp_path):
    sounds_of = write_items(tmp_path)["audio"]
    config = transformers.HubertConfig(**WAVE)
    weights = sounds(drawn("HubertModel", config).state_dict(), is_layer=False)
    said = sound_settings("hubert")
    plain = open_encoder(f"file:{saved(tmp_path / 'a.pt', weights, **said)}").load(sounds_of[0])
    said["cfg"]["task"]["normalize"] = True
    even = open_encoder(f"file:{saved(tmp_path / 'b.pt', weights, **said)}").load(sounds_of[0])

    assert abs(even.std().item() - 1) < 1e-3
    torch.testing.assert_close((plain - plain.mean()) / plain.std(), even, rtol=0, atol=1e-3)
    assert abs(plain.std().item() - 1) > 0.1


def text_model(entries, kind="Data2VecText"):
    config = getattr(transformers, f"{kind}Config")(
        **SIZES,
        vocab_size=entries,
        max_position_embeddings=20,
        type_vocab_size=1,
        pad_token_id=1,
        layer_norm_eps=1e-5,
    )
    model = drawn(f"{kind}Model", config, add_pooling_layer=False)
    # The files have one type, added to every word: here it is nothing.
    model.embeddings.token_type_embeddings.weight.data.zero_()
    return model


TEXT_SETTINGS = {"model": {"transformer": {"encoder": {"attention_heads": HEADS}}}}


@pytest.mark.parametrize(
    ("kind", "start", "left"),
    [
        ("Data2VecText", "encoder", "encoder.regression_head.0.weight"),
        ("Data2VecText", "encoder", "classification_heads.a.dense.weight"),
        ("Roberta", "decoder", "decoder.lm_head.dense.weight"),
    ],
)
def test_texts_of_fairseq(tmp_path, kind, start, left):
    model = text_model(write_vocabulary(tmp_path), kind)
    weights = texts(model.state_dict(), f"{start}.sentence_encoder.")
    more = {left: torch.zeros(2), f"{start}.sentence_encoder.version": torch.tensor([3.0])}
    path = saved(tmp_path / "x.pt", weights | more, cfg=TEXT_SETTINGS)
    encoder = open_encoder(f"fairseq:{path}")
    ids = encoder.load(item("a", "text", "a bcd"))

    assert ids.tolist() == [0, 4, 30, 5, 6, 7, 2]  # <s> a Ġ b c d </s>
    output = hidden(model, input_ids=ids[None])
    inner = [x[:, :-1] for x in output.hidden_states]  # the end is not the text's own
    states = encoder.encode("text", [ids])
    own = [x[:, : len(ids) - 2] for x in states.tokens]
    for mine, theirs in zip(own, inner, strict=True):
        torch.testing.assert_close(mine, theirs[:, 1:], **CLOSE)
    assert read_foreign(path).type == model.config.model_type


def test_old_files_join_query_key_and_value(tmp_path):
    model = text_model(write_vocabulary(tmp_path))
    weights = texts(model.state_dict())
    plain = open_encoder(f"file:{saved(tmp_path / 'a.pt', weights, cfg=TEXT_SETTINGS)}")
    for number in range(SIZES["num_hidden_layers"]):
        start = f"encoder.sentence_encoder.layers.{number}.self_attn."
        for part in ("weight", "bias"):
            thirds = [weights.pop(f"{start}{n}_proj.{part}") for n in "qkv"]
            weights[f"{start}in_proj_{part}"] = torch.cat(thirds)
    weights = {n.replace("layernorm_embedding", "emb_layer_norm"): x for n, x in weights.items()}
    old = open_encoder(f"file:{saved(tmp_path / 'a.pt', weights, cfg=TEXT_SETTINGS)}")

    assert old.hash == plain.hash


@pytest.mark.parametrize("kind", ["audio", "audio, whole", "text"])
def test_the_teacher_takes_the_place_of_the_student(tmp_path, kind):
    if kind.startswith("audio"):
        config = transformers.Data2VecAudioConfig(**WAVE | {"num_conv_pos_embeddings": 5})
        weights = sounds(drawn("Data2VecAudioModel", config).state_dict(), is_layer=True)
        said, name = sound_settings("data2vec_audio"), "_ema"
        start = "" if kind == "audio, whole" else "encoder."
    else:
        weights = texts(text_model(write_vocabulary(tmp_path)).state_dict())
        said, name, start = {"cfg": TEXT_SETTINGS}, "encoder._ema", "encoder.sentence_encoder."
    average = {n.removeprefix(start): x * 2 for n, x in weights.items() if n.startswith(start)}
    expected = weights | {start + n: x for n, x in average.items()}
    saved(tmp_path / "x.pt", weights | {name: average}, **said)
    saved(tmp_path / "y.pt", expected, **said)
    student, teacher = (open_encoder(f"{k}:{tmp_path / 'x.pt'}") for k in ("file", "fairseq-ema"))

    assert teacher.hash == open_encoder(f"file:{tmp_path / 'y.pt'}").hash != student.hash
    assert (student.name, teacher.name) == ("x", "x-ema")


PICTURES = torch.randn(2, 3, 24, 24, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("is_full", [False, True])
def test_mae(tmp_path, is_full):
    model = drawn("ViTMAEModel", transformers.ViTMAEConfig(**IMAGE, layer_norm_eps=1e-6))
    model.config.mask_ratio = 0.0
    model.embeddings.position_embeddings.data[:, 0] = 0  # MAE's own are fixed, and zero at CLS
    weights = plain_pictures(model.state_dict())
    decoder = ("mask_token", "decoder_pos_embed", "decoder_embed.weight", "decoder_norm.bias")
    decoder += ("decoder_blocks.0.attn.qkv.weight", "decoder_pred.bias")
    more = dict.fromkeys(decoder, torch.zeros(2)) if is_full else {}
    path = saved(tmp_path / "mae.pth", weights | more)
    found = read_foreign_with_heads(path, 4)
    assert found.type == "vit_mae"
    assert set(found.dropped) == set(more)

    order = torch.arange(9)[None].expand(2, -1) / 9
    output = hidden(model, pixel_values=PICTURES, noise=order)
    encoder = open_with_heads(path, 4)
    same_layers(
        encoder,
        list(PICTURES),
        output.hidden_states,
        extra=1,
        last=output.last_hidden_state,
    )


def read_foreign_with_heads(path, heads):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules["d2v_core.encoders.foreign_names"].PUBLISHED_HEADS, 32, heads)
        return read_foreign(path)


def open_with_heads(path, heads):
    """Open a file of which only the width tells the heads, and 32 is no published one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules["d2v_core.encoders.foreign_names"].PUBLISHED_HEADS, 32, heads)
        return open_encoder(f"file:{path}")


@pytest.mark.parametrize("nested", [True, False])
def test_plain_vision_transformers(tmp_path, nested):
    config = transformers.ViTConfig(**IMAGE, layer_norm_eps=1e-6)
    model = drawn("ViTModel", config, add_pooling_layer=False)
    weights = plain_pictures(model.state_dict()) | {"head.weight": torch.zeros(3)}
    torch.save({"state_dict": weights} if nested else weights, tmp_path / "vit.pth")
    encoder = open_with_heads(tmp_path / "vit.pth", 4)

    assert read_foreign_with_heads(tmp_path / "vit.pth", 4).type == "vit"
    output = hidden(model, pixel_values=PICTURES)
    same_layers(
        encoder, list(PICTURES), output.hidden_states, extra=1, last=output.last_hidden_state
    )


@pytest.mark.parametrize("is_tuned", [False, True])
def test_data2vec_pictures(tmp_path, is_tuned):
    config = transformers.Data2VecVisionConfig(
        **IMAGE,
        use_shared_relative_position_bias=not is_tuned,
        use_relative_position_bias=is_tuned,
        use_mean_pooling=is_tuned,
        use_mask_token=not is_tuned,
        layer_norm_eps=1e-6,
    )
    model = drawn("Data2VecVisionModel", config, add_pooling_layer=is_tuned)
    weights = data2vec_pictures(model.state_dict())
    index = "rel_pos_bias.relative_position_index"
    left = {"lm_head.weight" if not is_tuned else "head.weight": torch.zeros(3)}
    left |= {index: torch.zeros(10, 10, dtype=torch.long)}
    torch.save({"module" if is_tuned else "model": weights | left}, tmp_path / "x.pth")
    encoder = open_encoder(f"file:{tmp_path / 'x.pth'}")

    assert set(read_foreign(tmp_path / "x.pth").dropped) == set(left)
    assert ("final_norm" in encoder.taps) != is_tuned
    output = hidden(model, pixel_values=PICTURES)
    same_layers(
        encoder, list(PICTURES), output.hidden_states, extra=1, last=output.last_hidden_state
    )


def test_pictures_are_cropped_and_normalised_as_published(tmp_path):
    model = drawn("ViTModel", transformers.ViTConfig(**IMAGE), add_pooling_layer=False)
    torch.save(plain_pictures(model.state_dict()), tmp_path / "vit.pth")
    encoder = open_with_heads(tmp_path / "vit.pth", 4)
    from PIL import Image

    Image.fromarray(np.full((40, 60, 3), 51, dtype=np.uint8)).save(tmp_path / "grey.png")
    pixels = encoder.load(item("g", "image", tmp_path / "grey.png"))

    assert pixels.shape == (3, 24, 24)
    expected = [
        (0.2 - m) / s for m, s in zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)
    ]
    torch.testing.assert_close(pixels.mean(dim=(1, 2)), torch.tensor(expected), **CLOSE)


def test_what_training_leaves_is_kept_closed(tmp_path, monkeypatch):
    """A dictionary of fairseq beside the weights: its class is never looked up."""
    module = types.ModuleType("fairseq.data.dictionary")

    class Dictionary:
        def __init__(self):
            self.symbols = ["<s>"]

        def __setstate__(self, state):
            raise AssertionError("it was opened")

    Dictionary.__module__, Dictionary.__qualname__ = "fairseq.data.dictionary", "Dictionary"
    module.Dictionary = Dictionary
    for name in ("fairseq", "fairseq.data", "fairseq.data.dictionary"):
        monkeypatch.setitem(sys.modules, name, module)
    weights = sounds(
        drawn("HubertModel", transformers.HubertConfig(**WAVE)).state_dict(), is_layer=False
    )
    extra = {"task_state": {"dictionaries": [Dictionary()]}, "loss": np.float64(0.5)}
    path = saved(tmp_path / "x.pt", weights, **extra, **sound_settings("hubert"))

    assert read_foreign(path).type == "hubert"


def with_type_in_words(weights):
    """Add the only type of text to every word: the files of fairseq have no place for it."""
    words, kind = (f"embeddings.{n}_embeddings.weight" for n in ("word", "token_type"))
    return weights | {words: weights[words] + weights[kind]}


GOLDEN = {
    "hf_hubert_base_style": lambda w: sounds(w, is_layer=False),
    "hf_hubert_large_style": lambda w: sounds(w, is_layer=True),
    "hf_data2vec_audio": lambda w: sounds(w, is_layer=True),
    "hf_data2vec_text": lambda w: texts(with_type_in_words(w)),
    "hf_data2vec_vision": data2vec_pictures,
}


@pytest.mark.parametrize("name", GOLDEN)
def test_as_another_machine_computed_it(shared_file, tmp_path, name):
    """Weights, inputs and layers that transformers gave elsewhere, behind the names of fairseq."""
    golden = load_file(shared_file(f"golden/{name}.safetensors"))
    weights = {n.removeprefix("init."): x for n, x in golden.items() if n.startswith("init.")}
    write_vocabulary(tmp_path)
    said = sound_settings("hubert", layer_norm_first="large" in name)
    said["cfg"]["model"] |= TEXT_SETTINGS["model"]
    path = saved(tmp_path / "x.pt", GOLDEN[name](weights), **said)
    encoder = open_encoder(f"file:{path}")
    (modality,) = encoder.modalities
    about = json.loads(shared_file(f"golden/{name}.json").read_text())["config"]
    for module in encoder.parts[modality].body.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.eps = about["layer_norm_eps"]  # the files of fairseq have their own
    name_of = {"image": "pixel_values", "audio": "input_values", "text": "input_ids"}[modality]
    inputs, mask = golden[f"input.{name_of}"], golden.get("input.attention_mask")
    lengths = [inputs.shape[-1]] * len(inputs) if mask is None else mask.sum(dim=1).tolist()
    whole = [n for n, length in enumerate(lengths) if length == inputs.shape[-1]]
    states = encoder.encode(modality, [inputs[n] for n in whole])

    assert whole
    front = {"image": 1, "audio": 0, "text": 1}[modality]
    behind = -1 if modality == "text" else None
    by_tap = dict(zip(encoder.taps, states.tokens, strict=True))
    for number in range(3):
        tap = "embed" if number == 0 else f"block_{number:02d}.resid"
        expected = golden[f"hidden_states.{number}"][whole][:, front:behind]
        found = by_tap[tap][:, : expected.shape[1]]
        torch.testing.assert_close(found, expected, **CLOSE)
    last = by_tap.get("final_norm", by_tap["block_03.resid"])
    expected = golden["last_hidden_state"][whole][:, front:behind]
    torch.testing.assert_close(last[:, : expected.shape[1]], expected, **CLOSE)
