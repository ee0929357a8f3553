"""The sentence vector of a sentence-transformers folder: its own pooling, and what comes after.

Read without that library: a folder lists its modules, and pooling is arithmetic.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from d2v_core.encoders.huggingface_files import read_json, read_weights, refusals
from d2v_core.errors import CheckpointError

_ACTIVATIONS = {"Identity": nn.Identity, "Tanh": nn.Tanh, "ReLU": nn.ReLU, "GELU": nn.GELU}
_OLD = "pooling_mode_"


@dataclass(frozen=True)
class SentenceHead:
    """What follows the transformer.

    Attributes:
        modes: how tokens are pooled; several are put side by side.
        dense: linear maps with their activations, in their order.
        normalise: whether the vector has length 1 in the end.
        most_words: entries of the vocabulary after which a text is cut; None for the model's own.
        lower: letters are made small first.
        transformer: the folder of the transformer itself.
        settings: the files all this was read from, for the hash.
    """

    modes: tuple[str, ...]
    dense: tuple[nn.Module, ...]
    normalise: bool
    most_words: int | None
    lower: bool
    transformer: Path
    settings: list[Any] = field(default_factory=list)

    def width(self, hidden: int) -> int:
        """Return the length of a vector made of tokens with so many channels."""
        linear = [part for module in self.dense for part in module.modules()]
        outs = [part.out_features for part in linear if isinstance(part, nn.Linear)]
        return outs[-1] if outs else hidden * len(self.modes)

    def __call__(
        self,
        tokens: Float[Tensor, "items tokens dim"],
        mask: Int64[Tensor, "items tokens"],
    ) -> Float[Tensor, "items width"]:
        """Return sentence vectors of all of a text's tokens, CLS and SEP among them."""
        x = torch.cat([MODES[mode](tokens.float(), mask[..., None]) for mode in self.modes], dim=1)
        for module in self.dense:
            x = module(x)
        return F.normalize(x, dim=1) if self.normalise else x


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    return (x * mask).sum(dim=1) / mask.sum(dim=1)


def _root(x: Tensor, mask: Tensor) -> Tensor:
    return (x * mask).sum(dim=1) / mask.sum(dim=1).sqrt()


def _weighted(x: Tensor, mask: Tensor) -> Tensor:
    """Later words count more: 1, 2, 3, ..."""
    weights = mask * torch.arange(1, x.shape[1] + 1, device=x.device)[None, :, None]
    return (x * weights).sum(dim=1) / weights.sum(dim=1)


def _most(x: Tensor, mask: Tensor) -> Tensor:
    return x.masked_fill(mask == 0, float("-inf")).amax(dim=1)


def _last(x: Tensor, mask: Tensor) -> Tensor:
    return x[torch.arange(len(x), device=x.device), mask[..., 0].sum(dim=1) - 1]


MODES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cls": lambda x, _mask: x[:, 0],
    "max": _most,
    "mean": _mean,
    "mean_sqrt_len_tokens": _root,
    "weightedmean": _weighted,
    "lasttoken": _last,
}
_OLD_NAMES = {
    "cls_token": "cls",
    "max_tokens": "max",
    "mean_tokens": "mean",
    "weightedmean_tokens": "weightedmean",
}
"""Pooling in the order of sentence-transformers, which is that of the parts of a vector."""


def read_head(folder: Path, *, seed: int | None = None) -> SentenceHead | None:
    """Return what a folder does after its transformer; None if it is no sentence-transformers one.

    Args:
        folder: with its `modules.json`.
        seed: of fresh random weights; None for those of the folder.

    Raises:
        CheckpointError: if a module of it is not understood.
    """
    if not (folder / "modules.json").is_file():
        return None
    with refusals("what follows its transformer"):
        return _read_head(folder, seed)


def _read_head(folder: Path, seed: int | None) -> SentenceHead:
    modules = _modules(folder)
    names = [name for name, _ in modules]
    known = ["Transformer", "Pooling", *["Dense"] * names.count("Dense")]
    if names not in (known, [*known, "Normalize"]):
        raise CheckpointError(
            f"its modules are {', '.join(names)}; read are Transformer, Pooling, Dense (any "
            "number) and Normalize, in this order"
        )
    places = dict(modules)
    transformer = places["Transformer"]
    words = transformer / "sentence_bert_config.json"
    about = read_json(words) if words.is_file() else {}
    pooling = read_json(places["Pooling"] / "config.json")
    folders = [place for name, place in modules if name == "Dense"]
    dense = [read_json(place / "config.json") for place in folders]
    _check_prompt(folder)
    return SentenceHead(
        modes=_modes(pooling),
        dense=tuple(_dense(*both, seed) for both in zip(folders, dense, strict=True)),
        normalise="Normalize" in names,
        most_words=about.get("max_seq_length"),
        lower=bool(about.get("do_lower_case")),
        transformer=transformer,
        settings=[names, about, pooling, dense],
    )


def _modules(folder: Path) -> list[tuple[str, Path]]:
    """Return the kind and the folder of every module."""
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    for module in modules:
        # A folder that says its module lies elsewhere is not read there.
        if not (folder / module["path"]).resolve().is_relative_to(folder.resolve()):
            raise CheckpointError(f"its module {module['path']} is outside of the folder")
    return [(module["type"].rpartition(".")[2], folder / module["path"]) for module in modules]


def _check_prompt(folder: Path) -> None:
    file = folder / "config_sentence_transformers.json"
    about = read_json(file) if file.is_file() else {}
    prompt = (about.get("prompts") or {}).get(about.get("default_prompt_name"))
    if prompt:
        raise CheckpointError(
            f"it puts {prompt!r} in front of every text, which would count as the text's own; "
            "take default_prompt_name out of config_sentence_transformers.json"
        )


def _modes(settings: dict[str, Any]) -> tuple[str, ...]:
    """Return the ways to pool: one switch each in older folders, one name in newer ones."""
    if "pooling_mode" in settings:
        given = settings["pooling_mode"]
        chosen = (given,) if isinstance(given, str) else tuple(given)
    else:
        switches = [n.removeprefix(_OLD) for n, on in settings.items() if on is True and _OLD in n]
        named = [_OLD_NAMES.get(name, name) for name in switches] or ["mean"]
        chosen = tuple(sorted(named, key=list(MODES).index)) if {*named} <= {*MODES} else (*named,)
    unknown = [mode for mode in chosen if mode not in MODES]
    if unknown:
        raise CheckpointError(f"its pooling is {', '.join(unknown)}; known are {', '.join(MODES)}")
    return chosen


def _dense(place: Path, settings: dict[str, Any], seed: int | None) -> nn.Module:
    name = settings.get("activation_function", "torch.nn.modules.activation.Tanh")
    activation = _ACTIVATIONS.get(name.rpartition(".")[2])
    if activation is None:
        raise CheckpointError(
            f"its activation {name} is not known; known are {', '.join(_ACTIVATIONS)}"
        )
    if settings.get("use_residual"):
        raise CheckpointError("its Dense has a skip connection, which is not understood")
    has_bias = settings.get("bias", True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed or 0)
        linear = nn.Linear(settings["in_features"], settings["out_features"], bias=has_bias)
    if seed is None:
        weights = {n.removeprefix("linear."): x for n, x in read_weights(place).items()}
        try:
            linear.load_state_dict(weights)
        except RuntimeError as error:
            raise CheckpointError(" ".join(str(error).split())) from error
    return nn.Sequential(linear, activation()).eval().requires_grad_(False)
