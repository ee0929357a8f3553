"""An export opens elsewhere and holds what the store holds."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from app import workbench
from app.exporting import export, vector_column
from app.importing import import_vectors
from d2v_core.errors import InputError, StoreError
from d2v_core.store import Store


@pytest.fixture(scope="module")
def exported(toy_store, tmp_path_factory):
    """The store, a representation of it, and its export with all layers."""
    store = Store(toy_store)
    name = workbench.name_of(store, "toy")
    out = tmp_path_factory.mktemp("export") / "toy.parquet"
    taps = store.recipe(name).taps
    done = export(store, name, out, tap="joint", vectors=taps, method="pca")
    return store, name, out, done


def test_every_item_has_its_metadata_place_and_vectors(exported):
    store, name, out, done = exported
    data = store.read(name)
    points, _ = workbench.make_map(store, name, tap="joint", method="pca")
    frame = pd.read_parquet(out)

    assert done.rows == len(frame) == 72
    assert done.columns == list(frame.columns)
    for column in data.items:
        assert frame[column].fillna("").tolist() == data.items[column].fillna("").tolist()
    for column in ("x", "y", "trust"):
        np.testing.assert_array_equal(frame[column], points[column])
    for tap, x in data.layers.items():
        np.testing.assert_array_equal(np.stack(frame[vector_column(tap)].to_list()), x)


def test_neighbours_are_rows_of_the_file_with_their_cosine_distance(exported):
    """Brute force: the nearest by 1 − cosine, the item itself left out."""
    store, name, out, _ = exported
    x = store.read(name, taps=("joint",)).layers["joint"].astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    apart = 1 - x @ x.T
    np.fill_diagonal(apart, np.inf)
    found = pd.read_parquet(out)["neighbors"]

    for row, near in enumerate(found):
        assert len(near["ids"]) == len(near["distances"]) == 15
        assert row not in near["ids"]
        np.testing.assert_allclose(near["distances"], np.sort(apart[row])[:15], atol=1e-5)
        np.testing.assert_allclose(apart[row][near["ids"]], near["distances"], atol=1e-5)


def test_neighbours_have_the_layout_that_embedding_atlas_reads(exported):
    """`--neighbors COLUMN` wants {"ids": […], "distances": […]}, ids as row numbers from 0."""
    kind = pq.read_schema(exported[2]).field("neighbors").type

    assert [kind.field(n).name for n in range(kind.num_fields)] == ["ids", "distances"]
    assert str(kind.field("ids").type.value_type) == "int64"
    assert str(kind.field("distances").type.value_type) == "float"


def test_the_file_says_how_it_was_made(exported):
    store, name, out, _ = exported
    about = json.loads(pq.read_schema(out).metadata[b"d2v"])

    assert about["recipe"]["encoder_hash"] == store.recipe(name).encoder_hash
    assert (about["tap"], about["map"]["method"]) == ("joint", "pca")
    assert about["map"]["trustworthiness"]["n"] == 72


def test_an_export_can_be_imported_again(exported, tmp_path):
    store, name, out, _ = exported
    done = import_vectors(out, out, tmp_path / "store", taps=["vector_joint"])
    again = Store(tmp_path / "store").read(done.name)
    data = store.read(name, taps=("joint",))

    assert again.items["id"].tolist() == data.items["id"].tolist()
    assert again.items["split"].tolist() == data.items["split"].tolist()
    np.testing.assert_array_equal(again.layers["vector_joint"], data.layers["joint"])
    assert done.pairs == 24


def test_columns_of_the_data_give_way(tmp_path):
    """A column x of the data becomes x_; nothing is lost."""
    frame = pd.DataFrame({"modality": ["image"] * 9, "x": range(9), "neighbors": range(9)})
    frame.to_csv(tmp_path / "m.csv", index=False)
    np.save(tmp_path / "v.npy", np.random.default_rng(0).normal(size=(9, 4)))
    place = tmp_path / "store"
    name = import_vectors(tmp_path / "v.npy", tmp_path / "m.csv", place).name
    export(Store(place), name, tmp_path / "o.parquet", method="pca")
    read = pd.read_parquet(tmp_path / "o.parquet")

    assert read["x_"].tolist() == read["neighbors_"].tolist() == list(range(9))
    assert len(read["neighbors"][0]["ids"]) == 8


def test_what_cannot_be_exported_is_said(exported, tmp_path):
    store, name, _, _ = exported
    with pytest.raises(InputError, match=r"x.csv must end in .parquet"):
        export(store, name, tmp_path / "x.csv")
    with pytest.raises(StoreError, match="has no tap block_09"):
        export(store, name, tmp_path / "x.parquet", tap="block_09")
    with pytest.raises(InputError, match="there is no map 'tsne'; choose umap or pca"):
        export(store, name, tmp_path / "x.parquet", method="tsne")
    np.save(tmp_path / "v.npy", np.eye(4, 3, dtype=np.float32))  # the last row is zero
    pd.DataFrame({"modality": ["text"] * 4}).to_csv(tmp_path / "m.csv", index=False)
    zero = import_vectors(tmp_path / "v.npy", tmp_path / "m.csv", tmp_path / "store").name
    with pytest.raises(StoreError, match=f"no (map|neighbours) of {zero} at imported"):
        export(Store(tmp_path / "store"), zero, tmp_path / "x.parquet", method="pca")
    assert list(tmp_path.glob("*.parquet*")) == []
