"""The published Base configurations: every number of them, and every parameter of the models."""

import json

import pytest
import torch

from d2v_core.learner import Learner
from d2v_core.presets import preset

# What the configuration files of the reference say, and what counts of it there.
PUBLISHED = {
    "base-image": {
        "trunk.dim": 768,
        "trunk.heads": 12,
        "trunk.mlp_ratio": 4,
        "trunk.prenet_depth": 2,
        "trunk.depth": 10,
        "trunk.norm_eps": 1e-6,
        "trunk.norm_first": False,
        "trunk.dropout": 0.0,
        "trunk.attention_dropout": 0.0,
        "trunk.layer_drop": 0.0,
        "image.dropout": 0.0,
        "image.alibi": False,
        "image.mask.masks": 16,
        "image.mask.ratio": 0.8,
        "image.mask.adjust": 0.07,
        "image.mask.length": 3,
        "image.mask.inverse": True,
        "image.smallest_crop": 0.2,
        "image.decoder.noise_std": 0.01,
        "image.decoder.layers": 6,
        "image.decoder.kernel": 3,
        "image.decoder.width": 768,
        "image.decoder.groups": 16,
        "image.decoder.residual": True,
        "image.target.layers": 10,
        "image.target.per_layer": "instance",
        "image.target.average": "layer",
        "image.loss_scale": "root",
        "image.loss_beta": 0.0,
        "image.cls_weight": 0.01 * 16 * 16,  # summed over the rows of a device there
        "teacher.ema_decay_start": 0.9998,
        "teacher.ema_decay_end": 0.99999,
        "teacher.ema_anneal_steps": 100_000,
        "optim.betas": (0.9, 0.95),
        "optim.weight_decay": 0.05,
        "optim.eps": 1e-8,
        "optim.lr": 1e-3,
        "optim.warmup_steps": 50_040,
        "optim.clip_norm": 4.0,
        "optim.batch": 16 * 16,
        "optim.steps": 375_300,
    },
    "base-audio": {
        "trunk.dim": 768,
        "trunk.heads": 12,
        "trunk.prenet_depth": 0,
        "trunk.depth": 12,
        "trunk.norm_eps": 1e-5,
        "trunk.dropout": 0.1,
        "trunk.attention_dropout": 0.1,
        "trunk.layer_drop": 0.05,
        "audio.front_end": "wave",
        "audio.channels": 512,
        "audio.conv_norm": "layer",
        "audio.position_layers": 5,
        "audio.position_kernel": 19,
        "audio.position_groups": 16,
        "audio.normalise": True,
        "audio.dropout": 0.1,
        "audio.alibi": True,
        "audio.mask.masks": 8,
        "audio.mask.ratio": 0.5,
        "audio.mask.adjust": 0.05,
        "audio.mask.length": 5,
        "audio.mask.inverse": False,
        "audio.decoder.noise_std": 0.01,
        "audio.decoder.layers": 4,
        "audio.decoder.kernel": 7,
        "audio.decoder.width": 384,
        "audio.decoder.groups": 16,
        "audio.decoder.dropout": 0.1,
        "audio.target.layers": 8,
        "audio.target.per_layer": "instance",
        "audio.target.average": None,
        "audio.loss_scale": "root",
        "audio.cls_weight": 0.0,
        "audio.max_samples": 320_000,
        "teacher.ema_decay_start": 0.999,
        "teacher.ema_decay_end": 0.99999,
        "teacher.ema_anneal_steps": 75_000,
        "optim.betas": (0.9, 0.98),
        "optim.weight_decay": 0.01,
        "optim.eps": 1e-6,
        "optim.lr": 7.5e-4,
        "optim.warmup_steps": 8_000,
        "optim.clip_norm": 0.0,
        "optim.steps": 400_000,
    },
    "base-text": {
        "trunk.dim": 768,
        "trunk.heads": 12,
        "trunk.prenet_depth": 0,
        "trunk.depth": 12,
        "trunk.norm_eps": 1e-5,
        "trunk.dropout": 0.1,
        "trunk.attention_dropout": 0.1,
        "trunk.layer_drop": 0.0,
        "text.size": 50_265,
        "text.max_tokens": 512,
        "text.position_std": 0.02,
        "text.dropout": 0.1,
        "text.alibi": False,
        "text.mask.masks": 8,
        "text.mask.ratio": 0.48,
        "text.mask.length": 1,
        "text.mask.inverse": True,
        "text.decoder.noise_std": 0.01,
        "text.decoder.layers": 5,
        "text.decoder.kernel": 9,
        "text.decoder.width": 768,
        "text.decoder.groups": 1,
        "text.decoder.residual": False,
        "text.decoder.projections": 2,
        "text.decoder.dropout": 0.1,
        "text.target.layers": 12,
        "text.target.per_layer": "instance",
        "text.target.average": None,
        "text.loss_scale": "sum",
        "text.cls_weight": 0.0,
        "teacher.ema_decay_start": 0.9999,
        "teacher.ema_decay_end": 0.99999,
        "teacher.ema_anneal_steps": 100_000,
        "optim.betas": (0.9, 0.98),
        "optim.weight_decay": 0.01,
        "optim.eps": 1e-6,
        "optim.lr": 2e-4,
        "optim.warmup_steps": 4_000,
        "optim.clip_norm": 1.0,
        "optim.batch": 16 * 4,
        "optim.steps": 1_000_000,
    },
}


def value_of(config, path):
    for name in path.split("."):
        config = getattr(config, name)
    return config


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_number_is_the_published_one(name):
    config = preset(name)
    wrong = {
        path: (value_of(config, path), wanted)
        for path, wanted in PUBLISHED[name].items()
        if value_of(config, path) != wanted
    }

    assert wrong == {}


def test_speech_has_500_seconds_a_step():
    config = preset("base-audio")

    assert config.optim.batch * config.audio.train_samples / 16_000 == 8 * 62.5


def on_paper(name):
    """Return the model without its numbers: shapes only."""
    with torch.device("meta"):
        return Learner(preset(name))


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("base-image", 85_797_888 - 196 * 768),  # the reference counts its fixed positions
        ("base-audio", 93_163_532),
        ("base-text", 124_054_272 - 2 * 768),  # two rows of its positions are never used
    ],
)
def test_the_encoders_have_the_published_number_of_parameters(name, count):
    assert sum(p.numel() for p in on_paper(name).student.parameters()) == count


@pytest.mark.parametrize("modality", ["image", "audio", "text"])
def test_every_shape_is_the_references(modality, shared_file):
    """As multisets: names differ, and so do what is counted above and the ALiBi scale's form."""
    theirs = json.loads(shared_file("golden/base_shapes.json").read_text())[modality]["params"]
    skipped = ("fixed_positional_encoder", "embed_positions", "alibi_scale")
    wanted = sorted(
        tuple(p["shape"]) for name, p in theirs.items() if not any(s in name for s in skipped)
    )
    ours = sorted(
        tuple(p.shape)
        for name, p in on_paper(f"base-{modality}").named_parameters()
        if p.numel() and not name.endswith(("tokens.positions.weight", "bias.scale"))
    )

    assert ours == wanted
