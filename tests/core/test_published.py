"""Published files: whole or gone on with, and never another one; their layout becomes ours."""

import contextlib
import hashlib
import io
import tarfile
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import soundfile
from PIL import Image

from d2v_core.data.folder import read_folder
from d2v_core.data.image import decode_image
from d2v_core.data.sources import class_archives, get
from d2v_core.data.sources.published import CIFAR10, DIGITS, Published, cache_folder, fetch
from d2v_core.errors import InputError

CONTENT = np.random.default_rng(0).bytes(1_000_000)


class Server(BaseHTTPRequestHandler):
    """Gives a file, the rest of it if asked to, and breaks off where it is told to."""

    def __init__(self, state, *args):
        self.state = state
        super().__init__(*args)

    def log_message(self, format, *args):  # its name there
        pass

    def do_GET(self):
        content, state = self.state["content"], self.state
        state["asked"].append(self.headers.get("Range"))
        if state.get("status"):
            self.send_error(state["status"])
            return
        asked = self.headers.get("Range") if state.get("ranges", True) else None
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        stop = min(len(content), start + state.get("breaks", len(content)))
        with contextlib.suppress(OSError):
            self.wfile.write(content[start:stop])


@pytest.fixture
def state():
    return {"content": CONTENT, "asked": []}


@pytest.fixture
def wanted(state, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Server, state))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/file.bin"
    yield Published(url, len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    server.shutdown()
    server.server_close()
    thread.join()


def in_cache():
    return sorted(path.name.partition("-")[2] for path in cache_folder().iterdir())


def test_a_file_is_fetched_once(wanted, state):
    told = []
    first = fetch(wanted, progress=lambda *done: told.append(done))

    assert first.read_bytes() == CONTENT
    assert told[-1] == (1_000_000, 1_000_000)
    assert fetch(wanted) == first
    assert state["asked"] == [None]


def test_a_broken_connection_is_gone_on_with(wanted, state):
    state["breaks"] = 400_000

    assert fetch(wanted).read_bytes() == CONTENT
    assert state["asked"] == [None, "bytes=400000-", "bytes=800000-"]
    assert in_cache() == ["file.bin"]


def test_what_came_stays_for_the_next_time(wanted, state):
    state["breaks"] = 100_000
    with pytest.raises(InputError, match=r"cannot be fetched.*the same command goes on where it"):
        fetch(wanted)

    assert in_cache() == ["file.bin.part"]
    del state["breaks"]
    assert fetch(wanted).read_bytes() == CONTENT
    assert state["asked"][-1] == "bytes=300000-"


def test_a_server_that_knows_no_ranges_begins_anew(wanted, state):
    state |= {"breaks": 400_000, "ranges": False}
    with pytest.raises(InputError, match="400,000 of 1,000,000 bytes came"):
        fetch(wanted)
    del state["breaks"]

    assert fetch(wanted).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (CONTENT[::-1], r"is not the file that it was: its SHA-256 is .*give it with --from"),
        (CONTENT + b"more", "is larger than it was: not the same file"),
    ],
)
def test_another_file_is_refused_and_not_kept(wanted, state, content, reason):
    state["content"] = content
    with pytest.raises(InputError, match=reason):
        fetch(wanted)
    state["content"] = CONTENT

    assert "file.bin" not in in_cache()


def test_what_the_server_says_is_told(wanted, state):
    state["status"] = 404
    with pytest.raises(InputError, match=r"HTTP Error 404: Not Found.*give it with --from"):
        fetch(wanted)
    assert len(state["asked"]) == 1


def test_nobody_who_answers_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(InputError, match=r"cannot be fetched.*refused"):
        fetch(Published("http://127.0.0.1:9/x", 1, "0" * 64))


def test_the_addresses_are_safe_ones():
    for published in (CIFAR10, DIGITS):
        assert published.url.startswith("https://")
        assert len(bytes.fromhex(published.sha256)) == 32


# --- what is in them


def tarred(members):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


def cifar10_tar(records=20):
    """Ten classes in turn; in picture n red is n, green the row, blue the column."""
    batch = np.zeros((records, 3073), np.uint8)
    batch[:, 0] = np.arange(records) % 10
    planes = batch[:, 1:].reshape(-1, 3, 32, 32)
    planes[:, 0] = np.arange(records)[:, None, None]
    planes[:, 1] = np.arange(32)[:, None]
    planes[:, 2] = np.arange(32)
    names = [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]
    files = {f"cifar-10-batches-bin/{name}.bin": batch.tobytes() for name in names}
    return tarred(files | {"cifar-10-batches-bin/readme.html": b"<html>"})


def wav():
    file = io.BytesIO()
    soundfile.write(file, np.full(800, 0.1), 8000, format="WAV")
    return file.getvalue()


def served(monkeypatch, name, state, wanted, content):
    """Let a data set be published by the server of this test."""
    state["content"] = content
    digest = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(class_archives, name, Published(wanted.url, len(content), digest))


def test_cifar10_is_fetched_and_its_pictures_are_its_own(tmp_path, monkeypatch, state, wanted):
    served(monkeypatch, "CIFAR10", state, wanted, cifar10_tar())
    get("cifar10", tmp_path / "out")

    items = read_folder(tmp_path / "out").items
    assert len(items) == 120
    assert sum(item.split == "test" for item in items) == 20
    assert sum(item.split == "val" for item in items) == 10
    frog = next(i for i in items if i.file.name == "test-frog-0016.png")
    pixels = decode_image(frog.file)
    assert (frog.label, pixels.shape) == ("frog", (32, 32, 3))
    assert pixels[5, 9].tolist() == [16, 5, 9]


def test_digits_are_fetched_with_their_speakers(tmp_path, monkeypatch, state, wanted):
    speakers = ("theo", "lucas", "jackson")
    names = [f"{d}_{s}_{n}.wav" for d in (0, 7) for s in speakers for n in (0, 31)]
    recordings = {f"free-spoken-digit-dataset-1.0.9/recordings/{name}": wav() for name in names}
    content = tarred(recordings | {"free-spoken-digit-dataset-1.0.9/metadata.py": b"evil()"})
    served(monkeypatch, "DIGITS", state, wanted, content)
    get("digits", tmp_path / "out")

    items = read_folder(tmp_path / "out").items
    assert len(items) == 12
    assert {(i.label, i.group) for i in items} == {(d, s) for d in "07" for s in speakers}
    assert {i.columns["take"] for i in items} == {0, 31}


def test_a_published_archive_may_be_given_as_a_file(tmp_path):
    path = tmp_path / "cifar-10-binary.tar.gz"
    path.write_bytes(cifar10_tar(10))
    get("cifar10", tmp_path / "out", from_=path)

    assert len(read_folder(tmp_path / "out").items) == 60


@pytest.mark.parametrize("change", [0, 1, -1])
def test_of_a_file_that_is_given_it_is_said_if_it_is_another_version(tmp_path, monkeypatch, change):
    """It is read all the same: another one of the same size, and one that is a byte longer."""
    path, content = tmp_path / "given.tar.gz", cifar10_tar(10)
    path.write_bytes(content + b"\0" * max(change, 0))
    digest = hashlib.sha256(content if change >= 0 else b"").hexdigest()
    published = Published("https://example.org/c.tar.gz", len(content), digest)
    monkeypatch.setattr(class_archives, "CIFAR10", published)
    notes = get("cifar10", tmp_path / "out", from_=path)

    said = f"{path} is another version than https://example.org/c.tar.gz; it is read as it is"
    assert notes == ((said,) if change else ())
    assert len(read_folder(tmp_path / "out").items) == 60


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"test_batch.bin": bytes(3072)}, "test_batch.bin is damaged: 3,072 bytes are no pictures"),
        ({"test_batch.bin": b""}, "test_batch.bin is damaged: 0 bytes"),
        ({"test_batch.bin": b"\x0a" + bytes(3072)}, "test_batch.bin is damaged: it has class 10"),
        ({"other": b"x"}, "is another archive: no member is like"),
        ({"test_batch.bin": bytes(65 << 20)}, "in the archive has 68,157,440 bytes: refused"),
    ],
)
def test_a_bad_archive_says_why(tmp_path, members, reason):
    path = tmp_path / "x.tar.gz"
    path.write_bytes(tarred(members))
    with pytest.raises(InputError, match=reason):
        get("cifar10", tmp_path / "out", from_=path)
    assert not (tmp_path / "out").exists()


def test_a_cut_archive_is_refused(tmp_path):
    path = tmp_path / "x.tar.gz"
    path.write_bytes(cifar10_tar(200)[:-2000])
    with pytest.raises(InputError, match="x.tar.gz is damaged"):
        get("cifar10", tmp_path / "out", from_=path)


def test_a_picture_is_not_changed_by_the_way():
    """PNG is lossless: what the archive holds is what a model sees."""
    from d2v_core.data.sources.published_archives import cifar10_files

    record = np.random.default_rng(0).integers(0, 256, 3073, dtype=np.uint8)
    record[0] = 3
    ((name, data),) = cifar10_files("data_batch_2.bin", record.tobytes())

    assert name == "train/cat/20000.png"
    seen = np.asarray(Image.open(io.BytesIO(data))).transpose(2, 0, 1).ravel()
    np.testing.assert_array_equal(seen, record[1:])
