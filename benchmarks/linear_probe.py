"""Linear probe: our sweep over penalties against scikit-learn's loop, side by side.

    OMP_NUM_THREADS=1 python benchmarks/linear_probe.py

Both solve the same problems to the same gradient norm, in turns, several times; the medians and
their ratio are printed, with the largest excess of our objective over theirs, in nats.
scikit-learn is given one problem after the other, as it has no other way.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from probes.linear import PENALTIES, SWEEP_TOLERANCE, Standardiser
from probes.logistic import fit_logistic

CASES = (
    # items, channels, classes, decay of the spectrum (standard deviation of channel j is j^-decay)
    (2000, 96, 8, 0.75),
    (2000, 192, 16, 0.5),
    (2000, 192, 16, 0.75),
    (6000, 256, 40, 0.75),
)


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
    """Return the penalised loss from its definition."""
    logits = x @ weights + intercept
    logits -= logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(x)), labels]
    return float(losses.mean() + penalty / 2 * np.sum(weights**2))


def timed(work: Callable[[], object]) -> tuple[float, object]:
    """Return seconds and result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def compare(items: int, dim: int, classes: int, decay: float, *, repeats: int) -> str:
    """Run one case and return its row of the table."""
    x, labels = problem(items, dim, classes, decay=decay)
    penalties = np.array(PENALTIES)

    def ours() -> object:
        return fit_logistic(x, labels, penalties, classes=classes, tolerance=SWEEP_TOLERANCE)

    def theirs() -> object:
        return [
            LogisticRegression(C=1 / (p * items), tol=SWEEP_TOLERANCE, max_iter=10_000).fit(
                x, labels
            )
            for p in penalties
        ]

    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(repeats):
        taken, fit = timed(ours)
        seconds["ours"].append(taken)
        taken, peers = timed(theirs)
        seconds["theirs"].append(taken)
    worst = 0.0
    for i, (penalty, peer) in enumerate(zip(penalties, peers, strict=True)):
        own = objective(x, labels, fit.weights[i], fit.intercepts[i], penalty)
        other = objective(x, labels, peer.coef_.T, peer.intercept_, penalty)
        worst = max(worst, own - other)
    own, other = (statistics.median(seconds[name]) for name in ("ours", "theirs"))
    return (
        f"{items:>6} {dim:>8} {classes:>7} {decay:>6.2f} {own:>8.2f} {other:>14.2f} "
        f"{other / own:>6.1f} {worst:>12.1e} {fit.gradient_norm.max():>10.1e}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    print(f"{len(PENALTIES)} penalties, {torch.get_num_threads()} threads, seconds")
    print(
        f"{'items':>6} {'channels':>8} {'classes':>7} {'decay':>6} {'ours':>8} "
        f"{'scikit-learn':>14} {'ratio':>6} {'excess loss':>12} {'gradient':>10}"
    )
    for case in CASES:
        print(compare(*case, repeats=repeats), flush=True)


if __name__ == "__main__":
    main()
