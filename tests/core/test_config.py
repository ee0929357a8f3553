"""Settings: a round trip, refusals with the remedy, and presets that are what they are called."""

import json

import pytest

from d2v_core.config import (
    OptimConfig,
    PairConfig,
    RunConfig,
    TrunkConfig,
    from_json,
    override,
    to_json,
)
from d2v_core.errors import ConfigError
from d2v_core.learner import Learner
from d2v_core.modality_config import ImageConfig, MaskConfig, MelConfig, WaveConfig
from d2v_core.presets import OBJECTIVES, SIZES, preset

MASK = MaskConfig(ratio=0.8)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "arm",
    ["separate", "shared-pairs-25", "latent-5", "contrastive", "random", *OBJECTIVES],
)
def test_settings_survive_json(size, arm):
    if arm == "hubert" and preset(size).audio is None:
        with pytest.raises(ConfigError, match="hubert predicts clusters of sounds, but the run"):
            preset(f"{size}-{arm}")
        return
    config = preset(f"{size}-{arm}")

    assert from_json(json.loads(json.dumps(to_json(config)))) == config


def test_arms_differ_in_what_they_are_named_after():
    assert not preset("separate").share_trunk
    assert preset("tiny") == preset("separate") == preset("tiny-separate")
    assert preset("shared").share_trunk
    assert preset("shared").pairs.fraction == 0
    assert preset("shared-pairs-25").pairs.fraction == 0.25
    assert preset("shuffled-25").pairs == PairConfig(fraction=0.25, shuffled=True)
    assert preset("contrastive").image.objective is None
    assert preset("contrastive").pairs.fraction == 1.0
    assert preset("random").optim.steps == 0
    assert preset("small").trunk.dim > preset("tiny").trunk.dim
    assert preset("latent-50").pairs.latent_weight > 0
    assert preset("latent-50").pairs.weight == 0
    assert preset("tiny-reconstruct-shared").share_trunk
    assert preset("reconstruct").text.objective == "reconstruct"
    assert preset("small-data2vec").audio.objective == "data2vec"


@pytest.mark.parametrize(
    "name", ["huge", "shared-pairs", "shared-pairs-101", "separate-5", "shuffled", "tiny-huge"]
)
def test_there_is_no_such_preset(name):
    with pytest.raises(ConfigError, match=f"there is no preset '{name}'; a name is SIZE, OBJECT"):
        preset(name)


def test_a_modality_can_be_left_out():
    assert override(preset("tiny"), {"text": "none"}).modalities == ("image", "audio")


def test_an_unknown_objective_is_refused():
    config = override(preset("tiny"), {"audio.objective": "guess"})
    with pytest.raises(ConfigError, match="no objective 'guess'; choose from data2vec, data2vec2"):
        Learner(config)


def test_raw_sound_hears_something():
    with pytest.raises(ConfigError, match=r"train_samples=399 .* 400 <= train_samples <= max"):
        WaveConfig(mask=MASK, train_samples=399)


def test_pairs_that_teach_nothing_are_refused():
    with pytest.raises(ConfigError, match="pairs are used but teach nothing: weight and latent_w"):
        PairConfig(fraction=0.5, weight=0.0)


def test_overrides_are_typed_and_checked():
    config = override(preset("tiny"), {"optim.lr": "5e-4", "trunk.depth": "6", "seed": "7"})

    assert (config.optim.lr, config.trunk.depth, config.seed) == (5e-4, 6, 7)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optim.speed": "1"}, "there is no setting optim.speed; choose from steps, batch"),
        ({"nosuch.lr": "1"}, "there is no setting nosuch.lr"),
        ({"optim.lr": "fast"}, r"setting optim.lr: .*got 'fast'"),
        ({"trunk.dim": "130"}, "dim=130 does not divide into 4 heads"),
        (
            {"trunk.depth": "2"},
            r"image.target.layers=3, but the trunk has depth=2 blocks; choose 1 <= target.layers",
        ),
        ({"image.target.layers": "0"}, "target layers must be at least 1, got 0"),
        ({"image.decoder.depth": "3"}, "there is no setting image.decoder.depth; choose from kind"),
        ({"audio.bins": "many"}, r"setting audio.bins: .*got 'many'"),
        ({"text.size": "300"}, "a vocabulary of bytes has 256 entries, not 300"),
        ({"text.max_tokens": "1"}, "max_tokens must be at least 2, got 1"),
        ({"optim.accumulate": "0"}, "accumulate must be at least 1, got 0"),
        ({"text.mask.shape": "spans", "text.mask.inverse": "1"}, "only blocks can be what stays"),
        ({"image": "none", "audio": "none", "text": "none"}, "needs at least one of image, audio"),
        ({"image.patch": "7"}, "pictures of 64 pixels do not divide into patches of 7"),
        ({"audio.patch_bins": "10"}, "64 mel bins do not divide into patches of 10"),
        ({"audio.train_frames": "99"}, "must be multiples of patch_frames=16"),
        ({"pairs.fraction": "1.5"}, "pair fraction must be from 0 to 1, got 1.5"),
        ({"optim.lr": "0"}, "lr must be positive"),
    ],
)
def test_what_cannot_work_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        override(preset("tiny"), settings)


def test_settings_of_another_version_are_refused():
    values = to_json(preset("tiny"))
    values["trunk"]["rotary"] = True
    with pytest.raises(ConfigError, match="there is no setting trunk.rotary; trunk has dim,"):
        from_json(values)


def test_a_run_needs_a_modality():
    with pytest.raises(ConfigError, match="needs at least one of image, audio and text"):
        RunConfig(trunk=TrunkConfig())


def test_a_run_needs_something_to_learn():
    with pytest.raises(ConfigError, match="nothing to learn: no modality has an objective and no"):
        RunConfig(image=ImageConfig(mask=MASK, objective=None), optim=OptimConfig(steps=1))


def test_a_modality_that_a_run_does_not_have():
    run = RunConfig(audio=MelConfig(mask=MASK))

    assert run.modalities == ("audio",)
    with pytest.raises(ConfigError, match="this run has no image; it was trained on audio"):
        run.of("image")
