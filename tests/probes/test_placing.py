"""Placing new items: old items lie on themselves, and doubt is shown where there is some."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.decomposition import PCA

from probes.checks import unit_rows
from probes.maps import pca_map, umap_map
from probes.placing import place

RNG = np.random.default_rng


def clustered(items=90, seed=0):
    rng = RNG(seed)
    labels = np.arange(items) % 3
    return 4 * RNG(9).normal(size=(3, 10))[labels] + rng.normal(size=(items, 10)), labels


def by_hand(x, method="umap"):
    """Return a map with simple places, as if it were UMAP's: only the places matter."""
    return replace(pca_map(x), coordinates=RNG(3).normal(size=(len(x), 2)), method=method)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_old_item_lies_on_itself(dtype):
    x = clustered()[0].astype(dtype)
    made = by_hand(x)
    placed = place(made, x, 7 * x[:20])

    np.testing.assert_allclose(placed.coordinates, made.coordinates[:20], atol=1e-9)
    np.testing.assert_allclose(placed.cosine, 1, atol=1e-6)
    np.testing.assert_array_equal(placed.neighbours[:, 0], np.arange(20))
    assert placed.doubt.max() < 1e-9
    assert placed.how == "neighbours"


def test_the_place_is_the_weighted_mean():
    x = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [-1, -1, -1]])
    made = by_hand(x)
    new = np.array([[2.0, 1.0, 0.0]])
    weights = np.array([1 / (1 - 2 / np.sqrt(5)), 1 / (1 - 1 / np.sqrt(5))])
    weights /= weights.sum()
    placed = place(made, x, new, k=2)
    expected = weights @ made.coordinates[:2]
    apart = np.sum((made.coordinates[:2] - expected) ** 2, axis=1)

    np.testing.assert_allclose(placed.coordinates[0], expected)
    np.testing.assert_array_equal(placed.neighbours, [[0, 1]])
    size = np.sqrt(np.var(made.coordinates, axis=0).sum())
    assert placed.doubt[0] == pytest.approx(np.sqrt(weights @ apart) / size)


def test_nothing_else_counts():
    """Not the company of an item, not its length; and the map is not touched."""
    x, _ = clustered()
    new = clustered(30, seed=5)[0]
    made = by_hand(x)
    before = made.coordinates.copy()
    together = place(made, x, new)

    for i in (0, 17):
        alone = place(made, x, 3e3 * new[i : i + 1])
        np.testing.assert_allclose(alone.coordinates[0], together.coordinates[i])
    np.testing.assert_array_equal(made.coordinates, before)


def test_equal_old_items_share_the_place():
    x = np.array([[1.0, 0], [1, 0], [0, 1], [-1, 0], [0, -1]])
    made = by_hand(x)

    np.testing.assert_allclose(
        place(made, x, np.array([[5.0, 0]]), k=3).coordinates[0], made.coordinates[:2].mean(axis=0)
    )


def test_projection_equals_sklearn():
    x, _ = clustered()
    new = clustered(20, seed=4)[0]
    made = pca_map(x)
    placed = place(made, x, new)

    assert placed.how == "projection"
    expected = np.abs(PCA(2).fit(x).transform(new))
    np.testing.assert_allclose(np.abs(placed.coordinates), expected, atol=1e-9)
    np.testing.assert_allclose(place(made, x, x).coordinates, made.coordinates, atol=1e-9)
    assert place(made, x, new, how="neighbours").how == "neighbours"
    line = pca_map(x[:, :1])
    assert (place(line, x[:, :1], new[:, :1]).coordinates[:, 1] == 0).all()


@pytest.mark.slow
def test_new_items_land_in_their_cluster_on_a_umap():
    x, labels = clustered(150)
    new, truth = clustered(30, seed=8)
    made = umap_map(x)
    placed = place(made, x, new)
    centres = np.stack([made.coordinates[labels == c].mean(axis=0) for c in range(3)])
    found = np.linalg.norm(placed.coordinates[:, None] - centres, axis=2).argmin(axis=1)

    assert (found == truth).all()
    means = np.stack([unit_rows(x)[labels == c].mean(axis=0) for c in (0, 1)])
    between = place(made, x, unit_rows(means).sum(axis=0)[None], k=40)  # of two clusters
    assert between.doubt[0] > 3 * np.median(place(made, x, new, k=40).doubt)
    strange = place(made, x, RNG(0).normal(size=(1, 10)))
    assert strange.cosine[0] < placed.cosine.min()
    assert placed.to_json()["how"] == "neighbours"


def test_refusals():
    x, _ = clustered()
    made = pca_map(x)
    with pytest.raises(ValueError, match=r"^90 items but 80 places on the map$"):
        place(pca_map(x[:80]), x, x[:3])
    with pytest.raises(ValueError, match=r"^a umap map is no projection: place by neighbours$"):
        place(by_hand(x), x, x[:3], how="projection")
    with pytest.raises(ValueError, match=r"^the principal axes of these embeddings do not give"):
        place(made, x * np.arange(1, 11), x[:3])
    with pytest.raises(ValueError, match=r"^queries have 9 channels and the bank has 10"):
        place(made, x, x[:3, :9])
    with pytest.raises(ValueError, match=r"^new has NaN or infinite numbers in 1 of 3 rows"):
        place(made, x, np.array([[np.nan] * 10, [1.0] * 10, [1.0] * 10]))
