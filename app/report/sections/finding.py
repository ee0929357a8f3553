"""Does an item find its kind, and its own partner, in another modality?"""

from collections.abc import Mapping
from typing import Any

from app.report.figures import dots
from app.report.parts import Drawing, Exhibit, Option, Results, Section, Table
from app.report.runs import all_looks, all_pairs, pair_words, pairs_of, trained
from app.tables import directions, ladders
from app.words import tap_words

Rows = list[tuple[dict[str, str], Mapping[str, Any]]]
LABELS = {"mean_average_precision": "mean average precision", "nearest": "nearest has the label"}
CANNOT = (
    "Figures for galleries of different size cannot be compared. Being better than chance is not "
    "alignment: controls can be, too, from loudness or brightness alone. The layer was chosen on "
    "train and val items for every run and control by itself."
)


def chapter(results: Results) -> Section | None:
    """Return the chapter; None without two modalities."""
    if not all_pairs(results):
        return None
    kinds = _exhibit(
        results, "labels", "Near its kind?",
        "mean average precision: 1 if all items with the label come before all others",
    )  # fmt: skip
    own = _exhibit(
        results, "partners", "Near its own partner?",
        "mean reciprocal rank: 1 if the partner always comes first, 0.5 if second",
    )  # fmt: skip
    return Section(
        "finding",
        "Finding across modalities",
        "Take an item, order all items of another modality by the cosine of their vectors, and see "
        "where those with its label, and its own partner, come.",
        tuple(exhibit for exhibit in (kinds, own) if exhibit),
    )


def _exhibit(results: Results, level: str, title: str, measure: str) -> Exhibit | None:
    options = [_option(results, level, pair, measure) for pair in all_pairs(results)]
    options = [option for option in options if option.drawings]
    if not options:
        return None
    rows = _label_rows(results) if level == "labels" else _partner_rows(results)
    return Exhibit(
        title,
        tuple(options),
        how=f"The dot is the {measure}. Bars are 95 % intervals, the grey stroke is chance. "
        "Coloured dots are runs, grey ones their controls. A run has something to show where its "
        "whole bar lies to the right of chance and of all grey dots.",
        cannot=CANNOT,
        tables=(Table.of_scores(f"finding_{level}", title, rows),),
    )


def _measured(
    results: Results, level: str
) -> list[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Return name, pair and ladder of all that was measured; a control once."""
    found, seen = [], set()
    for run in trained(results):
        for pair in pairs_of(run):
            for ladder in ladders(pair):
                own = ladder is pair["run"]
                name = run["called"] if own else ladder["encoder"]
                key = (name, pair_words(pair), run["data"])
                if ladder[level] and key not in seen:
                    seen.add(key)
                    found.append((name, pair, ladder))
    return found


def _option(results: Results, level: str, words: str, measure: str) -> Option:
    styles = all_looks(results)
    measured = [entry for entry in _measured(results, level) if pair_words(entry[1]) == words]
    measured.sort(key=lambda entry: entry[2]["role"] != "trained")
    drawings = []
    for key, way in directions(measured[0][1]) if measured else ():
        rows = [(name, styles[name], _score(ladder, level, key)) for name, _, ladder in measured]
        figure = dots(rows, axis=measure.partition(":")[0], span=(0, 1.02))
        alt = f"{way}: {measure.partition(':')[0]} of runs and controls"
        drawings.append(Drawing(figure, alt, way))
    return Option(words.capitalize(), tuple(drawings))


def _score(ladder: Mapping[str, Any], level: str, way: str) -> Mapping[str, Any]:
    if level == "labels":
        return ladder["labels"][way]["mean_average_precision"]
    return ladder["partners"][way]["scores"]["MRR"]


def _lead(name: str, words: str, ladder: Mapping[str, Any], measure: str) -> dict[str, str]:
    tap = tap_words(ladder["tap"])
    return {"search": words, "run": name, "layer (tap)": tap, "measure": measure}


def _label_rows(results: Results) -> Rows:
    return [
        (_lead(name, words, ladder, LABELS[measure]), ladder["labels"][way][measure])
        for name, pair, ladder in _measured(results, "labels")
        for way, words in directions(pair)
        for measure in LABELS
    ]


def _partner_rows(results: Results) -> Rows:
    return [
        (_lead(name, words, ladder, measure), score)
        for name, pair, ladder in _measured(results, "partners")
        for way, words in directions(pair)
        for measure, score in ladder["partners"][way]["scores"].items()
    ]
