"""Results as files: JSON that re-makes every table, and tables for those who want no JSON."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from d2v_core.errors import InputError


def write_probe(results: list[dict[str, Any]], out: Path) -> None:
    """Write `probe.json`, `probe.csv` and the figure `probe.html` into a folder."""
    from app.charts import layer_curves  # plotly is not needed for anything else here

    _write_json(out / "probe.json", results)
    write_table(probe_table(results), out / "probe.csv")
    parts = [
        layer_curves(results, modality).to_html(full_html=False, include_plotlyjs=number == 0)
        for number, modality in enumerate(modalities_of(results))
    ]
    head = "<!doctype html><meta charset=utf-8><title>Layers</title>"
    (out / "probe.html").write_text(head + "\n".join(parts), encoding="utf-8")


def probe_table(results: list[dict[str, Any]]) -> pd.DataFrame:
    """Return a row a representation, modality, layer and probe."""
    return pd.DataFrame(
        [
            {
                "representation": result["representation"],
                "label": result["label"],
                "modality": modality,
                "tap": row["tap"],
                "probe": row["probe"],
                "measure": "R²" if "val_r2" in row else "accuracy",
                "on_val": row["val_r2"] if "val_r2" in row else row["val_accuracy"],
                **{k: row["score"][k] for k in ("value", "low", "high", "chance", "n", "reason")},
            }
            for result in results
            for modality, table in result["modalities"].items()
            for row in table.get("rows", [])
        ]
    )


def modalities_of(results: list[dict[str, Any]]) -> list[str]:
    """Return the modalities that occur in probe results, in their order."""
    return list(dict.fromkeys(m for result in results for m in result["modalities"]))


def write_alignment(results: list[dict[str, Any]], out: Path) -> None:
    """Write `align.json` and the sentences as `align.md` into a folder."""
    _write_json(out / "align.json", results)
    lines = []
    for result in results:
        lines.append(f"# {result['encoder']}")
        for pair in result["pairs"]:
            lines.append(f"\n## {pair['first']} and {pair['second']}, at {pair['run']['tap']}\n")
            for claim in pair["claims"]:
                lines.append(f"* **{claim['verdict']}**: {claim['sentence']}")
                lines += [f"    * {reason}" for reason in claim["reasons"]]
        lines.append("")
    (out / "align.md").write_text("\n".join(lines), encoding="utf-8")


def write_table(table: pd.DataFrame, out: Path) -> None:
    """Write a table as Parquet or CSV, by the suffix of its file.

    Raises:
        InputError: if the suffix is another.
    """
    if out.suffix not in (".parquet", ".csv"):
        raise InputError(f"{out} must end in .parquet or .csv")
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".csv":
        table.to_csv(out, index=False)
    else:
        table.to_parquet(out, index=False)


def _write_json(out: Path, values: object) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(values, ensure_ascii=False, indent=1), encoding="utf-8")
