"""Vectors made elsewhere: every format gives the same numbers back, and what cannot be is said."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from app import importing, workbench
from app.importing import import_vectors, read_items
from app.vectors import read_vectors
from d2v_core.data import tables
from d2v_core.errors import InputError, StoreError
from d2v_core.store import Store

ROWS = 40


def draw(rows=ROWS, width=6, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)


def table(**columns):
    """Return twenty pictures and their twenty sounds."""
    pairs = [f"p{n:02d}" for n in range(ROWS // 2)] * 2
    modality = ["image"] * (ROWS // 2) + ["audio"] * (ROWS // 2)
    return pd.DataFrame({"modality": modality, "pair": pairs, **columns})


@pytest.fixture
def meta(tmp_path):
    """Return a function that writes a table and returns its file."""

    def write(frame, name="meta.csv"):
        path = tmp_path / name
        match path.suffix:
            case ".csv":
                frame.to_csv(path, index=False)
            case ".jsonl":
                frame.to_json(path, orient="records", lines=True)
            case _:
                frame.to_parquet(path, index=False)
        return path

    return write


def save_npz(path, layers):
    np.savez(path, **layers)


def save_parquet(path, layers):
    pq.write_table(pa.table({name: list(x) for name, x in layers.items()}), path)


def save_tensors(path, layers):
    save_file(layers, path)


@pytest.mark.parametrize(
    ("name", "save"),
    [("v.npz", save_npz), ("v.parquet", save_parquet), ("v.safetensors", save_tensors)],
)
def test_layers_by_name_come_back_as_they_were(tmp_path, meta, name, save):
    layers = {"layer_2": draw(width=3), "layer_10": draw(width=5, seed=1)}
    save(tmp_path / name, layers)
    done = import_vectors(tmp_path / name, meta(table()), tmp_path / "store")
    read = Store(tmp_path / "store").read(done.name)
    order = read.items["id"] + read.items["modality"]

    assert list(read.layers) == ["layer_2", "layer_10"]
    for tap, x in layers.items():
        rows = {f"p{n % 20:02d}{'image' if n < 20 else 'audio'}": x[n] for n in range(ROWS)}
        np.testing.assert_array_equal(read.layers[tap], [rows[key] for key in order])


def test_chosen_layers_come_in_the_order_asked_for(tmp_path):
    np.savez(tmp_path / "v.npz", a=draw(), b=draw(seed=1), c=draw(seed=2))
    found = read_vectors(tmp_path / "v.npz", ROWS, ["c", "a"])

    assert list(found) == ["c", "a"]
    np.testing.assert_array_equal(found["c"], draw(seed=2))


def test_single_precision_is_kept(tmp_path, meta):
    """1 + 2⁻²⁰ has no half-precision neighbour but 1."""
    x = np.full((ROWS, 2), 1 + 2**-20, dtype=np.float32)
    np.save(tmp_path / "v.npy", x)
    done = import_vectors(tmp_path / "v.npy", meta(table()), tmp_path / "store")

    assert (Store(tmp_path / "store").read(done.name).layers["imported"] == x).all()


@pytest.mark.parametrize(
    ("shape", "taken", "expected"),
    [
        ((2, 20, 3), lambda x: x.reshape(40, 3), ["imported"]),
        ((2, 40, 3), lambda x: x[0], ["layer_00", "layer_01"]),
        ((40, 2, 3), lambda x: x[:, 0], ["layer_00", "layer_01"]),
    ],
)
def test_three_axes_are_blocks_or_layers(tmp_path, shape, taken, expected):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    np.save(tmp_path / "v.npy", x)
    found = read_vectors(tmp_path / "v.npy", ROWS)

    assert list(found) == expected
    np.testing.assert_array_equal(found[expected[0]], taken(x))


@pytest.mark.parametrize("name", ["meta.csv", "meta.jsonl", "meta.parquet"])
def test_metadata_of_every_format_say_the_same(meta, name):
    frame = table(label=["007", "1e5"] * 20, size=range(ROWS), split=["validation"] * ROWS)
    items = read_items(meta(frame, name))

    assert items["label"].tolist() == ["007", "1e5"] * 20
    assert items["size"].tolist() == list(range(ROWS))
    assert set(items["split"]) == {"val"}
    assert items["id"].tolist() == frame["pair"].tolist()


def test_made_splits_keep_pairs_and_groups_together(tmp_path, meta):
    """Groups of two pairs each: no pair and no group is ever in two splits."""
    np.save(tmp_path / "v.npy", draw())
    groups = [f"g{n // 2}" for n in range(20)] * 2
    place = tmp_path / "store"
    done = import_vectors(tmp_path / "v.npy", meta(table(group=groups)), place)
    items = Store(place).read(done.name).items

    assert done.splits_made
    assert sum(done.splits.values()) == ROWS
    assert min(done.splits.values()) > 0
    assert (items.groupby("pair")["split"].nunique() == 1).all()
    assert (items.groupby("group")["split"].nunique() == 1).all()


def test_given_splits_stay(tmp_path, meta):
    np.save(tmp_path / "v.npy", draw())
    split = [("train", "val", "test", "train")[n % 4] for n in range(20)] * 2
    done = import_vectors(tmp_path / "v.npy", meta(table(split=split)), tmp_path / "store")

    assert not done.splits_made
    assert done.splits == {"train": 20, "val": 10, "test": 10}


def test_importing_again_adds_nothing_and_another_role_is_another_representation(tmp_path, meta):
    np.save(tmp_path / "v.npy", draw())
    wanted = (tmp_path / "v.npy", meta(table()), tmp_path / "store")
    first, again = import_vectors(*wanted), import_vectors(*wanted)
    control = import_vectors(*wanted, role="random twin")

    assert (first.added, first.there, first.already) == (ROWS, 0, False)
    assert (again.added, again.there, again.already) == (0, ROWS, True)
    assert control.name != first.name
    recipes = Store(tmp_path / "store").recipes()
    assert {r.role for r in recipes.values()} == {"trained", "random twin"}
    assert len({r.data_fingerprint for r in recipes.values()}) == 1


def test_rows_that_were_there_or_came_meanwhile_are_counted_as_there(tmp_path, meta, monkeypatch):
    """The first import breaks off after 15 rows; in the midst of the second, another one ends."""
    np.save(tmp_path / "v.npy", draw())
    wanted = (tmp_path / "v.npy", meta(table()), tmp_path / "store")
    monkeypatch.setattr(importing, "CHUNK", 15)
    append = Store.append

    def breaks_off(*arguments):
        append(*arguments)
        raise KeyboardInterrupt

    def others_were_first(*arguments):
        monkeypatch.setattr(Store, "append", append)
        assert import_vectors(*wanted).added == ROWS - 15
        return append(*arguments)

    monkeypatch.setattr(Store, "append", breaks_off)
    with pytest.raises(KeyboardInterrupt):
        import_vectors(*wanted)
    monkeypatch.setattr(Store, "append", others_were_first)
    done = import_vectors(*wanted)

    assert (done.added, done.there, done.already) == (0, ROWS, True)
    found = Store(tmp_path / "store").read(done.name).items
    assert len(found) == ROWS


def test_partners_are_found_by_pair_and_not_by_id(tmp_path, meta):
    """Ids say nothing here; the second row of a modality in a pair is left out of one-to-one."""
    x = draw(width=8)
    vectors = np.concatenate([x[:20], x[:20] + 0.01 * x[20:], x[:1]])
    frame = table(id=[f"i{n}" for n in range(ROWS)])
    frame.loc[ROWS] = ["audio", "p00", "late"]
    np.save(tmp_path / "v.npy", vectors)
    place = tmp_path / "store"
    done = import_vectors(tmp_path / "v.npy", meta(frame), place)
    (pair,) = workbench.align(Store(place), done.name)["pairs"]

    assert done.pairs == 20
    scores = pair["run"]["partners"]["x_to_y"]["scores"]
    assert (scores["R@1"]["value"], scores["R@1"]["n"]) == (1.0, 20)


def test_without_splits_and_choice_all_items_are_reported(tmp_path, meta):
    np.save(tmp_path / "v.npy", draw())
    place = tmp_path / "store"
    one = import_vectors(tmp_path / "v.npy", meta(table()), place)
    whole = workbench.align(Store(place), one.name)
    np.savez(tmp_path / "v.npz", a=draw(), b=draw(seed=1))
    two = import_vectors(tmp_path / "v.npz", meta(table(split=["test", "val"] * 20)), place)
    part = workbench.align(Store(place), two.name)

    assert whole["split"] == "all"
    assert "nothing was chosen and all items are reported on" in whole["selection"]
    assert whole["pairs"][0]["gap"]["modality_gap"]["n"] == ROWS
    assert part["split"] == "test"
    assert "of up to 2 layers one was chosen" in part["selection"]
    assert part["pairs"][0]["gap"]["modality_gap"]["n"] == ROWS // 2


def test_unlabelled_partners_are_never_called_aligned(tmp_path, meta):
    """All controls are beaten, but a shared kind may be all there is: nobody said the kinds."""
    place, file = tmp_path / "store", tmp_path / "v.npy"
    x = draw(rows=20, width=8)
    np.save(file, np.concatenate([x, x]))
    run = import_vectors(file, meta(table()), place)
    for seed, role in enumerate(("random twin", "low-level features"), start=1):
        np.save(file, draw(width=8, seed=seed))
        import_vectors(file, meta(table()), place, role=role)
    (pair,) = workbench.align(Store(place), run.name)["pairs"]

    assert {c["role"] for c in pair["controls"]} == {"random twin", "low-level features"}
    assert {claim["verdict"] for claim in pair["claims"]} == {"cannot tell"}
    assert all("within classes" in claim["reasons"][0] for claim in pair["claims"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "gap", "there", "back"),
    [("clip", 0.8514, 0.552, 0.506), ("clip_random", 1.1361, 0.002, 0.002)],
)
def test_published_figures_of_the_modality_gap(shared_file, tmp_path, meta, name, gap, there, back):
    """Liang et al. 2022: 500 pictures, then their 500 captions, as one block each."""
    frame = pd.DataFrame(
        {"modality": ["image"] * 500 + ["text"] * 500, "pair": [*range(500), *range(500)]}
    )
    file = shared_file(f"data/modality-gap/{name}.npy")
    done = import_vectors(file, meta(frame), tmp_path / "store", name=name)
    result = workbench.align(Store(tmp_path / "store"), done.name)
    (pair,) = result["pairs"]
    partners = pair["run"]["partners"]

    assert round(result["modality_gap"]["image-text"]["value"], 4) == gap
    assert partners["x_to_y"]["scores"]["R@1"]["value"] == there
    assert partners["y_to_x"]["scores"]["R@1"]["value"] == back
    assert pair["gap"]["separability"]["value"] == 1.0


def refused(tmp_path, frame, message, vectors=None):
    """See that nothing is made of a table, and why."""
    file = tmp_path / "x.npy"
    np.save(file, draw(len(frame)) if vectors is None else vectors)
    path = tmp_path / "meta.csv"
    frame.to_csv(path, index=False)
    with pytest.raises(InputError, match=message):
        import_vectors(file, path, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_what_is_wrong_with_the_metadata_is_said(tmp_path):
    whole = table()
    first = whole.assign(modality=["video", *whole["modality"][1:]])
    twice = whole.assign(id=["same"] * ROWS)
    gone = whole.assign(id=["a", None, *map(str, range(38))])
    odd = whole.assign(split=["train", "holdout"] * 20)
    strange = whole.assign(group=[f"g{n}" for n in range(ROWS)])

    refused(tmp_path, whole[["pair"]], r"has no column modality, .* \(found: pair\)")
    refused(tmp_path, first, "row 1: modality 'video' is none of image, audio, text")
    refused(tmp_path, twice, "row 2: there is another image with the id 'same'")
    refused(tmp_path, gone, "row 2: the id is missing")
    refused(tmp_path, odd, "row 2: split 'holdout' is none of train, val, test")
    refused(tmp_path, strange, "pair 'p00' has items of the groups 'g0' and 'g20'")
    refused(tmp_path, whole[:0], "has no row", vectors=draw(1))


@pytest.mark.parametrize(
    ("bound", "reason"),
    [("MAX_ROWS", "has more than 3 rows"), ("MAX_COLUMNS", "has 4 columns; up to 3 are read")],
)
def test_a_parquet_table_of_too_many_rows_or_columns_is_refused(
    tmp_path, monkeypatch, bound, reason
):
    path = tmp_path / "meta.parquet"
    pd.DataFrame({"modality": ["text"] * 4, "a": 1, "b": 2, "c": 3}).to_parquet(path)
    assert len(read_items(path)) == 4
    monkeypatch.setattr(tables, bound, 3)

    with pytest.raises(InputError, match=reason):
        read_items(path)


def test_what_is_wrong_with_an_array_is_said(tmp_path):
    whole, bad = table(), draw()
    bad[3, 1] = np.nan

    refused(tmp_path, whole, "has 39 vectors, but the metadata have 40 rows", draw(39))
    refused(tmp_path, whole, "1 vectors that are not finite, the first in row 4", bad)
    refused(tmp_path, whole, "not finite", np.full((ROWS, 2), 1e300))
    refused(tmp_path, whole, "holds <U1, no numbers", np.full((ROWS, 2), "a"))
    refused(tmp_path, whole, "has 1 axes", np.zeros(ROWS))
    refused(tmp_path, whole, "has 7 x 8 x 9 numbers, but 40 rows", np.zeros((7, 8, 9)))
    refused(tmp_path, whole, "which axis is the layers cannot be told", np.zeros((40, 40, 2)))
    refused(tmp_path, whole, "is 40 x 0; rows x width are wanted", np.zeros((40, 0)))


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (type(self.mark).touch, (self.mark,))


def test_pickles_are_refused_and_never_loaded(tmp_path, meta):
    mark = tmp_path / "mark"
    bombs = np.array([Bomb(mark)] * ROWS, dtype=object)
    np.save(tmp_path / "v.npy", bombs, allow_pickle=True)
    np.savez(tmp_path / "v.npz", a=bombs)
    for name in ("v.npy", "v.npz"):
        with pytest.raises(InputError, match="holds Python objects, which could run anything"):
            import_vectors(tmp_path / name, meta(table()), tmp_path / "store")

    assert not mark.exists()
    np.load(tmp_path / "v.npy", allow_pickle=True)  # the control: it would have gone off
    assert mark.exists()


def test_what_is_wrong_with_a_file_is_said(tmp_path, meta):
    whole = meta(table())
    (tmp_path / "v.pkl").write_bytes(b"no")
    (tmp_path / "cut.npy").write_bytes(b"\x93NUMPY\x01\x00")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04")
    (tmp_path / "cut.safetensors").write_bytes(b"\x08" + bytes(20))
    (tmp_path / "cut.parquet").write_bytes(b"PAR1")
    pq.write_table(pa.table({"v": [[1.0], [1.0, 2.0]] * 20}), tmp_path / "ragged.parquet")
    pq.write_table(pa.table({"v": [[1.0], None] * 20}), tmp_path / "holes.parquet")
    pq.write_table(pa.table({"v": [1.0] * 40}), tmp_path / "flat.parquet")
    np.savez(tmp_path / "v.npz", a=draw())
    half = json.dumps({"a": {"dtype": "BF16", "shape": [40, 1], "data_offsets": [0, 80]}})
    (tmp_path / "half.safetensors").write_bytes(
        len(half).to_bytes(8, "little") + half.encode() + bytes(80)
    )
    for name, message in (
        ("v.pkl", "is none of .npy, .npz, .safetensors, .parquet"),
        ("gone.npy", "there is no file"),
        ("cut.npy", "is no array of numpy, or a damaged one"),
        ("cut.npz", "is no array of numpy, or a damaged one"),
        ("cut.safetensors", "is no safetensors file, or a damaged one"),
        ("half.safetensors", "is BF16; save it as F32 or F16"),
        ("cut.parquet", "is no Parquet file, or a damaged one"),
        ("ragged.parquet", "is ragged: its vectors have 1 to 2 numbers"),
        ("holes.parquet", "has 20 rows without a vector"),
        ("flat.parquet", "holds no vectors"),
    ):
        with pytest.raises(InputError, match=message):
            import_vectors(tmp_path / name, whole, tmp_path / "store")
    with pytest.raises(InputError, match="has no 'b'; it has a"):
        import_vectors(tmp_path / "v.npz", whole, tmp_path / "store", taps=["b"])
    with pytest.raises(InputError, match="there is no role 'teacher'; choose trained, "):
        import_vectors(tmp_path / "v.npz", whole, tmp_path / "store", role="teacher")
    with pytest.raises(InputError, match="is none of .csv, .jsonl, .parquet"):
        import_vectors(tmp_path / "v.npz", tmp_path / "v.pkl", tmp_path / "store")


def test_a_modality_alone_cannot_be_aligned(tmp_path, meta):
    np.save(tmp_path / "v.npy", draw(20))
    done = import_vectors(tmp_path / "v.npy", meta(table()[:20]), tmp_path / "store")
    with pytest.raises(StoreError, match="v has no two modalities; it has image"):
        workbench.align(Store(tmp_path / "store"), done.name)
