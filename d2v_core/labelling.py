"""Labels for a whole data folder: features of its recordings, k-means, a cluster id a frame."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from d2v_core.clusters import MFCC_RATE_HZ, k_means, mfcc, nearest_cluster
from d2v_core.config import RunConfig
from d2v_core.data.audio import decode_audio
from d2v_core.data.decoded import decoded
from d2v_core.data.folder import DataFolder
from d2v_core.data.items import Item
from d2v_core.encoders.run import trained
from d2v_core.errors import InputError
from d2v_core.labels import Clock, Labels, clock_of, cluster_settings, write_labels

MOST_FRAMES = 1_000_000
"""At most so many are kept for k-means: 4 GB of 1,024 channels."""


@dataclass(frozen=True)
class Source:
    """Where the frames that are clustered come from.

    Attributes:
        load: decodes an item; it is sent to other processes.
        frames: makes frames (frames, dim) of what was decoded; runs in this process.
        rate_hz: frames a second.
    """

    load: Callable[[Item], Tensor]
    frames: Callable[[Tensor], Tensor]
    rate_hz: float


def make_labels(
    folder: DataFolder,
    config: RunConfig,
    run: Path,
    *,
    source: Source,
    workers: int = 0,
    report: Callable[[int, int], None] = lambda _done, _of: None,
) -> Labels:
    """Cluster the training recordings of a folder and write the labels into a run.

    k-means is fitted on some of the recordings, in an order that depends on the seed alone, then
    every recording is labelled. Those that cannot be decoded get no labels: training skips them.

    Args:
        folder: its training recordings are labelled.
        config: of the run; `audio.clusters` says how many clusters there are, `seed` which.
        run: the run folder.
        source: what is clustered.
        workers: processes that decode; 0 decodes in this one.
        report: told how many recordings of how many are done.

    Raises:
        InputError: if there are no recordings, none can be decoded, or there are fewer frames than
            clusters.
    """
    settings = cluster_settings(config)
    assert settings is not None
    items = [item for item in folder.of("audio") if item.split == "train"]
    if not items:
        raise InputError(f"no audio items in the train split of {folder.root}")
    some = _shuffled(items, config.seed)[: max(1, round(settings.share * len(items)))]
    problem = ""
    total, frames, count = len(some) + len(items), list[Tensor](), 0
    for number, (item, found) in enumerate(_frames(some, source, workers), start=1):
        report(number, total)
        if isinstance(found, str):
            problem = f"audio of item {item.id}: {found}"
            continue
        frames.append(found.cpu())
        count += len(found)
        if count >= MOST_FRAMES:
            break
    if not frames:
        raise InputError(f"none of {len(some)} recordings can be decoded, for example {problem}")
    try:
        centroids = k_means(
            torch.cat(frames), settings.count, seed=config.seed, starts=settings.starts
        )
    except ValueError as error:
        raise InputError(
            f"{error}: so many have {len(frames)} of the {len(items)} recordings of {folder.root}; "
            "choose fewer clusters or a larger audio.clusters.share"
        ) from error
    sequences: dict[str, Tensor] = {}
    for number, (item, found) in enumerate(_frames(items, source, workers), start=1):
        if not isinstance(found, str):
            sequences[item.id] = nearest_cluster(found, centroids.to(found.device)).cpu()
        report(len(some) + number, total)
    labels = Labels(sequences, source.rate_hz, settings.count)
    write_labels(run, labels, centroids)
    return labels


def mfcc_source(config: RunConfig) -> Source:
    """Return MFCC of as much of a recording as the model hears."""
    load = partial(_mfcc, longest=_clock(config).longest_seconds)
    return Source(load, lambda frames: frames, MFCC_RATE_HZ)


def _mfcc(item: Item, longest: float) -> Float[Tensor, "frames 39"]:
    samples = torch.as_tensor(decode_audio(item.file, first_seconds=longest))
    return mfcc(samples[: round(longest * 16_000)])


def layer_source(run: Path, layer: int) -> Source:
    """Return the output of a block of a trained run, one frame a time step.

    The tokens of one time step of a spectrogram are averaged.

    Args:
        run: its newest checkpoint is taken.
        layer: 0 is the input of the first block, l the output of block l.

    Raises:
        CheckpointError: if there is no such run.
    """
    encoder = trained(run)

    def frames(tensor: Shaped[Tensor, "length ..."]) -> Float[Tensor, "steps dim"]:
        inputs = encoder.collators["audio"]([tensor]).to(encoder.device)
        tokens = encoder.encode_inputs("audio", inputs).tokens[layer]
        assert tokens is not None  # only the joint space, which comes last, has none
        return tokens[0].float().unflatten(0, (inputs.grid[0], -1)).mean(dim=1)

    return Source(encoder.load, frames, 1 / _clock(encoder.config).token_seconds)


def _frames(
    items: Sequence[Item], source: Source, workers: int
) -> Iterator[tuple[Item, Tensor | str]]:
    """Give the frames of each item, or why it cannot be decoded."""
    with closing(decoded(items, source.load, workers=workers)) as each:
        for item, found in zip(items, each, strict=True):
            yield item, found if isinstance(found, str) else source.frames(found)


def _shuffled(items: list[Item], seed: int) -> list[Item]:
    return sorted(items, key=lambda i: hashlib.sha256(f"{seed}|clusters|{i.id}".encode()).digest())


def _clock(config: RunConfig) -> Clock:
    if config.audio is None:
        raise InputError(f"this run has no audio; it was trained on {', '.join(config.modalities)}")
    return clock_of(config.audio)
