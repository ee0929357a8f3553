"""Tables that were made before rows had a name: they get one, and nothing becomes double."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from d2v_core.rows import COLUMNS, rows_table
from d2v_core.store import Recipe, Store
from tests.core.bounded import ROOT

WIDTH = 4
RECIPE = Recipe(
    encoder="numbers",
    encoder_hash="0",
    role="trained",
    data=str(ROOT),
    data_fingerprint="0",
    taps=("embed",),
    widths=(WIDTH,),
    pooling="mean",
    versions={},
)


def rows(*numbers):
    """Return items, and vectors that tell which they are of."""
    items = pd.DataFrame({"id": [f"{n:03d}" for n in numbers]}).reindex(columns=list(COLUMNS))
    items["modality"] = "text"
    layer = np.repeat(np.array(numbers, np.float32)[:, None], WIDTH, axis=1)
    return rows_table(items, pd.DataFrame(index=items.index)), [layer]


@pytest.fixture
def old(tmp_path):
    """A store with a table of two rows in which no column is marked."""
    new = Store(tmp_path / "new", create=True)
    new.append(RECIPE, *rows(0, 1))
    made = Store(tmp_path / "old", create=True)
    content = new.database.open_table(RECIPE.name).to_arrow()
    plain = [field.with_metadata(None).with_nullable(True) for field in content.schema]
    schema = pa.schema(plain, metadata={"recipe": json.dumps(RECIPE.to_json())})
    made.database.create_table(RECIPE.name, content.cast(schema))
    return made


def marks(store):
    schema = store.database.open_table(RECIPE.name).schema
    return [name for name in schema.names if schema.field(name).metadata]


def test_an_old_table_gets_its_mark_with_the_first_rows_that_are_added(old):
    assert marks(old) == []
    before = old.read(RECIPE.name)

    added = old.append(RECIPE, *rows(1, 2))

    assert added == 1
    assert marks(old) == ["id", "modality"]
    found = old.read(RECIPE.name)
    assert list(found.items["id"]) == ["000", "001", "002"]
    np.testing.assert_array_equal(found.layers["embed"][:, 0], [0, 1, 2])
    assert found.recipe == before.recipe


def test_two_that_add_the_same_to_an_old_table_at_once_double_nothing(old):
    turns = 8
    together = threading.Barrier(2)

    def work(_):
        store, added = Store(old.place), 0
        for number in range(10, 10 + turns):
            together.wait(timeout=300)
            added += store.append(RECIPE, *rows(number))
        return added

    with ThreadPoolExecutor(2) as pool:
        added = list(pool.map(work, range(2)))

    found = old.read(RECIPE.name).items["id"]
    assert sum(added) == turns
    assert len(found) == found.nunique() == 2 + turns
