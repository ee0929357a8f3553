"""Data folders: every row and every folder that cannot be used says why."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from d2v_core.data.folder import Problem, read_folder
from d2v_core.errors import InputError


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def ids(folder):
    return [(item.id, item.modality) for item in folder.items]


def png(level=0):
    file = io.BytesIO()
    Image.new("RGB", (2, 2), (level, level, level)).save(file, "PNG")
    return file.getvalue()


def wav():
    file = io.BytesIO()
    soundfile.write(file, np.zeros(8) + 0.1, 16_000, format="WAV")
    return file.getvalue()


def outside(tmp_path):
    """A folder with rows that cannot be used, beside a secret that must not be read."""
    root = tmp_path / "data"
    write(tmp_path / "secret.png")
    write(root / "fine.png")
    (root / "folder.png").mkdir()
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    (root / "inner.png").symlink_to(root / "fine.png")
    (root / "door").symlink_to(tmp_path)
    (root / "loop.png").symlink_to(root / "loop.png")
    os.mkfifo(root / "pipe.png")
    return root


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gone.png", "there is no such file"),
        ("fine.png/x.png", "there is no such file"),
        ("../secret.png", "lies outside the data folder"),
        ("folder.png/../../secret.png", "lies outside the data folder"),
        ("door/secret.png", "lies outside the data folder"),
        ("link.png", "lies outside the data folder"),
        ("/etc/passwd.png", "an absolute path; names are relative to the data folder"),
        ("C:\\secret.png", "an absolute path; names are relative to the data folder"),
        ("folder.png", "not a regular file"),
        ("pipe.png", "not a regular file"),
        ("loop.png", "cannot be read: Too many levels of symbolic links"),
        ("x" * 300 + ".png", "cannot be read: File name too long"),
        ("nul\0.png", "not a possible file name"),
        (
            "fine.docx",
            "its suffix is none of .bmp, .gif, .jpeg, .jpg, .png, .ppm, .tif, .tiff, .webp, "
            ".8svx, .aif, .aifc, .aiff, .au, .avr, .bwf, .caf, .flac, .mp3, .nist, .oga, .ogg, "
            ".opus, .paf, .pvf, .rf64, .sph, .svx, .voc, .w64, .wav, .wave, .wve, .txt",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_a_problem_and_the_rest_goes_on(tmp_path, name, reason):
    root = outside(tmp_path)
    write(root / "metadata.csv", f"file_name,label\n{name},cat\ninner.png,dog\n")

    folder = read_folder(root)

    assert folder.problems == (Problem(name, f"{reason} (metadata.csv, line 2)"),)
    assert [item.label for item in folder.items] == ["dog"]


def test_links_out_of_a_class_folder_are_not_followed(tmp_path):
    root = outside(tmp_path)

    folder = read_folder(root)

    assert {problem.file: problem.reason for problem in folder.problems} == {
        "door": "a link to a folder; such links are not followed",
        "folder.png": "a folder, not a file, and nothing in it",
        "link.png": "lies outside the data folder",
        "loop.png": "cannot be read: Too many levels of symbolic links",
        "pipe.png": "not a regular file",
    }
    assert [item.id for item in folder.items] == ["fine", "inner"]


def test_other_files_of_a_class_folder_are_named(tmp_path):
    write(tmp_path / "bird/1.png")
    write(tmp_path / "bird/notes.docx")
    write(tmp_path / "bird/drawing.svg")
    Path(os.fsdecode(bytes(tmp_path / "bird") + b"/caf\xe9.png")).touch()

    problems = {problem.file: problem.reason for problem in read_folder(tmp_path).problems}

    assert problems["bird/drawing.svg"].startswith("an SVG drawing")
    assert problems["bird/notes.docx"].startswith("its suffix is none of .bmp")
    assert problems["bird/caf\\xe9.png"] == "its name is not UTF-8; rename it"


def test_rows_of_a_csv_that_cannot_be_used(tmp_path):
    write(tmp_path / "a.png")
    write(tmp_path / "b.png")
    write(
        tmp_path / "metadata.csv",
        "id,image_file_name,text,split\n"
        "1,a.png,,train\n"
        "1,b.png,,train\n"
        "2,b.png,,holdout\n"
        "3,,,train\n"
        "4,b.png,words,train,more\n"
        "\n"
        "5,gone.png,words,train\n",
    )

    folder = read_folder(tmp_path)

    assert ids(folder) == [("1", "image"), ("5", "text")]
    assert folder.problems == (
        Problem("metadata.csv, line 6", "5 fields, but the header has 4"),
        Problem("metadata.csv, line 4", "split 'holdout' is none of train, val, test"),
        Problem("metadata.csv, line 5", "names no picture, no sound and no text"),
        Problem("gone.png", "there is no such file (metadata.csv, line 8)"),
        Problem("metadata.csv, line 3", "its id '1' is taken by metadata.csv, line 2"),
    )


def test_rows_of_json_lines_that_cannot_be_used(tmp_path):
    lines = ['{"text": "fine"}', "{oops", "[1, 2]", '{"text": "\\ud800"}', "", '{"text": "fine"}']
    write(tmp_path / "metadata.jsonl", "\n".join(lines))

    folder = read_folder(tmp_path)

    assert [item.source for item in folder.items] == ["fine"]
    assert [problem.file for problem in folder.problems] == [
        "metadata.jsonl, line 2",
        "metadata.jsonl, line 3",
        "metadata.jsonl, line 4",
        "metadata.jsonl, line 6",
    ]
    assert folder.problems[0].reason.startswith("not JSON: Expecting property name")
    assert folder.problems[1].reason == "not a JSON object in braces"
    assert folder.problems[2].reason == "a lone surrogate, which is no character"
    assert folder.problems[3].reason.endswith("is taken by metadata.jsonl, line 1")


def test_a_group_that_straddles_by_given_splits_is_reported(tmp_path):
    write(tmp_path / "metadata.csv", "text,group,split\na,nest,train\nb,nest,test\n")

    folder = read_folder(tmp_path)

    assert folder.problems == (
        Problem("group nest", "has rows in test and train: trained on and tested on"),
    )
    assert len(folder.items) == 2


def unusable(tmp_path, name):
    root = tmp_path / "data"
    root.mkdir()
    if name == "columns":
        write(root / "metadata.csv", "image_file_name;label\na.png;cat\n")
    elif name == "encoding":
        (root / "metadata.csv").write_bytes(b"text,label\nfine,1\ncaf\xe9,2\n")
    elif name == "quote":
        write(root / "metadata.csv", 'text,label\n"open,1\n')
    elif name == "twice":
        write(root / "metadata.csv", "text,label,label\na,b,c\n")
    elif name == "two":
        write(root / "metadata.csv", "text\na\n")
        write(root / "metadata.jsonl", '{"text": "a"}')
    elif name == "parquet":
        write(root / "metadata.parquet", "no parquet")
    elif name == "rows":
        write(root / "metadata.csv", "file_name\n../a.png\ngone.png\n")
    elif name == "file":
        root.rmdir()
        write(root)
    elif name == "missing":
        root.rmdir()
    return root


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "empty",
            "{root} is empty: wanted are files in folders named by label, or a metadata.csv "
            "with image_file_name, audio_file_name or text",
        ),
        ("missing", "{root} does not exist; wanted is a folder, or a .parquet file with the media"),
        ("file", "{root} is a file; wanted is a folder, or a .parquet file with the media"),
        (
            "columns",
            "{root}/metadata.csv has none of the columns image_file_name, audio_file_name, "
            "text, text_file_name, file_name (found: 'image_file_name;label'); columns are "
            "separated by commas",
        ),
        ("encoding", "{root}/metadata.csv is not UTF-8, first in line 3; save it as UTF-8"),
        ("quote", "{root}/metadata.csv, line 2: unexpected end of data"),
        ("twice", "{root}/metadata.csv has more than one column label; rename or remove one"),
        ("two", "{root} has metadata.csv and metadata.jsonl; keep one"),
        ("parquet", "{root}/metadata.parquet is no Parquet file, or a damaged one: "),
        (
            "rows",
            "nothing in {root} can be used: ../a.png: lies outside the data folder "
            "(metadata.csv, line 2) (and 1 more problem)",
        ),
    ],
)
def test_a_folder_of_which_nothing_can_be_used_says_why(tmp_path, name, reason):
    root = unusable(tmp_path, name)

    with pytest.raises(InputError) as caught:
        read_folder(root)

    assert str(caught.value).startswith(reason.format(root=root))
