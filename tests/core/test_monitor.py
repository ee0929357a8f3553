"""The monitor: closed forms of its signals, what it catches, what the spread of targets misses."""

import pytest
import torch

from d2v_core.config import override
from d2v_core.data.folder import read_folder
from d2v_core.errors import CollapseError
from d2v_core.metrics import read_metrics
from d2v_core.modality_config import TargetConfig
from d2v_core.monitor import effective_rank, knn_accuracy, mean_cosine, refuse_collapse
from d2v_core.objectives.objective import channel_std
from d2v_core.targets import make_targets
from d2v_core.train import train
from tests.conftest import smallest


@pytest.mark.parametrize("directions", [1, 3, 8])
def test_effective_rank_counts_equally_strong_directions(directions):
    x = torch.eye(8)[torch.arange(64) % directions]

    assert effective_rank(x) == pytest.approx(directions, rel=1e-4)


def test_effective_rank_does_not_change_with_scale_or_rotation():
    x = torch.randn(40, 8)
    rotation = torch.linalg.qr(torch.randn(8, 8))[0]

    assert effective_rank(7 * x @ rotation) == pytest.approx(effective_rank(x), rel=1e-4)


def test_mean_cosine_is_the_mean_over_different_items():
    x = torch.randn(9, 5)
    cosine = torch.nn.functional.cosine_similarity(x[:, None], x[None], dim=-1)
    expected = (cosine.sum() - cosine.trace()) / (9 * 8)

    assert mean_cosine(x) == pytest.approx(expected.item(), abs=1e-6)
    assert mean_cosine(torch.ones(6, 3)) == pytest.approx(1.0)


def test_knn_finds_separated_classes_and_nothing_in_noise():
    labels = torch.arange(200) % 4
    centres = torch.eye(4)[labels]
    near = centres + 0.05 * torch.randn(200, 4)

    assert knn_accuracy(near[:100], labels[:100], near[100:], labels[100:]) == 1.0
    noise = torch.randn(200, 4)
    assert knn_accuracy(noise[:100], labels[:100], noise[100:], labels[100:]) < 0.5


def test_the_spread_of_image_targets_cannot_see_that_nothing_is_left():
    """A constant and a thousandth of noise: targets look healthy, the raw spread does not."""
    layers = [torch.randn(16) + 1e-4 * torch.randn(4, 64, 16) for _ in range(3)]
    target = make_targets(layers, TargetConfig(layers=3, average="layer"), valid=None)

    assert channel_std(target.flatten(0, 1)) > 0.9
    refuse_collapse({"image/target_std": channel_std(target.flatten(0, 1)).item()})
    with pytest.raises(CollapseError, match=r"image collapsed: raw activation std .* is below"):
        refuse_collapse({"image/raw_std": (channel_std(layers[-1].flatten(0, 1)) - 1e-3).item()})


@pytest.mark.parametrize(
    ("signal", "value", "message"),
    [
        ("raw_std", 1e-4, r"raw activation std 0\.0001 is below 0\.001, the teacher says the same"),
        ("target_std", 0.05, r"target std 0\.05 is below 0\.1, there is nothing to predict"),
        ("prediction_std", 0.001, r"prediction std 0\.001 is below 0\.01, the student predicts a"),
        ("effective_rank", 1.2, r"effective rank 1\.2 is below 1\.5, all items lie on one line"),
        ("mean_cosine", 0.99995, r"mean pairwise cosine 0\.99995 is above 0\.9999, all items look"),
    ],
)
def test_each_signal_is_named(signal, value, message):
    with pytest.raises(CollapseError, match=f"audio collapsed: {message}"):
        refuse_collapse({f"audio/{signal}": value})


@pytest.fixture
def folder(toys):
    return read_folder(toys)


BROKEN = {
    "teacher.ema_decay_start": "0",
    "teacher.ema_decay_end": "0",
    "optim.lr": "0.1",
    "optim.steps": "80",
    "optim.batch": "8",
    "audio": "none",
    "text": "none",
}


@pytest.mark.slow
def test_a_broken_training_is_stopped_where_the_spread_of_targets_looks_healthy(folder, tmp_path):
    """The teacher is the student of a moment ago, and the steps are a hundred times too long."""
    config = override(smallest("tiny"), BROKEN)
    with pytest.raises(CollapseError, match="image collapsed: effective rank"):
        train(folder, config, tmp_path / "run")
    last = read_metrics(tmp_path / "run")[-1]

    assert last["step"] < 80
    assert last["image/target_std"] > 0.5


@pytest.mark.slow
def test_without_norm_of_the_average_targets_vanish_too(folder, tmp_path):
    plain = {"image.target.per_layer": "layer", "image.target.average": "none", "optim.lr": "0.01"}
    config = override(smallest("tiny"), BROKEN | plain)
    with pytest.raises(CollapseError, match="image collapsed"):
        train(folder, config, tmp_path / "run")

    assert read_metrics(tmp_path / "run")[-1]["image/target_std"] < 0.1


@pytest.mark.slow
def test_the_same_training_goes_on_with_a_slow_teacher_and_short_steps(folder, tmp_path):
    """The control: nothing else was changed."""
    healthy = {
        "optim.lr": "1e-3",
        "teacher.ema_decay_start": "0.9",
        "teacher.ema_decay_end": "0.99",
    }
    config = override(smallest("tiny"), BROKEN | healthy)
    train(folder, config, tmp_path / "run")

    assert read_metrics(tmp_path / "run")[-1]["image/effective_rank"] > 2
