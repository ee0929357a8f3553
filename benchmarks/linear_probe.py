"""Linear probe of all layers and penalties: ours, our ridge screen, and scikit-learn's loop.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/linear_probe.py [--quick]

Ours and scikit-learn solve the same problems to the same largest entry of the gradient. They take
turns, several rounds of every layer, so that a busy machine slows both; ratios are taken within a
round. scikit-learn is given one problem after the other, as it has no other way, and single
precision, in which it is faster. The screen does not solve these problems: it answers the question
that comes first, which layers and penalties are worth it.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from probes.linear import SWEEP_TOLERANCE
from probes.logistic import fit_logistic
from probes.ridge import ridge_screen
from probes.splits import Splits
from probes.standardise import Standardiser

PENALTIES = tuple(10.0**power for power in range(2, -8, -1))


@dataclass(frozen=True, kw_only=True)
class Case:
    """One layer to probe."""

    items: int
    dim: int
    classes: int
    decay: float
    """The standard deviation of the j-th principal axis is j^-decay."""


FULL = tuple(
    Case(items=8000, dim=dim, classes=20, decay=decay)
    for dim in (192, 256, 320, 384)
    for decay in (0.5, 0.75)
)
QUICK = tuple(Case(items=2000, dim=96, classes=8, decay=decay) for decay in (0.5, 0.75))


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Seconds of every round, and how the objectives compare."""

    case: Case
    ours: tuple[float, ...]
    screen: tuple[float, ...]
    theirs: tuple[float, ...]
    """scikit-learn, all penalties one after the other."""

    worst_objective: float
    """Largest (ours − theirs) / theirs over the penalties: positive where theirs is better."""

    best_objective: float
    """Smallest: how far theirs is from the minimum where it stops too early."""

    gradient: float
    """Our largest certificate."""

    def ratios(self, name: str) -> np.ndarray:
        """Return theirs / "ours" or theirs / "screen", round by round."""
        return np.array(self.theirs) / np.array(getattr(self, name))


def problem(items: int, dim: int, classes: int, *, decay: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw features with a power-law spectrum, and linear labels of which 15 % are wrong."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(items, dim)) * np.arange(1, dim + 1) ** -decay
    labels = (x @ rng.normal(size=(dim, classes))).argmax(axis=1)
    wrong = rng.random(items) < 0.15
    labels[wrong] = rng.integers(classes, size=wrong.sum())
    x = x @ np.linalg.qr(rng.normal(size=(dim, dim)))[0]
    return Standardiser.of(x)(x), labels


def objective(
    x: np.ndarray, labels: np.ndarray, weights: np.ndarray, intercept: np.ndarray, penalty: float
) -> float:
    """Return the penalised loss from its definition, in double precision."""
    logits = x @ weights.astype(np.float64) + intercept.astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(x)), labels]
    return float(losses.mean() + penalty / 2 * np.sum(weights.astype(np.float64) ** 2))


def compare(case: Case, *, rounds: int) -> Comparison:
    """Let the three take turns on one layer, each round beginning with another of them."""
    x, labels = problem(case.items, case.dim, case.classes, decay=case.decay)
    single, penalties = x.astype(np.float32), np.array(PENALTIES)
    whole, ends = np.arange(case.items), 2  # val and test as small as can be: the screen sees all
    splits = Splits(whole[: -2 * ends], whole[-2 * ends : -ends], whole[-ends:])

    def sklearn_loop() -> list[LogisticRegression]:
        settings: dict[str, Any] = {"tol": SWEEP_TOLERANCE, "max_iter": 10_000}
        return [
            LogisticRegression(C=1 / (penalty * case.items), **settings).fit(single, labels)
            for penalty in PENALTIES
        ]

    runners: dict[str, Callable[[], Any]] = {
        "ours": lambda: fit_logistic(
            x, labels, penalties, classes=case.classes, tolerance=SWEEP_TOLERANCE
        ),
        "screen": lambda: ridge_screen({"layer": x}, labels, splits, penalties=PENALTIES),
        "theirs": sklearn_loop,
    }
    seconds: dict[str, list[float]] = {name: [] for name in runners}
    results: dict[str, Any] = {}
    for turn in range(rounds):
        for place in range(3):
            name = list(runners)[(turn + place) % 3]
            start = time.perf_counter()
            results[name] = runners[name]()
            seconds[name].append(time.perf_counter() - start)
    fit, differences = results["ours"], []
    for i, (penalty, peer) in enumerate(zip(PENALTIES, results["theirs"], strict=True)):
        own = objective(x, labels, fit.weights[i], fit.intercepts[i], penalty)
        other = objective(x, labels, peer.coef_.T, peer.intercept_, penalty)
        differences.append((own - other) / other)
    return Comparison(
        case=case,
        **{name: tuple(times) for name, times in seconds.items()},
        worst_objective=max(differences),
        best_objective=min(differences),
        gradient=float(fit.gradient_norm.max()),
    )


def row(found: Comparison) -> str:
    """Return one line of the table."""
    case = found.case
    own, screen, other = (
        float(np.median(getattr(found, name))) for name in ("ours", "screen", "theirs")
    )
    return (
        f"{case.items:>6} {case.dim:>5} {case.classes:>7} {case.decay:>6.2f} "
        f"{own:>7.2f} {screen:>7.3f} {other:>13.2f} "
        f"{_quartiles(found.ratios('ours')):>20} {_quartiles(found.ratios('screen')):>20} "
        f"{found.worst_objective:>9.0e} {found.best_objective:>9.0e} {found.gradient:>9.0e}"
    )


def _quartiles(ratios: np.ndarray) -> str:
    low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75])
    return f"{middle:.1f} ({low:.1f}-{high:.1f})"


def summary(found: list[Comparison]) -> str:
    """Return the ratios over all layers and rounds, and the screen against a single fit."""
    own, screen = (np.concatenate([f.ratios(name) for f in found]) for name in ("ours", "screen"))
    all_layers = sum(float(np.median(f.screen)) for f in found)
    one_fit = float(np.mean([np.median(f.theirs) for f in found])) / len(PENALTIES)
    worst = max(f.worst_objective for f in found)
    return (
        f"all layers: ours {_quartiles(own)} times as fast as scikit-learn, "
        f"the ridge screen {_quartiles(screen)} times; median (quartiles)\n"
        f"worst relative excess of our objective: {worst:.0e}\n"
        f"ridge screen of all {len(found)} layers and {len(PENALTIES)} penalties: "
        f"{all_layers:.2f} s; one fit of scikit-learn, on average: {one_fit:.2f} s"
    )


def main(arguments: list[str] | None = None) -> list[Comparison]:
    """Print the table and return what is in it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two small layers: under a minute")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layers", type=int, help="only the first so many of the layers")
    options = parser.parse_args(arguments)
    print(f"{len(PENALTIES)} penalties, {torch.get_num_threads()} threads, {options.rounds} rounds")
    print(
        f"{'items':>6} {'dim':>5} {'classes':>7} {'decay':>6} {'ours s':>7} {'screen':>7} "
        f"{'scikit-learn':>13} {'ratio (quartiles)':>20} {'screen ratio':>20} "
        f"{'worst':>9} {'best':>9} {'gradient':>9}"
    )
    warm = Case(items=200, dim=16, classes=3, decay=0.5)
    compare(warm, rounds=1)  # first calls start threads and load kernels
    found = []
    for case in (QUICK if options.quick else FULL)[: options.layers]:
        found.append(compare(case, rounds=options.rounds))
        print(row(found[-1]), flush=True)
    print(summary(found))
    return found


if __name__ == "__main__":
    main()
