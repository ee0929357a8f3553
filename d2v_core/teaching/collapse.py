"""A training of seconds that learns or collapses: the objective of data2vec 2.0 on a few pictures.

What keeps a student and a teacher from agreeing to say the same of everything can be taken away:
the norm of the target, or the slowness of the teacher.

Source: data2vec 2.0, arXiv:2212.07525; how such a training collapses: BYOL, arXiv:2006.07733.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from d2v_core.config import RunConfig, TrunkConfig
from d2v_core.data.batches import Collator, item_tensor
from d2v_core.data.items import Item
from d2v_core.data.walk import seeded
from d2v_core.errors import InputError
from d2v_core.inputs import Inputs
from d2v_core.modality_config import ConvDecoderConfig, ImageConfig, MaskConfig, TargetConfig
from d2v_core.model import Student
from d2v_core.monitor import effective_rank, mean_cosine
from d2v_core.objectives.data2vec2 import Data2Vec2
from d2v_core.objectives.objective import Outcome, channel_std
from d2v_core.teacher import Teacher

STEPS, BATCH, EVERY, WARMUP = 120, 12, 5, 20
LR = 2e-3
FEWEST, MOST = 16, 256
"""Pictures: fewer make no batch, more only take longer."""

ALIKE = 0.97
"""A mean cosine from here on: all pictures are nearly the same vector."""

State = Literal["healthy", "collapsed", "unstable"]


@dataclass(frozen=True)
class Moment:
    """How a training stands after some steps.

    Attributes:
        step: done so far.
        loss: what is minimised, on the last batch.
        target_std: spread of the targets over tokens.
        effective_rank: of the embeddings of all pictures.
        mean_cosine: between the embeddings of different pictures; 1 if all are alike.
    """

    step: int
    loss: float
    target_std: float
    effective_rank: float
    mean_cosine: float


class Unguarded(Data2Vec2):
    """data2vec 2.0 without the norms: the teacher's layers are averaged as they are."""

    @torch.no_grad()
    def targets(
        self, teacher: Student, tokens: Float[Tensor, "items tokens dim"], inputs: Inputs
    ) -> tuple[Float[Tensor, "items tokens dim"], Float[Tensor, ""]]:
        """Return the plain average of the teacher's last K ffn outputs, and the raw spread."""
        states = teacher.encode(self.modality, teacher.embed(self.modality, inputs), inputs)
        extra = teacher.extra_tokens(self.modality)
        layers = [x[:, extra:] for x in states.ffn[-self.config.target.layers :]]
        return torch.stack(layers).mean(dim=0), channel_std(layers[-1].flatten(0, 1))


def small_config() -> RunConfig:
    """Return settings whose step takes some milliseconds: 16 patches, 3 blocks, 48 channels."""
    return RunConfig(
        image=ImageConfig(
            patch=16,
            mask=MaskConfig(ratio=0.75, length=2, adjust=0.07, inverse=True, masks=2),
            target=TargetConfig(layers=2, average="layer"),
            # without noise the same settings always give the same curves
            decoder=ConvDecoderConfig(noise_std=0.0),
        ),
        trunk=TrunkConfig(dim=48, depth=3, prenet_depth=0, heads=2),
    )


def watch_training(
    items: Sequence[Item], *, normalise: bool, decay: float, steps: int = STEPS
) -> Iterator[Moment]:
    """Train on pictures and tell how it stands, every few steps.

    Args:
        items: pictures; of more than `MOST` the first are taken.
        normalise: whether the target is normalised, as published.
        decay: τ, what the teacher keeps of itself a step; 0 makes it the student.
        steps: optimiser steps.

    Raises:
        InputError: if there are fewer than `FEWEST` pictures.
        MediaError: if one cannot be decoded.
    """
    if len(items) < FEWEST:
        raise InputError(f"{len(items)} pictures; this training needs at least {FEWEST}")
    config, items = small_config(), items[:MOST]
    tensors = [item_tensor(item, config) for item in items]
    collate = Collator(config, "image")
    everything = collate(tensors)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        student = Student(config)
        objective = (Data2Vec2 if normalise else Unguarded)(config, "image")
    teacher = Teacher(student)
    learnt = [*student.parameters(), *objective.parameters()]
    optimizer = torch.optim.AdamW(learnt, lr=LR, betas=(0.9, 0.98), weight_decay=0.05)
    for step in range(1, steps + 1):
        optimizer.param_groups[0]["lr"] = LR * min(1.0, step / WARMUP)
        ids = torch.randperm(len(items), generator=seeded("lesson", step))[:BATCH].tolist()
        generators = [seeded("lesson", step, n) for n in ids]
        outcome = objective(
            student, teacher.model, collate.masked([tensors[n] for n in ids], generators=generators)
        )
        outcome.total.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        teacher.follow(student, decay=decay)
        if step == 1 or step % EVERY == 0:
            yield _moment(step, outcome, student, everything)


@torch.no_grad()
def _moment(step: int, outcome: Outcome, student: Student, everything: Inputs) -> Moment:
    x = student.pooled_layers("image", everything)[-1]
    return Moment(
        step=step,
        loss=float(outcome.total.detach()),
        target_std=float(outcome.statistics["target_std"]),
        effective_rank=effective_rank(x),
        mean_cosine=mean_cosine(x),
    )


def state_of(moments: Sequence[Moment]) -> State:
    """Return how a training went.

    Collapsed if at any moment of its second half all pictures were nearly the same vector;
    unstable if its loss ended above twice the lowest it had; healthy otherwise.
    """
    late = moments[len(moments) // 2 :]
    if max(moment.mean_cosine for moment in late) >= ALIKE:
        return "collapsed"
    losses = [moment.loss for moment in moments]
    return "unstable" if losses[-1] > 2 * min(losses) else "healthy"
