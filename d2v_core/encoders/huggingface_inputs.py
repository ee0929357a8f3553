"""Pictures and texts as a Hugging Face model takes them, and who prepares what.

What a processor does to one item never depends on another.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from d2v_core.data.image import decode_image
from d2v_core.data.items import Item
from d2v_core.data.text import decode_text
from d2v_core.encoders.huggingface_batches import Batch, Preparation, padded
from d2v_core.encoders.huggingface_families import Tower
from d2v_core.encoders.huggingface_sounds import Clap, Spectrogram, Wave, Whisper
from d2v_core.errors import CheckpointError, MediaError

MOST_ELONGATED = 100
"""Pictures that are longer than this many times their width are refused: a processor that brings
the shorter side to a size would make gigabytes of them."""


def preparation(tower: Tower, processor: Any, config: Any) -> Preparation:  # noqa: ANN401
    """Return how items become input of a tower.

    Args:
        tower: of the model.
        processor: its image processor, feature extractor or tokenizer.
        config: of the tower, as the library has it.
    """
    match tower.form:
        case "pixels":
            registers = getattr(config, tower.registers) if tower.registers else 0
            patches = (_side(config.image_size) // _side(config.patch_size)) ** 2
            extra = tower.extra + registers
            return Pixels(processor, extra=extra, patches=patches, shuffles=tower.shuffles)
        case "wave":
            return Wave(processor, config, masks=tower.masks_padding)
        case "ast":
            return Spectrogram(processor, config, extra=tower.extra)
        case "whisper":
            return Whisper(processor)
        case "clap":
            return Clap(processor)
        case "words" | "words to length":
            offset = config.pad_token_id + 1 if tower.offset else 0
            length = config.max_position_embeddings - offset
            to_length = tower.form == "words to length"
            return Words(
                processor,
                length=length,
                entries=config.vocab_size,
                to_length=to_length,
                ends=tower.ends,
            )


class Pixels:
    """Pictures, by the model's image processor.

    Args:
        processor: of the library.
        extra: tokens in front of the patches.
        patches: of a picture.
        shuffles: the model would draw an order of the patches: it is told to keep theirs.
    """

    together = False

    def __init__(
        self,
        processor: Any,  # noqa: ANN401
        *,
        extra: int,
        patches: int,
        shuffles: bool = False,
    ) -> None:
        self.processor = processor
        self.extra = extra
        self.tokens = extra + patches
        self.order = torch.arange(patches) / patches if shuffles else None

    def settings(self) -> Any:  # noqa: ANN401
        """Return the processor's settings."""
        return self.processor.to_dict()

    def load(self, item: Item) -> Tensor:
        """Decode a picture; raise MediaError if that fails or it is a thin strip."""
        pixels = decode_image(item.file)
        height, width = pixels.shape[:2]
        if max(height, width) > MOST_ELONGATED * min(height, width):
            raise MediaError(
                f"a strip of {width} x {height} pixels; a side may be at most {MOST_ELONGATED} "
                "times the other: cut it"
            )
        made = self.processor(images=Image.fromarray(pixels), return_tensors="pt")
        return made["pixel_values"][0]

    def batch(self, tensors: Sequence[Tensor]) -> Batch:
        """Return pictures of one size."""
        pixels = {"pixel_values": torch.stack(list(tensors))}
        if self.order is None:
            return Batch(pixels)
        return Batch(pixels | {"noise": self.order.expand(len(tensors), -1)})


class Words:
    """Entries of the vocabulary, by the model's tokenizer.

    CLS, SEP and their like are where the tokenizer puts them, in front and behind, and are not the
    item's own.

    Args:
        tokenizer: of the library.
        length: the most entries that the model has positions for.
        entries: of the vocabulary that the model knows.
        to_length: every text is filled up to that length, and the model sees it.
        lower: make letters small first.
        ends: the summary is the last entry and not the first.
    """

    together = True

    def __init__(
        self,
        tokenizer: Any,  # noqa: ANN401
        *,
        length: int,
        entries: int,
        to_length: bool = False,
        lower: bool = False,
        ends: bool = False,
    ) -> None:
        self.tokenizer = tokenizer
        self.length = self.tokens = min(length, tokenizer.model_max_length)
        self.to_length = to_length
        self.entries = entries
        self.lower = lower
        self.ends = ends
        marks = tokenizer("a", return_special_tokens_mask=True)["special_tokens_mask"]
        if 0 not in marks:
            raise CheckpointError("its tokenizer makes nothing of the letter a")
        self.extra = marks.index(0)
        self.behind = marks[::-1].index(0)
        if self.length <= self.extra + self.behind:
            raise CheckpointError(
                f"its tokenizer cuts texts at {self.length}, which leaves nothing"
            )
        padding = tokenizer.pad_token_id
        self.padding = 0 if padding is None else int(padding)
        if self.padding >= entries:
            raise CheckpointError(
                f"its tokenizer fills up with entry {self.padding}, but this model knows {entries}"
            )

    def cut(self, length: int | None, *, lower: bool) -> "Words":
        """Return the same for texts that are cut earlier, or made small."""
        length = self.length if length is None else min(length, self.length)
        return Words(self.tokenizer, length=length, entries=self.entries, lower=lower)

    def settings(self) -> Any:  # noqa: ANN401
        """Return the tokenizer itself, and where texts are cut."""
        return [self.tokenizer.backend_tokenizer.to_str(), self.length, self.to_length, self.lower]

    def load(self, item: Item) -> Tensor:
        """Decode a text; raise MediaError if that fails or the vocabulary has nothing of it."""
        text = decode_text(item.source)
        text = text.lower() if self.lower else text
        ids = self.tokenizer(text, truncation=True, max_length=self.length)["input_ids"]
        if len(ids) <= self.extra + self.behind:
            raise MediaError("this model's tokenizer makes no token of it")
        if max(ids) >= self.entries:
            raise MediaError(
                f"its tokenizer gives entry {max(ids)}, but this model knows {self.entries} only: "
                "they do not belong together"
            )
        return torch.tensor(ids, dtype=torch.long)

    def batch(self, tensors: Sequence[Tensor]) -> Batch:
        """Return padded texts."""
        lengths = torch.tensor([len(x) for x in tensors])
        ids = padded(tensors, self.padding)
        if self.to_length:
            ids = F.pad(ids, (0, self.length - ids.shape[1]), value=self.padding)
        places = torch.arange(ids.shape[1])
        own = places[self.extra :] < (lengths - self.behind)[:, None]
        if self.to_length:
            return Batch({"input_ids": ids}, own, torch.full_like(lengths, ids.shape[1] - 1))
        mask = (places < lengths[:, None]).long()
        summary = lengths - 1 if self.ends else None
        return Batch({"input_ids": ids, "attention_mask": mask}, own, summary)


def _side(size: Any) -> int:  # noqa: ANN401  # a number, or one for each side
    return int(size[0] if isinstance(size, list | tuple) else size)
