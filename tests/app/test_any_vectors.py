"""Any damage to a file of vectors: a sentence that names it, or vectors of the promised shape."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from app.vectors import list_columns, read_vectors
from d2v_core.errors import InputError
from tests.damage import damaged

ROWS, WIDTH = 12, 5
VECTORS = np.random.default_rng(0).normal(size=(ROWS, WIDTH)).astype(np.float32)


def written(write):
    file = io.BytesIO()
    write(file)
    return file.getvalue()


WHOLE = {
    "npy": [written(lambda file: np.save(file, VECTORS))],
    "npz": [
        written(lambda file: np.savez(file, a=VECTORS, b=VECTORS)),
        written(lambda file: np.savez_compressed(file, a=VECTORS)),
    ],
    "safetensors": [save({"a": VECTORS, "b": VECTORS.astype(np.float16)})],
    "parquet": [
        written(lambda file: pq.write_table(pa.table({"a": list(VECTORS), "é": ["x"] * 12}), file))
    ],
}


@pytest.mark.parametrize("suffix", WHOLE)
def test_undamaged_files_are_read(tmp_path, suffix):
    for data in WHOLE[suffix]:
        (tmp_path / f"v.{suffix}").write_bytes(data)
        first, *_ = read_vectors(tmp_path / f"v.{suffix}", ROWS).values()
        np.testing.assert_array_equal(first, VECTORS)


@pytest.mark.parametrize("suffix", WHOLE)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_damage_is_a_sentence_or_vectors(tmp_path_factory, suffix, data):
    path = tmp_path_factory.mktemp("vectors") / f"v.{suffix}"
    path.write_bytes(data.draw(damaged(WHOLE[suffix])))
    found, said = {}, str(path)
    try:
        found = read_vectors(path, ROWS)
    except InputError as error:
        said = str(error)
    assert str(path) in said
    assert all(x.dtype == np.float32 and len(x) == ROWS for x in found.values())
    assert all(np.isfinite(x).all() for x in found.values())


def test_names_of_columns_that_are_no_text_are_a_sentence(tmp_path):
    path = tmp_path / "v.parquet"
    path.write_bytes(WHOLE["parquet"][0].replace("é".encode(), b"\xff\xfe"))
    with pytest.raises(InputError, match=r"v\.parquet is no Parquet file, or a damaged one"):
        list_columns(path)


def test_an_archive_that_unpacks_to_far_more_than_numbers_do_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "v.npz", a=np.zeros((1000, 20_000), np.float32))
    with pytest.raises(InputError, match=r"v\.npz has .* bytes and unpacks to 80,000,1.*: refused"):
        read_vectors(tmp_path / "v.npz", 1000)
