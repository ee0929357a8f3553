"""Any bytes in any decoder: a MediaError with a reason, or a value of the promised shape."""

import random
import string
import struct
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from d2v_core.data.audio import decode_audio, mel_spectrogram
from d2v_core.data.image import MAX_PIXELS, decode_image, image_tensor
from d2v_core.data.text import MAX_CHARACTERS, decode_text
from d2v_core.data.unpack import Limits, unpack
from d2v_core.errors import InputError, MediaError
from tests.core.bad_media import animated, chunk, picture, png, recorded, tone, wav, zipped
from tests.damage import damaged

SEEDS = {
    **{format: picture(format) for format in ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "PPM")},
    "GIF": picture("GIF", "L"),
    "film": animated("WEBP"),
    "progressive": picture("JPEG", progressive=True),
    "ink": picture("JPEG", "CMYK"),
    **{name: recorded(tone(0.1), format=name) for name in ("WAV", "FLAC", "OGG", "AIFF", "AU")},
    "floats": recorded(tone(0.1), subtype="DOUBLE"),
    "MP3": recorded(tone(0.2), format="MP3"),
}
MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def is_image(data):
    """Tell whether bytes decode as a picture, and check what they decode to."""
    try:
        pixels = decode_image(data)
    except MediaError as error:
        return bool(str(error)) and None
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert 0 < pixels.shape[0] * pixels.shape[1] <= MAX_PIXELS
    tensor = image_tensor(pixels, size=16)
    assert tensor.shape == (3, 16, 16)
    assert tensor.abs().max() <= 1
    return True


def is_sound(data):
    try:
        samples = decode_audio(data, max_seconds=5.0)
    except MediaError as error:
        return bool(str(error)) and None
    assert samples.ndim == 1
    assert 0 < len(samples) <= 5 * 16_000 + 1
    assert torch.isfinite(samples).all()
    assert torch.isfinite(mel_spectrogram(samples, mel_bins=16)).all()
    return True


def is_text(data):
    try:
        text = decode_text(data)
    except MediaError as error:
        return bool(str(error)) and None
    assert 0 < len(text) <= MAX_CHARACTERS
    assert "\0" not in text
    assert text.encode().decode() == text
    return True


@MANY
@given(st.one_of(st.binary(max_size=400), damaged(sorted(SEEDS.values()))))
def test_any_bytes(data):
    for decodes in (is_image, is_sound, is_text):
        assert decodes(data) in (True, None)  # False: no reason


def test_undamaged_seeds_decode():
    """So that it is the damage that the tests are about."""
    for data in SEEDS.values():
        assert is_image(data) or is_sound(data)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**31 - 1),
    st.integers(0, 255),
    st.integers(0, 7),
    st.lists(
        st.tuples(st.sampled_from([b"tRNS", b"PLTE", b"eXIf", b"iCCP"]), st.binary()), max_size=3
    ),
    st.binary(max_size=60),
)
def test_any_png_header(width, height, depth, colour, parts, data):
    before = b"".join(chunk(name, part) for name, part in parts)
    small = png(width % 64, height % 64, depth=depth, colour=colour, data=data, before=before)
    large = png(width, height, depth=depth, colour=colour, data=data, before=before)
    assert is_image(small) in (True, None)
    assert is_image(large) in (True, None)


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**16 - 1),
    st.integers(0, 2**16 - 1),
    st.sampled_from([1, 3, 6, 7, 17, 0x11, 0x31, 0xFFFE, 0]),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=500),
)
def test_any_wav_header(rate, channels, bits, kind, promised, data):
    file = wav(rate=rate, channels=channels, bits=bits, kind=kind, promised=promised, data=data)
    assert is_sound(file) in (True, None)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200))
def test_any_text(text):
    assert is_text(text) in (True, None)


# --- archives

LIMITS = Limits(packed_bytes=50_000, unpacked_bytes=200_000, small_bytes=10_000, files=20)


def written(folder):
    return [path for path in folder.rglob("*") if not path.is_dir()]


def tries(data, out):
    """Unpack, and check that nothing but plain files below the folder came of it."""
    said = ""
    try:
        unpack(data, out, limits=LIMITS)
    except InputError as error:
        said = str(error)
    assert bool(said) != out.exists()
    assert all(path.resolve().is_relative_to(out.resolve()) for path in written(out))
    assert not any(path.is_symlink() for path in written(out))
    assert sum(path.stat().st_size for path in written(out)) <= LIMITS.unpacked_bytes
    assert {path.name for path in out.parent.iterdir()} <= {out.name}


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_damage_to_an_archive(tmp_path_factory, data):
    parent = tmp_path_factory.mktemp("zip")
    archive = bytearray(zipped("birds/robin.txt", b"a robin" * 300))
    for _ in range(data.draw(st.integers(1, 5))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, 30))
    tries(bytes(archive[: len(archive) - cut]), parent / "out")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from(["..", ".", "", "a", "b.txt", "C:", "\\", "~"]), max_size=5)
        .map("/".join)
        .filter(bool),
        min_size=1,
        max_size=4,
        unique=True,
    )
)
def test_any_names_in_an_archive(tmp_path_factory, names):
    parent = tmp_path_factory.mktemp("zip")
    path = parent / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name + ".txt"), "x")
    data = path.read_bytes()
    path.unlink()
    tries(data, parent / "out")


def test_a_file_without_a_name_is_no_data(tmp_path):
    archive = zipped("xy", b"a robin").replace(b"xy", b"\0y")  # which ends the name
    with pytest.raises(InputError, match="holds no picture, no sound"):
        unpack(archive, tmp_path / "out", limits=LIMITS)


def test_an_archive_in_an_archive_stays_packed(tmp_path):
    inner = zipped("bomb.txt", bytes(100_000))
    for _ in range(3):
        inner = zipped("inner.zip", inner)
    with pytest.raises(InputError, match="holds no picture, no sound, no text and no table"):
        unpack(inner, tmp_path / "out", limits=LIMITS)


def test_files_that_share_their_bytes_are_counted_each(tmp_path):
    """The directory lists one packed file under many names: small as a file, large unpacked."""
    one = zipped("0.txt", random.Random(0).randbytes(6_000).hex().encode())
    start, end = one.index(b"PK\1\2"), one.index(b"PK\5\6")
    entry = one[start:end]
    entries = [entry.replace(b"0.txt", f"{c}.txt".encode()) for c in string.ascii_lowercase[:18]]
    directory = b"".join(entries)
    tail = struct.pack("<HHII", 18, 18, len(directory), start)
    data = one[:start] + directory + one[end : end + 8] + tail + b"\0\0"

    with pytest.raises(InputError, match="unpacks to 216,000 bytes; up to 200,000 bytes are taken"):
        unpack(data, tmp_path / "out", limits=LIMITS)
