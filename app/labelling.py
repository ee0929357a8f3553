"""Labels that people give: a journal that is only ever added to, one file for a set of data.

HOME/labels/DATA.jsonl holds a line for every answer and for every answer that was taken back: who,
when, what, which run and layer were looked at, how the item had been chosen. Nothing in it is ever
changed, so what was believed at any time can be told afterwards.

Several servers may write to it at once: a line is added under a lock, in one piece, and is on the
disk before anybody is told that it was kept. A line that was cut short (the machine lost its
current) is passed over, and the next one begins on a line of its own.

Labels belong to the data, named by their fingerprint, and not to a store or a run: what was said of
a picture holds for every model that looks at it.
"""

import fcntl
import json
import os
import secrets
import time
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from app import places
from d2v_core.errors import InputError
from probes.active import NO, OPEN, SKIPPED, YES

FORMAT = 1
MOST_LETTERS = 60
Said = Literal["yes", "no", "skip"]
How = Literal["exam", "margin", "spread", "gallery"]
CODES: Mapping[str, int] = {"yes": YES, "no": NO, "skip": SKIPPED}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What somebody said of an item."""

    concept: str
    id: str
    modality: str
    said: Said
    who: str
    session: str
    """Of the browser; taking back begins with what was said in the same one."""

    run: str
    """The encoder that the probe stood on."""

    tap: str
    how: How
    """Why this item was asked about."""

    margin: float | None
    """Which way the probe leant before, above 0 for yes; None if it had learnt nothing yet."""

    at: float
    """In seconds since 1970."""

    key: str
    """Names the answer."""


@dataclass(frozen=True)
class Journal:
    """All that was said of a set of data, the oldest first."""

    answers: tuple[Answer, ...] = ()
    taken_back: frozenset[str] = frozenset()
    """Keys of the answers that were."""

    unreadable: int = 0
    """Lines that are no entry."""

    def standing(self, concept: str) -> dict[tuple[str, str], Answer]:
        """Return by id and modality the newest answer that was not taken back."""
        return {
            (one.id, one.modality): one
            for one in self.answers
            if one.concept == concept and one.key not in self.taken_back
        }

    def concepts(self) -> dict[str, int]:
        """Return how many items have a yes or a no, by concept, the newest concept first."""
        names = dict.fromkeys(one.concept for one in reversed(self.answers))
        counts = {n: sum(a.said != "skip" for a in self.standing(n).values()) for n in names}
        return {name: count for name, count in counts.items() if count}

    def last(self, concept: str, *, session: str, who: str, since: float) -> Answer | None:
        """Return the answer that somebody who takes one back means; None if there is none.

        It is the newest of the same session; if there is none, the newest of the same person from
        before this session: the server may have been started anew in between.

        Args:
            concept: which.
            session: of the browser.
            who: takes back.
            since: when the session began.
        """
        there = list(self.standing(concept).values())
        own = [one for one in there if one.session == session]
        older = [one for one in there if one.who == who and one.at < since]
        return max(own or older, key=lambda one: one.at, default=None)


def path_of(fingerprint: str) -> Path:
    """Return where the labels of some data are kept."""
    return places.home() / "labels" / f"{fingerprint[:32]}.jsonl"


def check_concept(typed: str) -> str:
    """Return what is looked for, as it is kept; raise InputError if it cannot be."""
    name = " ".join(typed.split())
    if not name:
        raise InputError("say what you look for, such as “sings at dusk”")
    if len(name) > MOST_LETTERS:
        raise InputError(f"{len(name)} letters; a name of up to {MOST_LETTERS} fits on the buttons")
    if any(unicodedata.category(letter).startswith("C") for letter in name):
        raise InputError("a name is made of letters that can be seen")
    return name


def answer(path: Path, **given: Any) -> Answer:  # noqa: ANN401  # the fields of Answer
    """Keep an answer; return it as it was kept.

    Args:
        path: of the journal.
        given: the fields of `Answer` but for `at` and `key`.

    Raises:
        InputError: if it cannot be written.
    """
    kept = Answer(**given, at=time.time(), key=secrets.token_hex(8))
    _add(path, {"format": FORMAT, "answer": asdict(kept)})
    return kept


def take_back(path: Path, key: str, *, who: str, session: str) -> None:
    """Note that an answer is taken back; it stays in the journal.

    Raises:
        InputError: if that cannot be written.
    """
    entry = {"key": key, "who": who, "session": session, "at": time.time()}
    _add(path, {"format": FORMAT, "taken_back": entry})


def _add(path: Path, entry: Mapping[str, Any]) -> None:
    line = json.dumps(entry, ensure_ascii=False).encode() + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # the line before was cut short
                    line = b"\n" + line
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise InputError(f"the answer could not be kept in {path}: {error.strerror}") from error


def read(path: Path) -> Journal:
    """Return what was said so far; an empty journal if nothing was.

    Raises:
        InputError: if the file is there and cannot be read.
    """
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return Journal()
    except OSError as error:
        raise InputError(f"the labels in {path} cannot be read: {error.strerror}") from error
    answers, gone, unreadable = [], set(), 0
    for line in filter(None, lines):
        entry = _entry(line)
        if isinstance(entry, Answer):
            answers.append(entry)
        elif entry is not None:
            gone.add(entry)
        else:
            unreadable += 1
    return Journal(tuple(answers), frozenset(gone), unreadable)


def _entry(line: bytes) -> Answer | str | None:
    """Return an answer, the key of one that was taken back, or None if a line is neither."""
    try:
        entry = json.loads(line)
        if "answer" in entry:
            found = Answer(**entry["answer"])
            texts = (found.concept, found.id, found.modality, found.who, found.key)
            known = found.said in get_args(Said) and found.how in get_args(How)
            is_sound = all(isinstance(text, str) for text in texts) and known
            return found if is_sound and isinstance(found.at, int | float) else None
        return str(entry["taken_back"]["key"])
    except (ValueError, TypeError, KeyError):
        return None


def codes_of(journal: Journal, concept: str, items: Iterable[tuple[str, str]]) -> np.ndarray:
    """Return what is known of items, as `probes.active` spells it.

    Args:
        journal: what was said.
        concept: of what.
        items: id and modality of each.
    """
    there = journal.standing(concept)
    said = (there.get(item) for item in items)
    return np.array([OPEN if one is None else CODES[one.said] for one in said], dtype=np.int64)


def columns_of(journal: Journal, items: pd.DataFrame) -> dict[str, list[str]]:
    """Return a column of yes, no and not asked for every concept that items have answers about.

    Args:
        journal: what was said.
        items: with `id` and `modality`.
    """
    found = {}
    for concept in journal.concepts():
        there = journal.standing(concept)
        told = {key: one.said for key, one in there.items() if one.said != "skip"}
        # few of many items have answers, and a page does this with every click
        rows = np.flatnonzero(items["id"].astype(str).isin({ident for ident, _ in told}))
        some = items.iloc[rows]
        keys = zip(some["id"].astype(str), some["modality"].astype(str), strict=True)
        said = {int(row): told[key] for row, key in zip(rows, keys, strict=True) if key in told}
        if said:
            found[f"is it: {concept}"] = [said.get(row, "not asked") for row in range(len(items))]
    return found


def table_of(answers: Sequence[Answer]) -> pd.DataFrame:
    """Return answers as a table to take away, the oldest first."""
    rows = [
        {
            "id": one.id,
            "modality": one.modality,
            "concept": one.concept,
            "label": one.said,
            "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(one.at)),
            "who": one.who,
            "chosen": one.how,
            "run": one.run,
            "layer": one.tap,
            "margin_before": one.margin,
        }
        for one in sorted(answers, key=lambda one: one.at)
    ]
    columns = "id modality concept label when who chosen run layer margin_before".split()
    return pd.DataFrame(rows, columns=columns)
