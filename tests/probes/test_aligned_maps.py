"""Aligned maps: points move with cause, and the maps stay as good as maps drawn alone."""

import itertools

import numpy as np
import pytest
from scipy.stats import ortho_group

from probes.aligned_maps import aligned_maps, lay_onto, spread
from probes.maps import pca_map, umap_map

RNG = np.random.default_rng


def drift(items=400, dim=32, classes=8, slices=4, end=0.4):
    """Return representations that turn from one clustered set into another, in part."""
    rng = RNG(0)
    labels = rng.integers(classes, size=items)

    def clustered():
        centres = rng.normal(size=(classes, dim))[labels]
        fine = 0.35 * rng.normal(size=(items, 8)) @ rng.normal(size=(8, dim))
        return centres + fine + 0.2 * rng.normal(size=(items, dim))

    first, other = clustered(), clustered()
    return {f"step_{i}": first + s * other for i, s in enumerate(np.linspace(0, end, slices))}


def mean_move(maps):
    """Return how far points move from map to map, in spreads."""
    pairs = itertools.pairwise(maps)
    return [np.linalg.norm(b - a, axis=1).mean() / spread(a) for a, b in pairs]


@pytest.mark.slow
def test_points_move_little_and_maps_stay_trustworthy():
    """Against maps drawn alone, each laid on the one before: far less movement, no less trust."""
    stack = drift()
    found = aligned_maps(stack, seed=1)
    alone = [umap_map(x, seed=1) for x in stack.values()]
    laid = [alone[0].coordinates]
    for one in alone[1:]:
        laid.append(lay_onto(one.coordinates, laid[-1]))
    moves, chance = [step.mean for step in found.steps], mean_move(laid)

    assert moves == pytest.approx(mean_move([one.coordinates for one in found.maps]))
    assert np.mean(moves) < np.mean(chance) / 5
    for aligned, single in zip(found.maps, alone, strict=True):
        assert aligned.trustworthiness.value > single.trustworthiness.value - 0.02
    np.testing.assert_array_equal(found.maps[0].coordinates, alone[0].coordinates)
    np.testing.assert_array_equal(
        aligned_maps(stack, seed=1).maps[-1].coordinates, found.maps[-1].coordinates
    )


@pytest.mark.slow
def test_a_whole_change_is_followed():
    """Trust does not suffer where most neighbours change: the map does not merely stay."""
    rng = RNG(0)
    labels, others = rng.permutation(np.arange(300) % 6), rng.permutation(np.arange(300) % 6)
    centres = 2 * rng.normal(size=(6, 16))
    stack = {
        "a": centres[labels] + 0.3 * rng.normal(size=(300, 16)),
        "b": centres[others] + 0.3 * rng.normal(size=(300, 16)),
    }
    found = aligned_maps(stack)
    alone = umap_map(stack["b"]).trustworthiness.value

    assert found.steps[0].changed > 0.7
    assert found.maps[1].settings["learning_rate"] == 0.25
    assert found.maps[1].trustworthiness.value > alone - 0.02


@pytest.mark.slow
@pytest.mark.parametrize("method", ["pca", "umap"])
def test_points_do_not_move_without_cause(method):
    """Not for equal inputs, nor for a rotation and another scale of them."""
    x = drift(120)["step_0"]
    turned = 3e-4 * x @ ortho_group.rvs(32, random_state=0)
    found = aligned_maps({"a": x, "b": x, "c": turned, "d": x}, method=method)

    for step in found.steps:
        assert step.changed == 0
        assert step.items.max() < 1e-9
    first = found.maps[0].trustworthiness.value
    assert found.maps[3].trustworthiness.value == pytest.approx(first, abs=1e-12)


@pytest.mark.slow
def test_maps_go_on_in_both_directions_from_the_start():
    stack = drift(100, slices=3)
    found = aligned_maps(stack, start="step_1")
    alone = umap_map(stack["step_1"])

    assert found.start == "step_1"
    np.testing.assert_array_equal(found.maps[1].coordinates, alone.coordinates)
    assert [one.settings["start"] for one in found.maps] == [
        "neighbouring map", "principal axes", "neighbouring map"
    ]  # fmt: skip
    assert [(step.before, step.after) for step in found.steps] == [
        ("step_0", "step_1"), ("step_1", "step_2")
    ]  # fmt: skip
    assert len(found.to_json()["steps"][0]["items"]) == 100


def test_principal_axes_are_laid_on_each_other():
    x = RNG(0).normal(size=(50, 6)) * [5, 4, 1, 1, 1, 1]
    flipped = x * [-1, 1, 1, 1, 1, 1] @ ortho_group.rvs(6, random_state=0)
    found = aligned_maps({"a": x, "b": flipped, "c": x[:, :4]}, method="pca")

    assert found.steps[0].mean < 1e-9
    assert found.steps[1].mean < 0.1
    np.testing.assert_array_equal(found.maps[0].coordinates, pca_map(x).coordinates)


def test_laying_a_map_on_another_undoes_what_a_map_may_do():
    fixed = RNG(0).normal(size=(40, 2)) * [3, 1]
    mirror = np.array([[-1.0, 0], [0, 1]]) @ ortho_group.rvs(2, random_state=0)

    np.testing.assert_allclose(lay_onto(0.01 * fixed @ mirror - 7.0, fixed), fixed, atol=1e-12)
    noisy = fixed + 0.3 * RNG(1).normal(size=(40, 2))
    best = np.sum((lay_onto(noisy, fixed) - fixed) ** 2)
    for angle in (-0.01, 0.01):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        assert np.sum((lay_onto(noisy, fixed) @ turn - fixed) ** 2) > best
    assert not np.allclose(lay_onto(noisy * [1, 5], fixed), lay_onto(noisy, fixed), atol=0.3)


def test_refusals():
    x = RNG(0).normal(size=(12, 3))
    with pytest.raises(ValueError, match=r"^no representation to draw$"):
        aligned_maps({})
    with pytest.raises(ValueError, match=r"^start='c' is none of the representations: a, b$"):
        aligned_maps({"a": x, "b": x}, start="c")
    with pytest.raises(ValueError, match=r"^12 items but 11 rows in b; all must be of the same"):
        aligned_maps({"a": x, "b": x[:11]})
    with pytest.raises(ValueError, match=r"^12 items but 5 points on the other map$"):
        lay_onto(x[:, :2], x[:5, :2])
    with pytest.raises(ValueError, match=r"^all points of a map coincide: it cannot be laid on"):
        lay_onto(np.ones((4, 2)), x[:4, :2])
