"""What visitors bring is kept below the workbench's home, and not for ever."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from app import places, uploads
from d2v_core.errors import MediaError


def picture(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def home(monkeypatch, tmp_path):
    monkeypatch.setattr(places, "home", lambda: tmp_path)
    return tmp_path


def test_uploads_are_below_home_under_their_own_hash(home):
    content = picture(0)
    path = uploads.keep("image", content)

    assert path.is_relative_to(home)
    assert path.read_bytes() == content
    assert uploads.keep("image", content) == path
    assert len(list(path.parent.iterdir())) == 1


def test_the_oldest_go_first_and_what_is_asked_with_again_stays(home, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_KEPT", int(3.5 * len(picture(0))))
    paths = [uploads.keep("image", picture(seed)) for seed in range(3)]
    for age, path in zip((30, 20, 10), paths, strict=True):
        then = path.stat().st_mtime - age
        os.utime(path, (then, then))
    uploads.keep("image", picture(0))  # the oldest, once more

    newest = uploads.keep("image", picture(3))

    assert set(newest.parent.iterdir()) == {paths[0], paths[2], newest}


def test_one_that_is_larger_than_all_may_be_stays_alone(home, monkeypatch):
    first = uploads.keep("image", picture(0))
    monkeypatch.setattr(uploads, "MOST_KEPT", 10)
    second = uploads.keep("image", picture(1))

    assert list(first.parent.iterdir()) == [second]


def test_what_is_too_large_or_no_picture_is_refused(home, monkeypatch):
    with pytest.raises(MediaError):
        uploads.keep("image", b"no picture")
    monkeypatch.setattr(uploads, "MOST_BYTES", 100)
    with pytest.raises(MediaError, match="up to 0 MB are taken"):
        uploads.keep("image", picture(0))
    assert not uploads.kept_root().exists()
