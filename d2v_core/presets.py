"""Named runs: a size, an objective and an arm of the experiment.

A name is SIZE, OBJECTIVE and ARM joined by hyphens; each may be left out, for example `tiny`,
`shared-pairs-25`, `small-reconstruct`, `tiny-data2vec-shared`.

Sizes: `tiny` takes minutes on two cores, `small` a night there or an hour on one GPU; `base-image`,
`base-audio` and `base-text` are the published data2vec 2.0 Base configurations.

Objectives (data2vec2 if none is named): data2vec, reconstruct, hubert (sounds only).

Arms (separate if none is named):

    separate         one trunk for each modality, no pairs
    shared           one trunk for all, no pairs
    shared-pairs-P   one trunk for all, P % of the pairs feed a contrastive term
    latent-P         as shared-pairs-P, but what they feed is cross-modal latent prediction
    contrastive      nothing but the contrastive term, all pairs: as CLIP
    shuffled-P       as shared-pairs-P, but the pairs are permuted: the control
    random           one trunk for all, untrained: the control
"""

import dataclasses
from collections.abc import Callable

from d2v_core.base_presets import BASE
from d2v_core.config import OptimConfig, RunConfig, TeacherConfig, TrunkConfig
from d2v_core.errors import ConfigError
from d2v_core.hubert_presets import hubert
from d2v_core.modality import MODALITIES
from d2v_core.modality_config import (
    ConvDecoderConfig,
    ImageConfig,
    MaskConfig,
    MelConfig,
    TargetConfig,
    TextConfig,
    TransformerDecoderConfig,
    WaveConfig,
)


def _tiny() -> RunConfig:
    """Minutes on two cores; pictures of 64 pixels, sounds of two seconds, one sentence."""
    target = TargetConfig(layers=3, average="layer")
    return RunConfig(
        image=ImageConfig(mask=_grid_mask(0.75, masks=4), target=target),
        audio=MelConfig(mask=_grid_mask(0.75, masks=4), target=target),
        text=TextConfig(
            mask=MaskConfig(ratio=0.5, length=4, adjust=0.05, masks=4),
            decoder=ConvDecoderConfig(kernel=7),
            # Places start small. At full size the targets of a short training say where a byte is
            # and not what: a linear probe for the species then falls from 0.88 to 0.83.
            position_std=0.002,
        ),
    )


def _small() -> RunConfig:
    """A night on two cores or an hour on one GPU."""
    decoder = ConvDecoderConfig(layers=4, width=256)
    target = TargetConfig(layers=6, average="layer")
    return RunConfig(
        image=ImageConfig(mask=_grid_mask(0.8, masks=8), decoder=decoder, target=target),
        audio=MelConfig(
            mask=_grid_mask(0.8, masks=8), decoder=decoder, target=target, train_frames=400
        ),
        text=TextConfig(
            mask=MaskConfig(ratio=0.5, length=4, adjust=0.05, masks=8),
            decoder=ConvDecoderConfig(layers=4, kernel=9, width=256),
            target=TargetConfig(layers=6),
            max_tokens=256,
            position_std=0.002,
        ),
        trunk=TrunkConfig(dim=256, depth=8, prenet_depth=2, heads=4),
        teacher=TeacherConfig(ema_decay_start=0.999, ema_decay_end=0.9999, ema_anneal_steps=20_000),
        optim=OptimConfig(steps=40_000, batch=32, warmup_steps=1_000, lr=7e-4, precision="auto"),
    )


def _grid_mask(ratio: float, *, masks: int) -> MaskConfig:
    """Blocks of 3 x 3 patches stay visible, as in the published image configuration."""
    return MaskConfig(ratio=ratio, length=3, adjust=0.07, inverse=True, masks=masks)


def _data2vec(run: RunConfig) -> RunConfig:
    """Masks, targets, heads and losses as published for 1.0, in the blocks of the size."""

    def changed(name: str) -> object:
        config = getattr(run, name)
        if config is None:
            return None
        layers = config.target.layers
        settings: dict[str, object] = {"objective": "data2vec", "cls_weight": 0.0}
        match config:
            case TextConfig():
                settings |= {
                    "mask": MaskConfig(ratio=0.35, shape="clipped-spans", length=4, masks=1),
                    "target": TargetConfig(layers=layers, per_layer="layer"),
                    "loss_beta": 4.0,
                    "loss_scale": "sum",
                    "head_layers": 2,
                }
            case WaveConfig():
                settings |= {
                    "mask": MaskConfig(ratio=0.65, shape="spans", length=10, masks=1),
                    "target": TargetConfig(layers=layers),
                }
            case _:
                settings |= {
                    "mask": MaskConfig(ratio=0.613, shape="beit", masks=1),  # 120 of 196
                    "target": TargetConfig(
                        layers=layers, tap="resid", per_layer="layer", average="layer"
                    ),
                    "loss_beta": 2.0,
                    "loss_scale": "mean",
                }
        return dataclasses.replace(config, **settings)

    return dataclasses.replace(run, **{name: changed(name) for name in MODALITIES})


def _reconstruct(run: RunConfig) -> RunConfig:
    """MAE for pictures and spectrograms, BERT for texts; pre-norm blocks as in MAE."""
    decoder = TransformerDecoderConfig(depth=2, dim=run.trunk.dim // 2, heads=run.trunk.heads)
    grid = {
        "objective": "reconstruct",
        "mask": MaskConfig(ratio=0.75, masks=1),
        "decoder": decoder,
        "cls_weight": 0.0,
    }
    word = {"objective": "reconstruct", "mask": MaskConfig(ratio=0.15, masks=1)}
    return dataclasses.replace(
        run,
        image=run.image and dataclasses.replace(run.image, **grid),
        audio=run.audio and dataclasses.replace(run.audio, **grid),
        text=run.text and dataclasses.replace(run.text, **word),
        trunk=dataclasses.replace(run.trunk, norm_first=True),
    )


SIZES: dict[str, Callable[[], RunConfig]] = {"tiny": _tiny, "small": _small, **BASE}
OBJECTIVES: dict[str, Callable[[RunConfig], RunConfig]] = {
    "data2vec2": lambda run: run,
    "data2vec": _data2vec,
    "hubert": hubert,
    "reconstruct": _reconstruct,
}
ARMS = (
    "separate",
    "shared",
    "shared-pairs-P",
    "latent-P",
    "contrastive",
    "shuffled-P",
    "random",
)


def preset(name: str) -> RunConfig:
    """Return the settings of a named run.

    Raises:
        ConfigError: if there is no such name; the message lists what there is.
    """
    size, rest = _leading(name, tuple(SIZES), "tiny")
    objective, arm = _leading(rest, tuple(OBJECTIVES), "data2vec2")
    kind, _, percent = arm.rpartition("-") if arm[-1:].isdigit() else (arm or "separate", "", "")
    takes_percent = f"{kind}-P" in ARMS
    if (
        kind not in _ARMS
        or takes_percent != bool(percent)
        or (percent and not (percent.isascii() and percent.isdigit() and int(percent) <= 100))
    ):
        raise ConfigError(
            f"there is no preset {name!r}; a name is SIZE, OBJECTIVE and ARM joined by hyphens, "
            f"each of which may be left out, with SIZE one of {', '.join(SIZES)}, OBJECTIVE one "
            f"of {', '.join(OBJECTIVES)} and ARM one of {', '.join(ARMS)} (P from 0 to 100 per "
            "cent)"
        )
    return _ARMS[kind](OBJECTIVES[objective](SIZES[size]()), int(percent or 0) / 100)


def _leading(name: str, words: tuple[str, ...], otherwise: str) -> tuple[str, str]:
    """Split the longest of some words off the front of a name."""
    for word in sorted(words, key=len, reverse=True):
        if name == word or name.startswith(f"{word}-"):
            return word, name[len(word) + 1 :]
    return otherwise, name


def _shared(run: RunConfig, fraction: float, *, shuffled: bool = False) -> RunConfig:
    pairs = dataclasses.replace(run.pairs, fraction=fraction, shuffled=shuffled)
    return dataclasses.replace(run, share_trunk=True, pairs=pairs)


def _latent(run: RunConfig, fraction: float) -> RunConfig:
    run = _shared(run, fraction)
    pairs = dataclasses.replace(run.pairs, weight=0.0, latent_weight=1.0)
    return dataclasses.replace(run, pairs=pairs)


def _contrastive(run: RunConfig, _fraction: float) -> RunConfig:
    silent = {
        name: dataclasses.replace(config, objective=None)
        for name in MODALITIES
        if (config := getattr(run, name)) is not None
    }
    pairs = dataclasses.replace(run.pairs, fraction=1.0)
    return dataclasses.replace(run, pairs=pairs, **silent)


def _random(run: RunConfig, _fraction: float) -> RunConfig:
    optim = dataclasses.replace(run.optim, steps=0)
    return dataclasses.replace(run, share_trunk=True, optim=optim)


_ARMS: dict[str, Callable[[RunConfig, float], RunConfig]] = {
    "separate": lambda run, _fraction: run,
    "shared": _shared,
    "shared-pairs": _shared,
    "latent": _latent,
    "contrastive": _contrastive,
    "shuffled": lambda run, fraction: _shared(run, fraction, shuffled=True),
    "random": _random,
}
