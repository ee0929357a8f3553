"""Exact nearest neighbours: our search against faiss's flat index, side by side.

    OMP_NUM_THREADS=1 python benchmarks/knn.py

Both get the same arrays and return the k bank rows with the largest cosine to every query. They
take turns, and the medians are printed with their ratio: once from raw arrays to neighbours, as a
probe asks for them (ours normalises both sides and faiss builds its index), and once faiss's search
alone on an index that is ready, which spares it the work that ours is still charged for. Then the
share of neighbours that agree. Last, what a visitor of the map waits for: one item beside 100,000
others, ours without a copy of the bank beside our search for many and faiss's ready index. faiss is
no dependency of the workbench: without it, only our times are printed.
"""

import argparse
import importlib
import statistics
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import torch

from probes.checks import unit_rows
from probes.neighbours import nearest
from probes.one_query import OneQuery

BANK, DIM = 20_000, 768
BANK_OF_ONE = 100_000
CASES = ((500, 20), (500, 200), (2000, 20), (2000, 200), (8000, 20), (8000, 100), (8000, 200))


def faiss_or_none() -> ModuleType | None:
    """Return faiss, with as many threads as torch has, or None if it is not installed."""
    try:
        faiss = importlib.import_module("faiss")
    except ModuleNotFoundError:
        return None
    faiss.omp_set_num_threads(torch.get_num_threads())
    return faiss


def timed(work: Callable[[], object]) -> tuple[float, object]:
    """Return seconds and result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def index_of(faiss: ModuleType, bank: np.ndarray) -> Any:  # noqa: ANN401  # faiss has no types
    """Return faiss's flat index of the bank's unit vectors."""
    index = faiss.IndexFlatIP(bank.shape[1])
    index.add(unit_rows(bank))
    return index


def compare(queries: int, k: int, *, faiss: ModuleType | None, repeats: int, device: str) -> str:
    """Run one case and return its row of the table."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(queries, DIM)).astype(np.float32)
    bank = rng.normal(size=(BANK, DIM)).astype(np.float32)

    works: dict[str, Callable[[], Any]] = {"ours": lambda: nearest(x, bank, k, device=device)}
    if faiss is not None:
        x_unit, ready = unit_rows(x), index_of(faiss, bank)
        works["faiss"] = lambda: index_of(faiss, bank).search(unit_rows(x), k)
        works["search"] = lambda: ready.search(x_unit, k)
    seconds: dict[str, list[float]] = {name: [] for name in works}
    results: dict[str, Any] = {}
    for _ in range(repeats):
        for name, work in works.items():
            taken, results[name] = timed(work)
            seconds[name].append(taken)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    row = f"{queries:>8} {k:>4} {medians['ours']:>8.3f}"
    if faiss is None:
        return f"{row}   not installed"
    same = float((results["faiss"][1] == results["ours"].ids).mean())
    return (
        f"{row} {medians['faiss']:>8.3f} {medians['faiss'] / medians['ours']:>6.2f} "
        f"{medians['search']:>12.3f} {medians['search'] / medians['ours']:>6.2f} {same:>8.5f}"
    )


def one_query(*, faiss: ModuleType | None, repeats: int) -> str:
    """Search for the neighbours of one item of a large bank; return the line to print."""
    bank = np.random.default_rng(0).normal(size=(BANK_OF_ONE, DIM)).astype(np.float32)
    rows, query = np.arange(BANK_OF_ONE), bank[:1]
    works: dict[str, Callable[[], Any]] = {
        "ours": lambda: OneQuery.of(query[0], bank).nearest(rows, 5),
        "search for many": lambda: nearest(query, bank, 5),
    }
    if faiss is not None:
        ready = index_of(faiss, bank)
        works["faiss, index ready"] = lambda: ready.search(unit_rows(query), 5)
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            seconds[name].append(timed(work)[0])
    medians = [f"{name} {statistics.median(values):.3f}" for name, values in seconds.items()]
    return f"one query, bank of {BANK_OF_ONE:,}: {', '.join(medians)}"


def main() -> None:
    """Print the table, and the line of one query."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu", help="where ours computes; faiss stays on CPU")
    options = parser.parse_args()
    faiss = faiss_or_none()
    print(
        f"bank of {BANK:,} x {DIM}, single precision, {torch.get_num_threads()} threads, "
        f"ours on {options.device}, faiss {'not installed' if faiss is None else faiss.__version__}"
        "; seconds, ratios above 1: ours is faster"
    )
    print(
        f"{'queries':>8} {'k':>4} {'ours':>8} {'faiss':>8} {'ratio':>6} {'faiss search':>12} "
        f"{'ratio':>6} {'same ids':>8}"
    )
    for queries, k in CASES:
        row = compare(queries, k, faiss=faiss, repeats=options.repeats, device=options.device)
        print(row, flush=True)
    print(one_query(faiss=faiss, repeats=options.repeats))


if __name__ == "__main__":
    main()
