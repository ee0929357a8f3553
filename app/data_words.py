"""What there is to say of a data folder, in sentences and small tables."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from app.looking import Looked, torn_groups
from app.words import PLURAL
from d2v_core.data.items import Problem

MOST_NAMED = 5
SPLIT_WORDS = {
    "train": "to learn from",
    "val": "to choose by",
    "test": "to report on",
}
"""What each split is for."""

FACTOR_WORDS = {
    "species": "Who",
    "size": "How large",
    "count": "How many",
    "time": "When",
    "mood": "In which mood",
    "facing": "Which way they look",
    "scenery": "What stands behind them",
    "hue_shift": "Colours turned by (degrees)",
    "loudness_db": "How loud (dB under the loudest possible)",
    "room": "Where it echoes",
    "noise_db": "Hiss of the recorder (dB)",
    "phrasing": "Which way of saying it",
}
"""The factors of the made world, as questions."""


def groups_words(looked: Looked) -> tuple[bool, str]:
    """Return whether the groups are in order, and a sentence that says so."""
    count = int(looked.rows["group"].nunique())
    if not count:
        return True, (
            "No row names a **group**. If several items come from one recording, speaker or "
            "place, name it in a column `group`: such items are then never in two splits, and "
            "nothing that was learnt by heart is taken for knowledge."
        )
    torn = torn_groups(looked.rows)
    if not torn:
        return True, (
            f"**{count:,} groups** (recordings, speakers, kinds of scene), and none is torn: all "
            "items of a group are in one split."
        )
    named = ", ".join(torn[:MOST_NAMED]) + (" …" if len(torn) > MOST_NAMED else "")
    return False, (
        f"**{len(torn):,} of {count:,} groups are torn** between splits: {named}. What is "
        "reported on was partly learnt from. Leave `split` empty in the metadata, and whole groups "
        "are shared out."
    )


def problem_table(problems: Sequence[Problem]) -> pd.DataFrame:
    """Return problems as rows: file and reason."""
    return pd.DataFrame([[p.file, p.reason] for p in problems], columns=["file", "reason"])


def pairs_words(looked: Looked) -> str:
    """Return in a line which rows are pairs."""
    pairs = looked.pairs
    if not pairs:
        return (
            "No row has two senses, so there are no pairs: *shared* and *separate* can be trained "
            "on these data, what learns from pairs cannot."
        )
    parts = [f"{n:,} of {PLURAL[a]} and {PLURAL[b]}" for (a, b), n in pairs.items()]
    return f"Pairs: {', '.join(parts)}."


def size_table(sizes: pd.DataFrame) -> pd.DataFrame:
    """Return sizes as rows for the eye."""
    digits = {"seconds": 1}
    rows = [
        {
            "": f"{row['what']} ({row['unit']})",
            **{
                name: f"{row[name]:,.{digits.get(row['unit'], 0)}f}"
                for name in ("shortest", "middle", "longest")
            },
            "looked at": f"{row['of']:,}",
        }
        for row in sizes.to_dict("records")
    ]
    return pd.DataFrame(rows)


def name_from(file: str) -> str:
    """Return a name for what is brought in a file."""
    return Path(file.replace("\\", "/")).stem
