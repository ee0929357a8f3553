"""The teacher: a student of the past, averaged exponentially, in fp32."""

import copy
from collections.abc import Collection

import torch
from torch import nn

from d2v_core.config import RunConfig, TeacherConfig
from d2v_core.modality_config import WaveConfig
from d2v_core.sharding import own_part


def ema_decay(step: int, config: TeacherConfig) -> float:
    """Return τ after `step` optimiser steps: linear from start to end, then constant."""
    share = min(step / config.ema_anneal_steps, 1.0) if config.ema_anneal_steps else 1.0
    return config.ema_decay_start + share * (config.ema_decay_end - config.ema_decay_start)


def copied_names(student: nn.Module, config: RunConfig) -> frozenset[str]:
    """Return the parameters that the teacher shares with the student instead of averaging them.

    These are everything of a text before the trunk and the convolutions of raw sound; in data2vec
    1.0 also the convolutions that give sound its positions.
    """
    prefixes: list[str] = []
    if config.text is not None:
        prefixes.append("prenets.text.")
    if isinstance(config.audio, WaveConfig):
        prefixes.append("prenets.audio.tokens.")
        if config.audio.objective == "data2vec":
            prefixes.append("prenets.audio.positions.")
    names = (name for name, _ in student.named_parameters())
    return frozenset(name for name in names if name.startswith(tuple(prefixes)))


class Teacher:
    """A copy of the student that follows it and is never trained.

    Its parameters are θ ← τ θ + (1 − τ) θ_student once an optimiser step, always in fp32: 1 − τ is
    below the resolution of bf16.

    Args:
        student: what it begins as.
        copied: names of parameters that are the student's own and no average, see `copied_names`.

    Attributes:
        model: the copy, in eval mode, without gradients.
    """

    def __init__(self, student: nn.Module, *, copied: Collection[str] = ()) -> None:
        self.model = copy.deepcopy(student).requires_grad_(False).eval().float()
        self.copied = copied

    @torch.no_grad()
    def follow(self, student: nn.Module, *, decay: float) -> None:
        """Move towards the student by 1 − `decay`."""
        theirs = {n: own_part(x.detach()).float() for n, x in student.named_parameters()}
        mine = {n: own_part(x) for n, x in self.model.named_parameters()}
        averaged = [name for name in mine if name not in self.copied]
        torch._foreach_lerp_(  # pyright: ignore  # one kernel, no stub
            [mine[name] for name in averaged], [theirs[name] for name in averaged], 1.0 - decay
        )
        for name in self.copied:
            mine[name].copy_(theirs[name])
