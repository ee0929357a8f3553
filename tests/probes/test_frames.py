"""Frames of a recording are not independent, and the interval knows it."""

from statistics import NormalDist

import numpy as np
import pytest

from probes.frames import frame_probe, labels_at, thin_frames
from probes.intervals import wilson
from probes.linear import linear_probe
from probes.splits import Splits

FEW = (1e-3, 1.0)


def recordings_of(rng, count, *, frames=40, spread=1.5, classes=2):
    """Frames of recordings with a slow drift of their own; labels change within a recording.

    One channel tells the class; what a recording adds to it is the same in all of its frames.
    """
    names = np.repeat(np.arange(count), frames)
    labels = rng.integers(classes, size=count * frames)
    drift = spread * rng.normal(size=count)[names]
    x = np.stack(
        [2.0 * labels + drift + 0.3 * rng.normal(size=names.size), rng.normal(size=names.size)]
    )
    return x.T, labels, names


def splits_of(names, train, val, test):
    part = np.repeat(["train", "val", "test"], [train, val, test])[names]
    return Splits.from_column(part, names)


@pytest.mark.slow
def test_the_interval_over_recordings_covers_and_that_over_frames_does_not():
    """What the best threshold gets is known: Φ of half the distance over the deviation."""
    rng = np.random.default_rng(0)
    truth = NormalDist().cdf(1.0 / np.hypot(1.5, 0.3))
    hits, bca_hits, naive, effects = 0, 0, 0, []
    for _ in range(80):
        x, labels, names = recordings_of(rng, 130, frames=20)
        result = frame_probe(x, labels, splits_of(names, 60, 20, 50), rng=rng, penalties=(1e-3,))
        score = result.linear.accuracy
        assert score.method.startswith("accuracy; cluster bootstrap interval")
        hits += score.low <= truth <= score.high
        bca_hits += result.bca[0] <= truth <= result.bca[1]
        low, high = wilson(round(score.value * score.n), score.n)
        naive += low <= truth <= high
        effects.append(result.design_effect)

    assert hits / 80 >= 0.89
    assert bca_hits / 80 >= 0.89
    assert naive / 80 < 0.75
    assert np.mean(effects) > 3


def test_frames_that_are_independent_have_no_design_effect():
    rng = np.random.default_rng(0)
    x, labels, names = recordings_of(rng, 200, frames=20, spread=0.0)
    x[:, 0] += 1.5 * rng.normal(size=len(x))
    result = frame_probe(x, labels, splits_of(names, 60, 20, 120), rng=rng, penalties=FEW)

    assert result.design_effect == pytest.approx(1.0, abs=0.35)
    assert result.effective_frames == pytest.approx(2400 / result.design_effect)
    low, high = wilson(round(result.linear.accuracy.value * 2400), 2400)
    assert result.linear.accuracy.high - result.linear.accuracy.low == pytest.approx(
        high - low, rel=0.25
    )


def test_the_probe_is_the_linear_probe_on_the_kept_frames():
    rng = np.random.default_rng(0)
    x, labels, names = recordings_of(rng, 30, frames=100)
    splits = splits_of(names, 14, 6, 10)
    result = frame_probe(
        x, labels, splits, rng=np.random.default_rng(1), per_recording=10, penalties=FEW
    )
    thin = Splits(
        *(thin_frames(names, rows, 10) for rows in (splits.train, splits.val, splits.test)), names
    )

    assert result.frames == {"train": 140, "val": 60, "test": 100}
    assert result.recordings == {"train": 14, "val": 6, "test": 10}
    expected = linear_probe(x, labels, thin, penalties=FEW, rng=np.random.default_rng(1))
    assert result.linear == expected
    assert result.to_json()["per_recording"] == 10
    again = frame_probe(
        x, labels, splits, rng=np.random.default_rng(1), per_recording=10, penalties=FEW
    )
    assert again == result


def test_thinning_keeps_evenly_spaced_frames_of_each_recording():
    names = np.array(["b"] * 10 + ["a"] * 3 + ["b"] * 10)
    kept = thin_frames(names, np.arange(23), 5)

    np.testing.assert_array_equal(kept, [2, 6, 10, 11, 12, 13, 17, 21])
    np.testing.assert_array_equal(thin_frames(names, np.array([12, 1, 10]), 1), [1, 12])
    assert len(thin_frames(names, np.arange(23), 50)) == 23
    gaps = np.diff(thin_frames(np.zeros(10_000), np.arange(10_000), 50))
    assert (gaps == 200).all()


def test_frames_are_labelled_by_their_time():
    times = np.arange(6) * 0.5 + 0.25
    found = labels_at(
        times,
        np.array([0.5, 1.0]),
        np.array([1.5, 2.25]),
        np.array(["song", "call"]),
        outside="none",
    )

    assert found.tolist() == ["none", "song", "call", "call", "none", "none"]
    nothing = labels_at(times, np.array([]), np.array([]), np.array([]), outside="silence")
    assert nothing.tolist() == ["silence"] * 6


def test_a_probe_that_is_always_right():
    rng = np.random.default_rng(0)
    x, labels, names = recordings_of(rng, 40, frames=10, spread=0.0)
    x[:, 0] = 10.0 * labels
    result = frame_probe(x, labels, splits_of(names, 20, 10, 10), rng=rng, penalties=FEW)

    assert result.linear.accuracy.value == 1.0
    assert result.linear.accuracy.low == wilson(10, 10)[0]  # ten recordings, not a hundred frames
    assert result.bca is result.design_effect is result.effective_frames is None


def test_refusals():
    rng = np.random.default_rng(0)
    x, labels, names = recordings_of(rng, 6, frames=5)
    with pytest.raises(ValueError, match=r"^frames need the recording of each as groups of the sp"):
        frame_probe(x, labels, Splits(*np.array_split(np.arange(30), 3)), rng=rng)
    with pytest.raises(ValueError, match=r"^the test split has frames of one recording only: at"):
        frame_probe(x, labels, splits_of(names, 4, 1, 1), rng=rng)
    with pytest.raises(ValueError, match=r"^1 groups are in both train and test, the first is 0"):
        Splits(np.arange(4), np.arange(10, 12), np.array([4, 8]), np.minimum(names, 1))
    with pytest.raises(ValueError, match=r"^0 frames a recording leave nothing to probe; keep"):
        frame_probe(x, labels, splits_of(names, 2, 2, 2), rng=rng, per_recording=0)
    with pytest.raises(ValueError, match=r"^event 0 ends at 1.0 s, before it begins at 2.0 s$"):
        labels_at(np.ones(1), np.array([2.0]), np.array([1.0]), np.array(["a"]), outside="b")
