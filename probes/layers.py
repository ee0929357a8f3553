"""Probe every layer, and choose the best one without looking at what is reported."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Shaped

from probes.knn import KnnResult, knn_probe
from probes.linear import LinearResult, linear_probe
from probes.result import Plain, Score, to_plain
from probes.ridge import RidgeScreen, ridge_screen
from probes.splits import Splits

ProbeName = Literal["knn", "linear"]
PROBES: tuple[ProbeName, ...] = ("knn", "linear")


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """One probe at one layer."""

    tap: str
    probe: ProbeName
    score: Score
    """Accuracy on test. To pick a layer by it would be to choose on what is reported."""

    val_accuracy: float | None
    """What layers are chosen by; None if the probe could not be run."""

    detail: KnnResult | LinearResult | None
    """Everything the probe found; None if it could not be run, `score` says why."""

    def to_json(self) -> Plain:
        """Return the row as plain JSON."""
        return to_plain(self)


@dataclass(frozen=True, kw_only=True)
class BestLayer:
    """The layer that was best on val."""

    probe: ProbeName
    tap: str
    score: Score
    """Its accuracy on test."""

    searched: int
    """How many layers it was chosen from."""

    def to_json(self) -> Plain:
        """Return the choice as plain JSON."""
        return to_plain(self)


@dataclass(frozen=True, kw_only=True)
class LayerTable:
    """All probes at all layers."""

    rows: tuple[LayerRow, ...]
    """Layer by layer in the order given, and within a layer probe by probe."""

    best: tuple[BestLayer, ...]
    """One a probe; missing if no layer could be probed."""

    screen: RidgeScreen | None
    """Ridge regression on every layer: which layers to expect much of. Not a linear probe."""

    screen_reason: str
    """Why there is no screen; empty if there is one."""

    classes: int
    counts: Mapping[str, int]
    """Items of train, val and test."""

    def to_json(self) -> Plain:
        """Return the table as plain JSON."""
        return to_plain(self)


def probe_layers(
    layers: Mapping[str, np.ndarray],
    labels: Shaped[np.ndarray, " labelled"],
    splits: Splits,
    *,
    probes: tuple[ProbeName, ...] = PROBES,
    rng: np.random.Generator | None = None,
    device: str = "cpu",
) -> LayerTable:
    """Run kNN and linear probe on every layer, and the ridge screen beside them.

    Args:
        layers: embeddings (items, dim) by tap id, the first layer first.
        labels: one an item.
        splits: rows of train, val and test.
        probes: which probes to run.
        rng: needed if the splits have groups.
        device: where the linear probe computes, as in "cuda".

    Returns:
        The table. A layer on which a probe is undefined (all embeddings alike) has a row that
        says so.

    Raises:
        ValueError: if there is no layer, or a probe cannot run on any of them.
    """
    if not layers:
        raise ValueError("no layer to probe")
    rows = [
        _row(tap, probe, _Task(x, labels, splits, device), rng)
        for tap, x in layers.items()
        for probe in probes
    ]
    if all(row.detail is None for row in rows):
        raise ValueError(rows[0].score.reason)
    screen, reason = _screen(layers, labels, splits)
    best = [_best([row for row in rows if row.probe == probe]) for probe in probes]
    return LayerTable(
        rows=tuple(rows),
        best=tuple(choice for choice in best if choice is not None),
        screen=screen,
        screen_reason=reason,
        classes=len(np.unique(labels)),
        counts={part: len(getattr(splits, part)) for part in ("train", "val", "test")},
    )


@dataclass(frozen=True)
class _Task:
    x: np.ndarray
    labels: Shaped[np.ndarray, " labelled"]
    splits: Splits
    device: str

    def run(self, probe: ProbeName, rng: np.random.Generator | None) -> KnnResult | LinearResult:
        if probe == "knn":
            return knn_probe(self.x, self.labels, self.splits, rng=rng)
        return linear_probe(self.x, self.labels, self.splits, rng=rng, device=self.device)


def _row(tap: str, probe: ProbeName, task: _Task, rng: np.random.Generator | None) -> LayerRow:
    try:
        detail = task.run(probe, rng)
    except ValueError as error:
        score = Score(value=None, n=len(task.splits.test), method="accuracy", reason=str(error))
        return LayerRow(tap=tap, probe=probe, score=score, val_accuracy=None, detail=None)
    return LayerRow(
        tap=tap,
        probe=probe,
        score=detail.accuracy,
        val_accuracy=max(detail.val_accuracy),
        detail=detail,
    )


def _screen(
    layers: Mapping[str, np.ndarray], labels: Shaped[np.ndarray, " labelled"], splits: Splits
) -> tuple[RidgeScreen | None, str]:
    try:
        return ridge_screen(layers, labels, splits), ""
    except ValueError as error:  # train has one class: kNN can still be run
        return None, str(error)


def _best(rows: list[LayerRow]) -> BestLayer | None:
    """Return the row that is best on val, the lower layer among equals."""
    candidates = [row for row in rows if row.detail is not None]
    if not candidates:
        return None
    top = max(candidates, key=lambda row: row.val_accuracy or 0.0)  # the first of several
    return BestLayer(probe=top.probe, tap=top.tap, score=top.score, searched=len(candidates))
