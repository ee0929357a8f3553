"""Archives that somebody brings: what becomes a data folder, and every way to be refused."""

import io
import stat
import struct
import zipfile

import pytest

from d2v_core.data.folder import read_folder
from d2v_core.data.unpack import LIMITS, Limits, unpack
from d2v_core.errors import InputError

SMALL = Limits(packed_bytes=20_000, unpacked_bytes=3_000_000, small_bytes=10_000, files=20)


def packed(files, *, method=zipfile.ZIP_DEFLATED, mode=None):
    """Return a zip archive; `mode` is that of all its files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            if mode is not None:
                info.external_attr = mode << 16
            archive.writestr(info, content)
    return file.getvalue()


def zipped(folder, below=""):
    """Return a folder as an archive."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return packed({f"{below}{path.name}": path.read_bytes() for path in files})


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("below", ["", "my birds/"])
def test_a_packed_folder_holds_the_same_data(toys, tmp_path, below):
    done = unpack(zipped(toys, below), tmp_path / "out")

    assert names(tmp_path / "out") == names(toys)
    assert done.files == len(names(toys))
    assert read_folder(tmp_path / "out").fingerprint == read_folder(toys).fingerprint


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["robin/1.txt", "owl/1.txt"], ["owl/1.txt", "robin/1.txt"]),
        (["birds/robin/1.txt", "birds/owl/1.txt"], ["owl/1.txt", "robin/1.txt"]),
        (["robin/1.txt", "robin/2.txt"], ["robin/1.txt", "robin/2.txt"]),  # the only label
        (["test/owl/1.txt"], ["test/owl/1.txt"]),  # the only split
        (["birds\\robin\\1.txt", "birds\\owl\\1.txt"], ["owl/1.txt", "robin/1.txt"]),
    ],
)
def test_a_folder_around_everything_is_taken_off_unless_it_says_something(
    tmp_path, given, expected
):
    unpack(packed(dict.fromkeys(given, "a robin")), tmp_path / "out")

    assert names(tmp_path / "out") == expected


def test_only_data_is_written_and_it_cannot_be_executed(tmp_path):
    given = {
        "robin.txt": "a robin",
        "run.sh": "#!/bin/sh",
        "setup.py": "print(1)",
        ".hidden/x.txt": "",
        "__MACOSX/._robin.txt": "",
    }
    done = unpack(packed(given, mode=stat.S_IFREG | 0o777), tmp_path / "out")

    assert names(tmp_path / "out") == ["robin.txt"]
    assert [(p.file, p.reason) for p in done.left_out] == [
        ("run.sh", "no picture, sound, text or table"),
        ("setup.py", "no picture, sound, text or table"),
    ]
    assert stat.S_IMODE((tmp_path / "out" / "robin.txt").stat().st_mode) == 0o644


def forged(archive, said):
    """Return an archive of one file that lies about how much it unpacks to."""
    where = archive.index(b"PK\1\2")
    return archive[: where + 24] + struct.pack("<I", said) + archive[where + 28 :]


BOMB = packed({"bomb.txt": b"\0" * 2_000_000})
LINK = packed({"x.txt": "/etc/passwd"}, mode=stat.S_IFLNK | 0o777)
PIPE = packed({"x.txt": ""}, mode=stat.S_IFIFO | 0o644)


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (b"no archive", "this is no zip archive, or a damaged one; pack it as .zip"),
        (b"", "this is no zip archive"),
        (packed({}), "holds no picture, no sound, no text and no table"),
        (packed({"a.exe": "x"}), "holds no picture, no sound, no text and no table"),
        (packed({"../a.txt": "x"}), "names '../a.txt', which leads out of its folder: refused"),
        (packed({"a/../../b.txt": "x"}), "which leads out of its folder"),
        (packed({"/etc/x.txt": "x"}), "which leads out of its folder"),
        (packed({"..\\x.txt": "x"}), "which leads out of its folder"),
        (packed({"C:\\x.txt": "x"}), "which leads out of its folder"),
        (LINK, "has a link, 'x.txt': refused; pack the file itself"),
        (PIPE, "has 'x.txt', which is neither file nor folder: refused"),
        (packed({"a" * 300 + ".txt": "x"}), "which cannot be a file here; rename it"),
        (packed({"/".join("abcdefghij") + ".txt": "x"}), "which cannot be a file here"),
        (packed({"a\nb.txt": "x"}), "which cannot be a file here"),
        (packed({f"{n}.txt": "x" for n in range(21)}), "lists 21 files; up to 20 are taken"),
        (packed({"a.txt": "x", "a.txt/b.txt": "x"}), "as a file and as a folder"),
        (packed({"a.txt/b.txt": "x", "a.txt": "x"}), "as a file and as a folder"),
        (b"PK" + b"0" * 20_000, "the archive has 20,002 bytes; up to 20,000 bytes are taken"),
        (BOMB, "unpacks to more than 100 times its packed size"),
        (packed({"a.txt": b"\0" * 4_000_000}), "the archive unpacks to 4 MB; up to 3 MB are"),
        (BOMB[:-40], "this is no zip archive, or a damaged one"),
        (
            packed({"a.txt": b"x" * 500}, method=zipfile.ZIP_STORED).replace(b"xxx", b"xyx", 1),
            "a.txt in the archive is damaged: Bad CRC-32",
        ),
    ],
)
def test_what_is_refused_leaves_nothing_behind(tmp_path, archive, message):
    (tmp_path / "below").mkdir()
    with pytest.raises(InputError, match=message.replace("\\", "\\\\")):
        unpack(archive, tmp_path / "below" / "out", limits=SMALL)

    assert list((tmp_path / "below").iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["below"]


def test_a_file_that_lies_about_its_size_is_stopped_where_it_says_it_ends(tmp_path):
    """zipfile reads no more than the directory says, and then misses the checksum."""
    with pytest.raises(InputError, match="is damaged"):
        unpack(forged(BOMB, 100), tmp_path / "out", limits=SMALL)

    assert not (tmp_path / "out").exists()


def test_many_files_that_each_are_allowed_are_not_allowed_together(tmp_path):
    part = packed({f"{n}.txt": bytes(range(250)) * 40 for n in range(10)})
    limits = Limits(unpacked_bytes=60_000)
    with pytest.raises(InputError, match="unpacks to 100,000 bytes; up to 60,000 bytes are taken"):
        unpack(part, tmp_path / "out", limits=limits)

    assert unpack(part, tmp_path / "out").unpacked_bytes == 100_000  # the control


def test_an_encrypted_file_is_refused(tmp_path):
    archive = bytearray(packed({"a.txt": "x"}))
    archive[archive.index(b"PK\1\2") + 8] |= 1
    with pytest.raises(InputError, match="'a.txt' is encrypted; pack it without a password"):
        unpack(bytes(archive), tmp_path / "out")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_is_refused(tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "one")
        archive.writestr("a.txt", "two")
    with pytest.raises(InputError, match="the archive has a.txt twice; pack it anew"):
        unpack(file.getvalue(), tmp_path / "out")


def test_a_folder_that_is_there_stays_as_it_is(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="there is a 'out' already; choose another name"):
        unpack(packed({"a.txt": "x"}), tmp_path / "out")

    assert list((tmp_path / "out").iterdir()) == []


def test_silence_packs_well_and_is_taken(tmp_path):
    quiet = packed({"quiet.wav": b"\0" * (LIMITS.small_bytes - 1)})

    assert len(quiet) * 100 < LIMITS.small_bytes
    assert unpack(quiet, tmp_path / "out").files == 1


def test_progress_counts_the_files(tmp_path):
    told = []
    given = {f"{n}.txt": "x" for n in range(3)}
    unpack(packed(given), tmp_path / "out", progress=lambda done, of: told.append((done, of)))

    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_table_of_very_many_short_rows_is_refused(tmp_path):
    few = Limits(lines=100)
    unpack(packed({"metadata.csv": "text\n" + "x\n" * 99}), tmp_path / "a", limits=few)

    for name, end in (("metadata.csv", "\n"), ("metadata.csv", "\r"), ("metadata.jsonl", "\n")):
        with pytest.raises(InputError, match="more than 100 lines, the most that a table"):
            unpack(packed({name: f"text{end}" + f"x{end}" * 100}), tmp_path / "b", limits=few)
    assert not (tmp_path / "b").exists()
