"""Parquet files that hold media: which formats are known, and two processes at one file."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from d2v_core.data import parquet_media
from d2v_core.data.audio import decode_audio
from d2v_core.data.folder import read_folder
from d2v_core.data.items import SUFFIXES
from d2v_core.data.parquet_media import unpack_parquet
from d2v_core.errors import InputError

TONE = 0.3 * np.sin(np.arange(4_000) / 5)
CONTAINERS = {
    ".8svx": "SVX", ".aif": "AIFF", ".aifc": "AIFF", ".aiff": "AIFF", ".au": "AU", ".avr": "AVR",
    ".bwf": "WAV", ".caf": "CAF", ".flac": "FLAC", ".mp3": "MP3", ".nist": "NIST", ".oga": "OGG",
    ".ogg": "OGG", ".opus": "OGG", ".paf": "PAF", ".pvf": "PVF", ".rf64": "RF64", ".sph": "NIST",
    ".svx": "SVX", ".voc": "VOC", ".w64": "W64", ".wav": "WAV", ".wave": "WAV", ".wve": "WVE",
}  # fmt: skip


def sound(format, rate=16_000):
    file = io.BytesIO()
    file.name = None
    soundfile.write(file, TONE, rate, format=format, subtype="ALAW" if format == "WVE" else None)
    return file.getvalue()


def table(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES["audio"])
def test_a_file_of_each_suffix_is_read_from_a_folder(tmp_path, suffix):
    (tmp_path / "robin").mkdir()
    rate = 8_000 if suffix == ".wve" else 16_000
    (tmp_path / f"robin/a{suffix}").write_bytes(sound(CONTAINERS[suffix], rate))

    (item,) = read_folder(tmp_path).of("audio")

    assert decode_audio(item.file).abs().max() > 0.2


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
def test_mp3_of_each_rate_in_a_parquet_file_is_sound(tmp_path, rate):
    path = table(tmp_path / "a.parquet", audio=[sound("MP3", rate)], text=["a"])

    folder = read_folder(path)

    assert (len(folder.of("audio")), folder.problems) == (1, ())
    assert folder.of("audio")[0].file.suffix == ".mp3"


@pytest.mark.parametrize("format", ["AIFF", "AU", "CAF", "NIST", "RF64", "SVX", "VOC", "W64"])
def test_other_containers_in_a_parquet_file_are_sound(tmp_path, format):
    (item,) = read_folder(table(tmp_path / "a.parquet", audio=[sound(format)])).items

    assert decode_audio(item.file).abs().max() > 0.2


@pytest.mark.parametrize("data", ["words".encode("utf-16"), b"\xff\xf1\x50\x80 AAC", b"%PDF-1.7"])
def test_a_column_of_bytes_that_is_not_understood_is_a_problem(tmp_path, data):
    path = table(tmp_path / "a.parquet", paper=[data, None], empty=[None, b""], text=["a", "b"])
    for _ in range(2):  # once unpacked, and once as it was kept
        folder = read_folder(path)

        assert [item.source for item in folder.items] == ["a", "b"]
        assert [(p.file, p.reason) for p in folder.problems] == [
            ("column 'paper'", "its bytes are in no format known here; the column was left out")
        ]


def test_of_two_processes_the_later_leaves_what_the_first_is_reading(tmp_path, monkeypatch):
    """The first is done while the second unpacks."""
    path = table(tmp_path / "a.parquet", text=["a"])
    unpack, first = parquet_media._unpack, []

    def meanwhile(source, out):
        unpack(source, out)
        monkeypatch.setattr(parquet_media, "_unpack", unpack)
        first.append((unpack_parquet(path) / "metadata.csv").stat().st_ino)

    monkeypatch.setattr(parquet_media, "_unpack", meanwhile)
    place = unpack_parquet(path)

    assert (place / "metadata.csv").stat().st_ino == first[0]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a-unpacked", "a.parquet"]


def test_a_newer_file_replaces_what_an_older_one_left(tmp_path):
    read_folder(table(tmp_path / "a.parquet", text=["a"]))

    folder = read_folder(table(tmp_path / "a.parquet", text=["b", "c"]))

    assert [item.source for item in folder.items] == ["b", "c"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a-unpacked", "a.parquet"]


def test_what_stands_in_the_way_is_not_replaced(tmp_path):
    path = table(tmp_path / "a.parquet", text=["a"])
    (tmp_path / "a-unpacked").mkdir()
    (tmp_path / "a-unpacked/mine.txt").write_text("mine")

    with pytest.raises(InputError, match="is in the way"):
        unpack_parquet(path)
    assert (tmp_path / "a-unpacked/mine.txt").read_text() == "mine"
