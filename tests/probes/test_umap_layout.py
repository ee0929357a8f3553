"""UMAP: its parts and its maps against umap-learn's, its forces against their formulas."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_digits

from probes.checks import unit_rows
from probes.maps import umap_places
from probes.trust import fidelity
from probes.umap_layout import (
    REACH,
    Neighbourhood,
    cosine_graph,
    curve,
    default_epochs,
    forces,
    lay_out,
    learning_rate,
    membership,
)

RNG = np.random.default_rng


def umap_learn():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
        import umap
        from umap import umap_
    return umap, umap_


def test_the_neighbour_lists_are_what_umap_expects():
    """The item itself at distance 0, then cosine distances in increasing order."""
    x = unit_rows(np.random.default_rng(0).normal(size=(40, 4)))
    ids, distances = cosine_graph(x, 6)
    full = 1 - x @ x.T
    np.fill_diagonal(full, -1)

    np.testing.assert_array_equal(ids, np.argsort(full, axis=1)[:, :6])
    np.testing.assert_allclose(distances[:, 0], 0)
    np.testing.assert_allclose(
        distances[:, 1:], np.take_along_axis(full, ids[:, 1:], axis=1), atol=1e-6
    )


def test_the_learning_rate_follows_the_change():
    assert learning_rate(0.0) == 0.0
    assert learning_rate(0.25) == 0.125
    assert learning_rate(0.5) == learning_rate(1.0) == 0.25


def test_changed_neighbours_are_counted():
    near = Neighbourhood.of(RNG(0).normal(size=(30, 3)), 5)
    ids = near.ids.copy()
    ids[0, 1:3] = [k for k in range(1, 30) if k not in ids[0]][:2]
    other = Neighbourhood(near.directions, ids, near.distances)

    assert near.changed(near) == 0
    assert near.changed(other) == pytest.approx(2 / (30 * 4))
    mixed = Neighbourhood(near.directions, near.ids[:, [0, 4, 3, 2, 1]], near.distances)
    assert near.changed(mixed) == 0


@pytest.mark.slow
@pytest.mark.parametrize("case", ["plain", "equal items", "two neighbours"])
def test_membership_is_that_of_umap_learn(case):
    _, parts = umap_learn()
    x = RNG(0).normal(size=(80, 6)) + 0.5
    if case == "equal items":
        x[40:60] = x[0]
    near = Neighbourhood.of(x, 2 if case == "two neighbours" else 12)
    peer = parts.fuzzy_simplicial_set(
        near.directions,
        near.ids.shape[1],
        np.random.RandomState(0),
        "cosine",
        knn_indices=near.ids,
        knn_dists=near.distances,
    )[0]

    np.testing.assert_allclose(membership(near).toarray(), peer.toarray(), atol=2e-5)


def test_membership_is_symmetric_and_sure_of_the_nearest():
    near = Neighbourhood.of(RNG(0).normal(size=(50, 4)), 8)
    found = membership(near).toarray()

    np.testing.assert_allclose(found, found.T)
    np.testing.assert_allclose(found[np.arange(50), near.ids[:, 1]], 1)
    assert found.max() <= 1 + 1e-12
    assert (found.diagonal() == 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("min_dist", [0.0, 0.1, 0.5])
def test_the_curve_is_that_of_umap_learn(min_dist):
    _, parts = umap_learn()

    np.testing.assert_allclose(curve(min_dist), parts.find_ab_params(1.0, min_dist), rtol=1e-4)


def test_forces_are_the_slopes_of_the_loss():
    """Pull: d/dd of −log q over d; push: of −log(1 − q); q = 1 / (1 + a d^2b)."""
    a, b = curve(0.1)
    pulls, pushes = (table.astype(np.float64) for table in forces(0.1))
    distances = np.arange(len(pulls)) / (len(pulls) - 1) * REACH
    some = np.flatnonzero((distances > 0.5) & (distances < 8))
    d, h = distances[some], 1e-5

    def slope(loss):
        return (loss(d + h) - loss(d - h)) / (2 * h)

    def q(at):
        return 1 / (1 + a * at ** (2 * b))

    np.testing.assert_allclose(pulls[some], slope(lambda at: -np.log(q(at))) / d, rtol=1e-3)
    # umap adds 0.001 to the square in the denominator
    softened = d**2 / (0.001 + d**2)
    np.testing.assert_allclose(
        pushes[some], -slope(lambda at: -np.log(1 - q(at))) / d * softened, rtol=1e-3
    )


@pytest.mark.slow  # compiles
def test_one_sweep_does_what_the_formula_says():
    from probes.umap_kernel import sweep

    pulls, pushes = forces(0.1)
    scale = np.float32((len(pulls) - 1) / REACH)
    places = np.array([[0.0, 0.0], [3.0, 4.0], [50.0, 50.0]], dtype=np.float32)
    start = places.copy()
    arrays = (
        np.array([0, 1, 1, 1]), np.array([1]), np.array([0.5], dtype=np.float32),
        np.zeros(1, dtype=np.float32), np.ones(3, dtype=np.uint64),
    )  # fmt: skip
    sweep(places, *arrays, pulls, pushes, scale, np.float32(0.1), 0)
    np.testing.assert_array_equal(places, start)  # half a turn only
    sweep(places, *arrays, pulls, pushes, scale, np.float32(0.1), 0)
    a, b = curve(0.1)
    force = 2 * a * b * 25 ** (b - 1) / (1 + a * 25**b)

    np.testing.assert_allclose(places[0], 0.1 * force * np.array([3, 4]), rtol=1e-4)
    np.testing.assert_allclose(places[0] + places[1], [3, 4], rtol=1e-6)  # both move alike
    np.testing.assert_array_equal(places[2], start[2])


@pytest.mark.slow
def test_the_strangers_are_drawn_evenly():
    """One item pulls at itself, which moves nothing, and is pushed by the others in turn."""
    from probes.umap_kernel import sweep

    pulls, pushes = forces(0.1)
    angles = np.arange(8) / 8 * 2 * np.pi
    ring = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    places = np.vstack([[0.0, 0.0], ring]).astype(np.float32)
    states = RNG(0).integers(1, 2**63, size=9, dtype=np.uint64)
    sweep(
        places, np.array([0, 1] + [1] * 8), np.array([0]), np.ones(1, dtype=np.float32),
        np.zeros(1, dtype=np.float32), states, pulls, pushes,
        np.float32((len(pulls) - 1) / REACH), np.float32(1e-3), 90_000,
    )  # fmt: skip
    push = float(np.interp(2, np.linspace(0, REACH, len(pushes)), pushes)) * 2
    drawn_from_one = 1e-3 * 10_000 * push

    assert np.linalg.norm(places[0]) < 0.05 * drawn_from_one
    np.testing.assert_array_equal(places[1:], ring.astype(np.float32))
    alone = places[:2].copy()  # one stranger, drawn half of the time, and always on one side
    alone[0] = 0
    sweep(
        alone, np.array([0, 1, 1]), np.array([0]), np.ones(1, dtype=np.float32),
        np.zeros(1, dtype=np.float32), states, pulls, pushes,
        np.float32((len(pulls) - 1) / REACH), np.float32(1e-4), 1000,
    )  # fmt: skip
    assert alone[0] == pytest.approx([-1e-4 * 500 * push, 0], rel=0.1, abs=1e-6)


@pytest.mark.slow
def test_without_a_rate_nothing_moves_and_a_seed_decides_the_rest():
    near = Neighbourhood.of(RNG(0).normal(size=(60, 5)), 10)
    start = RNG(1).normal(size=(60, 2)).astype(np.float32).astype(np.float64)
    options = {"min_dist": 0.1, "epochs": 20}
    moved = lay_out(start, near, rate=0.5, seed=3, **options)

    np.testing.assert_array_equal(lay_out(start, near, rate=0.0, seed=3, **options), start)
    np.testing.assert_array_equal(lay_out(start, near, rate=0.5, seed=3, **options), moved)
    assert not np.array_equal(lay_out(start, near, rate=0.5, seed=4, **options), moved)


@pytest.mark.slow
def test_maps_are_as_faithful_as_those_of_umap_learn():
    """Means over three seeds on 900 handwritten digits, for three sizes of neighbourhood."""
    umap, _ = umap_learn()
    x = load_digits().data[::2]
    directions = unit_rows(x)
    found = {"ours": [], "theirs": []}
    for seed in range(3):
        ours, _ = umap_places(x, seed=seed, n_neighbors=15, min_dist=0.1)
        theirs = umap.UMAP(metric="cosine", random_state=seed, n_jobs=1).fit_transform(x)
        for name, places in (("ours", ours), ("theirs", theirs.astype(np.float64))):
            made = fidelity(directions, places)
            found[name].append([s.value for s in (*made.trustworthiness, *made.continuity)])
    ours, theirs = (np.mean(values, axis=0) for values in found.values())

    assert (ours > theirs - 0.01).all()
    assert theirs[0] > 0.95  # the peer is one


def test_few_items_get_more_epochs():
    assert default_epochs(2000) == 500
    assert default_epochs(2001) == 200
