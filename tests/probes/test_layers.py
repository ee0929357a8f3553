"""Every layer is probed, and the best is not chosen on what is reported."""

import json

import numpy as np
import pytest

from probes.layers import probe_layers
from probes.splits import Splits


def stack(rng, items=240, classes=3):
    """Layer 1 shows the classes best, layer 0 not at all, layer 2 is the same for all items."""
    labels = rng.integers(classes, size=items)
    centres = 2 * rng.normal(size=(classes, 8))
    layers = {
        "embed": rng.normal(size=(items, 8)),
        "block_01.resid": centres[labels] + 0.3 * rng.normal(size=(items, 8)),
        "block_02.resid": np.full((items, 8), 0.2),
        "final_norm": centres[labels] + 6 * rng.normal(size=(items, 8)),
    }
    return layers, labels, Splits(*np.array_split(rng.permutation(items), 3))


def test_the_layer_that_shows_the_classes_is_found():
    layers, labels, splits = stack(np.random.default_rng(0))
    table = probe_layers(layers, labels, splits)

    assert [(row.tap, row.probe) for row in table.rows[:3]] == [
        ("embed", "knn"),
        ("embed", "linear"),
        ("block_01.resid", "knn"),
    ]
    assert [best.tap for best in table.best] == ["block_01.resid"] * 2
    assert all(best.score.low > 0.9 for best in table.best)
    assert table.screen.ranking == ("block_01.resid", "final_norm", "embed")
    assert table.classes == 3
    assert table.counts == {"train": 80, "val": 80, "test": 80}


def test_a_layer_that_is_undefined_says_so_and_does_not_win():
    layers, labels, splits = stack(np.random.default_rng(0))
    table = probe_layers(layers, labels, splits, probes=("linear",))
    flat = next(row for row in table.rows if row.tap == "block_02.resid")

    assert flat.score.value is None
    assert flat.score.reason.startswith("all 80 items have the same embedding")
    assert flat.val_accuracy is None
    assert table.best[0].searched == 3


def test_the_best_layer_is_chosen_on_val():
    """A layer that is right on test only must not be chosen."""
    rng = np.random.default_rng(0)
    layers, labels, splits = stack(rng)
    cheat = rng.normal(size=(240, 8))
    cheat[splits.test] = layers["block_01.resid"][splits.test]
    cheat[splits.train] = layers["block_01.resid"][splits.train]
    table = probe_layers(
        {"cheat": cheat, "final_norm": layers["final_norm"]}, labels, splits, probes=("knn",)
    )
    by_tap = {row.tap: row for row in table.rows}

    assert by_tap["cheat"].score.value > by_tap["final_norm"].score.value
    assert by_tap["cheat"].val_accuracy < by_tap["final_norm"].val_accuracy
    assert table.best[0].tap == "final_norm"
    assert table.best[0].score == by_tap["final_norm"].score


def test_the_table_is_json():
    layers, labels, splits = stack(np.random.default_rng(0), items=60)
    plain = json.loads(json.dumps(probe_layers(layers, labels, splits).to_json()))

    assert len(plain["rows"]) == 8
    assert plain["rows"][1]["detail"]["penalties"][0] == 100.0
    assert [row["tap"] for row in plain["screen"]["rows"]] == list(layers)
    assert list(plain) == [
        "rows",
        "best",
        "screen",
        "screen_reason",
        "classes",
        "counts",
    ]


def test_what_the_screen_cannot_do_does_not_stop_the_others():
    layers, labels, splits = stack(np.random.default_rng(0), items=60)
    labels[splits.train] = 1
    table = probe_layers({"embed": layers["embed"]}, labels, splits, probes=("knn",))

    assert table.best[0].score.value is not None
    assert table.screen is None
    assert table.screen_reason.startswith("the train split has items of one class only")


def test_refusals():
    layers, labels, splits = stack(np.random.default_rng(0), items=60)
    with pytest.raises(ValueError, match=r"^no layer to probe$"):
        probe_layers({}, labels, splits)
    with pytest.raises(ValueError, match=r"^60 items but 59 labels$"):
        probe_layers(layers, labels[:59], splits)
