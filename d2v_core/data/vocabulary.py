"""Texts to numbers: bytes, or the tokens of a published vocabulary."""

import functools
from pathlib import Path
from typing import Protocol, runtime_checkable

from tokenizers import Tokenizer

from d2v_core.errors import InputError

START = "<s>"


@runtime_checkable
class Vocabulary(Protocol):
    """Turns a text into entries of a vocabulary."""

    def encode(self, text: str) -> list[int]:
        """Return the entries, in the order of the text."""
        ...


class Bytes:
    """A vocabulary of 256 entries: the bytes of UTF-8."""

    def encode(self, text: str) -> list[int]:
        """Return the bytes."""
        return list(text.encode())


class Subwords:
    """A published vocabulary, with its start symbol in front of every text if it has one.

    Args:
        tokenizer: loaded.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        start = tokenizer.token_to_id(START)
        self.start = [] if start is None else [start]

    def encode(self, text: str) -> list[int]:
        """Return the start symbol and the tokens of the text."""
        return self.start + self.tokenizer.encode(text, add_special_tokens=False).ids


@functools.lru_cache(maxsize=4)
def vocabulary(name: str) -> Vocabulary:
    """Return a vocabulary by name.

    Args:
        name: "bytes", a `tokenizer.json`, a folder with one, or a name on the Hugging Face hub.

    Raises:
        InputError: if there is no such file, or the hub cannot be reached or does not have it.
    """
    if name == "bytes":
        return Bytes()
    path = Path(name) / "tokenizer.json" if Path(name).is_dir() else Path(name)
    try:
        tokenizer = (
            Tokenizer.from_file(str(path)) if path.is_file() else Tokenizer.from_pretrained(name)
        )
    except Exception as error:  # the library raises plain Exception for all that can go wrong
        raise InputError(
            f"no vocabulary {name!r}: it is neither a tokenizer.json here nor a name that the "
            f"Hugging Face hub answers to ({error})"
        ) from error
    return Subwords(tokenizer)
