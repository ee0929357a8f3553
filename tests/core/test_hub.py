"""Data sets of the hub: as saved to a disk, as Parquet files, and from a server that is one."""

import contextlib
import hashlib
import json
import threading
from collections import Counter
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from d2v_core.data.folder import read_folder
from d2v_core.data.sources import get
from d2v_core.errors import InputError
from tests.core.bad_media import picture, recorded, tone

LABELS = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}


def table(rows, start=0):
    """Return rows as the library has them: media as {bytes, path}, labels as numbers."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    numbers = range(start, start + rows)
    columns = {
        "image": pa.array([{"bytes": picture(), "path": f"{n}.png"} for n in numbers], kind),
        "sound": pa.array([{"bytes": recorded(tone(0.01)), "path": None} for _ in numbers], kind),
        "label": [n % 2 for n in numbers],
        "file_name": [f"/home/somebody/{n}.png" for n in numbers],
    }
    return pa.table(columns).replace_schema_metadata({"huggingface": json.dumps(LABELS)})


def saved(folder, rows, start=0):
    """Write what `Dataset.save_to_disk` writes."""
    folder.mkdir(parents=True)
    name = "data-00000-of-00001.arrow"
    content = table(rows, start)
    with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_stream(file, content.schema) as to:
        to.write_table(content)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
    return folder


def saved_splits(folder):
    for number, split in enumerate(("train", "validation")):
        saved(folder / split, 4, 4 * number)
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "validation"]}))
    return folder


def test_a_saved_data_set_becomes_a_folder_with_its_splits(tmp_path):
    get("hub:me/pets", tmp_path / "out", from_=saved_splits(tmp_path / "saved"))

    folder = read_folder(tmp_path / "out")

    assert folder.problems == ()
    assert [item.split for item in folder.of("image")] == ["train"] * 4 + ["val"] * 4
    assert [item.label for item in folder.of("audio")] == ["cat", "dog"] * 4
    assert len(folder.pairs("image", "audio")) == 8
    assert folder.of("image")[0].file.read_bytes() == picture()
    assert folder.items[0].columns["file_name_"] == "/home/somebody/0.png"
    assert "me/pets" in (tmp_path / "out" / "README.txt").read_text()


def test_what_the_library_itself_saved_is_read(tmp_path):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["cat", "dog"])}
    )
    rows = {"text": ["a", "b", "c"], "label": [0, 1, 1]}
    datasets.disable_progress_bars()
    whole = datasets.Dataset.from_dict(rows, features=features)
    datasets.DatasetDict({"train": whole, "test": whole}).save_to_disk(tmp_path / "saved")

    get("hub:pets", tmp_path / "out", from_=tmp_path / "saved")

    items = read_folder(tmp_path / "out").items
    assert [(i.label, i.split) for i in items if i.source == "b"] == [("dog", "train")]


@pytest.mark.parametrize("limit", [1, 2])
def test_a_limit_takes_the_first_of_each_label_over_all_parts(tmp_path, limit):
    get("hub:pets", tmp_path / "out", from_=saved_splits(tmp_path / "saved"), limit=limit)

    labels = [item.label for item in read_folder(tmp_path / "out").of("image")]

    assert labels == ["cat", "dog"] * limit


def test_parquet_files_are_read_with_the_splits_of_their_names(tmp_path):
    for name in ("data/train-00000-of-00001", "data/test-00000-of-00001", "dev/0000"):
        path = tmp_path / "in" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table(2), path)
    get("hub:pets", tmp_path / "out", from_=tmp_path / "in")

    splits = [item.split for item in read_folder(tmp_path / "out").of("image")]

    assert splits == ["test", "test", "train", "train", "val", "val"]


def test_the_folder_argument_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match=r"d2v data get hub:pets --from .*saved/pets --out DIR"):
        read_folder(saved(tmp_path / "saved" / "pets", 1))
    with pytest.raises(InputError, match="hub:me/pets is not here yet: d2v data get hub:me/pets"):
        read_folder(Path("hub:me/pets"))


def broken(root, name):
    """Return a saved data set in which something is wrong."""
    saved(root, 2)
    arrow = root / "data-00000-of-00001.arrow"
    state = {"out": "../secret.arrow", "absolute": "/etc/passwd", "gone": "gone.arrow"}
    if name in state:
        (root.parent / "secret.arrow").write_bytes(arrow.read_bytes())
        (root / "state.json").write_text(json.dumps({"_data_files": [{"filename": state[name]}]}))
    elif name == "state":
        (root / "state.json").write_text("{oops")
    elif name == "list":
        (root / "state.json").write_text('{"_data_files": 3}')
    elif name == "cut":
        arrow.write_bytes(arrow.read_bytes()[:-600])
    elif name == "bytes":
        arrow.write_bytes(b"no arrow")
    elif name == "columns":
        saved_splits(root / "x")
        (root / "state.json").unlink()
        (root / "dataset_dict.json").write_text('{"splits": ["x/train", "y"]}')
        saved(root / "y", 1)
        with pa.OSFile(str(root / "y" / arrow.name), "wb") as file:
            other = pa.table({"text": ["a"]})
            with pa.ipc.new_stream(file, other.schema) as to:
                to.write_table(other)
    return root


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("out", "lies outside the data folder"),
        ("absolute", "an absolute path"),
        ("gone", "there is no such file"),
        ("state", "is damaged: it lists no _data_files"),
        ("list", "is damaged: it lists no _data_files"),
        ("cut", "is no stream of Arrow, or a damaged one"),
        ("bytes", "is no stream of Arrow, or a damaged one"),
        ("columns", "has parts with other columns"),
    ],
)
def test_a_bad_saved_data_set_says_why_and_leaves_nothing(tmp_path, name, reason):
    root = broken(tmp_path / "saved", name)
    with pytest.raises(InputError, match=reason):
        get("hub:pets", tmp_path / "out", from_=root)

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["", "a/b/c", "../x", "https://x", "a b", "me/pets@"])
def test_a_name_that_is_none_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="is no name of the hub, such as hub:owner/name"):
        get(f"hub:{name}", tmp_path / "out")


# --- a server that is a hub


COMMIT = "b" * 40
BRANCH = "/api/datasets/me/pets/revision/refs/convert/parquet"
TREE = f"/api/datasets/me/pets/tree/{COMMIT}"


class Hub(BaseHTTPRequestHandler):
    """Answers as the hub does: the commit of a branch, a list of its files, and the files."""

    def __init__(self, files, given, *args):
        self.files, self.given = files, given
        super().__init__(*args)

    def log_message(self, format, *args):  # its name there
        pass

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, *, with_body):
        path = unquote(urlsplit(self.path).path)
        name = path.partition(f"/resolve/{COMMIT}/")[2]
        listed = [{"type": "file", "path": n, "size": len(x)} for n, x in self.files.items()]
        about = {
            BRANCH: {"id": "me/pets", "sha": COMMIT},
            TREE: [{"oid": "0" * 40} | file for file in listed],
        }
        body = json.dumps(about[path]).encode() if path in about else self.files.get(name, b"")
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        if not body:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.end_headers()
        if with_body:
            self.given += [name] if name else []  # before whoever reads it can look
            self.wfile.write(body)


@contextlib.contextmanager
def serving(files, given=None):
    """Give the address of a hub with these files; names of files go into `given` as they go out."""
    given = [] if given is None else given
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, files, given))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def packed(rows, start=0, *, without=()):
    """Return a file; of two with the same bytes the hub's cache would keep one."""
    to = pa.BufferOutputStream()
    pq.write_table(table(rows, start).drop_columns(list(without)), to)
    return to.getvalue().to_pybytes()


@pytest.fixture
def at(monkeypatch, tmp_path):
    """Return a function that sets the hub's address."""
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return partial(monkeypatch.setenv, "HF_ENDPOINT")


def test_the_hub_is_asked_for_its_parquet_files(tmp_path, at):
    with serving(
        {"default/train/0000.parquet": packed(3), "default/test/0000.parquet": packed(1)}
    ) as url:
        at(url)
        get("hub:me/pets", tmp_path / "out")

    folder = read_folder(tmp_path / "out")
    assert [item.split for item in folder.of("image")] == ["test", "train", "train", "train"]
    assert "huggingface.co/datasets/me/pets" in (tmp_path / "out" / "README.txt").read_text()


SHARDS = {
    "default/test/0000.parquet": packed(6),
    **{f"default/train/000{n}.parquet": packed(6, 6 * n + 6) for n in range(3)},
}
FIRST, SECOND = "default/train/0000.parquet", "default/train/0001.parquet"


@pytest.mark.parametrize(("limit", "wanted"), [(2, [FIRST]), (3, [FIRST]), (4, [FIRST, SECOND])])
def test_a_limit_fetches_no_more_files_than_it_wants(tmp_path, at, limit, wanted):
    """A file has three rows of each of two labels."""
    given = []
    with serving(SHARDS, given) as url:
        at(url)
        notes = get("hub:me/pets", tmp_path / "out", limit=limit)

    folder = read_folder(tmp_path / "out")
    assert given == wanted
    assert Counter(item.label for item in folder.of("image")) == {"cat": limit, "dog": limit}
    assert len(list((tmp_path / "out" / "images").iterdir())) == 2 * limit
    size = sum(len(SHARDS[name]) for name in wanted) / 1e6
    assert notes == (
        f"fetched {len(wanted)} of 4 files, {size:,.1f} MB, of commit bbbbbbbbbbbb",
        "all rows are of one split there; new splits are made of them",
    )
    assert f"{notes[0]}.\n" in (tmp_path / "out" / "README.txt").read_text()


def test_what_was_fetched_is_not_fetched_again(tmp_path, at):
    given = []
    with serving(SHARDS, given) as url:
        at(url)
        get("hub:me/pets", tmp_path / "few", limit=1)
        notes = get("hub:me/pets", tmp_path / "more", limit=6)
        all_of_it = get("hub:me/pets", tmp_path / "all")

    assert sorted(given) == sorted(SHARDS)  # each once
    assert "fetched 1 of 4 files" in notes[0]
    assert notes[0].endswith("; 1 more from the cache")
    assert "fetched 2 of 4 files" in all_of_it[0]
    assert len(read_folder(tmp_path / "all").of("image")) == 24


def test_a_limit_beyond_the_train_rows_goes_on_with_the_others_and_their_splits(tmp_path, at):
    with serving(SHARDS) as url:
        at(url)
        get("hub:me/pets", tmp_path / "out", limit=11)

    images = read_folder(tmp_path / "out").of("image")
    assert [item.split for item in images] == ["train"] * 18 + ["test"] * 4


def test_rows_without_labels_count_together(tmp_path, at):
    given = []
    shards = {
        f"default/train/{n:04}.parquet": packed(5, 5 * n, without=["label"]) for n in range(9)
    }
    with serving(shards, given) as url:
        at(url)
        get("hub:me/pets", tmp_path / "out", limit=7)

    assert len(given) == 2
    assert len(read_folder(tmp_path / "out").of("image")) == 7


def test_labels_that_are_listed_nowhere_are_those_of_the_files_that_were_looked_at(tmp_path, at):
    given, shards = [], {}
    for number, words in enumerate(["aab", "abb", "ccc"]):
        to = pa.BufferOutputStream()
        texts = [f"{word} {number} {place}" for place, word in enumerate(words)]
        pq.write_table(pa.table({"text": texts, "label": list(words)}), to)
        shards[f"train-{number:05}-of-00003.parquet"] = to.getvalue().to_pybytes()
    with serving(shards, given) as url:
        at(url)
        notes = get("hub:me/pets", tmp_path / "out", limit=2)

    labels = [item.label for item in read_folder(tmp_path / "out").items]
    assert labels == ["a", "a", "b", "b"]
    assert len(given) == 2
    assert notes[1].startswith("which labels there are is known only after all files")


def test_of_several_parts_one_has_to_be_chosen(tmp_path, at):
    with serving({"en/train/0000.parquet": packed(3), "fr/train/0000.parquet": packed(2)}) as url:
        at(url)
        with pytest.raises(InputError, match="has the parts en, fr; choose one: hub:me/pets@en"):
            get("hub:me/pets", tmp_path / "out")
        with pytest.raises(InputError, match="has no part 'de'; it has en, fr"):
            get("hub:me/pets@de", tmp_path / "out")
        get("hub:me/pets@fr", tmp_path / "out")
        with pytest.raises(InputError, match="the hub has no public data set 'me/none'"):
            get("hub:me/none", tmp_path / "none")

    assert len(read_folder(tmp_path / "out").of("image")) == 2


def test_a_hub_that_does_not_answer_is_one_sentence(tmp_path, at, monkeypatch):
    at("http://127.0.0.1:9")
    monkeypatch.setattr("time.sleep", lambda _: None)  # its library tries again and again
    with pytest.raises(InputError, match=r"does not answer .*; fetch me/pets elsewhere and give"):
        get("hub:me/pets", tmp_path / "out")
    assert not (tmp_path / "out").exists()
