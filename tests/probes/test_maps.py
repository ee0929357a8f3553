"""Maps: determinism, small sets, and what they do to neighbours."""

import inspect
from functools import partial

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from probes import principal, trust
from probes.checks import unit_rows
from probes.maps import METHODS, pca_map, tsne_map, umap_map, warm_up_umap


def blobs(items=90, classes=3, dim=10, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(items) % classes
    return 4 * rng.normal(size=(classes, dim))[labels] + rng.normal(size=(items, dim)), labels


def test_the_pca_map_equals_sklearn_up_to_sign():
    x = np.random.default_rng(0).normal(size=(60, 5)) * [5, 3, 1, 1, 1]
    peer = PCA(2).fit(x)
    found = pca_map(x)

    np.testing.assert_allclose(np.abs(found.coordinates), np.abs(peer.transform(x)), atol=1e-9)
    assert found.settings["variance_1"] == pytest.approx(peer.explained_variance_ratio_[0])
    np.testing.assert_allclose(pca_map(x + 7.0).coordinates, found.coordinates, atol=1e-9)


def test_the_pca_map_of_one_channel_and_of_more_channels_than_items():
    rng = np.random.default_rng(0)
    line = rng.normal(size=(8, 1))
    wide = rng.normal(size=(6, 50))

    np.testing.assert_allclose(pca_map(line).coordinates[:, 0], (line - line.mean())[:, 0])
    assert (pca_map(line).coordinates[:, 1] == 0).all()
    found = np.abs(pca_map(wide).coordinates)
    np.testing.assert_allclose(found, np.abs(PCA(2).fit_transform(wide)), atol=1e-9)


@pytest.mark.slow  # the first call compiles
def test_umap_separates_what_is_apart_and_repeats_itself():
    x, labels = blobs()
    warm_up_umap()
    found = umap_map(x, seed=3)
    centres = np.stack([found.coordinates[labels == c].mean(axis=0) for c in range(3)])
    nearest = np.linalg.norm(found.coordinates[:, None] - centres, axis=2).argmin(axis=1)

    assert (nearest == labels).all()
    assert found.trustworthiness.value > 0.8
    np.testing.assert_array_equal(umap_map(x, seed=3).coordinates, found.coordinates)
    assert not np.array_equal(umap_map(x, seed=4).coordinates, found.coordinates)
    assert found.to_json()["settings"]["seed"] == 3


@pytest.mark.slow
@pytest.mark.parametrize("items", [3, 4, 5, 16, 31])
def test_umap_of_few_items(items):
    found = umap_map(np.random.default_rng(0).normal(size=(items, 6)).astype(np.float32))

    assert found.coordinates.shape == (items, 2)
    assert np.isfinite(found.coordinates).all()
    assert found.settings["n_neighbors"] == min(15, items - 1)
    assert found.settings["trust_k"] == min(15, (items - 1) // 2)


@pytest.mark.slow
def test_umap_only_sees_directions():
    x, _ = blobs(40)
    lengths = np.random.default_rng(0).choice([0.5, 2.0, 4.0], size=(40, 1))  # exact in binary

    np.testing.assert_array_equal(umap_map(x * lengths).coordinates, umap_map(x).coordinates)


@pytest.mark.slow
def test_tsne_separates_what_is_apart_and_repeats_itself():
    x, labels = blobs()
    found = tsne_map(x, seed=3)
    centres = np.stack([found.coordinates[labels == c].mean(axis=0) for c in range(3)])
    nearest = np.linalg.norm(found.coordinates[:, None] - centres, axis=2).argmin(axis=1)

    assert (nearest == labels).all()
    assert found.trustworthiness.value > 0.8
    np.testing.assert_array_equal(tsne_map(x, seed=3).coordinates, found.coordinates)
    assert not np.allclose(tsne_map(x, seed=4).coordinates, found.coordinates)


@pytest.mark.slow
def test_tsne_of_precomputed_neighbours_is_what_sklearn_finds_itself():
    """The same start on unit vectors, its own search: the same divergence at the end."""
    x, _ = blobs(120)
    found = tsne_map(x, seed=0, perplexity=10.0)
    directions = unit_rows(x)
    start = pca_map(directions).coordinates
    start = start / start[:, 0].std() + 0.01 * np.random.default_rng(0).normal(size=start.shape)
    with threadpool_limits(1):  # its threads would wait for each other most of the time
        peer = TSNE(perplexity=10.0, init=(1e-4 * start).astype(np.float32)).fit(directions)

    assert found.settings["divergence"] == pytest.approx(peer.kl_divergence_, rel=0.02)
    assert found.settings["perplexity"] == 10.0
    ours, theirs = (pdist(places) for places in (found.coordinates, peer.embedding_))
    assert np.corrcoef(ours, theirs)[0, 1] > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("items", [3, 5, 31])
def test_tsne_of_few_and_of_equal_items(items):
    x = np.random.default_rng(0).normal(size=(items, 6))
    found = tsne_map(np.vstack([x, x[:2]]).astype(np.float32))

    assert np.isfinite(found.coordinates).all()
    assert found.settings["perplexity"] == pytest.approx(max(1.0, (items + 1) / 3))


def test_all_maps_are_called_alike_and_say_how_they_were_made():
    x, _ = blobs(12)
    common = {"seed": 5, "trust_k": 4}

    assert list(METHODS) == ["pca", "tsne", "umap"]
    for draw in METHODS.values():
        assert set(common) <= set(inspect.signature(draw).parameters)
    found = pca_map(x, **common)
    assert found.method == "pca"
    assert found.settings["trust_k"] == 4
    np.testing.assert_array_equal(found.coordinates, pca_map(x).coordinates)


def test_principal_axes_are_the_same_however_many_items_are_taken_at_once(monkeypatch):
    x = blobs(100)[0].astype(np.float32) + 50
    whole, shares = principal.principal(x)
    monkeypatch.setattr(principal, "ROWS", 7)
    parts, same = principal.principal(x)

    np.testing.assert_allclose(parts, whole, atol=1e-10)
    np.testing.assert_allclose(same, shares, rtol=1e-12)
    assert whole.dtype == np.float64
    np.testing.assert_allclose(whole, principal.principal(x.astype(np.float64))[0], atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_every_map_carries_its_settings(name):
    found = METHODS[name](blobs(30)[0], seed=2, trust_k=6)

    assert found.method == name
    assert found.coordinates.shape == (30, 2)
    assert {"metric", "trust_k"} <= set(found.settings)
    assert found.settings.get("seed", 2) == 2
    assert len(found.to_json()["item_trust"]) == 30


def test_of_many_items_some_are_judged_by_lot(monkeypatch):
    x, _ = blobs(200)
    whole = pca_map(x)
    monkeypatch.setattr(trust, "FEWEST_JUDGED", 50)
    # the number of pairs is a default of the function, so it is taken where it is used
    monkeypatch.setattr("probes.maps.drawn_by_lot", partial(trust.drawn_by_lot, pairs=200 * 60))
    some, again, other = pca_map(x), pca_map(x), pca_map(x, seed=1)
    judged = np.isfinite(some.item_trust)

    assert judged.sum() == some.trustworthiness.n == 60
    np.testing.assert_array_equal(some.item_trust[judged], whole.item_trust[judged])
    np.testing.assert_array_equal(some.item_trust, again.item_trust)
    assert (np.isfinite(other.item_trust) != judged).any()
    np.testing.assert_array_equal(some.coordinates, other.coordinates)
    listed = some.to_json()["item_trust"]
    assert [value is not None for value in listed] == judged.tolist()
    assert some.about().keys() == {"method", "settings", "trustworthiness"}


def test_a_perplexity_below_one_is_refused():
    with pytest.raises(ValueError, match=r"^perplexity=0\.5: at least 1 neighbour has to hold"):
        tsne_map(blobs()[0], perplexity=0.5)


@pytest.mark.parametrize("method", METHODS.values())
def test_maps_that_cannot_be_drawn(method):
    with pytest.raises(ValueError, match=r"^a map needs at least 3 items, got 2$"):
        method(np.eye(2))
    with pytest.raises(ValueError, match=r"^all 4 items have the same embedding: there is nothing"):
        method(np.full((4, 3), 0.1))
