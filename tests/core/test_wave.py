"""Raw sound from the file to a trained student."""

import dataclasses

import numpy as np
import pytest
import soundfile
import torch

from d2v_core.config import RunConfig
from d2v_core.data.batches import Collator, item_tensor
from d2v_core.data.folder import read_folder
from d2v_core.errors import MediaError
from d2v_core.metrics import read_metrics
from d2v_core.modality_config import ConvDecoderConfig, MaskConfig, TargetConfig, WaveConfig
from d2v_core.train import train
from tests.conftest import smallest

WAVE = WaveConfig(
    mask=MaskConfig(ratio=0.5, length=2, adjust=0.05, masks=2),
    decoder=ConvDecoderConfig(layers=2, kernel=3, width=16, groups=4),
    target=TargetConfig(layers=2),
    channels=16,
    position_groups=4,
    position_kernel=5,
    train_samples=3_200,
)
SPANS = dataclasses.replace(
    WAVE, objective="data2vec", mask=MaskConfig(ratio=0.65, shape="spans", length=3, masks=1)
)


def config_of(wave):
    return dataclasses.replace(smallest("tiny"), image=None, text=None, audio=wave)


@pytest.fixture
def folder(toys):
    return read_folder(toys)


def test_a_recording_is_normalised_as_a_whole_if_asked_for(folder):
    item = folder.of("audio")[0]
    samples = item_tensor(item, config_of(WAVE))
    plain = item_tensor(item, config_of(dataclasses.replace(WAVE, normalise=False)))

    assert samples.shape == plain.shape
    assert samples.mean().item() == pytest.approx(0, abs=1e-5)
    assert samples.std(correction=0).item() == pytest.approx(1, abs=1e-3)
    assert plain.abs().max() < 1


def test_a_recording_longer_than_the_most_is_cut(folder):
    short = dataclasses.replace(WAVE, max_samples=3_200)

    assert len(item_tensor(folder.of("audio")[0], config_of(short))) == 3_200


def test_a_recording_that_no_token_can_hear_is_named(tmp_path):
    soundfile.write(tmp_path / "click.wav", np.ones(399) / 2, 16_000)
    (tmp_path / "metadata.csv").write_text("audio_file_name\nclick.wav\n")
    item = read_folder(tmp_path).of("audio")[0]
    with pytest.raises(MediaError, match="lasts 399 samples; a token hears 400"):
        item_tensor(item, config_of(WAVE))


def test_batches_are_cropped_in_training_and_padded_otherwise(folder):
    config = config_of(WAVE)
    tensors = [item_tensor(item, config) for item in folder.of("audio")[:3]]
    collate = Collator(config, "audio")
    whole = collate(tensors)
    longest = max(len(x) for x in tensors)
    assert whole.values.shape == (3, longest)
    assert whole.grid == ((longest - 400) // 320 + 1,)

    generators = [torch.Generator().manual_seed(n) for n in range(3)]
    masked = collate.masked(tensors, generators=generators)
    assert masked.values.shape == (3, 3_200)
    assert masked.mask.shape == (6, 9)
    assert masked.mask.sum(dim=1).tolist() == [4] * 6


@pytest.mark.parametrize("wave", [WAVE, SPANS], ids=["data2vec2", "data2vec"])
def test_a_student_is_trained_on_raw_sound(wave, folder, tmp_path):
    config = config_of(wave)
    assert isinstance(config, RunConfig)
    train(folder, config, tmp_path / "run")
    last = read_metrics(tmp_path / "run")[-1]

    assert last["step"] == 6
    assert np.isfinite(last["audio/regression"])
    assert last["audio/effective_rank"] > 1
