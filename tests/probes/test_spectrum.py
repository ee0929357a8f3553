"""Spectrum: closed forms of effective rank, participation ratio and power law."""

import numpy as np
import pytest
from scipy.stats import ortho_group

from probes.spectrum import (
    noise_rank,
    participation_ratio,
    power_law,
    rank_me,
    spectrum,
)

RNG = np.random.default_rng


def orthonormal(items, dim, seed=0):
    """Return `dim` centred, orthonormal columns."""
    x = RNG(seed).normal(size=(items, dim))
    return np.linalg.qr(x - x.mean(axis=0))[0]


def power_law_items(items, dim, alpha):
    """Return items whose covariance has the eigenvalues j^-alpha exactly, in a random basis."""
    scaled = orthonormal(items, dim) * np.arange(1, dim + 1) ** (-alpha / 2)
    return scaled @ ortho_group.rvs(dim, random_state=1) * np.sqrt(items - 1)


def test_orthonormal_columns_have_full_rank_and_one_direction_has_rank_one():
    full = spectrum(orthonormal(100, 32), rng=RNG(0))
    line = spectrum(RNG(0).normal(size=(100, 1)) * np.ones(32), rng=RNG(0))

    assert full.rank_me.value == pytest.approx(32, abs=0.005)
    assert full.participation_ratio.value == pytest.approx(32)
    assert line.rank_me.value == pytest.approx(1, abs=5e-4)
    assert line.participation_ratio.value == pytest.approx(1)


def test_white_noise_has_the_published_rank_and_its_chance_is_the_same():
    """RankMe of 5000 × 256 independent Gaussians is 254.4; the law says it without drawing."""
    values = np.linalg.svd(RNG(0).normal(size=(5000, 256)), compute_uv=False)

    assert rank_me(values) == pytest.approx(254.4, abs=0.1)
    assert noise_rank(5000, 256) == pytest.approx(254.4, abs=0.1)
    assert noise_rank(256, 5000) == noise_rank(5000, 256)


def test_noise_is_at_the_chance_level_of_both_ranks():
    found = spectrum(RNG(3).normal(size=(400, 60)), rng=RNG(0))

    assert found.rank_me.value == pytest.approx(found.rank_me.chance, rel=0.01)
    ratio = found.participation_ratio
    assert ratio.value == pytest.approx(ratio.chance, rel=0.02)


def test_k_equal_variances_participate_as_k():
    assert participation_ratio(np.array([2.0] * 5 + [0.0] * 20)) == pytest.approx(5)
    assert participation_ratio(np.array([3.0, 1.0])) == pytest.approx(16 / 10)
    assert participation_ratio(np.full(4, 1e-200)) == pytest.approx(4)


def test_rank_me_from_its_definition():
    shares = np.array([0.5, 0.25, 0.25]) + 1e-7

    assert rank_me(np.array([2.0, 1.0, 1.0])) == pytest.approx(np.exp(-shares @ np.log(shares)))
    assert rank_me(np.ones(256)) == 256.0  # the lift by ε is cut


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.3])
def test_an_exact_power_law_is_recovered(alpha):
    found = spectrum(power_law_items(300, 80, alpha), rng=RNG(0))
    law = found.power_law

    assert law.alpha.value == pytest.approx(alpha, abs=1e-6)
    assert (law.first, law.last) == (11, 40)
    assert len(law.sensitivity) == 4
    assert all(fit.alpha == pytest.approx(alpha, abs=1e-6) for fit in law.sensitivity)
    np.testing.assert_allclose(found.variances, np.arange(1.0, 81) ** -alpha)


def test_sensitivity_shows_a_spectrum_that_is_no_power_law():
    """e^(-j/10) has the slope j/10 at j: moving the range moves α; λ = 1/j stays at 1."""
    variances = np.exp(-np.arange(1, 81) / 10)
    x = orthonormal(300, 80) * np.sqrt(variances)
    law = spectrum(x, rng=RNG(0)).power_law
    slopes = [fit.alpha for fit in law.sensitivity]

    assert [(fit.first, fit.last) for fit in law.sensitivity] == [
        (7, 40), (16, 40), (11, 27), (11, 60)
    ]  # fmt: skip
    assert max(slopes) - min(slopes) > 0.3 * law.alpha.value
    assert power_law(variances, 40, 50) == pytest.approx(4.5, abs=0.1)


def test_small_indices_weigh_more():
    """Minimum of Σ (1/j)(log λ + α log j − b)², by brute force."""
    variances = RNG(0).uniform(0.5, 2, size=20) * np.arange(1, 21) ** -1.5
    j = np.arange(3, 16)
    design = np.stack([-np.log(j), np.ones(len(j))], axis=1) / np.sqrt(j)[:, None]
    best = np.linalg.lstsq(design, np.log(variances[2:15]) / np.sqrt(j), rcond=None)[0]

    assert power_law(variances, 3, 15) == pytest.approx(best[0])


def test_rotation_and_scale_change_nothing_and_stretching_does():
    x = RNG(0).normal(size=(150, 40)) * np.arange(1, 41) ** -0.5 + 0.3
    turned = spectrum(3e-4 * x @ ortho_group.rvs(40, random_state=0), rng=RNG(0))
    stretched = spectrum(x * np.array([30.0] + [1.0] * 39), rng=RNG(0))
    plain = spectrum(x, rng=RNG(0))

    for name in ("rank_me", "participation_ratio"):
        own, other = getattr(plain, name), getattr(turned, name)
        assert other.value == pytest.approx(own.value)
        assert (other.low, other.high) == pytest.approx((own.low, own.high))
        assert getattr(stretched, name).value < 0.7 * own.value
    assert turned.power_law.alpha.value == pytest.approx(plain.power_law.alpha.value)


def test_a_shift_lowers_only_the_rank_that_is_not_centred():
    x = RNG(0).normal(size=(100, 20))
    near, far = spectrum(x, rng=RNG(0)), spectrum(x + 50.0, rng=RNG(0))

    assert far.rank_me.value < near.rank_me.value / 2
    assert far.participation_ratio.value == pytest.approx(near.participation_ratio.value)


def test_intervals_cover_and_shrink():
    """The interval holds the value of a larger sample of the same law in most of 20 runs."""
    scale = np.arange(1, 31) ** -0.7
    truth = participation_ratio(scale**2)
    hits = 0
    widths = []
    for seed in range(20):
        found = spectrum(RNG(seed).normal(size=(800, 30)) * scale, rng=RNG(seed))
        low, high = found.participation_ratio.low, found.participation_ratio.high
        hits += low <= truth <= high
        widths.append(high - low)
    few = spectrum(RNG(0).normal(size=(100, 30)) * scale, rng=RNG(0)).participation_ratio

    assert hits >= 16
    assert few.high - few.low > 1.5 * np.mean(widths)


def test_more_channels_than_items_and_groups():
    x = RNG(0).normal(size=(30, 100))
    found = spectrum(x, rng=RNG(0), groups=np.arange(30) // 3)

    assert found.rank_me.value <= 30
    assert found.participation_ratio.value <= 29
    assert len(found.variances) == 30
    assert found.to_json()["rank_me"]["n"] == 30
    assert spectrum(x, rng=RNG(0), groups=np.zeros(30)).rank_me.reason.startswith("no interval")


def test_what_is_undefined_says_why():
    same = spectrum(np.full((6, 4), 0.1), rng=RNG(0))
    zero = spectrum(np.zeros((6, 4)), rng=RNG(0))

    assert same.participation_ratio.value is None
    assert same.participation_ratio.reason == (
        "all embeddings are the same: there is no variance to spread"
    )
    assert same.rank_me.value == pytest.approx(1, abs=1e-4)
    assert zero.rank_me.reason == "all embeddings are 0: there is no rank to measure"
    assert same.power_law.alpha.reason == (
        "a slope over j = 11 … 2 has too few points: at least 5 are needed"
    )
    few = spectrum(RNG(0).normal(size=(20, 60)), rng=RNG(0))
    assert few.power_law.alpha.reason == "a slope to j = 30, but only 19 variances are not 0"


def test_refusals():
    with pytest.raises(ValueError, match=r"^a spectrum needs at least 2 items, got 1$"):
        spectrum(np.ones((1, 4)), rng=RNG(0))
    with pytest.raises(ValueError, match="NaN or infinite"):
        spectrum(np.full((4, 2), np.nan), rng=RNG(0))
    with pytest.raises(ValueError, match=r"^4 items but 3 groups$"):
        spectrum(np.ones((4, 2)), rng=RNG(0), groups=np.arange(3))
