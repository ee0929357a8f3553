"""The modality gap: published figures, closed forms, and what it does not say."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ortho_group
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from probes.checks import unit_rows
from probes.gap import modality_gap
from probes.retrieval import retrieve

REPOSITORY = Path(__file__).parents[2]
DATA = Path(os.environ.get("D2V_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
FIGURES = DATA / "modality-gap"

needs_figures = pytest.mark.skipif(
    not FIGURES.is_dir(),
    reason="published CLIP vectors are absent; set D2V_SHARED_DATA to the folder of modality-gap/",
)


@needs_figures
@pytest.mark.parametrize(
    ("name", "gap", "within", "matched", "recall"),
    [
        ("clip", 0.8514, 0.531, 0.310, (0.552, 0.506)),
        ("clip_random", 1.1361, 0.681, 0.029, (0.002, 0.002)),
    ],
)
def test_published_vectors_of_clip(name, gap, within, matched, recall):
    """CLIP on 500 COCO pairs, trained and at random initialisation (Liang et al., 2022)."""
    images, texts = np.load(FIGURES / f"{name}.npy")
    rng = np.random.default_rng(0)
    found = modality_gap(images, texts, rng=rng, paired=True)
    pairs = retrieve(images, texts, rng=rng, count=99)

    assert found.modality_gap.value == pytest.approx(gap, abs=5e-5)
    assert found.separability.value == 1.0
    assert found.within_cosine_x.value == pytest.approx(within, abs=6e-4)
    assert found.matched_cosine.value == pytest.approx(matched, abs=6e-4)
    for direction, expected in zip((pairs.x_to_y, pairs.y_to_x), recall, strict=True):
        assert direction.scores["R@1"].value == pytest.approx(expected)
        assert (direction.scores["R@1"].p == 0.01) == (name == "clip")


def cones(rng, items=80, dim=6, *, apart=1.0):
    x, y = rng.normal(size=(2, items, dim))
    x[:, 0] += apart
    y[:, 0] -= apart
    return x, y


def test_opposite_points_are_two_apart_and_have_no_spread():
    x = np.tile([1.0, 0.0], (6, 1))
    found = modality_gap(x, -3 * x, rng=np.random.default_rng(0), paired=True)

    assert found.modality_gap.value == pytest.approx(2.0)
    assert found.within_cosine_x.value == pytest.approx(1.0)
    assert found.matched_cosine.value == pytest.approx(-1.0)
    assert found.normalised_gap.value is None
    assert found.normalised_gap.reason.startswith("both modalities have collapsed to a point")


def test_the_mean_cosine_leaves_out_the_item_itself():
    """Three orthogonal directions: 0, not 1/3."""
    found = modality_gap(np.eye(3), np.eye(3), rng=np.random.default_rng(0), paired=True)

    assert found.within_cosine_x.value == pytest.approx(0.0, abs=1e-12)
    assert found.modality_gap.value == 0.0
    assert found.modality_gap.p == 1.0


def test_joint_rotation_and_the_length_of_items_do_not_matter_but_a_shift_does():
    rng = np.random.default_rng(0)
    x, y = cones(rng)
    turn = ortho_group.rvs(6, random_state=0)
    lengths = rng.uniform(0.1, 9, size=(80, 1))
    plain = modality_gap(x, y, rng=rng, paired=True, count=9)
    same = modality_gap(lengths * x @ turn, y @ turn, rng=rng, paired=True, count=9)
    shifted = modality_gap(x + 1.0, y, rng=rng, paired=True, count=9)

    assert same.modality_gap.value == pytest.approx(plain.modality_gap.value)
    assert same.normalised_gap.value == pytest.approx(plain.normalised_gap.value)
    assert shifted.modality_gap.value > plain.modality_gap.value + 0.05


def test_mean_centring_closes_the_gap_exactly():
    rng = np.random.default_rng(0)
    x, y = (unit_rows(side) for side in cones(rng))
    opposite = np.vstack([x - x.mean(axis=0), x.mean(axis=0) - x])  # unit vectors sum to 0
    other = np.vstack([y - y.mean(axis=0), y.mean(axis=0) - y])

    found = modality_gap(opposite, other, rng=rng, paired=True, count=9)
    assert found.modality_gap.value == pytest.approx(0.0, abs=1e-12)


def test_no_gap_is_no_alignment():
    """Two unrelated clouds have no gap, cannot be told apart, and do not retrieve."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 300, 8))
    found = modality_gap(x, y, rng=rng, paired=True)

    assert found.modality_gap.p > 0.05
    assert found.separability.low < 0.5 < found.separability.high
    assert found.matched_cosine.low < found.matched_cosine.chance < found.matched_cosine.high
    assert retrieve(x, y, rng=rng, count=99).x_to_y.scores["R@1"].p > 0.05


@pytest.mark.slow
@pytest.mark.parametrize("paired", [True, False])
def test_p_is_super_uniform_without_a_gap_and_small_with_one(paired):
    rng = np.random.default_rng(0)
    ps = []
    for _ in range(40):
        x, y = rng.normal(size=(2, 8, 3))
        ps.append(modality_gap(x, y, rng=rng, paired=paired, count=39).modality_gap.p)

    assert np.mean(np.array(ps) <= 0.25) < 0.25 + 2.5 * (0.25 * 0.75 / 40) ** 0.5
    assert np.mean(ps) > 0.4
    x, y = cones(rng, 40)
    assert modality_gap(x, y, rng=rng, paired=paired, count=39).modality_gap.p == 1 / 40


def test_without_separability_all_else_is_the_same():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 4)), rng.normal(size=(30, 4)) + 0.5
    whole = modality_gap(x, y, rng=np.random.default_rng(1), paired=True, count=9)
    less = modality_gap(
        x, y, rng=np.random.default_rng(1), paired=True, count=9, separability=False
    )

    assert less.separability is None
    assert less.to_json()["separability"] is None
    assert less.modality_gap == whole.modality_gap
    assert less.normalised_gap == whole.normalised_gap
    assert less.matched_cosine.value == whole.matched_cosine.value


def test_separability_is_that_of_sklearn():
    rng = np.random.default_rng(0)
    x, y = cones(rng, 400, apart=0.4)
    found = modality_gap(x, y, rng=rng, paired=False, count=9).separability
    both = np.vstack([unit_rows(x), unit_rows(y)])
    peer = cross_val_score(LogisticRegression(), both, np.repeat([0, 1], 400), cv=5).mean()

    assert found.value == pytest.approx(peer, abs=0.02)
    assert found.low < peer < found.high
    assert found.chance == 0.5


@pytest.mark.parametrize("c", [0.01, 1.0, 100.0])
def test_separability_depends_on_the_penalty_as_that_of_sklearn(c):
    """Positive control: only at C = 1 do the two agree on a gap in a weak channel."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 300, 40))
    for side, sign in ((x, 1), (y, -1)):
        side[:, 0] = sign * 0.25 + 0.1 * side[:, 0]
    found = modality_gap(x, y, rng=rng, paired=False, count=1).separability.value
    both = np.vstack([unit_rows(x), unit_rows(y)])
    peer = cross_val_score(LogisticRegression(C=c), both, np.repeat([0, 1], 300), cv=5).mean()

    assert (abs(found - peer) < 0.02) == (c == 1.0)


@pytest.mark.slow
def test_the_interval_covers_the_gap_of_many_items():
    rng = np.random.default_rng(0)
    expected = modality_gap(*cones(rng, 50_000), rng=rng, paired=False, count=1).modality_gap.value
    hits = 0
    for _ in range(60):
        score = modality_gap(*cones(rng, 80), rng=rng, paired=False, count=1).modality_gap
        hits += score.low <= expected <= score.high

    assert hits >= 52


def test_unpaired_modalities_of_unequal_size():
    rng = np.random.default_rng(0)
    x, y = cones(rng)
    found = modality_gap(x, y[:30], rng=rng, paired=False, count=9)

    assert found.matched_cosine is None
    assert found.modality_gap.n == 110
    assert found.separability.chance == pytest.approx(80 / 110)
    assert found.to_json()["matched_cosine"] is None


def test_two_items_a_modality_still_have_a_gap_but_no_interval():
    x = np.array([[1.0, 0.0], [0.0, 1.0]])
    found = modality_gap(x, x, rng=np.random.default_rng(0), paired=True, count=9)

    assert found.within_cosine_x.low is None
    assert found.within_cosine_x.reason == (
        "no interval: too few items to leave some out of each modality"
    )


def test_refusals():
    x = np.eye(3)
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"^the gap needs 2 items a modality, got 3 and 1$"):
        modality_gap(x, x[:1], rng=rng, paired=False)
    with pytest.raises(
        ValueError, match=r"^x has 3 rows and y has 2: row i of one must be the par"
    ):
        modality_gap(x, x[:2], rng=rng, paired=True)
