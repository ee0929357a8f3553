"""MFCC, k-means, and labels in time."""

import math

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from sklearn.cluster import MiniBatchKMeans

from d2v_core.clusters import MFCC_RATE_HZ, k_means, mfcc, nearest_cluster
from d2v_core.errors import CheckpointError, InputError
from d2v_core.labels import NO_LABEL, Labels, labels_file, read_labels, write_labels


def tone(hz, seconds=1.0, *, level=0.3):
    time = torch.arange(round(seconds * 16000), dtype=torch.float64) / 16000
    return (level * torch.sin(2 * math.pi * hz * time)).float()


def noise(samples, *, level=0.1, seed=0):
    return torch.randn(samples, generator=torch.Generator().manual_seed(seed)) * level


@pytest.mark.parametrize(
    ("samples", "frames"), [(1, 1), (399, 1), (400, 1), (559, 1), (560, 2), (16000, 98)]
)
def test_mfcc_are_39_numbers_a_hundred_times_a_second(samples, frames):
    assert mfcc(noise(samples)).shape == (frames, 39)
    assert MFCC_RATE_HZ == 100


def test_no_samples_have_no_mfcc():
    with pytest.raises(ValueError, match="no samples"):
        mfcc(torch.zeros(0))


def test_a_steady_sound_has_equal_frames_and_does_not_change():
    """A tone of 1000 Hz repeats every 16 samples, so every frame, 160 further on, is the same."""
    found = mfcc(tone(1000))

    torch.testing.assert_close(found, found[:1].expand_as(found), atol=2e-3, rtol=0)
    assert found[:, 13:].abs().max() < 2e-3
    assert found[:, :13].abs().max() > 5


def test_loudness_moves_nothing_but_coefficient_0():
    """Twice the amplitude adds 2 ln 2 to every one of the 23 log-mel values: √23 · 2 ln 2 there."""
    sound = noise(8000)
    change = mfcc(2 * sound) - mfcc(sound)

    torch.testing.assert_close(change[:, 0], torch.full((48,), math.sqrt(23) * 2 * math.log(2)))
    assert change[:, 1:].abs().max() < 1e-3


def test_a_sound_that_fades_has_a_constant_slope_and_no_curve():
    """Under rᵗ a frame is r¹⁶⁰ times the one before: its coefficient 0 falls by √23 · 320 ln r."""
    decay = 0.9998 ** torch.arange(16000, dtype=torch.float64)
    carrier = noise(160, level=1.0).double().repeat(100)  # no mel bin is empty
    inside = mfcc((carrier * decay).float())[5:-5]  # at the ends frames are repeated

    slope = math.sqrt(23) * 320 * math.log(0.9998)
    torch.testing.assert_close(inside[:, 13], torch.full((88,), slope), atol=1e-3, rtol=0)
    assert inside[:, 14:].abs().max() < 2e-3


def test_two_tones_are_two_clusters():
    low, high = mfcc(tone(300) + noise(16000, level=1e-3)), mfcc(tone(3000) + noise(16000))
    ids = nearest_cluster(torch.cat([low, high]), k_means(torch.cat([low, high]), 2, seed=0))

    assert ids[:98].unique().numel() == 1
    assert ids[98:].unique().numel() == 1
    assert ids[0] != ids[-1]


def blobs(count, *, frames=200, dim=6, spread=0.1):
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 5, (count, dim))
    points = np.repeat(centres, frames, axis=0) + rng.normal(0, spread, (count * frames, dim))
    return torch.from_numpy(centres).float(), torch.from_numpy(points).float()


def test_k_means_finds_the_centres_of_well_separated_blobs():
    centres, points = blobs(8)
    found = k_means(points, 8, seed=1)

    nearest = torch.cdist(centres, found).min(dim=1)
    assert nearest.values.max() < 0.05
    assert nearest.indices.unique().numel() == 8


def test_k_means_repeats_with_its_seed_and_not_with_another():
    points = torch.randn(3000, 5)
    first = k_means(points, 30, seed=1, starts=1)

    assert torch.equal(first, k_means(points, 30, seed=1, starts=1))
    assert not torch.equal(first, k_means(points, 30, seed=2, starts=1))


def test_k_means_has_hubert_s_settings(monkeypatch):
    """Read off what scikit-learn is given: a cluster that is not started anew is hard to see."""
    given = {}

    def fit(self, points):
        given.update(self.get_params())
        self.cluster_centers_ = points[: self.n_clusters]
        return self

    monkeypatch.setattr(MiniBatchKMeans, "fit", fit)
    k_means(torch.randn(50, 3), 4, seed=7)

    wanted = {
        "n_clusters": 4,
        "init": "k-means++",
        "max_iter": 100,
        "batch_size": 10_000,
        "tol": 0.0,
        "max_no_improvement": 100,
        "n_init": 20,
        "reassignment_ratio": 0.0,
        "random_state": 7,
    }
    assert wanted.items() <= given.items()


def test_more_clusters_than_frames_are_refused():
    with pytest.raises(ValueError, match="3 frames cannot make 4 clusters"):
        k_means(torch.randn(3, 2), 4, seed=0)


def test_the_nearest_cluster_is_what_scikit_learn_predicts():
    points = torch.randn(40_000, 39) * torch.linspace(0.1, 30, 39)
    fitted = MiniBatchKMeans(50, n_init=1, random_state=0).fit(points.numpy())
    ids = nearest_cluster(points, torch.from_numpy(fitted.cluster_centers_))

    assert np.array_equal(ids.numpy(), fitted.predict(points.numpy()))
    assert ids.unique().numel() == 50


def test_a_centroid_belongs_to_itself_however_far_off():
    centroids = torch.randn(100, 8) * 3 + 20

    assert torch.equal(nearest_cluster(centroids, centroids), torch.arange(100))


def labels(count=10, *, rate_hz=100.0):
    return Labels({"a": torch.arange(count)}, rate_hz, 500)


def test_at_100_hz_a_token_of_20_ms_gets_every_second_label():
    assert labels().of_tokens("a", tokens=4, token_seconds=320 / 16000).tolist() == [0, 2, 4, 6]


def test_at_the_rate_of_the_tokens_labels_are_taken_one_by_one():
    found = labels(rate_hz=50.0).of_tokens("a", tokens=10, token_seconds=0.02)

    assert found.tolist() == list(range(10))


def test_a_ratio_that_is_no_whole_number_is_rounded_down():
    """1.5 labels a token: ⌊0⌋, ⌊1.5⌋, ⌊3⌋, ⌊4.5⌋."""
    assert labels().of_tokens("a", tokens=4, token_seconds=0.015).tolist() == [0, 1, 3, 4]


@pytest.mark.parametrize("rate_hz", [100.0, 50.0, 6.25, 30.0, 1 / 0.07])
@pytest.mark.parametrize("whole", [1, 2, 7, 16])
def test_a_whole_ratio_is_not_rounded_to_the_label_before(rate_hz, whole):
    """Products of seconds and rates come out as 6.999…; token t still has label t · ratio."""
    found = labels(16 * 60, rate_hz=rate_hz).of_tokens(
        "a", tokens=50, token_seconds=whole / rate_hz
    )

    assert found.tolist() == [t * whole for t in range(50)]


def test_a_rate_that_is_no_sum_of_powers_of_two_loses_no_label():
    """Patches of nine frames: 1 / 0.09 · 0.09 comes out as 0.9999999999999999."""
    found = labels(50, rate_hz=1 / 0.09).of_tokens("a", tokens=50, token_seconds=0.09)

    assert 1 / 0.09 * 0.09 < 1
    assert found.tolist() == list(range(50))


def test_tokens_after_the_last_label_have_none():
    found = labels(5).of_tokens("a", tokens=5, token_seconds=0.02)

    assert found.tolist() == [0, 2, 4, NO_LABEL, NO_LABEL]


def test_a_crop_has_the_labels_of_its_place():
    """It begins at round(0.034 s · 100 Hz) = 3."""
    found = labels().of_tokens("a", tokens=4, token_seconds=0.02, start_seconds=0.034)

    assert found.tolist() == [3, 5, 7, 9]


@pytest.mark.parametrize(("seconds", "rate_hz"), [(0.19, 100.0), (0.01, 100.0), (1.75, 6.25)])
def test_lengths_that_agree_within_a_tenth_of_a_second_or_one_label_are_accepted(seconds, rate_hz):
    labels(rate_hz=rate_hz).check_length("a", seconds)


@pytest.mark.parametrize(("seconds", "rate_hz"), [(0.21, 100.0), (0.09, 50.0), (1.4, 6.25)])
def test_labels_of_another_length_are_refused(seconds, rate_hz):
    with pytest.raises(InputError, match=r"made at another rate or for another file") as error:
        labels(rate_hz=rate_hz).check_length("a", seconds)

    assert f"audio of item a lasts {seconds:.2f} s, but its labels " in str(error.value)


def test_a_recording_without_labels_is_named():
    with pytest.raises(InputError, match="audio of item b has no labels; the data changed since"):
        labels().of_tokens("b", tokens=1, token_seconds=0.02)


@pytest.mark.parametrize(("clusters", "kind"), [(32768, torch.int16), (32769, torch.int32)])
def test_labels_are_read_as_they_were_written(clusters, kind, tmp_path):
    sequences = {"a/1": torch.tensor([0, 5, clusters - 1]), "__metadata__": torch.tensor([2])}
    centroids = torch.randn(4, 39)
    write_labels(tmp_path / "run", Labels(sequences, 6.25, clusters), centroids)
    found = read_labels(tmp_path / "run")

    assert (found.rate_hz, found.clusters) == (6.25, clusters)
    assert set(found.sequences) == set(sequences)
    for name, ids in sequences.items():
        assert found.sequences[name].dtype == kind
        assert torch.equal(found.sequences[name].long(), ids)
    assert torch.equal(load_file(tmp_path / "run" / "clusters.safetensors")["centroids"], centroids)
    with safe_open(labels_file(tmp_path / "run"), framework="pt") as file:
        assert file.metadata() == {"rate_hz": "6.25", "clusters": str(clusters)}
    assert not list((tmp_path / "run").glob("*.part"))


def test_labels_that_are_not_there_are_missed(tmp_path):
    with pytest.raises(CheckpointError, match=r"labels\.safetensors is missing; start a new run"):
        read_labels(tmp_path)


def test_labels_that_are_broken_are_refused(tmp_path):
    write_labels(tmp_path, labels(), torch.zeros(2, 39))
    file = labels_file(tmp_path)
    file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(CheckpointError, match=r"labels\.safetensors cannot be read"):
        read_labels(tmp_path)


def test_a_file_of_tensors_without_rate_holds_no_labels(tmp_path):
    save_file({"item/a": torch.zeros(1)}, labels_file(tmp_path))
    with pytest.raises(CheckpointError, match="cannot be read: 'rate_hz'"):
        read_labels(tmp_path)
