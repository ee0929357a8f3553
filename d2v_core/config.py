"""What a run is made of: frozen settings, checked when they are made, saved with every checkpoint.

RunConfig
├── image: ImageConfig, audio: MelConfig, text: ByteConfig    which senses it has (None: not)
│     └── mask: MaskConfig, decoder: DecoderConfig
├── trunk: TrunkConfig        blocks of the trunk, shared by all modalities or one for each
├── teacher: TeacherConfig    how the teacher follows and what the targets are
├── pairs: PairConfig         which paired items feed a contrastive term, and how strongly
└── optim: OptimConfig        steps, batch, learning rate
"""

import dataclasses
import typing
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from d2v_core.errors import ConfigError
from d2v_core.modality import MODALITIES, Modality


def _require(condition: bool, message: str) -> None:  # reads as an assertion
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True, kw_only=True)
class MaskConfig:
    """How much of an item the student may not see, and in blocks of what size."""

    ratio: float
    """R: share of the tokens that is masked."""

    length: int = 1
    """Side of a block in tokens; 1 masks single tokens."""

    adjust: float = 0.0
    """Added to the share when the number of blocks is chosen, because blocks overlap."""

    inverse: bool = False
    """True: the blocks are what stays visible (images, spectrograms)."""

    masks: int = 8
    """M: masked views an item has, all served by one pass of the teacher."""

    def __post_init__(self) -> None:
        _require(0 < self.ratio < 1, f"mask ratio must lie between 0 and 1, got {self.ratio}")
        _require(self.length >= 1, f"mask length must be at least 1 token, got {self.length}")
        _require(self.masks >= 1, f"masks an item must be at least 1, got {self.masks}")


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """The small convolutional network that predicts the teacher from visible tokens and noise."""

    layers: int = 3
    """Convolutions, each followed by a norm without parameters and GELU."""

    kernel: int = 3
    """Width of a convolution in tokens (a square on grids of two dimensions)."""

    width: int = 128
    """Channels between the convolutions."""

    groups: int = 16
    """Groups of the convolutions."""

    noise_std: float = 0.01
    """Standard deviation of what stands at masked places before decoding."""

    def __post_init__(self) -> None:
        _require(
            self.width % self.groups == 0,
            f"decoder width {self.width} does not divide into {self.groups} groups",
        )


@dataclass(frozen=True, kw_only=True)
class ImageConfig:
    """Square pictures cut into square patches."""

    mask: MaskConfig
    decoder: DecoderConfig = field(default_factory=DecoderConfig)

    size: int = 64
    """Side of the input in pixels."""

    patch: int = 8
    """Side of a patch in pixels."""

    smallest_crop: float = 0.4
    """Random resized crops in training keep at least this share of the picture's area."""

    cls_weight: float = 0.1
    """Weight of the CLS loss, on the mean over rows: it does not change with batch or masks."""

    normalise_average: bool = True
    """Layer-normalise the averaged targets over channels."""

    def __post_init__(self) -> None:
        _require(
            self.size % self.patch == 0,
            f"pictures of {self.size} pixels do not divide into patches of {self.patch}",
        )


@dataclass(frozen=True, kw_only=True)
class MelConfig:
    """Log-mel spectrograms cut into patches of frames x bins, as EAT does."""

    mask: MaskConfig
    decoder: DecoderConfig = field(default_factory=DecoderConfig)

    bins: int = 64
    """Mel filters."""

    patch_frames: int = 16
    """Frames (10 ms each) a patch."""

    patch_bins: int = 16
    """Mel bins a patch."""

    train_frames: int = 208
    """Longest crop in training, in frames."""

    max_frames: int = 1008
    """Longest input at all, in frames; longer sounds are cut to their first part."""

    cls_weight: float = 0.1
    """As for images."""

    normalise_average: bool = True
    """As for images."""

    def __post_init__(self) -> None:
        _require(
            self.bins % self.patch_bins == 0,
            f"{self.bins} mel bins do not divide into patches of {self.patch_bins}",
        )
        _require(
            self.train_frames % self.patch_frames == 0 and self.max_frames % self.patch_frames == 0,
            f"train_frames={self.train_frames} and max_frames={self.max_frames} must be multiples "
            f"of patch_frames={self.patch_frames}",
        )


@dataclass(frozen=True, kw_only=True)
class ByteConfig:
    """Sentences as UTF-8 bytes: any language, no vocabulary file."""

    mask: MaskConfig
    decoder: DecoderConfig = field(default_factory=DecoderConfig)

    max_bytes: int = 128
    """Longer texts are cut there."""

    cls_weight: float = 0.0
    """Texts have no CLS token in data2vec 2.0."""

    normalise_average: bool = False
    """The published text configuration does not normalise the average."""

    def __post_init__(self) -> None:
        _require(self.max_bytes >= 1, f"max_bytes must be at least 1, got {self.max_bytes}")


@dataclass(frozen=True, kw_only=True)
class TrunkConfig:
    """The transformer blocks."""

    dim: int = 128
    """D, width of a token."""

    depth: int = 4
    """Blocks, counted without the prenets."""

    prenet_depth: int = 1
    """Blocks that every modality keeps to itself, before the trunk, shared trunk or not."""

    heads: int = 4
    """Attention heads."""

    mlp_ratio: int = 4
    """Hidden width of the MLP in units of `dim`."""

    norm_eps: float = 1e-6
    """Added to variances in layer norms."""

    def __post_init__(self) -> None:
        _require(
            self.dim % self.heads == 0, f"dim={self.dim} does not divide into {self.heads} heads"
        )
        _require(self.dim % 4 == 0, f"dim={self.dim} must be a multiple of 4: positions need it")
        _require(self.depth >= 1, f"depth must be at least 1 block, got {self.depth}")


@dataclass(frozen=True, kw_only=True)
class TeacherConfig:
    """How the teacher follows the student and which of its layers are the target."""

    target_layers: int = 3
    """K: the last K trunk blocks are averaged into the target."""

    ema_decay_start: float = 0.998
    """τ at the first step: the share of itself that the teacher keeps."""

    ema_decay_end: float = 0.9995
    """τ from step `ema_anneal_steps` on."""

    ema_anneal_steps: int = 800
    """Optimiser steps over which τ moves linearly from start to end."""

    def __post_init__(self) -> None:
        _require(
            0.0 <= self.ema_decay_start <= self.ema_decay_end <= 1.0,
            "ema_decay_start and ema_decay_end must satisfy 0 <= start <= end <= 1, "
            f"got {self.ema_decay_start} and {self.ema_decay_end}",
        )


@dataclass(frozen=True, kw_only=True)
class PairConfig:
    """Items that are shown to belong together, and the contrastive term they feed."""

    fraction: float = 0.0
    """Share of the training pairs that may be used; 0 trains without any pair."""

    weight: float = 5.0
    """Weight of the contrastive term beside the masked objectives."""

    shuffled: bool = False
    """True: pairs are permuted once, as a control. The term then teaches nothing true."""

    between: tuple[tuple[Modality, Modality], ...] = (
        ("image", "audio"),
        ("image", "text"),
        ("audio", "text"),
    )
    """Which modalities are contrasted with each other."""

    batch: int = 24
    """Pairs a step."""

    dim: int = 64
    """Width of the joint space."""

    def __post_init__(self) -> None:
        _require(
            0.0 <= self.fraction <= 1.0, f"pair fraction must be from 0 to 1, got {self.fraction}"
        )


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """The training loop."""

    steps: int = 800
    """Optimiser steps."""

    batch: int = 16
    """Items of each modality a step."""

    lr: float = 1e-3
    """Peak learning rate of AdamW."""

    warmup_steps: int = 50
    """Steps over which the learning rate rises linearly from 0; then it falls as a cosine."""

    weight_decay: float = 0.05
    """Decoupled, on matrices only: not on biases, norms, CLS tokens and temperatures."""

    betas: tuple[float, float] = (0.9, 0.98)
    """AdamW's decay of the first and second moment."""

    clip_norm: float = 3.0
    """Gradients are scaled down to this norm."""

    precision: Literal["bf16-mixed", "32-true"] = "32-true"
    """Of the computation; parameters, teacher and losses are fp32 in any case. bf16 pays from
    about 192 channels on, on CPUs with bf16 instructions and on GPUs."""

    def __post_init__(self) -> None:
        _require(self.steps >= 0, f"steps must not be negative, got {self.steps}")
        _require(self.batch >= 1, f"batch must be at least 1 item, got {self.batch}")
        _require(self.lr > 0, f"lr must be positive, got {self.lr}")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One training run; everything that a checkpoint needs to rebuild its own model."""

    image: ImageConfig | None = None
    audio: MelConfig | None = None
    text: ByteConfig | None = None
    """Which modalities the run has."""

    trunk: TrunkConfig = field(default_factory=TrunkConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    pairs: PairConfig = field(default_factory=PairConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)

    objective: Literal["data2vec2", "none"] = "data2vec2"
    """The masked objective of every modality; "none" leaves the contrastive term alone."""

    share_trunk: bool = False
    """True: one trunk for all modalities; False: one for each."""

    seed: int = 0
    """Of the weights, the masks and the order of the data."""

    def __post_init__(self) -> None:
        _require(bool(self.modalities), "a run needs at least one of image, audio and text")
        _require(
            1 <= self.teacher.target_layers <= self.trunk.depth,
            f"target_layers={self.teacher.target_layers}, but the trunk has "
            f"depth={self.trunk.depth} blocks; choose 1 <= target_layers <= depth",
        )
        _require(
            self.objective != "none" or self.pairs.fraction > 0 or self.optim.steps == 0,
            "nothing to learn: objective is 'none' and no pairs are used",
        )

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities that this run has, in the fixed order."""
        return tuple(name for name in MODALITIES if getattr(self, name) is not None)

    def of(self, modality: Modality) -> ImageConfig | MelConfig | ByteConfig:
        """Return the settings of one modality; raise ConfigError if the run does not have it."""
        config = getattr(self, modality)
        if config is None:
            raise ConfigError(
                f"this run has no {modality}; it was trained on {', '.join(self.modalities)}"
            )
        return config


def to_json(config: RunConfig) -> dict[str, Any]:
    """Return the settings as plain JSON values."""
    return dataclasses.asdict(config)


def from_json(values: dict[str, Any]) -> RunConfig:
    """Rebuild settings from `to_json`.

    Raises:
        ConfigError: if a value has the wrong type, or a name is not a setting of this version.
    """
    _refuse_unknown(values, RunConfig, "")
    try:
        return TypeAdapter(RunConfig).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"setting {where}: {first['msg']}, got {first['input']!r}") from error


def _refuse_unknown(values: dict[str, Any], kind: Any, where: str) -> None:  # noqa: ANN401
    fields = {f.name: f.type for f in dataclasses.fields(kind)}
    for name, value in values.items():
        if name not in fields:
            raise ConfigError(
                f"there is no setting {where}{name}; {where[:-1] or 'a run'} has "
                f"{', '.join(fields)}"
            )
        kinds = (fields[name], *typing.get_args(fields[name]))  # of `A | None`, A as well
        nested = [k for k in kinds if dataclasses.is_dataclass(k)]
        if nested and isinstance(value, dict):
            _refuse_unknown(value, nested[0], f"{where}{name}.")


def override(config: RunConfig, settings: dict[str, str]) -> RunConfig:
    """Return the config with some settings replaced.

    Args:
        config: where to start.
        settings: values as text by dotted name, for example {"optim.lr": "5e-4"}.

    Raises:
        ConfigError: if a name is not a setting or a value does not fit it.
    """
    values = to_json(config)
    for name, text in settings.items():
        *path, last = name.split(".")
        node = values
        for part in path:
            node = node.get(part) if isinstance(node, dict) else None
            if not isinstance(node, dict):
                raise ConfigError(f"there is no setting {name}")
        if last not in node:
            raise ConfigError(f"there is no setting {name}; choose from {', '.join(node)}")
        node[last] = text
    return from_json(values)
