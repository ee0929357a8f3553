"""Canonical correlations: closed forms, what is kept, and weights."""

import numpy as np
import pytest

from probes.cca import canonical_correlations, mean_cca, mean_squared_cca, pwcca, svcca
from tests.probes.fixtures import CASES, fixture

# google/svcca, pwcca.py and cca_core.py at 1f9f7ea; anatome, similarity.py at 075ecd8, keep = 0.9
GOOGLE = 0.6724553510, 0.6839881824, 0.8357348954, 0.6254865637, 0.6157494420
ANATOME = 0.6439789207, 0.6875833430, 0.8206433874, 0.5758525184, 0.5338050879


def columns(items, dim, seed=0):
    """Return `dim` centred, orthonormal columns."""
    x = np.random.default_rng(seed).normal(size=(items, dim))
    return np.linalg.qr(x - x.mean(axis=0))[0]


def test_shared_channels_correlate_by_one_and_the_others_by_nothing():
    every = columns(60, 8)
    x, y = every[:, :5], every[:, [0, 1, 5, 6, 7]] @ np.diag([1, 5, 2, 9, 3])

    assert canonical_correlations(x, y) == pytest.approx([1, 1, 0, 0, 0], abs=1e-12)
    assert mean_cca(x, y) == pytest.approx(0.4)
    assert mean_squared_cca(x, y) == pytest.approx(0.4)


def test_one_channel_gives_the_correlation_with_the_best_prediction_from_the_other_side():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 4))
    y = x @ rng.normal(size=(4, 1)) + rng.normal(size=(80, 1))
    design = np.column_stack([x, np.ones(80)])
    fitted = design @ np.linalg.lstsq(design, y, rcond=None)[0]
    explained = 1 - np.var(y - fitted) / np.var(y)

    assert mean_squared_cca(x, y) == pytest.approx(explained)
    assert mean_cca(x, y) == pytest.approx(np.corrcoef(fitted[:, 0], y[:, 0])[0, 1])


def test_channels_that_repeat_others_do_not_count():
    x, y = fixture(*CASES[0])
    doubled = np.column_stack([x, x @ np.ones((4, 2)), x[:, 0] * 1e-3])

    assert mean_cca(doubled, y) == pytest.approx(mean_cca(x, y), abs=1e-9)


def test_svcca_keeps_the_axes_that_reach_the_share():
    """Variances 89, 10.5 and 0.5: one axis holds 89 %, two hold 99.5 %."""
    x = columns(50, 3) * np.sqrt([89.0, 10.5, 0.5])
    other = columns(50, 3, seed=1)

    assert svcca(x, other, keep=0.99) == pytest.approx(mean_cca(x[:, :2], other), abs=1e-9)
    assert svcca(x, other, keep=0.9) == pytest.approx(mean_cca(x[:, :2], other), abs=1e-9)
    assert svcca(x, other, keep=0.85) == pytest.approx(mean_cca(x[:, :1], other), abs=1e-9)
    assert svcca(x, other, keep=1.0) == pytest.approx(mean_cca(x, other), abs=1e-9)


def test_pwcca_weighs_directions_by_what_they_carry_of_x():
    """Orthogonal channels of lengths 5, 3 and 2, which correlate by 1, √½ and 0 with those of y."""
    every = columns(60, 5)
    x = every[:, :3] * [5.0, 3.0, 2.0]
    y = np.column_stack([every[:, 0], every[:, 1] + every[:, 3], every[:, 4]])

    assert pwcca(x, y) == pytest.approx((5 + 3 * np.sqrt(0.5)) / 10)
    assert mean_cca(x, y) == pytest.approx((1 + np.sqrt(0.5)) / 3)
    assert pwcca(x, y) != pytest.approx(pwcca(y, x), abs=0.01)


def test_values_of_the_reference_codes():
    for case, google, anatome in zip(CASES, GOOGLE, ANATOME, strict=True):
        x, y = fixture(*case)
        assert pwcca(x, y, compat="google") == pytest.approx(google, abs=1e-6)
        assert abs(pwcca(x, y) - google) > 1e-4
        assert svcca(x, y, keep=0.9, compat="anatome") == pytest.approx(anatome, abs=1e-6)


def test_unrelated_items_correlate_by_the_dims_over_the_items():
    rng = np.random.default_rng(0)
    drawn = [
        mean_squared_cca(rng.normal(size=(100, 10)), rng.normal(size=(100, 20))) for _ in range(50)
    ]

    assert np.mean(drawn) == pytest.approx(20 / 99, abs=0.01)


def test_refusals():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 4)), rng.normal(size=(20, 30))
    with pytest.raises(
        ValueError,
        match=r"^20 items vary in 19 directions: any two such representations correlate perfectly",
    ):
        mean_cca(x, y)
    with pytest.raises(ValueError, match=r"^one representation is .nearly. the same for all items"):
        pwcca(x, np.full((20, 3), 0.1))
    with pytest.raises(ValueError, match=r"^keep=1.5 of the variance; choose 0 < keep <= 1$"):
        svcca(x, x, keep=1.5)
    with pytest.raises(
        ValueError, match=r"^anatome keeps no axis here: the first alone has 10% of"
    ):
        svcca(x, x, keep=0.1, compat="anatome")
    with pytest.raises(
        ValueError,
        match=r"^the code of google/svcca fails when x has more channels .4. than y .2.; swap them",
    ):
        pwcca(x, x[:, :2], compat="google")
