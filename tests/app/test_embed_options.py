"""What `d2v embed` is asked for reaches the store."""

import pytest
from typer.testing import CliRunner

from app.cli import app
from d2v_core.errors import StoreError
from d2v_core.store import Store


@pytest.mark.parametrize(
    ("asked", "kept"), [((), "float16"), (("--precision", "float32"), "float32")]
)
def test_vectors_are_kept_in_the_precision_that_was_asked_for(toys, tmp_path, asked, kept):
    place = str(tmp_path / "store")
    done = CliRunner().invoke(app, ["embed", "lowlevel", str(toys), "--out", place, *asked])
    store = Store(place)
    (rows,) = store.read(store.only()).layers.values()

    assert done.exit_code == 0
    assert store.recipe(store.only()).precision == kept
    assert (rows.astype("float16").astype("float32") == rows).all() == (kept == "float16")


def test_a_precision_that_there_is_not_is_refused(toys, tmp_path):
    arguments = [
        "embed",
        "lowlevel",
        str(toys),
        "--out",
        str(tmp_path / "s"),
        "--precision",
        "int8",
    ]
    done = CliRunner().invoke(app, arguments)

    assert isinstance(done.exception, StoreError)
    assert str(done.exception) == "no precision 'int8'; choose float16 or float32"
    assert not (tmp_path / "s").exists()
