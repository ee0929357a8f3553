"""Results as rows for the eye: every number with its interval, its chance level, n and tap."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from app.words import MEASURES, PLURAL, SINGULAR, VERDICTS, tap_words

Score = Mapping[str, Any]
"""A `probes.result.Score` as JSON."""

MARKS = {"aligned": "✓", "not aligned": "✗", "cannot tell": "?"}
"""Before a verdict in a table, where icons cannot be."""


def number(value: float | None, digits: int = 3) -> str:
    """Return a number as text, a dash if it is undefined."""
    return "–" if value is None else f"{round(value, digits) + 0.0:.{digits}f}"  # no -0.000


def score_cells(score: Score, digits: int = 3) -> dict[str, str]:
    """Return the cells that every number comes with."""
    low, high, p = score["low"], score["high"], score["p"]
    return {
        "value": number(score["value"], digits),
        "95 % interval": "–" if low is None else f"{number(low, digits)} to {number(high, digits)}",
        "chance": number(score["chance"], digits),
        "p": "–" if p is None else f"{p:.2g}",
        "n": str(score["n"]),
    }


def score_table(rows: Iterable[tuple[Mapping[str, str], Score]]) -> pd.DataFrame:
    """Return rows of leading cells and a score each; the note says why something is missing."""
    made = []
    for lead, score in rows:
        digits = 1 if lead.get("measure") == "median rank" else 3
        made.append({**lead, **score_cells(score, digits), "note": score["reason"]})
    table = pd.DataFrame(made)
    if len(table) and not table["note"].any():
        del table["note"]
    return table


def directions(pair: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (key, words) of the two ways through a pair of modalities."""
    first, second = pair["first"], pair["second"]
    return [
        ("x_to_y", f"{SINGULAR[first]} among {PLURAL[second]}"),
        ("y_to_x", f"{SINGULAR[second]} among {PLURAL[first]}"),
    ]


def ladders(pair: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the run and its controls."""
    return [pair["run"], *pair["controls"]]


def shape_table(pair: Mapping[str, Any]) -> pd.DataFrame:
    """Return gap and cosines of the run, each with what it means."""
    found = {name: score for name, score in pair["gap"].items() if score is not None}
    tap = tap_words(pair["run"]["tap"])
    rows = [
        ({"measure": MEASURES[name][0], "layer (tap)": tap}, score) for name, score in found.items()
    ]
    return score_table(rows).assign(**{"what it says": [MEASURES[name][1] for name in found]})


def likeness_table(pair: Mapping[str, Any]) -> pd.DataFrame:
    """Return CKA and mutual kNN of the run and its controls."""
    rows = [
        (
            {
                "measure": MEASURES[name][0],
                "run": ladder["encoder"],
                "layer (tap)": tap_words(ladder["tap"]),
            },
            ladder[name]["score"],
        )
        for name in ("cka", "mutual_knn")
        for ladder in ladders(pair)
        if ladder[name]
    ]
    return score_table(rows)


def claim_table(claim: Mapping[str, Any]) -> pd.DataFrame:
    """Return what a claim rests on: the run and every control."""
    rows = [({"rests on": name}, score) for name, score in claim["rests_on"].items()]
    return score_table(rows)


def matrix_table(matrix: Mapping[str, Any]) -> pd.DataFrame:
    """Return a measure on all pairs of layers, a row a pair; p is of each pair alone."""

    def cell(name: str, i: int, j: int, digits: int = 3) -> str:
        return number(matrix[name][i][j] if matrix[name] else None, digits)

    return pd.DataFrame(
        [
            {
                "row": tap_words(x),
                "column": tap_words(y),
                "value": cell("values", i, j),
                "chance": cell("chance", i, j),
                "p": cell("p", i, j),
                "n": str(matrix["n"]),
            }
            for i, x in enumerate(matrix["taps_x"])
            for j, y in enumerate(matrix["taps_y"])
        ]
    )


def turned(table: pd.DataFrame, names: str, called: str) -> pd.DataFrame:
    """Return a table with its rows as columns.

    Args:
        table: any.
        names: its column that names the rows, and so the new columns.
        called: what the new first column is called; it has the names of the old columns.
    """
    other = table.set_index(names).T
    other.columns.name = None
    return other.reset_index(names=called)


def verdict_table(alignments: Mapping[str, dict[str, Any]]) -> pd.DataFrame:
    """Return all verdicts of all runs, a row a run.

    Args:
        alignments: results of `workbench.align` by what the run is called.
    """
    rows = []
    for name, alignment in alignments.items():
        row = {"run": name}
        for pair in alignment["pairs"]:
            for claim in pair["claims"]:
                level = "kind" if claim["level"] == "class" else "own partner"
                column = f"{PLURAL[pair['first']]} and {PLURAL[pair['second']]}: {level}"
                word = f"{MARKS[claim['verdict']]} {VERDICTS[claim['verdict']][0]}"
                said = row.get(column)
                row[column] = word if said in (None, word) else f"{said} / {word}"
        rows.append(row)
    return pd.DataFrame(rows)
