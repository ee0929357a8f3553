"""Text: from a file, bytes or a string to a clean string."""

from pathlib import Path

from d2v_core.errors import MediaError

MAX_CHARACTERS = 100_000
_MAX_BYTES = 4 * MAX_CHARACTERS + 3
"""What MAX_CHARACTERS of UTF-8 can take, with a byte order mark: more is never read."""


def decode_text(source: Path | str | bytes) -> str:
    """Return the text of a file, of bytes or of a string, without surrounding white space.

    Files and bytes are UTF-8, with or without a byte order mark. A `str` is the text itself, never
    a path.

    Raises:
        MediaError: if it is empty, not UTF-8, longer than MAX_CHARACTERS, or holds NUL characters
            or lone surrogates.
    """
    text = source if isinstance(source, str) else _decode_bytes(source)
    if len(text.strip()) > _MAX_BYTES:  # too long for a look at each character
        raise MediaError(f"longer than {MAX_CHARACTERS:,} characters; cut it into pieces")
    if "\x00" in text:
        raise MediaError(f"a NUL character at position {text.index(chr(0))}: not a text")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise MediaError("a lone surrogate, which is no character: the text was decoded wrongly")
    text = text.removeprefix("\ufeff").strip()
    if not text:
        raise MediaError("empty: no character that is not white space")
    if len(text) > MAX_CHARACTERS:
        raise MediaError(f"longer than {MAX_CHARACTERS:,} characters; cut it into pieces")
    return text


def _decode_bytes(source: Path | bytes) -> str:
    data = source if isinstance(source, bytes) else _read(source)
    if len(data) > _MAX_BYTES:
        raise MediaError(f"longer than {MAX_CHARACTERS:,} characters; cut it into pieces")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MediaError(f"not UTF-8: byte {data[error.start]:#04x} at {error.start}") from error


def _read(path: Path) -> bytes:
    if not path.is_file():  # a pipe would block, a device never end
        raise MediaError("no such file" if not path.exists() else "not a regular file")
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise MediaError(f"cannot be read: {error.strerror}") from error
