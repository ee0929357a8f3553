"""Data folders: every accepted layout, and what is read from it."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from PIL import Image

from d2v_core.data.folder import read_folder, read_folders
from d2v_core.data.splits import write_splits
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


@pytest.fixture
def pets(tmp_path):
    """Two pairs and a sentence, with columns of every type."""
    write(tmp_path / "images" / "a.png")
    write(tmp_path / "images" / "b.png")
    write(tmp_path / "audio" / "a.flac")
    write(
        tmp_path / "metadata.csv",
        "image_file_name,audio_file_name,text,label,split,group,size,weight,is_tame,code\n"
        "images/a.png,audio/a.flac,A cat.,cat,train,home,1,0.5,true,007\n"
        "images/b.png,,A dog.,dog,dev,yard,2,,False,1e3\n"
        ",,Just words.,,test,,,2,,x\n",
    )
    return tmp_path


def test_rows_become_items_in_order(pets):
    folder = read_folder(pets)

    assert ids(folder) == [
        ("images/a", "image"),
        ("images/a", "audio"),
        ("images/a", "text"),
        ("images/b", "image"),
        ("images/b", "text"),
        (folder.items[5].id, "text"),
    ]
    assert folder.items[5].id.startswith("text-")
    assert folder.problems == ()
    assert folder.modalities == ("image", "audio", "text")
    assert [item.split for item in folder.of("text")] == ["train", "val", "test"]
    assert folder.items[0].source == (pets / "images/a.png").resolve()
    assert folder.items[4].source == "A dog."
    assert folder.items[4].group == "yard"
    assert folder.items[5].label is None


def test_columns_have_the_type_that_all_their_values_have(pets):
    columns = [item.columns for item in read_folder(pets).of("text")]

    assert columns == [
        {"size": 1, "weight": 0.5, "is_tame": True, "code": "007"},
        {"size": 2, "is_tame": False, "code": "1e3"},
        {"weight": 2.0, "code": "x"},
    ]
    assert type(columns[2]["weight"]) is float


def test_ids_and_labels_stay_as_they_are_written(tmp_path):
    """A column of further values would become numbers; these two must not."""
    write(tmp_path / "metadata.csv", "id,text,label,number\n007,a,1e5,1e5\n010,b,1e6,1e6\n")

    items = read_folder(tmp_path).items

    assert [(item.id, item.label) for item in items] == [("007", "1e5"), ("010", "1e6")]
    assert [item.columns["number"] for item in items] == [1e5, 1e6]


def test_pairs_are_rows_with_both(pets):
    folder = read_folder(pets)

    assert [(a.id, b.id) for a, b in folder.pairs("image", "text")] == [
        ("images/a", "images/a"),
        ("images/b", "images/b"),
    ]
    assert len(folder.pairs("image", "audio")) == 1


def test_the_three_formats_of_metadata_say_the_same(tmp_path):
    rows = [
        {"id": "1", "file_name": "a.png", "label": "cat", "size": 3, "weight": 0.5},
        {"id": "2", "file_name": "b.wav", "label": "dog", "size": 4, "weight": None},
    ]
    folders = []
    for suffix in ("csv", "jsonl", "parquet"):
        root = tmp_path / suffix
        write(root / "a.png")
        write(root / "b.wav")
        folders.append(root)
    write(
        tmp_path / "csv/metadata.csv",
        "id,file_name,label,size,weight\n1,a.png,cat,3,0.5\n2,b.wav,dog,4,\n",
    )
    write(tmp_path / "jsonl/metadata.jsonl", "\n".join(map(json.dumps, rows)))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "parquet/metadata.parquet")

    read = [read_folder(root) for root in folders]

    assert ids(read[0]) == [("1", "image"), ("2", "audio")]
    assert len({folder.fingerprint for folder in read}) == 1
    assert read[0].items[0].columns == read[2].items[0].columns == {"size": 3, "weight": 0.5}
    assert read[0].items[1].columns == read[2].items[1].columns == {"size": 4}


def test_the_fingerprint_follows_the_data_and_nothing_else(pets, tmp_path):
    first = read_folder(pets)
    (pets / "images/a.png").touch()
    write_splits(pets, first.splits)
    assert read_folder(pets).fingerprint == first.fingerprint

    write(pets / "images/a.png", "longer")
    second = read_folder(pets).fingerprint
    text = (pets / "metadata.csv").read_text()
    write(pets / "metadata.csv", text.replace("A dog.", "A fox."))
    third = read_folder(pets).fingerprint

    assert len({first.fingerprint, second, third}) == 3


def test_class_folders(tmp_path):
    for name in ("bird/001.png", "bird/x.flac", "cat/a.txt", "cat/001.PNG", "loose.png"):
        write(tmp_path / name)
    for name in ("README.md", "license.txt", ".hidden/a.png", "bird/.DS_Store"):
        write(tmp_path / name)

    folder = read_folder(tmp_path)

    assert [(item.id, item.label) for item in folder.items] == [
        ("bird/001", "bird"),
        ("bird/x", "bird"),
        ("cat/001", "cat"),
        ("cat/a", "cat"),
        ("loose", None),
    ]
    assert folder.problems == ()


def test_files_of_one_name_are_no_pair_without_metadata(tmp_path):
    write(tmp_path / "bird/1.png")
    write(tmp_path / "bird/1.wav")

    folder = read_folder(tmp_path)

    assert ids(folder) == [("bird/1.png", "image"), ("bird/1.wav", "audio")]
    assert folder.pairs("image", "audio") == []


def test_split_folders(tmp_path):
    for name in ("train/bird/1.png", "validation/bird/2.png", "test/3.png"):
        write(tmp_path / name)

    items = read_folder(tmp_path).items

    assert [(item.id, item.label, item.split) for item in items] == [
        ("test/3", None, "test"),
        ("train/bird/1", "bird", "train"),
        ("validation/bird/2", "bird", "val"),
    ]


def test_a_class_called_test_is_a_class(tmp_path):
    write(tmp_path / "test/1.png")
    write(tmp_path / "bird/1.png")

    assert {item.label for item in read_folder(tmp_path).items} == {"test", "bird"}


def test_metadata_in_split_folders(tmp_path):
    for split in ("train", "test"):
        write(tmp_path / split / "1.png")
        write(tmp_path / split / "metadata.csv", "file_name,label\n1.png,cat\n")

    items = read_folder(tmp_path).items

    assert {(item.id, item.split) for item in items} == {("train/1", "train"), ("test/1", "test")}
    assert items[0].source.is_file()


def test_missing_splits_are_made_and_written_ones_are_preferred(tmp_path):
    for n in range(20):
        write(tmp_path / "bird" / f"{n}.png")
    made = read_folder(tmp_path)
    turned = {name: "val" if split == "test" else split for name, split in made.splits.items()}
    assert sorted(made.splits.values()) == ["test"] * 3 + ["train"] * 14 + ["val"] * 3

    write_splits(tmp_path, turned)

    assert read_folder(tmp_path).splits == turned
    assert read_folder(tmp_path).fingerprint != made.fingerprint


def hub_parquet(path, **columns):
    features = {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    table = pa.table(columns).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
    pq.write_table(table, path)
    return path


def test_a_parquet_file_with_media_is_unpacked_once(tmp_path):
    path = hub_parquet(
        tmp_path / "pets.parquet",
        image=[{"bytes": png(n), "path": f"{n}.png"} for n in range(3)],
        sound=[wav(), None, b"damaged"],
        text=["one, two", None, 'quo"te'],
        label=[0, 1, 1],
    )

    folder = read_folder(path)

    assert [(i.id, i.modality) for i in folder.items][:3] == [
        ("images/00000000", "image"),
        ("images/00000000", "audio"),
        ("images/00000000", "text"),
    ]
    assert [item.label for item in folder.of("image")] == ["cat", "dog", "dog"]
    assert [item.source.read_bytes() for item in folder.of("image")] == [png(n) for n in range(3)]
    assert folder.of("audio")[0].source.read_bytes() == wav()
    assert [item.source for item in folder.of("text")] == ["one, two", 'quo"te']
    made = (folder.root / "metadata.csv").stat().st_mtime_ns
    assert read_folder(path).fingerprint == folder.fingerprint
    assert (folder.root / "metadata.csv").stat().st_mtime_ns == made

    hub_parquet(path, image=[png(9)], label=[1])
    assert len(read_folder(path).items) == 1


def test_a_parquet_file_that_cannot_be_unpacked_says_why(tmp_path):
    write(tmp_path / "bad.parquet", "no parquet")
    hub_parquet(tmp_path / "none.parquet", label=[1])
    hub_parquet(tmp_path / "two.parquet", a=[png()], b=[png()])
    hub_parquet(tmp_path / "way.parquet", text=["a"])
    (tmp_path / "way-unpacked").mkdir()

    for name, reason in {
        "bad": "is no Parquet file, or a damaged one",
        "none": r"has no column of pictures or sounds, and no text \(found: label\)",
        "two": "has more than one column of image; keep one",
        "way": "way-unpacked is in the way",
    }.items():
        with pytest.raises(InputError, match=reason):
            read_folder(tmp_path / f"{name}.parquet")
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"way-unpacked"}


def test_several_folders_are_read_as_one_without_new_pairs(tmp_path):
    """Both have an item "a": they are told apart by their folder, and never become a pair."""
    write(tmp_path / "pictures" / "metadata.csv", "image_file_name,split\na.png,train\n")
    (tmp_path / "pictures" / "a.png").write_bytes(png())
    write(tmp_path / "sounds" / "metadata.csv", "audio_file_name,split\na.wav,test\n")
    (tmp_path / "sounds" / "a.wav").write_bytes(wav())
    both = [tmp_path / "pictures", tmp_path / "sounds"]
    folder = read_folders(both)

    assert ids(folder) == [("pictures/a", "image"), ("sounds/a", "audio")]
    assert folder.pairs("image", "audio") == []
    assert folder.items[1].split == "test"
    assert read_folders(both[:1]) == read_folder(both[0])
    assert folder.fingerprint != read_folders(both[::-1]).fingerprint


def test_folders_of_one_name_are_refused(tmp_path):
    for parent in ("x", "y"):
        write(tmp_path / parent / "data" / "metadata.csv", "text\nHello.\n")
    with pytest.raises(InputError, match="folders must differ in their names, got data, data"):
        read_folders([tmp_path / "x" / "data", tmp_path / "y" / "data"])
