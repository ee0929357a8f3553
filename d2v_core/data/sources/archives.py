"""Zip archives and Debian packages, read member by member; nothing is trusted but the bytes."""

import gzip
import io
import lzma
import re
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import pyarrow as pa

from d2v_core.errors import InputError

MAX_MEMBER_BYTES = 64 << 20
MAX_TOTAL_BYTES = 4 << 30
_APT_SECONDS = 600
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, lzma.LZMAError, NotImplementedError)


@contextmanager
def open_zip(
    path: Path, pattern: re.Pattern[str]
) -> Iterator[tuple[zipfile.ZipFile, list[re.Match]]]:
    """Give an archive and the members whose whole name matches, in the order of their names.

    Raises:
        InputError: if it is no zip archive, or no member matches.
    """
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except zipfile.BadZipFile as error:
        raise InputError(f"{path} is no zip archive, or a damaged one: {error}") from error
    with archive:
        names = sorted(archive.namelist())
        found = [match for name in names if (match := pattern.fullmatch(name))]
        if not found:
            raise InputError(f"{path} is another archive: no member is like {pattern.pattern}")
        yield archive, found


def copy_member(archive: zipfile.ZipFile, name: str, target: Path) -> bytes:
    """Write one member to a file, and return its bytes.

    Raises:
        InputError: if it is damaged, encrypted, or unpacks to more than MAX_MEMBER_BYTES.
    """
    info = archive.getinfo(name)
    if info.file_size > MAX_MEMBER_BYTES:
        raise InputError(f"{archive.filename}: {name} unpacks to {info.file_size:,} bytes: refused")
    if info.flag_bits & 1:
        raise InputError(f"{archive.filename}: {name} is encrypted")
    try:
        data = archive.read(info)
    except _DAMAGED as error:
        raise InputError(f"{archive.filename}: {name} is damaged: {error}") from error
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return data


@contextmanager
def package_tree(
    package: str, tree: PurePosixPath, *, from_: Path | None, wanted: Callable[[str], bool]
) -> Iterator[Path]:
    """Give the folder that a Debian package installs, wherever it can be found.

    Args:
        package: name of the package.
        tree: the folder, below the root of the file system.
        from_: a `.deb` file, a folder that one was unpacked into, or the folder itself. If None,
            the installed one is taken, or else the package fetched with apt-get (not installed).
        wanted: says by its name inside the tree if a file of a `.deb` is needed.

    Raises:
        InputError: if it is nowhere, or damaged.
    """
    installed = Path("/", tree)
    if from_ is None and installed.is_dir():
        yield installed
        return
    if from_ is not None and from_.is_dir():
        below = from_ / tree
        if below.is_dir() and not below.resolve().is_relative_to(from_.resolve()):
            raise InputError(f"{below} is a link that leads out of {from_}: refused")
        yield below if below.is_dir() else from_
        return
    with tempfile.TemporaryDirectory(prefix="d2v-") as temporary:
        folder = Path(temporary)
        deb = from_ if from_ is not None else _fetch(package, folder)
        unpack_deb(deb, tree, folder / "tree", wanted=wanted)
        yield folder / "tree"


def unpack_deb(
    path: Path, tree: PurePosixPath, out: Path, *, wanted: Callable[[str], bool]
) -> None:
    """Write the regular files of a `.deb` that lie below `tree` into `out`.

    Raises:
        InputError: if it is no Debian package, or a damaged one.
    """
    total = 0
    try:
        with path.open("rb") as file, tarfile.open(fileobj=_data_of(file), mode="r|") as tar:
            for member in tar:
                name = PurePosixPath("/", member.name)
                if not (member.isreg() and name.is_relative_to(PurePosixPath("/", tree))):
                    continue
                inner = name.relative_to(PurePosixPath("/", tree))
                if ".." in inner.parts or not wanted(inner.as_posix()):
                    continue
                total += member.size
                if total > MAX_TOTAL_BYTES:
                    raise InputError(f"{path} unpacks to more than {MAX_TOTAL_BYTES:,} bytes")
                target = out / inner
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as copy:
                    shutil.copyfileobj(tar.extractfile(member) or io.BytesIO(), copy)
    except (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error, ValueError) as error:
        raise InputError(f"{path} is no Debian package, or a damaged one: {error}") from error
    except OSError as error:
        raise InputError(f"{path} cannot be unpacked: {error}") from error
    if not out.is_dir():
        raise InputError(f"{path} is another package: it installs nothing in /{tree}")


class _Part(io.RawIOBase):
    """The next `size` bytes of a file, as a file of their own."""

    def __init__(self, file: io.BufferedReader, size: int) -> None:
        self._file, self._left = file, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # noqa: ANN001  (a buffer has no type in Python 3.11)
        data = self._file.read(min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)


def _data_of(file: io.BufferedReader) -> io.BufferedIOBase:
    """Return the decompressed data of a package: an `ar` archive with a `data.tar.*` in it.

    Source: deb(5) and the header of ar(1): name 16, time 12, owner 6, group 6, mode 8, size 10.
    """
    if file.read(8) != b"!<arch>\n":
        raise ValueError("it does not begin as one")
    while len(header := file.read(60)) == 60:
        name, size = header[:16].decode("ascii").strip().rstrip("/"), int(header[48:58])
        if name.startswith("data.tar"):
            return _decompressed(io.BufferedReader(_Part(file, size)), name)
        file.seek(size + size % 2, io.SEEK_CUR)  # members begin at even places
    raise ValueError("it holds no data.tar")


def _decompressed(part: io.BufferedReader, name: str) -> io.BufferedIOBase:
    match Path(name).suffix:
        case ".xz":
            return lzma.open(part)
        case ".gz":
            return gzip.open(part)
        case ".zst":
            return io.BufferedReader(pa.input_stream(part, compression="zstd"))
        case ".tar":
            return part
    raise ValueError(f"{name} is packed in a way that is not known here")


def _fetch(package: str, folder: Path) -> Path:
    """Download a package with apt-get, which needs no rights for that."""
    advice = f"install {package}, or give its .deb file or folder with --from"
    apt = shutil.which("apt-get")
    if apt is None:
        raise InputError(
            f"{package} is not installed, and there is no apt-get to fetch it: {advice}"
        )
    try:
        done = subprocess.run(
            [apt, "download", package],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_APT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"apt-get did not fetch {package} in {_APT_SECONDS} s: {advice}"
        ) from error
    debs = list(folder.glob("*.deb"))
    if done.returncode or not debs:
        said = next((line for line in done.stderr.splitlines() if line.startswith("E:")), "no word")
        raise InputError(f"apt-get could not fetch {package} ({said}): {advice}")
    return debs[0]
