"""The answer for the shipped runs, so small that it can be shown before anything is imported.

`sample_data/answer.json` is a part of the alignments of the runs beside it. It says from which
files it was made; once these change, it is not shown any more and all is measured anew.
`python -m app.answers` makes it again.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from app.words import PLURAL, SINGULAR

SAMPLE = Path(__file__).parent.parent / "sample_data"
FILE = SAMPLE / "answer.json"
QUESTIONS = {
    ("image", "audio"): "Does a bird's song land near a bird's picture?",
    ("image", "text"): "Does a sentence land near the picture it tells of?",
    ("audio", "text"): "Does a sentence land near the sound it tells of?",
}
WAYS = ("x_to_y", "y_to_x")
Row = tuple[str, str, str, Mapping[str, Any]]
"""Run, role, tap and score."""


@cache
def stamp_of(sample: Path) -> str:
    """Return what changes when the items of the sample or the shipped runs do."""
    digest = hashlib.sha256()
    files = [sample / "aviary" / "metadata.csv", *sorted((sample / "runs").rglob("*.*"))]
    for file in (file for file in files if file.is_file()):
        digest.update(f"{file.relative_to(sample).as_posix()}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def shipped(file: Path = FILE) -> dict[str, dict[str, Any]]:
    """Return parts of the alignments of the shipped runs by their name; none if these changed."""
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        is_current = kept["stamp"] == stamp_of(file.parent)
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return kept["runs"] if is_current else {}


def slim(alignment: Mapping[str, Any]) -> dict[str, Any]:
    """Return of an alignment what the answer needs."""

    def ladder(whole: Mapping[str, Any]) -> dict[str, Any]:
        name = "mean_average_precision"
        labels = whole["labels"] and {way: {name: whole["labels"][way][name]} for way in WAYS}
        return {**{key: whole[key] for key in ("encoder", "role", "tap")}, "labels": labels}

    pairs = [
        {
            "first": pair["first"],
            "second": pair["second"],
            "run": ladder(pair["run"]),
            "controls": [ladder(control) for control in pair["controls"]],
            "claims": [{key: c[key] for key in ("level", "verdict")} for c in pair["claims"]],
        }
        for pair in alignment["pairs"]
    ]
    return {"pairs": pairs}


def pair_of(alignment: Mapping[str, Any], wanted: tuple[str, str]) -> Mapping[str, Any] | None:
    """Return one pair of modalities of an alignment."""
    return next((p for p in alignment["pairs"] if (p["first"], p["second"]) == wanted), None)


def wanted_of(found: Mapping[str, Mapping[str, Any]]) -> tuple[str, str] | None:
    """Return the pair of modalities that is asked about: the first of the questions there is."""
    return next((w for w in QUESTIONS if any(pair_of(a, w) for a in found.values())), None)


def rows_of(found: Mapping[str, Mapping[str, Any]], wanted: tuple[str, str]) -> list[Row]:
    """Return every run, then the controls, each once."""
    ladders = []
    for alignment in found.values():
        if pair := pair_of(alignment, wanted):
            ladders += [pair["run"], *pair["controls"]]
    rows = {}
    for ladder in ladders:
        if ladder["labels"]:
            score = ladder["labels"]["y_to_x"]["mean_average_precision"]
            rows[ladder["encoder"]] = (ladder["encoder"], ladder["role"], ladder["tap"], score)
    return sorted(rows.values(), key=lambda row: row[1] != "trained")


def sentences(found: Mapping[str, Mapping[str, Any]], wanted: tuple[str, str]) -> list[str]:
    """Return one sentence a verdict: which runs have it."""
    second, first = SINGULAR[wanted[1]], PLURAL[wanted[0]]
    said: dict[str, list[str]] = {}
    for name, alignment in found.items():
        pair = pair_of(alignment, wanted)
        claims = [c for c in (pair or {}).get("claims", []) if c["level"] == "class"]
        if claims:  # the second of the two: the second modality looks among the first
            said.setdefault(claims[-1]["verdict"], []).append(f"**{name}**")
    words = {
        "aligned": f":green[:material/check_circle: **Yes**] in {{}}: {second.lower()} lands near "
        f"{first} of its own kind, better than every control.",
        "not aligned": f":orange[:material/block: **No**] in {{}}: {second.lower()} does not "
        f"land near {first} of its own kind; that is shown, not merely not found.",
        "cannot tell": ":gray[:material/help: **Cannot be told**] in {}: above or near chance, "
        "but not clear of every control.",
    }
    return [text.format(_list(said[verdict])) for verdict, text in words.items() if verdict in said]


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def make() -> dict[str, Any]:
    """Return what the file holds, measured on the sample unless that was done."""
    from app import workbench

    store = workbench.prepare_sample()
    recipes = store.recipes()
    trained = sorted(name for name, recipe in recipes.items() if recipe.role == "trained")
    runs = {recipes[name].encoder: slim(workbench.align(store, name)) for name in trained}
    return {"stamp": stamp_of(SAMPLE), "runs": runs}


if __name__ == "__main__":
    FILE.write_text(json.dumps(make(), indent=1) + "\n", encoding="utf-8")
