"""Parquet files that hold the media themselves, unpacked once into a data folder beside them."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from d2v_core.data.columnar import open_parquet, parquet_records
from d2v_core.data.media_columns import MediaTable, write_media
from d2v_core.errors import InputError

_STAMP = ".unpacked-from"


def unpack_parquet(path: Path) -> Path:
    """Return a data folder with the media of a Parquet file, unpacked unless it already was.

    What becomes of its columns says `write_media`. The folder is `NAME-unpacked` beside the file,
    or in the user's cache where that cannot be written to.

    Raises:
        InputError: if it is no Parquet file, or has neither media nor text.
    """
    status = path.stat()
    stamp = f"{path.name} {status.st_size} {status.st_mtime_ns}"
    places = [path.parent / f"{path.stem}-unpacked", _cache() / f"{path.stem}-{status.st_ino:x}"]
    for place in places:
        if _is_unpacked(place, stamp):
            return place
    place = next((place for place in places if _is_writable(place.parent)), None)
    if place is None:
        raise InputError(
            f"{path} has to be unpacked, but neither {places[0].parent} nor the cache "
            "can be written to; copy it to where you may write"
        )
    if place.exists() and not (place / _STAMP).is_file():
        raise InputError(f"{place} is in the way: {path} would be unpacked there; rename one")
    aside = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    try:
        _unpack(path, aside)
        (aside / _STAMP).write_text(stamp, encoding="utf-8")
        aside.chmod(0o755)
        _put(aside, place, stamp)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return place


def _put(aside: Path, place: Path, stamp: str) -> None:
    """Move what was unpacked to its place, unless another process was first: it may be read."""
    if _is_unpacked(place, stamp):
        shutil.rmtree(aside)
        return
    if place.exists():  # of an older version of the file
        old = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
        with contextlib.suppress(FileNotFoundError):  # another process was first here, too
            place.rename(old)
        shutil.rmtree(old)
    try:
        aside.rename(place)
    except OSError:
        if not _is_unpacked(place, stamp):
            raise
        shutil.rmtree(aside)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "d2v"


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _is_unpacked(place: Path, stamp: str) -> bool:
    mark = place / _STAMP
    return mark.is_file() and mark.read_text(encoding="utf-8") == stamp


def _unpack(path: Path, out: Path) -> None:
    with open_parquet(path) as file:
        table = MediaTable(
            file.schema_arrow, lambda columns: parquet_records(file, path, columns=columns)
        )
        try:
            write_media([table], out, name=str(path))
        except OSError as error:
            raise InputError(f"{path} cannot be unpacked to {out.parent}: {error}") from error
