"""The tables of the documentation that list every encoder, written from the code.

`python -m d2v_core.encoders.reference docs/reference.md` writes them anew; a test fails when they
are stale.
"""

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from d2v_core.encoders.huggingface_families import reference

_OWN = (
    (
        "`RUN`, `RUN/checkpoints/STEP`",
        "a run of this software",
        "`embed`, `block_NN.resid`, `final_norm` if pre-norm, `joint` if trained on pairs",
        "the item's own tokens; first: CLS, or the first token where there is none",
        "as in training, without augmentation",
        "masked, changes nothing",
    ),
    (
        "`random:PRESET`",
        "a preset, untrained",
        "as a run of it",
        "as a run of it",
        "as a run of it",
        "masked, changes nothing",
    ),
    (
        "`fairseq:FILE`, `fairseq-ema:FILE`",
        "official data2vec 2.0, EAT; its student or its teacher",
        "`embed`, `block_NN.resid`",
        "the item's own tokens; first: CLS, or the first token where there is none",
        "as published",
        "masked, changes nothing",
    ),
    (
        "`lowlevel`",
        "no model: pixels, mel bins, letters",
        "`lowlevel`",
        "none",
        "8 x 8 pixels; mean and spread of 64 mel bins; shares of bytes",
        "there is none",
    ),
)
_HEAD = ("taps", "mean is of", "preparation", "padding in a batch")


def tables() -> tuple[str, str]:
    """Return the table of encoders and that of Hugging Face families, in Markdown."""
    own = _table(("encoder", "what it is", *_HEAD), _OWN)
    return own, _table(("type in config.json", "family", *_HEAD), reference())


def written_anew(page: str) -> str:
    """Return the page with its two tables as the code has them."""
    new = iter(tables())
    return re.sub(r"(?:^\|.*\n)+", lambda _old: next(new), page, flags=re.MULTILINE)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(written_anew(page.read_text(encoding="utf-8")), encoding="utf-8")
