"""The order in which items are visited: at random, but those of similar length together.

Everything is a function of seed and place. So a resumed run goes on exactly where it was, and it
does not matter over how many processes the items are spread.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import soundfile
import torch
from jaxtyping import Int
from torch import Tensor

from d2v_core.data.items import Item
from d2v_core.labels import clock_of
from d2v_core.modality_config import MelConfig, ModalityConfig, TextConfig, WaveConfig

CHUNK = 16
"""Batches that are sorted by length together: more leave less padding, fewer more chance."""

LETTERS_A_TOKEN = 4
"""Of a published vocabulary, about."""

_READERS, _KEPT = 8, 8


def seeded(*key: object) -> torch.Generator:
    """Return a generator whose stream depends on all parts of the key and on nothing else."""
    digest = hashlib.sha256("|".join(map(str, key)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


class Walk:
    """An endless sequence of items, epoch after epoch; in each, every item comes once.

    Where lengths matter, CHUNK batches at a time are sorted by length and cut into batches anew,
    and the order of these batches is drawn. The batch in which an epoch ends and the next begins
    is mixed of the two.

    Args:
        count: how many items there are.
        key: what the order depends on, beside the lengths.
        batch: items of a step, over all processes.
        length_of: tells how long some items are, by their numbers; None: it does not matter.
    """

    def __init__(
        self,
        count: int,
        *key: object,
        batch: int = 1,
        length_of: Callable[[list[int]], list[int]] | None = None,
    ) -> None:
        self.count, self.key, self.batch, self.length_of = count, key, batch, length_of
        self._epochs: dict[int, Int[Tensor, " items"]] = {}
        self._chunks: dict[tuple[int, int], Int[Tensor, " some"]] = {}

    def __getitem__(self, place: int) -> int:
        """Return the number of the item at a place; the first is 0."""
        epoch, offset = divmod(place, self.count)
        if self.length_of is None:
            return int(self._epoch(epoch)[offset])
        head = -epoch * self.count % self.batch  # it completes the last batch of the epoch before
        start, end = 0, min(head, self.count)
        if offset >= head:
            size = CHUNK * self.batch
            start = head + (offset - head) // size * size
            end = min(start + size, self.count)
        return int(self._chunk(epoch, start, end)[offset - start])

    def _epoch(self, epoch: int) -> Int[Tensor, " items"]:
        if epoch not in self._epochs:
            _make_room(self._epochs)
            order = torch.randperm(self.count, generator=seeded("order", epoch, *self.key))
            self._epochs[epoch] = order
        return self._epochs[epoch]

    def _chunk(self, epoch: int, start: int, end: int) -> Int[Tensor, " some"]:
        """Return some entries of an epoch, sorted into batches; a rest smaller than one is last."""
        if (epoch, start) not in self._chunks:
            _make_room(self._chunks)
            assert self.length_of is not None
            drawn = self._epoch(epoch)[start:end]
            lengths = torch.tensor(self.length_of(drawn.tolist()))
            items = drawn[lengths.argsort(stable=True)]
            full, rest = divmod(len(items), self.batch)
            generator = seeded("batches", epoch, start, *self.key)
            cut = self.batch * int(torch.randint(full + 1, (), generator=generator))
            last, others = items[cut : cut + rest], torch.cat([items[:cut], items[cut + rest :]])
            order = torch.randperm(full, generator=generator)
            batches = others.view(full, self.batch)[order]
            self._chunks[epoch, start] = torch.cat([batches.flatten(), last])
        return self._chunks[epoch, start]


def _make_room(kept: dict) -> None:
    while len(kept) >= _KEPT:
        del kept[next(iter(kept))]


class TokenCounts:
    """Tells about how many tokens of an item a training step sees, without decoding the item.

    Args:
        items: of one modality.
        config: of the modality.
    """

    def __init__(self, items: Sequence[Item], config: ModalityConfig) -> None:
        self.items, self.config = items, config
        self.known = torch.full((len(items),), -1, dtype=torch.int32)

    def __call__(self, numbers: list[int]) -> list[int]:
        """Return the count of some items, by their numbers."""
        new = [n for n in numbers if self.known[n] < 0]
        found = [self.items[n] for n in new]
        if isinstance(self.config, TextConfig):
            counts = [letters(item, self.config) for item in found]
        else:
            with ThreadPoolExecutor(_READERS) as readers:  # headers may lie on a slow disk
                counts = list(readers.map(self._sound, found))
        self.known[new] = torch.tensor(counts, dtype=torch.int32)
        return self.known[numbers].tolist()

    def _sound(self, item: Item) -> int:
        assert isinstance(self.config, MelConfig | WaveConfig)
        clock = clock_of(self.config)
        most = (
            self.config.train_samples
            if isinstance(self.config, WaveConfig)
            else self.config.train_frames
        )
        return int(min(seconds(item), most * clock.unit_seconds) / clock.token_seconds)


def letters(item: Item, config: TextConfig) -> int:
    """Return the bytes of a text, as far as training sees them."""
    each = 1 if config.vocabulary == "bytes" else LETTERS_A_TOKEN
    most = config.max_tokens * each
    if isinstance(item.source, str):
        return min(len(item.source.encode(errors="replace")), most)
    try:
        return min(os.stat(item.source).st_size, most)  # noqa: PTH116
    except OSError:  # it will be skipped
        return 0


def seconds(item: Item) -> float:
    """Return how long a recording lasts by its header; 0 if it has none that can be read."""
    try:
        return soundfile.info(str(item.file)).duration
    except (soundfile.LibsndfileError, OSError):
        return 0.0
