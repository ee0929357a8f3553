"""Probing frames of recordings: split by recording, thinned, and judged by recordings.

Frames of one recording resemble each other. A thousand of them are not a thousand trials, and a
probe that is tested on frames of a recording it was fitted on measures the recording.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped

from probes.checks import check_same_length, number_labels
from probes.intervals import percentile_and_bca
from probes.linear import PENALTIES, LinearResult, linear_probe
from probes.predictions import linear_predictions
from probes.result import Plain, to_plain
from probes.splits import PARTS, Splits

PER_RECORDING = 50
"""Frames kept of a recording, evenly spaced."""


@dataclass(frozen=True, kw_only=True)
class FrameResult:
    """What a linear probe reads from single frames at one layer."""

    linear: LinearResult
    """The probe; its accuracy counts frames, its interval draws recordings."""

    bca: tuple[float, float] | None
    """The same interval, bias-corrected and accelerated; None if recordings do not differ."""

    design_effect: float | None
    """Variance of the accuracy over what it would be if frames were independent; None if they are
    all right or all wrong."""

    effective_frames: float | None
    """Independent frames that would carry as much: test frames / design effect."""

    recordings: Mapping[str, int]
    """In train, val and test."""

    frames: Mapping[str, int]
    """Kept of them."""

    per_recording: int

    def to_json(self) -> Plain:
        """Return the result as plain JSON."""
        return to_plain(self)


def frame_probe(
    x: Float[np.ndarray, "frames dim"],
    labels: Shaped[np.ndarray, " labelled"],
    splits: Splits,
    *,
    rng: np.random.Generator,
    per_recording: int = PER_RECORDING,
    penalties: Sequence[float] = PENALTIES,
) -> FrameResult:
    """Fit the linear probe on thinned frames and report it with an interval over recordings.

    Args:
        x: valid frames of all recordings at one layer; within a recording in order of time.
        labels: one a frame, see `labels_at`.
        splits: rows of each part, with the recording of every frame as groups, so that none
            straddles two parts.
        rng: draws recordings.
        per_recording: frames kept of a recording, in train, val and test alike: a long recording
            counts no more than a short one.
        penalties: candidates for λ.

    Returns:
        The probe, its intervals, and how much the frames of a recording resemble each other.

    Raises:
        ValueError: if the splits name no recordings, test has fewer than two, or labels do not fit.
    """
    check_same_length(x, labels, "labels")
    if splits.groups is None:
        raise ValueError(
            "frames need the recording of each as groups of the splits: they are split and judged "
            "by recording"
        )
    check_same_length(x, splits.groups, "recordings")
    if len(np.unique(splits.groups[splits.test])) < 2:
        raise ValueError("the test split has frames of one recording only: at least 2 are needed")
    names = splits.groups
    train, val, test = (thin_frames(names, getattr(splits, part), per_recording) for part in PARTS)
    thin = Splits(train, val, test, names)
    codes, _ = number_labels(labels)
    found = linear_probe(x, codes, thin, penalties=penalties, rng=rng)
    right = linear_predictions(x, codes, thin, penalty=found.penalty).right.astype(np.float64)
    bca, effect = _clustering(right, names[test], rng)
    return FrameResult(
        linear=found,
        bca=bca,
        design_effect=effect,
        effective_frames=None if effect is None else len(right) / effect,
        recordings={part: len(np.unique(names[getattr(thin, part)])) for part in PARTS},
        frames={part: len(getattr(thin, part)) for part in PARTS},
        per_recording=per_recording,
    )


def thin_frames(
    recordings: Shaped[np.ndarray, " frames"], rows: Int[np.ndarray, " rows"], most: int
) -> Int[np.ndarray, " kept"]:
    """Keep at most so many frames of every recording, evenly spaced from its first to its last.

    Args:
        recordings: the recording of every frame.
        rows: frames to choose from; frames of a recording are in order of time.
        most: frames kept of a recording; shorter ones are kept whole.

    Returns:
        The rows that are kept, in rising order.

    Raises:
        ValueError: if `most` is not positive.
    """
    if most < 1:
        raise ValueError(f"{most} frames a recording leave nothing to probe; keep at least 1")
    ordered = np.sort(rows)
    codes = np.unique(recordings[ordered], return_inverse=True)[1]
    by_recording = np.split(
        ordered[np.argsort(codes, kind="stable")], np.cumsum(np.bincount(codes))[:-1]
    )
    kept = []
    for own in by_recording:
        # the middles of `most` equal stretches
        places = ((np.arange(most) + 0.5) * len(own) / most).astype(np.int64)
        kept.append(own if len(own) <= most else own[places])
    return np.sort(np.concatenate(kept))


def labels_at(
    times_s: Float[np.ndarray, " frames"],
    starts_s: Float[np.ndarray, " events"],
    ends_s: Float[np.ndarray, " events"],
    names: Shaped[np.ndarray, " events"],
    *,
    outside: str,
) -> Shaped[np.ndarray, " frames"]:
    """Return what is annotated at the time of every frame of one recording.

    Args:
        times_s: middle of every frame, in seconds.
        starts_s: beginning of every annotated event, in seconds.
        ends_s: its end; a frame at the end is outside.
        names: label of every event; where events overlap the later one in the list counts.
        outside: label of frames in no event.

    Returns:
        One label a frame.

    Raises:
        ValueError: if an event ends before it begins.
    """
    bad = np.flatnonzero(~(ends_s >= starts_s))
    if bad.size:
        raise ValueError(
            f"event {bad[0]} ends at {ends_s[bad[0]]} s, before it begins at {starts_s[bad[0]]} s"
        )
    found = np.array([outside] * len(times_s), dtype=object)
    for start, end, name in zip(starts_s, ends_s, names, strict=True):
        found[(times_s >= start) & (times_s < end)] = str(name)
    return found.astype(str)


def _clustering(
    right: Float[np.ndarray, " frames"],
    recordings: Shaped[np.ndarray, " frames"],
    rng: np.random.Generator,
) -> tuple[tuple[float, float] | None, float | None]:
    """Return the BCa interval over recordings, and by how much they inflate the variance."""
    codes = np.unique(recordings, return_inverse=True)[1]
    share, units = float(right.mean()), int(codes.max()) + 1
    if share in (0.0, 1.0):
        return None, None
    sums = np.bincount(codes, weights=right - share)
    clustered = units / (units - 1) * float(np.sum(sums**2))
    try:
        _, bca = percentile_and_bca(right, rng=rng, groups=recordings)
    except ValueError:  # every recording has the same share
        bca = None
    return bca, clustered / (len(right) * share * (1 - share))
