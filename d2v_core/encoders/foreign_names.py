"""Weights of other people by the names of the Hugging Face library, every one accounted for."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor, nn

from d2v_core.encoders.huggingface_files import library, refusals
from d2v_core.errors import CheckpointError

PUBLISHED_HEADS = {192: 3, 384: 6, 768: 12, 1024: 16, 1280: 16}
"""Heads of the published widths, where no setting tells."""

Change = Literal["as it is", "split", "transpose"]
_UNUSED = re.compile(r"(.*\.)?(masked_spec_embed|mask_token|position_ids)")
"""Weights that a file may lack: no layer depends on them."""


@dataclass(frozen=True)
class Rule:
    """What becomes of the weights whose name matches a pattern.

    Attributes:
        pattern: of their name, as a whole.
        name: that of the library, with the pattern's groups.
        change: "split" cuts the rows into three equal parts, query, key and value, whose names
            stand for `{part}`.
    """

    pattern: str
    name: str
    change: Change = "as it is"


@dataclass(frozen=True)
class Naming:
    """How the weights of one kind of file are called.

    Attributes:
        rules: the first that fits counts.
        parts: what `{part}` stands for.
        dropped: what pretraining or a task needs, and no layer does.
    """

    rules: tuple[Rule, ...]
    parts: tuple[str, str, str] = ("q", "k", "v")
    dropped: str = "$."


@dataclass(frozen=True)
class Foreign:
    """A model of other people, as the Hugging Face library has it.

    Attributes:
        type: of the family, its `model_type`.
        config: the settings, of the library.
        weights: by the names of the library, in fp32.
        processors: image processor, feature extractor, tokenizer: by the modality they are for.
        dropped: names of weights in the file that no layer needs.
        pooler: the pooler has weights of its own.
    """

    type: str
    config: Any
    weights: dict[str, Tensor]
    processors: dict[str, Any]
    dropped: list[str] = field(default_factory=list)
    pooler: bool = False


def translated(weights: Mapping[str, Any], naming: Naming) -> tuple[dict[str, Tensor], list[str]]:
    """Return the weights by the library's names, and which were dropped.

    Raises:
        CheckpointError: if a name is not understood.
    """
    found: dict[str, Tensor] = {}
    dropped, unknown = [], []
    for theirs, value in weights.items():
        rule = next((r for r in naming.rules if re.fullmatch(r.pattern, theirs)), None)
        if re.fullmatch(naming.dropped, theirs):
            dropped.append(theirs)
        elif rule is None or not isinstance(value, Tensor):
            unknown.append(theirs)
        else:
            found |= _changed(rule, theirs, value.float(), naming.parts)
    if unknown:
        raise CheckpointError(
            f"{listed(unknown)} not understood: the file is of another kind, or of another version"
        )
    return found, dropped


def _changed(
    rule: Rule, theirs: str, value: Tensor, parts: tuple[str, str, str]
) -> dict[str, Tensor]:
    name = re.sub(rule.pattern, rule.name, theirs)
    match rule.change:
        case "as it is":
            return {name: value}
        case "transpose":
            return {name: value.T.contiguous()}
        case "split":
            if len(value) % 3:
                raise CheckpointError(
                    f"{theirs} has {len(value)} rows; query, key and value need a multiple of 3"
                )
            thirds = value.chunk(3)
            return {
                name.replace("{part}", part): third.contiguous()
                for part, third in zip(parts, thirds, strict=True)
            }


def config_of(kind: str, sizes: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Return the settings of a model as the library has them.

    Raises:
        CheckpointError: if there is no model of these sizes.
    """
    with refusals("its sizes"):
        return library().CONFIG_MAPPING[kind](**sizes)


def filled(model: nn.Module, weights: Mapping[str, Tensor], *, title: str) -> nn.Module:
    """Return the model with these weights: none missing, none left over, none of another shape.

    Raises:
        CheckpointError: naming those that do not fit.
    """
    there = model.state_dict()
    missing = [n for n in there if n not in weights and not _UNUSED.fullmatch(n)]
    if missing:
        raise CheckpointError(
            f"{title} needs what it lacks, as the Hugging Face library calls it: {listed(missing)} "
            "missing"
        )
    extra = [n for n in weights if n not in there and not _UNUSED.fullmatch(n)]
    if extra:
        raise CheckpointError(f"{title} of this size has no {extra[0]}: {listed(extra)} left over")
    for name, tensor in weights.items():
        if name in there and tensor.shape != there[name].shape:
            raise CheckpointError(
                f"{name}, as the Hugging Face library calls it, is {tuple(tensor.shape)}; the "
                f"other weights want {tuple(there[name].shape)}"
            )
        if not bool(tensor.isfinite().all()):
            raise CheckpointError(f"{name} is not finite: the file is damaged")
    model.load_state_dict({n: x for n, x in weights.items() if n in there}, strict=False)
    return model.eval()


def with_prefix(weights: Mapping[str, Any], prefixes: Iterable[str], name: str) -> str | None:
    """Return what stands in front of all names, told from a name that has to be there."""
    return next((p for p in prefixes if p + name in weights), None)


def count(weights: Mapping[str, Any], start: str) -> int:
    """Return how many numbers follow a start of a name: how many blocks there are."""
    numbers = {n[len(start) :].split(".")[0] for n in weights if n.startswith(start)}
    return sum(number.isdecimal() for number in numbers)


def shape(weights: Mapping[str, Any], name: str) -> tuple[int, ...]:
    """Return the shape of a weight.

    Raises:
        CheckpointError: if it is not there.
    """
    if not isinstance(weights.get(name), Tensor):
        raise CheckpointError(f"it lacks {name}, which tells how large the model is")
    return tuple(weights[name].shape)


def heads_of(width: int, said: object) -> int:
    """Return the number of heads: as the settings say, or that of the published width.

    Raises:
        CheckpointError: if nothing tells, or the width is no multiple of it.
    """
    heads = said if isinstance(said, int) else PUBLISHED_HEADS.get(width)
    if heads is None:
        raise CheckpointError(f"neither weights nor settings tell how many heads {width} has")
    if heads < 1 or width % heads:
        raise CheckpointError(f"its settings say {heads} heads, of which {width} is no multiple")
    return heads


def listed(names: Sequence[str]) -> str:
    """Return a name, or the number of them and the first, with their verb."""
    if len(names) == 1:
        return f"{names[0]} is"
    return f"{len(names)} weights ({names[0]} the first) are"
