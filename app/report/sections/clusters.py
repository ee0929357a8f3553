"""Do the items of a layer fall into their kinds by themselves, without having been told any?"""

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from app.report.figures import GREY, Score, Series, curves
from app.report.parts import Drawing, Exhibit, Option, Results, Table
from app.report.runs import Run, looks, runs_on
from app.words import PLURAL, tap_words

MEASURES = {"rand": "adjusted Rand index", "mutual": "adjusted mutual information"}


def exhibit(results: Results, data: Mapping[str, Any], label: str, where: str) -> Exhibit | None:
    """Return agreement of clusters and labels over layers; None if no layer was clustered.

    Args:
        results: of the report.
        data: the data set.
        label: the column.
        where: what to add to the title, where there are several data sets.
    """
    runs = runs_on(results, data)
    options = [_option(results, runs, label, measure) for measure in MEASURES]
    if not any(option.drawings for option in options):
        return None
    return Exhibit(
        f"How far clusters match {label}{where}",
        tuple(options),
        how=f"Nobody says what to look for: k-means sorts all items into as many clusters as "
        f"{label} has values, and only then is it compared with {label}. 1: the clusters are the "
        "labels, whatever they are called. Dotted: what labels give that were shuffled, 99 times, "
        "between groups where the data have some. A layer where a probe does well and clusters do "
        f"not knows {label}, but other things shape it more.",
        cannot=f"A low value is no fault: items may be sorted by something else that is as real. "
        f"k-means looks for round clusters of about one width, and as many as there are values of "
        f"{label}; other clusters there may be are not found. {_which(runs, label)}",
        tables=(_table(data, runs, label),),
    )


def _which(runs: list[Run], label: str) -> str:
    """Say which items took part."""
    tables = [table for run in runs for table in run["probe"].get(label, {}).values()]
    counts = {(c["items"], c["of"]) for t in tables if "rows" in (c := t.get("clusters", {}))}
    if all(items == of for items, of in counts):
        return "All items take part, those of train too: no label is fitted to anything."
    drawn = ", ".join(f"{items:,} of {of:,}" for items, of in sorted(counts))
    return f"Items that took part, drawn by lot: {drawn}."


def _points(run: Run, label: str, modality: str, measure: str) -> list[tuple[str, Score]]:
    found = run["probe"].get(label, {}).get(modality, {}).get("clusters", {})
    return [(row["tap"], row[measure]) for row in found.get("rows", [])]


def _option(results: Results, runs: list[Run], label: str, measure: str) -> Option:
    """Return one measure, a figure a modality."""
    look, drawings = looks(results), []
    lines = {
        modality: [
            Series(run["called"], look[run["called"]], _points(run, label, modality, measure))
            for run in runs
        ]
        for modality in PLURAL
    }
    span = _span(
        [score for series in lines.values() for part in series for _, score in part.points]
    )
    for modality, series in lines.items():
        if any(score["value"] is not None for part in series for _, score in part.points):
            figure = curves(series, axis=MEASURES[measure], span=span)
            figure.add_scatter(**_shuffled(series))
            alt = f"{MEASURES[measure]} of clusters and {label} over the layers, {PLURAL[modality]}"
            drawings.append(Drawing(figure, alt, PLURAL[modality].capitalize()))
    return Option(MEASURES[measure], tuple(drawings))


def _span(scores: list[Score]) -> tuple[float, float]:
    """Return one scale for all modalities, with room for their intervals and for 0."""
    ends = [score[end] for score in scores for end in ("value", "low", "high")]
    known = [0.0, *(end for end in ends if end is not None)]
    room = 0.05 * (max(known) - min(known) or 1.0)
    return min(known) - room, max(known) + room


def _shuffled(series: list[Series]) -> dict[str, Any]:
    """Return the line of shuffled labels: at every layer the mean over the runs."""
    chances: dict[str, list[float]] = {}
    for tap, score in (point for part in series for point in part.points):
        if score["chance"] is not None:
            chances.setdefault(tap, []).append(score["chance"])
    alone = {part.points[0][0] for part in series if len(part.points) == 1}
    taps = [tap for tap in chances if tap not in alone] or list(chances)
    return {
        "x": taps,
        "y": [fmean(chances[tap]) for tap in taps],
        "name": "shuffled labels",
        "mode": "lines",
        "line": {"color": GREY, "dash": "1px,4px", "width": 2},
        "hovertemplate": "shuffled labels %{y:.3f}<extra></extra>",
    }


def _table(data: Mapping[str, Any], runs: list[Run], label: str) -> Table:
    rows = [
        (
            {
                "run": run["called"],
                "items": PLURAL[modality],
                "layer (tap)": tap_words(tap),
                "measure": words,
            },
            score,
        )
        for run in runs
        for modality in PLURAL
        for measure, words in MEASURES.items()
        for tap, score in _points(run, label, modality, measure)
    ]
    return Table.of_scores(f"clusters_{label}_{data['called']}", f"Clusters and {label}", rows)
