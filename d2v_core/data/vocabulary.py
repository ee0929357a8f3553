"""Texts to numbers: bytes, or the tokens of a published vocabulary."""

import functools
import json
from pathlib import Path
from typing import Protocol, runtime_checkable

from tokenizers import Tokenizer, models, pre_tokenizers

from d2v_core.errors import InputError

START = "<s>"
FAIRSEQ_FILES = ("dict.txt", "encoder.json", "vocab.bpe")
FAIRSEQ_SYMBOLS = ("<s>", "<pad>", "</s>", "<unk>")


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
        name: "bytes", a `tokenizer.json`, a folder with one or with the three files of a fairseq
            model, or a name on the Hugging Face hub.

    Raises:
        InputError: if there is no such file, or the hub cannot be reached or does not have it.
    """
    if name == "bytes":
        return Bytes()
    if is_fairseq_folder(Path(name)):
        return Subwords(_fairseq_tokenizer(Path(name)))
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


def is_fairseq_folder(folder: Path) -> bool:
    """Tell whether a folder has the vocabulary of a fairseq model of text."""
    return all((folder / name).is_file() for name in FAIRSEQ_FILES)


def _fairseq_tokenizer(folder: Path) -> Tokenizer:
    """Put a byte-level BPE together whose entries have the numbers of fairseq's dictionary.

    `encoder.json` numbers the pieces; `dict.txt` lists those numbers in the order of the model's
    own, after four symbols; the mask comes last.
    """
    try:
        pieces = json.loads((folder / "encoder.json").read_text())
        lines = (folder / "dict.txt").read_text().splitlines()
        merges = (folder / "vocab.bpe").read_text().splitlines()
        order = {line.split()[0]: len(FAIRSEQ_SYMBOLS) + n for n, line in enumerate(lines)}
        words = {symbol: n for n, symbol in enumerate(FAIRSEQ_SYMBOLS)}
        words |= {piece: order[str(n)] for piece, n in pieces.items() if str(n) in order}
        pairs = [tuple(line.split()) for line in merges if line and not line.startswith("#version")]
        known = [(a, b) for a, b in pairs if {a, b, a + b} <= set(words)]
        words["<mask>"] = len(FAIRSEQ_SYMBOLS) + len(lines)
        tokenizer = Tokenizer(models.BPE(words, known, unk_token="<unk>"))
    except (ValueError, KeyError, IndexError, AttributeError) as error:
        files = ", ".join(FAIRSEQ_FILES)
        raise InputError(f"{folder} has {files}, but they do not fit together: {error}") from error
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer
