"""Embedding by many processes, and into object storage, gives the store that one process gives."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request

import numpy as np
import pytest

from d2v_core.store import Store
from tests.conftest import ROOT
from tests.end_to_end import killed_appends

pytestmark = pytest.mark.slow
PRESET = "random:shared"

DIES_IN_MIDSTREAM = """
import os, signal, sys
from pathlib import Path
from d2v_core import embed
from d2v_core.data.folder import read_folder
from d2v_core.encoders import open_encoder
from d2v_core.shards import Shard
from d2v_core.store import Store

def die(done, of):
    if done >= 12:
        os.kill(os.getpid(), signal.SIGKILL)

embed.CHUNK = 6
encoder, folder = open_encoder(sys.argv[1]), read_folder(Path(sys.argv[2]))
embed.embed(encoder, folder, Store(sys.argv[3]), report=die, shard=Shard(1, 2))
"""


def run(*command, **environment):
    return subprocess.run(
        [sys.executable, *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
    )


def d2v(*arguments, **environment):
    done = run("-m", "app.cli", *arguments, **environment)
    assert done.returncode == 0, done.stderr
    return done


def on_two(*arguments):
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = run(*launcher, "-m", "app.cli", *arguments)
    assert done.returncode == 0, done.stderr
    return done


def assert_same(mine, wanted):
    """Row for row the same, and the same numbers but for the last bit of half precision."""
    (name,), (other,) = Store(mine).names(), Store(wanted).names()
    found, expected = Store(mine).read(name), Store(wanted).read(other)

    assert name == other
    assert found.items.equals(expected.items)
    assert found.layers.keys() == expected.layers.keys()
    for tap, x in expected.layers.items():
        np.testing.assert_allclose(found.layers[tap], x, rtol=2e-3, atol=2e-3)
        assert np.abs(x).mean() > 0.05


@pytest.fixture(scope="module")
def by_one(toys, tmp_path_factory):
    store = tmp_path_factory.mktemp("one") / "store"
    d2v("embed", PRESET, toys, "--out", store)
    return store


def test_two_processes_make_the_store_of_one(by_one, toys, tmp_path):
    told = json.loads(on_two("embed", PRESET, toys, "--out", tmp_path / "s", "--json").stdout)

    assert (told["added"], told["already"], told["processes"]) == (72, 0, 2)
    assert_same(tmp_path / "s", by_one)
    again = on_two("embed", PRESET, toys, "--out", tmp_path / "s")
    assert "0 items added, 72 were there, by 2 of 2 processes" in " ".join(again.stderr.split())
    assert_same(tmp_path / "s", by_one)


def test_what_any_process_skipped_is_told_by_the_first(toys, tmp_path):
    data = shutil.copytree(toys, tmp_path / "data")
    for name in ("00.png", "01.png", "02.png"):
        (data / name).write_bytes(b"no picture")

    told = json.loads(on_two("embed", "lowlevel", data, "--out", tmp_path / "s", "--json").stdout)

    reason = "not a picture in a format that can be read"
    assert sorted(told["skipped"]) == [[f"0{n}.png", reason] for n in range(3)]
    assert (told["added"], told["processes"]) == (69, 2)


def test_a_process_that_was_killed_is_run_again_and_nothing_is_lost_or_double(
    by_one, toys, tmp_path
):
    place = tmp_path / "s"
    d2v("embed", PRESET, toys, "--out", place, RANK="0", WORLD_SIZE="2")
    killed = run("-c", DIES_IN_MIDSTREAM, PRESET, toys, place)
    (name,) = Store(place).names()

    assert killed.returncode == -signal.SIGKILL
    assert len(Store(place).read(name).items) == 36 + 12
    d2v("embed", PRESET, toys, "--out", place, RANK="1", WORLD_SIZE="2")
    assert_same(place, by_one)


@pytest.mark.parametrize("where", ["folder", "file:", "bucket"])
def test_processes_killed_in_the_midst_of_a_commit_lose_and_double_nothing(
    where, request, tmp_path
):
    place = {"folder": str(tmp_path / "s"), "file:": f"file://{tmp_path}/s"}.get(where)
    place = place or f"{request.getfixturevalue('bucket')}/stores/killed"
    done = run("-m", "tests.end_to_end.killed_appends", place)
    assert done.returncode == 0, done.stderr
    *killed, last = json.loads(done.stdout)
    (name,) = Store(place).names()
    found = Store(place).read(name)

    assert killed == [True] * len(killed_appends.MOMENTS)
    assert not last
    assert list(found.items["id"]) == [f"{n:03d}" for n in range(killed_appends.ROWS)]
    wanted = np.stack([killed_appends.vector(n) for n in range(killed_appends.ROWS)])
    np.testing.assert_array_equal(found.layers["embed"], wanted)
    np.testing.assert_array_equal(found.layers["joint"], -wanted)


def test_a_process_whose_first_never_came_says_so(toys, tmp_path):
    script = (
        "from d2v_core import store; store.PATIENCE_SECONDS = 1.0\n"
        "import sys; from app.cli import main\n"
        "sys.argv = ['d2v', *sys.argv[1:]]; main()"
    )
    done = run(
        "-c", script, "embed", "lowlevel", toys, "--out", tmp_path / "s", RANK="1", WORLD_SIZE="2"
    )

    assert done.returncode == 2
    assert "the first process has made no table lowlevel-" in done.stderr
    assert "start it, with RANK=0" in " ".join(done.stderr.split())


@pytest.fixture
def bucket(monkeypatch):
    """The address of a bucket on a server that speaks S3, on this machine."""
    server = pytest.importorskip("moto.server", reason="moto is not installed")
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    address = f"http://{host}:{port}"
    urllib.request.urlopen(urllib.request.Request(f"{address}/birds", method="PUT")).close()
    keys = {"AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "something"}
    where = {"AWS_ENDPOINT": address, "AWS_ALLOW_HTTP": "true", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in (keys | where).items():
        monkeypatch.setenv(name, value)
    yield "s3://birds"
    running.stop()


def test_two_processes_make_a_store_in_a_bucket(bucket, by_one, toys):
    place = f"{bucket}/stores/toys"
    on_two("embed", PRESET, toys, "--out", place)

    assert_same(place, by_one)
    assert json.loads(d2v("embed", PRESET, toys, "--out", place, "--json").stdout)["added"] == 0
    probed = [d2v("probe", where, "--quick", "--json").stdout for where in (place, by_one)]
    assert json.loads(probed[0]) == json.loads(probed[1])
