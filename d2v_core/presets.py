"""Named runs: a size and an arm of the experiment.

A name is `SIZE`, `ARM` or `SIZE-ARM`, for example `tiny`, `shared-pairs-25`, `small-contrastive`.

    separate         one trunk for each modality, no pairs (the arm if none is named)
    shared           one trunk for all, no pairs
    shared-pairs-P   one trunk for all, P % of the pairs feed a contrastive term
    contrastive      no masked objective, all pairs: as CLIP
    shuffled-P       as shared-pairs-P, but the pairs are permuted: the control
    random           one trunk for all, untrained: the control
"""

import dataclasses
import re
from collections.abc import Callable

from d2v_core.config import (
    ByteConfig,
    DecoderConfig,
    ImageConfig,
    MaskConfig,
    MelConfig,
    OptimConfig,
    RunConfig,
    TeacherConfig,
    TrunkConfig,
)
from d2v_core.errors import ConfigError


def _tiny() -> RunConfig:
    """Minutes on two cores; pictures of 64 pixels, sounds of two seconds, one sentence."""
    return RunConfig(
        image=ImageConfig(mask=_grid_mask(0.75, masks=4)),
        audio=MelConfig(mask=_grid_mask(0.75, masks=4)),
        text=ByteConfig(
            mask=MaskConfig(ratio=0.5, length=4, adjust=0.05, masks=4),
            decoder=DecoderConfig(kernel=7),
        ),
    )


def _small() -> RunConfig:
    """A night on two cores or an hour on one GPU."""
    decoder = DecoderConfig(layers=4, width=256)
    return RunConfig(
        image=ImageConfig(mask=_grid_mask(0.8, masks=8), decoder=decoder),
        audio=MelConfig(mask=_grid_mask(0.8, masks=8), decoder=decoder, train_frames=400),
        text=ByteConfig(
            mask=MaskConfig(ratio=0.5, length=4, adjust=0.05, masks=8),
            decoder=DecoderConfig(layers=4, kernel=9, width=256),
            max_bytes=256,
        ),
        trunk=TrunkConfig(dim=256, depth=8, prenet_depth=2, heads=4),
        teacher=TeacherConfig(
            target_layers=6,
            ema_decay_start=0.999,
            ema_decay_end=0.9999,
            ema_anneal_steps=20_000,
        ),
        optim=OptimConfig(
            steps=40_000, batch=32, warmup_steps=1_000, lr=7e-4, precision="bf16-mixed"
        ),
    )


def _grid_mask(ratio: float, *, masks: int) -> MaskConfig:
    """Blocks of 3 x 3 patches stay visible, as in the published image configuration."""
    return MaskConfig(ratio=ratio, length=3, adjust=0.07, inverse=True, masks=masks)


SIZES: dict[str, Callable[[], RunConfig]] = {"tiny": _tiny, "small": _small}
ARMS = ("separate", "shared", "shared-pairs-P", "contrastive", "shuffled-P", "random")


def preset(name: str) -> RunConfig:
    """Return the settings of a named run.

    Raises:
        ConfigError: if there is no such name; the message lists what there is.
    """
    size, _, rest = name.partition("-")
    size, arm = (size, rest or "separate") if size in SIZES else ("tiny", name)
    match = re.fullmatch(r"(.+?)(?:-(\d{1,3}))?", arm)
    kind, percent = (match[1], match[2]) if match else (arm, None)
    takes_percent = kind in ("shared-pairs", "shuffled")
    if kind not in _ARMS or takes_percent != bool(percent) or int(percent or 0) > 100:
        raise ConfigError(
            f"there is no preset {name!r}; a name is SIZE, ARM or SIZE-ARM, with SIZE one of "
            f"{', '.join(SIZES)} and ARM one of {', '.join(ARMS)} (P from 0 to 100 per cent)"
        )
    return _ARMS[kind](SIZES[size](), int(percent or 0) / 100)


def _shared(run: RunConfig, fraction: float, *, shuffled: bool = False) -> RunConfig:
    pairs = dataclasses.replace(run.pairs, fraction=fraction, shuffled=shuffled)
    return dataclasses.replace(run, share_trunk=True, pairs=pairs)


def _contrastive(run: RunConfig, _fraction: float) -> RunConfig:
    pairs = dataclasses.replace(run.pairs, fraction=1.0)
    return dataclasses.replace(run, objective="none", pairs=pairs)


def _random(run: RunConfig, _fraction: float) -> RunConfig:
    optim = dataclasses.replace(run.optim, steps=0)
    return dataclasses.replace(run, share_trunk=True, optim=optim)


_ARMS: dict[str, Callable[[RunConfig, float], RunConfig]] = {
    "separate": lambda run, _fraction: run,
    "shared": _shared,
    "shared-pairs": _shared,
    "contrastive": _contrastive,
    "shuffled": lambda run, fraction: _shared(run, fraction, shuffled=True),
    "random": _random,
}
