"""What pages show with the figures and words of the report: measurements as its document has them.

The report measures everything of all runs and draws it. A page has some measurements of some runs;
put into the same form, the same chapters draw them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.measured import Wanted
from d2v_core.store import Recipe

Found = Mapping[Wanted, Mapping[str, Any]]
"""What was measured."""


def called_by(recipes: Mapping[str, Recipe]) -> dict[str, str]:
    """Return what each representation is called: its encoder if that tells it, or its full name."""
    short = {name: Path(recipe.encoder).name for name, recipe in recipes.items()}
    often = Counter(short.values())
    return {name: short[name] if often[short[name]] == 1 else name for name in recipes}


def document(
    recipes: Mapping[str, Recipe], names: Sequence[str], found: Found, *, label: str = "label"
) -> dict[str, Any]:
    """Return measurements in the form of a report's results.

    Args:
        recipes: of all representations of the store.
        names: of the representations that are shown, the one that matters first.
        found: what was measured of them; what is not in it is not shown.
        label: the column that probes were asked for.
    """
    called = called_by(recipes)
    runs = [_run(name, recipes[name], found, label) | {"called": called[name]} for name in names]
    return {
        "labels": [label],
        "data": [{"called": data} for data in dict.fromkeys(run["data"] for run in runs)],
        "runs": runs,
    }


def _run(name: str, recipe: Recipe, found: Found, label: str) -> dict[str, Any]:
    probed, deeper = (found.get(Wanted(kind, name, (label,))) for kind in ("probe", "deeper"))
    align = found.get(Wanted("align", name))
    return {
        "name": name,
        "data": recipe.data_fingerprint,
        "role": recipe.role,
        "recipe": {"encoder": recipe.encoder, "taps": list(recipe.taps)},
        "probe": {label: probed["modalities"]} if probed else {},
        "deeper": {label: deeper} if deeper else {},
        "extras": found.get(Wanted("extras", name), {}),
        "geometry": found.get(Wanted("geometry", name), {}),
        "align": align,
        "align_reason": "" if align else "it was not measured",
        "likeness": [],
    }
