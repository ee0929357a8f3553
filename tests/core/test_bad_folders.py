"""Bad data folders: each ends in a sentence, none in a traceback, and nothing leads out of it."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d2v_core.data.folder import read_folder, scan_folder
from d2v_core.data.inside import Inside
from d2v_core.data.tables import read_table
from d2v_core.embed import embed
from d2v_core.encoders.lowlevel import LowLevelEncoder
from d2v_core.errors import D2VError, InputError
from d2v_core.store import Store
from tests.core.bad_folders import EMPTY, FEATURES, FOLDERS, csv, jsonl
from tests.core.bad_media import picture
from tests.core.bounded import try_all


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    """What is said of each in a process with bounds on memory and time."""
    place = tmp_path_factory.mktemp("bad")
    return try_all("tests.core.bad_trials:becomes_a_store", FOLDERS, place)


@pytest.mark.parametrize("name", FOLDERS)
def test_each_has_its_reason_or_is_fine(tried, name):
    reason, said = FOLDERS[name].reason, tried.said_of(name)

    assert said is None if reason is None else reason in said


@pytest.mark.parametrize("name", [name for name in FOLDERS if name.startswith(("link", "name"))])
def test_nothing_outside_becomes_an_item(tmp_path, name):
    root = tmp_path / "data"
    root.mkdir()
    FOLDERS[name].fill(root)
    try:
        items = scan_folder(root).items
    except InputError:
        items = ()

    files = [item.source for item in items if isinstance(item.source, Path)]
    assert all(path.resolve().is_relative_to(root.resolve()) for path in files)
    assert not any("secret" in path.name for path in files)


def test_a_folder_with_one_good_row_is_still_usable():
    """So that the reasons above are of what is bad and not of the whole folder."""
    assert sum(FOLDERS[name].reason is None for name in FOLDERS) > 10
    assert set(EMPTY) <= set(FOLDERS)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(max_size=30),
            st.lists(
                st.sampled_from(["..", ".", "/", "door", "in", "a.png", "secret.png", "~", "\0"]),
                max_size=6,
            ).map("/".join),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_no_name_leads_out(tmp_path_factory, names):
    """Names as anybody might write them, with a door to the outside that is a link."""
    root = tmp_path_factory.mktemp("names") / "data"
    (root / "in").mkdir(parents=True)
    for place in (root.parent / "secret.png", root / "a.png", root / "in" / "a.png"):
        place.write_bytes(picture(size=(2, 2)))
    (root / "door").symlink_to(root.parent)
    (root / "back").symlink_to(root / "in")
    jsonl(*({"file_name": name, "id": str(n)} for n, name in enumerate(names)))(root)

    folder = scan_folder(root)

    assert len(folder.items) + len(folder.problems) == len(names)
    for item in folder.items:
        assert item.file.resolve().is_relative_to(root.resolve())
        assert item.file.name == "a.png"
    for name in names:
        try:
            found = Inside(root).find(name)
        except InputError:
            continue
        assert found.path.resolve().is_relative_to(root.resolve())


@settings(max_examples=80, deadline=None)
@given(st.sampled_from([".csv", ".jsonl", ".parquet"]), st.binary(max_size=300))
def test_any_bytes_as_metadata_are_a_table_or_a_sentence(tmp_path_factory, suffix, data):
    root = tmp_path_factory.mktemp("bytes")
    head = b"text,file_name,label\n" if suffix == ".csv" else b""
    (root / f"metadata{suffix}").write_bytes(head + data)
    reasons = ["fine"]
    try:
        reasons += [problem.reason for problem in scan_folder(root).problems]
    except InputError as error:
        reasons += [str(error)]
    assert all(reasons)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_damage_to_a_parquet_file_is_a_sentence_or_a_table(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("parquet") / "metadata.parquet"
    rows = 40
    pq.write_table(
        pa.table({"text": [f"bird {n}" for n in range(rows)], "n": list(range(rows))}), path
    )
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(whole)
    said, count = str(path), 0
    try:
        count = len(read_table(path).rows)
    except InputError as error:
        said = str(error)
    assert said.startswith(str(path))
    assert count <= rows


@pytest.mark.parametrize("bit", [1, 128])
def test_every_byte_of_a_parquet_files_footer_may_be_wrong(tmp_path, bit):
    """Names that are no text, entries of columns at which Arrow would end the process."""
    path = tmp_path / "metadata.parquet"
    pq.write_table(pa.table({"text": [f"bird {n}" for n in range(40)], "n": range(40)}), path)
    whole = path.read_bytes()
    footer = int.from_bytes(whole[-8:-4], "little")
    refused = []
    for place in range(len(whole) - 8 - footer, len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
        try:
            assert len(read_table(path).rows) <= 40
        except InputError as error:
            refused.append(str(error))
    assert len(refused) > footer // 2
    assert all(said.startswith(str(path)) for said in refused)


def test_names_of_columns_that_a_store_cannot_have_are_changed(tmp_path):
    csv("text,layer_00,media,a.b,,label_\nx,1,2,3,4,5\n")(tmp_path)
    done = embed(LowLevelEncoder(), read_folder(tmp_path), Store(str(tmp_path / "s"), create=True))

    columns = set(Store(str(tmp_path / "s")).read(done.name).items.columns)

    assert {"layer_00_", "media_", "a_b", "column", "label_"} <= columns


def test_a_number_beyond_64_bits_is_a_name(tmp_path):
    jsonl({"text": "a", "n": 10**30}, {"text": "b", "n": 2**63 - 1})(tmp_path)

    values = [item.columns["n"] for item in read_folder(tmp_path).items]

    assert values == [str(10**30), 2**63 - 1]


@pytest.mark.parametrize("name", ["parquet of rows", "parquet no UTF-8"])
def test_a_bad_parquet_file_of_media_leaves_nothing_behind(tmp_path, name):
    FOLDERS[name].fill(tmp_path)
    path = (tmp_path / "metadata.parquet").rename(tmp_path / "pets.parquet")
    with pytest.raises(D2VError, match=FOLDERS[name].reason):
        read_folder(Path(path))

    assert [place.name for place in tmp_path.iterdir()] == ["pets.parquet"]


@pytest.mark.parametrize("name", FEATURES)
def test_whatever_a_parquet_file_of_media_says_of_its_labels_its_rows_are_read(tmp_path, name):
    FEATURES[name](tmp_path)
    path = (tmp_path / "metadata.parquet").rename(tmp_path / "pets.parquet")

    items = read_folder(path).items

    wanted = {
        "names nested": ["[1]", "{'a': 2}"],
        "names too few": ["bird", "1"],
        "names of a lone surrogate": ["?", "cat"],
    }
    assert [item.label for item in items] == wanted.get(name, ["0", "1"])


def test_a_text_with_a_lone_carriage_return_stays_one_text(tmp_path):
    pq.write_table(pa.table({"text": ["one\rtwo,three\nfour", "five"]}), tmp_path / "a.parquet")

    assert [item.source for item in read_folder(tmp_path / "a.parquet").items] == [
        "one\rtwo,three\nfour",
        "five",
    ]
