"""What processes that embed tell the first one; that several do is in tests/end_to_end."""

import itertools
import json
import socket
import subprocess
import sys

import pytest

from d2v_core import shards
from d2v_core.data.items import Problem
from d2v_core.embed import Embedded, of_all
from d2v_core.shards import WHOLE, Shard, tell_first
from tests.core.bounded import ROOT

OTHER = """
import json, sys
from d2v_core.shards import Shard, tell_first
for told in json.loads(sys.argv[1]):
    assert tell_first(Shard(1, 2), told) == [told]
"""


@pytest.fixture
def together(monkeypatch):
    """Processes that know where to meet, as a launcher lets them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    for name, value in where.items():
        monkeypatch.setenv(name, value)


def test_a_process_alone_or_started_by_hand_has_nobody_to_tell(monkeypatch):
    assert tell_first(WHOLE, {"added": 1}) == [{"added": 1}]
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert tell_first(Shard(0, 2), {"added": 1}) == [{"added": 1}]


@pytest.mark.usefixtures("together")
def test_of_a_process_that_says_nothing_nothing_is_counted(monkeypatch):
    monkeypatch.setattr(shards, "PATIENCE_SECONDS", 0.3)

    done = of_all(Embedded("x", 3, 1, (Problem("a.png", "bad"),), Shard(0, 2)))

    assert (done.added, done.already, done.heard) == (3, 1, 1)


@pytest.mark.usefixtures("together")
def test_one_that_finds_nobody_to_tell_has_done_its_work(monkeypatch):
    monkeypatch.setattr(shards, "PATIENCE_SECONDS", 0.5)

    assert tell_first(Shard(1, 2), {"added": 1}) == [{"added": 1}]


@pytest.mark.slow
@pytest.mark.usefixtures("together")
def test_the_first_hears_the_others_each_time(monkeypatch):
    monkeypatch.setattr(shards, "PATIENCE_SECONDS", 60.0)
    monkeypatch.setattr(shards, "_NUMBERS", itertools.count())
    others = [{"added": n, "already": 2, "skipped": [[f"b{n}.png", "bad"]]} for n in (4, 5)]
    command = [sys.executable, "-c", OTHER, json.dumps(others)]
    with subprocess.Popen(command, cwd=ROOT) as other:
        mine = Embedded("x", 3, 1, (Problem("a.png", "bad"),), Shard(0, 2))
        done = [of_all(mine), of_all(mine)]

    assert other.returncode == 0
    assert [each.added for each in done] == [7, 8]
    assert [each.already for each in done] == [3, 3]
    assert done[1].skipped == (Problem("a.png", "bad"), Problem("b5.png", "bad"))
    assert done[1].heard == 2
