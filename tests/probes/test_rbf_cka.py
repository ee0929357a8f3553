"""RBF CKA: its definition, its two limits, and widths that mean the same everywhere."""

import math

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from probes.cka import linear_cka
from probes.rbf_cka import rbf_cka, rbf_cka_widths


def pair(items=40, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(items, 5)) + 2
    return x, x[:, :3] @ rng.normal(size=(3, 4)) + rng.normal(size=(items, 4))


def by_definition(x, y, fraction, debiased):
    """From kernels of all distances, with the U-statistic or the trace written out."""

    def kernel(a):
        return np.exp(-(cdist(a, a) ** 2) / (2 * (fraction * np.median(pdist(a))) ** 2))

    def hsic(k, g):
        n = len(k)
        if not debiased:
            centre = np.eye(n) - 1 / n
            return np.trace(k @ centre @ g @ centre)
        k, g = k - np.diag(np.diag(k)), g - np.diag(np.diag(g))
        inner = np.trace(k @ g) + k.sum() * g.sum() / ((n - 1) * (n - 2))
        return inner - 2 / (n - 2) * np.sum(k @ g)

    k, g = kernel(x), kernel(y)
    return hsic(k, g) / math.sqrt(hsic(k, k) * hsic(g, g))


@pytest.mark.parametrize("debiased", [False, True])
@pytest.mark.parametrize("fraction", [0.3, 1.0, 3.0])
def test_it_is_what_the_definition_says(fraction, debiased):
    x, y = pair()
    expected = by_definition(x, y, fraction, debiased)

    assert rbf_cka(x, y, fraction=fraction, debiased=debiased) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("debiased", [False, True])
def test_wide_kernels_tend_to_linear_cka(debiased):
    x, y = pair()
    expected = linear_cka(x, y, debiased=debiased)
    errors = [
        abs(rbf_cka(x, y, fraction=width, debiased=debiased) - expected)
        for width in (3.0, 30.0, 1e6)
    ]

    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-7


def test_narrow_kernels_make_anything_alike_unless_debiased():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 30)), rng.normal(size=(40, 30))

    assert rbf_cka(x, y, fraction=0.1, debiased=False) == pytest.approx(1.0, abs=1e-6)
    assert abs(rbf_cka(x, y, fraction=0.3)) < 0.3
    with pytest.raises(ValueError, match=r"^CKA is undefined: one representation is .nearly. the"):
        rbf_cka(x, y, fraction=0.001)


def test_several_widths_come_together_and_say_which_is_undefined():
    x, y = pair()
    found = rbf_cka_widths(x, y, fractions=(1e-4, 0.5, 1.0, 2.0))

    assert found.values[0] is None
    assert found.values[1:] == tuple(rbf_cka(x, y, fraction=width) for width in (0.5, 1.0, 2.0))
    assert found.reason.startswith("CKA is undefined")
    assert found.to_json()["fractions"] == [1e-4, 0.5, 1.0, 2.0]
    assert rbf_cka_widths(x, y).fractions == (0.5, 1.0, 2.0)
    assert rbf_cka_widths(x, y).reason == ""


def test_more_than_half_of_the_pairs_in_one_place_have_no_median_distance():
    x, y = pair()
    x[:35] = 0.0
    with pytest.raises(ValueError, match=r"^CKA is undefined"):
        rbf_cka(x, y)


def test_refusals():
    x = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.raises(ValueError, match=r"^RBF CKA needs at least 4 items, got 3$"):
        rbf_cka(x[:3], x[:3])
    with pytest.raises(ValueError, match=r"^a width of 0.0 median distances; it must be positive$"):
        rbf_cka(x, x, fraction=0.0)
    many = np.ones((5000, 1))
    with pytest.raises(
        ValueError, match=r"^RBF CKA on 5000 items needs matrices .* subset of at most 4096 items$"
    ):
        rbf_cka(many, many)
