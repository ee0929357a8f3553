"""One contract for everything that turns items into layer states."""

import json
from pathlib import Path

from d2v_core.encoders.encoder import Encoder
from d2v_core.encoders.exported import STUDENT, exported
from d2v_core.encoders.foreign import asked_of, open_file
from d2v_core.encoders.huggingface import choice_of, huggingface
from d2v_core.encoders.lowlevel import LowLevelEncoder
from d2v_core.encoders.pooling import check_pooling
from d2v_core.encoders.run import trained, untrained
from d2v_core.errors import InputError

__all__ = ["open_encoder"]


def open_encoder(name: str, *, pooling: str = "mean", ffn: bool = False) -> Encoder:
    """Return the encoder that a user named.

    Args:
        name: a run folder, one of its checkpoints, a folder that `d2v convert` wrote,
            `file:FILE` for a checkpoint of fairseq, MAE or open_clip (`file-ema:FILE` for its
            teacher; `fairseq:FILE` is the same), `hf:ID_OR_PATH` for a model of the
            Hugging Face library (`hf-random:` for it untrained, `hf-bf16:` for it in bf16,
            `hf-image:`, `hf-audio:` or `hf-text:` for one of its towers), `random:PRESET` for an
            untrained model, or `lowlevel` for statistics without any model.
        pooling: of an item's tokens: "mean", "mean+std", "max" or "first" (CLS where there is one).
        ffn: whether every block's MLP output is taken too.

    Raises:
        InputError: if the name, or the pooling, is none of these.
        CheckpointError: if a checkpoint cannot be read.
    """
    kind, colon, rest = name.partition(":")
    if name == "lowlevel":
        return LowLevelEncoder()
    how = check_pooling(pooling)
    if colon and kind == "random":
        return untrained(rest, pooling=how, ffn=ffn)
    asked = asked_of(kind) if colon else None
    if asked is not None:
        return open_file(Path(rest).expanduser(), asked, pooling=how, ffn=ffn)
    choice = choice_of(kind) if colon else None
    if choice is not None:
        return huggingface(rest, choice, pooling=how, ffn=ffn)
    if not Path(name).is_dir():
        raise InputError(
            f"there is no encoder {name!r}; name a run folder, file:FILE, hf:ID_OR_PATH, "
            "random:PRESET or lowlevel"
        )
    if (Path(name) / STUDENT).is_file():
        return exported(Path(name), pooling=how, ffn=ffn)
    if _is_of_the_library(Path(name)):
        raise InputError(f"{name} is a folder of the Hugging Face library; name it hf:{name}")
    return trained(Path(name), pooling=how, ffn=ffn)


def _is_of_the_library(folder: Path) -> bool:
    """Tell whether a folder says so; one that says nothing readable is refused as a run."""
    try:
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(settings, dict) and "model_type" in settings
