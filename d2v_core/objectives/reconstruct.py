"""Masked reconstruction: predict the masked input itself, pixels, spectra or words.

Pictures and spectrograms as MAE: the student sees visible patches, a decoder predicts the values of
the others, each patch normalised. Texts as BERT: the student sees the whole sentence with holes and
wrong words, a classifier names what was there.

Source: MAE, arXiv:2111.06377; BERT, arXiv:1810.04805.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from d2v_core.config import RunConfig
from d2v_core.decoder import make_decoder
from d2v_core.errors import ConfigError
from d2v_core.inputs import Inputs
from d2v_core.modalities.image import ImageTokens
from d2v_core.modalities.mel import MelTokens
from d2v_core.modality import Modality
from d2v_core.modality_config import ImageConfig, MelConfig, TextConfig, WaveConfig
from d2v_core.model import Student
from d2v_core.objectives.data2vec import MaskVector, hidden_outputs
from d2v_core.objectives.data2vec2 import at_hidden
from d2v_core.objectives.objective import Outcome, channel_std, mean_hidden


class Reconstruct(nn.Module):
    """The objective of one modality; holds the decoder of patches or the classifier of words.

    Args:
        config: of the run.
        modality: which one.

    Raises:
        ConfigError: for raw sound, which has no patches.
    """

    def __init__(self, config: RunConfig, modality: Modality) -> None:
        super().__init__()
        self.part: nn.Module
        match config.of(modality):
            case WaveConfig():
                raise ConfigError(
                    "reconstruct needs patches or words; for sounds take the mel front end"
                )
            case ImageConfig() | MelConfig():
                self.part = Patches(config, modality)
            case TextConfig():
                self.part = Words(config, modality)

    def forward(self, student: Student, _teacher: Student, inputs: Inputs) -> Outcome:
        """Return the loss at masked places; there is no need of a teacher."""
        return self.part(student, inputs)


class Patches(nn.Module):
    """Predicts the normalised values of masked patches from visible tokens."""

    def __init__(self, config: RunConfig, modality: Modality) -> None:
        super().__init__()
        self.modality: Modality = modality
        settings = config.of(modality)
        if isinstance(settings, ImageConfig):
            values = 3 * settings.patch**2
        else:
            assert isinstance(settings, MelConfig)
            values = settings.patch_frames * settings.patch_bins
        self.decoder = make_decoder(
            settings.decoder, dim=config.trunk.dim, out=values, dimensions=2
        )

    def forward(self, student: Student, inputs: Inputs) -> Outcome:
        """Return the mean squared error of masked patches."""
        tokens = student.prenet(self.modality).tokens
        assert isinstance(tokens, ImageTokens | MelTokens)
        embedded = student.embed(self.modality, inputs)
        encoded = student.encode_visible(self.modality, embedded, inputs).output
        predicted = self.decoder(encoded[:, student.extra_tokens(self.modality) :], inputs)
        wanted = at_hidden(normalised_patches(tokens.patches(inputs.values)), inputs)
        error = (predicted.float() - wanted).square().mean(dim=-1)
        return Outcome(
            {"reconstruction": mean_hidden(error, inputs)},
            {"prediction_std": channel_std(predicted)},
        )


class Words(nn.Module):
    """Names masked words.

    Of each ten, eight are replaced by a learnt vector and one by a random word; one is left.
    """

    def __init__(self, config: RunConfig, modality: Modality) -> None:
        super().__init__()
        self.modality: Modality = modality
        settings, dim = config.of(modality), config.trunk.dim
        assert isinstance(settings, TextConfig)
        self.size = settings.size
        self.masked = MaskVector(dim, uniform=False)
        self.head = nn.Sequential(
            nn.Linear(dim, dim), nn.GELU(), nn.LayerNorm(dim), nn.Linear(dim, self.size)
        )

    def forward(self, student: Student, inputs: Inputs) -> Outcome:
        """Return the cross-entropy at masked places, in nats."""
        if inputs.mask is None:
            raise ValueError("this batch has no masks")
        words = inputs.values.repeat_interleave(inputs.masks, dim=0)
        corrupted, replaced = corrupt(words, inputs.mask, self.size)
        holes = inputs._replace(
            values=corrupted,
            lengths=inputs.lengths.repeat_interleave(inputs.masks),
            mask=replaced,
        )
        states = self.masked.encode(student, self.modality, holes)
        scores = self.head(hidden_outputs(states, 0, inputs))
        wanted = words[inputs.mask]
        losses = F.cross_entropy(scores.float(), wanted, reduction="none")
        right = (scores.argmax(dim=-1) == wanted).float()
        statistics = {"accuracy": right.mean(), "prediction_std": channel_std(scores)}
        return Outcome({"reconstruction": mean_hidden(losses, inputs)}, statistics)


def corrupt(
    words: Int[Tensor, "rows tokens"], mask: Bool[Tensor, "rows tokens"], size: int
) -> tuple[Int[Tensor, "rows tokens"], Bool[Tensor, "rows tokens"]]:
    """Return words of which a tenth of the masked are random, and where the mask vector goes."""
    fate = torch.rand(words.shape, device=words.device)
    random = torch.randint_like(words, size)
    return torch.where(mask & (fate >= 0.9), random, words), mask & (fate < 0.8)


def normalised_patches(
    patches: Float[Tensor, "items tokens values"],
) -> Float[Tensor, "items tokens values"]:
    """Give every patch mean 0 and unbiased variance 1."""
    variance, mean = torch.var_mean(patches, dim=-1, keepdim=True)
    return (patches - mean) / (variance + 1e-6).sqrt()
