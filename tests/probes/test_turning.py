"""Two flat clouds: a turn is found exactly, and changes nothing inside a cloud."""

import numpy as np
import pytest

from probes.turning import LARGEST, SMALLEST, best_angle, fit_of, make_puzzle, turn


def cloud(items=20, seed=0):
    return np.random.default_rng(seed).normal(size=(items, 2))


def test_a_quarter_turn_is_against_the_clock():
    np.testing.assert_allclose(
        turn(np.array([[1.0, 0.0], [0.0, 2.0]]), 90.0), [[0, 1], [-2, 0]], atol=1e-12
    )


def test_a_turn_keeps_all_distances():
    x = cloud()
    y = turn(x, 123.0)

    before, after = (np.linalg.norm(z[:, None] - z[None], axis=2) for z in (x, y))
    np.testing.assert_allclose(after, before)


@pytest.mark.parametrize("degrees", [0.0, 1.0, 90.0, 200.0, 359.0])
def test_the_angle_back_is_found(degrees):
    x = cloud()

    found = best_angle(turn(x, degrees), x)
    assert min(found, 360 - found) == pytest.approx(min(degrees, 360 - degrees))
    np.testing.assert_allclose(turn(turn(x, degrees), found), x, atol=1e-9)


def test_no_other_angle_brings_partners_nearer():
    puzzle = make_puzzle(cloud(), noise=0.3, rng=np.random.default_rng(1))
    apart = [fit_of(turn(puzzle.turned, float(a)), puzzle.fixed).apart for a in range(360)]

    assert abs((np.argmin(apart) - puzzle.answer + 180) % 360 - 180) <= 1
    best = fit_of(turn(puzzle.turned, puzzle.answer), puzzle.fixed)
    assert best.apart <= min(apart)


def test_a_puzzle_is_solved_by_its_answer_and_not_before():
    puzzle = make_puzzle(cloud(12) * 7 + 3, noise=0.0, rng=np.random.default_rng(0))

    assert np.sum(puzzle.fixed**2) == pytest.approx(12)
    assert SMALLEST <= 360 - puzzle.answer <= LARGEST
    assert fit_of(turn(puzzle.turned, puzzle.answer), puzzle.fixed).found == 1.0
    assert fit_of(turn(puzzle.turned, puzzle.answer), puzzle.fixed).apart == pytest.approx(
        0, abs=1e-9
    )
    assert fit_of(puzzle.turned, puzzle.fixed).found < 0.5
    assert puzzle.to_json()["answer"] == puzzle.answer


def test_what_is_no_cloud_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="2 items; a cloud needs at least 3"):
        make_puzzle(cloud(2), noise=0.0, rng=rng)
    with pytest.raises(ValueError, match="all items are in the same place: nothing can be turned"):
        make_puzzle(np.ones((5, 2)), noise=0.0, rng=rng)
    with pytest.raises(ValueError, match="rows"):
        best_angle(cloud(3), cloud(4))
