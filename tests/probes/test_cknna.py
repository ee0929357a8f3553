"""CKNNA: its definition, the code it comes from, and debiased CKA at its end."""

import numpy as np
import pytest

from probes.cka import linear_cka
from probes.cknna import cknna
from tests.probes.fixtures import CASES, fixture

# platonic-rep, metrics.py at 07ef02a, in double precision, k = 8: fixtures as they are, and / 30
PLATONIC = 0.3810523789, 0.3614112646, 0.4367742696, 0.1860427649, 0.1985191019
PLATONIC_SMALL = 0.1854239362, 0.2036089758, 0.2257515881, 0.0936629335, 0.1135050056


def by_definition(x, y, k):
    """The plain form with full matrices: masked kernels multiplied entry by entry."""

    def masked(a):
        products = a @ a.T
        np.fill_diagonal(products, -np.inf)
        mask = np.zeros_like(products)
        np.put_along_axis(mask, np.argsort(-products, axis=1)[:, :k], 1.0, axis=1)
        return np.where(mask > 0, products, 0.0), mask

    def hsic(a, b):
        n = len(a)
        ends = 2 * (a.sum(axis=1) @ b.sum(axis=1)) / (n - 2)
        return (np.sum(a * b) + a.sum() * b.sum() / ((n - 1) * (n - 2)) - ends) / (n * (n - 3))

    (a, mask_a), (b, mask_b) = masked(x), masked(y)
    return hsic(a * mask_b, b * mask_a) / np.sqrt(hsic(a, a) * hsic(b, b))


@pytest.mark.parametrize("k", [2, 8, 20])
def test_the_plain_form_is_what_the_definition_says(k):
    x, y = fixture(*CASES[1])

    assert cknna(x, y, k=k, form="plain") == pytest.approx(by_definition(x, y, k), abs=1e-12)


def test_values_of_the_reference_code():
    """With its 1e-6 in the denominator, which small features feel."""
    for case, expected, small in zip(CASES, PLATONIC, PLATONIC_SMALL, strict=True):
        x, y = fixture(*case)
        assert cknna(x, y, k=8, form="platonic-rep") == pytest.approx(expected, abs=1e-6)
        assert cknna(x / 30, y / 30, k=8, form="platonic-rep") == pytest.approx(small, abs=1e-6)
        assert cknna(x / 30, y / 30, k=8) == pytest.approx(cknna(x, y, k=8), abs=1e-12)
        assert cknna(x, y, k=8) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("form", ["transposed", "plain"])
def test_with_all_neighbours_it_is_debiased_cka(form):
    for case in CASES:
        x, y = fixture(*case)
        expected = linear_cka(x, y, debiased=True)
        assert cknna(x, y, k=len(x) - 1, form=form) == pytest.approx(expected, abs=1e-10)


def test_the_plain_form_is_symmetric_and_the_transposed_is_another_number():
    x, y = fixture(*CASES[4])

    assert cknna(x, y, form="plain") == pytest.approx(cknna(y, x, form="plain"), abs=1e-12)
    assert abs(cknna(x, y) - cknna(y, x)) > 1e-4
    assert abs(cknna(x, y) - cknna(x, y, form="plain")) > 0.01


def test_refusals():
    x = np.random.default_rng(0).normal(size=(12, 3))
    with pytest.raises(ValueError, match=r"^CKNNA with k=1 of 12 items; choose 2 <= k <= 11$"):
        cknna(x, x, k=1)
    with pytest.raises(ValueError, match=r"^CKNNA with k=12 of 12 items; choose 2 <= k <= 11$"):
        cknna(x, x, k=12)
    with pytest.raises(ValueError, match=r"^CKNNA is undefined: one representation has no depende"):
        cknna(x, np.zeros((12, 3)), k=5)
    with pytest.raises(ValueError, match=r"^CKNNA needs at least 4 items, got 3$"):
        cknna(x[:3], x[:3], k=2)
