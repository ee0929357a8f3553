"""The commands in a row, each in a process of its own, as a user types them."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

pytestmark = pytest.mark.slow
FAST = ["--steps", "3", "--set", "optim.batch=4", "--set", "pairs.batch=4"]


def d2v(*arguments, code=0):
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def aviary(tmp_path_factory):
    out = tmp_path_factory.mktemp("world") / "aviary"
    d2v("data", "make", "aviary", "--out", out, "--items", "160", "--seed", "5")
    return out


@pytest.fixture(scope="module")
def store(aviary, tmp_path_factory):
    """A store with a run, its untrained twin and the low-level features."""
    folder = tmp_path_factory.mktemp("work")
    d2v("train", aviary, "--preset", "shared-pairs-50", "--out", folder / "run", *FAST)
    store = folder / "store"
    for encoder in (folder / "run", "random:shared", "lowlevel"):
        d2v("embed", encoder, aviary, "--out", store)
    return store


def test_check_counts_what_was_made(aviary):
    found = json.loads(d2v("data", "check", aviary, "--json").stdout)

    assert found["usable"] == {"image": 160, "audio": 160, "text": 160}
    assert found["problems"] == []


def test_metrics_have_step_and_loss_in_each_line(store):
    lines = (store.parent / "run" / "metrics.jsonl").read_text().splitlines()

    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3]
    assert all(json.loads(line)["loss"] > 0 for line in lines)


def test_embedding_again_adds_nothing(store, aviary):
    again = json.loads(d2v("embed", "lowlevel", aviary, "--out", store, "--json").stdout)

    assert (again["added"], again["already"]) == (0, 480)


def test_probe_writes_json_table_and_figure(store, tmp_path):
    told = d2v("probe", store, "--quick", "--out", tmp_path / "p", "--json")
    results = json.loads(told.stdout)
    table = pd.read_csv(tmp_path / "p" / "probe.csv")

    assert len(results) == 3
    assert {"value", "low", "high", "chance", "n"} <= set(table.columns)
    assert set(table["probe"]) == {"knn", "linear"}
    assert (table["low"] <= table["value"]).all()
    assert json.loads((tmp_path / "p" / "probe.json").read_text()) == results
    assert "plotly" in (tmp_path / "p" / "probe.html").read_text().lower()


def test_probe_says_what_the_longer_probes_found(store):
    said = " ".join(d2v("probe", store, "--name", "lowlevel").stderr.split())

    assert "weighted sum of all layers: one layer needs no weights" in said
    assert "few shot of lowlevel: 1 of each: 0." in said
    assert "control of lowlevel: selectivity" in said
    assert "description length of lowlevel: compression of the labels" in said


def test_align_gives_gap_claims_and_controls(store, tmp_path):
    result = json.loads(d2v("align", store, "--out", tmp_path / "a", "--json").stdout)

    assert set(result["modality_gap"]) == {"image-audio", "image-text", "audio-text"}
    assert all(0 <= score["value"] <= 2 for score in result["modality_gap"].values())
    for pair in result["pairs"]:
        assert {c["role"] for c in pair["controls"]} == {"random twin", "low-level features"}
        assert len(pair["claims"]) == 4
    said = (tmp_path / "a" / "align.md").read_text()
    for pair in result["pairs"]:
        assert all(claim["sentence"] in said for claim in pair["claims"])


def test_map_has_a_row_for_every_item(store, tmp_path):
    name = next(
        line.split(":")[0]
        for line in d2v("embed", "lowlevel", read_data(store), "--out", store).stderr.splitlines()
        if line.startswith("lowlevel-")
    )
    d2v("map", store, "--name", name, "--out", tmp_path / "map.parquet", "--method", "pca")
    points = pd.read_parquet(tmp_path / "map.parquet")

    assert len(points) == 480
    assert points[["x", "y", "trust"]].notna().all().all()


def read_data(store):
    """Return the data folder that a store was made of."""
    about = json.loads((store.parent / "run" / "config.json").read_text())["about"]
    return about["data"]


def test_what_the_user_can_mend_ends_with_2_and_one_sentence(store, tmp_path):
    done = d2v("map", store, "--name", "nobody", code=2)

    assert done.stderr.startswith("d2v: ")
    assert "nobody" in done.stderr
    assert done.stderr.count("\n") == 1
    assert (
        "is a run already"
        in d2v("train", read_data(store), "--out", store.parent / "run", *FAST, code=2).stderr
    )


def test_bad_input_is_named_skipped_and_counted(tmp_path):
    folder = tmp_path / "bad"
    folder.mkdir()
    Image.new("RGB", (40, 30), "red").save(folder / "good.png")
    Image.effect_noise((64, 64), 50).save(folder / "cut.png")
    (folder / "cut.png").write_bytes((folder / "cut.png").read_bytes()[:900])
    (folder / "empty.wav").write_bytes(b"")
    pd.DataFrame(
        {
            "image_file_name": ["good.png", "cut.png", "nosuch.png", "../outside.png", None, None],
            "audio_file_name": [None, None, None, None, "empty.wav", None],
            "text": ["a good one", None, None, None, None, "nul \0 byte"],
        }
    ).to_json(folder / "metadata.jsonl", orient="records", lines=True)
    (tmp_path / "outside.png").write_bytes((folder / "good.png").read_bytes())
    found = json.loads(d2v("data", "check", folder, "--json").stdout)
    text = json.dumps(found["problems"])
    done = json.loads(
        d2v("embed", "lowlevel", folder, "--out", tmp_path / "store", "--json").stdout
    )

    assert {m: n for m, n in found["usable"].items() if n} == {"image": 1, "text": 1}
    for name in ("cut.png", "empty.wav", "nosuch.png", "outside.png", "NUL"):
        assert name in text
    assert done["added"] == 2
    assert len(done["skipped"]) == 5


def test_a_folder_with_nothing_usable_ends_with_1(tmp_path):
    folder = tmp_path / "nothing"
    folder.mkdir()
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")

    assert "broken.png" in d2v("data", "check", folder, code=1).stdout
