"""A zip archive that somebody brings becomes a data folder, and nothing else.

Only pictures, sounds, texts and tables are written, as plain files that cannot be executed, into a
new folder that is complete or absent. What an archive says of itself is not believed: bytes are
counted as they come out. An archive that tries to leave the folder is refused as a whole.
"""

import io
import lzma
import shutil
import stat
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from d2v_core.data.items import SUFFIXES, Problem, Progress
from d2v_core.data.metadata import METADATA_FILES
from d2v_core.data.splits import SPLITS_FILE, normalise_split
from d2v_core.errors import InputError

TABLES = (".csv", ".jsonl", ".parquet")
WANTED = frozenset(suffix for suffixes in SUFFIXES.values() for suffix in suffixes) | {*TABLES}
MOST_NAME_BYTES, MOST_FOLDERS = 200, 8
_CHUNK = 1 << 16
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, lzma.LZMAError, NotImplementedError)
_HIDDEN = ("__MACOSX", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much an archive may be; more is refused."""

    packed_bytes: int = 50_000_000
    unpacked_bytes: int = 1_000_000_000
    ratio: int = 100
    """Unpacked over packed bytes of a file; pictures and sounds are hardly ever above 10."""

    small_bytes: int = 1_000_000
    """Files up to this size may have any ratio: a short silence packs very well."""

    files: int = 50_000
    lines: int = 200_000
    """Of a table: a row of two letters takes a kilobyte once it is read."""


LIMITS = Limits()


@dataclass(frozen=True)
class Unpacked:
    """What came out of an archive."""

    files: int
    unpacked_bytes: int
    left_out: tuple[Problem, ...]
    """Files that are no data, and why."""


def unpack(
    archive: bytes, out: Path, *, limits: Limits = LIMITS, progress: Progress | None = None
) -> Unpacked:
    """Write the data of a zip archive into a new folder.

    If all files of an archive lie in one folder that is no label, its inside is taken.

    Args:
        archive: its bytes.
        out: the folder to make; it must not be there.
        limits: how much it may be.
        progress: called after each file.

    Raises:
        InputError: if it is no zip archive, is damaged, too much, encrypted, or has a name or a
            link that leads out of the folder; nothing is left behind then.
    """
    if len(archive) > limits.packed_bytes:
        raise InputError(
            f"the archive has {_mb(len(archive))}; up to {_mb(limits.packed_bytes)} are taken. "
            "Unpack it yourself and open the folder by its path"
        )
    if out.exists() or out.is_symlink():
        raise InputError(f"there is a {out.name!r} already; choose another name")
    try:
        opened = zipfile.ZipFile(io.BytesIO(archive))
    except (*_DAMAGED, ValueError) as error:
        raise InputError("this is no zip archive, or a damaged one; pack it as .zip") from error
    with opened:
        members, left_out = _members(opened, limits)
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            aside = Path(tempfile.mkdtemp(prefix=f".{out.name[:40]}-", dir=out.parent))
        except OSError as error:
            raise InputError(f"cannot write to {out.parent}: {error.strerror}") from error
        try:
            size = _write(opened, members, aside, limits=limits, progress=progress)
            aside.chmod(0o755)  # a temporary folder is private
            aside.rename(out)
        except OSError as error:
            raise InputError(f"cannot write to {out.parent}: {error.strerror}") from error
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return Unpacked(len(members), size, tuple(left_out))


def _members(
    opened: zipfile.ZipFile, limits: Limits
) -> tuple[dict[PurePosixPath, zipfile.ZipInfo], list[Problem]]:
    """Return what is to be written, by the name it gets, and what is left out."""
    listed = opened.infolist()
    if len(listed) > limits.files:
        raise InputError(
            f"the archive lists {len(listed):,} files; up to {limits.files:,} are taken"
        )
    members: dict[PurePosixPath, zipfile.ZipInfo] = {}
    left_out: list[Problem] = []
    for info in listed:
        path = _safe(info)
        is_hidden = any(part.startswith(".") or part in _HIDDEN for part in path.parts)
        if info.filename.endswith("/") or is_hidden:
            continue
        if path.suffix.lower() not in WANTED:
            left_out.append(Problem(path.as_posix(), "no picture, sound, text or table"))
        elif path in members:
            raise InputError(f"the archive has {path} twice; pack it anew")
        else:
            members[path] = info
    if not members:
        raise InputError("the archive holds no picture, no sound, no text and no table")
    said = sum(info.file_size for info in members.values())
    if said > limits.unpacked_bytes:
        raise InputError(
            f"the archive unpacks to {_mb(said)}; up to {_mb(limits.unpacked_bytes)} are taken"
        )
    top = _top_of(list(members))
    return {path.relative_to(top): info for path, info in members.items()}, left_out


def _safe(info: zipfile.ZipInfo) -> PurePosixPath:
    """Return the name of a member; raise InputError if it leads elsewhere or cannot be a file."""
    name = info.filename.replace("\\", "/")  # as some programs write it
    path = PurePosixPath(name)
    shown = repr(info.filename)[:120]
    if path.is_absolute() or PureWindowsPath(name).drive or ".." in path.parts:
        raise InputError(f"the archive names {shown}, which leads out of its folder: refused")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        raise InputError(f"the archive has a link, {shown}: refused; pack the file itself")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise InputError(f"the archive has {shown}, which is neither file nor folder: refused")
    if info.flag_bits & 1:
        raise InputError(f"{shown} is encrypted; pack it without a password")
    too_long = any(len(part.encode("utf-8", "replace")) > MOST_NAME_BYTES for part in path.parts)
    if too_long or len(path.parts) > MOST_FOLDERS or not name.isprintable():
        raise InputError(f"the archive names {shown}, which cannot be a file here; rename it")
    return path


def _top_of(names: list[PurePosixPath]) -> PurePosixPath:
    """Return the folder that everything lies in, unless it says something: a label or a split."""
    tops = {path.parts[0] for path in names}
    if len(tops) > 1 or any(len(path.parts) == 1 for path in names):
        return PurePosixPath()
    top = tops.pop()
    inside = [path.relative_to(top) for path in names]
    tables = (*METADATA_FILES, SPLITS_FILE)
    has_table = any(len(path.parts) == 1 and path.name in tables for path in inside)
    has_folders = any(len(path.parts) > 1 for path in inside)
    is_split = normalise_split(top) is not None
    return PurePosixPath(top) if has_table or (has_folders and not is_split) else PurePosixPath()


def _write(
    opened: zipfile.ZipFile,
    members: dict[PurePosixPath, zipfile.ZipInfo],
    folder: Path,
    *,
    limits: Limits,
    progress: Progress | None,
) -> int:
    """Write the members below a folder; return how many bytes they are."""
    total = 0
    for number, (path, info) in enumerate(members.items(), start=1):
        target = folder / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                total += _copy(opened, info, file, limits=limits, before=total)
        except (FileExistsError, NotADirectoryError) as error:
            raise InputError(f"the archive has {path} as a file and as a folder") from error
        except (*_DAMAGED, RuntimeError, ValueError) as error:
            raise InputError(f"{path} in the archive is damaged: {error}") from error
        target.chmod(0o644)
        if progress is not None:
            progress(number, len(members))
    return total


def _copy(
    opened: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    file: io.BufferedWriter,
    *,
    limits: Limits,
    before: int,
) -> int:
    """Copy one member, and stop as soon as it is more than it may be."""
    size = lines = 0
    is_text = info.filename.lower().endswith((".csv", ".jsonl"))
    with opened.open(info) as source:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if before + size > limits.unpacked_bytes:
                raise InputError(f"the archive unpacks to more than {_mb(limits.unpacked_bytes)}")
            if size > limits.small_bytes and size > limits.ratio * max(1, info.compress_size):
                raise InputError(
                    f"{info.filename!r} unpacks to more than {limits.ratio} times its packed size, "
                    "as no picture and no sound does: refused"
                )
            if is_text:
                lines += max(chunk.count(b"\n"), chunk.count(b"\r"))
            if lines > limits.lines:
                raise InputError(
                    f"{info.filename!r} has more than {limits.lines:,} lines, the most that a "
                    "table in an archive may have; split it"
                )
            file.write(chunk)
    return size


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB" if size >= 1_000_000 else f"{size:,} bytes"
