"""Archives as their authors publish them, laid out anew as zip archives of class folders."""

import io
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from d2v_core.data.sources.archives import MAX_MEMBER_BYTES
from d2v_core.errors import InputError

_CIFAR10 = re.compile(r"(data_batch_[1-5]|test_batch)\.bin")
_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
_SIDE = 32
_RECORD = 1 + 3 * _SIDE * _SIDE
_DIGITS = re.compile(r"(?P<digit>\d)_(?P<speaker>[a-z]+)_(?P<take>\d+)\.wav")

Files = Iterator[tuple[str, bytes]]


def cifar10_files(name: str, data: bytes) -> Files:
    """Give the pictures of one batch of the binary version as PNG files.

    A record is a byte with the class and 32 x 32 bytes each of red, green and blue, row by row.

    Raises:
        InputError: if it is no whole number of records, or of an eleventh class.
    """
    match = _CIFAR10.fullmatch(name)
    if match is None:
        return
    records = np.frombuffer(data, np.uint8)
    if not len(records) or len(records) % _RECORD:
        raise InputError(f"{name} is damaged: {len(records):,} bytes are no pictures of {_RECORD}")
    records = records.reshape(-1, _RECORD)
    if (records[:, 0] >= len(_CLASSES)).any():
        raise InputError(f"{name} is damaged: it has class {records[:, 0].max()}")
    split, _, batch = match[1].partition("_batch")
    split, batch = ("test", "") if split == "test" else ("train", batch.strip("_"))
    pixels = records[:, 1:].reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)
    for number, (label, picture) in enumerate(zip(records[:, 0], pixels, strict=True)):
        file = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(picture)).save(file, "PNG", compress_level=1)
        yield f"{split}/{_CLASSES[label]}/{batch}{number:04}.png", file.getvalue()


def digit_files(name: str, data: bytes) -> Files:
    """Give a recording of the Free Spoken Digit Dataset with its digit as the folder."""
    match = _DIGITS.fullmatch(name)
    if match is not None:
        yield f"{match['digit']}/{match['speaker']}_{int(match['take']):02}.wav", data


@contextmanager
def as_class_folders(path: Path, files: Callable[[str, bytes], Files]) -> Iterator[Path]:
    """Give a zip archive of class folders: the file itself if it is no tar archive, or made of it.

    Args:
        path: the archive.
        files: makes files, by their names, of the name and the bytes of a member.

    Raises:
        InputError: if it is damaged, or a member too large.
    """
    try:
        is_tar = path.is_file() and tarfile.is_tarfile(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if not is_tar:
        yield path
        return
    with TemporaryDirectory(prefix="d2v-") as temporary:
        made = Path(temporary, path.name + ".zip")
        try:
            with tarfile.open(path, "r|*") as tar, zipfile.ZipFile(made, "w") as archive:
                for name, data in _members(tar):
                    for inner, content in files(name, data):
                        archive.writestr(inner, content)
        except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
            raise InputError(f"{path} is damaged: {error}") from error
        yield made


def _members(tar: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    """Give the last part of the name and the bytes of every regular file."""
    for member in tar:
        if not member.isreg():
            continue
        if member.size > MAX_MEMBER_BYTES:
            raise InputError(f"{member.name} in the archive has {member.size:,} bytes: refused")
        file = tar.extractfile(member)
        assert file is not None  # it is a regular file
        yield PurePosixPath(member.name).name, file.read()
