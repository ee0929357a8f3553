"""What a published number may look like, and what becomes of it in JSON."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

from probes.checks import check_finite, check_paired, number_labels, unit_rows
from probes.result import Score, to_plain


@dataclass(frozen=True)
class Nested:
    table: np.ndarray
    by_name: dict[str, Score]


def test_a_score_survives_json():
    score = Score(value=0.5, low=0.25, high=0.75, chance=0.1, n=8, method="accuracy", p=0.01)

    assert Score(**json.loads(json.dumps(score.to_json()))) == score


def test_nested_results_become_plain():
    score = Score(value=None, n=3, method="CKA", reason="collapsed")
    plain = to_plain(Nested(np.array([[1, 2], [3, 4]]), {"a": score}))

    assert plain["table"] == [[1, 2], [3, 4]]
    assert plain["by_name"]["a"]["value"] is None
    assert plain["by_name"]["a"]["reason"] == "collapsed"
    json.dumps(plain)


def test_an_undefined_number_never_gets_out():
    with pytest.raises(
        ValueError, match=r"^nan in a result: an undefined number is None, with a r"
    ):
        to_plain({"rows": np.array([1.0, np.nan])})
    with pytest.raises(TypeError, match=r"^set cannot be written as JSON$"):
        to_plain({1, 2})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"value": float("nan")}, "value=nan: an undefined number is None, with a reason"),
        ({"value": None}, "CKA: an undefined score needs its reason"),
        ({"value": 0.5, "low": 0.1}, "an interval has two ends, got low=0.1 and high=None"),
        (
            {"value": None, "reason": "flat", "low": 0.0, "high": 1.0},
            "CKA: an undefined score has no interval",
        ),
    ],
)
def test_scores_that_are_none(fields, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Score(n=3, method="CKA", **fields)


def test_unit_rows_have_length_one_at_any_scale():
    x = np.random.default_rng(0).normal(size=(5, 4))
    scale = np.array([1e-300, 1e-30, 1.0, 1e30, 1e300])[:, None]

    np.testing.assert_allclose(unit_rows(x * scale), unit_rows(x), rtol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(unit_rows(x), axis=1), 1.0)
    assert unit_rows(x.astype(np.float16)).dtype == np.float32


def test_what_cannot_be_measured_is_refused_by_row():
    x = np.ones((4, 2))
    broken = x.copy()
    broken[2, 1] = np.inf
    zero = x.copy()
    zero[3] = 0.0

    with pytest.raises(
        ValueError, match=r"^x has NaN or infinite numbers in 1 of 4 rows, the f.* 2"
    ):
        check_finite(broken)
    with pytest.raises(
        ValueError, match=r"^1 of 4 rows of bank have length 0, the first is row 3:"
    ):
        unit_rows(zero, "bank")
    with pytest.raises(ValueError, match=r"^x is empty: 0 items of 2 channels$"):
        check_finite(x[:0])
    with pytest.raises(
        ValueError, match=r"^x has 4 rows and y has 3: row i of one must be the par"
    ):
        check_paired(x, x[:3])


def test_labels_are_numbered_in_sorted_order():
    codes, names = number_labels(np.array(["owl", "cat", "owl", "frog"]))

    assert names == ("cat", "frog", "owl")
    assert codes.tolist() == [2, 0, 2, 1]
