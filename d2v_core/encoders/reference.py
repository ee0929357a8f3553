"""The tables of the documentation that list every encoder, written from the code.

`python -m d2v_core.encoders.reference docs/reference.md` writes them anew; a test fails when they
are stale.
"""

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from d2v_core.encoders import foreign_audio, foreign_images, foreign_texts, openclip
from d2v_core.encoders.huggingface_families import BY_TYPE, reference

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
        "`fairseq:FILE`, `fairseq-ema:FILE`, or `file:` in place of `fairseq:`",
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
_EAR = "samples; layer norm over the recording if the settings say so (`normalize`)"
_EYE = "short side to 8/7 of the crop (256 for 224), bicubic; ImageNet's mean and deviation"
_FILES = (
    (
        "HuBERT, wav2vec 2.0; data2vec 1.0 for sounds (fairseq)",
        foreign_audio.MARK,
        ("hubert", "wav2vec2", "data2vec-audio"),
        f"{_EAR}, or else if its convolutions have layer norms",
        "quantiser, projections, cluster vectors, a head",
    ),
    (
        "data2vec 1.0 for texts, RoBERTa (fairseq)",
        f"{foreign_texts.PREFIXES[0]}{foreign_texts.MARK}",
        ("data2vec-text", "roberta"),
        "`dict.txt`, `encoder.json` and `vocab.bpe` beside it, or the hub's "
        f"`{foreign_texts.PUBLISHED}`; between `<s>` and `</s>`",
        "heads",
    ),
    (
        "data2vec 1.0 for pictures (data2vec_vision)",
        "blocks.0.attn.q_bias",
        ("data2vec-vision",),
        _EYE,
        "heads, indices that follow from the size",
    ),
    (
        "MAE (its positions are fixed, zero at CLS); other plain vision transformers",
        foreign_images.MARK,
        ("vit_mae", "vit"),
        f"{_EYE}, as of MAE: another model may have been trained with others",
        "decoder, mask token, head",
    ),
    (
        f"open_clip (folder with `{openclip.CONFIG}`, or the file in it)",
        openclip.MARK,
        ("clip",),
        f"as `preprocess_cfg` says, or OpenAI's; `{openclip.TOKENIZER}` of the folder",
        "tables that follow from the size",
    ),
)
_HEAD = ("taps", "mean is of", "preparation", "padding in a batch")


def tables() -> tuple[str, str, str]:
    """Return the tables of encoders, of files and of Hugging Face families, in Markdown."""
    own = _table(("encoder", "what it is", *_HEAD), _OWN)
    head = ("file", "told by the weight", "becomes", "taps", "preparation", "left out")
    files = _table(head, (_file(*row) for row in _FILES))
    return own, files, _table(("type in config.json", "family", *_HEAD), reference())


def _file(
    what: str, mark: str, types: tuple[str, ...], preparation: str, left_out: str
) -> tuple[str, ...]:
    """Return the row of a kind of file, its taps as the family has them that it becomes."""
    taps = {row[2]: None for row in reference() if row[0].strip("`") in types}
    becomes = ", ".join(f"{BY_TYPE[kind].title} ({BY_TYPE[kind].model})" for kind in types)
    return what, f"`{mark}`", becomes, "; or ".join(taps), preparation, left_out


def written_anew(page: str) -> str:
    """Return the page with its tables as the code has them."""
    new = iter(tables())
    return re.sub(r"(?:^\|.*\n)+", lambda _old: next(new), page, flags=re.MULTILINE)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(written_anew(page.read_text(encoding="utf-8")), encoding="utf-8")
