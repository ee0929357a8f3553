"""A Hugging Face model from its files: found, read without executing anything, and hashed.

Everything of a model comes from one folder, a local one or a snapshot of the hub. Weights are
safetensors, or a `.bin` that holds tensors alone; code that comes with a model is never run.
"""

import contextlib
import hashlib
import importlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from d2v_core.encoders.huggingface_families import BY_TYPE, Family
from d2v_core.encoders.torch_files import read_file
from d2v_core.errors import CheckpointError, D2VError

_SMALL = ["*.json", "*.txt", "*.model"]
_SAFE = ["model*.safetensors", "*/model.safetensors"]
_BIN = ["pytorch_model*.bin", "*/pytorch_model.bin"]
_LOCAL = {"local_files_only": True, "trust_remote_code": False}

_VOCABULARIES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)

MOST_BLOCKS, MOST_SIDE, MOST_ENTRIES = 1000, 4096, 10_000_000
RATES_HZ = (1000, 192_000)
"""What no model has more of. Settings may say anything, and would be believed."""

_UNUSED = re.compile(r"(.*\.)?(masked_spec_embed|mask_token|position_ids)")
"""Weights that a file may lack: no layer depends on them."""

_NOT_HASHED = {
    "_name_or_path",
    "_attn_implementation",
    "architectures",
    "dtype",
    "id2label",
    "label2id",
    "name_or_path",
    "torch_dtype",
    "transformers_version",
}
"""Settings that change nothing of what is computed."""


def library() -> ModuleType:
    """Return the Hugging Face library, silenced: it takes seconds to import, and likes to talk."""
    importlib.import_module("d2v_core.torchaudio_cpu")  # before it looks for torchaudio itself
    transformers = importlib.import_module("transformers")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers


def find(name: str, *, weights: bool = True) -> Path:
    """Return the folder of a model: the one that is named, or the hub's files of that name.

    Args:
        name: a folder, or an id of the hub.
        weights: whether weights are needed.

    Raises:
        CheckpointError: if it is neither, or the hub cannot be reached and was not asked before.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise CheckpointError(f"{name} is a file; name the folder with its config.json")
    from huggingface_hub import snapshot_download  # slow to import

    try:
        found = Path(snapshot_download(name, allow_patterns=_SMALL))
        if weights:
            snapshot_download(name, allow_patterns=_SMALL + _SAFE)
            if not list(found.glob("*.safetensors")):
                snapshot_download(name, allow_patterns=_SMALL + _BIN)
    except (OSError, ValueError) as error:  # no such id, no network, no access, no valid id
        raise CheckpointError(
            f"there is no Hugging Face model {name!r}: no folder of that name is here, and the hub "
            f"has no such id or cannot be reached ({str(error).splitlines()[0]})"
        ) from error
    return found


def family_of(folder: Path) -> Family:
    """Return the family of the model in a folder.

    Raises:
        CheckpointError: if it has no `config.json`, or is of a family that is not understood.
    """
    kind = read_json(folder / "config.json").get("model_type")
    if not isinstance(kind, str) or kind not in BY_TYPE:
        raise CheckpointError(
            f"it is a model of type {kind!r}; understood are {', '.join(sorted(BY_TYPE))}"
        )
    return BY_TYPE[kind]


def read_config(folder: Path, family: Family) -> Any:  # noqa: ANN401
    """Return a model's settings as the library has them.

    Raises:
        CheckpointError: if they cannot be read, or say that there are more blocks than any has.
    """
    blocks = max(_depths(read_json(folder / "config.json")), default=0)
    if blocks > MOST_BLOCKS:  # the library would count to that number
        raise CheckpointError(f"its config.json says it has {blocks:.6g} blocks: refused")
    with refusals("config.json"):
        config = (
            library().CONFIG_MAPPING[family.type].from_pretrained(folder, local_files_only=True)
        )
    for name, value in family.settings.items():
        setattr(config, name, value)
    return config


def trained_model(folder: Path, family: Family, config: Any) -> nn.Module:  # noqa: ANN401
    """Return a model with the weights in its folder, in fp32.

    Raises:
        CheckpointError: if there are none, they would have to execute something, or one is missing.
    """
    if not [*folder.glob("*.safetensors"), *folder.glob("pytorch_model*.bin")]:
        raise CheckpointError(
            "it has no weights: neither model.safetensors nor pytorch_model.bin is there"
        )
    _check_files(folder)
    made = getattr(library(), family.model)
    with refusals("the weights"):
        model, report = made.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            local_files_only=True,
            weights_only=True,
            use_safetensors=True if list(folder.glob("*.safetensors")) else None,
            output_loading_info=True,
            **_without_pooler(family),
        )
    missing = sorted(n for n in report["missing_keys"] if not _UNUSED.fullmatch(n))
    if missing:
        raise CheckpointError(
            f"its weights lack {len(missing)} that a {family.type} model has, {missing[0]} among "
            "them: they are of another model"
        )
    return model


def _check_files(folder: Path) -> None:
    """Raise CheckpointError for weights elsewhere, and for pickles that do more than hold them."""
    for index in folder.glob("*.index.json"):
        named = _mapping(read_json(index).get("weight_map")).values()
        if strange := sorted({str(x) for x in named if Path(str(x)).name != str(x)}):
            raise CheckpointError(
                f"its {index.name} names {strange[0]}, which is no file of its folder: refused"
            )
    if not list(folder.glob("*.safetensors")):
        for path in folder.glob("pytorch_model*.bin"):
            tensors_of(path)


def random_model(family: Family, config: Any, *, seed: int) -> nn.Module:  # noqa: ANN401
    """Return a model with its first, random weights, as its family draws them.

    Raises:
        CheckpointError: if its settings make no model.
    """
    made = getattr(library(), family.model)
    with torch.random.fork_rng(devices=[]), refusals("its settings", cannot_be="used"):
        torch.manual_seed(seed)
        return made(config, **_without_pooler(family))


def processor_of(folder: Path, form: str) -> Any:  # noqa: ANN401
    """Return the image processor, feature extractor or tokenizer of a model.

    Raises:
        CheckpointError: if the folder has none, or it would need code of its own.
    """
    transformers = library()
    if form == "pixels":
        with refusals("its image processor"):
            # One way to resize, whatever else is installed: another gives other numbers.
            made = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil", **_LOCAL)
        told = made.to_dict()
        sides = list(_numbers([told.get("size"), told.get("crop_size")]))
        if any(side > MOST_SIDE for side in sides):
            raise CheckpointError(
                f"its image processor makes pictures of {max(sides):.6g} pixels a side; "
                f"up to {MOST_SIDE:,} are computed"
            )
        return made
    if form.startswith("words"):
        if not any((folder / name).is_file() for name in _VOCABULARIES):
            # Without any, the library makes a tokenizer that knows no word.
            raise CheckpointError(f"it has no vocabulary: none of {', '.join(_VOCABULARIES)}")
        _check_entries(folder)
        with refusals("its tokenizer"):
            return transformers.AutoTokenizer.from_pretrained(folder, **_LOCAL)
    with refusals("its feature extractor"):
        made = transformers.AutoFeatureExtractor.from_pretrained(folder, **_LOCAL)
    rate = made.sampling_rate
    if not isinstance(rate, int) or not RATES_HZ[0] <= rate <= RATES_HZ[1]:
        raise CheckpointError(
            f"its feature extractor wants a sampling rate of {rate!r}; between {RATES_HZ[0]:,} and "
            f"{RATES_HZ[1]:,} Hz are computed"
        )
    return made


def _check_entries(folder: Path) -> None:
    """Raise CheckpointError if an entry of a vocabulary has a number that none has.

    What reads a vocabulary makes room for all numbers up to the largest.
    """
    for name in ("tokenizer.json", "vocab.json"):
        if not (folder / name).is_file():
            continue
        said = read_json(folder / name)
        model = said.get("model") if name == "tokenizer.json" else None
        vocabulary = said if name == "vocab.json" else _mapping(model).get("vocab")
        added = said.get("added_tokens")
        entries = [*_mapping(vocabulary).values()]
        entries += [_mapping(x).get("id") for x in added] if isinstance(added, list) else []
        largest = max(_numbers(entries), default=0)
        if largest > MOST_ENTRIES:
            raise CheckpointError(f"its {name} has an entry of number {largest:.6g}: refused")


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _numbers(value: object) -> Iterator[float]:
    """Yield the numbers in plain values, however deep."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            yield from _numbers(part)
    elif isinstance(value, int | float):
        yield value


def _depths(settings: object) -> Iterator[float]:
    """Yield how many blocks there are, of all towers that settings tell of."""
    for name, value in _mapping(settings).items():
        yield from _depths(value)
        if name.endswith("layers"):
            yield from _numbers(value)


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object of a model's folder.

    Raises:
        CheckpointError: if it is not there or no JSON object.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"it has no {path.name} that can be read: {error}") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"its {path.name} is no JSON object")
    return found


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Return the tensors of a small module of a model.

    Raises:
        CheckpointError: if there are none, or they would have to execute something.
    """
    names = ("model.safetensors", "pytorch_model.bin")
    path = next((folder / name for name in names if (folder / name).is_file()), folder / names[0])
    return tensors_of(path)


def tensors_of(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file of weights.

    Raises:
        CheckpointError: if it is missing, packed or damaged, would have to execute something, or
            holds more than tensors with names.
    """
    try:
        found = read_file(path)
    except CheckpointError as error:
        raise CheckpointError(f"{path.parent.name}/{path.name} cannot be read: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(x, Tensor) for x in found.values()):
        raise CheckpointError(f"{path.name} holds more than tensors with names")
    return found


@contextlib.contextmanager
def refusals(what: str, *, cannot_be: str = "read") -> Iterator[None]:
    """Say in one sentence what the library says in many.

    Args:
        what: is read, or used, in this context.
        cannot_be: "read" or "used".

    Raises:
        CheckpointError: for whatever a file that is missing or damaged makes the library raise.
    """
    from huggingface_hub.errors import StrictDataclassError  # slow to import

    try:
        yield
    except D2VError:
        raise
    except StrictDataclassError as error:  # the reason is in what it is about
        reason = " ".join(str(error.__cause__ or error).split())
        raise CheckpointError(f"{what} cannot be {cannot_be}: {reason}") from error
    except Exception as error:  # tokenizers raises plain ones, and the library all others
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise CheckpointError(f"{what} cannot be {cannot_be}: {reason}") from error


def hash_of(model: nn.Module, settings: object) -> str:
    """Return a hash of a model's weights and of all settings that change what it computes."""
    text = json.dumps(_hashed(settings), sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def _hashed(settings: object) -> object:
    if isinstance(settings, Mapping):
        return {str(n): _hashed(x) for n, x in settings.items() if n not in _NOT_HASHED}
    if isinstance(settings, list | tuple):
        return [_hashed(x) for x in settings]
    return settings


def _without_pooler(family: Family) -> dict[str, bool]:
    return {"add_pooling_layer": False} if family.pooler else {}
