"""Contrast in seconds: two linear towers over finished embeddings, taught by some pairs.

The encoders stay as they are. Each modality gets one matrix into a space that both share, and the
loss of CLIP is all there is to learn from.

Source: CLIP, arXiv:2103.00020.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import nn

from d2v_core.errors import InputError
from d2v_core.objectives.contrastive import FIRST, LARGEST_LOG_SCALE, clip_loss

DIM, STEPS, LR, WEIGHT_DECAY = 32, 150, 5e-3, 0.1


@dataclass(frozen=True)
class Towers:
    """Both modalities in the shared space, on the unit sphere.

    Attributes:
        x: the items that were asked about.
        y: their partners.
        loss: after the last step; NaN if there was nothing to learn from.
    """

    x: Float[np.ndarray, "items dim"]
    y: Float[np.ndarray, "items dim"]
    loss: float


def two_towers(
    pairs: tuple[Float[np.ndarray, "pairs dim_x"], Float[np.ndarray, "pairs dim_y"]],
    asked: tuple[Float[np.ndarray, "items dim_x"], Float[np.ndarray, "items dim_y"]],
    *,
    seed: int = 0,
) -> Towers:
    """Teach two linear towers on some pairs; return where other items land.

    Args:
        pairs: embeddings of both modalities, a pair a row; without any the towers stay as they
            were drawn.
        asked: items that are only looked at.
        seed: of the first weights.

    Raises:
        InputError: if there is exactly one pair.
    """
    count = len(pairs[0])
    if count == 1:
        raise InputError("1 pair has nothing to be told from: take none, or at least 2")
    known = [torch.from_numpy(np.asarray(x, dtype=np.float32)) for x in pairs]
    other = [torch.from_numpy(np.asarray(x, dtype=np.float32)) for x in asked]
    frames = [_Frame.of(x if count else y) for x, y in zip(known, other, strict=True)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        towers = [nn.Linear(x.shape[1], DIM, bias=False) for x in known]
    loss = _learn(towers, [f(x) for f, x in zip(frames, known, strict=True)]) if count else np.nan
    with torch.no_grad():
        placed = [
            F.normalize(tower(frame(x)), dim=-1).double().numpy()
            for tower, frame, x in zip(towers, frames, other, strict=True)
        ]
    return Towers(placed[0], placed[1], float(loss))


@dataclass(frozen=True)
class _Frame:
    """Moves a modality to the origin and to one size; learnt from what is known."""

    mean: Float[torch.Tensor, " dim"]
    scale: float

    @classmethod
    def of(cls, x: Float[torch.Tensor, "items dim"]) -> "_Frame":
        mean = x.mean(dim=0)
        return cls(mean, float((x - mean).square().mean().sqrt()) or 1.0)

    def __call__(self, x: Float[torch.Tensor, "items dim"]) -> Float[torch.Tensor, "items dim"]:
        return (x - self.mean) / self.scale


def _learn(towers: list[nn.Linear], known: list[Float[torch.Tensor, "pairs _"]]) -> float:
    log_scale = nn.Parameter(torch.tensor(FIRST["clip"][0]))
    weights = [tower.weight for tower in towers]
    groups = [{"params": weights, "weight_decay": WEIGHT_DECAY}]
    groups += [{"params": [log_scale], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LR)
    loss = torch.tensor(torch.nan)
    for _ in range(STEPS):
        joint = [F.normalize(t(x), dim=-1) for t, x in zip(towers, known, strict=True)]
        loss = clip_loss(joint[0], joint[1], log_scale.exp())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            log_scale.clamp_(0.0, LARGEST_LOG_SCALE)
    return float(loss.detach())
