"""Models of the Hugging Face library as encoders: every layer, pooled as the item deserves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d2v_core.data.items import Item
from d2v_core.encoders.encoder import LayerStates, Role
from d2v_core.encoders.huggingface_batches import Preparation
from d2v_core.encoders.huggingface_families import Family, Tower
from d2v_core.encoders.huggingface_files import (
    family_of,
    find,
    hash_of,
    library,
    processor_of,
    random_model,
    read_config,
    refusals,
    trained_model,
)
from d2v_core.encoders.huggingface_inputs import Words, preparation
from d2v_core.encoders.huggingface_parts import JOINT, SENTENCE, Part, States
from d2v_core.encoders.huggingface_trial import try_out
from d2v_core.encoders.pooling import Pooling, pool, pooled_width
from d2v_core.encoders.sentences import SentenceHead, read_head
from d2v_core.errors import CheckpointError, InputError
from d2v_core.modality import MODALITIES, Modality
from d2v_core.shards import device_of_this_process, items_at_once

KIND = "hf"
BATCH_BYTES = 1 << 29
"""The layers of a batch: half a GiB, or fewer items at once."""


@dataclass(frozen=True)
class Choice:
    """What is asked of a model, by what stands in front of its name: `hf-random-image:ID`."""

    random: bool = False
    """Fresh weights: the control of every claim."""

    bf16: bool = False
    """Computed in bf16, which is faster where the processor knows it."""

    only: Modality | None = None
    """One tower of a model that has two."""


def choice_of(kind: str) -> Choice | None:
    """Return what stands in front of a name, None if it is none of ours.

    Raises:
        InputError: if it starts like ours and goes on otherwise.
    """
    start, *words = kind.split("-")
    if start != KIND:
        return None
    known = {"random", "bf16", *MODALITIES}
    towers: list[Modality] = [m for m in MODALITIES if m in words]
    if not set(words) <= known or len(set(words)) < len(words) or len(towers) > 1:
        raise InputError(
            f"{kind}: is not understood; behind {KIND} may stand -random, -bf16 and one of "
            f"{', '.join(f'-{m}' for m in MODALITIES)}"
        )
    return Choice("random" in words, "bf16" in words, towers[0] if towers else None)


def huggingface(
    name: str, choice: Choice, *, seed: int = 0, pooling: Pooling = "mean", ffn: bool = False
) -> "HuggingFaceEncoder":
    """Return the encoder of a model of the Hugging Face library.

    Args:
        name: a folder, or an id of the hub.
        choice: what is asked of it.
        seed: of random weights.
        pooling: of the tokens.
        ffn: whether every block's MLP output has taps too.

    Raises:
        CheckpointError: if there is no such model, a part of it is missing or damaged, or its
            family is not understood.
        InputError: if it has no tower for the modality that was asked for.
    """
    library()
    folder = find(name, weights=not choice.random)
    called = folder.resolve().name if Path(name).expanduser().is_dir() else name
    try:
        head = read_head(folder, seed=seed if choice.random else None)
        inner = folder if head is None else head.transformer
        family = family_of(inner)
        config = read_config(inner, family)
        if choice.random:
            model = random_model(family, config, seed=seed)
        else:
            model = trained_model(inner, family, config)
        with refusals("its settings", cannot_be="used"):
            parts = [
                _part(model, family, tower, inner, head)
                for tower in family.towers
                if choice.only in (None, tower.modality)
            ]
            for part in parts:
                try_out(part)
    except CheckpointError as error:
        raise CheckpointError(f"{called}: {error}") from error
    if not parts:
        raise InputError(
            f"{called} is {family.title}, which encodes {', '.join(family.modalities)} and not "
            f"{choice.only}"
        )
    return HuggingFaceEncoder(
        f"{KIND}-random:{called}" if choice.random else called,
        parts,
        choice=choice,
        pooling=pooling,
        ffn=ffn,
    )


def _part(
    model: nn.Module, family: Family, tower: Tower, folder: Path, head: SentenceHead | None
) -> Part:
    """Return a tower of a model, with its processor."""
    config = getattr(model.get_submodule(tower.at), "config", model.config)
    prepare = preparation(tower, processor_of(folder, tower.form), config)
    if head is not None:
        if not isinstance(prepare, Words) or len(family.towers) > 1:
            raise CheckpointError(f"sentence vectors are made of texts; it is {family.title}")
        prepare = prepare.cut(head.most_words, lower=head.lower)
    return Part(model, tower, config=config, prepare=prepare, head=head)


@dataclass(frozen=True)
class _Load:
    """What decodes, without the weights."""

    prepare: Mapping[Modality, Preparation]

    def __call__(self, item: Item) -> Tensor:
        return self.prepare[item.modality].load(item)


class HuggingFaceEncoder:
    """Encodes with the towers of a model of the Hugging Face library.

    Towers that differ in width have one width here, the narrower ones filled up with zeros, and
    those that differ in depth share the layers that both have: a single tower has all of its own.

    Args:
        name: what the user called it.
        parts: a tower for each modality.
        choice: what was asked of the model.
        pooling: of the tokens; not of `joint` and `sentence`, which are the model's own.
        ffn: whether every block's MLP output has taps too.
    """

    def __init__(
        self,
        name: str,
        parts: Sequence[Part],
        *,
        choice: Choice,
        pooling: Pooling = "mean",
        ffn: bool = False,
    ) -> None:
        self.name = name
        self.choice = choice
        self.role: Role = "random twin" if choice.random else "trained"
        # A tower of its own was trained on the pairs as well; fresh weights saw none.
        is_paired = any(part.projection is not None for part in parts)
        self.pairs_seen = is_paired and not choice.random
        self.parts: dict[Modality, Part] = {part.tower.modality: part for part in parts}
        self.modalities: tuple[Modality, ...] = tuple(self.parts)
        self.load = _Load({m: part.prepare for m, part in self.parts.items()})
        self.pooling: str = pooling
        self.pool_with: Pooling = pooling
        self.device = device_of_this_process()
        each = [part.widths(ffn=ffn) for part in parts]
        self.taps = tuple(tap for tap in each[0] if all(tap in widths for widths in each))
        self.widths = tuple(max(self._pooled_width(w, tap) for w in each) for tap in self.taps)
        self.hash = hash_of(
            nn.ModuleList([part.weights() for part in parts]),
            ["bf16" if choice.bf16 else "fp32", [part.settings() for part in parts]],
        )
        for part in parts:
            part.weights().to(self.device)
        most = max(
            part.prepare.tokens * sum(w.values()) for part, w in zip(parts, each, strict=True)
        )
        self.batch = max(1, min(items_at_once(self.device), BATCH_BYTES // (4 * most)))

    def _pooled_width(self, widths: dict[str, int], tap: str) -> int:
        return (
            widths[tap] if tap in (JOINT, SENTENCE) else pooled_width(widths[tap], self.pool_with)
        )

    @torch.inference_mode()
    def encode(self, modality: Modality, tensors: Sequence[Tensor]) -> LayerStates:
        """Encode decoded items of one modality.

        Where padding would change what comes out, every length has a run of its own.
        """
        part = self.parts[modality]
        groups = _groups(tensors, together=part.prepare.together)
        runs = [self._run(part, [tensors[n] for n in group]) for group in groups]
        return runs[0] if len(runs) == 1 else _joined(runs, groups)

    def _run(self, part: Part, tensors: Sequence[Tensor]) -> LayerStates:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.choice.bf16):
            states = part.states(tensors, self.device, taps=self.taps)
        pooled, tokens = [], []
        for tap, width in zip(self.taps, self.widths, strict=True):
            x, vector = self._pooled(states, tap)
            pooled.append(F.pad(vector, (0, width - vector.shape[1])))
            tokens.append(x)
        return LayerStates(tuple(pooled), tuple(tokens), states.own)

    def _pooled(self, states: States, tap: str) -> tuple[Tensor | None, Tensor]:
        """Return the tokens of a tap and one vector an item."""
        if tap in (JOINT, SENTENCE):
            return None, states.layers[tap].float()
        x = states.layers[tap]
        own = x[:, states.extra :]
        rows = torch.arange(len(x), device=x.device)
        first = x[:, 0] if states.summary is None else x[rows, states.summary]
        return own, pool(own, states.own, first=first, pooling=self.pool_with)


def _groups(tensors: Sequence[Tensor], *, together: bool) -> list[list[int]]:
    """Return which items make a run."""
    if together:
        return [list(range(len(tensors)))]
    groups: dict[torch.Size, list[int]] = {}
    for number, tensor in enumerate(tensors):
        groups.setdefault(tensor.shape, []).append(number)
    return list(groups.values())


def _joined(runs: Sequence[LayerStates], groups: Sequence[Sequence[int]]) -> LayerStates:
    """Return what several runs gave, in the order of the items, padded to one length."""
    order = torch.tensor([n for group in groups for n in group]).argsort()
    pooled = [
        torch.cat(x)[order.to(x[0].device)] for x in zip(*(r.pooled for r in runs), strict=True)
    ]
    tokens = []
    for layer in zip(*(run.tokens for run in runs), strict=True):
        there = [x for x in layer if x is not None]
        longest = max((x.shape[1] for x in there), default=0)
        padded = [F.pad(x, (0, 0, 0, longest - x.shape[1])) for x in there]
        tokens.append(torch.cat(padded)[order.to(padded[0].device)] if padded else None)
    lengths = torch.tensor([next(x.shape[1] for x in r.tokens if x is not None) for r in runs])
    lengths = lengths.repeat_interleave(torch.tensor([len(group) for group in groups]))[order]
    valid = (torch.arange(int(lengths.max())) < lengths[:, None]).to(pooled[0].device)
    return LayerStates(tuple(pooled), tuple(tokens), valid)
