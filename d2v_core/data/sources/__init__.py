"""Real data sets by name, each made into a data folder."""

from collections.abc import Callable, Mapping
from pathlib import Path

from d2v_core.data.items import Progress
from d2v_core.data.sources.class_archives import (
    make_animal_sounds,
    make_birds,
    make_cifar10,
    make_digits,
)
from d2v_core.data.sources.hub import make_hub
from d2v_core.data.sources.hub_files import PREFIX
from d2v_core.data.sources.making import Wish, fresh_folder
from d2v_core.data.sources.stamps import make_stamps
from d2v_core.data.sources.wordnet import make_wordnet
from d2v_core.errors import InputError

__all__ = ["SOURCES", "get"]

SOURCES: Mapping[str, Callable[[Path, Wish], None]] = {
    "stamps": make_stamps,
    "cifar10": make_cifar10,
    "animal-sounds": make_animal_sounds,
    "birds": make_birds,
    "digits": make_digits,
    "wordnet": make_wordnet,
}


def get(
    name: str,
    out: Path,
    *,
    from_: Path | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> tuple[str, ...]:
    """Make a named real data set into a data folder, complete or not at all.

    Args:
        name: one of SOURCES, or `hub:ID` (`hub:ID@PART`) for a data set of the Hugging Face hub.
        out: the folder to make; it may exist only if it is empty.
        from_: the archive, package or folder to take the data from. If it is None, `stamps` and
            `wordnet` are found where they are installed, or fetched with apt-get; `cifar10` and
            `digits` are fetched from their authors, once.
        limit: at most so many rows of each label, chosen by a hash of their ids; of `hub:ID` the
            first ones, and no more files are fetched than that wants.
        progress: called after each row.

    Returns:
        What a person should know of it: what was fetched, which version it is.

    Raises:
        InputError: if there is no such data set, its data are not there or damaged, or `out` is
            not empty.
    """
    if name not in SOURCES and not name.startswith(PREFIX):
        raise InputError(f"no data set {name!r}; there are {', '.join(SOURCES)}, and hub:ID")
    if limit is not None and limit < 1:
        raise InputError(f"limit={limit}; wanted is at least 1 row of each label")
    if from_ is not None and not from_.exists():
        raise InputError(f"{from_} does not exist")
    notes: list[str] = []
    with fresh_folder(out) as folder:
        wish = Wish(from_=from_, limit=limit, progress=progress, say=notes.append)
        if name.startswith(PREFIX):
            make_hub(name.removeprefix(PREFIX), folder, wish)
        else:
            SOURCES[name](folder, wish)
    return tuple(notes)
