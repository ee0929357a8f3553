"""How far a map is: stages by the time they take, in order, to the end; and its words."""

import sys
import time

import numpy as np
import pytest

from app import background, map_plan
from app.background import Job, MapJobs
from app.map_plan import PARTS, Part, Plan, parts_of, parts_of_judging, seconds_of
from app.map_words import bar_words, counted_words, n_words
from app.noting import VARIABLE, Noted
from app.wishes import MapWish
from probes.aligned_maps import aligned_maps
from probes.maps import tsne_map, umap_map
from probes.progress import told_to
from tests.app.conftest import PATIENCE
from tests.app.test_around import finish

WISH = MapWish("run", "tap")


class Kept:
    """Notes that are kept in a list."""

    def __init__(self):
        self.noted = []

    def note(self, done, of, *, stage):
        self.noted.append((done, of, stage))


def test_stages_count_by_the_time_they_take():
    notes = Kept()
    plan = Plan([Part("neighbours", 30), Part("layout", 60), Part("trust", 10)], notes)
    for told in (("neighbours", 1, 3), ("neighbours", 3, 3), ("other", 1, 2), ("layout", 1, 2)):
        plan(*told)
    plan("trust", 5, 5)

    assert notes.noted == [
        (100, PARTS, "searching neighbours"),
        (300, PARTS, "searching neighbours"),
        (600, PARTS, "laying out"),
        (1000, PARTS, "judging the map"),
    ]


def test_a_stage_that_comes_again_is_another_part():
    notes = Kept()
    plan = Plan([Part("trust", 1), Part("neighbours", 1), Part("trust", 2)], notes)
    for told in (("trust", 1, 1), ("trust", 0, 2), ("trust", 2, 2), ("trust", 1, 1)):
        plan(*told)

    assert [done for done, _, _ in notes.noted] == [250, 500, 1000]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wish", "draw"),
    [
        (WISH, lambda x: umap_map(x)),
        (WISH._replace(method="tsne"), lambda x: tsne_map(x)),
        (WISH._replace(over="layers"), lambda x: aligned_maps({"a": x, "b": x**2, "c": x**3})),
        (
            WISH._replace(over="layers", method="pca"),
            lambda x: aligned_maps({"a": x, "b": x**2, "c": x**3}, method="pca"),
        ),
    ],
    ids=["umap", "tsne", "journey", "pca journey"],
)
def test_the_plan_of_a_map_is_what_it_tells(wish, draw):
    """Every part has its turn, and the bar never goes back and ends full."""
    notes = Kept()
    plan = Plan(parts_of(wish, 40, 5, 3 if wish.over else 1), notes)
    with told_to(plan):
        draw(np.random.default_rng(0).normal(size=(40, 5)))

    assert plan.at == len(plan.parts)
    assert [done for done, _, _ in notes.noted] == sorted(done for done, _, _ in notes.noted)
    assert notes.noted[-1][0] == PARTS


def test_what_compares_all_with_all_takes_a_hundred_times_as_long_for_ten_times_the_items():
    few, many = (seconds_of(parts_of_judging(n, 64)) for n in (10_000, 100_000))

    assert many == pytest.approx(100 * few)
    assert seconds_of(parts_of_judging(map_plan.MOST_JUDGED + 1, 64)) < many / 20
    assert seconds_of(parts_of(WISH._replace(method="pca"), 1_000_000, 64)) < 60
    assert seconds_of(parts_of(WISH, 1_000_000, 64)) > 1000


def test_a_process_that_makes_a_map_notes_how_far_it_is(monkeypatch):
    code = (
        "import os, time; from pathlib import Path; from app.noting import Notes;"
        "Notes.wanted().note(3, 9, seconds_left=5.0, stage='s');"
        "path = Path(os.environ['D2V_PROGRESS']); print(path.parent);"
        "exec('while path.exists(): time.sleep(0.02)')"
    )
    monkeypatch.setattr(background, "map_command", lambda _job: [sys.executable, "-c", code])
    jobs, job = MapJobs(), Job("s", "n", "one")
    assert jobs.how_far(job) is None
    jobs.ensure(job)
    end = time.monotonic() + PATIENCE
    while (noted := jobs.how_far(job)) is None and time.monotonic() < end:
        time.sleep(0.02)
    folder = jobs.running[job].notes.parent
    jobs.running[job].notes.unlink()  # which lets it end

    assert VARIABLE == "D2V_PROGRESS"
    assert (noted.done, noted.of, noted.seconds_left, noted.stage) == (3, 9, 5.0, "s")
    assert finish(jobs, job) == "done"
    assert not folder.exists()
    assert jobs.how_far(job) is None


def test_the_words_of_a_bar_count_down_between_notes():
    noted = Noted(done=300, of=1000, seconds_left=40.0, at=100.0, stage="laying out")

    assert bar_words(noted, "It is made", 110.0) == (
        0.3,
        "It is made (laying out), about 30 s left",
    )
    assert bar_words(noted, "It is made", 150.0)[1] == "It is made (laying out), almost done"
    first = Noted(done=0, of=1000, seconds_left=None, at=100.0)
    assert bar_words(first, "It is made", 100.0) == (0.0, "It is made")
    assert bar_words(None, "It is made", 100.0) == (0.0, "It is made: reading the items")


def test_what_was_measured_of_some_items_says_so():
    assert n_words(72, 72) == "n = 72"
    assert n_words(2000, 100_000) == "n = 2,000 of 100,000 items, drawn by lot"
    assert counted_words("trust", 5, 5) == ""
    assert counted_words("trust", 2000, 100_000) == (
        ":material/info: Trust is known of 2,000 of the 100,000 items, drawn by lot, each "
        "against all others. Only these are on the map."
    )
    assert counted_words("hub", 0, 200_000) == (
        ":material/info: Hub is not counted of more than 150,000 items: it compares all with all. "
        "All items are grey."
    )
