"""What is in the results of a report: runs, their data, and how they are drawn."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from app.charts import OKABE_ITO
from app.report.parts import Results
from app.words import PLURAL

Run = Mapping[str, Any]


class Look(NamedTuple):
    """How a run is drawn, wherever it is."""

    colour: str
    dash: str
    symbol: str


CONTROL_LOOKS = {
    "shuffled pairs": Look("#8A8F94", "dot", "diamond-open"),
    "random twin": Look("#8A8F94", "dash", "square-open"),
    "low-level features": Look("#8A8F94", "longdashdot", "triangle-up-open"),
}
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")


def data_sets(results: Results) -> list[Mapping[str, Any]]:
    """Return the data that runs are about."""
    return list(results["data"])


def runs_on(results: Results, data: Mapping[str, Any]) -> list[Run]:
    """Return the runs on some data, trained ones first."""
    return [run for run in results["runs"] if run["data"] == data["called"]]


def trained(results: Results) -> list[Run]:
    """Return the runs that questions are asked of; all if there are only controls."""
    found = [run for run in results["runs"] if run["role"] == "trained"]
    return found or list(results["runs"])


def looks(results: Results) -> dict[str, Look]:
    """Return the look of every run by its name: colours for trained ones, greys for controls."""
    found = {}
    shown = [run["called"] for run in results["runs"] if run["role"] == "trained"]
    for run in results["runs"]:
        place = shown.index(run["called"]) if run["called"] in shown else -1
        found[run["called"]] = (
            Look(OKABE_ITO[place % 6], "solid", SYMBOLS[place % len(SYMBOLS)])
            if place >= 0
            else CONTROL_LOOKS[run["role"]]
        )
    return found


def all_looks(results: Results) -> dict[str, Look]:
    """Return `looks` by encoder too, and of controls that are not reported on themselves."""
    found = looks(results)
    for run in results["runs"]:
        found.setdefault(run["recipe"]["encoder"], found[run["called"]])
        for pair in pairs_of(run):
            for control in pair["controls"]:
                found.setdefault(control["encoder"], CONTROL_LOOKS[control["role"]])
    return found


def pairs_of(run: Run) -> Iterator[Mapping[str, Any]]:
    """Yield the pairs of modalities that were measured."""
    if run["align"]:
        yield from run["align"]["pairs"]


def pair_words(pair: Mapping[str, Any]) -> str:
    """Return what a pair of modalities is called."""
    return f"{PLURAL[pair['first']]} and {PLURAL[pair['second']]}"


def all_pairs(results: Results) -> list[str]:
    """Return the names of all pairs of modalities that occur, in their order."""
    return list(dict.fromkeys(pair_words(p) for run in trained(results) for p in pairs_of(run)))
