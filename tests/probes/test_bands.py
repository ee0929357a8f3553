"""Bands hold for all layers at once; the best of equal layers flatters."""

import numpy as np
import pytest

from probes.bands import layer_bands
from probes.intervals import wilson


def equal_layers(rng, items, *, layers=12, share=0.7, groups=1):
    """Return right or wrong at layers of one accuracy that find the same items hard."""
    units = items // groups
    hard = np.repeat(rng.normal(size=(1, units)), groups, axis=1)
    own = np.repeat(rng.normal(size=(layers, units)), groups, axis=1)
    latent = 0.8 * hard + 0.6 * own
    cut = {0.7: 0.5244005127080407, 0.5: 0.0}[share]
    return {f"block_{layer:02d}": row < cut for layer, row in enumerate(latent)}


@pytest.mark.slow
def test_bands_cover_all_of_twelve_equal_layers_while_the_naive_maximum_is_biased():
    rng = np.random.default_rng(0)
    together, best, each = 0, [], 0
    for _ in range(500):
        scores = equal_layers(rng, 200)
        bands = layer_bands(scores, rng=rng, draws=1000)
        together += max(bands.low) <= 0.7 <= min(bands.high)
        best.append(max(bands.values))
        ends = np.array([wilson(int(row.sum()), 200) for row in scores.values()])
        each += ends[:, 0].max() <= 0.7 <= ends[:, 1].min()

    assert together / 500 >= 0.93
    assert together / 500 <= 0.99
    assert each / 500 < 0.85  # twelve intervals of 95 % on their own
    assert np.mean(best) > 0.7 + 0.02  # of layers that all have 0.7
    assert np.mean(best) - 0.7 > 10 * np.std(best) / np.sqrt(500)


@pytest.mark.slow
def test_bands_cover_when_items_come_in_groups():
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(100), 5)
    hits, naive = 0, 0
    for _ in range(120):
        scores = equal_layers(rng, 500, groups=5)
        clustered = layer_bands(scores, rng=rng, groups=groups, draws=1000)
        single = layer_bands(scores, rng=rng, draws=1000)
        hits += max(clustered.low) <= 0.7 <= min(clustered.high)
        naive += max(single.low) <= 0.7 <= min(single.high)

    assert hits / 120 >= 0.9
    assert naive / 120 < 0.6


def test_one_layer_has_the_band_of_a_mean():
    x = np.random.default_rng(0).random(400)
    bands = layer_bands({"a": x}, rng=np.random.default_rng(1))

    assert bands.critical == pytest.approx(1.96, abs=0.05)
    half = 1.96 * x.std(ddof=1) / 20
    assert bands.low[0] == pytest.approx(x.mean() - half, abs=0.002)
    assert bands.high[0] == pytest.approx(x.mean() + half, abs=0.002)


def test_copies_of_a_layer_cost_nothing_and_unlike_layers_do():
    """All layers are drawn by one stream: equal layers deviate together."""
    rng = np.random.default_rng(0)
    x = rng.random((12, 300))
    alone = layer_bands({"a": x[0]}, rng=np.random.default_rng(1))
    copies = layer_bands({str(i): x[0] for i in range(12)}, rng=np.random.default_rng(1))
    unlike = layer_bands({str(i): row for i, row in enumerate(x)}, rng=np.random.default_rng(1))

    assert copies.critical == pytest.approx(alone.critical, rel=1e-9)
    assert copies.low == pytest.approx(alone.low * 12, rel=1e-9)
    # Šidák: 12 independent layers need 2.86 standard errors
    assert unlike.critical == pytest.approx(2.86, abs=0.08)


def test_differences_to_a_layer_are_tighter_than_layers():
    rng = np.random.default_rng(3)
    scores = equal_layers(rng, 300, layers=4)
    first = scores["block_00"].astype(float)
    differences = {tap: row - first for tap, row in scores.items()}
    bands = layer_bands(differences, rng=rng, bounds=(-1.0, 1.0), draws=2000)

    assert bands.constant == ("block_00",)
    assert bands.values[0] == 0.0
    assert all(low < 0 < high for low, high in zip(bands.low, bands.high, strict=True))


def test_a_layer_that_is_always_right_still_has_a_band():
    rng = np.random.default_rng(0)
    bands = layer_bands({"all": np.ones(50), "some": rng.random(50) < 0.6}, rng=rng)

    assert bands.constant == ("all",)
    assert (bands.low[0], bands.high[0]) == wilson(50, 50, confidence=0.975)
    assert bands.low[1] < bands.values[1] < bands.high[1]
    alone = layer_bands({"all": np.ones(50)}, rng=rng)
    assert alone.critical is None
    assert alone.to_json()["low"] == [wilson(50, 50)[0]]


def test_refusals():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"^no layer to put a band around$"):
        layer_bands({}, rng=rng)
    with pytest.raises(
        ValueError,
        match=r"^all layers must be scored on the same items, but a has 3, b has 4$",
    ):
        layer_bands({"a": np.ones(3), "b": np.ones(4)}, rng=rng)
    with pytest.raises(
        ValueError, match=r"^the score -1.0 of item 1 at a lies outside 0.0 to 1.0; say between"
    ):
        layer_bands({"a": np.array([0.0, -1.0])}, rng=rng)
    with pytest.raises(ValueError, match=r"^a bootstrap needs at least 2 units, got 1$"):
        layer_bands({"a": np.zeros(3)}, rng=rng, groups=np.zeros(3))
    with pytest.raises(ValueError, match=r"^3 items but 2 groups$"):
        layer_bands({"a": np.zeros(3)}, rng=rng, groups=np.zeros(2))
