"""Labels in time: a sequence of cluster ids for every recording, and what a token gets of it.

RUN/
├── clusters.safetensors      the centroids
└── labels.safetensors        one sequence a recording; its metadata has the rate and the number
                              of clusters. It is written last: where it is, all is there
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from d2v_core.config import RunConfig
from d2v_core.data.audio import SAMPLE_RATE_HZ
from d2v_core.errors import CheckpointError, InputError
from d2v_core.inputs import Inputs
from d2v_core.modality_config import ClusterConfig, MelConfig, WaveConfig

NO_LABEL = -1
"""Stands where a token has no label; such tokens are not predicted."""

TOLERANCE_SECONDS = 0.1
"""How much the lengths of a recording and of its labels may differ."""

MEL_HOP_SECONDS = 0.01
"""From one frame of a spectrogram to the next."""

_PREFIX = "item/"  # no id can then be mistaken for the file's own entries


class Clock(NamedTuple):
    """How a front end for sound counts time.

    Attributes:
        unit_seconds: from one entry of its input to the next, samples or frames of a spectrogram.
        token_seconds: from one token to the next; those of one time step count as one.
        longest_seconds: how much of a recording it hears at most.
    """

    unit_seconds: float
    token_seconds: float
    longest_seconds: float


def clock_of(config: MelConfig | WaveConfig) -> Clock:
    """Return how a front end counts time."""
    if isinstance(config, WaveConfig):
        unit, stride, longest = 1 / SAMPLE_RATE_HZ, 320, config.max_samples
    else:
        unit, stride, longest = MEL_HOP_SECONDS, config.patch_frames, config.max_frames
    return Clock(unit, unit * stride, unit * longest)


@dataclass(frozen=True)
class Labels:
    """The cluster ids of the recordings of a data folder.

    Attributes:
        sequences: by the item's id, one entry every 1 / `rate_hz` seconds.
        rate_hz: labels a second.
        clusters: how many ids there are; every label is less.
    """

    sequences: Mapping[str, Int[Tensor, " labels"]]
    rate_hz: float
    clusters: int

    def of_tokens(
        self, item_id: str, *, tokens: int, token_seconds: float, start_seconds: float = 0.0
    ) -> Int[Tensor, " tokens"]:
        """Return the labels of a stretch of a recording, one a token.

        The stretch begins at label s = round(start · rate); token t has label s + ⌊t · ratio⌋ with
        ratio = rate · seconds a token. Tokens after the last label get NO_LABEL.

        Args:
            item_id: which recording.
            tokens: of the stretch.
            token_seconds: from one token to the next.
            start_seconds: where the stretch begins.

        Raises:
            InputError: if the recording has no labels.
        """
        labels = self._of(item_id)
        ratio = self.rate_hz * token_seconds
        steps = torch.arange(tokens, dtype=torch.float64) * ratio
        # A ratio of 2 may come out as 1.999…; a millionth of a label is no time at all.
        places = round(self.rate_hz * start_seconds) + (steps + 1e-6).floor().long()
        found = labels[places.clamp(max=len(labels) - 1)].long()
        return torch.where(places < len(labels), found, NO_LABEL)

    def of_batch(
        self, ids: Sequence[str], starts: Sequence[int], inputs: Inputs, clock: Clock
    ) -> Int[Tensor, "items tokens"]:
        """Return the labels of a batch; all tokens of a time step have the label of the step.

        Args:
            ids: of the items.
            starts: where each was cut, in entries of the input.
            inputs: the batch; padding gets NO_LABEL.
            clock: of the front end.
        """
        steps = inputs.grid[0]
        rows = [
            self.of_tokens(
                item_id,
                tokens=steps,
                token_seconds=clock.token_seconds,
                start_seconds=start * clock.unit_seconds,
            )
            for item_id, start in zip(ids, starts, strict=True)
        ]
        labels = torch.stack(rows).repeat_interleave(inputs.tokens // steps, dim=1)
        padding = torch.arange(inputs.tokens) >= inputs.lengths[:, None]
        return labels.masked_fill(padding, NO_LABEL)

    def check_length(self, item_id: str, seconds: float) -> None:
        """Refuse labels that do not last as long as their recording.

        Raises:
            InputError: if the lengths differ by more than TOLERANCE_SECONDS, and by more than one
                label, or if the recording has no labels.
        """
        lasts = len(self._of(item_id)) / self.rate_hz
        if abs(lasts - seconds) > max(TOLERANCE_SECONDS, 1 / self.rate_hz):
            raise InputError(
                f"audio of item {item_id} lasts {seconds:.2f} s, but its labels {lasts:.2f} s at "
                f"{self.rate_hz:g} a second; they were made at another rate or for another file"
            )

    def _of(self, item_id: str) -> Int[Tensor, " labels"]:
        if item_id not in self.sequences:
            raise InputError(
                f"audio of item {item_id} has no labels; the data changed since they were made: "
                "start a new run"
            )
        return self.sequences[item_id]


def cluster_settings(config: RunConfig) -> ClusterConfig | None:
    """Return how a run's sounds are clustered; None if it predicts no clusters."""
    audio = config.audio
    return audio.clusters if audio is not None and audio.objective == "hubert" else None


def labels_of(run: Path, config: RunConfig) -> Labels | None:
    """Return the labels of a run; None if it predicts no clusters.

    Raises:
        CheckpointError: if they are missing or cannot be read.
    """
    return None if cluster_settings(config) is None else read_labels(run)


def labels_file(run: Path) -> Path:
    """Return where a run keeps its labels."""
    return run / "labels.safetensors"


def write_labels(run: Path, labels: Labels, centroids: Float[Tensor, "clusters dim"]) -> None:
    """Write centroids and labels into a run folder, each aside first, the labels last."""
    run.mkdir(parents=True, exist_ok=True)
    kind = torch.int16 if labels.clusters <= 1 << 15 else torch.int32
    sequences = {_PREFIX + name: ids.to(kind) for name, ids in labels.sequences.items()}
    metadata = {"rate_hz": repr(labels.rate_hz), "clusters": str(labels.clusters)}
    _write(run / "clusters.safetensors", {"centroids": centroids.contiguous()}, {})
    _write(labels_file(run), sequences, metadata)


def read_labels(run: Path) -> Labels:
    """Return the labels of a run.

    Raises:
        CheckpointError: if they are missing or cannot be read.
    """
    path = labels_file(run)
    if not path.is_file():
        raise CheckpointError(f"{path} is missing; start a new run, which makes its labels")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            sequences = {name.removeprefix(_PREFIX): file.get_tensor(name) for name in file.keys()}
        return Labels(sequences, float(metadata["rate_hz"]), int(metadata["clusters"]))
    except (SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def _write(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    aside = path.with_name(path.name + ".part")
    save_file(tensors, aside, metadata=metadata)
    with aside.open("rb") as file:
        os.fsync(file.fileno())
    aside.replace(path)
