"""The teacher: a student of the past, averaged exponentially, in fp32."""

import copy

import torch
from torch import nn

from d2v_core.config import TeacherConfig


def ema_decay(step: int, config: TeacherConfig) -> float:
    """Return τ after `step` optimiser steps: linear from start to end, then constant."""
    share = min(step / config.ema_anneal_steps, 1.0) if config.ema_anneal_steps else 1.0
    return config.ema_decay_start + share * (config.ema_decay_end - config.ema_decay_start)


class Teacher:
    """A copy of the student that follows it and is never trained.

    Its parameters are θ ← τ θ + (1 − τ) θ_student once an optimiser step, always in fp32: 1 − τ is
    below the resolution of bf16.

    Attributes:
        model: the copy, in eval mode, without gradients.
    """

    def __init__(self, student: nn.Module) -> None:
        self.model = copy.deepcopy(student).requires_grad_(False).eval().float()

    @torch.no_grad()
    def follow(self, student: nn.Module, *, decay: float) -> None:
        """Move towards the student by 1 − `decay`."""
        mine: list[torch.Tensor] = list(self.model.parameters())
        other = [parameter.detach().float() for parameter in student.parameters()]
        torch._foreach_lerp_(mine, other, 1.0 - decay)  # pyright: ignore  # one kernel, no stub
