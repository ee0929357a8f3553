"""One contract for everything that turns items into layer states."""

from pathlib import Path

from d2v_core.encoders.encoder import Encoder
from d2v_core.encoders.lowlevel import LowLevelEncoder
from d2v_core.encoders.run import trained, untrained
from d2v_core.errors import InputError

__all__ = ["open_encoder"]


def open_encoder(name: str) -> Encoder:
    """Return the encoder that a user named.

    Args:
        name: a run folder or one of its checkpoints, `random:PRESET` for an untrained model, or
            `lowlevel` for statistics without any model.

    Raises:
        InputError: if the name is none of these.
    """
    kind, colon, rest = name.partition(":")
    if name == "lowlevel":
        return LowLevelEncoder()
    if colon and kind == "random":
        return untrained(rest)
    if not Path(name).is_dir():
        raise InputError(
            f"there is no encoder {name!r}; name a run folder, random:PRESET or lowlevel"
        )
    return trained(Path(name))
