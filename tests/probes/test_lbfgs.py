"""Many minimisations side by side, on functions whose minimum is known."""

import pytest
import torch

from probes.lbfgs import PATIENCE, minimise


class Bowls:
    """1 + Σ hⱼ (w − c)² / 2 + λ w² / 2 for every problem: the minimum is h c / (h + λ)."""

    def __init__(self, curvature, centre, *, guess=1.0, sign=1.0):
        self.curvature, self.centre = curvature[:, None, None], centre[:, None, :]
        self.guess, self.sign = guess, sign
        self.evaluated = []

    def __call__(self, weights, penalty):
        self.evaluated.append(weights.shape[1])
        away, load = weights - self.centre, penalty[:, None] * weights
        value = (self.curvature * away**2 + load * weights).double().sum(dim=(0, 2)) / 2
        return 1 + value, self.sign * (self.curvature * away + load)

    def inverse_diagonal(self, penalty):
        return torch.full((len(self.curvature), len(penalty), 1), self.guess).to(penalty)

    def largest_slope(self, gradient):
        return gradient.abs().amax(dim=(0, 2))


def bowls(**options):
    curvature = torch.tensor([1.0, 30.0, 900.0], dtype=torch.float64)
    centre = torch.randn(3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return Bowls(curvature, centre, **options)


PENALTIES = torch.tensor([100.0, 1.0, 0.0], dtype=torch.float64)


@pytest.mark.parametrize("guess", [0.01, 1.0, 50.0])
def test_the_minimum_is_found_however_bad_the_first_guess(guess):
    objective = bowls(guess=guess)
    start = torch.zeros(3, 3, 2, dtype=torch.float64)
    found = minimise(objective, start, PENALTIES, tolerance=1e-9, max_iterations=200)
    h = objective.curvature
    expected = h * objective.centre / (h + PENALTIES[:, None])

    torch.testing.assert_close(found.weights, expected, atol=1e-8, rtol=0)
    torch.testing.assert_close(found.value, objective(expected, PENALTIES)[0])
    assert (found.norm <= 1e-9).all()
    assert (start == 0).all()


def test_what_is_done_is_not_evaluated_again():
    objective = bowls()
    h = objective.curvature
    start = (h * objective.centre / (h + PENALTIES[:, None])).clone()
    start[:, 1] += 1.0  # the others are where they should be
    found = minimise(objective, start, PENALTIES, tolerance=1e-9, max_iterations=200)

    assert found.iterations[0] == found.iterations[2] == 0
    assert found.iterations[1] > 1
    assert objective.evaluated[0] == 3
    assert set(objective.evaluated[1:]) == {1}


def test_no_step_goes_up():
    """The first step overshoots by so little that only an exact comparison sees it."""
    one = torch.ones(1, dtype=torch.float64)
    objective = Bowls(one, torch.zeros(1, 1, dtype=torch.float64), guess=2.2)
    start = torch.full((1, 1, 1), 0.1, dtype=torch.float64)
    found = minimise(objective, start, 0 * one, tolerance=1e-9, max_iterations=1)

    assert objective(start - 2.2 * start, 0 * one)[0] > found.value
    assert found.value <= 1.005


def test_single_precision_gets_as_near_as_it_can():
    objective = bowls()
    objective.curvature, objective.centre = objective.curvature.float(), objective.centre.float()
    start = torch.zeros(3, 3, 2)
    found = minimise(objective, start, PENALTIES.float(), tolerance=1e-3, max_iterations=200)

    assert found.weights.dtype == torch.float32
    assert found.value.dtype == torch.float64
    assert (found.norm <= 1e-3).all()


def test_a_problem_that_cannot_improve_leaves():
    """A gradient that points the wrong way: no step goes down, and there is no use in trying."""
    start = torch.ones(3, 3, 2, dtype=torch.float64)
    found = minimise(bowls(sign=-1.0), start, PENALTIES, tolerance=1e-9, max_iterations=200)

    torch.testing.assert_close(found.weights, start)
    assert (found.iterations <= PATIENCE).all()
    assert (found.norm > 1e-9).all()
