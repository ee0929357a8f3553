"""Uniformity and closeness: is the sphere used, and do views of one item lie together?"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import torch
from jaxtyping import Float, Shaped

from probes.checks import check_paired, check_same_length, unit_rows
from probes.intervals import CONFIDENCE, bootstrap_interval
from probes.result import Plain, Score, to_plain

CHUNK = 4_000_000  # cosines held at once
T = 2.0


@dataclass(frozen=True, kw_only=True)
class Uniformity:
    """How evenly items lie on the unit sphere."""

    uniformity: Score
    """log E exp(−t ‖fᵢ − fⱼ‖²) over different items: 0 if all are alike, lower is more even. Its
    chance is what directions drawn at random give, which few representations come near."""

    mean_cosine: float
    """Of different items; 0 for even directions, 1 after collapse."""

    t: float

    def to_json(self) -> Plain:
        """Return the figures as plain JSON."""
        return to_plain(self)


def uniformity(x: Float[np.ndarray, "items dim"], *, t: float = T) -> Uniformity:
    """Measure how evenly embeddings lie on the unit sphere; only their directions count.

    An item is never compared with itself. Equal items are compared: unlike for measures of
    neighbours, they are what is measured.

    Args:
        x: embeddings.
        t: how local the measure is.

    Returns:
        The uniformity with a delete-one jackknife interval, which is exact and draws nothing twice.

    Raises:
        ValueError: if there are fewer than three items, a row has length 0, or t is not positive.

    Source: Wang and Isola, arXiv:2005.10242.
    """
    if len(x) < 3:
        raise ValueError(f"uniformity needs at least 3 items, got {len(x)}")
    if not 0 < t <= 100:
        raise ValueError(f"t={t}: choose 0 < t <= 100")
    directions = torch.from_numpy(unit_rows(x.astype(np.float64)))
    n, dim = directions.shape
    sums = np.empty(n)  # over the others, of exp(−t ‖fᵢ − fⱼ‖²)
    step = max(1, CHUNK // n)
    for start in range(0, n, step):
        rows = torch.arange(start, min(start + step, n))
        # ‖a − b‖² = 2 − 2 cos on the sphere; rounding must not lift a cosine above 1
        apart = (2 - 2 * (directions[rows] @ directions.T)).clamp_(min=0)
        potential = apart.mul_(-t).exp_()
        potential[torch.arange(len(rows)), rows] = 0
        sums[rows.numpy()] = potential.sum(dim=1).numpy()
    total = float(sums.sum())
    value = math.log(total / (n * (n - 1)))
    without = np.log(np.maximum(total - 2 * sums, 1e-300) / ((n - 1) * (n - 2)))
    variance = (n - 1) / n * float(np.sum((without - without.mean()) ** 2))
    half = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * math.sqrt(variance)
    centre = directions.sum(dim=0)
    score = Score(
        value=value,
        low=value - half,
        high=min(0.0, value + half),
        chance=random_uniformity(dim, t=t),
        n=n,
        method=f"uniformity, t = {t:g}, on the unit sphere; delete-one jackknife interval; "
        "chance: directions drawn at random",
    )
    cosine = (float(centre @ centre) - n) / (n * (n - 1))
    return Uniformity(uniformity=score, mean_cosine=cosine, t=t)


def random_uniformity(dim: int, *, t: float = T) -> float:
    """Return the uniformity of directions drawn at random: −2t + log ₀F₁(dim / 2; t²).

    It is about −2t + 2t²/dim.

    Args:
        dim: channels.
        t: as in `uniformity`.
    """
    from scipy.special import hyp0f1  # imported late: the app starts without it

    return -2 * t + math.log(float(hyp0f1(dim / 2, t * t)))


def closeness(
    x: Float[np.ndarray, "n_x dim_x"],
    y: Float[np.ndarray, "n_y dim_y"],
    *,
    rng: np.random.Generator,
    groups: Shaped[np.ndarray, " grouped"] | None = None,
) -> Score:
    """Return the mean squared distance on the unit sphere of two views of the same items.

    It equals 2 − 2 · mean cosine: 0 for equal directions, about 2 for unrelated ones around the
    origin. Read it beside the uniformity: collapse brings views together, too.

    Args:
        x: embeddings of one view of every item.
        y: embeddings of the other, row by row, in the same space.
        rng: source of all randomness.
        groups: whole groups are drawn by the bootstrap.

    Returns:
        The distance; chance: any item of x with any of y.

    Raises:
        ValueError: if rows or channels do not match, there are fewer than two pairs, or a row has
            length 0.

    Source: "alignment" in Wang and Isola, arXiv:2005.10242, with exponent 2.
    """
    check_paired(x, y)
    if x.shape[1] != y.shape[1]:
        raise ValueError(
            f"x has {x.shape[1]} channels and y has {y.shape[1]}: only embeddings of one space "
            "lie near each other"
        )
    if groups is not None:
        check_same_length(x, groups, "groups")
    x, y = unit_rows(x.astype(np.float64), "x"), unit_rows(y.astype(np.float64), "y")
    apart = np.sum((x - y) ** 2, axis=1)
    low, high = bootstrap_interval(apart, rng=rng, groups=groups)
    how = "bootstrap" if groups is None else "cluster bootstrap"
    return Score(
        value=float(apart.mean()),
        low=low,
        high=high,
        chance=2 - 2 * float(x.mean(axis=0) @ y.mean(axis=0)),
        n=len(x),
        method=f"mean squared distance of partners on the unit sphere; {how} interval; "
        "chance: any x with any y",
    )
