"""Whether a file of tensors can be the weights of some settings, told before either takes memory.

Settings that are not those of the file may ask for all the memory there is, or for a billion
blocks; a file may say that it holds what it does not.
"""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from d2v_core.config import ModalitySettings, RunConfig
from d2v_core.errors import CheckpointError
from d2v_core.learner import Learner
from d2v_core.modality_config import TransformerDecoderConfig

MOST_TABLES = 1_000_000_000
"""Bytes of what is computed from the settings alone: positions, windows."""


def check_fit(config: RunConfig, path: Path) -> None:
    """Refuse a file of tensors that cannot be the learner of a run with these settings.

    Raises:
        CheckpointError: if the file is missing or broken, or names or shapes differ.
    """
    shapes = _shapes(path)
    wrong = f"{path} does not fit this model"
    counts = [config.trunk.depth, config.trunk.prenet_depth]
    counts += [n for m in config.modalities for n in _counts(config.of(m))]
    if max(counts) > len(shapes):
        raise CheckpointError(f"{wrong}: of {max(counts):,} layers; it has {len(shapes)} tensors")
    try:
        with torch.device("meta"):  # shapes without numbers
            learner = Learner(config)
    except (RuntimeError, ValueError, TypeError, ArithmeticError) as error:
        raise CheckpointError(f"{wrong}: its settings make no model: {error}") from error
    wanted = {name: tuple(x.shape) for name, x in learner.state_dict().items()}
    for name in sorted(wanted.keys() | shapes.keys()):
        if wanted.get(name) != shapes.get(name):
            raise CheckpointError(
                f"{wrong}: {name} is {shapes.get(name, 'missing')}, wanted "
                f"{wanted.get(name, 'no such thing')}"
            )
    tables = sum(buffer.nbytes for buffer in learner.buffers())
    if tables > MOST_TABLES:
        raise CheckpointError(f"{wrong}: its settings ask for tables of {tables / 1e9:,.0f} GB")


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing; was this checkpoint thinned out?") from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def _counts(settings: ModalitySettings) -> list[int]:
    """Return all the settings of a modality that say how many layers there are."""
    decoder = settings.decoder
    is_deep = isinstance(decoder, TransformerDecoderConfig)
    return [decoder.depth if is_deep else decoder.layers, getattr(settings, "position_layers", 1)]
