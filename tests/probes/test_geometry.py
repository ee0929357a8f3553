"""Geometry of layers: the same numbers as the measures alone, and rows that say what is missing."""

import json

import numpy as np
import pytest

from probes.dimension import two_nn
from probes.geometry import layer_geometry
from probes.spectrum import spectrum

RNG = np.random.default_rng


def test_a_table_tells_a_flat_layer_from_a_full_one():
    plane = RNG(0).uniform(size=(200, 2)) @ RNG(1).normal(size=(2, 30)) + 0.2
    full = RNG(2).normal(size=(200, 30))
    table = layer_geometry({"block_00.resid": plane, "block_01.resid": full}, rng=RNG(0))
    flat, wide = table.rows

    assert [row.tap for row in table.rows] == ["block_00.resid", "block_01.resid"]
    assert flat.dimension.dimension.value == pytest.approx(2, rel=0.15)
    assert flat.spectrum.participation_ratio.value <= 2
    assert wide.spectrum.participation_ratio.value > 20
    assert wide.uniformity.uniformity.value < flat.uniformity.uniformity.value - 1
    assert flat.lidar is None
    assert flat.reasons == {}
    assert json.loads(json.dumps(table.to_json()))["rows"][0]["n"] == 200


def test_equal_layers_get_equal_rows_and_those_of_the_measures():
    x = RNG(0).normal(size=(60, 5))
    seed = int(RNG(4).integers(2**63))
    first, second = layer_geometry({"a": x, "b": x}, rng=RNG(4)).rows

    assert first.dimension == second.dimension == two_nn(x, rng=RNG(seed))
    assert first.spectrum.rank_me == second.spectrum.rank_me
    assert first.spectrum.rank_me == spectrum(x, rng=RNG(seed)).rank_me


def test_views_add_lidar():
    means = RNG(0).normal(size=(40, 6))
    item_of = np.repeat(np.arange(40), 3)
    views = means[item_of] + 0.1 * RNG(1).normal(size=(120, 6))
    table = layer_geometry(
        {"a": means, "b": means}, rng=RNG(0), views={"a": views}, item_of=item_of
    )

    assert 4 < table.rows[0].lidar.lidar.value <= 6
    assert table.rows[1].lidar is None
    assert table.rows[1].reasons == {"lidar": "no views at b"}


def test_a_collapsed_layer_has_a_row_with_reasons():
    (row,) = layer_geometry({"a": np.full((30, 4), 0.5)}, rng=RNG(0)).rows

    assert row.dimension is None
    assert row.reasons["dimension"] == (
        "TwoNN needs at least 20 different items, got 1 (29 duplicates)"
    )
    assert row.uniformity.uniformity.value == pytest.approx(0)
    assert row.spectrum.participation_ratio.value is None


def test_refusals():
    x = RNG(0).normal(size=(30, 3))
    with pytest.raises(ValueError, match=r"^no layer to measure$"):
        layer_geometry({}, rng=RNG(0))
    with pytest.raises(ValueError, match=r"^LiDAR needs both the views and the item of each$"):
        layer_geometry({"a": x}, rng=RNG(0), views={"a": x})
    with pytest.raises(ValueError, match=r"^b has NaN or infinite numbers in 1 of 30 rows"):
        layer_geometry({"a": x, "b": np.vstack([x[:29], [[np.nan] * 3]])}, rng=RNG(0))
    with pytest.raises(ValueError, match=r"^30 items but 29 groups$"):
        layer_geometry({"a": x}, rng=RNG(0), groups=np.arange(29))
    with pytest.raises(ValueError, match=r"^30 items but 29 ids of items$"):
        layer_geometry({"a": x}, rng=RNG(0), views={"a": x}, item_of=np.arange(29))
