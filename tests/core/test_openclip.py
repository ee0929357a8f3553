"""Folders of open_clip: both towers and their joint space, as transformers computes them."""

import json

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from d2v_core.convert import convert
from d2v_core.encoders import open_encoder
from tests.core.foreign_files import CLIP_ENTRIES, clip_model, openclip, write_openclip
from tests.core.huggingface_models import item, transformers, write_items

CLOSE = {"rtol": 0, "atol": 1e-5}


@pytest.mark.parametrize("act", ["quick_gelu", "gelu"])
@pytest.mark.parametrize("safe", [True, False])
@torch.no_grad()
def test_openclip(tmp_path, act, safe):
    model = clip_model(act=act)
    folder = write_openclip(tmp_path / "clip", model, safe=safe)
    encoder = open_encoder(f"file:{folder}")
    items = write_items(tmp_path)
    pictures = [encoder.load(x) for x in items["image"]]
    words = encoder.load(item("t", "text", "the robin sings"))

    assert encoder.name == "clip"
    assert words.tolist() == [CLIP_ENTRIES - 2, 2, 3, 6, CLIP_ENTRIES - 1]
    assert pictures[1].abs().max() <= 2  # its own mean and deviation, a half and a quarter
    seen = encoder.encode("image", pictures)
    output = model.vision_model(pixel_values=torch.stack(pictures), output_hidden_states=True)
    by_tap = dict(zip(encoder.taps, seen.tokens, strict=True))
    for number, x in enumerate(output.hidden_states):
        tap = "embed" if number == 0 else f"block_{number:02d}.resid"
        torch.testing.assert_close(by_tap[tap], x[:, 1:], **CLOSE)
    joint = encoder.taps.index("joint")
    features = model.get_image_features(pixel_values=torch.stack(pictures))
    features = getattr(features, "pooler_output", features)
    torch.testing.assert_close(
        seen.pooled[joint], torch.nn.functional.normalize(features, dim=1), **CLOSE
    )
    read = encoder.encode("text", [words])
    features = model.get_text_features(input_ids=words[None])
    features = getattr(features, "pooler_output", features)
    torch.testing.assert_close(
        read.pooled[joint], torch.nn.functional.normalize(features, dim=1), **CLOSE
    )


def test_openclip_without_a_tokenizer_sees_only(tmp_path):
    folder = write_openclip(tmp_path / "clip", clip_model(), tokenizer=False)
    encoder = open_encoder(f"file-image:{folder}")

    assert encoder.modalities == ("image",)
    same = open_encoder(f"file-image:{folder / 'open_clip_model.safetensors'}")
    assert same.hash == encoder.hash
    assert same.name == "open_clip_model"


def test_openclip_with_a_tower_of_its_own_for_texts(tmp_path):
    """Where the text tower is a module of its own, `text.` stands in front of its names."""
    model = clip_model()
    folder = write_openclip(tmp_path / "clip", model)
    plain = open_encoder(f"file:{folder}").hash
    weights = {
        n if n.startswith("visual.") or n == "logit_scale" else f"text.{n}": x
        for n, x in openclip(model.state_dict()).items()
    }
    (folder / "open_clip_model.safetensors").unlink()
    torch.save({"state_dict": weights}, folder / "open_clip_pytorch_model.bin")

    assert open_encoder(f"file:{folder}").hash == plain


def test_fresh_weights_and_half_precision(tmp_path):
    folder = write_openclip(tmp_path / "clip", clip_model())
    plain, fresh, half = (
        open_encoder(f"{n}:{folder}") for n in ("file", "file-random", "file-bf16")
    )

    assert (fresh.role, fresh.name) == ("random twin", "file-random:clip")
    assert not fresh.pairs_seen
    assert plain.pairs_seen
    assert len({plain.hash, fresh.hash, half.hash}) == 3


def test_clip_as_another_machine_computed_it(shared_file, tmp_path):
    golden = load_file(shared_file("golden/hf_clip.safetensors"))
    about = json.loads(shared_file("golden/hf_clip.json").read_text())["config"]
    config = transformers.CLIPConfig(**about)
    model = transformers.CLIPModel(config).eval()
    init = {n.removeprefix("init."): x for n, x in golden.items() if n.startswith("init.")}
    model.load_state_dict(init)
    width, heads = config.vision_config.hidden_size, config.vision_config.num_attention_heads
    folder = write_openclip(
        tmp_path / "clip",
        model,
        vision_cfg={"head_width": width // heads},
        text_cfg={"heads": config.text_config.num_attention_heads},
    )
    encoder = open_encoder(f"file:{folder}")
    states = encoder.encode("image", list(golden["input.pixel_values"]))

    expected = torch.nn.functional.normalize(golden["image_embeds"], dim=1)
    torch.testing.assert_close(states.pooled[encoder.taps.index("joint")], expected, **CLOSE)


def test_the_words_of_the_published_kind(tmp_path):
    """Pairs of letters, small ones, `</w>` behind a word: converted, the same entries."""
    folder = write_openclip(tmp_path / "clip", clip_model())
    pieces = ["o", "w", "l", "l</w>", "ow", "owl</w>", "<a>", "<b>", "<start>", "<end>"]
    assert len(pieces) == CLIP_ENTRIES
    model = models.BPE(
        {piece: n for n, piece in enumerate(pieces)},
        [("o", "w"), ("ow", "l</w>")],
        end_of_word_suffix="</w>",
        unk_token="<end>",
    )
    made = Tokenizer(model)
    made.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(["<start>", "<end>"])
    made.post_processor = processors.RobertaProcessing(
        ("<end>", CLIP_ENTRIES - 1), ("<start>", CLIP_ENTRIES - 2), add_prefix_space=False
    )
    made.save(str(folder / "tokenizer.json"))
    convert(str(folder), tmp_path / "out")

    for name in (f"file:{folder}", f"hf:{tmp_path / 'out'}"):
        ids = open_encoder(name).load(item("t", "text", "OWL"))
        assert ids.tolist() == [CLIP_ENTRIES - 2, 5, CLIP_ENTRIES - 1]
