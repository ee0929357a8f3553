"""Spaces that maps are drawn in: what they learn from, what they change, what is refused."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ortho_group

from app import spaces
from app.spaces import measure_gaps, open_space, pairs_there, senses_of, vectors_in
from app.wishes import SpaceWish
from d2v_core.errors import StoreError
from d2v_core.store import Recipe, Representation

RECIPE = Recipe(
    encoder="made", encoder_hash="h", role="trained", data="", data_fingerprint="d",
    taps=("top",), widths=(6,), pooling="mean", versions={},
)  # fmt: skip


def made(senses=("image", "audio"), rows=80, dim=6, **columns):
    """Return one cloud in every sense, each turned and shifted in its own way, in pairs."""
    rng = np.random.default_rng(0)
    cloud = rng.normal(size=(rows, dim)) * np.arange(1, dim + 1)
    parts, items = [], []
    for number, sense in enumerate(senses):
        turn = ortho_group.rvs(dim, random_state=number)
        parts.append(cloud @ turn + 30 * np.eye(dim)[number])
        split = np.where(np.arange(rows) < rows // 2, "train", "test")
        items.append(
            pd.DataFrame(
                {"id": [f"{n:03d}" for n in range(rows)], "modality": sense, "split": split}
            ).assign(label=None, group=None, text=None, media=None, **columns)
        )
    return Representation(
        RECIPE, pd.concat(items, ignore_index=True), {"top": np.vstack(parts).astype(np.float32)}
    )


def test_as_it_is_nothing_is_touched():
    data = made()

    assert open_space(data, "top", SpaceWish()) is None
    assert vectors_in(data, "top", None) is data.layers["top"]


def test_partners_lie_together_once_their_senses_are_turned_and_only_then():
    data = made(("image", "audio", "text"))
    cosines = {}
    for name in ("centred", "aligned"):
        x = vectors_in(data, "top", open_space(data, "top", SpaceWish(name)))
        assert np.linalg.norm(x, axis=1) == pytest.approx(np.ones(240))
        cosines[name] = np.sum(x[40:80] * x[120:160], axis=1).mean()  # held-out pairs

    assert cosines["aligned"] > 0.999
    assert cosines["centred"] < 0.5


def test_the_gap_closes_and_the_partners_say_whether_that_means_anything():
    data = made()
    found = {
        name: measure_gaps(data, "top", open_space(data, "top", SpaceWish(name)))[0]
        for name in ("raw", "centred", "aligned")
    }
    gaps = {name: one["now"]["modality_gap"]["value"] for name, one in found.items()}

    assert found["raw"]["now"] == found["raw"]["raw"] == found["aligned"]["raw"]
    assert gaps["raw"] > 3 * max(gaps["centred"], gaps["aligned"])
    for name, meets in (("centred", False), ("aligned", True)):
        partners = found[name]["now"]["matched_cosine"]
        assert (partners["low"] > partners["chance"] + 0.5) == meets
        assert found[name]["now"]["modality_gap"]["n"] == 80  # 40 held-out pairs


def test_of_very_many_held_out_items_a_gap_takes_some_and_partners_together(monkeypatch):
    data = made()
    space = open_space(data, "top", SpaceWish("aligned"))
    (whole,) = measure_gaps(data, "top", space)
    monkeypatch.setattr(spaces, "MOST_MEASURED", 20)
    (some,) = measure_gaps(data, "top", space)

    assert some["now"]["modality_gap"]["n"] == 40  # 20 pairs
    for measure in ("modality_gap", "matched_cosine"):
        for side in ("raw", "now"):
            low, high = (some[side][measure][end] for end in ("low", "high"))
            assert low <= whole[side][measure]["value"] <= high
    assert some["now"]["matched_cosine"]["low"] > some["now"]["matched_cosine"]["chance"] + 0.5


def test_nothing_that_is_shown_teaches():
    """Whatever the held-out items are, means and turns stay the same."""
    data = made()
    held_out = (data.items["split"] == "test").to_numpy()
    other = np.where(held_out[:, None], 99 * data.layers["top"], data.layers["top"])
    changed = dataclasses.replace(data, layers={"top": other})
    for name in ("centred", "aligned"):
        one, two = (open_space(d, "top", SpaceWish(name)) for d in (data, changed))
        for sense in ("image", "audio"):
            np.testing.assert_array_equal(one.means[sense], two.means[sense])
            if one.turns[sense] is not None:
                np.testing.assert_array_equal(one.turns[sense], two.turns[sense])


def test_so_many_pairs_as_were_asked_for():
    data = made()

    assert pairs_there(data) == 40
    assert open_space(data, "top", SpaceWish("aligned", 8)).to_json() == {
        "hub": "image", "pairs": {"audio": 8}
    }  # fmt: skip
    assert open_space(data, "top", SpaceWish("aligned")).pairs == {"audio": 40}


def test_data_without_a_train_split_learn_from_what_is_not_held_out():
    data = made()
    items = data.items.assign(split=data.items["split"].replace("train", "val"))

    assert pairs_there(dataclasses.replace(data, items=items)) == 40


def refused(data, name):
    with pytest.raises(StoreError) as caught:
        open_space(data, "top", SpaceWish(name))
    return str(caught.value)


def test_one_sense_has_no_other_to_be_brought_together_with():
    data = made(("audio",))

    assert senses_of(data) == ["audio"]
    assert pairs_there(data) == 0
    for name in ("centred", "aligned"):
        assert refused(data, name) == (
            "made has sounds only: there is no other sense to bring together with them"
        )


def test_without_pairs_there_is_no_turn_but_a_middle():
    data = made()
    ids = data.items["id"] + data.items["modality"]
    alone = dataclasses.replace(data, items=data.items.assign(id=ids))

    assert open_space(alone, "top", SpaceWish("centred")) is not None
    assert refused(alone, "aligned") == (
        "Pictures and sounds have 0 pairs to learn a turn from; it takes 8. "
        "“As it is” and “Centred” need none."
    )
    with pytest.raises(StoreError, match="have 40 pairs to learn a turn from; 64 were asked for"):
        open_space(data, "top", SpaceWish("aligned", 64))


def test_where_everything_is_held_out_no_middle_can_be_learnt():
    data = made()
    items = data.items.assign(split="test")

    assert "no pictures outside of the test split" in refused(
        dataclasses.replace(data, items=items), "centred"
    )


def test_too_few_held_out_items_have_no_gap():
    data = made()
    items = data.items.assign(split="train")
    (gap,) = measure_gaps(dataclasses.replace(data, items=items), "top", None)

    assert gap["reason"] == "fewer than 2 held-out items of a sense"
