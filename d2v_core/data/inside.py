"""Find files by name below a folder, and never outside it."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from d2v_core.errors import InputError


@dataclass(frozen=True)
class FoundFile:
    """A regular file below a folder."""

    name: str
    """Relative to the folder, with forward slashes."""

    path: Path
    """Absolute, without symbolic links."""

    size: int
    """Bytes."""


class Inside:
    """Looks names up below one folder. Real paths of folders are kept: data have many files in few.

    Args:
        root: the folder; it may itself be a symbolic link.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.realpath(root))
        self._real: dict[str, str] = {}

    def find(self, name: str) -> FoundFile:
        """Return the file of that relative name.

        Raises:
            InputError: if there is none, it is no regular file, or it lies outside the folder. The
                message is the reason alone; the caller names the file.
        """
        pure = PurePosixPath(name)
        if pure.is_absolute() or PureWindowsPath(name).drive:
            raise InputError("an absolute path; names are relative to the data folder")
        try:
            path = self._resolve(pure)
            if not path.is_relative_to(self.root):
                raise InputError("lies outside the data folder")
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise InputError("there is no such file") from error
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}") from error
        except ValueError as error:  # a NUL or a lone surrogate, which no file system takes
            raise InputError("not a possible file name") from error
        if not stat.S_ISREG(status.st_mode):
            raise InputError("not a regular file")
        return FoundFile(pure.as_posix(), path, status.st_size)

    def _resolve(self, name: PurePosixPath) -> Path:
        folder = str(name.parent)
        if folder not in self._real:
            self._real[folder] = os.path.realpath(self.root / folder)
        path = Path(self._real[folder], name.name)
        is_plain = name.name not in {"", ".."} and not path.is_symlink()
        return path if is_plain else Path(os.path.realpath(path))
