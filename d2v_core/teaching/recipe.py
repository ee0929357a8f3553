"""The recipe of a run for one modality, setting by setting, in words."""

from d2v_core.config import RunConfig
from d2v_core.modality import Modality
from d2v_core.modality_config import ImageConfig, MaskConfig, MelConfig, TextConfig, WaveConfig

TASKS = {
    "data2vec": "predict the teacher's averaged layers at hidden places",
    "data2vec2": "predict the teacher's averaged layers at hidden places",
    "reconstruct": "predict the hidden input itself",
    "hubert": "predict the cluster of hidden places",
    None: "none of its own",
}


def settings_of(config: RunConfig, modality: Modality) -> dict[str, str]:
    """Return what a run does with a modality.

    Raises:
        ConfigError: if the run has no such modality.
    """
    settings = config.of(modality)
    depth = config.trunk.depth
    norm = "per channel over tokens" if settings.target.per_layer == "instance" else "per token"
    return {
        "task": TASKS.get(settings.objective, str(settings.objective)),
        "teacher": f"the student's moving average, τ from {config.teacher.ema_decay_start:g} "
        f"to {config.teacher.ema_decay_end:g}",
        "target": f"mean of the last {settings.target.layers} of {depth} layers, "
        f"each normalised {norm}",
        "network": f"{depth} transformer blocks of width {config.trunk.dim}",
        "tokens": _tokens(settings),
        "hidden": _hidden(settings.mask),
        "masks an item": str(settings.mask.masks),
    }


def _tokens(settings: ImageConfig | MelConfig | WaveConfig | TextConfig) -> str:
    match settings:
        case ImageConfig():
            return f"squares of {settings.patch} x {settings.patch} pixels"
        case MelConfig():
            return (
                f"pieces of a spectrogram, {settings.patch_frames * 10} ms x "
                f"{settings.patch_bins} of {settings.bins} bands"
            )
        case WaveConfig():
            return "20 ms of the raw wave each"
        case TextConfig():
            return "bytes" if settings.vocabulary == "bytes" else "pieces of words"


def _hidden(mask: MaskConfig) -> str:
    share = f"{mask.ratio:.0%}"
    if mask.shape == "beit":
        return f"{share}, in rectangles"
    if mask.shape != "blocks" or not mask.inverse:
        return f"{share}, in runs of {mask.length}" if mask.length > 1 else f"{share}, singly"
    return f"{share}; blocks of {mask.length} x {mask.length} stay visible"
