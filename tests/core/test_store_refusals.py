"""Stores that cannot be used: one sentence each, without the lines of LanceDB's source."""

import json

import pandas as pd
import pyarrow as pa
import pytest

from d2v_core.data.folder import read_folder
from d2v_core.embed import embed
from d2v_core.encoders.lowlevel import LowLevelEncoder
from d2v_core.errors import StoreError
from d2v_core.store import Store


@pytest.fixture
def store(toys, tmp_path):
    made = Store(tmp_path / "store", create=True)
    embed(LowLevelEncoder(), read_folder(toys), made)
    return made


def refusal(work):
    with pytest.raises(StoreError) as error:
        work()
    said = str(error.value)
    assert "\n" not in said
    assert ".rs" not in said
    return said


def test_a_damaged_file(store, tmp_path):
    (file,) = (tmp_path / "store").glob("*.lance/data/*.lance")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])

    assert "store cannot be used: " in refusal(lambda: store.read(store.only()))


@pytest.mark.parametrize(
    "change", [{"later": 1}, {"taps": 3}, {"pooling": None}], ids=["more", "another kind", "less"]
)
def test_a_recipe_of_another_version(store, change):
    recipe = {**store.recipe(store.only()).to_json(), **change}
    told = {name: value for name, value in recipe.items() if value is not None}
    schema = pa.schema([pa.field("id", pa.string())]).with_metadata({"recipe": json.dumps(told)})
    store.database.create_table("other", schema=schema)

    said = refusal(lambda: store.recipe("other"))
    assert "the recipe of 'other' in" in said
    assert "is of another version of d2v" in said
    assert said.endswith("embed the data anew, into another store")


@pytest.mark.slow
def test_a_bucket_that_cannot_be_reached(monkeypatch):
    where = {"AWS_ENDPOINT": "http://127.0.0.1:9", "AWS_ALLOW_HTTP": "true"}
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "x"}
    for name, value in (where | keys).items():
        monkeypatch.setenv(name, value)

    said = refusal(lambda: Store("s3://no/where").names())
    assert "the store at s3://no/where cannot be used: " in said
    assert said.endswith("(Connection refused)")


def test_results_that_cannot_be_kept(store, tmp_path):
    (tmp_path / "store").rename(tmp_path / "gone")
    (tmp_path / "store").write_text("a file")

    table = pd.DataFrame({"a": [1]})
    assert "store cannot be used: " in refusal(lambda: store.keep("key", table, {}))
