"""Two stacks of twelve layers compared, every layer with every layer: CKA and mutual kNN.

    python benchmarks/comparison.py [--quick] [--device cuda]

Debiased CKA in feature form, beside the Gram form: with all kernels kept where they fit, and where
they do not, with the two kernels of a pair made anew, one pair measured and the others counted.
Then its permutations. Then mutual kNN with its permutations: ours searches each layer once and
permutes the neighbour lists; the usual way searches both layers of every pair, and again compares
lists for every pair and permutation. What was not run but counted from a part is marked with ~.

Every part has a process of its own, which gives its peak of memory: what it adds to the two stacks.
On a shared machine seconds mean little; --cpu-time counts what all cores spent on it instead. With
a device, products are made there; memory is that of the host.
"""

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from probes.cka import Centred, cka_values
from probes.cka_null import AxesNull, KernelNull, Permuted
from probes.mutual_knn import MutualKnnNull, knn_graph, overlap
from probes.nulls import permutations

Layers = list[np.ndarray]
LAYERS = 12
SAMPLE = 20
"""Permutations that are run where more are counted."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """Two stacks to compare."""

    items: int
    dim: int
    permutations: int
    device: str = "cpu"
    is_cpu_time: bool = False
    """Seconds of all cores together, not of the clock on the wall."""

    def now(self) -> float:
        """Return seconds from any start."""
        return time.process_time() if self.is_cpu_time else time.perf_counter()


@dataclass(frozen=True, kw_only=True)
class Run:
    """One way to do one thing."""

    what: str
    seconds: float
    peak: int
    """Bytes beyond the stacks themselves."""

    counted: bool = False
    """Were the seconds counted from a part that was run?"""


CKA, GRAM = (
    Case(items=10_000, dim=768, permutations=199),
    Case(items=2000, dim=768, permutations=199),
)
KNN = tuple(Case(items=items, dim=768, permutations=999) for items in (1024, 10_000))
QUICK_CKA, QUICK_GRAM = (Case(items=items, dim=128, permutations=50) for items in (4500, 1000))
QUICK_KNN = (Case(items=1024, dim=128, permutations=99),)


def stack(case: Case, seed: int) -> Layers:
    """Draw layers that share most of what they hold, with axes of variance 1/j²."""
    rng = np.random.default_rng(seed)
    shape = (case.items, case.dim)
    scales = (1 / np.arange(1, case.dim + 1)).astype(np.float32)
    shared = rng.standard_normal(shape, dtype=np.float32)
    return [
        (shared + 0.7 * rng.standard_normal(shape, dtype=np.float32)) * scales
        for _ in range(LAYERS)
    ]


def measured(work: Callable[[Case, Layers, Layers], float], case: Case) -> tuple[float, int]:
    """Return the seconds that work reports and the bytes it added, in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (work, case))


def _measure(work: Callable[[Case, Layers, Layers], float], case: Case) -> tuple[float, int]:
    small = Case(items=100, dim=8, permutations=2, device=case.device)
    work(small, stack(small, 0), stack(small, 1))  # first calls start threads and load kernels
    xs, ys = stack(case, 0), stack(case, 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = work(case, xs, ys)
    return seconds, 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


def feature_cka(case: Case, xs: Layers, ys: Layers) -> float:
    """All values, ours."""
    start = case.now()
    cka_values(xs, ys, debiased=True, device=case.device)
    return case.now() - start


def _gram(x: np.ndarray, device: str) -> torch.Tensor:
    """Return the U-centred kernel of length 1, in single precision."""
    centred = Centred.of(x, device=device).x
    kernel = (centred @ centred.T).fill_diagonal_(0.0)
    n = len(kernel)
    rows = kernel.sum(dim=0) / (n - 2)
    kernel -= rows[:, None]
    kernel -= rows[None, :]
    kernel += rows.sum() / (n - 1)
    kernel.fill_diagonal_(0.0)
    return kernel / torch.linalg.vector_norm(kernel)


def kept_gram_cka(case: Case, xs: Layers, ys: Layers) -> float:
    """All values from kernels that are all kept."""
    start = case.now()
    left = torch.stack([_gram(x, case.device).flatten() for x in xs])
    right = torch.stack([_gram(y, case.device).flatten() for y in ys])
    _ = (left @ right.T).cpu()
    return case.now() - start


def pairwise_gram_cka(case: Case, xs: Layers, ys: Layers) -> float:
    """All values with both kernels made anew for every pair: one pair run, the others counted."""
    start = case.now()
    float((_gram(xs[0], case.device) * _gram(ys[0], case.device)).sum())
    return (case.now() - start) * LAYERS**2


def _permuted(null: Permuted, case: Case, run: int) -> float:
    start = case.now()
    for order in permutations(case.items, run, rng=np.random.default_rng(2)):
        null.values(order)
    return (case.now() - start) * case.permutations / run


def axes_null(case: Case, xs: Layers, ys: Layers) -> float:
    """All permutations on principal axes, their preparation included."""
    start = case.now()
    null = AxesNull.of(xs, ys, debiased=True, device=case.device)
    prepared = case.now() - start
    return prepared + _permuted(null, case, case.permutations)


def kernel_null(case: Case, xs: Layers, ys: Layers) -> float:
    """All permutations on kernels: a part run, the others counted."""
    start = case.now()
    null = KernelNull.of(xs, ys, debiased=True)
    prepared = case.now() - start
    return prepared + _permuted(null, case, min(SAMPLE, case.permutations))


def feature_null(case: Case, xs: Layers, ys: Layers) -> float:
    """All permutations in feature form on all channels: one run, the others counted."""
    order = np.random.default_rng(2).permutation(case.items)
    start = case.now()
    cka_values(xs[:1], [y[order] for y in ys], debiased=True, device=case.device)
    return (case.now() - start) * LAYERS * case.permutations


def our_knn(case: Case, xs: Layers, ys: Layers) -> float:
    """Search each layer once, all values, all permutations."""
    start = case.now()
    graphs = [[knn_graph(layer, device=case.device) for layer in side] for side in (xs, ys)]
    null = MutualKnnNull.of(*graphs)
    null.values(np.arange(case.items))
    _permuted(null, case, case.permutations)
    return case.now() - start


def search(case: Case, xs: Layers, ys: Layers) -> float:
    """Of that, the searches alone: one layer run, the others counted."""
    start = case.now()
    knn_graph(xs[0], device=case.device)
    return (case.now() - start) * (len(xs) + len(ys))


def pairwise_knn(case: Case, xs: Layers, ys: Layers) -> float:
    """Search both layers of every pair: one pair run, the others counted."""
    start = case.now()
    overlap(*(knn_graph(side[0], device=case.device) for side in (xs, ys))).mean()
    return (case.now() - start) * LAYERS**2


def pairwise_permutations(case: Case, xs: Layers, ys: Layers) -> float:
    """Compare lists for every pair and permutation: a part run, the others counted."""
    one, other = knn_graph(xs[0], device=case.device), knn_graph(ys[0], device=case.device)
    start = case.now()
    run = min(SAMPLE, case.permutations)
    for order in permutations(case.items, run, rng=np.random.default_rng(2)):
        back = np.argsort(order)
        overlap(one, back[other[order]]).mean()
    return (case.now() - start) / run * case.permutations * LAYERS**2


Part = tuple[str, Callable[[Case, Layers, Layers], float], bool]
CKA_PARTS: tuple[Part, ...] = (
    ("feature form (ours)", feature_cka, False),
    ("Gram form, kernels made for each pair", pairwise_gram_cka, True),
    ("{k} permutations on principal axes (ours)", axes_null, False),
    ("{k} permutations, all channels", feature_null, True),
)
GRAM_PARTS: tuple[Part, ...] = (
    ("feature form (ours)", feature_cka, False),
    ("Gram form, all kernels kept", kept_gram_cka, False),
    ("{k} permutations on principal axes (ours)", axes_null, False),
    ("{k} permutations on kernels", kernel_null, True),
)
KNN_PARTS: tuple[Part, ...] = (
    ("values and {k} permutations (ours)", our_knn, False),
    ("of these, the searches", search, True),
    ("values, both layers searched for each pair", pairwise_knn, True),
    ("{k} permutations, lists compared for each pair", pairwise_permutations, True),
)


def runs(case: Case, parts: Sequence[Part]) -> list[Run]:
    """Run every part of a table."""
    found = []
    for what, work, counted in parts:
        seconds, peak = measured(work, case)
        name = what.format(k=case.permutations)
        found.append(Run(what=name, seconds=seconds, peak=peak, counted=counted))
    return found


def table(title: str, case: Case, found: Sequence[Run]) -> str:
    """Return one table: seconds, times ours, and memory beyond the two stacks."""
    stacks = 2 * LAYERS * case.items * case.dim * 4
    lines = [
        f"{title}: {LAYERS} × {LAYERS} layers, {case.items:,} items of {case.dim} channels "
        f"({stacks / 2**20:,.0f} MiB), one items × items matrix is {case.items**2 / 2**18:,.0f} MiB"
    ]
    for run in found:
        mark = "~" if run.counted else " "
        lines.append(f"  {run.what:<48}{mark}{run.seconds:>9.2f} s {run.peak / 2**20:>8,.0f} MiB")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> list[Run]:
    """Print the tables and return what is in them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small stacks: under a minute")
    parser.add_argument("--device", default="cpu", help="where products are made")
    parser.add_argument("--cpu-time", action="store_true", help="for machines with other work")
    parser.add_argument("--only", choices=["cka", "knn"], help="one of the two")
    options = parser.parse_args(arguments)
    clock = "seconds of CPU" if options.cpu_time else "seconds"
    threads = torch.get_num_threads()
    print(f"{clock}, {threads} threads, {options.device}; ~ counted from a part", flush=True)
    plans: list[tuple[str, Case, tuple[Part, ...]]] = []
    if options.only != "knn":
        cka, gram = (QUICK_CKA, QUICK_GRAM) if options.quick else (CKA, GRAM)
        plans += [("debiased CKA", cka, CKA_PARTS), ("debiased CKA", gram, GRAM_PARTS)]
    if options.only != "cka":
        cases = QUICK_KNN if options.quick else KNN
        plans += [("mutual kNN, k = 10", case, KNN_PARTS) for case in cases]
    every = []
    for title, case, parts in plans:
        placed = Case(**{**vars(case), "device": options.device, "is_cpu_time": options.cpu_time})
        found = runs(placed, parts)
        print(table(title, placed, found), flush=True)
        every += found
    return every


if __name__ == "__main__":
    main()
