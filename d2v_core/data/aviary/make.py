"""Make items of the made world, and write them as a data folder."""

import csv
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import starmap
from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Float32, UInt8
from PIL import Image

from d2v_core.data.aviary.pictures import draw_picture
from d2v_core.data.aviary.sentences import write_sentence
from d2v_core.data.aviary.songs import make_song
from d2v_core.data.aviary.synthesis import SAMPLE_RATE
from d2v_core.data.aviary.world import Factors, make_factors, random_stream
from d2v_core.errors import InputError

Row = dict[str, str | int | float | bool]

ITEMS_AT_ONCE = 16  # how many a worker makes before it reports


@dataclass(frozen=True)
class Item:
    """One item of the made world: what is true of it, and how it looks, sounds and reads."""

    factors: Factors

    picture: UInt8[np.ndarray, "64 64 3"]
    """RGB."""

    song: Float32[np.ndarray, " samples"]
    """Two seconds at 16 kHz, within ±1."""

    sentence: str


def make_item(seed: int, index: int) -> Item:
    """Make item `index` of world `seed`: the same whatever else is made.

    Args:
        seed: which world, 0 or more.
        index: which item, 0 or more.

    Raises:
        InputError: if either is negative.
    """
    if seed < 0 or index < 0:
        raise InputError(f"seed and index must be 0 or more, got seed={seed} and index={index}")
    return show(make_factors(seed, index), seed, index)


def show(factors: Factors, seed: int, index: int) -> Item:
    """Draw, sing and say given factors with the randomness of item `index` of world `seed`.

    Args:
        factors: what is to be true of the item; they need not be those of that item.
        seed: which world, 0 or more.
        index: which item, 0 or more.
    """
    return Item(
        factors=factors,
        picture=draw_picture(factors, random_stream(seed, index, "picture")),
        song=make_song(factors, random_stream(seed, index, "song")),
        sentence=write_sentence(factors, random_stream(seed, index, "sentence")),
    )


def make_aviary(
    out: Path,
    *,
    items: int,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write a world as a data folder: `metadata.csv`, `images/*.png`, `audio/*.flac`.

    The folder is made beside `out` and renamed at the end, so `out` is complete or absent. With
    more than one process, a script has to call this under `if __name__ == "__main__":`.

    Args:
        out: folder to make; may exist if it is empty.
        items: how many.
        seed: which world.
        workers: processes; None for one a processor, 1 for none beside this one.
        progress: told, now and then, how many items are done.

    Raises:
        InputError: if `out` is in use or cannot be written, a number is out of range, or a process
            died.
    """
    _check(out, items, seed, workers)
    batches = [
        range(start, min(start + ITEMS_AT_ONCE, items)) for start in range(0, items, ITEMS_AT_ONCE)
    ]
    try:
        with (
            _mapping(min(workers or os.cpu_count() or 1, len(batches))) as map_batches,
            _aside(out) as folder,
        ):
            rows = map_batches(partial(_write_batch, folder, seed), batches)
            _write_items(folder, rows, progress=progress)
            folder.chmod(0o755)  # a temporary folder is private
            folder.replace(out)
    except OSError as error:
        raise InputError(f"cannot write to {out.parent}: {error.strerror}") from error
    except BrokenProcessPool as error:
        raise InputError(
            "a process that made items died: not enough memory, or a script that calls this "
            'without `if __name__ == "__main__":`; fewer workers may help, workers=1 needs none'
        ) from error


@contextmanager
def _aside(out: Path) -> Iterator[Path]:
    """Give a new folder beside `out`; what is left of it at the end is removed."""
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check(out: Path, items: int, seed: int, workers: int | None) -> None:
    if items < 1:
        raise InputError(f"items must be 1 or more, got {items}")
    if seed < 0:
        raise InputError(f"seed must be 0 or more, got {seed}")
    if workers is not None and workers < 1:
        raise InputError(f"workers must be 1 or more, got {workers}")
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise InputError(f"{out} is not a folder; choose another name")
    if out.parent.exists() and not out.parent.is_dir():
        raise InputError(f"{out.parent} is not a folder; choose another place")
    if out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out} is not empty; choose another folder, or empty it first")


@contextmanager
def _mapping(processes: int) -> Iterator[Callable[..., Iterable[list[Row]]]]:
    """Give a `map`, by several processes if there are to be several.

    They have started before it is given: in a script without its guard they die of that, each
    before it has made a folder that nobody would remove.
    """
    if processes == 1:
        yield map
        return
    # Spawned, not forked: a fork of a process with threads, such as a server's, may hang.
    # An executor, not a Pool: when a process dies it says so, where a Pool starts it anew for ever.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as executor:
        executor.submit(int).result()
        yield executor.map


def _write_items(
    folder: Path, batches: Iterable[list[Row]], *, progress: Callable[[int], None] | None
) -> None:
    (folder / "images").mkdir()
    (folder / "audio").mkdir()
    rows: list[Row] = []
    for batch in batches:
        rows += batch
        if progress is not None:
            progress(len(rows))
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_batch(folder: Path, seed: int, indices: range) -> list[Row]:
    return list(starmap(partial(_write_item, folder), ((seed, index) for index in indices)))


def _write_item(folder: Path, seed: int, index: int) -> Row:
    """Write the two files of an item and return its row of the table."""
    item = make_item(seed, index)
    image_name, audio_name = f"images/{index:06d}.png", f"audio/{index:06d}.flac"
    Image.fromarray(item.picture).save(folder / image_name, compress_level=6)
    soundfile.write(
        folder / audio_name, item.song, SAMPLE_RATE, subtype="PCM_16", compression_level=1.0
    )
    factors = item.factors
    return {
        "id": f"aviary-{seed}-{index:06d}",
        "image_file_name": image_name,
        "audio_file_name": audio_name,
        "text": item.sentence,
        "label": factors.species,
        "split": factors.split,
        "group": factors.combination,
        "is_bird": factors.is_bird,
        "held_out_species": factors.held_out_species,
        **asdict(factors),
    }
