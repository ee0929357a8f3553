"""What the weights of an official data2vec 2.0 checkpoint are called, there and here.

Names and shapes tell the architecture: the released files differ from their own configuration
files (the Base model for images has no blocks in its prenet, for one).

Source: fairseq `examples/data2vec`, the key names of `data2vec_multi`; EAT, arXiv:2401.03497.
"""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from d2v_core.config import RunConfig, TrunkConfig
from d2v_core.errors import CheckpointError
from d2v_core.modality import Modality
from d2v_core.modality_config import (
    ImageConfig,
    MaskConfig,
    MelConfig,
    TargetConfig,
    TextConfig,
    WaveConfig,
)

POSITIONS = "positions"
"""Our name of fixed positions, which are no parameter of the student."""

OFFSET = 2  # rows of the table of text positions that no text uses
_SENSES: dict[str, Modality] = {"IMAGE": "image", "AUDIO": "audio", "TEXT": "text"}
_HEADS = {768: 12, 1024: 16, 1280: 16}  # of the published widths, where no weight tells
EAT_BINS = 128
_MASK = MaskConfig(ratio=0.5)  # an encoder has no use for masks and targets; settings have both
_TARGET = TargetConfig(layers=1)

_DROPPED = re.compile(
    r"(model\.)?(fc_norm|head|classification_heads)\..+"
    r"|((w2v_)?encoder\.)?proj\..+"
    r"|(shared_decoder|recon_proj)\..+"
    r"|modality_encoders\.\w+\.(decoder\..+|encoder_mask|alibi_bias)"
)
_PREFIXES = ("", "model.", "w2v_encoder.w2v_model.", "d2v_model.")
_NAMES = (
    (r"blocks\.(.+)", r"trunks.{m}.blocks.\1"),
    (r"M\.context_encoder\.blocks\.(.+)", r"prenets.{m}.blocks.blocks.\1"),
    (r"M\.context_encoder\.norm\.(.+)", r"prenets.{m}.norm.\1"),
    (r"M\.extra_tokens", r"prenets.{m}.extra"),
    (r"M\.alibi_scale", r"prenets.{m}.bias.scale"),
    (r"M\.(?:fixed_)?positional_encoder\.(?:positions|pos_embed)", POSITIONS),
    (r"M\.convolution\.(\d+)\.(.+)", r"prenets.{m}.positions.convs.\1.\2"),
    (r"M\.local_encoder\.proj\.(.+)", r"prenets.{m}.tokens.proj.\1"),
    (r"M\.local_encoder\.conv_layers\.(\d)\.0\.(.+)", r"prenets.{m}.tokens.convs.\1.\2"),
    (r"M\.local_encoder\.conv_layers\.(\d)\.2\.1\.(.+)", r"prenets.{m}.tokens.conv_norms.\1.\2"),
    (r"M\.project_features\.1\.(.+)", r"prenets.{m}.tokens.norm.\1"),
    (r"M\.project_features\.2\.(.+)", r"prenets.{m}.tokens.proj.\1"),
    (r"M\.local_encoder\.embed_tokens\.(.+)", r"prenets.{m}.tokens.embedding.\1"),
    (r"M\.local_encoder\.embed_positions\.(.+)", r"prenets.{m}.tokens.positions.\1"),
    (r"M\.local_encoder\.layernorm_embedding\.(.+)", r"prenets.{m}.tokens.norm.\1"),
)
"""Their names, `modality_encoders.IMAGE` and the like written M, and ours."""


def pretrained(weights: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the pretrained model's own weights by their own names, and its modality's name.

    What fine-tuning puts in front of the names is taken away; heads, decoders and leftovers are
    dropped; `_ema`, the teacher, is kept.

    Raises:
        CheckpointError: if it is no data2vec 2.0 model of one modality.
    """
    for prefix in _PREFIXES:
        start = f"{prefix}modality_encoders."
        senses = sorted({n[len(start) :].split(".")[0] for n in weights if n.startswith(start)})
        if senses:
            break
    else:
        raise CheckpointError(
            "it is no data2vec 2.0 checkpoint: no weight is called modality_encoders; "
            f"there are {', '.join(list(weights)[:3])}"
        )
    if len(senses) > 1 or senses[0] not in _SENSES:
        raise CheckpointError(
            f"it is of {' and '.join(senses)}; one of {', '.join(_SENSES)} is read"
        )
    return without_leftovers({n.removeprefix(prefix): x for n, x in weights.items()}), senses[0]


def without_leftovers(weights: Mapping[str, Any]) -> dict[str, Any]:
    """Return the weights without heads, decoders and what training left."""
    return {name: value for name, value in weights.items() if not _DROPPED.fullmatch(name)}


def ours(weights: Mapping[str, Tensor], sense: str) -> dict[str, Tensor]:
    """Return the weights by our names and in our shapes, in fp32.

    Raises:
        CheckpointError: if a name is not understood.
    """
    modality, found = modality_of(weights, sense), {}
    for theirs, value in weights.items():
        name = _our_name(theirs, sense, modality)
        if name is None:
            raise CheckpointError(f"{theirs} is not understood: the file is of another kind")
        found[name] = _shaped(name, value.float())
    return found


def modality_of(weights: Mapping[str, Tensor], sense: str) -> Modality:
    """Return the modality: pictures of one channel are the spectrograms of EAT."""
    patches = weights.get(f"modality_encoders.{sense}.local_encoder.proj.weight")
    return "audio" if patches is not None and patches.shape[1] == 1 else _SENSES[sense]


def _our_name(theirs: str, sense: str, modality: Modality) -> str | None:
    short = theirs.replace(f"modality_encoders.{sense}.", "M.", 1)
    # They count convolutions for positions from 1, because number 0 changes the axes.
    short = re.sub(
        r"M\.relative_positional_encoder\.(\d+)\.0\.",
        lambda match: f"M.convolution.{int(match[1]) - 1}.",
        short,
    )
    for pattern, name in _NAMES:
        match = re.fullmatch(pattern, short)
        if match:
            return match.expand(name.replace("{m}", modality))
    return None


def _shaped(name: str, value: Tensor) -> Tensor:
    if name.endswith("bias.scale"):
        return value.flatten()
    if name.endswith("tokens.positions.weight"):
        return value[OFFSET:]
    return value.squeeze(0) if name == POSITIONS else value


def architecture(
    weights: Mapping[str, Tensor], sense: str, *, heads: int | None, vocabulary: str
) -> RunConfig:
    """Return the settings of a student with these weights.

    Args:
        weights: from `ours`.
        sense: their name of the modality.
        heads: as the file's own settings have it; None: told from weights or the width.
        vocabulary: of texts.

    Raises:
        CheckpointError: if a part is missing that tells the architecture.
    """
    modality: Modality = "audio" if "prenets.audio.extra" in weights else _SENSES[sense]
    trunk, prenet = f"trunks.{modality}.blocks.", f"prenets.{modality}."
    try:
        dim = len(weights[f"{trunk}0.norm1.weight"])
        scale = weights.get(f"{prenet}bias.scale")
        known = len(scale) if scale is not None else _HEADS.get(dim)
        if heads is None and known is None:
            raise CheckpointError(f"neither weights nor settings tell how many heads {dim} has")
        config = TrunkConfig(
            dim=dim,
            depth=_count(weights, trunk),
            prenet_depth=_count(weights, f"{prenet}blocks.blocks."),
            heads=heads or known or 0,
            mlp_ratio=len(weights[f"{trunk}0.mlp.fc1.weight"]) // dim,
            norm_eps=1e-6 if sense == "IMAGE" else 1e-5,
        )
        match sense:
            case "TEXT":
                return RunConfig(text=_text(weights, f"{prenet}tokens.", vocabulary), trunk=config)
            case "AUDIO":
                return RunConfig(audio=_wave(weights, prenet), trunk=config)
            case _ if modality == "audio":
                return RunConfig(audio=_mel(weights, prenet), trunk=config)
            case _:
                return RunConfig(image=_image(weights, prenet), trunk=config)
    except KeyError as error:
        raise CheckpointError(f"it lacks {error.args[0]}, as we call it") from error


def _count(weights: Mapping[str, Tensor], start: str) -> int:
    return len({n[len(start) :].split(".")[0] for n in weights if n.startswith(start)})


def _image(weights: Mapping[str, Tensor], prenet: str) -> ImageConfig:
    patch = weights[f"{prenet}tokens.proj.weight"].shape[-1]
    side = round(len(weights[POSITIONS]) ** 0.5)
    return ImageConfig(mask=_MASK, target=_TARGET, size=side * patch, patch=patch)


def _mel(weights: Mapping[str, Tensor], prenet: str) -> MelConfig:
    frames, bins = weights[f"{prenet}tokens.proj.weight"].shape[-2:]
    rows = len(weights[POSITIONS]) * bins // EAT_BINS
    return MelConfig(
        mask=_MASK,
        target=_TARGET,
        bins=EAT_BINS,
        patch_frames=frames,
        patch_bins=bins,
        train_frames=frames,
        max_frames=rows * frames,
    )


def _wave(weights: Mapping[str, Tensor], prenet: str) -> WaveConfig:
    conv = weights[f"{prenet}positions.convs.0.weight"]
    return WaveConfig(
        mask=_MASK,
        target=_TARGET,
        channels=len(weights[f"{prenet}tokens.convs.0.weight"]),
        position_layers=_count(weights, f"{prenet}positions.convs."),
        position_kernel=conv.shape[2],
        position_groups=conv.shape[0] // conv.shape[1],
        alibi=f"{prenet}bias.scale" in weights,
    )


def _text(weights: Mapping[str, Tensor], tokens: str, vocabulary: str) -> TextConfig:
    return TextConfig(
        mask=_MASK,
        target=_TARGET,
        vocabulary=vocabulary,
        size=len(weights[f"{tokens}embedding.weight"]),
        max_tokens=len(weights[f"{tokens}positions.weight"]),
    )
