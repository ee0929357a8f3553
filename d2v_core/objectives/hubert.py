"""HuBERT: name the cluster that a masked token of sound belongs to.

The student sees the whole sequence with a learnt vector at masked places. A linear layer maps its
output there into the space of the classes, and a softmax over cosines picks one. Clusters are found
before training, see `d2v_core/rounds.py`; there is no teacher.

Source: Hsu et al. 2021, arXiv:2106.07447; fairseq `hubert` model and criterion.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from d2v_core.config import RunConfig
from d2v_core.errors import ConfigError
from d2v_core.inputs import Inputs
from d2v_core.labels import NO_LABEL
from d2v_core.modalities.wave import WaveTokens
from d2v_core.modality import Modality
from d2v_core.modality_config import MelConfig, WaveConfig
from d2v_core.model import Student
from d2v_core.objectives.data2vec import MaskVector, hidden_outputs
from d2v_core.objectives.objective import Outcome, channel_std, mean_hidden, mean_rows

TEMPERATURE = 0.1
FEATURE_PENALTY = 10.0
"""Weight of the mean square of what the convolutions of raw sound hear: it keeps them small."""


class Hubert(nn.Module):
    """The objective of sounds; holds mask vector, head and class vectors.

    Args:
        config: of the run.
        modality: "audio".

    Raises:
        ConfigError: for pictures and texts, which have no clusters.
    """

    def __init__(self, config: RunConfig, modality: Modality) -> None:
        super().__init__()
        settings = config.of(modality)
        if not isinstance(settings, MelConfig | WaveConfig):
            raise ConfigError(f"hubert predicts clusters of sounds; choose another for {modality}")
        self.modality: Modality = modality
        dim = settings.clusters.dim
        self.masked = MaskVector(config.trunk.dim, uniform=True)
        self.head = nn.Linear(config.trunk.dim, dim)
        self.classes = nn.Parameter(torch.rand(settings.clusters.count, dim))

    def forward(self, student: Student, _teacher: Student, inputs: Inputs) -> Outcome:
        """Return the cross-entropy at masked places in nats, and the penalty of raw sound.

        The statistics have the accuracy beside what it would be by always naming the cluster that
        is most frequent in this batch.

        Raises:
            ValueError: if the batch has no masks or no labels.
        """
        if inputs.labels is None or inputs.hidden is None:
            raise ValueError("hubert needs a masked batch with labels")
        tokens = student.prenet(self.modality).tokens
        losses: dict[str, Tensor] = {}
        if isinstance(tokens, WaveTokens):
            heard = tokens.convolved(inputs.values)
            features = tokens.proj(tokens.norm(heard))
            squares = mean_squares(heard, inputs.valid).repeat_interleave(inputs.masks)
            losses["features"] = FEATURE_PENALTY * mean_rows(squares, inputs)
        else:
            features = tokens.features(inputs.values)
        states = self.masked.encode(student, self.modality, inputs, features=features)
        predicted = self.head(hidden_outputs(states, student.extra_tokens(self.modality), inputs))
        row, place = inputs.hidden // inputs.tokens, inputs.hidden % inputs.tokens
        wanted = inputs.labels[row // inputs.masks, place].long()
        logits = cosine_logits(predicted, self.classes)
        errors = F.cross_entropy(logits, wanted, ignore_index=NO_LABEL, reduction="none")
        losses["clusters"] = mean_hidden(errors, inputs)
        right, majority = shares(logits.argmax(dim=1), wanted, clusters=len(self.classes))
        statistics = {
            "accuracy": right,
            "majority": majority,
            "prediction_std": channel_std(predicted),
        }
        return Outcome(losses, statistics)


def cosine_logits(
    predicted: Float[Tensor, "tokens dim"], classes: Float[Tensor, "clusters dim"]
) -> Float[Tensor, "tokens clusters"]:
    """Return the cosine of every prediction with every class vector over TEMPERATURE, in fp32."""
    with torch.autocast(predicted.device.type, enabled=False):
        x, e = F.normalize(predicted.float(), dim=-1), F.normalize(classes.float(), dim=-1)
        return x @ e.T / TEMPERATURE


def shares(
    named: Int[Tensor, " tokens"], wanted: Int[Tensor, " tokens"], *, clusters: int
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Return the share of tokens named right, and that of the most frequent cluster among them.

    Tokens without a label do not count.
    """
    known = wanted != NO_LABEL
    count = known.sum().clamp(min=1)
    frequency = torch.zeros(clusters, device=wanted.device)
    frequency.scatter_add_(0, wanted.clamp(min=0), known.float())
    return (named == wanted).sum() / count, frequency.max() / count


def mean_squares(
    heard: Float[Tensor, "items tokens channels"], valid: Bool[Tensor, "items tokens"] | None
) -> Float[Tensor, " items"]:
    """Return every item's mean square over channels and over tokens that are no padding."""
    squares = heard.float().square().mean(dim=-1)
    return squares.mean(dim=1) if valid is None else (squares * valid).sum(dim=1) / valid.sum(dim=1)
