"""What a run is said to be: its signals, its curves, its fares, its cost."""

import json
import time

import pandas as pd
import pytest

from app import run_curves, run_folders, tasks, training_words
from app.costs import FEWEST_STEPS, cost_of
from app.training_charts import (
    LIMIT,
    MOST_PLACES,
    knn_curves,
    learning_figure,
    loss_curves,
    signal_curves,
    thinned,
)
from app.training_words import ALARM_FROM, ARMS, OBJECTIVES, SIZES, WITH_PERCENT
from app.views.train_start import WITHOUT_OBJECTIVE, Wanted, lines_of
from app.workbench import SAMPLE_RUNS
from d2v_core import presets
from d2v_core.config import override
from d2v_core.data.folder import read_folder
from d2v_core.errors import CollapseError
from d2v_core.monitor import LIMITS
from d2v_core.record import GRACE
from d2v_core.train import train
from tests.conftest import smallest

HEALTHY = {"image/raw_std": 0.04, "image/effective_rank": 8.0, "image/mean_cosine": 0.9}
COLLAPSED = HEALTHY | {"image/effective_rank": 1.0003, "image/mean_cosine": 0.99999}


def said(newest, share):
    return training_words.health(training_words.signals(newest, LIMITS, share), share)


def test_every_preset_that_can_be_chosen_is_one():
    """And every size, objective and arm of the trainer can be chosen, with words for it."""
    assert set(SIZES) == set(presets.SIZES)
    assert set(OBJECTIVES) == set(presets.OBJECTIVES)
    assert set(ARMS) == {name.removesuffix("-P") for name in presets.ARMS}
    assert set(WITH_PERCENT) == {n.removesuffix("-P") for n in presets.ARMS if n.endswith("-P")}
    for arm in ARMS:
        for objective in OBJECTIVES:
            wanted = Wanted(size="tiny", arm=arm, percent=25, objective=objective)
            config = presets.preset(wanted.preset)
            assert (config.pairs.fraction == 0.25) == (arm in WITH_PERCENT)
            if arm not in WITHOUT_OBJECTIVE:
                assert config.of(config.modalities[-1]).objective == objective


def test_every_signal_of_the_monitor_has_words():
    assert set(training_words.SIGNALS) == set(training_words.MEANINGS) == set(LIMITS)


def test_health_in_words():
    assert said({}, 1.0) == ("Nothing has been measured yet.", "gray")
    assert said(HEALTHY, 0.5)[1] == "green"
    sentence, colour = said(COLLAPSED, 0.5)
    assert colour == "red"
    assert "how many directions the vectors of items fill of pictures (1, limit 2.5)" in sentence
    sentence, colour = said(HEALTHY | {"image/effective_rank": 2.0}, 0.4)
    assert colour == "orange"
    assert "near the limit" in sentence


def test_the_alarm_is_raised_before_a_fifth_of_the_steps_and_not_at_the_start():
    assert ALARM_FROM < GRACE
    assert said(COLLAPSED, ALARM_FROM - 0.01)[1] == "gray"
    assert said(COLLAPSED, ALARM_FROM)[1] == "red"


@pytest.mark.parametrize(
    ("rank", "share", "colour"),
    [(1.65, 0.49, "orange"), (1.65, 0.5, "red"), (2.3, 1.0, "red"), (4.2, 1.0, "orange"),
     (5.6, 1.0, "green")],
)  # fmt: skip
def test_few_directions_are_a_collapse_late_in_a_training(rank, share, colour):
    """A run that begins in two directions may leave them; one that is still there has not."""
    assert said(HEALTHY | {"image/effective_rank": rank}, share)[1] == colour


@pytest.mark.parametrize("name", ["paired", "separate", "shared", "shuffled"])
def test_no_alarm_in_any_run_that_ships(name):
    """Healthy runs of 800 steps: at every line that was written down, early or late."""
    lines = run_folders.numbers(SAMPLE_RUNS / name)
    if not lines:
        pytest.skip("there are no trained runs in sample_data/runs: `make sample` makes them")
    steps, newest, colours = lines[-1]["step"], {}, set()
    for line in lines:
        newest |= line
        colours.add(said(newest, line["step"] / steps)[1])

    assert len(lines) > 50
    assert "red" not in colours
    assert "green" in colours


def test_advice_is_given_once_and_only_where_something_is_wrong():
    assert training_words.advice(training_words.signals(HEALTHY, LIMITS)) == []
    advice = training_words.advice(training_words.signals(COLLAPSED, LIMITS))
    assert len(advice) == 3  # two signals, and what to try
    assert advice[0].startswith("All items lie on one line")
    assert advice[-1].startswith("What to try, one at a time: more data of that sense")


def test_labels_that_are_told_by_chance_only_are_named():
    chance = {"image": 0.1, "audio": 0.1}
    numbers = {"image/knn": 0.5, "audio/knn": 0.09}

    assert training_words.learns_nothing(numbers, chance, 0.1) == ""
    assert "sounds (0.09, chance 0.10)" in training_words.learns_nothing(numbers, chance, 0.5)
    assert "pictures" not in training_words.learns_nothing(numbers, chance, 0.5)
    assert training_words.learns_nothing(numbers, {}, 0.5) == ""


def test_the_table_of_signals_has_value_limit_and_verdict():
    table = training_words.signal_table(training_words.signals(COLLAPSED, LIMITS))
    rank = table.set_index("measured").loc["how many directions the vectors of items fill"]

    assert rank["value"] == "1"
    assert rank["limit"] == "at least 1.5"
    assert rank["so"] == "collapsed"


def test_terms_of_the_loss_are_named():
    lines = [
        {"step": 1, "loss": 3.0, "image/regression": 1.0, "contrastive/image-audio": 2.0, "lr": 1},
        {"step": 1, "contrastive/image-audio/scale": 14.0},
        {"step": 2, "loss": 2.0, "image/regression": 0.5, "contrastive/image-audio": 1.5},
    ]

    assert training_words.losses(lines) == {
        "pictures: masked prediction": [(1, 1.0), (2, 0.5)],
        "pictures and sounds: pairs": [(1, 2.0), (2, 1.5)],
    }


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (float("nan"), "nobody knows how long"),
        (-3, "0 s"),
        (59.4, "59 s"),
        (61, "1 min"),
        (7200, "2.0 h"),
        (200_000, "2 days"),
    ],
)
def test_times_as_people_say_them(seconds, words):
    assert training_words.seconds_words(seconds) == words


LINES = [
    {"step": 1, "image/knn": 0.25, "image/effective_rank": 9.0, "loss": 3.0},
    {"step": 2, "loss": 2.5},
    {"step": 3, "image/knn": 0.75, "audio/knn": 0.1},
]


def test_curves_and_the_newest_numbers():
    assert run_curves.curves_of(LINES, "knn") == {
        "image": [(1, 0.25), (3, 0.75)],
        "audio": [(3, 0.1)],
    }
    assert run_curves.newest(LINES)["image/effective_rank"] == 9.0
    assert run_curves.newest(LINES)["loss"] == 2.5


def test_fares_have_interval_chance_and_n():
    image, audio = run_curves.fares(LINES, {"image": 0.1, "audio": 0.1}, {"image": 40, "audio": 40})

    assert (image.first, image.value, image.n) == (0.25, 0.75, 40)
    assert image.low < 0.75 < image.high
    assert (image.verdict, audio.verdict) == ("above chance", "at chance")
    assert "**75%**" in run_curves.fare_sentence(image)
    assert "more than chance (10%)" in run_curves.fare_sentence(image)
    assert "up from 25% at the first look" in run_curves.fare_sentence(image)
    assert "no more than chance" in run_curves.fare_sentence(audio)
    assert "no clear change from the first look (10%)" in run_curves.fare_sentence(audio)
    (unknown,) = run_curves.fares(LINES, {}, {"image": 1000})
    assert unknown.n == 256
    assert unknown.verdict == "not compared"
    assert run_curves.fares(LINES, {}, {}) == []
    assert run_curves.fare_table([image])["95 % interval"][0].startswith("0.5")


def finished(root, name, *, seconds, steps, preset="tiny", status=0):
    """Write what a run that has ended leaves behind."""
    folder = root / name
    (folder / "checkpoints" / f"step_{steps:08d}").mkdir(parents=True)
    (folder / "checkpoints" / f"step_{steps:08d}" / "state.json").write_text("{}")
    config = {"config": {"optim": {"steps": steps}}, "about": {}}
    (folder / "config.json").write_text(json.dumps(config))
    now = time.time()
    command = ["python", "train", "--preset", preset]
    task = tasks.Task(command=command, asked=0.0, began=now - seconds, ended=now, status=status)
    tasks.write_task(folder / tasks.JOB, task)


def test_the_cost_is_that_of_a_run_like_it_here(tmp_path):
    assert "on two cores that do nothing else" in cost_of("tiny", 800, tmp_path).words
    without = cost_of("tiny-data2vec2-separate", 800, tmp_path).seconds
    assert cost_of("tiny-data2vec2-shared-pairs-50", 800, tmp_path).seconds > without
    assert cost_of("small", 40_000, tmp_path).seconds is None
    assert cost_of("small", 40_000, tmp_path).words.startswith("A night on two cores")
    assert cost_of("random", 0, tmp_path).words.startswith("Ready at once")

    finished(tmp_path, "other", seconds=900, steps=100, preset="small")
    finished(tmp_path, "broken", seconds=900, steps=100, status=2)
    finished(tmp_path, "short", seconds=900, steps=FEWEST_STEPS - 1)
    assert "on two cores that do nothing else" in cost_of("tiny", 800, tmp_path).words  # none fits
    finished(tmp_path, "like", seconds=50, steps=100)
    cost = cost_of("tiny", 800, tmp_path)
    assert cost.seconds == pytest.approx(400)
    assert cost.words == "About 7 min for 800 steps, as fast as **like** was here (0.50 s a step)."


def test_settings_are_read_line_by_line():
    assert lines_of("optim.lr = 5e-4\n\n seed=3\nrubbish") == [
        ("optim.lr", "5e-4"),
        ("seed", "3"),
        ("rubbish", ""),
    ]


def test_curves_are_thinned_but_keep_their_ends():
    curve = [(n, float(n)) for n in range(5000)]
    x, y = thinned(curve)

    assert len(x) == MOST_PLACES
    assert (x[0], x[-1], y[-1]) == (0, 4999, 4999.0)


def test_figures_have_a_trace_for_each_curve_and_lines_for_chance_and_limit():
    curves = {"image": [(1, 2.0), (5, 3.0)], "text": [(1, 1.0)]}
    figure = knn_curves(curves, {"image": 0.1, "text": 0.1})
    assert [t.name for t in figure.data] == ["pictures", "sentences", "chance 0.10"]
    assert list(figure.data[-1].y) == [0.1, 0.1]
    figure = knn_curves(curves, {"image": 0.1, "text": 0.25, "audio": 0.5})
    assert [t.name for t in figure.data[2:]] == [
        "chance of pictures 0.10", "chance of sentences 0.25",
    ]  # fmt: skip
    assert [t.line.color for t in figure.data[2:]] == [t.line.color for t in figure.data[:2]]
    figure = signal_curves(curves, "rank", limit=1.5, log=True)
    assert figure.data[-1].line.color == LIMIT
    assert figure.layout.yaxis.type == "log"
    assert len(signal_curves({}, "rank", limit=1.5).data) == 0
    names = {"pictures: masked prediction": [(1, 2.0)], "pictures and sounds: pairs": [(1, 1.0)]}
    assert len({t.line.color for t in loss_curves(names).data}) == 2


def test_the_map_that_moves_has_a_frame_a_step_and_keeps_its_axes():
    points = pd.DataFrame(
        {
            "step": [1, 1, 2, 2],
            "modality": ["image", "text"] * 2,
            "label": ["owl", None] * 2,
            "hover": ["x"] * 4,
            "x": [0.0, 1.0, 2.0, 3.0],
            "y": [0.0, 1.0, 1.0, 0.0],
        }
    )
    figure = learning_figure(points, "label", dark=False)

    assert [frame.name for frame in figure.frames] == ["1", "2"]
    assert list(figure.frames[0].data[0].x) == [0.0]
    assert list(figure.data[0].x) == [2.0]  # the last step is shown first
    low, high = figure.layout.xaxis.range
    assert low < 0
    assert high > 3
    assert len(figure.layout.sliders[0].steps) == 2
    assert "owl" in [trace.name for trace in figure.data]


BROKEN = {
    "teacher.ema_decay_start": "0",
    "teacher.ema_decay_end": "0",
    "optim.lr": "0.1",
    "optim.steps": "80",
    "optim.batch": "8",
    "audio": "none",
    "text": "none",
}
WHOLE = {"optim.lr": "1e-3", "teacher.ema_decay_start": "0.9", "teacher.ema_decay_end": "0.99"}


def shares_with_alarm(run, steps):
    """Return at which shares of the steps a page that reads along would raise the alarm."""
    newest, found = {}, []
    for line in run_folders.numbers(run):
        newest |= line
        if said(newest, line["step"] / steps)[1] == "red":
            found.append(line["step"] / steps)
    return found


@pytest.mark.slow
def test_a_broken_run_raises_the_alarm_in_time_and_the_same_run_made_whole_never_does(
    toys, tmp_path
):
    folder = read_folder(toys)
    with pytest.raises(CollapseError):
        train(folder, override(smallest("tiny"), BROKEN), tmp_path / "broken")
    train(folder, override(smallest("tiny"), BROKEN | WHOLE), tmp_path / "whole")

    assert shares_with_alarm(tmp_path / "broken", 80)[0] < 0.2
    assert shares_with_alarm(tmp_path / "whole", 80) == []
