"""Files that are published at one address and never change: fetched once, whole, or gone on with.

What has come of a broken download stays in the cache, and the same command asks for the rest.
"""

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from d2v_core.data.items import Progress
from d2v_core.errors import InputError

ATTEMPTS, SECONDS = 3, 60.0
_BLOCK = 1 << 18


@dataclass(frozen=True)
class Published:
    """A file on the net.

    Attributes:
        url: its address.
        size: bytes.
        sha256: of the file, in hexadecimal digits.
    """

    url: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The last part of its address."""
        return self.url.rpartition("/")[2]


CIFAR10 = Published(
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    170_052_171,
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)
DIGITS = Published(
    "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/v1.0.9.tar.gz",
    11_975_353,
    "8bc44cde129d505cbbb6b365c09f80c663f2aa77578afc634e6141a2f87100c0",
)


def cache_folder() -> Path:
    """Return where fetched files are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "d2v"


def fetch(wanted: Published, *, progress: Progress | None = None) -> Path:
    """Return a published file from the cache, or fetch what is missing of it.

    Args:
        wanted: the file.
        progress: called with the bytes that are there, and all.

    Raises:
        InputError: if it cannot be fetched, or is another file than it was.
    """
    folder = cache_folder()
    whole = folder / f"{wanted.sha256[:12]}-{wanted.name}"
    if whole.is_file():
        return whole
    part = whole.with_name(whole.name + ".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _complete(wanted, part, progress)
        _check(wanted, part)
        part.replace(whole)
    except (OSError, http.client.HTTPException) as error:
        raise InputError(
            f"{wanted.url} cannot be fetched ({error}); the same command goes on where it stopped; "
            "or fetch it elsewhere and give it with --from"
        ) from error
    return whole


def other_version(wanted: Published, path: Path) -> str | None:
    """Say that a file is not the one that was published; None if it is that one.

    What another version holds is read all the same: its rows show what it is, and a person who
    brings a file means that file.

    Raises:
        InputError: if it cannot be read.
    """
    try:
        is_same = path.stat().st_size == wanted.size and _sha256_of(path) == wanted.sha256
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    return None if is_same else f"{path} is another version than {wanted.url}; it is read as it is"


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _complete(wanted: Published, part: Path, progress: Progress | None) -> None:
    """Add what is missing of a file; a connection that breaks is tried again."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _go_on(wanted, part, progress)
        except (OSError, http.client.HTTPException) as error:
            is_answer = isinstance(error, urllib.error.HTTPError) and error.code < 500
            if is_answer or attempt == ATTEMPTS:
                raise
        if _size(part) >= wanted.size:
            return
    raise ConnectionError(f"{_size(part):,} of {wanted.size:,} bytes came")


def _go_on(wanted: Published, part: Path, progress: Progress | None) -> None:
    """Ask once for what is missing."""
    there = _size(part)
    if there >= wanted.size:
        return
    request = urllib.request.Request(wanted.url, headers={"User-Agent": "d2v"})
    if there:
        request.add_header("Range", f"bytes={there}-")
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        is_rest = answer.status == http.HTTPStatus.PARTIAL_CONTENT
        there = there if is_rest else 0
        with part.open("ab" if is_rest else "wb") as file:
            while block := answer.read(_BLOCK):
                there += len(block)
                if there > wanted.size:  # no end in sight
                    raise InputError(f"{wanted.url} is larger than it was: not the same file")
                file.write(block)
                if progress is not None:
                    progress(there, wanted.size)


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _check(wanted: Published, part: Path) -> None:
    """Remove a file that is not the one that was published, and say so."""
    found = _sha256_of(part)
    if found != wanted.sha256:
        part.unlink()
        raise InputError(
            f"{wanted.url} is not the file that it was: its SHA-256 is {found[:12]}..., wanted is "
            f"{wanted.sha256[:12]}...; fetch it elsewhere and give it with --from"
        )
