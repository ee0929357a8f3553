"""Trustworthiness and continuity: equal to scikit-learn's, in a tenth of its memory."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import ortho_group
from sklearn import manifold

from probes import trust
from probes.trust import drawn_by_lot, fidelity, fitting_ks, trustworthiness

RNG = np.random.default_rng


@pytest.mark.parametrize(("items", "k"), [(3, 1), (11, 5), (120, 5), (120, 59)])
def test_trustworthiness_equals_sklearn(items, k, monkeypatch):
    monkeypatch.setattr(trust, "CHUNK", 1000)
    rng = np.random.default_rng(0)
    x, places = rng.normal(size=(items, 6)) + 10, rng.normal(size=(items, 2))
    score, per_item = trustworthiness(x, places, k)
    expected = manifold.trustworthiness(x, places, n_neighbors=k)

    assert score.value == pytest.approx(expected, abs=1e-9)
    assert per_item.mean() == pytest.approx(expected, abs=1e-9)


def test_a_faithful_map_has_trust_one_and_a_random_one_the_chance_level():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2))
    score, _ = trustworthiness(x, 3 * x @ ortho_group.rvs(2, random_state=0) + 1, 10)
    nothing, _ = trustworthiness(x, rng.normal(size=(400, 2)), 10)

    assert score.value == 1.0
    assert nothing.low - 0.01 < nothing.chance < nothing.high + 0.01


def test_an_item_in_the_wrong_place_is_not_trusted():
    places = np.random.default_rng(0).normal(size=(90, 2))
    wide = np.hstack([places, np.zeros((90, 1))])
    places[7] += 50.0
    _, per_item = trustworthiness(wide, places, 5)

    assert per_item.argmin() == 7


def test_the_curve_equals_sklearn_in_both_directions(monkeypatch):
    monkeypatch.setattr(trust, "CHUNK", 1000)
    x = RNG(0).normal(size=(130, 6)) * [4, 3, 1, 1, 1, 1] - 20
    places = x[:, :2] + 0.3 * RNG(1).normal(size=(130, 2))
    found = fidelity(x, places)

    assert found.ks == (5, 15, 50)
    for row, k in enumerate(found.ks):
        trusted = manifold.trustworthiness(x, places, n_neighbors=k)
        continuous = manifold.trustworthiness(places, x, n_neighbors=k)
        assert found.trustworthiness[row].value == pytest.approx(trusted, abs=1e-9)
        assert found.continuity[row].value == pytest.approx(continuous, abs=1e-9)
        assert found.item_trust[row].mean() == pytest.approx(trusted, abs=1e-9)
        assert found.item_continuity[row].mean() == pytest.approx(continuous, abs=1e-9)
        np.testing.assert_array_equal(found.item_trust[row], trustworthiness(x, places, k)[1])


def test_folding_breaks_trust_and_tearing_breaks_continuity():
    """A strip folded onto itself puts strangers together; one torn in two parts neighbours."""
    line = np.linspace(0, 1, 200)
    strip = np.stack([line, np.zeros(200)], axis=1)
    folded = np.stack([np.abs(line - 0.5), np.zeros(200)], axis=1)
    torn = strip + np.where(line > 0.5, 5.0, 0.0)[:, None] * [0, 1]
    fold, tear = (fidelity(strip, places, ks=(10,)) for places in (folded, torn))

    assert fold.trustworthiness[0].value < 0.8 < 0.95 < fold.continuity[0].value
    assert tear.trustworthiness[0].value > tear.continuity[0].value
    assert tear.item_continuity[0].argmin() in range(95, 105)
    assert tear.item_trust[0, 100] > tear.item_continuity[0, 100]


def test_equal_items_are_neighbours_of_each_other_in_any_order():
    """Thirty copies: whichever of them the map puts nearest, none is a stranger."""
    x = np.repeat(RNG(0).normal(size=(4, 50)) * 1e3, 30, axis=0)
    places = np.repeat(RNG(1).normal(size=(4, 2)), 30, axis=0)
    score, per_item = trustworthiness(x, places + 1e-6 * RNG(2).normal(size=(120, 2)), 5)

    assert score.value == 1.0
    assert (per_item == 1).all()


def test_invariances():
    x = RNG(0).normal(size=(60, 5))
    places = RNG(1).normal(size=(60, 2))
    moved = 1e-4 * places @ ortho_group.rvs(2, random_state=0) + 1.0
    turned = 3e3 * x @ ortho_group.rvs(5, random_state=0)
    order = RNG(2).permutation(60)
    own, other = fidelity(x, places, ks=(7,)), fidelity(turned, moved, ks=(7,))
    mixed = fidelity(x[order], places[order], ks=(7,))

    np.testing.assert_allclose(other.item_trust, own.item_trust)
    np.testing.assert_allclose(other.item_continuity, own.item_continuity)
    np.testing.assert_allclose(mixed.item_trust, own.item_trust[:, order])


def cloud(items=500, *, seed=0):
    """Return embeddings and a map that shows two of their channels, not well."""
    x = RNG(seed).normal(size=(items, 6)) * [3, 2, 1, 1, 1, 1]
    return x, x[:, :2] + RNG(seed + 1).normal(size=(items, 2))


def test_a_judged_item_has_its_own_exact_value_and_others_have_none():
    x, places = cloud()
    rows = np.array([3, 77, 78, 400])
    _, whole = trustworthiness(x, places, 7)
    score, some = trustworthiness(x, places, 7, judged=rows)

    np.testing.assert_array_equal(some[rows], whole[rows])
    assert np.isnan(np.delete(some, rows)).all()
    assert score.value == pytest.approx(whole[rows].mean())
    assert score.n == 4
    assert score.method.startswith(
        "trustworthiness of 4 items drawn by lot from 500, each against all, k = 7; normal interval"
    )
    assert "lot" not in trustworthiness(x, places, 7)[0].method


def test_a_lot_is_right_on_average_and_its_interval_as_often_as_it_says():
    x, places = cloud()
    whole = trustworthiness(x, places, 7)[0].value
    lots = [
        trustworthiness(x, places, 7, judged=RNG(seed).choice(500, 60, replace=False))[0]
        for seed in range(200)
    ]
    means = np.array([lot.value for lot in lots])
    held = np.mean([lot.low <= whole <= lot.high for lot in lots])

    assert abs(means.mean() - whole) < 3 * means.std() / np.sqrt(200)
    assert means.std() > 0.001
    # 60 of 500 without replacement: the interval is that of items not seen yet, a little wider
    assert 0.9 < held <= 0.99


def test_all_items_as_a_lot_are_all_items():
    x, places = cloud(120)
    whole, lot = fidelity(x, places), fidelity(x, places, judged=RNG(0).permutation(120))

    assert lot.to_json() == whole.to_json()


def test_continuity_of_a_lot_is_that_of_the_same_items():
    x, places = cloud(120)
    whole, some = fidelity(x, places), fidelity(x, places, judged=np.array([5, 60, 7]))

    np.testing.assert_array_equal(
        some.item_continuity[:, [5, 7, 60]], whole.item_continuity[:, [5, 7, 60]]
    )
    assert some.continuity[1].value == pytest.approx(whole.item_continuity[1, [5, 7, 60]].mean())
    assert some.to_json()["item_trust"][0][4] is None
    assert some.to_json()["item_trust"][0][5] == some.item_trust[0, 5]


def test_compiled_counting_is_equal_to_sorting(monkeypatch):
    """With equal items, where counting what is not farther would be off."""
    x, places = (np.repeat(side, 3, axis=0) for side in cloud(70))
    places += 0.5 * RNG(3).normal(size=places.shape).round(1)
    judged = RNG(0).choice(210, 150, replace=False)
    sorting = fidelity(x, places, judged=judged)
    monkeypatch.setattr(trust, "COMPILED_FROM", 1)
    monkeypatch.setattr(trust, "MOST_AT_ONCE", 4000)

    assert fidelity(x, places, judged=judged).to_json() == sorting.to_json()


def test_a_lot_follows_from_the_seed_and_from_what_may_be_compared():
    assert drawn_by_lot(14_000, RNG(0)) is None
    rows = drawn_by_lot(100_000, RNG(0))
    assert len(np.unique(rows)) == len(rows) == 2000
    assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(rows, drawn_by_lot(100_000, RNG(0)))
    assert (rows != drawn_by_lot(100_000, RNG(1))).any()
    assert len(drawn_by_lot(1_000_000, RNG(0))) == 1000
    assert len(drawn_by_lot(3000, RNG(0), pairs=6_000_000)) == 2000


PEAK = """
import sys
from pathlib import Path
import numpy as np
from sklearn.manifold import trustworthiness as theirs
from probes.trust import fidelity
def peak():  # of this program: getrusage would count the one that started it
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

rng = np.random.default_rng(0)
x, places = rng.normal(size=(4000, 16)), rng.normal(size=(4000, 2))
fidelity(x[:60], places[:60], ks=(5,)), theirs(x[:60], places[:60])
before = peak()
fidelity(x, places) if sys.argv[1] == "ours" else theirs(x, places, n_neighbors=15)
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the peak of a process is read as POSIX has it")
def test_memory_is_a_tenth_of_that_of_sklearn():
    """Both measures at three k against one of theirs at one k; theirs grows with items²."""
    grown = {
        name: int(
            subprocess.run(
                [sys.executable, "-c", PEAK, name], capture_output=True, text=True, check=True
            ).stdout
        )
        for name in ("ours", "theirs")
    }

    assert grown["theirs"] * 1024 > 4000**2 * 8 * 2  # the measurement sees their matrices
    assert grown["ours"] < grown["theirs"] / 10


def test_ks_that_fit():
    assert fitting_ks(1000) == (5, 15, 50)
    assert fitting_ks(31) == (5, 15)
    assert fitting_ks(10) == (4,)
    assert fitting_ks(3) == (1,)


def test_refusals_of_trustworthiness():
    x = np.random.default_rng(0).normal(size=(6, 3))
    with pytest.raises(ValueError, match=r"^k=3 neighbours of 6 items; choose 1 <= k < items / 2$"):
        trustworthiness(x, x[:, :2], 3)
    with pytest.raises(ValueError, match=r"^6 items but 5 places on the map$"):
        trustworthiness(x, x[:5, :2], 2)
    with pytest.raises(ValueError, match=r"^no size of neighbourhood: give at least one k$"):
        fidelity(x, x[:, :2], ks=())
    for rows, different in (([2, 2], 1), ([-1, 2], 2), ([3, 6], 2)):
        with pytest.raises(
            ValueError,
            match=rf"^{different} different rows to judge, of 6 items: give at least 2, numbered "
            "from 0 to 5$",
        ):
            trustworthiness(x, x[:, :2], 2, judged=np.array(rows))
