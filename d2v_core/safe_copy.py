"""A folder of the Hugging Face library once more, its pickled tensors as safetensors."""

import shutil
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from d2v_core.encoders.huggingface_files import tensors_of

_SMALL = ("*.json", "*.txt", "*.model", "*/*.json", "*/*.txt")
"""Settings, vocabularies, and those of the modules of a sentence-transformers folder."""

_BIN = "pytorch_model*.bin"


def pickled_places(folder: Path) -> list[Path]:
    """Return the folder, and those in it, that have weights only as a pickle of tensors."""
    found = {path.parent for at in ("", "*/") for path in folder.glob(f"{at}{_BIN}")}
    return sorted(place for place in found if not list(place.glob("model*.safetensors")))


def copy_safely(there: Path, to: Path) -> None:
    """Copy settings, vocabularies and weights; code that comes with a model stays behind.

    Args:
        there: the folder.
        to: an empty one.

    Raises:
        CheckpointError: if a file would have to execute something, or holds more than tensors.
    """
    small = {path for pattern in _SMALL for path in there.glob(pattern)}
    whole = {path for at in ("", "*/") for path in there.glob(f"{at}model*.safetensors")}
    for path in sorted(small | whole):
        if not path.name.startswith("pytorch_model"):  # an index of what is no longer there
            place = to / path.relative_to(there)
            place.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, place)
    for folder in pickled_places(there):
        place = to / folder.relative_to(there)
        place.mkdir(exist_ok=True)
        save_file(_tensors(folder), place / "model.safetensors", metadata={"format": "pt"})


def _tensors(folder: Path) -> dict[str, Tensor]:
    """Return the tensors of all pickled files of a folder, none sharing its memory."""
    found: dict[str, Tensor] = {}
    for path in sorted(folder.glob(_BIN)):
        part = tensors_of(path)
        found |= {name: x.detach().clone().contiguous() for name, x in part.items()}
    return found
