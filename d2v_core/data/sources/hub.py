"""Data sets of the Hugging Face hub, and those that its library has saved to a disk.

Only tables are read, Parquet or Arrow; no code of a data set is ever run, and its library is not
needed. The hub keeps most public data sets as Parquet in a branch of its own.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import pyarrow as pa

from d2v_core.data.columnar import Record, batch_records, open_parquet, parquet_records
from d2v_core.data.inside import Inside
from d2v_core.data.items import Progress
from d2v_core.data.media_columns import MediaTable, write_media
from d2v_core.data.sources.making import Wish
from d2v_core.data.splits import normalise_split
from d2v_core.errors import InputError

PREFIX = "hub:"
_CONVERTED = "refs/convert/parquet"
_NAME = re.compile(r"(?P<id>\w[\w.-]*(/\w[\w.-]*)?)(@(?P<part>[\w.-]+))?")
_SAVED, _SAVED_SPLITS = "state.json", "dataset_dict.json"

_ABOUT = """{name}, from {place}.
Made into a data folder; see its own page for origin and licence.
"""


def make_hub(name: str, folder: Path, wish: Wish) -> None:
    """Make a data set of the hub: pictures, sounds, texts and all other columns.

    Args:
        name: ID or ID@PART, as the hub has it.
        folder: where it goes.
        wish: `from_` is a folder that `save_to_disk` made, or one with Parquet files; `limit` takes
            the first rows of each label.

    Raises:
        InputError: if there is no such data set, the hub cannot be reached, or it is none of
            pictures, sounds and texts.
    """
    named = _NAME.fullmatch(name)
    if named is None:
        raise InputError(f"{PREFIX}{name} is no name of the hub, such as hub:owner/name")
    if wish.from_ is None:
        place = f"https://huggingface.co/datasets/{named['id']}"
        files = _download(named["id"], named["part"], wish.progress)
    else:
        place, files = str(wish.from_), _local(wish.from_)
    taken: Counter[str] = Counter()
    tables = [_table(path, split, wish.limit, taken) for path, split in files]
    try:
        write_media(tables, folder, name=name)
    except OSError as error:
        raise InputError(f"{folder.parent} cannot be written to: {error}") from error
    (folder / "README.txt").write_text(_ABOUT.format(name=name, place=place), encoding="utf-8")


def _local(root: Path) -> list[tuple[Path, str | None]]:
    """Return the tables of a folder with their splits."""
    inside = Inside(root)
    if (root / _SAVED_SPLITS).is_file():
        splits = _listed(root / _SAVED_SPLITS, "splits")
        return [(path, name) for name in splits for path in _saved(inside, f"{name}/")]
    if (root / _SAVED).is_file():
        return [(path, None) for path in _saved(inside, "")]
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.parquet"))
    if not names:
        raise InputError(
            f"{root} is no data set: wanted is a folder that save_to_disk made, or one with "
            "Parquet files"
        )
    return [(_found(inside, name), _split_in(name)) for name in names]


def _saved(inside: Inside, folder: str) -> list[Path]:
    names = _listed(inside.root / folder / _SAVED, "_data_files")
    if not names:
        raise InputError(f"{inside.root / folder} holds no data")
    return [_found(inside, folder + name) for name in names]


def _found(inside: Inside, name: str) -> Path:
    try:
        return inside.find(name).path
    except InputError as error:
        raise InputError(f"{name} in {inside.root}: {error}") from error


def _listed(path: Path, key: str) -> list[str]:
    """Return the names that a small JSON file lists, plain or as {filename}."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))[key]
        return [str(x["filename"] if isinstance(x, dict) else x) for x in values]
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is damaged: it lists no {key}") from error


def _split_in(name: str) -> str | None:
    """Return the split that a folder or the beginning of a file's name says."""
    path = PurePosixPath(name)
    parts = [*reversed(path.parts[:-1]), re.split(r"[-_.]", path.name)[0]]
    return next((part for part in parts if normalise_split(part)), None)


def _table(path: Path, split: str | None, limit: int | None, taken: Counter[str]) -> MediaTable:
    """Return a table; `taken` counts the rows of each label over all of them."""
    read = _parquet_records if path.suffix == ".parquet" else _arrow_records

    def records(columns: Sequence[str] | None) -> Iterator[Record]:
        for record in read(path, columns):
            label = str(record.get("label"))
            taken[label] += columns is None  # a look at one column is no taking
            if limit is None or taken[label] <= limit:
                yield record

    schema = _parquet_schema if path.suffix == ".parquet" else _arrow_schema
    return MediaTable(schema(path), records, normalise_split(split or ""))


def _parquet_schema(path: Path) -> pa.Schema:
    with open_parquet(path) as file:
        return file.schema_arrow


def _parquet_records(path: Path, columns: Sequence[str] | None) -> Iterator[Record]:
    with open_parquet(path) as file:
        yield from parquet_records(file, path, columns=columns)


def _arrow_schema(path: Path) -> pa.Schema:
    try:
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
            return reader.schema
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} is no stream of Arrow, or a damaged one: {error}") from error


def _arrow_records(path: Path, columns: Sequence[str] | None) -> Iterator[Record]:
    try:
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
            batches = (x if columns is None else x.select(list(columns)) for x in reader)
            yield from batch_records(batches, path, size=path.stat().st_size)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} is no stream of Arrow, or a damaged one: {error}") from error


def _download(
    name: str, part: str | None, progress: Progress | None
) -> list[tuple[Path, str | None]]:
    """Fetch the Parquet files of a data set into the hub's own cache."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        GatedRepoError,
        HTTPError,  # pyright: ignore[reportPrivateImportUsage]  # of whichever client it has
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    try:
        revision: str | None = _CONVERTED
        try:
            listed = api.list_repo_files(name, repo_type="dataset", revision=revision)
        except RevisionNotFoundError:
            revision = None  # some keep Parquet files of their own
            listed = api.list_repo_files(name, repo_type="dataset")
        chosen = _of_part(name, sorted(x for x in listed if x.endswith(".parquet")), part)
        paths = []
        for number, file in enumerate(chosen, start=1):
            found = api.hf_hub_download(name, file, repo_type="dataset", revision=revision)
            paths.append((Path(found), _split_in(file)))
            if progress is not None:
                progress(number, len(chosen))
    except GatedRepoError as error:
        raise InputError(
            f"{name} wants its terms accepted: do so on its page and log in with `hf auth login`"
        ) from error
    except RepositoryNotFoundError as error:
        raise InputError(f"the hub has no public data set {name!r}") from error
    except (HTTPError, OSError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"the Hugging Face hub does not answer ({first}); fetch {name} elsewhere and give its "
            "folder with --from"
        ) from error
    return paths


def _of_part(name: str, files: list[str], part: str | None) -> list[str]:
    """Return the files of one part (PART/SPLIT/0000.parquet), of which there may be only one."""
    if not files:
        raise InputError(f"the hub has {name} not as Parquet; fetch it, and give its folder --from")
    parts = sorted({PurePosixPath(file).parts[0] for file in files if file.count("/") >= 2})
    if part is None and len(parts) > 1:
        raise InputError(
            f"{name} has the parts {', '.join(parts)}; choose one: {PREFIX}{name}@{parts[0]}"
        )
    chosen = [file for file in files if part is None or file.startswith(f"{part}/")]
    if not chosen:
        raise InputError(f"{name} has no part {part!r}; it has {', '.join(parts) or 'only one'}")
    return chosen
