"""All that is trained in a run, in one module, so that Fabric can wrap it for many devices."""

from typing import cast

from torch import nn

from d2v_core.config import RunConfig
from d2v_core.inputs import Inputs, Paired
from d2v_core.modality import Modality
from d2v_core.model import Student
from d2v_core.objectives import make_objective
from d2v_core.objectives.contrastive import Contrastive
from d2v_core.objectives.latent import LatentPrediction
from d2v_core.objectives.objective import Outcome, merge


class Learner(nn.Module):
    """The student and the heads of its objectives.

    Args:
        config: of the run.
    """

    def __init__(self, config: RunConfig) -> None:
        super().__init__()
        self.config = config
        self.student = Student(config)
        made = {m: make_objective(config, m) for m in config.modalities}
        self.objectives = nn.ModuleDict(
            {m: cast(nn.Module, o) for m, o in made.items() if o is not None}
        )
        pairs = config.pairs
        self.contrastive = Contrastive(config) if pairs.fraction and pairs.weight else None
        self.latent = LatentPrediction(config) if pairs.fraction and pairs.latent_weight else None

    def forward(
        self,
        teacher: Student,
        batches: dict[Modality, Inputs],
        paired: Paired | None,
    ) -> Outcome:
        """Return every term of the loss for one masked batch a modality and one of pairs."""
        outcomes: dict[str, Outcome] = {
            modality: self.objectives[modality](self.student, teacher, inputs)
            for modality, inputs in batches.items()
        }
        if paired is not None:
            pooled = {m: self.student.pooled_layers(m, x)[-1] for m, x in paired.inputs.items()}
            if self.contrastive is not None:
                outcomes["contrastive"] = self.contrastive(pooled, paired.between)
            if self.latent is not None:
                outcomes["latent"] = self.latent(pooled, teacher, paired)
        return merge(outcomes)

    def after_step(self) -> None:
        """Keep what has limits within them, once an optimiser step is done."""
        if self.contrastive is not None:
            self.contrastive.clamp()
