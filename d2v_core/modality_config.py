"""What a run says about each of its modalities: front end, masks, objective, targets, decoder.

ModalityConfig                            what all have in common
├── ImageConfig                           pictures in patches
├── MelConfig, WaveConfig                 sounds: patches of a spectrogram, or the raw wave
└── TextConfig                            texts: bytes, or tokens of a published vocabulary
      ├── mask: MaskConfig
      ├── target: TargetConfig            what of the teacher is predicted
      ├── clusters: ClusterConfig         sounds only: what HuBERT predicts
      └── decoder: ConvDecoderConfig or TransformerDecoderConfig
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Discriminator

from d2v_core.errors import ConfigError


def require(condition: bool, message: str) -> None:
    """Raise ConfigError with the message unless the condition holds."""
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True, kw_only=True)
class MaskConfig:
    """How much of an item the student may not see, and in pieces of what shape."""

    ratio: float
    """R: share of the tokens that is masked; of "spans" the share before they overlap."""

    shape: Literal["blocks", "spans", "clipped-spans", "beit"] = "blocks"
    """"blocks" of exact count (data2vec 2.0), "spans" that start where they fit whole (speech),
    "clipped-spans" that start anywhere (text), rectangles as in "beit" (pictures)."""

    length: int = 1
    """Side of a block or length of a span in tokens; 1 masks single tokens."""

    adjust: float = 0.0
    """Added to the share when the number of blocks is chosen, because blocks overlap."""

    inverse: bool = False
    """True: the blocks are what stays visible (images, spectrograms)."""

    masks: int = 8
    """M: masked views an item has, all served by one pass of the teacher."""

    least: int = 1
    """Fewest spans an item gets."""

    def __post_init__(self) -> None:
        require(0 < self.ratio < 1, f"mask ratio must lie between 0 and 1, got {self.ratio}")
        require(self.length >= 1, f"mask length must be at least 1 token, got {self.length}")
        require(self.masks >= 1, f"masks an item must be at least 1, got {self.masks}")
        require(
            self.shape == "blocks" or not self.inverse,
            f"only blocks can be what stays visible, not {self.shape}",
        )


@dataclass(frozen=True, kw_only=True)
class TargetConfig:
    """What of the teacher is predicted: an average over its last layers, normalised on the way."""

    layers: int = 3
    """K: the last K trunk blocks are averaged."""

    tap: Literal["ffn", "resid"] = "ffn"
    """MLP outputs before the skip connection, or whole block outputs."""

    per_layer: Literal["instance", "layer"] = "instance"
    """Each layer first: per channel over an item's tokens, or per token over channels."""

    average: Literal["layer", "instance"] | None = None
    """The average afterwards; None leaves it."""

    def __post_init__(self) -> None:
        require(self.layers >= 1, f"target layers must be at least 1, got {self.layers}")


@dataclass(frozen=True, kw_only=True)
class ConvDecoderConfig:
    """Convolutions over visible tokens and noise, as in data2vec 2.0."""

    kind: Literal["conv"] = "conv"

    layers: int = 3
    """Convolutions, each followed by a norm without parameters and GELU."""

    kernel: int = 3
    """Width of a convolution in tokens (a square on grids of two dimensions)."""

    width: int = 128
    """Channels between the convolutions."""

    groups: int = 16
    """Groups of the convolutions."""

    residual: bool = True
    """Add a layer's input to its output where the widths agree."""

    projections: Literal[1, 2] = 1
    """Linear layers at the end; of two the first doubles the width and is followed by GELU."""

    dropout: float = 0.0
    """Of the visible tokens."""

    noise_std: float = 0.01
    """Standard deviation of what stands at masked places before decoding."""

    def __post_init__(self) -> None:
        require(
            self.width % self.groups == 0,
            f"decoder width {self.width} does not divide into {self.groups} groups",
        )


@dataclass(frozen=True, kw_only=True)
class TransformerDecoderConfig:
    """Transformer blocks over visible tokens and a learnt mask token, as in MAE."""

    kind: Literal["transformer"] = "transformer"

    depth: int = 2
    """Pre-norm blocks."""

    dim: int = 64
    """Width of a token in the decoder."""

    heads: int = 4
    """Attention heads."""

    def __post_init__(self) -> None:
        require(
            self.dim % self.heads == 0 and self.dim % 4 == 0,
            f"decoder dim={self.dim} must divide into {self.heads} heads and by 4",
        )


DecoderConfig = Annotated[ConvDecoderConfig | TransformerDecoderConfig, Discriminator("kind")]


@dataclass(frozen=True, kw_only=True)
class ClusterConfig:
    """The clusters of sound that HuBERT predicts; other objectives have none."""

    source: Literal["mfcc", "layer"] = "layer"
    """MFCC, or a layer of a first round, which is trained on clusters of MFCC."""

    count: int = 500
    """Clusters, which are the classes to tell apart."""

    layer: int | None = None
    """Block of the first round whose output is clustered; None takes the middle one."""

    first_count: int = 100
    """Clusters of the first round."""

    first_steps: int | None = None
    """Optimiser steps of the first round; None gives it as many as the last."""

    share: float = 1.0
    """Of the training recordings, that k-means is fitted on; all of them are labelled."""

    starts: int = 20
    """Times that k-means starts, to go on from the best; fewer are faster."""

    dim: int = 256
    """Width of the class vectors."""

    def __post_init__(self) -> None:
        require(
            self.count >= 2 and self.first_count >= 2,
            f"clusters must be at least 2, got count={self.count} and "
            f"first_count={self.first_count}",
        )
        require(0 < self.share <= 1, f"share must lie above 0 and up to 1, got {self.share}")
        require(self.starts >= 1, f"starts must be at least 1, got {self.starts}")
        require(self.dim >= 1, f"dim of the class vectors must be at least 1, got {self.dim}")


@dataclass(frozen=True, kw_only=True)
class ModalityConfig:
    """What every modality has."""

    mask: MaskConfig
    target: TargetConfig = field(default_factory=TargetConfig)
    decoder: DecoderConfig = field(default_factory=ConvDecoderConfig)

    objective: str | None = "data2vec2"
    """What is learnt from items of this modality alone; None: nothing."""

    cls_weight: float = 0.0
    """Weight of the CLS loss, on the mean over rows: it does not change with batch or masks."""

    loss_beta: float = 0.0
    """Where smooth L1 turns from square to straight; 0 squares everywhere."""

    loss_scale: Literal["mean", "root", "sum"] = "root"
    """A token's loss is its sum over the D channels, divided by D, by √D or by 1."""

    head_layers: Literal[1, 2] = 1
    """Linear layers that predict from the student's output, where there is no decoder."""

    alibi: bool = False
    """Lower attention with distance, as much as each head learns to."""

    dropout: float = 0.0
    """Of the tokens that enter the first block."""


@dataclass(frozen=True, kw_only=True)
class ImageConfig(ModalityConfig):
    """Square pictures cut into square patches."""

    size: int = 64
    """Side of the input in pixels."""

    patch: int = 8
    """Side of a patch in pixels."""

    smallest_crop: float = 0.4
    """Random resized crops in training keep at least this share of the picture's area."""

    positions: Literal["sincos", "relative"] = "sincos"
    """Fixed ones added to the tokens, or biases of the attention that all blocks share (BEiT)."""

    cls_weight: float = 0.1

    def __post_init__(self) -> None:
        require(
            self.size % self.patch == 0,
            f"pictures of {self.size} pixels do not divide into patches of {self.patch}",
        )


@dataclass(frozen=True, kw_only=True)
class MelConfig(ModalityConfig):
    """Log-mel spectrograms cut into patches of frames x bins, as EAT does."""

    front_end: Literal["mel"] = "mel"

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

    clusters: ClusterConfig = field(default_factory=ClusterConfig)

    cls_weight: float = 0.1

    def __post_init__(self) -> None:
        require(
            self.bins % self.patch_bins == 0,
            f"{self.bins} mel bins do not divide into patches of {self.patch_bins}",
        )
        require(
            self.train_frames % self.patch_frames == 0 and self.max_frames % self.patch_frames == 0,
            f"train_frames={self.train_frames} and max_frames={self.max_frames} must be multiples "
            f"of patch_frames={self.patch_frames}",
        )


@dataclass(frozen=True, kw_only=True)
class WaveConfig(ModalityConfig):
    """Raw sound at 16 kHz through the published stack of seven convolutions: 50 tokens a second."""

    front_end: Literal["wave"] = "wave"

    channels: int = 512
    """Of the convolutions."""

    conv_norm: Literal["layer", "group"] = "layer"
    """After each convolution over channels, or after the first one only over time (HuBERT Base).
    The second hears padding: what it makes of a recording depends on the longest of its batch."""

    conv_bias: bool = False
    """Of the convolutions."""

    positions: Literal["stacked", "single"] = "stacked"
    """Five narrow convolutions (data2vec), or one wide one with weight norm (HuBERT)."""

    position_layers: int = 5
    """Convolutions of stacked positions."""

    position_kernel: int = 19
    """Width of a position convolution in tokens."""

    position_groups: int = 16
    """Groups of a position convolution."""

    normalise: bool = True
    """Give every recording mean 0 and variance 1 before anything else."""

    feature_gradient: float = 1.0
    """The gradient that reaches the convolutions is multiplied by this."""

    train_samples: int = 32_000
    """Longest crop in training, in samples."""

    max_samples: int = 320_000
    """Longest input at all, in samples; longer sounds are cut to their first part."""

    clusters: ClusterConfig = field(default_factory=ClusterConfig)

    alibi: bool = True

    def __post_init__(self) -> None:
        require(
            400 <= self.train_samples <= self.max_samples,
            f"train_samples={self.train_samples} and max_samples={self.max_samples} must satisfy "
            "400 <= train_samples <= max_samples: a token sees 400 samples",
        )


@dataclass(frozen=True, kw_only=True)
class TextConfig(ModalityConfig):
    """Sentences as UTF-8 bytes, or in tokens of a published vocabulary with <s> in front."""

    vocabulary: str = "bytes"
    """"bytes" (any language, no file), a `tokenizer.json`, or a name on the Hugging Face hub."""

    size: int = 256
    """Entries of the vocabulary."""

    max_tokens: int = 128
    """Longer texts are cut there; in training a window at a random place is kept."""

    position_std: float = 0.02
    """Spread of the learnt positions at the start."""

    def __post_init__(self) -> None:
        require(self.max_tokens >= 2, f"max_tokens must be at least 2, got {self.max_tokens}")
        require(
            self.vocabulary != "bytes" or self.size == 256,
            f"a vocabulary of bytes has 256 entries, not {self.size}",
        )
