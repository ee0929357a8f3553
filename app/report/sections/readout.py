"""What does it take to read a label out: examples, bits, layers, and is it more than memory?"""

from collections.abc import Iterator, Mapping
from typing import Any

from app.report.figures import Score, Series, curves, dots
from app.report.parts import Drawing, Exhibit, Option, Results, Section, Table
from app.report.runs import Run, data_sets, looks, runs_on
from app.words import PLURAL, tap_words

Found = list[tuple[Run, str, Mapping[str, Any]]]
"""Run, modality and what one measure found."""


def chapter(results: Results) -> Section | None:
    """Return the chapter; None if none of its probes was run."""
    exhibits = tuple(
        exhibit
        for data in data_sets(results)
        for label in results["labels"]
        for exhibit in _exhibits(results, data, label)
    )
    if not exhibits:
        return None
    return Section(
        "readout",
        "What does it take to read it out?",
        "Accuracy alone hides the price. Here are the labelled examples that it takes, the bits "
        "that the labels cost, the layers that are used, and whether the probe has only memorised.",
        exhibits,
    )


def _exhibits(results: Results, data: Mapping[str, Any], label: str) -> Iterator[Exhibit]:
    where = label if len(data_sets(results)) == 1 else f"{label}, {data['called']}"
    for make in (_few_shot, _bits, _weights, _selectivity):
        exhibit = make(results, data, label, where)
        if exhibit.options[0].drawings:
            yield exhibit


def _found(results: Results, data: Mapping[str, Any], label: str, measure: str) -> Found:
    found = []
    for run in runs_on(results, data):
        for modality in PLURAL:
            one = run["deeper"].get(label, {}).get(modality, {}).get(measure, {"reason": ""})
            if "reason" not in one:
                found.append((run, modality, one))
    return found


def _curves(results: Results, found: Found, points: Any, axis: str, alt: str) -> Option:  # noqa: ANN401
    """Draw a figure a modality, a line a run."""
    look, drawings = looks(results), []
    for modality in dict.fromkeys(m for _, m, _ in found):
        series = [
            Series(run["called"], look[run["called"]], points(one))
            for run, its, one in found
            if its == modality
        ]
        span = (0, 1.02) if axis.startswith("accuracy") else None
        figure = curves(series, axis=axis, span=span)
        drawings.append(
            Drawing(figure, f"{alt}, {PLURAL[modality]}", PLURAL[modality].capitalize())
        )
    return Option("", tuple(drawings))


def _table(name: str, title: str, found: Found, points: Any, column: str) -> Table:  # noqa: ANN401
    rows = [
        ({"run": run["called"], "items": PLURAL[modality], column: at}, score)
        for run, modality, one in found
        for at, score in points(one)
    ]
    return Table.of_scores(name, title, rows)


def _few_shot(results: Results, data: Mapping[str, Any], label: str, where: str) -> Exhibit:
    found = _found(results, data, label, "few_shot")

    def points(one: Mapping[str, Any]) -> list[tuple[str, Score]]:
        return [(row["shots"], row["accuracy"]) for row in one["rows"]]

    name, title = f"few_shot_{label}_{data['called']}", f"With few examples: {where}"
    return Exhibit(
        title,
        (
            _curves(
                results, found, points, "accuracy on test", "Accuracy by examples of each label"
            ),
        ),
        how="From left to right a probe sees 1, 2, 4 … labelled items of each kind, drawn many "
        "times; at the right end all of train. The layer is the one that was best on val. A good "
        "representation rises early.",
        cannot="Which examples are drawn matters: intervals are over draws and test items. A line "
        "that ends early had too few items of some kind.",
        tables=(_table(name, title, found, points, "examples of each"),),
    )


def _bits(results: Results, data: Mapping[str, Any], label: str, where: str) -> Exhibit:
    found = _found(results, data, label, "description_length")

    def points(one: Mapping[str, Any]) -> list[tuple[str, Score]]:
        return [(tap, code["compression"]) for tap, code in one["codes"].items()]

    name, title = f"compression_{label}_{data['called']}", f"Bits saved: {where}"
    return Exhibit(
        title,
        (_curves(results, found, points, "compression", "Compression by layer"),),
        how="Somebody who has the vectors is told the labels one after the other, and predicts "
        "each from those before. Compression is how many times shorter that message is than "
        "without vectors: 1 saves nothing, 2 is half the bits. Unlike accuracy it counts how "
        "hard the labels were to learn.",
        cannot="The order of the items is one of many; the probe is linear, so what a curved "
        "boundary could tell is not counted.",
        tables=(_table(name, title, found, points, "tap"),),
    )


def _weights(results: Results, data: Mapping[str, Any], label: str, where: str) -> Exhibit:
    found = [f for f in _found(results, data, label, "weighted_sum") if len(f[2]["weights"]) > 1]

    def points(one: Mapping[str, Any]) -> list[tuple[str, Score]]:
        parts, n = one["contributions"], one["accuracy"]["n"]
        blank = {"low": None, "high": None, "p": None, "n": n, "method": "share", "reason": ""}
        return [(tap, {**blank, "value": v, "chance": 1 / len(parts)}) for tap, v in parts.items()]

    def scores(one: Mapping[str, Any]) -> list[tuple[str, Score]]:
        names = {"accuracy": "learnt weights", "uniform": "equal weights", "gain": "gain"}
        return [(words, one[key]) for key, words in names.items()]

    name, title = f"weighted_sum_{label}_{data['called']}", f"Which layers are used: {where}"
    return Exhibit(
        title,
        (_curves(results, found, points, "share of the sum", "Contribution of each layer"),),
        how="A linear probe reads a weighted average of all layers and learns the weights. The "
        "line is the share of each layer in that average; dotted: equal shares. The table says "
        "whether choosing the weights was better than equal ones.",
        cannot="Layers that are alike can stand for one another: a small share does not mean that "
        "a layer knows nothing.",
        tables=(
            _table(name, f"Accuracy of the weighted sum: {where}", found, scores, "weights"),
            _table(f"{name}_shares", title, found, points, "tap"),
        ),
    )


def _selectivity(results: Results, data: Mapping[str, Any], label: str, where: str) -> Exhibit:
    found = _found(results, data, label, "control")
    look, drawings = looks(results), []
    for modality in dict.fromkeys(m for _, m, _ in found):
        rows = [
            (run["called"], look[run["called"]], one["selectivity"])
            for run, its, one in found
            if its == modality and one["selectivity"]["value"] is not None
        ]
        if rows:
            figure = dots(rows, axis="selectivity", span=None)
            alt = f"Selectivity of the linear probe, {PLURAL[modality]}"
            drawings.append(Drawing(figure, alt, PLURAL[modality].capitalize()))

    def points(one: Mapping[str, Any]) -> list[tuple[str, Score]]:
        names = {"task": label, "control": "made-up labels", "selectivity": "selectivity",
                 "memorisation": "memorised, permuted labels"}  # fmt: skip
        at = tap_words(one["tap"])
        return [(f"{words} at {at}", one[key]) for key, words in names.items() if one[key]]

    name, title = f"control_{label}_{data['called']}", f"More than memory? {where}"
    defined = [one for _, _, one in found if one["selectivity"]["value"] is not None]
    kinds = ", ".join(dict.fromkeys(one["kind_of_types"] for one in defined))
    return Exhibit(
        title,
        (Option("", tuple(drawings)),),
        how="The same probe is fitted on made-up labels that only recognising the item's type "
        f"could give away (types: {kinds}). Selectivity is the accuracy on the real label minus "
        "that on the made-up one: far above 0, the probe reads the label and does not look it up.",
        cannot="A low selectivity may come from a real label that is hard, or from types that "
        "rarely recur. It says nothing about what the model itself uses.",
        tables=(_table(name, title, found, points, "measure"),),
    )
