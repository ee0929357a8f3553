"""`d2v data check` over everything that is bad: a table with reasons, and the exit it promises."""

import json
import os
import resource
import subprocess
import sys

import pytest

from tests.core.bad_folders import FOLDERS
from tests.core.bad_media import MEDIA, picture

GIB = 1 << 30
SECONDS = 600
SWOLLEN = ("parquet of values", "csv long")


# Of this program: getrusage would count the one that started it, and all that it ever started.
NOTING_ITS_PEAK = """
import atexit, sys
from app.cli import main

def peak():
    lines = open("/proc/self/status").read().splitlines()
    kib = next(line.split()[1] for line in lines if line.startswith("VmHWM:"))
    print(f"peak {kib} KiB", file=sys.stderr)

atexit.register(peak)
sys.argv[0] = "d2v"
main()
"""


def peak_of(done):
    """Return the most bytes that a command had in memory."""
    _, kib, _ = done.stderr.splitlines()[-1].split()
    return 1024 * int(kib)


def check(folder, *options):
    """Run the command with bounds on memory and time."""

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (8 * GIB, 8 * GIB))

    return subprocess.run(
        [sys.executable, "-c", NOTING_ITS_PEAK, "data", "check", str(folder), *options],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        preexec_fn=limit,
        env=os.environ | {"COLUMNS": "400", "PYTHONFAULTHANDLER": "1"},
        check=False,
    )


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """All bad media, and what is no file, in one folder."""
    root = tmp_path_factory.mktemp("corpus") / "data"
    root.mkdir()
    for name, media in MEDIA.items():
        (root / name).write_bytes(media.make())
    (root.parent / "secret.png").write_bytes(picture())
    (root / "out.png").symlink_to(root.parent / "secret.png")
    (root / "round.png").symlink_to("round.png")
    (root / "zero.wav").symlink_to("/dev/zero")
    (root / "door").symlink_to(root.parent)
    (root / "bird.png").mkdir()
    (root / "[bold]\x1b[31m\n.png").write_bytes(b"no picture")
    os.mkfifo(root / "pipe.wav")
    return root


SPECIAL = {
    "out.png": "lies outside the data folder",
    "round.png": "cannot be read: Too many levels of symbolic links",
    "zero.wav": "lies outside the data folder",
    "door": "a link to a folder; such links are not followed",
    "bird.png": "a folder, not a file, and nothing in it",
    "pipe.wav": "not a regular file",
}


@pytest.mark.slow
def test_the_whole_corpus_is_checked_at_once(corpus):
    done = check(corpus, "--json")

    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    report = json.loads(done.stdout)
    found = {problem["file"]: problem["reason"] for problem in report["problems"]}
    wanted = {name: media.reason for name, media in MEDIA.items() if media.reason is not None}
    wanted |= SPECIAL | {"[bold]\x1b[31m\n.png": "not a picture"}
    assert found.keys() == wanted.keys()
    assert all(found[name].startswith(reason) and found[name] for name, reason in wanted.items())
    assert sum(report["usable"].values()) == sum(m.reason is None for m in MEDIA.values())
    assert 0.05 * GIB < peak_of(done) < 2 * GIB


@pytest.mark.slow
def test_the_table_names_each_bad_file_with_its_reason(corpus):
    done = check(corpus)

    assert done.returncode == 0, done.stderr
    lines = {line.split("  ")[0]: line for line in done.stdout.splitlines()}
    for name, media in MEDIA.items():
        if media.reason is not None:
            assert media.reason in lines[name]
    for name, reason in SPECIAL.items():
        assert reason in lines[name]
    assert r"[bold]\x1b[31m" in done.stdout
    assert "\x1b[31m" not in done.stdout


@pytest.mark.slow
def test_a_folder_with_nothing_usable_exits_with_1(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    done = check(tmp_path)

    assert done.returncode == 1
    assert "not a picture in a format that can be read" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", SWOLLEN)
def test_what_swells_is_refused_in_a_process_of_its_own(tmp_path, name):
    FOLDERS[name].fill(tmp_path)
    done = check(tmp_path)

    assert done.returncode == (2 if name.startswith("parquet") else 0)
    assert FOLDERS[name].reason in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert 0.05 * GIB < peak_of(done) < 2 * GIB
