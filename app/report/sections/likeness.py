"""Do two modalities arrange the same items alike? Every layer with every layer."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from app.report.figures import heatmap
from app.report.parts import Drawing, Exhibit, Option, Results, Section, Table
from app.report.runs import Run, pair_words, trained
from app.tables import number
from app.words import MEASURES


def chapter(results: Results) -> Section | None:
    """Return the chapter; None if nothing is paired."""
    runs = [run for run in trained(results) if run["likeness"]]
    if not runs:
        return None
    exhibits = tuple(
        Exhibit(
            MEASURES[name][0],
            tuple(option for run in runs if (option := _option(run, name)).drawings),
            how=f"{MEASURES[name][1]} A cell compares one layer of one modality (row) with one "
            "layer of another (column), on the same test rows. The brighter, the more alike. Point "
            "at a cell for what permuted rows give, which is the level of chance.",
            cannot="Likeness of arrangement is not likeness of place: both clouds may have one "
            "shape and lie far apart. With many cells the highest is high by luck too: the table "
            "has a test of the maximum against the maximum under the same permutations.",
            tables=(_cells(runs, name), _maxima(runs, name)),
        )
        for name in ("cka", "mutual_knn")
    )
    return Section(
        "likeness",
        "Layer by layer: are they alike?",
        "Two modalities may arrange the same items in the same way without any item lying near its "
        "partner. These measures see that; they do not care where the clouds lie.",
        exhibits,
    )


def _is_single(matrix: Mapping[str, Any]) -> bool:
    """Tell whether there is one layer on either side, which needs no picture."""
    return len(matrix["taps_x"]) == len(matrix["taps_y"]) == 1


def _option(run: Run, name: str) -> Option:
    drawings = []
    for pair in run["likeness"]:
        if _is_single(pair["measures"][name]):
            continue
        figure = heatmap(pair["measures"][name], pair["first"], pair["second"])
        alt = f"{MEASURES[name][0]} of {run['called']}: {pair_words(pair)}"
        drawings.append(Drawing(figure, alt, pair_words(pair).capitalize()))
    return Option(run["called"], tuple(drawings), _chance(run, name))


def _chance(run: Run, name: str) -> str:
    """Say what permuted rows give."""
    said = []
    for pair in run["likeness"]:
        matrix = pair["measures"][name]
        known = [c for row in matrix["chance"] or [] for c in row if c is not None]
        if known:
            low, high = number(min(known), 2), number(max(known), 2)
            span = low if low == high else f"{low} to {high}"
            said.append(f"{pair_words(pair)}, chance {span}, n = {matrix['n']}")
    return f"{'; '.join(said)}." if said else ""


def _each(runs: list[Run], name: str) -> Iterator[tuple[dict[str, str], Mapping[str, Any]]]:
    for run in runs:
        for pair in run["likeness"]:
            yield {"run": run["called"], "modalities": pair_words(pair)}, pair["measures"][name]


def _cells(runs: list[Run], name: str) -> Table:
    rows = [
        {**lead, "row": x, "column": y, "value": matrix["values"][i][j],
         "chance": matrix["chance"][i][j], "p": matrix["p"][i][j], "n": matrix["n"]}
        for lead, matrix in _each(runs, name)
        for i, x in enumerate(matrix["taps_x"])
        for j, y in enumerate(matrix["taps_y"])
    ]  # fmt: skip
    frame = pd.DataFrame(rows)
    shown = frame.round({"value": 3, "chance": 3, "p": 4})
    return Table(f"{name}_layers", f"{MEASURES[name][0]} of all pairs of layers", shown, frame)


def _maxima(runs: list[Run], name: str) -> Table:
    rows = [
        {**lead, "most alike": " and ".join(matrix["best"] or ()),
         "value": null["observed"], "permuted maximum": null["null_mean"],
         "p of the maximum": null["p"], "n": matrix["n"]}
        for lead, matrix in _each(runs, name)
        if (null := matrix["best_null"])
    ]  # fmt: skip
    frame = pd.DataFrame(rows)
    shown = frame.round({"value": 3, "permuted maximum": 3, "p of the maximum": 4})
    return Table(
        f"{name}_maxima", f"The most similar pair of layers, {MEASURES[name][0]}", shown, frame
    )
