"""The map: all items of all modalities of a run in one picture."""

import html

import pandas as pd

from app.charts import GREY, MODALITY_COLOURS
from app.map_chart import MANY, MISSING
from app.report.figures import map_points
from app.report.parts import Drawing, Exhibit, Option, Results, Section, Table, Words
from app.report.runs import Run, trained
from app.tables import score_cells
from app.words import METHODS, SINGULAR, tap_words

MOST_SHOWN = 10_000  # points of which several colourings are put into the file


def chapter(results: Results) -> Section:
    """Return the chapter."""
    shown = [run for run in trained(results) if run["map"]]
    parts: list[Exhibit | Words] = []
    if shown:
        parts.append(
            Exhibit(
                "One picture of all modalities",
                tuple(option for run in shown for option in _options(run)),
                how="Every mark is an item, its shape the modality. Items near each other on the "
                "map tend to have similar vectors. Point at one to read what it is; drag to look "
                "closer, double-click to come back. Where modalities meet, marks of different "
                "shape and one colour mix.",
                cannot="Only neighbourhoods mean something: sizes of groups, gaps between them "
                "and the axes do not. The further trustworthiness lies below 1, the more "
                "neighbours on the map are none in the model. A map proves no alignment: see the "
                "chapter on claims.",
                tables=tuple(_table(run) for run in shown),
            )
        )
    missing = [run for run in trained(results) if not run["map"]]
    parts += [Words((f"{run['called']} has no map: {run['map_reason']}.",)) for run in missing]
    return Section(
        "map", "The map", "What lies where, if vectors are laid out on paper.", tuple(parts)
    )


def _options(run: Run) -> list[Option]:
    made = run["map"]
    columns = {**made["columns"], "hover": hover_words(made["columns"])}
    colours = made["colours"] if made["items"] <= MOST_SHOWN else made["colours"][:2]
    colours = [*(c for c in colours if c != "modality"), "modality", "trust"]
    cells = score_cells(made["about"]["trustworthiness"])
    n = len(columns["x"])
    of = "" if n == made["items"] else f" of {made['items']}"
    note = (
        f"{METHODS[made['about']['method']]} of {tap_words(made['tap'])}, {n} items{of}; "
        f"trustworthiness {cells['value']} ({cells['95 % interval']}), chance {cells['chance']}, "
        f"n = {cells['n']}."
    )
    options = []
    for colour in colours:
        palette = {} if colour == "trust" else palette_of(columns[colour], colour)
        values = None if colour == "trust" else [palette[v or MISSING] for v in columns[colour]]
        figure = map_points(columns, values, "trust" if values is None else None)
        alt = f"Map of {n} items of {run['called']}, coloured by {colour}"
        keys = (
            ()
            if colour == "modality"
            else tuple((v, c) for v, c in palette.items() if v != MISSING)
        )
        options.append(
            Option(
                f"{run['called']}, coloured by {colour}",
                (Drawing(figure, alt, is_wide=True),),
                note,
                keys,
            )
        )
    return options


def palette_of(values: list[str | None], colour: str) -> dict[str, str]:
    """Return the colour of every value."""
    if colour == "modality":
        return dict(MODALITY_COLOURS)
    known = sorted({value for value in values if value is not None})
    return {**dict(zip(known, MANY, strict=False)), MISSING: GREY}


def hover_words(columns: dict[str, list]) -> list[str]:
    """Return what a mark says; data may hold anything, so escaped."""
    words = []
    for ident, modality, label, text in zip(
        columns["id"], columns["modality"], columns["label"], columns["text"], strict=True
    ):
        lines = [f"<b>{SINGULAR[modality]}</b>", html.escape(label or ""), html.escape(text or "")]
        words.append("<br>".join([*(line for line in lines if line), html.escape(ident)]))
    return words


def _table(run: Run) -> Table:
    frame = pd.DataFrame(run["map"]["columns"])
    note = pd.DataFrame({"items": [len(frame)], "file": ["one row an item: id, x, y, trust, …"]})
    return Table(f"map_{run['called']}", f"Map of {run['called']}", note, frame)
