"""The stamps: from a package, from a folder, or fetched; and what a package may not do."""

import gzip
import io
import lzma
import subprocess
import tarfile
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from d2v_core.data.check import check_folder
from d2v_core.data.folder import read_folder
from d2v_core.data.sources import get
from d2v_core.data.sources import stamps as stamps_module
from d2v_core.data.sources.archives import unpack_deb
from d2v_core.errors import InputError


def png(level=0):
    file = io.BytesIO()
    Image.new("RGB", (4, 4), (level % 256, 0, 0)).save(file, "PNG")
    return file.getvalue()


BIRDS = "animals/birds"
TREE = {
    f"{BIRDS}/blackbird.png": png(1),
    f"{BIRDS}/blackbird.txt": b"A blackbird.\nde.utf8=Eine Amsel.\n",
    f"{BIRDS}/blackbird.ogg": b"song",
    f"{BIRDS}/blackbird_desc.ogg": b"spoken name",
    f"{BIRDS}/blackbird_desc_fr.ogg": b"nom",
    f"{BIRDS}/cartoon/tux.png": png(2),
    f"{BIRDS}/cartoon/tux.txt": "Tux “the” penguin.\n".encode(),
    f"{BIRDS}/cartoon/tux_mirror.png": png(3),
    "sports/cartoon/ball.png": png(4),
    "sports/cartoon/ball.txt": b"A ball.\n",
    "space/sun.svg": b"<svg/>",
    "space/sun.txt": b"The sun.\n",
    "space/sun.wav": b"noise",
    "symbols/math/7_de.ogg": b"sieben",
}


def unpacked(folder, tree=None):
    for name, data in (tree or TREE).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def tar_of(members, root="./usr/share/tuxpaint/stamps/"):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(root + name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo(root + "animals/link.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return file.getvalue()


PACKED = {
    ".xz": lzma.compress,
    ".gz": gzip.compress,
    ".zst": lambda data: pa.compress(data, codec="zstd", asbytes=True),
    "": lambda data: data,
}


def deb(path, members, *, suffix=".xz"):
    """Write an `ar` archive as deb(5) has it."""
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": b"odd",
        f"data.tar{suffix}": PACKED[suffix](tar_of(members)),
    }
    with path.open("wb") as file:
        file.write(b"!<arch>\n")
        for name, data in parts.items():
            file.write(f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode())
            file.write(data + b"\n" * (len(data) % 2))
    return path


def rows_of_stamps(out):
    folder = read_folder(out)
    assert folder.problems == ()
    return {
        name: {item.modality: item for item in folder.items if item.id == name}
        for name in {item.id for item in folder.items}
    }


@pytest.mark.parametrize("suffix", list(PACKED))
def test_stamps_from_a_package_and_from_a_folder_are_the_same(tmp_path, suffix):
    get("stamps", tmp_path / "a", from_=unpacked(tmp_path / "tree"))
    get("stamps", tmp_path / "b", from_=deb(tmp_path / "x.deb", TREE, suffix=suffix))
    get(
        "stamps",
        tmp_path / "c",
        from_=unpacked(tmp_path / "root/usr/share/tuxpaint/stamps").parents[3],
    )

    prints = {read_folder(tmp_path / name).fingerprint for name in "abc"}

    assert len(prints) == 1


def test_a_stamp_has_its_picture_its_own_sound_and_its_english_name(tmp_path):
    get("stamps", tmp_path / "out", from_=unpacked(tmp_path / "tree"))

    rows = rows_of_stamps(tmp_path / "out")

    assert set(rows) == {
        "animals-birds-blackbird",
        "animals-birds-cartoon-tux",
        "space-sun",
        "sports-cartoon-ball",
    }
    blackbird = rows["animals-birds-blackbird"]
    assert list(blackbird) == ["image", "audio", "text"]
    assert blackbird["text"].source == "A blackbird."
    assert blackbird["audio"].source.read_bytes() == b"song"
    assert blackbird["image"].label == "bird"
    assert blackbird["image"].columns == {"category": "animals/birds", "is_drawn": False}
    tux = rows["animals-birds-cartoon-tux"]
    assert (tux["image"].label, tux["image"].columns["is_drawn"]) == ("bird", True)
    assert rows["sports-cartoon-ball"]["image"].label == "sports"
    assert list(rows["space-sun"]) == ["audio", "text"]
    assert rows["space-sun"]["text"].label == "space"
    assert "Public License, version 2" in (tmp_path / "out/README.txt").read_text()


def test_a_package_writes_nowhere_but_into_its_folder(tmp_path):
    evil = TREE | {"a/../../escaped.txt": b"x", "../escaped.txt": b"x"}
    path = deb(tmp_path / "x.deb", evil)
    tree = PurePosixPath("usr/share/tuxpaint/stamps")

    unpack_deb(path, tree, tmp_path / "deep/out", wanted=lambda name: name.endswith("txt"))

    names = {file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*.*")}
    assert names == {"x.deb"} | {f"deep/out/{name}" for name in TREE if name.endswith("txt")}


def test_a_package_that_dpkg_made_is_read(tmp_path):
    """Where there is dpkg-deb: our reader against the format's own writer."""
    root = tmp_path / "root"
    unpacked(root / "usr/share/tuxpaint/stamps")
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN/control").write_text(
        "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x.x>\nDescription: x\n"
    )
    try:
        subprocess.run(
            ["dpkg-deb", "-b", root, tmp_path / "x.deb"], check=True, capture_output=True
        )
    except FileNotFoundError:
        pytest.skip("no dpkg-deb here")

    get("stamps", tmp_path / "out", from_=tmp_path / "x.deb")

    assert len(rows_of_stamps(tmp_path / "out")) == 4


def test_without_a_package_apt_is_asked_and_its_failure_explained(tmp_path, monkeypatch):
    """A stand-in for apt-get: first it fails, then it fetches."""
    monkeypatch.setattr(stamps_module, "_TREE", Path("nowhere/stamps"))
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "apt-get").write_text("#!/bin/sh\necho 'E: Unable to locate package' >&2\nexit 100\n")
    (tools / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(InputError) as failed:
        get("stamps", tmp_path / "out")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError) as missing:
        get("stamps", tmp_path / "out")

    advice = "install tuxpaint-stamps-default, or give its .deb file or folder with --from"
    assert str(failed.value) == (
        "apt-get could not fetch tuxpaint-stamps-default (E: Unable to locate package): " + advice
    )
    assert str(missing.value) == (
        "tuxpaint-stamps-default is not installed, and there is no apt-get to fetch it: " + advice
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (
            lambda p: unpacked(p, {"x.zip": b"PK"}) / "x.zip",
            "{p}/x.zip is no Debian package, or a damaged one: it does not begin as one",
        ),
        (
            lambda p: deb(p / "x.deb", {}),
            "{p}/x.deb is another package: it installs nothing in /usr/share/tuxpaint/stamps",
        ),
        (
            lambda p: unpacked(p / "tree", {"a.png": png()}),
            "{p}/tree holds no stamps: no NAME.txt beside a NAME.png",
        ),
    ],
)
def test_a_package_that_cannot_be_used_says_why_and_leaves_nothing(tmp_path, make, reason):
    given = make(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}

    with pytest.raises(InputError) as caught:
        get("stamps", tmp_path / "out", from_=given)

    assert str(caught.value) == reason.format(p=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == before


def test_a_truncated_package_says_so(tmp_path):
    path = deb(tmp_path / "x.deb", TREE | {"big.png": np.random.default_rng(0).bytes(200_000)})
    path.write_bytes(path.read_bytes()[:100_000])

    with pytest.raises(InputError, match=r"x\.deb is no Debian package, or a damaged one"):
        get("stamps", tmp_path / "out", from_=path)


@pytest.mark.slow
def test_the_installed_stamps(tmp_path):
    if not Path("/usr/share/tuxpaint/stamps").is_dir():
        pytest.skip("tuxpaint-stamps-default is not installed")

    get("stamps", tmp_path / "out")

    report = check_folder(tmp_path / "out")
    assert report.problems == ()
    assert report.usable["image"] > 700
    assert report.pairs["image-audio"] > 120


@pytest.mark.parametrize("suffix", [".png", ".txt", ".ogg"])
def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path, suffix):
    (tmp_path / "secret").write_bytes(png())
    tree = unpacked(tmp_path / "tree", {"a.png": png(), "a.txt": b"A robin.", "b.txt": b"b"})
    (tree / f"a{suffix}").unlink(missing_ok=True)
    (tree / f"a{suffix}").symlink_to(tmp_path / "secret")

    with pytest.raises(InputError, match=rf"a\{suffix}: lies outside the data folder"):
        get("stamps", tmp_path / "out", from_=tree)
    assert not (tmp_path / "out").exists()


def test_a_link_inside_the_folder_is_followed(tmp_path):
    tree = unpacked(tmp_path / "tree", {"a.png": png(), "a.txt": b"A robin.", "b.txt": b"A tit."})
    (tree / "b.png").symlink_to("a.png")

    get("stamps", tmp_path / "out", from_=tree)

    assert len(read_folder(tmp_path / "out").of("image")) == 2


def test_a_tree_that_is_a_link_out_of_the_folder_is_refused(tmp_path):
    unpacked(tmp_path / "elsewhere/share/tuxpaint/stamps")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/usr").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(InputError, match="a link that leads out of"):
        get("stamps", tmp_path / "out", from_=tmp_path / "root")
