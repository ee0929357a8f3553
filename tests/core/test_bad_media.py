"""Bad pictures, sounds and texts: a reason, quickly and in little memory; good odd ones decode."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from d2v_core.data.folder import scan_folder
from d2v_core.data.image import MAX_SCANS, decode_image
from d2v_core.data.jpeg_scans import count_scans
from d2v_core.embed import embed
from d2v_core.encoders.lowlevel import LowLevelEncoder
from d2v_core.encoders.run import of_learner
from d2v_core.learner import Learner
from d2v_core.store import Store
from tests.conftest import smallest
from tests.core.bad_media import MEDIA, picture, saved
from tests.core.bounded import try_all

REASONS_OF_LIBRARIES = ("_io.", "0x7f", "Traceback", "BytesIO", "/tmp")
"""What no reason may have: addresses, classes and places on the disk are nobody's business."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The whole corpus as files; read-only."""
    folder = tmp_path_factory.mktemp("bad")
    for name, media in MEDIA.items():
        (folder / name).write_bytes(media.make())
    return folder


@pytest.fixture(scope="module")
def tried(folder):
    """What each comes to in a process with bounds on memory and time."""
    return try_all("tests.core.bad_trials:decodes", MEDIA, folder)


@pytest.mark.parametrize("name", MEDIA)
def test_each_has_its_reason_or_decodes(tried, name):
    reason, said = MEDIA[name].reason, tried.said_of(name)

    assert (said is None) == (reason is None), said
    assert said is None or said.startswith(reason)
    assert said is None or not any(part in said for part in REASONS_OF_LIBRARIES)


def test_the_corpus_is_large_and_most_of_it_is_bad():
    assert sum(media.reason is not None for media in MEDIA.values()) >= 60


@pytest.mark.parametrize("name", ["trained", "lowlevel"])
def test_what_decodes_gets_a_vector_and_the_rest_its_reason(folder, tmp_path, name):
    encoder = LowLevelEncoder()
    if name == "trained":
        torch.manual_seed(0)
        encoder = of_learner("small", Learner(smallest("separate")))
    store = Store(str(tmp_path / "store"), create=True)

    done = embed(encoder, scan_folder(folder), store)

    assert {problem.file for problem in done.skipped} == {
        name for name, media in MEDIA.items() if media.reason is not None
    }
    assert all(problem.reason for problem in done.skipped)
    assert done.added == sum(media.reason is None for media in MEDIA.values())
    for rows in store.read(done.name).layers.values():
        assert len(rows) == done.added
        assert np.isfinite(rows).all()
        assert (np.abs(rows).max(axis=1) > 0).all()


def test_the_first_frame_is_taken_and_the_picture_turned():
    for name in ("animated.gif", "animated.png"):
        np.testing.assert_array_equal(decode_image(MEDIA[name].make())[0, 0], [255, 0, 0])
    assert decode_image(MEDIA["turned-6.jpg"].make()).shape == (40, 30, 3)
    assert decode_image(MEDIA["turned-3.jpg"].make()).shape == (30, 40, 3)


# --- scans of a JPEG


def test_scans_are_counted_as_they_were_written(tmp_path):
    """Baseline has one scan; libjpeg's usual script has six for grey and ten for colour."""
    for mode, progressive, count in [("L", False, 1), ("L", True, 6), ("RGB", True, 10)]:
        path = tmp_path / "x.jpg"
        path.write_bytes(picture("JPEG", mode, progressive=progressive))
        with path.open("rb") as file:
            file.seek(5)
            file.seek(0)
            assert count_scans(file, most=MAX_SCANS) == count
            assert file.tell() == 0


def test_what_follows_the_picture_and_what_lies_in_a_comment_is_no_scan(tmp_path):
    """Telephones hang a film behind the picture: random bytes with many marks in them."""
    path, marks = tmp_path / "x.jpg", b"\xff\xda\x00\x02" * 100
    path.write_bytes(saved(Image.new("RGB", (64, 64), "red"), "JPEG", comment=marks) + marks)

    with path.open("rb") as file:
        assert count_scans(file, most=MAX_SCANS) == 1
    np.testing.assert_allclose(decode_image(Path(path))[0, 0], [255, 0, 0], atol=3)
