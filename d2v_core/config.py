"""What a run is made of: frozen settings, checked when they are made, saved with every checkpoint.

RunConfig
├── image, audio, text        which modalities it has (None: not); see modality_config.py
├── trunk: TrunkConfig        blocks of the trunk, shared by all modalities or one for each
├── teacher: TeacherConfig    how the teacher follows the student
├── pairs: PairConfig         which paired items feed a cross-modal term, and how strongly
└── optim: OptimConfig        steps, batch, learning rate
"""

import dataclasses
import typing
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Discriminator, TypeAdapter, ValidationError

from d2v_core.errors import ConfigError
from d2v_core.modality import MODALITIES, Modality
from d2v_core.modality_config import ImageConfig, MelConfig, TextConfig, WaveConfig, require

ModalitySettings = ImageConfig | MelConfig | WaveConfig | TextConfig
_TAGS = ("mel", "wave", "conv", "transformer")  # pydantic names the alternative it tried


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

    norm_first: bool = False
    """Normalise what enters attention and MLP (MAE, BEiT) and not what leaves them (data2vec)."""

    layer_scale: float | None = None
    """First value of a learnt factor on every channel of a branch; None: no such factor."""

    dropout: float = 0.0
    """Of what attention and MLP add to the residual stream."""

    attention_dropout: float = 0.0
    """Of attention probabilities."""

    drop_path: float = 0.0
    """Probability to leave out a branch of the last block; linear from 0 at the first."""

    layer_drop: float = 0.0
    """Probability to leave out a whole block."""

    def __post_init__(self) -> None:
        require(
            min(self.dim, self.heads) >= 1,
            f"dim and heads must be at least 1, got {self.dim} and {self.heads}",
        )
        require(
            self.dim % self.heads == 0, f"dim={self.dim} does not divide into {self.heads} heads"
        )
        require(self.dim % 4 == 0, f"dim={self.dim} must be a multiple of 4: positions need it")
        require(self.depth >= 1, f"depth must be at least 1 block, got {self.depth}")


@dataclass(frozen=True, kw_only=True)
class TeacherConfig:
    """How the teacher follows the student and which of its layers are the target."""

    ema_decay_start: float = 0.998
    """τ at the first step: the share of itself that the teacher keeps."""

    ema_decay_end: float = 0.9995
    """τ from step `ema_anneal_steps` on."""

    ema_anneal_steps: int = 800
    """Optimiser steps over which τ moves linearly from start to end."""

    def __post_init__(self) -> None:
        require(
            0.0 <= self.ema_decay_start <= self.ema_decay_end <= 1.0,
            "ema_decay_start and ema_decay_end must satisfy 0 <= start <= end <= 1, "
            f"got {self.ema_decay_start} and {self.ema_decay_end}",
        )


@dataclass(frozen=True, kw_only=True)
class PairConfig:
    """Items that are shown to belong together, and the cross-modal terms they feed."""

    fraction: float = 0.0
    """Share of the training pairs that may be used; 0 trains without any pair."""

    weight: float = 5.0
    """Weight of the contrastive term beside the objectives of single modalities."""

    loss: Literal["clip", "siglip"] = "clip"
    """A softmax over the batch, or a yes or no for every combination."""

    latent_weight: float = 0.0
    """Weight of the other cross-modal term: predict the teacher's view of an item's other sense."""

    shuffled: bool = False
    """True: pairs are permuted once, as a control. The term then teaches nothing true."""

    between: tuple[tuple[Modality, Modality], ...] = (
        ("image", "audio"),
        ("image", "text"),
        ("audio", "text"),
    )
    """Which modalities meet: all pairs of them, or one of them as the hub of the others."""

    batch: int = 24
    """Paired items a step, over all processes."""

    dim: int = 64
    """Width of the joint space."""

    def __post_init__(self) -> None:
        require(
            0.0 <= self.fraction <= 1.0, f"pair fraction must be from 0 to 1, got {self.fraction}"
        )
        require(
            self.fraction == 0 or self.weight > 0 or self.latent_weight > 0,
            "pairs are used but teach nothing: weight and latent_weight are both 0",
        )


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """The training loop."""

    steps: int = 800
    """Optimiser steps."""

    batch: int = 16
    """Items of each modality a step, over all processes and all parts of an accumulated step."""

    accumulate: int = 1
    """Parts that the batch of a process is cut into, to save memory; what is learnt is the same."""

    lr: float = 1e-3
    """Peak learning rate of AdamW."""

    warmup_steps: int = 50
    """Steps over which the learning rate rises linearly from 0; then it falls as a cosine."""

    weight_decay: float = 0.05
    """Decoupled, on matrices only: not on biases, norms, CLS tokens and temperatures."""

    betas: tuple[float, float] = (0.9, 0.98)
    """AdamW's decay of the first and second moment."""

    eps: float = 1e-8
    """AdamW's guard against division by 0."""

    clip_norm: float = 3.0
    """Gradients are scaled down to this norm; 0 leaves them."""

    precision: Literal["auto", "bf16-mixed", "32-true"] = "32-true"
    """Of the computation; parameters, teacher and losses are fp32 in any case. "auto" takes what
    is faster on the machine where the run starts, and keeps to it."""

    strategy: Literal["ddp", "fsdp"] = "ddp"
    """With many processes: each keeps all the weights, or (fsdp, for models that would not fit) a
    part of them. What is learnt is the same."""

    def __post_init__(self) -> None:
        require(self.steps >= 0, f"steps must not be negative, got {self.steps}")
        require(self.batch >= 1, f"batch must be at least 1 item, got {self.batch}")
        require(self.accumulate >= 1, f"accumulate must be at least 1, got {self.accumulate}")
        require(self.lr > 0, f"lr must be positive, got {self.lr}")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One training run; everything that a checkpoint needs to rebuild its own model."""

    image: ImageConfig | None = None
    audio: Annotated[MelConfig | WaveConfig, Discriminator("front_end")] | None = None
    text: TextConfig | None = None
    """Which modalities the run has."""

    trunk: TrunkConfig = field(default_factory=TrunkConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    pairs: PairConfig = field(default_factory=PairConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)

    share_trunk: bool = False
    """True: one trunk for all modalities; False: one for each."""

    seed: int = 0
    """Of the weights, the masks and the order of the data."""

    def __post_init__(self) -> None:
        require(bool(self.modalities), "a run needs at least one of image, audio and text")
        require(
            self.optim.strategy == "ddp" or self.trunk.layer_drop == 0,
            f"optim.strategy=fsdp with trunk.layer_drop={self.trunk.layer_drop}: every process has "
            "to run every block; set trunk.layer_drop=0",
        )
        for modality in self.modalities:
            layers = self.of(modality).target.layers
            require(
                layers <= self.trunk.depth,
                f"{modality}.target.layers={layers}, but the trunk has depth={self.trunk.depth} "
                "blocks; choose 1 <= target.layers <= depth",
            )
        if self.audio is not None and (layer := self.audio.clusters.layer) is not None:
            require(
                0 <= layer <= self.trunk.depth,
                f"audio.clusters.layer={layer}, but the trunk has depth={self.trunk.depth} blocks",
            )
        require(
            self.pairs.fraction > 0
            or self.optim.steps == 0
            or any(self.of(modality).objective for modality in self.modalities),
            "nothing to learn: no modality has an objective and no pairs are used",
        )

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities that this run has, in the fixed order."""
        return tuple(name for name in MODALITIES if getattr(self, name) is not None)

    def of(self, modality: Modality) -> ModalitySettings:
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
        where = ".".join(str(part) for part in first["loc"] if part not in _TAGS)
        raise ConfigError(f"setting {where}: {first['msg']}, got {first['input']!r}") from error
    except ArithmeticError as error:  # of what else divides, 0 is as wrong
        raise ConfigError(f"a setting is 0 or beyond all bounds: {error}") from error


def _refuse_unknown(values: dict[str, Any], kind: Any, where: str) -> None:  # noqa: ANN401
    fields = {f.name: f.type for f in dataclasses.fields(kind)}
    for name, value in values.items():
        if name not in fields:
            raise ConfigError(
                f"there is no setting {where}{name}; {where[:-1] or 'a run'} has "
                f"{', '.join(fields)}"
            )
        nested = [k for k in _leaves(fields[name]) if dataclasses.is_dataclass(k)]
        if nested and isinstance(value, dict):
            _refuse_unknown(value, _tagged(nested, value), f"{where}{name}.")


def _leaves(kind: Any) -> list[Any]:  # noqa: ANN401
    """Return the alternatives of a type: of `A | None` A and None."""
    parts = typing.get_args(kind) if typing.get_origin(kind) is not Literal else ()
    return [leaf for part in parts for leaf in _leaves(part)] or [kind]


def _tagged(kinds: list[Any], value: dict[str, Any]) -> Any:  # noqa: ANN401
    """Return the settings class whose fixed fields (`front_end`, `kind`) have the given values."""
    for kind in kinds:
        tags = [f for f in dataclasses.fields(kind) if typing.get_origin(f.type) is Literal]
        if all(value.get(f.name, f.default) in typing.get_args(f.type) for f in tags):
            return kind
    return kinds[0]


def override(config: RunConfig, settings: dict[str, str]) -> RunConfig:
    """Return the config with some settings replaced.

    Args:
        config: where to start.
        settings: values as text by dotted name, for example {"optim.lr": "5e-4"}; "none" leaves
            out what may be left out, as in {"text": "none"}.

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
        node[last] = None if text == "none" else text
    return from_json(values)
