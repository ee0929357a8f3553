"""What was measured, on what, with which weights and libraries."""

import pandas as pd

from app.report.parts import Results, Section, Table, Words
from app.words import PLURAL, ROLES


def chapter(results: Results) -> Section:
    """Return the chapter."""
    counts = pd.DataFrame(
        [
            {"data": data["called"], "items": PLURAL[modality], **by_split}
            for data in results["data"]
            for modality, by_split in data["counts"].items()
        ]
    ).fillna(0)
    runs = pd.DataFrame(
        [
            {
                "run": run["called"],
                "role": ROLES[run["role"]],
                "data": run["data"],
                "layers (taps)": ", ".join(run["recipe"]["taps"]),
                "pooling": run["recipe"]["pooling"],
                "recipe": run["recipe"]["hash"],
                "weights": run["recipe"]["encoder_hash"],
                "libraries": ", ".join(f"{k} {v}" for k, v in run["recipe"]["versions"].items()),
            }
            for run in results["runs"]
        ]
    )
    splits = {run["recipe"].get("splits_made", False) for run in results["runs"]}
    notes = [
        "Probes are fitted on train, their settings and layers chosen on val, and reported on "
        "test; items of one group are never in two splits. Intervals are 95 %.",
        "The JSON beside this file makes it again, byte for byte: d2v report NAME.json --out "
        "NAME.html. NAME_tables/ has every table as CSV.",
    ]
    if True in splits:
        notes.append(
            "Imported vectors came without splits: they were made here, by hash, stratified by "
            "label, pairs and groups together. What was trained elsewhere knew nothing of them."
        )
    return Section(
        "method",
        "How this was measured",
        f"Made {results['made']} with data2vec-workbench {results['software']} from "
        f"{', '.join(results['stores'])}.",
        (
            Words(tuple(notes)),
            Table.plain("items", "Items by split", counts),
            Table.plain("runs", "Representations", runs),
        ),
    )
