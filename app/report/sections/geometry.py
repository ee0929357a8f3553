"""The geometry of every layer: how many directions are used, and how evenly."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from app.report.figures import Score, Series, curves
from app.report.parts import Drawing, Exhibit, Option, Results, Section, Table
from app.report.runs import data_sets, looks, runs_on
from app.words import PLURAL, tap_words

Row = Mapping[str, Any]
MEASURES: dict[str, tuple[str, Callable[[Row], Score | None]]] = {
    "effective rank": (
        "How many directions carry the vectors (RankMe); dotted noise would carry nearly all.",
        lambda row: row["spectrum"] and row["spectrum"]["rank_me"],
    ),
    "participation ratio": (
        "The same for centred vectors, counting large directions more.",
        lambda row: row["spectrum"] and row["spectrum"]["participation_ratio"],
    ),
    "intrinsic dimension": (
        "How many coordinates would do to tell an item from those around it (TwoNN).",
        lambda row: row["dimension"] and row["dimension"]["dimension"],
    ),
    "uniformity": (
        "How evenly directions fill the sphere: 0 if all are alike, lower is more even.",
        lambda row: row["uniformity"] and row["uniformity"]["uniformity"],
    ),
}


def chapter(results: Results) -> Section | None:
    """Return the chapter; None if no geometry was measured."""
    exhibits = tuple(_exhibits(results))
    if not exhibits:
        return None
    return Section(
        "geometry",
        "The shape of the layers",
        "Are directions used, or has a layer collapsed into a few? A monitor of one model over its "
        "layers, not a race between models.",
        exhibits,
    )


def _exhibits(results: Results) -> Iterator[Exhibit]:
    for data in data_sets(results):
        options = [_option(results, data, name) for name in MEASURES]
        options = [option for option in options if option.drawings]
        if options:
            where = f": {data['called']}" if len(data_sets(results)) > 1 else ""
            yield Exhibit(
                f"Geometry over layers{where}",
                tuple(options),
                how=" ".join(f"{name.capitalize()}: {MEASURES[name][0]}" for name in MEASURES),
                cannot="More directions are not better: noise fills them all. Models of different "
                "width cannot be compared, and few items cannot show many directions.",
                tables=(_table(results, data),),
            )


def _scores(row: Row) -> Iterator[tuple[str, Score]]:
    for name, (_, read) in MEASURES.items():
        score = read(row)
        if score:
            yield name, score


def _option(results: Results, data: Mapping[str, Any], name: str) -> Option:
    look, drawings = looks(results), []
    for modality in PLURAL:
        series = []
        for run in runs_on(results, data):
            rows = run["geometry"].get(modality, {}).get("rows", [])
            points = [
                (row["tap"], dict(_scores(row))[name]) for row in rows if name in dict(_scores(row))
            ]
            series.append(Series(run["called"], look[run["called"]], points))
        if any(score["value"] is not None for part in series for _, score in part.points):
            figure = curves(series, axis=name, span=None)
            alt = f"{name} over layers, {PLURAL[modality]}"
            drawings.append(Drawing(figure, alt, PLURAL[modality].capitalize()))
    return Option(name.capitalize(), tuple(drawings))


def _table(results: Results, data: Mapping[str, Any]) -> Table:
    rows = [
        (
            {
                "run": run["called"],
                "items": PLURAL[modality],
                "layer (tap)": tap_words(row["tap"]),
                "measure": name,
            },
            score,
        )
        for run in runs_on(results, data)
        for modality in PLURAL
        for row in run["geometry"].get(modality, {}).get("rows", [])
        for name, score in _scores(row)
    ]
    return Table.of_scores(f"geometry_{data['called']}", "Geometry of every layer", rows)
