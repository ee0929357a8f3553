"""Recordings as a Hugging Face model takes them, by its own feature extractor.

CLAP's cuts long recordings at random; here a model that hears a window hears the first one.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from d2v_core.data.audio import decode_audio
from d2v_core.data.items import Item
from d2v_core.encoders.huggingface_batches import Batch, padded
from d2v_core.errors import MediaError

KALDI_SAMPLES = 400
"""The window of AST's spectrogram."""


class Wave:
    """Samples, by the feature extractor of wav2vec 2.0 and its kin.

    A group norm in the first convolution hears the whole recording, and Data2Vec's five position
    convolutions carry what they make of padding into the recording: such models get recordings of
    one length. The others hear padding as silence that a mask hides.

    Args:
        extractor: of the library.
        config: of the model.
        masks: whether its positions hear padding as nothing.
    """

    extra, tokens = 0, 500

    def __init__(self, extractor: Any, config: Any, *, masks: bool) -> None:  # noqa: ANN401
        self.extractor = extractor
        self.convolutions = tuple(zip(config.conv_kernel, config.conv_stride, strict=True))
        self.together = masks and config.feat_extract_norm == "layer"
        self.shortest = 1
        for kernel, stride in reversed(self.convolutions):
            self.shortest = (self.shortest - 1) * stride + kernel

    def settings(self) -> Any:  # noqa: ANN401
        """Return the extractor's settings."""
        return self.extractor.to_dict()

    def load(self, item: Item) -> Tensor:
        """Decode a recording; raise MediaError if that fails or it is too short for a token."""
        rate = self.extractor.sampling_rate
        samples = _samples(item, rate, shortest=self.shortest)
        made = self.extractor(samples.numpy(), sampling_rate=rate, return_tensors="pt")
        return made["input_values"][0]

    def batch(self, tensors: Sequence[Tensor]) -> Batch:
        """Return padded recordings, with a mask where lengths differ."""
        lengths = torch.tensor([len(x) for x in tensors])
        values = {"input_values": padded(tensors, 0.0)}
        if (lengths == lengths[0]).all():
            return Batch(values)
        heard = torch.arange(int(lengths.max())) < lengths[:, None]
        counts = self._tokens(lengths)
        own = torch.arange(int(counts.max())) < counts[:, None]
        return Batch(values | {"attention_mask": heard.long()}, own)

    def _tokens(self, lengths: Tensor) -> Tensor:
        """Return how many tokens so many samples make."""
        for kernel, stride in self.convolutions:
            lengths = (lengths - kernel) // stride + 1
        return lengths


class Spectrogram:
    """Kaldi's mel frames in a window, by the feature extractor of AST.

    Args:
        extractor: of the library.
        config: of the model.
        extra: tokens in front of the patches.
    """

    together = True

    def __init__(self, extractor: Any, config: Any, *, extra: int) -> None:  # noqa: ANN401
        self.extractor = extractor
        self.extra = extra
        self.stride = config.time_stride
        self.columns = (config.max_length - config.patch_size) // config.time_stride + 1
        self.rows = (config.num_mel_bins - config.patch_size) // config.frequency_stride + 1
        self.tokens = extra + self.rows * self.columns
        self.hop = extractor.sampling_rate // 100
        self.longest = KALDI_SAMPLES + (extractor.max_length - 1) * self.hop

    def settings(self) -> Any:  # noqa: ANN401
        """Return the extractor's settings."""
        return self.extractor.to_dict()

    def load(self, item: Item) -> Tensor:
        """Decode the window; raise MediaError if that fails or there is not one frame."""
        rate = self.extractor.sampling_rate
        return _samples(item, rate, shortest=KALDI_SAMPLES, longest=self.longest)

    def batch(self, tensors: Sequence[Tensor]) -> Batch:
        """Return spectrograms; patches that begin after the recording are not the item's own."""
        frames = torch.tensor([(len(x) - KALDI_SAMPLES) // self.hop + 1 for x in tensors])
        heard = torch.arange(self.columns) * self.stride < frames[:, None]
        own = heard[:, None].expand(-1, self.rows, -1).flatten(1)  # rows of one pitch, as patches
        return Batch({"input_values": _features(self.extractor, tensors, "input_values")}, own)


class Whisper:
    """Mel frames of 30 s, by the feature extractor of Whisper; two make a token.

    Args:
        extractor: of the library.
    """

    together, extra = True, 0

    def __init__(self, extractor: Any) -> None:  # noqa: ANN401
        self.extractor = extractor
        self.tokens = extractor.nb_max_frames // 2

    def settings(self) -> Any:  # noqa: ANN401
        """Return the extractor's settings."""
        return self.extractor.to_dict()

    def load(self, item: Item) -> Tensor:
        """Decode the window; raise MediaError if that fails."""
        rate, longest = self.extractor.sampling_rate, self.extractor.n_samples
        return _samples(item, rate, shortest=1, longest=longest)

    def batch(self, tensors: Sequence[Tensor]) -> Batch:
        """Return spectrograms; tokens that begin after the recording are not the item's own."""
        values = _features(self.extractor, tensors, "input_features")
        starts = torch.arange(values.shape[-1] // 2) * 2 * self.extractor.hop_length
        own = starts < torch.tensor([len(x) for x in tensors])[:, None]
        return Batch({"input_features": values}, own)


class Clap:
    """Mel frames of 10 s, by the feature extractor of CLAP, which repeats what is shorter.

    No item counts as longer than the window: only its start was taken. (The library itself, asked
    about one short item, says that it is longer.)

    Args:
        extractor: of the library.
    """

    together, extra, tokens = True, 0, 1000

    def __init__(self, extractor: Any) -> None:  # noqa: ANN401
        self.extractor = extractor

    def settings(self) -> Any:  # noqa: ANN401
        """Return the extractor's settings."""
        return self.extractor.to_dict()

    def load(self, item: Item) -> Tensor:
        """Decode the window; raise MediaError if that fails."""
        rate, longest = self.extractor.sampling_rate, self.extractor.nb_max_samples
        return _samples(item, rate, shortest=1, longest=longest)

    def batch(self, tensors: Sequence[Tensor]) -> Batch:
        """Return spectrograms; every token hears the recording."""
        values = _features(self.extractor, tensors, "input_features")
        longer = torch.zeros(len(tensors), 1, dtype=torch.bool)
        return Batch({"input_features": values, "is_longer": longer})


def _samples(item: Item, rate: int, *, shortest: int, longest: int | None = None) -> Tensor:
    seconds = None if longest is None else longest / rate
    samples = torch.as_tensor(decode_audio(item.file, first_seconds=seconds, sample_rate_hz=rate))[
        :longest
    ]
    if len(samples) < shortest:
        raise MediaError(f"lasts {len(samples)} samples at {rate} Hz; this model needs {shortest}")
    return samples


def _features(extractor: Any, tensors: Sequence[Tensor], name: str) -> Tensor:  # noqa: ANN401
    """Return what an extractor makes of each recording by itself."""
    rate = extractor.sampling_rate
    return torch.cat(
        [extractor(x.numpy(), sampling_rate=rate, return_tensors="pt")[name] for x in tensors]
    ).float()
