"""Maps: ours against umap-learn's defaults, and aligned maps against maps drawn alone.

    OMP_NUM_THREADS=2 python benchmarks/maps.py            # 10,000 points: several minutes
    OMP_NUM_THREADS=2 python benchmarks/maps.py --quick    # 4,500 points, once
    OMP_NUM_THREADS=2 python benchmarks/maps.py --aligned  # slices, beside umap.AlignedUMAP

All run in turns in one process, after a first round on few points that is not counted: both
compile on their first call, which takes from ten seconds to a minute. The times are of the layout
with its search for neighbours; the trustworthiness is measured afterwards, the same way for all.
Fewer than 4,096 points would be no comparison: there umap-learn searches exactly, too.
"""

import argparse
import itertools
import statistics
import time
import warnings
from collections.abc import Callable, Mapping
from types import ModuleType

import numpy as np

from probes.aligned_maps import aligned_maps, lay_onto, spread
from probes.checks import unit_rows
from probes.maps import MIN_DIST, NEIGHBOURS, umap_places
from probes.trust import trustworthiness

K = 15
WARM_UP = 4500  # points: the paths of the large problem are compiled


def clustered(items: int, dim: int, *, clusters: int = 20, seed: int = 0) -> np.ndarray:
    """Draw items of unequal clusters, each a curved sheet of five dimensions with fine noise."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(clusters, size=items, p=rng.dirichlet(np.full(clusters, 5.0)))
    sheet = rng.normal(size=(items, 5))
    curved = np.hstack([sheet, 0.5 * sheet**2])
    centres = rng.normal(size=(clusters, dim))[labels]
    fine = 0.1 * rng.normal(size=(items, dim))
    return (centres + 0.3 * curved @ rng.normal(size=(10, dim)) + fine).astype(np.float32)


def import_umap() -> ModuleType:
    """Import umap-learn without its word about Tensorflow."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import umap
    return umap


def ours(x: np.ndarray, seed: int) -> np.ndarray:
    """Lay out from exact neighbours and principal axes."""
    return umap_places(x, seed=seed, n_neighbors=NEIGHBOURS, min_dist=MIN_DIST)[0]


def umap_learn(x: np.ndarray, seed: int) -> np.ndarray:
    """Lay out as umap-learn does by default, but for the metric; on all cores, unrepeatable."""
    return np.asarray(import_umap().UMAP(metric="cosine").fit_transform(x), dtype=np.float64)


def umap_learn_seeded(x: np.ndarray, seed: int) -> np.ndarray:
    """The same with a seed, which makes it repeatable as ours is, and slower."""
    model = import_umap().UMAP(metric="cosine", random_state=seed, n_jobs=1)
    return np.asarray(model.fit_transform(x), dtype=np.float64)


MAKERS: Mapping[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "ours": ours,
    "umap-learn": umap_learn,
    "umap-learn, seeded": umap_learn_seeded,
}


def compare(items: int, dim: int, *, repeats: int) -> dict[str, tuple[float, float]]:
    """Return the median seconds and the mean trustworthiness of every maker, run in turns."""
    for make in MAKERS.values():
        make(clustered(WARM_UP, 8), 0)
    seconds: dict[str, list[float]] = {name: [] for name in MAKERS}
    trust: dict[str, list[float]] = {name: [] for name in MAKERS}
    for seed in range(repeats):
        x = clustered(items, dim, seed=seed)
        directions = unit_rows(x)
        for name, make in MAKERS.items():
            start = time.perf_counter()
            places = make(x, seed)
            seconds[name].append(time.perf_counter() - start)
            trust[name].append(float(trustworthiness(directions, places, K)[0].value or 0))
            print(f"  {name}: {seconds[name][-1]:.1f} s, {trust[name][-1]:.4f}", flush=True)
    return {
        name: (statistics.median(seconds[name]), statistics.mean(trust[name])) for name in MAKERS
    }


def slices(items: int, dim: int, count: int) -> dict[str, np.ndarray]:
    """Draw representations that turn step by step from one clustered set into a mixture of two."""
    first, other = clustered(items, dim), clustered(items, dim, seed=1)
    return {f"slice {i}": first + s * other for i, s in enumerate(np.linspace(0, 0.6, count))}


def compare_aligned(items: int, dim: int, count: int) -> dict[str, tuple[float, float, float]]:
    """Return seconds, mean displacement in spreads and worst loss of trust of every way.

    The loss is against the maps drawn alone, which are laid on each other before points are
    followed.
    """
    stack = slices(items, dim, count)
    umap = import_umap()
    same = [{i: i for i in range(items)}] * (count - 1)

    def alone() -> list[np.ndarray]:
        drawn = [ours(x, 0) for x in stack.values()]
        laid = [drawn[0]]
        for places in drawn[1:]:
            laid.append(lay_onto(places, laid[-1]))
        return laid

    def together() -> list[np.ndarray]:
        return [one.coordinates for one in aligned_maps(stack).maps]

    def peer() -> list[np.ndarray]:
        model = umap.AlignedUMAP(metric="cosine", random_state=0)
        drawn = model.fit_transform(list(stack.values()), relations=same)
        return [np.asarray(places, dtype=np.float64) for places in drawn]

    found: dict[str, tuple[float, float, float]] = {}
    base: list[float] = []
    for name, make in (("alone", alone), ("aligned", together), ("umap.AlignedUMAP", peer)):
        make() if name != "umap.AlignedUMAP" else None  # its compiling cannot be told apart
        start = time.perf_counter()
        maps = make()
        taken = time.perf_counter() - start
        trust = [
            float(trustworthiness(unit_rows(x), places, K)[0].value or 0)
            for x, places in zip(stack.values(), maps, strict=True)
        ]
        base = base or trust
        moved = [
            float(np.linalg.norm(b - a, axis=1).mean()) / spread(a)
            for a, b in itertools.pairwise(maps)
        ]
        loss = max(b - t for b, t in zip(base, trust, strict=True))
        found[name] = (taken, statistics.mean(moved), loss)
    return found


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer points, once")
    parser.add_argument("--aligned", action="store_true", help="slices instead of single maps")
    parser.add_argument("--repeats", type=int, default=2)
    chosen = parser.parse_args()
    warnings.filterwarnings("ignore")  # umap-learn's words about seeds and threads
    if chosen.aligned:
        items, count = (300, 3) if chosen.quick else (1000, 6)
        print(f"{count} slices of {items} points, 48 dims; displacement in spreads of the map")
        print(f"{'':<20} {'seconds':>8} {'displacement':>13} {'loss of trust':>14}")
        for name, row in compare_aligned(items, 48, count).items():
            print(f"{name:<20} {row[0]:>8.1f} {row[1]:>13.3f} {row[2]:>14.4f}")
        return
    items, repeats = (4500, 1) if chosen.quick else (10_000, chosen.repeats)
    print(f"{items} points, 192 dims, k = {K}; median of {repeats}, after warming up")
    rows = compare(items, 192, repeats=repeats)
    print(f"{'':<20} {'seconds':>8} {'ratio':>6} {'trustworthiness':>16}")
    for name, (seconds, trust) in rows.items():
        print(f"{name:<20} {seconds:>8.1f} {seconds / rows['ours'][0]:>6.1f} {trust:>16.4f}")


if __name__ == "__main__":
    main()
