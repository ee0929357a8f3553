"""Ensembles of maps: what does not move, what must not count, and the size of what does."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ortho_group

from probes.ensembles import laid_together, map_ensemble
from probes.maps import pca_map, umap_map

RNG = np.random.default_rng


def test_a_map_without_chance_does_not_wander():
    found = map_ensemble(RNG(0).normal(size=(30, 4)), draw=pca_map, seeds=(0, 7, 9))

    assert found.sd < 1e-12
    assert found.item_sd.shape == (30,)
    assert found.seeds == (0, 7, 9)
    assert found.to_json()["trustworthiness"][2]["n"] == 30


def test_turning_mirroring_and_scaling_are_no_chance():
    def turned(x, *, seed=0, trust_k=15):
        made = pca_map(x, trust_k=trust_k)
        mirror = np.diag([1.0, (-1.0) ** seed]) @ ortho_group.rvs(2, random_state=seed)
        return replace(made, coordinates=(seed + 1.0) * made.coordinates @ mirror + seed)

    assert map_ensemble(RNG(0).normal(size=(30, 4)), draw=turned).sd < 1e-12


def test_the_deviation_is_that_of_the_places():
    """Noise of 0.05 on both axes of every point but one, which gets ten times as much."""
    base = RNG(0).normal(size=(400, 2))
    base /= np.sqrt(np.mean(np.sum((base - base.mean(axis=0)) ** 2, axis=1)))
    size = np.full((400, 1), 0.05)
    size[7] = 0.5

    def noisy(x, *, seed=0, trust_k=15):
        made = pca_map(x, trust_k=trust_k)
        return replace(made, coordinates=base + size * RNG(seed).normal(size=base.shape))

    found = map_ensemble(base, draw=noisy, seeds=tuple(range(20)))

    assert np.median(found.item_sd) == pytest.approx(0.05 * np.sqrt(2), rel=0.1)
    assert found.item_sd.argmax() == 7
    assert found.item_sd[7] == pytest.approx(0.5 * np.sqrt(2), rel=0.3)
    assert found.sd == pytest.approx(np.sqrt(np.mean(found.item_sd**2)))


def test_the_middle_map_is_the_one_nearest_to_the_mean():
    base = RNG(0).normal(size=(50, 2))

    def outlying(x, *, seed=0, trust_k=15):
        made = pca_map(x, trust_k=trust_k)
        return replace(made, coordinates=base + seed * 0.1 * RNG(seed).normal(size=base.shape))

    assert map_ensemble(base, draw=outlying, seeds=(5, 1, 4)).middle == 1


def test_maps_lie_as_near_to_each_other_as_turning_allows():
    maps = [RNG(s).normal(size=(20, 2)) for s in range(3)]
    laid = laid_together(maps)
    best = np.sum((laid - laid.mean(axis=0)) ** 2)

    np.testing.assert_allclose(np.sum(laid**2, axis=(1, 2)), 20)
    for angle in (-0.05, 0.05):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        other = np.stack([laid[0] @ turn, laid[1], laid[2]])
        assert np.sum((other - other.mean(axis=0)) ** 2) > best


@pytest.mark.slow
def test_umap_wanders_more_where_there_is_nothing_to_hold_it():
    """A sheet has a place for every item; in a cloud of twenty dimensions there are too many."""
    rng = RNG(0)
    sheet = np.hstack([rng.uniform(-1, 1, size=(200, 2)) * [1, 0.5], np.ones((200, 1))])
    firm = map_ensemble(sheet, draw=umap_map, seeds=(0, 1, 2))
    loose = map_ensemble(rng.normal(size=(200, 20)), draw=umap_map, seeds=(0, 1, 2))

    assert 0 < firm.sd < loose.sd / 2
    assert firm.middle in (0, 1, 2)


def test_refusals():
    x = RNG(0).normal(size=(10, 3))
    with pytest.raises(ValueError, match=r"^an ensemble needs at least 2 different seeds, got"):
        map_ensemble(x, draw=pca_map, seeds=(1,))
    with pytest.raises(ValueError, match=r"got \(1, 2, 1\)$"):
        map_ensemble(x, draw=pca_map, seeds=(1, 2, 1))
    with pytest.raises(ValueError, match=r"^all points of a map coincide: it cannot be laid on"):
        laid_together([x[:, :2], np.ones((10, 2))])
