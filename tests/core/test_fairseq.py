"""Official checkpoints: every weight accounted for, and the layers as the reference computes them.

The released files cannot be had here. The files below are of their layout: with the reference's own
random weights and what it computed with them (golden), and made up, one for every variant.
"""

import math

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

from d2v_core.data.items import Item
from d2v_core.data.kaldi import eat_spectrogram
from d2v_core.encoders import open_encoder
from d2v_core.encoders.encoder import Encoder
from d2v_core.encoders.fairseq import IMAGENET_MEAN, IMAGENET_STD, official
from d2v_core.errors import CheckpointError
from d2v_core.inputs import Inputs
from d2v_core.modalities.positions import sincos_grid

DIM, HEADS = 32, 4
TOLERANCE = {"rtol": 0, "atol": 2e-5}


def saved(path, weights, *, average=None, **extra):
    """Write a file as fairseq does."""
    model = dict(weights) | ({} if average is None else {"_ema": average})
    cfg = {"model": {"_name": "data2vec_multi", "num_heads": HEADS}}
    torch.save({"args": None, "cfg": cfg, "model": model, **extra}, path)
    return path


def under(tensors, prefix):
    return {n.removeprefix(prefix): x for n, x in tensors.items() if n.startswith(prefix)}


def block(name, dim=DIM):
    shapes = {
        "norm1.weight": (dim,),
        "norm1.bias": (dim,),
        "attn.qkv.weight": (3 * dim, dim),
        "attn.qkv.bias": (3 * dim,),
        "attn.proj.weight": (dim, dim),
        "attn.proj.bias": (dim,),
        "norm2.weight": (dim,),
        "norm2.bias": (dim,),
        "mlp.fc1.weight": (4 * dim, dim),
        "mlp.fc1.bias": (4 * dim,),
        "mlp.fc2.weight": (dim, 4 * dim),
        "mlp.fc2.bias": (dim,),
    }
    return {f"{name}.{part}": shape for part, shape in shapes.items()}


def drawn(shapes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {n: torch.randn(shape, generator=generator) * 0.3 for n, shape in shapes.items()}


def picture_weights(*, prenet, depth, channels=3, rows=4, columns=4, seed=0):
    start = "modality_encoders.IMAGE."
    shapes = {
        f"{start}extra_tokens": (1, 1, DIM),
        f"{start}local_encoder.proj.weight": (DIM, channels, 16, 16),
        f"{start}local_encoder.proj.bias": (DIM,),
        f"{start}context_encoder.norm.weight": (DIM,),
        f"{start}context_encoder.norm.bias": (DIM,),
        f"{start}decoder.blocks.0.0.weight": (DIM, 2, 3, 3),
        f"{start}decoder.proj.weight": (DIM, DIM),
    }
    for number in range(prenet):
        shapes |= block(f"{start}context_encoder.blocks.{number}")
    for number in range(depth):
        shapes |= block(f"blocks.{number}")
    places = sincos_grid(rows, columns, DIM)[None]
    return drawn(shapes, seed) | {f"{start}fixed_positional_encoder.positions": places}


def pooled(encoder, seed=1):
    (modality,) = encoder.modalities
    generator = torch.Generator().manual_seed(seed)
    items = [torch.rand(3, 64, 64, generator=generator) * 2 - 1 for _ in range(3)]
    return encoder.encode(modality, items).pooled


@pytest.mark.parametrize("teacher", [False, True])
def test_pictures_as_the_reference_computes_them(shared_file, tmp_path, teacher):
    golden = load_file(shared_file("golden/image.safetensors"))
    path = saved(
        tmp_path / "image.pt",
        under(golden, "init.student."),
        average=under(golden, "init.ema."),
    )
    encoder = official(path, teacher=teacher, ffn=True)
    # What the reference takes is normalised by ImageNet's mean and deviation.
    mean, std = (torch.tensor(x)[:, None, None] for x in (IMAGENET_MEAN, IMAGENET_STD))
    pixels = (golden["input.source"] * std + mean) * 2 - 1
    states = encoder.encode("image", list(pixels))

    by_tap = dict(zip(encoder.taps, states.tokens, strict=True))
    if teacher:
        assert not torch.allclose(by_tap["block_04.resid"], golden["features.x"][:, 1:], atol=1e-3)
        return
    torch.testing.assert_close(by_tap["block_04.resid"], golden["features.x"][:, 1:], **TOLERANCE)
    for number in range(4):
        theirs = golden[f"features.ffn{number}"][:, 1:]
        torch.testing.assert_close(by_tap[f"block_{number + 1:02d}.ffn"], theirs, **TOLERANCE)


@pytest.mark.parametrize("name", ["audio", "audio_prenet2"])
def test_sounds_as_the_reference_computes_them(shared_file, tmp_path, name):
    golden = load_file(shared_file(f"golden/{name}.safetensors"))
    encoder = official(saved(tmp_path / "a.pt", under(golden, "init.student.")), ffn=True)
    source = golden["input.source"]
    inputs = Inputs(source, torch.full((len(source),), 49), (49,))
    states = encoder.encode_inputs("audio", inputs)

    by_tap = dict(zip(encoder.taps, states.tokens, strict=True))
    torch.testing.assert_close(by_tap["block_04.resid"], golden["features.x"], **TOLERANCE)
    for number in range(4):
        theirs = golden[f"features.ffn{number}"]
        torch.testing.assert_close(by_tap[f"block_{number + 1:02d}.ffn"], theirs, **TOLERANCE)


def test_texts_as_the_reference_computes_them(shared_file, tmp_path):
    golden = load_file(shared_file("golden/text.safetensors"))
    weights, average = under(golden, "init.student."), under(golden, "after3.ema.")
    path = saved(tmp_path / "text.pt", weights, average=average)
    encoder = official(path)
    source = golden["input.source"]
    inputs = Inputs(source, torch.full((len(source),), source.shape[1]), (source.shape[1],))
    states = encoder.encode_inputs("text", inputs)

    torch.testing.assert_close(states.tokens[-1], golden["features.x"], **TOLERANCE)
    # The teacher of texts is made of blocks only; the rest is the student's.
    teacher = official(path, teacher=True)
    expected = average["3.norm2.weight"]
    torch.testing.assert_close(teacher.student.trunks["text"].blocks[3].norm2.weight, expected)
    ours = teacher.student.prenets["text"].tokens.embedding.weight
    torch.testing.assert_close(
        ours, weights["modality_encoders.TEXT.local_encoder.embed_tokens.weight"]
    )


@pytest.mark.parametrize(("prenet", "depth"), [(2, 10), (0, 12)])
def test_the_number_of_blocks_comes_from_the_weights(tmp_path, prenet, depth):
    encoder = official(saved(tmp_path / "x.pt", picture_weights(prenet=prenet, depth=depth)))

    assert encoder.config.trunk.prenet_depth == prenet
    assert len(encoder.taps) == depth + 1
    assert encoder.config.image.size == 64
    assert isinstance(encoder, Encoder)


def test_half_precision_is_read_as_single(tmp_path):
    weights = picture_weights(prenet=0, depth=2)
    halves = {name: x.half() for name, x in weights.items()}
    whole, half = (
        official(saved(tmp_path / f"{n}.pt", w)) for n, w in (("a", weights), ("b", halves))
    )

    assert whole.hash != half.hash
    for a, b in zip(pooled(whole), pooled(half), strict=True):
        assert b.dtype == torch.float32
        torch.testing.assert_close(a, b, rtol=0, atol=2e-2)


@pytest.mark.parametrize(
    ("prefix", "heads"),
    [
        ("model.", ("model.fc_norm.weight", "model.head.weight", "fc_norm.bias", "head.bias")),
        ("w2v_encoder.w2v_model.", ("w2v_encoder.proj.weight", "w2v_encoder.proj.bias")),
        ("d2v_model.", ("proj.weight",)),
        ("model.", ("classification_heads.sst.dense.weight",)),
    ],
)
def test_fine_tuned_models_lose_prefix_and_head(tmp_path, prefix, heads):
    weights = picture_weights(prenet=1, depth=2)
    tuned = {f"{prefix}{name}": x for name, x in weights.items()}
    tuned |= {name: torch.zeros(3) for name in heads}
    plain, same = (
        official(saved(tmp_path / f"{n}.pt", w)) for n, w in (("a", weights), ("b", tuned))
    )

    assert plain.hash == same.hash


@pytest.mark.parametrize("name", ["positional_encoder.positions", "positional_encoder.pos_embed"])
def test_older_names_of_the_positions(tmp_path, name):
    weights = picture_weights(prenet=0, depth=2)
    start = "modality_encoders.IMAGE."
    places = weights.pop(f"{start}fixed_positional_encoder.positions")
    older = weights | {f"{start}{name}": places + 1.0}
    encoder = official(saved(tmp_path / "x.pt", older))

    torch.testing.assert_close(encoder.student.prenets["image"].tokens.positions, places[0] + 1.0)


def test_leftovers_of_training_are_dropped(tmp_path):
    weights = picture_weights(prenet=0, depth=2)
    start = "modality_encoders.IMAGE."
    left = (
        "shared_decoder.blocks.0",
        "recon_proj.weight",
        f"{start}encoder_mask",
        f"{start}alibi_bias",
    )
    more = weights | {name: torch.zeros(2) for name in left}

    assert (
        official(saved(tmp_path / "a.pt", weights)).hash
        == official(saved(tmp_path / "b.pt", more)).hash
    )


def test_scales_of_distance_in_four_dimensions(shared_file, tmp_path):
    golden = load_file(shared_file("golden/audio.safetensors"))
    weights = under(golden, "init.student.")
    name = "modality_encoders.AUDIO.alibi_scale"
    weights[name] = weights[name].reshape(1, HEADS, 1, 1)
    encoder = official(saved(tmp_path / "a.pt", weights))

    torch.testing.assert_close(encoder.student.prenets["audio"].bias.scale, weights[name].flatten())


def test_spectrograms_of_eat(tmp_path):
    weights = picture_weights(prenet=0, depth=2, channels=1, rows=12, columns=8)
    encoder = official(saved(tmp_path / "eat.pt", weights))
    assert encoder.modalities == ("audio",)
    assert encoder.config.audio.max_frames == 12 * 16
    soundfile.write(tmp_path / "a.wav", np.sin(np.arange(24_000) * 0.2).astype("float32"), 16_000)
    item = Item("a", "audio", tmp_path / "a.wav", None, "test", None, {})
    loaded = encoder.load(item)

    assert loaded.shape == (148, 128)  # 1 + (24,000 − 400) // 160
    alone = encoder.encode("audio", [loaded]).pooled[-1][0]
    beside = encoder.encode("audio", [loaded, torch.randn(190, 128)]).pooled[-1][0]
    torch.testing.assert_close(alone, beside, rtol=0, atol=1e-5)


def test_a_tone_is_loudest_where_its_pitch_is():
    """Kaldi's mel scale: 1127 ln(1 + f / 700), from 20 Hz to 8 kHz."""
    seconds = torch.arange(16_000) / 16_000
    heard = eat_spectrogram(torch.sin(2 * math.pi * 1000 * seconds), bins=128)
    low, high, tone = (1127 * math.log(1 + f / 700) for f in (20, 8000, 1000))
    expected = (tone - low) / (high - low) * 129 - 1

    assert heard.mean(dim=0).argmax().item() == pytest.approx(expected, abs=1)
    # Louder by 20 dB is more by ln 100 before the constants, and by ln 100 / (2 · 4.569) after.
    quiet = eat_spectrogram(0.1 * torch.sin(2 * math.pi * 1000 * seconds), bins=128)
    peak = int(heard[50].argmax())
    assert (heard - quiet)[50, peak].item() == pytest.approx(math.log(100) / 9.138, abs=1e-3)


def test_silence_is_the_least_number_there_is():
    """Kaldi takes the logarithm of no less than the smallest step above 1 in single precision."""
    heard = eat_spectrogram(torch.zeros(800), bins=128)
    expected = (math.log(2**-23) + 4.268) / (2 * 4.569)

    assert heard.shape == (3, 128)
    torch.testing.assert_close(heard, torch.full_like(heard, expected))


def test_a_weight_that_is_not_understood(tmp_path):
    weights = picture_weights(prenet=0, depth=2) | {"blocks.0.gamma_1": torch.zeros(DIM)}
    with pytest.raises(CheckpointError, match=r"x\.pt: .*blocks\.0\.gamma_1"):
        official(saved(tmp_path / "x.pt", weights))
    weights = picture_weights(prenet=0, depth=2) | {"mystery.weight": torch.zeros(DIM)}
    with pytest.raises(CheckpointError, match=r"mystery\.weight is not understood"):
        official(saved(tmp_path / "x.pt", weights))


@pytest.mark.parametrize(
    "name",
    [
        "blocks.1.norm2.bias",
        "modality_encoders.IMAGE.context_encoder.norm.weight",
        "blocks.0.norm1.weight",
    ],
)
def test_a_weight_that_is_missing(tmp_path, name):
    weights = picture_weights(prenet=0, depth=2)
    del weights[name]
    with pytest.raises(CheckpointError, match="(?i)missing|lacks"):
        official(saved(tmp_path / "x.pt", weights))


def test_a_teacher_that_is_not_there(tmp_path):
    path = saved(tmp_path / "x.pt", picture_weights(prenet=0, depth=2))
    with pytest.raises(CheckpointError, match="holds no teacher"):
        official(path, teacher=True)
    strange = saved(
        tmp_path / "y.pt",
        picture_weights(prenet=0, depth=2),
        average={"blocks.7.norm1.weight": torch.ones(DIM)},
    )
    with pytest.raises(
        CheckpointError, match=r"blocks\.7\.norm1\.weight, which its student has not"
    ):
        official(strange, teacher=True)


class Trap:
    """Would run something if it were unpickled."""

    def __reduce__(self):
        return print, ("the trap was sprung",)


@pytest.mark.parametrize("place", ["args", "extra_state"])
def test_no_pickle_is_executed(tmp_path, capsys, place):
    path = saved(tmp_path / "x.pt", picture_weights(prenet=0, depth=2), **{place: Trap()})
    with pytest.raises(CheckpointError, match="more than tensors and plain values"):
        official(path)
    assert "sprung" not in capsys.readouterr().out


def test_files_that_are_none(tmp_path):
    with pytest.raises(CheckpointError, match="no such file"):
        official(tmp_path / "nothing.pt")
    (tmp_path / "words.pt").write_text("not a checkpoint")
    with pytest.raises(CheckpointError, match="is damaged, and is not read"):
        official(tmp_path / "words.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(CheckpointError, match="has no `model`"):
        official(tmp_path / "list.pt")
    torch.save({"model": {"cls_token": torch.ones(1)}}, tmp_path / "mae.pt")
    with pytest.raises(CheckpointError, match="no data2vec 2.0 checkpoint.*cls_token"):
        official(tmp_path / "mae.pt")
    whole = saved(tmp_path / "whole.pt", picture_weights(prenet=0, depth=2)).read_bytes()
    for share in (0.1, 0.5, 0.99):
        (tmp_path / "cut.pt").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(CheckpointError, match="is damaged"):
            official(tmp_path / "cut.pt")


def test_heads_that_nothing_tells(tmp_path):
    weights = picture_weights(prenet=0, depth=2)
    torch.save({"model": weights}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="how many heads"):
        official(tmp_path / "x.pt")


def test_it_is_opened_by_name(tmp_path):
    path = saved(
        tmp_path / "x.pt",
        picture_weights(prenet=0, depth=2),
        average=picture_weights(prenet=0, depth=2, seed=3)
        | {"modality_encoders.IMAGE.decoder.proj.weight": torch.zeros(DIM, DIM)},
    )
    student, teacher = open_encoder(f"fairseq:{path}"), open_encoder(f"fairseq-ema:{path}")

    assert (student.name, teacher.name) == ("x", "x-ema")
    assert not torch.allclose(pooled(student)[-1], pooled(teacher)[-1])
