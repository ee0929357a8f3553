"""Uniformity and closeness: collapse, even directions, and identities."""

import math

import numpy as np
import pytest
from scipy.stats import ortho_group

from probes import uniformity as module
from probes.checks import unit_rows
from probes.uniformity import closeness, random_uniformity, uniformity

RNG = np.random.default_rng


def test_collapse_gives_zero():
    found = uniformity(np.full((20, 6), 0.3) * np.arange(1, 21)[:, None])

    assert found.uniformity.value == pytest.approx(0, abs=1e-12)
    assert found.uniformity.high <= 0
    assert found.mean_cosine == pytest.approx(1)


def test_even_directions_give_the_published_value():
    """About −2t + 2t²/d: −3.969 at d = 256 and t = 2."""
    found = uniformity(RNG(0).normal(size=(2000, 256)))

    assert found.uniformity.value == pytest.approx(-3.969, abs=1e-3)
    assert random_uniformity(256) == pytest.approx(-4 + 8 / 256, abs=5e-4)
    assert found.uniformity.low < found.uniformity.chance < found.uniformity.high
    assert found.mean_cosine == pytest.approx(0, abs=1e-3)


def test_the_chance_level_on_the_circle_is_a_bessel_function():
    """E exp(2t cos φ) over the circle is I₀(2t)."""
    assert random_uniformity(2, t=1.5) == pytest.approx(-3 + math.log(np.i0(3.0)))


def test_uniformity_equals_its_definition_without_the_diagonal(monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 100)
    x = RNG(0).normal(size=(50, 4)) + 0.5
    directions = unit_rows(x)
    squared = np.sum((directions[:, None] - directions) ** 2, axis=2)
    terms = np.exp(-3 * squared[~np.eye(50, dtype=bool)])

    assert uniformity(x, t=3.0).uniformity.value == pytest.approx(np.log(terms.mean()))


def test_the_interval_is_the_delete_one_jackknife():
    x = RNG(0).normal(size=(30, 3)) + 0.5
    score = uniformity(x).uniformity
    left = np.array([uniformity(np.delete(x, i, axis=0)).uniformity.value for i in range(30)])
    error = math.sqrt(29 / 30 * np.sum((left - left.mean()) ** 2))

    assert (score.high - score.low) / 2 == pytest.approx(1.959964 * error)


def test_rotation_and_lengths_change_nothing_but_a_shift_does():
    x = RNG(0).normal(size=(60, 5))
    turned = (x @ ortho_group.rvs(5, random_state=0)) * RNG(1).uniform(1e-4, 9, size=(60, 1))
    plain = uniformity(x).uniformity.value

    assert uniformity(turned).uniformity.value == pytest.approx(plain)
    assert uniformity(x + 3.0).uniformity.value > plain + 1


def test_closeness_is_two_minus_two_cosines():
    x = RNG(0).normal(size=(80, 6))
    y = x + 0.5 * RNG(1).normal(size=(80, 6))
    cosines = np.sum(unit_rows(x) * unit_rows(y), axis=1)
    score = closeness(x, y, rng=RNG(0))

    assert score.value == pytest.approx(2 - 2 * cosines.mean())
    assert score.low < score.value < score.high < score.chance
    assert closeness(x, 3 * x, rng=RNG(0)).value == pytest.approx(0, abs=1e-12)
    assert closeness(x, -x, rng=RNG(0)).value == pytest.approx(4)


def test_chance_of_closeness_is_the_mean_over_all_pairings():
    x, y = RNG(0).normal(size=(2, 40, 5)) + 0.4
    apart = np.sum((unit_rows(x)[:, None] - unit_rows(y)) ** 2, axis=2)
    score = closeness(x, y, rng=RNG(0))

    assert score.chance == pytest.approx(apart.mean())
    assert score.low < score.chance < score.high


def test_groups_widen_the_interval_of_closeness():
    offsets = np.repeat(RNG(0).uniform(0, 2, size=(10, 1)), 20, axis=0)
    x = RNG(1).normal(size=(200, 8))
    y = x + offsets * RNG(2).normal(size=(200, 8))
    alone = closeness(x, y, rng=RNG(0))
    grouped = closeness(x, y, rng=RNG(0), groups=np.arange(200) // 20)

    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)
    assert "cluster bootstrap" in grouped.method


def test_refusals():
    x = RNG(0).normal(size=(4, 3))
    with pytest.raises(ValueError, match=r"^uniformity needs at least 3 items, got 2$"):
        uniformity(x[:2])
    with pytest.raises(ValueError, match=r"^t=0\.0: choose 0 < t <= 100$"):
        uniformity(x, t=0.0)
    with pytest.raises(ValueError, match=r"^1 of 4 rows of x have length 0, the first is row 2"):
        uniformity(x * np.array([[1], [1], [0], [1]]))
    with pytest.raises(ValueError, match=r"^x has 3 channels and y has 2: only embeddings of one"):
        closeness(x, x[:, :2], rng=RNG(0))
    with pytest.raises(ValueError, match=r"^x has 4 rows and y has 3"):
        closeness(x, x[:3], rng=RNG(0))
    with pytest.raises(ValueError, match=r"^4 items but 3 groups$"):
        closeness(x, x, rng=RNG(0), groups=np.arange(3))
