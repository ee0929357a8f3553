"""What every layer knows: probes over layers, the controls beside the runs."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.report.figures import Score, Series, curves
from app.report.parts import Drawing, Exhibit, Option, Results, Section, Table, Words
from app.report.runs import data_sets, looks, runs_on
from app.report.sections import clusters
from app.words import PLURAL, PROBES, tap_words

Data = Mapping[str, Any]
WORDS = {**PROBES, "ridge": "ridge regression"}
AXES = {"linear": "accuracy", "knn": "accuracy", "ridge": "R²"}
"""What each probe is scored by; numbers are probed by regression alone."""


def chapter(results: Results) -> Section:
    """Return the chapter; without labels it says that there are none."""
    exhibits = tuple(_exhibits(results))
    missing = Words(("No item has a value in the columns that were asked for, so nothing can be "
                     f"told from the vectors: {', '.join(results['labels'])}.",))  # fmt: skip
    return Section(
        "layers",
        "What does each layer know?",
        "A small probe is fitted on the frozen vectors of a layer and says what the label is, on "
        "test items that neither it nor the choice of its settings has seen.",
        exhibits or (missing,),
    )


def _exhibits(results: Results) -> Iterator[Exhibit]:
    for data in data_sets(results):
        runs = runs_on(results, data)
        labels = [label for label in results["labels"] if any(label in r["probe"] for r in runs)]
        for label in labels:
            options = [_option(results, data, label, probe) for probe in AXES]
            where = f", {data['called']}" if len(data_sets(results)) > 1 else ""
            yield Exhibit(
                f"How well {label} is told{where}",
                tuple(option for option in options if option.drawings),
                how="A line is a run, each point one layer. Coloured, solid: trained runs with "
                "their 95 % intervals. Grey: controls; a flat grey line has no layers. Dotted: "
                "always saying the most frequent answer, or the mean of a number. Look how far a "
                "coloured line stands above the grey ones: that is what training has added at this "
                "layer.",
                cannot="That a layer knows something does not mean that the model uses it. Layers "
                "whose intervals overlap cannot be ranked. The layer that looks best on test "
                "should not be picked from this figure: the starred layers in the table were "
                "chosen on val items.",
                tables=(_table(results, data, label),),
            )
            by_itself = clusters.exhibit(results, data, label, where)
            if by_itself:
                yield by_itself


def _option(results: Results, data: Data, label: str, probe: str) -> Option:
    """Return one probe, a figure a modality."""
    look, drawings = looks(results), []
    for modality in PLURAL:
        series = []
        for run in runs_on(results, data):
            rows = run["probe"].get(label, {}).get(modality, {}).get("rows", [])
            points: list[tuple[str, Score]] = [
                (row["tap"], row["score"]) for row in rows if row["probe"] == probe
            ]
            series.append(Series(run["called"], look[run["called"]], points))
        if any(s["value"] is not None for part in series for _, s in part.points):
            span = None if probe == "ridge" else (0, 1.02)
            figure = curves(series, axis=f"{AXES[probe]} on test", span=span)
            what = f"{AXES[probe]} of the {WORDS[probe]} for {label}"
            alt = f"{what} over the layers, {PLURAL[modality]}"
            drawings.append(Drawing(figure, alt, PLURAL[modality].capitalize()))
    return Option(WORDS[probe], tuple(drawings))


def _table(results: Results, data: Data, label: str) -> Table:
    rows = []
    for run in runs_on(results, data):
        for modality in (m for m in PLURAL if m in run["probe"].get(label, {})):
            table = run["probe"][label][modality]
            best = {(b["probe"], b["tap"]) for b in table.get("best", [])}
            for row in table.get("rows", []):
                lead = {
                    "run": run["called"],
                    "items": PLURAL[modality],
                    "layer (tap)": tap_words(row["tap"]),
                    "probe": WORDS[row["probe"]],
                    "best on val": "★" if (row["probe"], row["tap"]) in best else "",
                }
                rows.append((lead, row["score"]))
    return Table.of_scores(f"probes_{label}_{data['called']}", f"Probes for {label}", rows)
