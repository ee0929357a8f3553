"""How much help from known pairs do two spaces need before an item finds its partner?"""

from collections.abc import Iterator, Mapping
from typing import Any

from app.report.figures import Score, Series, curves
from app.report.parts import Drawing, Exhibit, Option, Results, Section, Table
from app.report.runs import all_looks, all_pairs, pair_words, pairs_of, trained
from app.tables import directions
from app.words import tap_words

MAPS = {"procrustes": "by a rotation", "ridge": "by a linear map"}
Entry = tuple[str, Mapping[str, Any], Mapping[str, Any]]
"""What the representation is called, the pair of modalities, and its ladder."""


def chapter(results: Results) -> Section | None:
    """Return the chapter; None if no ladder was climbed."""
    parts = tuple(part for part in (_ladder(results), _hubs(results)) if part)
    if not parts:
        return None
    return Section(
        "help",
        "How many pairs would it take?",
        "Two spaces that do not meet may still be one shape turned round. Some known pairs from "
        "train and val are used to turn one space into the other; test items then look for their "
        "partners.",
        parts,
    )


def _entries(results: Results) -> Iterator[Entry]:
    """Yield every ladder that was climbed, a control once."""
    seen = set()
    for run in trained(results):
        for pair in pairs_of(run):
            extras = run["extras"].get(f"{pair['first']}-{pair['second']}", {})
            for number, ladder in enumerate(extras.get("ladders", [])):
                name = ladder["encoder"] if number else run["called"]
                key = (name, pair_words(pair), run["data"])
                if "rungs" in ladder and key not in seen:
                    seen.add(key)
                    yield name, pair, ladder


def _points(ladder: Mapping[str, Any], kind: str, way: str) -> list[tuple[str, Score]]:
    return [
        (f"{rung['pairs']} pairs" if rung["pairs"] else rung["name"], rung[way]["scores"]["R@1"])
        for rung in ladder["rungs"]
        if rung["name"] in ("direct", "centred", kind)
    ]


def _ladder(results: Results) -> Exhibit | None:
    entries = sorted(_entries(results), key=lambda entry: entry[2]["role"] != "trained")
    styles = all_looks(results)
    options = []
    for words in all_pairs(results):
        own = [entry for entry in entries if pair_words(entry[1]) == words]
        for way, said in directions(own[0][1]) if own else ():
            drawings = []
            for kind, title in MAPS.items():
                series = [Series(n, styles[n], _points(ladder, kind, way)) for n, _, ladder in own]
                figure = curves(series, axis="R@1 on test", span=(0, 1.02))
                drawings.append(Drawing(figure, f"{said}: R@1 {title}", f"Turned {title}"))
            options.append(Option(said, tuple(drawings)))
    if not options:
        return None
    return Exhibit(
        "From no help to all pairs",
        tuple(options),
        how="R@1 is the share of test items whose partner comes first. From left to right: cosines "
        "as they are; after taking off each modality's mean; then after turning one space into the "
        "other on more and more pairs. Aligned models start high at the left; models of one shape "
        "rise with few pairs; unrelated ones stay at chance.",
        cannot="A rise with many pairs shows that a map can be learnt, not that the model knows "
        "it: look whether the untrained control rises as well.",
        tables=(_ladder_table(entries),),
    )


def _ladder_table(entries: list[Entry]) -> Table:
    rows = [
        (
            {
                "search": said,
                "run": name,
                "layer (tap)": tap_words(ladder["tap"]),
                "rung": rung["name"],
                "pairs": str(rung["pairs"]),
                "measure": measure,
            },
            score,
        )
        for name, pair, ladder in entries
        for way, said in directions(pair)
        for rung in ladder["rungs"]
        for measure, score in rung[way]["scores"].items()
    ]
    return Table.of_scores("ladder", "All rungs", rows)


def _hubs(results: Results) -> Exhibit | None:
    rows = []
    for run in trained(results):
        for pair in pairs_of(run):
            hubs = run["extras"].get(f"{pair['first']}-{pair['second']}", {}).get("hubs", {})
            for way, said in directions(pair):
                if way not in hubs:
                    continue
                lead = {"search": said, "run": run["called"], "layer (tap)": tap_words(hubs["tap"])}
                rows += [
                    ({**lead, "measure": name.replace("_", " ")}, hubs[way][name])
                    for name in ("skewness", "robin_hood", "anti_hubs")
                ]
    if not rows:
        return None
    return Exhibit(
        "Hubs: are some items found by everybody, and some by nobody?",
        (),
        how="Every item names its ten nearest of the other modality. Skewness: far above chance, a "
        "few items are named again and again. Robin hood: the share of namings that would have to "
        "change hands for all to be named equally often. Anti hubs: the share of items that nobody "
        "names. Chance is naming at random.",
        cannot="Whether the hubs are wrong answers: a common kind is rightly named often.",
        tables=(Table.of_scores("hubs", "Hubs of the runs", rows),),
    )
