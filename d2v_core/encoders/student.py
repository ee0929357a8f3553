"""A student with its weights as an encoder, wherever they come from."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from d2v_core.config import RunConfig
from d2v_core.data.batches import Collator, item_tensor
from d2v_core.data.items import Item
from d2v_core.encoders.encoder import LayerStates, Role
from d2v_core.encoders.pooling import Pooling, pool, pooled_width
from d2v_core.inputs import Inputs
from d2v_core.learner import Learner
from d2v_core.modality import Modality
from d2v_core.model import Student
from d2v_core.shards import device_of_this_process, items_at_once

JOINT = "joint"


class StudentEncoder:
    """Encodes with a student, and with the projection into the joint space where there is one.

    Args:
        name: what the user called it.
        model: with its weights; a learner has a joint space if it was trained on pairs.
        weights_hash: of settings and weights.
        role: what it is to a claim.
        pooling: of the tokens. What is projected into the joint space is always their mean.
        ffn: whether every block's MLP output has taps too.
    """

    def __init__(
        self,
        name: str,
        model: Learner | Student,
        *,
        weights_hash: str,
        role: Role = "trained",
        pooling: Pooling = "mean",
        ffn: bool = False,
    ) -> None:
        self.name = name
        self.hash = weights_hash
        self.role: Role = role
        self.pairs_seen = isinstance(model, Learner) and model.config.pairs.fraction > 0
        self.device = device_of_this_process()
        self.batch = items_at_once(self.device)
        self.model = model.eval().to(self.device)
        self.student = model.student if isinstance(model, Learner) else model
        self.contrastive = model.contrastive if isinstance(model, Learner) else None
        self.config: RunConfig = self.student.config
        self.modalities = self.config.modalities
        self.pooling: str = pooling
        self.pool_with: Pooling = pooling
        self.has_ffn = ffn
        blocks = tuple(f"block_{n:02d}.ffn" for n in range(1, self.config.trunk.depth + 1))
        joint = (JOINT,) if self.contrastive is not None else ()
        self.taps = (*self.student.taps, *(blocks if ffn else ()), *joint)
        width = pooled_width(self.config.trunk.dim, pooling)
        self.widths = tuple(self.config.pairs.dim if tap == JOINT else width for tap in self.taps)
        self.load: Callable[[Item], Tensor] = partial(item_tensor, config=self.config)
        self.collators = {m: Collator(self.config, m) for m in self.modalities}

    @torch.inference_mode()
    def encode(self, modality: Modality, tensors: Sequence[Tensor]) -> LayerStates:
        """Encode decoded items of one modality, in fp32."""
        inputs = self.collators[modality](tensors).to(self.device)
        return self.encode_inputs(modality, inputs)

    @torch.inference_mode()
    def encode_inputs(self, modality: Modality, inputs: Inputs) -> LayerStates:
        """Encode a batch that is on the encoder's device already."""
        states = self.student.encode(modality, self.student.embed(modality, inputs), inputs)
        layers = self.student.layers(states) + (states.ffn if self.has_ffn else [])
        extra = self.student.extra_tokens(modality)
        own = [x[:, extra:] for x in layers]
        pooled = [
            pool(tokens, inputs.valid, first=x[:, 0], pooling=self.pool_with)
            for tokens, x in zip(own, layers, strict=True)
        ]
        if self.contrastive is None:
            return LayerStates(tuple(pooled), tuple(own), inputs.valid)
        last = self.student.layers(states)[-1][:, extra:]
        mean = pool(last, inputs.valid, first=last[:, 0], pooling="mean")
        joint = self.contrastive.project(modality, mean)
        return LayerStates((*pooled, joint), (*own, None), inputs.valid)
