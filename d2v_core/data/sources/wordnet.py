"""WordNet: what nouns mean, in a sentence each; their lexicographer file is the label."""

import os
import re
from pathlib import Path, PurePosixPath

from d2v_core.data.inside import Inside
from d2v_core.data.sources.archives import package_tree
from d2v_core.data.sources.making import Row, Wish, choose, hashed, make_rows, write_metadata
from d2v_core.errors import InputError

PACKAGE = "wordnet-base"
_TREE = PurePosixPath("usr/share/wordnet")
_FILE = "data.noun"

_FIRST_NOUN_FILE = 3
_NOUN_FILES = (
    "top", "act", "animal", "artifact", "attribute", "body", "cognition", "communication", "event",
    "feeling", "food", "group", "location", "motive", "object", "person", "phenomenon", "plant",
    "possession", "process", "quantity", "relation", "shape", "state", "substance", "time",
)  # fmt: skip
"""Names of the lexicographer files 03 to 28. Source: lexnames(5WN)."""

_LINE = re.compile(
    r"(?P<offset>\d{8}) (?P<file>\d\d) n [0-9a-f]{2} (?P<word>\S+) .*\| (?P<gloss>.+)"
)
"""A synset. Source: wndb(5WN)."""

_ABOUT = """Glosses of WordNet 3.0's nouns, from Debian's package wordnet-base.
WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved.
https://wordnet.princeton.edu/license-and-commercial-use allows use, copying and distribution, also
of modified versions, as long as this notice and the disclaimer given there are kept.

A row is a synset: the text is its definition without examples, the label its lexicographer file,
the column `word` its first word. Synsets with the same definition share a group.
"""


def make_wordnet(folder: Path, wish: Wish) -> None:
    """Make the glosses of nouns: text and label."""
    with package_tree(PACKAGE, _TREE, from_=wish.from_, wanted=lambda name: name == _FILE) as tree:
        if not os.path.lexists(tree / _FILE):
            raise InputError(f"{wish.from_ or tree} holds no {_FILE}, WordNet's nouns")
        try:
            file = Inside(tree).find(_FILE)
        except InputError as error:
            raise InputError(f"{tree / _FILE}: {error}") from error
        lines = file.path.read_text(encoding="utf-8", errors="replace").splitlines()
    rows = [row for line in lines if (row := _row(line)) is not None]
    if not rows:
        raise InputError(f"{wish.from_ or tree}: {_FILE} holds no synset; wanted is WordNet 3.0's")
    chosen = make_rows(choose(rows, wish.limit), lambda row: row, wish.progress)
    write_metadata(folder, chosen, about=_ABOUT)


def _row(line: str) -> Row | None:
    """Return the row of a synset; None for the licence at the top of the file."""
    synset = _LINE.fullmatch(line.rstrip())
    if synset is None:
        return None
    text = synset["gloss"].partition('; "')[0].strip()  # what follows are examples
    number = int(synset["file"]) - _FIRST_NOUN_FILE
    if not text or not 0 <= number < len(_NOUN_FILES):
        return None
    return {
        "id": f"n{synset['offset']}",
        "text": text,
        "label": _NOUN_FILES[number],
        "group": hashed(text)[:12],
        "word": synset["word"].replace("_", " "),
    }
