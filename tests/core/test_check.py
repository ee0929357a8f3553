"""Checking a folder: every item is decoded, and each bad one named with its reason."""

import io
import json

import numpy as np
import pytest
import soundfile
from PIL import Image

from d2v_core.data.check import check_folder
from d2v_core.data.folder import Problem, read_folder
from d2v_core.errors import InputError


def picture(path, level=7):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(level).integers(0, 256, (50, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def sound(path, samples=1600):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(samples, 0.1), 16_000)
    return path


@pytest.fixture
def bad(tmp_path):
    """One good pair, and one of everything that goes wrong."""
    root = tmp_path / "data"
    picture(tmp_path / "secret.png")
    picture(root / "good.png")
    sound(root / "good.wav")
    whole = picture(root / "truncated.png").read_bytes()
    (root / "truncated.png").write_bytes(whole[: len(whole) // 2])
    sound(root / "no-samples.wav", samples=0)
    (root / "no-bytes.wav").touch()
    (root / "nul.txt").write_bytes(b"a bi\x00rd")
    (root / "wrong.png").write_bytes(sound(root / "wrong.wav").read_bytes())
    buffer = io.BytesIO()
    soundfile.write(buffer, np.array([0.1, np.nan]), 16_000, format="WAV", subtype="FLOAT")
    (root / "nan.wav").write_bytes(buffer.getvalue())
    (root / "metadata.csv").write_text(
        "id,image_file_name,audio_file_name,text,text_file_name,label,split\n"
        "good,good.png,good.wav,A bird.,,bird,train\n"
        "half,truncated.png,no-samples.wav,Half.,,bird,test\n"
        "none,wrong.png,no-bytes.wav,,nul.txt,cat,test\n"
        "gone,gone.png,nan.wav,\x00,,cat,test\n"
        "out,../secret.png,,,,cat,test\n",
        encoding="utf-8",
    )
    return root


def test_each_bad_item_is_named_with_its_reason(bad):
    report = check_folder(bad)

    assert report.problems == (
        Problem("gone.png", "there is no such file (metadata.csv, line 5)"),
        Problem("../secret.png", "lies outside the data folder (metadata.csv, line 6)"),
        Problem("truncated.png", "truncated: the picture ends before its last row"),
        Problem("no-samples.wav", "holds no samples"),
        Problem("wrong.png", "not a picture in a format that can be read"),
        Problem("no-bytes.wav", "empty: 0 bytes"),
        Problem("nul.txt", "a NUL character at position 4: not a text"),
        Problem("nan.wav", "holds values that are not numbers (NaN or infinite)"),
        Problem("text of row 'gone'", "a NUL character at position 0: not a text"),
    )


def test_what_decodes_is_counted(bad):
    report = check_folder(bad)

    assert report.usable == {"image": 1, "audio": 1, "text": 2}
    assert report.rows == 2
    assert report.pairs == {"image-audio": 1, "image-text": 1, "audio-text": 1}
    assert report.splits == {"train": 1, "val": 0, "test": 1}
    assert report.labels == {"bird": 2}
    assert report.is_usable
    assert report.fingerprint == read_folder(bad).fingerprint


def test_progress_counts_up_to_all_items(bad):
    seen = []

    check_folder(bad, progress=lambda done, total: seen.append((done, total)))

    assert seen == [(n, 11) for n in range(1, 12)]


def test_the_report_is_one_json_document(bad):
    document = json.loads(check_folder(bad).to_json())

    assert document["usable"] == {"image": 1, "audio": 1, "text": 2}
    assert document["problems"][0] == {
        "file": "gone.png",
        "reason": "there is no such file (metadata.csv, line 5)",
    }
    assert set(document) >= {"root", "rows", "pairs", "splits", "labels", "fingerprint"}


def test_a_folder_of_which_nothing_is_usable_still_gives_its_report(tmp_path):
    (tmp_path / "metadata.csv").write_text("file_name\ngone.png\n")

    report = check_folder(tmp_path)

    assert not report.is_usable
    assert report.usable == {"image": 0, "audio": 0, "text": 0}
    assert len(report.problems) == 1


def test_no_folder_no_report(tmp_path):
    with pytest.raises(InputError, match="gone does not exist; wanted is a folder"):
        check_folder(tmp_path / "gone")
