"""What the page on meeting shows beyond the report: nulls, matching without pairs, CSLS, power."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from app.charts import GREY, OKABE_ITO, ROLE_LOOKS
from app.report.figures import dots
from app.report.parts import Drawing, Exhibit, Option, Score, Table
from app.report.runs import Look
from app.tables import directions, number
from app.words import tap_words
from probes.pairs_power import pairs_to_find, plan_pairs

NULLS = {
    "nulls": "any other partner",
    "within_class": "a partner of the same kind",
    "class_level": "another kind",
}
"""What is put in the place of the true partner, by the name of the null."""

MAPS = {"procrustes": "a rotation", "ridge": "a linear map"}
SHARES = (0.02, 0.05, 0.1, 0.25, 0.5)
LOOKS = {role: Look(colour, "solid", symbol) for role, (colour, symbol) in ROLE_LOOKS.items()}


def nulls_exhibit(pair: Mapping[str, Any]) -> Exhibit | None:
    """Return what permuting gives beside what was measured; None without partners."""
    partners = pair["run"]["partners"]
    if not partners:
        return None
    drawings, rows = [], []
    for way, said in directions(pair):
        tests = [
            (words, partners[way][name]["MRR"])
            for name, words in NULLS.items()
            if partners[way][name]
        ]
        drawings.append(Drawing(null_bars(tests), f"{said}: MRR beside what permuting gives", said))
        rows += [_null_row(said, words, test) for words, test in tests]
    return Exhibit(
        "What would luck give?",
        (Option("", tuple(drawings)),),
        how="The dot is the mean reciprocal rank (MRR) that was measured: 1 if the partner always "
        "comes first. The grey bar is what comes out when the true partner is swapped for "
        "another: its left end is the average, and 95 % of all swaps stay below its right end. "
        "Swapped for any other, everything that is shared is gone; swapped within the kind, what "
        "is left is owed to the kind; with kinds swapped, the own partner is left out and only "
        "kinds count.",
        cannot="A dot beyond the bar is more than luck. It is not yet alignment: the controls have "
        "to be cleared too, since loudness alone may tell partners apart.",
        tables=(Table.plain("nulls", "Permutations", pd.DataFrame(rows)),),
    )


def _null_row(said: str, words: str, test: Mapping[str, Any]) -> dict[str, str]:
    return {
        "search": said,
        "swapped for": words,
        "MRR": number(test["observed"]),
        "average of swaps": number(test["null_mean"]),
        "95 % stay below": number(test["threshold"]),
        "p": f"{test['p']:.2g}",
        "permutations": str(test["permutations"]),
    }


def null_bars(tests: Sequence[tuple[str, Mapping[str, Any]]]) -> go.Figure:
    """Draw permutation tests from top to bottom: the null as a bar, what was measured as a dot."""
    figure = go.Figure()
    for words, test in tests:
        figure.add_trace(
            go.Scatter(
                x=[test["null_mean"], test["threshold"]],
                y=[words, words],
                mode="lines",
                name="what permuting gives",
                line={"color": GREY, "width": 12, "dash": "solid"},
                hovertemplate=f"permuted: {test['null_mean']:.3f} on average, 95 % below "
                f"{test['threshold']:.3f}<extra></extra>",
            )
        )
    figure.add_trace(
        go.Scatter(
            x=[test["observed"] for _, test in tests],
            y=[words for words, _ in tests],
            mode="markers",
            name="measured",
            marker={"color": OKABE_ITO[0], "symbol": "circle", "size": 12},
            hovertemplate=[
                f"measured: {t['observed']:.3f}, p = {t['p']:.2g}<extra></extra>" for _, t in tests
            ],
        )
    )
    names = [words for words, _ in tests]
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1], type="category")
    figure.update_xaxes(title="mean reciprocal rank", range=(0, 1.02))
    return figure.update_layout(height=120 + 40 * len(tests))


def matching_exhibit(ladders: Sequence[Mapping[str, Any]]) -> Exhibit | None:
    """Return how many kinds are matched without any pair; None if that was not tried."""
    tried = [ladder for ladder in ladders if ladder.get("unsupervised")]
    if not tried:
        return None
    rows = [
        (ladder["encoder"], LOOKS[ladder["role"]], ladder["unsupervised"]["accuracy"])
        for ladder in tried
    ]
    figure = dots(rows, axis="share of kinds matched", span=(-0.02, 1.02))
    short = [
        ladder["encoder"]
        for ladder in tried
        if ladder["unsupervised"]["true_objective"] > ladder["unsupervised"]["objective"] + 1e-9
    ]
    note = f"The search fell short for {', '.join(short)}: the true match fits better." * bool(
        short
    )
    lead = [({"run": name}, score) for name, _, score in rows]
    drawing = Drawing(figure, "Share of kinds matched without pairs")
    return Exhibit(
        "Without a single pair",
        (
            Option(
                "",
                (drawing,),
                note if short else "",
            ),
        ),
        how="Kinds of one modality are laid on kinds of the other only by how they lie among "
        "themselves: if robins lie near owls on both sides, they may be the same. The dot is the "
        "share of kinds that are matched rightly.",
        cannot="With few kinds a wrong match may fit as well as the true one. A match that fails "
        "does not show that there is none.",
        tables=(Table.of_scores("matching", "Kinds matched without pairs", lead),),
    )


def needed_table(ladders: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return how many known pairs it takes until partners are found first, a row a target.

    What no representation reaches is left out.
    """
    rows: dict[tuple[str, float], dict[str, str]] = {}
    needed = [one for ladder in ladders for one in ladder.get("needed", [])]
    reached = {(one["name"], one["target"]) for one in needed if one["pairs"] is not None}
    for ladder in ladders:
        most = max((r["pairs"] for r in ladder.get("rungs", [])), default=0)
        for one in ladder.get("needed", []):
            if (one["name"], one["target"]) not in reached:
                continue
            lead = {"found first": f"{one['target']:.0%}", "turned by": MAPS[one["name"]]}
            row = rows.setdefault((one["name"], one["target"]), lead)
            pairs = one["pairs"]
            row[ladder["encoder"]] = f"more than {most}" if pairs is None else str(pairs)
    return pd.DataFrame(list(rows.values()))


def csls_exhibit(pair: Mapping[str, Any], found: Mapping[str, Any]) -> Exhibit | None:
    """Return finding by cosine beside finding by CSLS; None if it was not measured."""
    if "x_to_y" not in found:
        return None
    look = LOOKS["trained"]
    drawings, rows = [], []
    for way, said in directions(pair):
        scores = [(name, look, measures["R@1"]) for name, measures in found[way].items()]
        figure = dots(scores, axis="R@1 on test", span=(-0.02, 1.02))
        drawings.append(Drawing(figure, f"{said}: R@1 by cosine and by CSLS", said))
        rows += list(_csls_rows(said, found["tap"], found[way]))
    return Exhibit(
        "With hubs corrected: CSLS",
        (Option("", tuple(drawings)),),
        how="CSLS takes off from every cosine how close both items are to anything at all, so that "
        "an item that is near to everything no longer comes first everywhere. Closeness is judged "
        "by train and val items; “transductive” judges it by the test items themselves.",
        cannot="The transductive figure cannot be had for one question at a time: each answer "
        "depends on what else is asked. It does not belong beside figures that were made without.",
        tables=(Table.of_scores("csls", "Cosine and CSLS", rows),),
    )


def _csls_rows(
    said: str, tap: str, found: Mapping[str, Mapping[str, Score]]
) -> Iterator[tuple[dict[str, str], Score]]:
    for name, measures in found.items():
        for measure, score in measures.items():
            lead = {"search": said, "ranked by": name, "measure": measure}
            yield {**lead, "layer (tap)": tap_words(tap)}, score


def power_words(pairs: int) -> str:
    """Say what so many test pairs can show at all."""
    plan = plan_pairs(pairs)
    if plan.detectable is None:
        return f"{pairs} test pairs can show nothing: even all of them found could be luck."
    return (
        f"{pairs} test pairs: by luck one finds {plan.chance:.0%} of partners first, and "
        f"{plan.right} or more right answers are no luck any more. A model that really finds "
        f"{plan.detectable:.0%} of partners first is noticed in {plan.power:.0%} of experiments; "
        "one that finds fewer often is not."
    )


def power_table() -> pd.DataFrame:
    """Return how many test pairs it takes to notice that partners are found first."""
    rows = []
    for share in SHARES:
        pairs = pairs_to_find(share)
        rows.append({"partners found first (R@1)": f"{share:.0%}", "test pairs needed": str(pairs)})
    return pd.DataFrame(rows)
