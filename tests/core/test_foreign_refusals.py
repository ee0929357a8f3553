"""Files of other people that cannot be used: one sentence each, and nothing of theirs is run."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from d2v_core.encoders import open_encoder
from d2v_core.errors import CheckpointError, InputError
from tests.core.bad_checkpoints import PAYLOAD, Payload
from tests.core.foreign_files import (
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
from tests.core.huggingface_models import IMAGE, WAVE, transformers
from tests.core.test_foreign import TEXT_SETTINGS, drawn, text_model


@pytest.fixture(scope="module")
def hubert():
    model = drawn("HubertModel", transformers.HubertConfig(**WAVE))
    return sounds(model.state_dict(), is_layer=False)


def refused(path, match, start="file"):
    with pytest.raises(CheckpointError, match=match) as error:
        open_encoder(f"{start}:{path}")
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(f"{path.name}: ")


def refused_sound(path, weights, match, **said):
    refused(saved(path, weights, **(said or sound_settings("hubert"))), match)


def test_a_payload_beside_honest_weights(tmp_path, hubert):
    extra = {"extra_state": Payload(tmp_path / PAYLOAD)}
    refused(
        saved(tmp_path / "x.pt", hubert, **extra, **sound_settings("hubert")),
        "it holds more than tensors and plain values, or is damaged, and is not read",
    )
    assert not (tmp_path / PAYLOAD).exists()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.98])
def test_a_file_that_is_cut_off(tmp_path, hubert, share):
    data = saved(tmp_path / "whole.pt", hubert).read_bytes()
    (tmp_path / "cut.pt").write_bytes(data[: int(len(data) * share)])
    refused(tmp_path / "cut.pt", "is damaged, and is not read")


def test_a_safetensors_file_that_is_cut_off(tmp_path):
    folder = write_openclip(tmp_path / "clip", clip_model())
    file = folder / "open_clip_model.safetensors"
    file.write_bytes(file.read_bytes()[:5000])
    refused(folder, "clip: it is damaged, and is not read: ")


def test_a_tensor_that_says_it_is_larger_than_the_file(tmp_path, hubert):
    swollen = torch.zeros(1).expand(2**30, 2**10)
    refused_sound(
        tmp_path / "x.pt",
        hubert | {"mask_emb": swollen},
        "x.pt: a tensor of it says that it has more numbers than there are",
    )


def test_a_name_that_is_not_understood(tmp_path, hubert):
    more = {"encoder.layers.1.adapter.weight": torch.zeros(2)}
    refused_sound(
        tmp_path / "x.pt",
        hubert | more,
        "encoder.layers.1.adapter.weight is not understood: the file is of another kind, or of "
        "another version",
    )
    refused_sound(
        tmp_path / "x.pt",
        hubert | more | {"other": torch.zeros(2)},
        r"2 weights \(encoder.layers.1.adapter.weight the first\) are not understood",
    )


def test_a_weight_that_is_missing(tmp_path, hubert):
    for name, said in {
        "encoder.layers.1.fc2.bias": "encoder.layers.1.feed_forward.output_dense.bias is",
        "post_extract_proj.weight": "feature_projection.projection.weight is",
    }.items():
        less = {n: x for n, x in hubert.items() if n != name}
        refused_sound(
            tmp_path / "x.pt",
            less,
            "x.pt: HuBERT needs what it lacks, as the Hugging Face library calls it: "
            f"{said} missing",
        )


@pytest.mark.parametrize("name", ["encoder.layer_norm.weight", "encoder.layers.0.fc1.weight"])
def test_a_weight_that_tells_the_size(tmp_path, hubert, name):
    less = {n: x for n, x in hubert.items() if n != name}
    refused_sound(tmp_path / "x.pt", less, f"it lacks {name}, which tells how large the model is")


def test_blocks_that_are_not_numbered_one_by_one(tmp_path, hubert):
    moved = {n.replace("encoder.layers.2.", "encoder.layers.7."): x for n, x in hubert.items()}
    refused_sound(tmp_path / "x.pt", moved, r"HuBERT .*encoder\.layers\.2\.")


def test_a_weight_of_another_shape(tmp_path, hubert):
    other = hubert | {"encoder.layers.2.fc1.bias": torch.zeros(7)}
    refused_sound(
        tmp_path / "x.pt",
        other,
        r"encoder.layers.2.feed_forward.intermediate_dense.bias, as the Hugging Face library calls "
        r"it, is \(7,\); the other weights want \(48,\)",
    )


def test_a_weight_that_is_no_number(tmp_path, hubert):
    broken = hubert | {"layer_norm.bias": torch.full((16,), float("nan"))}
    refused_sound(
        tmp_path / "x.pt",
        broken,
        "feature_projection.layer_norm.bias is not finite: the file is damaged",
    )


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ({}, "neither weights nor settings tell how many heads 32 has"),
        ({"encoder_attention_heads": 5}, "its settings say 5 heads, of which 32 is no multiple"),
        ({"encoder_attention_heads": 0}, "its settings say 0 heads"),
        (
            {"encoder_attention_heads": 4, "conv_feature_layers": "[(16, 10, 5)] * 9999999"},
            r"its settings say convolutions .*\* 9999999, which its weights are not",
        ),
        (
            {"encoder_attention_heads": 4, "conv_feature_layers": "__import__('os')"},
            "its settings say convolutions __import__",
        ),
        ({"encoder_attention_heads": 4, "activation_fn": "no such"}, "x.pt: "),
    ],
)
def test_settings_that_do_not_fit(tmp_path, hubert, said, match):
    refused_sound(tmp_path / "x.pt", hubert, match, cfg={"model": {"_name": "hubert"} | said})


def test_other_convolutions_without_settings(tmp_path, hubert):
    other = hubert | {"feature_extractor.conv_layers.3.0.weight": torch.zeros(16, 16, 5)}
    refused_sound(
        tmp_path / "x.pt",
        other,
        "nothing tells the strides of its convolutions",
        args=None,
        cfg={"model": {"encoder_attention_heads": 4}},
    )


def test_a_teacher_that_is_not_there(tmp_path, hubert):
    wanted = "it holds no teacher"
    refused(saved(tmp_path / "x.pt", hubert, **sound_settings("hubert")), wanted, "fairseq-ema")
    model = text_model(write_vocabulary(tmp_path))
    words = saved(tmp_path / "n.pt", texts(model.state_dict()), cfg=TEXT_SETTINGS)
    refused(words, wanted, "file-ema")
    refused(write_openclip(tmp_path / "clip", clip_model()), wanted, "file-ema")
    strange = {"_ema": {"layers.9.fc1.bias": torch.zeros(2)}}
    refused(
        saved(tmp_path / "y.pt", hubert | strange, **sound_settings("hubert")),
        "its teacher has encoder.layers.9.fc1.bias, which its student has not",
        "file-ema",
    )


def test_texts_without_a_vocabulary(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "d2v_core.encoders.foreign_texts.PUBLISHED", str(tmp_path / "no such folder")
    )
    write_vocabulary(tmp_path / "elsewhere")
    model = text_model(32)
    path = saved(tmp_path / "n.pt", texts(model.state_dict()), cfg=TEXT_SETTINGS)
    refused(
        path,
        "its vocabulary is missing: put dict.txt, encoder.json and vocab.bpe beside it",
    )


def test_texts_with_the_norm_in_front(tmp_path):
    model = text_model(write_vocabulary(tmp_path))
    weights = texts(model.state_dict())
    weights["encoder.sentence_encoder.layer_norm.weight"] = torch.ones(32)
    path = saved(tmp_path / "n.pt", weights, cfg=TEXT_SETTINGS)
    refused(path, "layer_norm.weight is not understood")


def test_pictures_that_are_fine_tuned_on_the_mean(tmp_path):
    config = transformers.ViTConfig(**IMAGE)
    weights = plain_pictures(drawn("ViTModel", config, add_pooling_layer=False).state_dict())
    weights["fc_norm.weight"] = weights.pop("norm.weight")
    weights["fc_norm.bias"] = weights.pop("norm.bias")
    refused(saved(tmp_path / "x.pth", weights), r"on the mean of the patches \(fc_norm\)")


def test_pictures_that_are_no_square(tmp_path):
    config = transformers.Data2VecVisionConfig(**IMAGE, use_shared_relative_position_bias=True)
    weights = data2vec_pictures(
        drawn("Data2VecVisionModel", config, add_pooling_layer=False).state_dict()
    )
    table = "rel_pos_bias.relative_position_bias_table"
    other = weights | {table: torch.zeros(30, 4)}
    refused(saved(tmp_path / "x.pth", other), "its relative positions make no square: 27")
    less = {n: x for n, x in weights.items() if n != table}
    refused(saved(tmp_path / "x.pth", less), "it lacks blocks.0.attn.relative_position_bias_table")


def test_rows_that_do_not_divide_by_three(tmp_path):
    config = transformers.ViTConfig(**IMAGE)
    weights = plain_pictures(drawn("ViTModel", config, add_pooling_layer=False).state_dict())
    weights["blocks.1.attn.qkv.bias"] = torch.zeros(95)
    refused(
        saved(tmp_path / "x.pth", weights),
        "blocks.1.attn.qkv.bias has 95 rows; query, key and value need a multiple of 3",
    )


def test_weights_of_no_kind_that_is_understood(tmp_path):
    refused(
        saved(tmp_path / "x.pt", {"layer.weight": torch.zeros(2)}),
        "its weights are of no kind that is understood, layer.weight the first of them; understood "
        "are data2vec 2.0 and EAT; data2vec 1.0, HuBERT",
    )


@pytest.mark.parametrize(
    ("part", "change", "match"),
    [
        ("vision_cfg", {"timm_model_name": "vit"}, "its vision_cfg has timm_model_name, which the"),
        ("text_cfg", {"hf_model_name": "roberta"}, "its text_cfg has hf_model_name, which the"),
        ("vision_cfg", {"attentional_pool": True}, "its vision_cfg has attentional_pool"),
        (
            "vision_cfg",
            {"head_width": 5},
            "its sizes cannot be read: The hidden size",
        ),
        ("preprocess_cfg", {"resize_mode": "longest"}, "its pictures are resized by longest and"),
    ],
)
def test_openclip_that_the_library_has_not(tmp_path, part, change, match):
    refused(write_openclip(tmp_path / "clip", clip_model(), **{part: change}), match)


def test_openclip_folders_that_lack_something(tmp_path):
    folder = write_openclip(tmp_path / "clip", clip_model(), tokenizer=False)
    refused(
        folder,
        "clip: it has no tokenizer.json, without which no text can be read: put the one that was "
        "published with it beside its weights, or take its pictures alone, by file-image:",
    )
    settings = json.loads((folder / "open_clip_config.json").read_text())
    (folder / "open_clip_config.json").write_text("{}")
    refused(folder, "clip: its open_clip_config.json has no model_cfg")
    (folder / "open_clip_config.json").unlink()
    refused(folder, "there is no such file; it is a folder, without the open_clip_config.json")
    refused(
        folder / "open_clip_model.safetensors",
        "open_clip_model.safetensors: it has no open_clip_config.json that can be read",
    )
    (folder / "open_clip_config.json").write_text(json.dumps(settings))
    (folder / "open_clip_model.safetensors").unlink()
    refused(folder, "clip: it has no weights: none of open_clip_model.safetensors, ")


def test_openclip_with_a_bias_of_another_loss(tmp_path):
    folder = write_openclip(tmp_path / "clip", clip_model())
    weights = load_file(folder / "open_clip_model.safetensors")
    save_file(weights | {"logit_bias": torch.zeros(1)}, folder / "open_clip_model.safetensors")
    refused(folder, "logit_bias is not understood")


def test_what_a_file_has_not(tmp_path, hubert):
    path = saved(tmp_path / "x.pt", hubert, **sound_settings("hubert"))
    with pytest.raises(InputError, match=r"x\.pt is HuBERT, which encodes audio and not image"):
        open_encoder(f"file-image:{path}")
    with pytest.raises(InputError, match="file-ema-ema: is not understood; behind file may stand"):
        open_encoder(f"file-ema-ema:{path}")
    with pytest.raises(InputError, match="fairseq-big: is not understood; behind fairseq may"):
        open_encoder(f"fairseq-big:{path}")
