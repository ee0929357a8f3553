"""Every claim with its reasons and the figures it rests on."""

from collections.abc import Mapping
from typing import Any

from app.report.parts import Card, Cards, Results, Section, Table, Words
from app.report.runs import Run, pair_words, pairs_of, trained


def chapter(results: Results) -> Section | None:
    """Return the chapter; None if nothing could be asked."""
    parts: list[Cards | Words] = []
    for run in trained(results):
        parts += [cards for pair in pairs_of(run) if (cards := _cards(run, pair)).cards]
    selections = {run["align"]["selection"] for run in trained(results) if run["align"]}
    if not parts:
        return None
    words = Words(tuple(f"{text[:1].upper()}{text[1:]}." for text in sorted(selections)))
    return Section(
        "claims",
        "Claims, and what they rest on",
        "A claim is withheld unless the untrained network and low-level features, and shuffled "
        "pairs where pairs were trained on, are in the same result. Open one for its reasons.",
        (words, *parts),
    )


def _cards(run: Run, pair: Mapping[str, Any]) -> Cards:
    levels = {"class": "kind", "instance": "own partner"}
    cards = []
    for number, claim in enumerate(pair["claims"], start=1):
        rows = [({"rests on": name}, score) for name, score in claim["rests_on"].items()]
        name = f"claim_{run['called']}_{pair['first']}_{pair['second']}_{number}"
        none = f"differences from chance up to {claim['margin']:.3f} count as none"
        title = f"{levels[claim['level']].capitalize()}; {none}"
        table = Table.of_scores(name, title, rows)
        cards.append(Card(claim["verdict"], claim["sentence"], tuple(claim["reasons"]), table))
    return Cards(f"{run['called']}: {pair_words(pair)}", tuple(cards))
