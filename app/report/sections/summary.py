"""What was found, in words, for those who read no further."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from app.report.parts import Results, Section, Table, Words
from app.report.runs import Run, data_sets, pair_words, pairs_of, runs_on, trained
from app.tables import number, score_cells, verdict_table
from app.words import PLURAL, tap_words

LINEAR = {"linear": "accuracy", "ridge": "R²"}
LEVELS = {"class": "kind", "instance": "own partner"}


def chapter(results: Results) -> Section:
    """Return the chapter."""
    found = trained(results)
    aligned = {run["called"]: run["align"] for run in found if run["align"]}
    parts: list[Words | Table] = []
    if aligned:
        table = verdict_table(aligned)
        parts.append(Table.plain("verdicts", "Do they meet? Verdicts of all runs", table))
        parts.append(
            Words(
                (
                    "Kind: does an item land near items of the other modality with its label? Own "
                    "partner: near the very item that it belongs to? “Aligned” is said only if "
                    "every control is here and was beaten, “not aligned” only if every control is "
                    "here and a test of equivalence with chance was passed. Two words where the "
                    "two directions differ.",
                )
            )
        )
    for run in found:
        points = [*_claims(run), *_best(results, run)]
        if not points:
            points = [f"Nothing could be measured: {run['align_reason']}."]
        parts.append(Words((f"{run['called']}:",), tuple(points)))
    return Section(
        "words",
        "In plain words",
        "What may be said of every run, and what may not. Each sentence has its figure, with the "
        "95 % interval in brackets, the level of chance, and how many items it rests on.",
        tuple(parts),
    )


def _claims(run: Run) -> Iterator[str]:
    """Yield what was decided, both directions together, then what was not and why."""
    open_questions: dict[str, list[str]] = {}
    for pair in pairs_of(run):
        for level, words in LEVELS.items():
            asked = f"{pair_words(pair)} ({words})"
            claims = [claim for claim in pair["claims"] if claim["level"] == level]
            decided = [c["sentence"] for c in claims if c["verdict"] != "cannot tell"]
            if decided:
                yield f"{asked[:1].upper()}{asked[1:]}. {' '.join(decided)}"
            for claim in (c for c in claims if c["verdict"] == "cannot tell"):
                why = "; ".join(claim["reasons"][:-1]) or claim["reasons"][0]
                open_questions.setdefault(_without_figures(why), []).append(asked)
    for why, asked_of in open_questions.items():
        yield f"Cannot be told of {', '.join(dict.fromkeys(asked_of))}: {why}."
    if not run["align"]:
        yield f"Whether modalities meet was not measured: {run['align_reason']}."


def _without_figures(why: str) -> str:
    """Return reasons without what differs from one direction to the other."""
    why = re.sub(r": [^;]*? reaches up to [\d.]+, the run down to [\d.]+", "", why)
    why = re.sub(r"p = \S+ under permutation, .*? is needed", "permutations do as well", why)
    return re.sub(r" \(p = [^)]*\)", "", why)


def _best(results: Results, run: Run) -> Iterator[str]:
    """Yield the best layer of every modality beside the controls."""
    for label, tables in run["probe"].items():
        for modality in (m for m in PLURAL if "best" in tables.get(m, {})):
            for best in (b for b in tables[modality]["best"] if b["probe"] in LINEAR):
                cells = score_cells(best["score"], 2)
                measure = LINEAR[best["probe"]]
                yield (
                    f"From {PLURAL[modality]} a linear probe tells {label} best at "
                    f"{tap_words(best['tap'])}: {measure} {cells['value']} "
                    f"({cells['95 % interval']}), chance {cells['chance']}, n = {cells['n']}"
                    f"{_beside(results, run, label, modality)}."
                )


def _beside(results: Results, run: Run, label: str, modality: str) -> str:
    """Return what the controls reach at their own best layer."""
    data = next(d for d in data_sets(results) if d["called"] == run["data"])
    found = []
    for other in runs_on(results, data):
        if other["role"] in ("random twin", "low-level features") and other is not run:
            table: Mapping[str, Any] = other["probe"].get(label, {}).get(modality, {})
            best = [b for b in table.get("best", []) if b["probe"] in LINEAR]
            found += [f"{other['called']} {number(b['score']['value'], 2)}" for b in best]
    return f"; controls: {', '.join(found)}" if found else "; no control beside it"
