"""HuBERT's settings: what is refused, and what the presets say."""

import dataclasses

import pytest

from d2v_core.errors import ConfigError
from d2v_core.modality_config import ClusterConfig
from d2v_core.presets import preset


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": 1}, "clusters must be at least 2, got count=1 and first_count=100"),
        ({"first_count": 0}, "clusters must be at least 2, got count=500 and first_count=0"),
        ({"share": 0.0}, "share must lie above 0 and up to 1, got 0.0"),
        ({"starts": 0}, "starts must be at least 1, got 0"),
        ({"dim": 0}, "dim of the class vectors must be at least 1, got 0"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        ClusterConfig(**settings)


def test_the_layer_has_to_be_there():
    run = preset("tiny-hubert")
    audio = dataclasses.replace(run.audio, clusters=ClusterConfig(layer=5))
    with pytest.raises(ConfigError, match=r"clusters\.layer=5, but the trunk has depth=4 blocks"):
        dataclasses.replace(run, audio=audio)


def test_the_base_preset_is_what_was_published():
    run = preset("base-audio-hubert")
    audio = run.audio

    assert run.modalities == ("audio",)
    assert (run.trunk.dim, run.trunk.depth, run.trunk.layer_drop) == (768, 12, 0.05)
    assert (audio.conv_norm, audio.normalise, audio.feature_gradient) == ("group", False, 0.1)
    assert (audio.positions, audio.position_kernel, audio.alibi) == ("single", 128, False)
    assert (audio.mask.shape, audio.mask.ratio, audio.mask.length) == ("spans", 0.8, 10)
    assert (audio.mask.least, audio.mask.masks) == (2, 1)
    assert (audio.clusters.first_count, audio.clusters.count) == (100, 500)
    assert (run.optim.lr, run.optim.warmup_steps, run.optim.steps) == (5e-4, 32_000, 400_000)


def test_small_presets_mask_whole_moments():
    audio = preset("tiny-hubert").audio

    assert audio.patch_bins == audio.bins
    assert audio.patch_frames * audio.mask.length == 20  # 200 ms
