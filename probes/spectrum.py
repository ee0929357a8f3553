"""How many directions a representation uses: effective rank, participation ratio, power law.

All three come from one spectrum. None may be compared across widths, across taps that are
normalised differently, or between modalities with different numbers of tokens: they are monitors
within one model.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped

from probes.checks import check_finite, check_same_length
from probes.intervals import jackknife_or_reason
from probes.result import Plain, Score, to_plain

EPSILON = 1e-7
"""Added to every share before the entropy, as published; it lifts a rank of 1 by about 1e-6 d."""

FIRST = 11
"""First index of the default range of the power law."""

LAST = 100
"""Its last index, or half the channels if these are fewer."""

SHORTEST = 5
"""Fewest indices that a slope is fitted to."""

JACKKNIFE = "delete-a-group jackknife interval"


@dataclass(frozen=True, kw_only=True)
class RangeFit:
    """The slope that one choice of range gives."""

    first: int
    last: int
    alpha: float


@dataclass(frozen=True, kw_only=True)
class PowerLaw:
    """How fast the variances fall: λⱼ ∝ j^−α."""

    alpha: Score
    first: int
    """First index j of the range, the largest variance being 1."""

    last: int
    sensitivity: tuple[RangeFit, ...]
    """Slopes of neighbouring ranges: if they differ much, there is no power law to speak of."""

    def to_json(self) -> Plain:
        """Return the fit as plain JSON."""
        return to_plain(self)


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """The spectrum of a representation and what is read from it."""

    n: int
    dim: int
    variances: Float[np.ndarray, " axes"]
    """Eigenvalues of the centred covariance (n − 1 in its denominator), largest first."""

    rank_me: Score
    """Effective rank: exp of the entropy of the singular values of the embeddings as they are."""

    participation_ratio: Score
    """(Σλ)² / Σλ² of the centred covariance."""

    power_law: PowerLaw

    def to_json(self) -> Plain:
        """Return everything as plain JSON."""
        return to_plain(self)


def spectrum(
    x: Float[np.ndarray, "items dim"],
    *,
    rng: np.random.Generator,
    groups: Shaped[np.ndarray, " grouped"] | None = None,
    first: int = FIRST,
    last: int | None = None,
) -> Spectrum:
    """Measure the spectrum of embeddings.

    Rotation and scale change nothing; a shift changes the effective rank, which is not centred.

    Args:
        x: embeddings.
        rng: chooses the parts of the jackknife, the same for all three measures.
        groups: items of one group are left out together.
        first: first index of the power law.
        last: its last index; None for 100, or half the channels if these are fewer.

    Returns:
        Variances, and each measure with its interval. A measure that is undefined (all embeddings
        alike, too few channels for a slope) says why.

    Raises:
        ValueError: if there are fewer than two items, or an input is not finite.

    Source: RankMe, arXiv:2210.02885; α-ReQ, Agrawal et al., 2022.
    """
    check_finite(x)
    if groups is not None:
        check_same_length(x, groups, "groups")
    n, dim = x.shape
    if n < 2:
        raise ValueError(f"a spectrum needs at least 2 items, got {n}")
    if last is None:
        last = min(LAST, dim // 2)
    spectra = _Spectra(x.astype(np.float64))
    seed = int(rng.integers(2**63))

    def interval(measure: str) -> tuple[float | None, float | None, str]:
        def value_of(rows: Int[np.ndarray, " kept"]) -> float:
            raw, variances = spectra.of(rows)
            return _MEASURES[measure](raw, variances, first, last)

        return jackknife_or_reason(value_of, n, rng=np.random.default_rng(seed), groups=groups)

    def score(measure: str, chance: float | None, method: str) -> Score:
        method = f"{method}; {JACKKNIFE}"
        raw, variances = spectra.of(np.arange(n))
        try:
            value = _MEASURES[measure](raw, variances, first, last)
        except ValueError as error:
            return Score(value=None, n=n, method=method, reason=str(error))
        low, high, reason = interval(measure)
        return Score(
            value=value, low=low, high=high, chance=chance, n=n, method=method, reason=reason
        )

    _, variances = spectra.of(np.arange(n))
    noise = "chance: white noise of the same shape"
    return Spectrum(
        n=n,
        dim=dim,
        variances=variances,
        rank_me=score(
            "rank_me", noise_rank(n, dim), f"RankMe, at most {min(n, dim)}, not centred; {noise}"
        ),
        participation_ratio=score(
            "participation_ratio",
            (n - 1) * dim / (n + dim),  # (E tr W)² / E tr W² of a Wishart matrix
            f"participation ratio, at most {min(n - 1, dim)}, centred; {noise}",
        ),
        power_law=PowerLaw(
            alpha=score("alpha", None, f"α-ReQ over j = {first} … {last}, weights 1/j"),
            first=first,
            last=last,
            sensitivity=_sensitivity(variances, first, last),
        ),
    )


def rank_me(singular_values: Float[np.ndarray, " axes"], *, epsilon: float = EPSILON) -> float:
    """Return the effective rank, exp(−Σ p log p) with p = σ / Σσ + ε.

    Args:
        singular_values: not negative, in any order; as many as the rank can be.
        epsilon: added to every share.

    Returns:
        A number between 1 and the number of singular values (to which the lift by ε is cut).

    Raises:
        ValueError: if all of them are 0.
    """
    total = float(singular_values.sum())
    if total <= 0:
        raise ValueError("all embeddings are 0: there is no rank to measure")
    shares = singular_values / total + epsilon
    return min(float(np.exp(-np.sum(shares * np.log(shares)))), float(len(shares)))


def participation_ratio(variances: Float[np.ndarray, " axes"]) -> float:
    """Return (Σλ)² / Σλ², the number of equal variances that would be spread as far.

    Args:
        variances: eigenvalues of a covariance.

    Raises:
        ValueError: if all of them are 0.
    """
    top = float(variances.max())
    if top <= 0:
        raise ValueError("all embeddings are the same: there is no variance to spread")
    shares = variances / top  # squares of tiny numbers would vanish
    return float(shares.sum() ** 2 / np.sum(shares**2))


def power_law(variances: Float[np.ndarray, " axes"], first: int, last: int) -> float:
    """Return α of λⱼ ∝ j^−α by weighted least squares of log λ on log j, weights 1/j.

    Args:
        variances: eigenvalues, largest first.
        first: first index of the range, counted from 1.
        last: last index.

    Raises:
        ValueError: if the range is shorter than five indices, or does not lie within the positive
            variances.
    """
    if first < 1 or last - first + 1 < SHORTEST:
        raise ValueError(
            f"a slope over j = {first} … {last} has too few points: at least {SHORTEST} are needed"
        )
    positive = int(np.sum(variances > 1e-12 * variances[0]))
    if last > positive:
        raise ValueError(f"a slope to j = {last}, but only {positive} variances are not 0")
    j = np.arange(first, last + 1, dtype=np.float64)
    weights = 1 / j / np.sum(1 / j)
    logs, levels = np.log(j), np.log(variances[first - 1 : last])
    offsets = logs - weights @ logs
    return float(-(weights * offsets) @ levels / ((weights * offsets) @ offsets))


def noise_rank(n: int, dim: int) -> float:
    """Return the effective rank of white noise, from the Marchenko-Pastur law.

    With s = √λ under that law the entropy of the shares of s is log m + log E s − E[s log s] / E s,
    m being the smaller side.

    Args:
        n: items.
        dim: channels.
    """
    ratio = min(n, dim) / max(n, dim)
    middle, half = 1 + ratio, 2 * math.sqrt(ratio)
    # Gauss-Chebyshev nodes of the second kind: the law is √(1 − u²) / λ in u = (λ − middle) / half
    angles = np.arange(1, 2001) * math.pi / 2001
    values = np.maximum(middle + half * np.cos(angles), 1e-300)
    weights = np.sin(angles) ** 2 / values
    s = np.sqrt(values)
    mean = float(weights @ s / weights.sum())
    weighted_log = float(weights @ (s * np.log(s)) / weights.sum())
    return min(n, dim) * mean * math.exp(-weighted_log / mean)


def _sensitivity(
    variances: Float[np.ndarray, " axes"], first: int, last: int
) -> tuple[RangeFit, ...]:
    """Fit the slope with each end of the range moved out and in by about a third, where it can."""
    ends = [(max(1, round(first * f)), last) for f in (2 / 3, 3 / 2)]
    ends += [(first, round(last * f)) for f in (2 / 3, 3 / 2)]
    found = []
    for low, high in ends:
        try:
            found.append(RangeFit(first=low, last=high, alpha=power_law(variances, low, high)))
        except ValueError:
            continue  # this neighbouring range does not exist
    return tuple(found)


_MEASURES = {
    "rank_me": lambda raw, variances, first, last: rank_me(raw),
    "participation_ratio": lambda raw, variances, first, last: participation_ratio(variances),
    "alpha": lambda raw, variances, first, last: power_law(variances, first, last),
}


class _Spectra:
    """Spectra of subsets of the items, each computed once."""

    def __init__(self, x: Float[np.ndarray, "items dim"]) -> None:
        self.x = x
        self._known: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}

    def of(
        self, rows: Int[np.ndarray, " kept"]
    ) -> tuple[Float[np.ndarray, " axes"], Float[np.ndarray, " axes"]]:
        """Return the singular values and, of the centred items, the variances."""
        key = rows.tobytes()
        if key not in self._known:
            x = self.x if len(rows) == len(self.x) else self.x[rows]
            raw = np.linalg.svd(x, compute_uv=False)
            centred = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
            # centring rounds: what is left of equal rows is not variance
            centred[centred <= 1e-13 * math.sqrt(len(x)) * raw[0]] = 0.0
            self._known[key] = (raw, centred**2 / max(1, len(x) - 1))
        return self._known[key]
