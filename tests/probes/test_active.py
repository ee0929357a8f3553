"""Which item to ask about next, and how well the answers are learnt."""

import json

import numpy as np
import pytest

from probes.active import (
    EXAM_EVERY,
    FEWEST_EXAM,
    MOST_SET_APART,
    NO,
    OPEN,
    SKIPPED,
    YES,
    exam_size,
    judge,
    margins_of,
    most_telling,
    next_question,
    set_apart,
    teaching,
)

NOBODY = np.empty(0, dtype=np.int64)


def plane(rng, items, *, noise, direction):
    """Return items on both sides of a plane, and on which side they are said to be."""
    x = rng.normal(size=(items, len(direction))).astype(np.float32)
    height = x @ direction + noise * rng.normal(size=items)
    return x, (height > 0.5 * np.linalg.norm(direction)).astype(np.int64)


def asked(x, truth, questions, exam, *, lot=None):
    """Answer questions truthfully; return the answers, and how they were chosen."""
    answers, hows = np.full(len(x), OPEN), []
    for number in range(questions):
        if lot is not None:
            row, how = int(lot[number]), "lot"
        else:
            margins = margins_of(x, teaching(answers, exam))
            question = next_question(x, answers, exam, margins=margins)
            row, how = question.row, question.how
        assert answers[row] == OPEN
        answers[row] = truth[row]
        hows.append(how)
    return answers, hows


def right(x, answers, exam, new_x, new_truth):
    """Return the share of new items that the probe is right about."""
    both = np.concatenate([x, new_x])
    known = np.concatenate([teaching(answers, exam), np.full(len(new_x), OPEN)])
    margins = margins_of(both, known)
    return np.mean((margins[len(x) :] > 0) == new_truth)


def test_the_probe_is_a_straight_cut_between_yes_and_no():
    """Two items: the cut is halfway, and margins grow in step with the distance from it."""
    x = np.array([[-1.0], [1.0], [0.0], [3.0]])
    margins = margins_of(x, np.array([NO, YES, OPEN, OPEN]))

    assert margins[2] == pytest.approx(0, abs=1e-6)
    assert margins[3] == pytest.approx(3 * margins[1], rel=1e-6)
    assert margins[0] == pytest.approx(-margins[1], rel=1e-6)
    assert margins[1] > 0


def test_margins_far_from_the_origin_are_the_same():
    rng = np.random.default_rng(3)
    x, truth = plane(rng, 60, noise=0.1, direction=np.ones(4))
    answers = np.where(np.arange(60) < 30, truth, OPEN)

    np.testing.assert_allclose(
        margins_of(x + 50, answers), margins_of(x, answers), rtol=1e-2, atol=1e-3
    )


@pytest.mark.parametrize("answers", [[OPEN, OPEN], [YES, OPEN], [YES, YES], [NO, SKIPPED]])
def test_nothing_is_learnt_without_a_yes_and_a_no(answers):
    assert margins_of(np.eye(2), np.array(answers)) is None


def test_what_cannot_be_told_apart_is_refused():
    with pytest.raises(ValueError, match="all 2 items have the same embedding"):
        margins_of(np.ones((3, 2)), np.array([YES, NO, OPEN]))
    with pytest.raises(ValueError, match="3 items but 2 answers"):
        margins_of(np.ones((3, 2)), np.array([YES, NO]))


def test_the_first_question_is_central_and_the_next_far_away():
    x = np.array([[0.0], [1.0], [2.0], [9.0]])  # their mean is 3
    answers = np.full(4, OPEN)
    first = next_question(x, answers, NOBODY, margins=None)
    answers[first.row] = YES
    second = next_question(x, answers, NOBODY, margins=None)
    answers[second.row] = YES
    third = next_question(x, answers, NOBODY, margins=None)

    assert (first.row, second.row, third.row) == (2, 3, 0)
    assert {first.how, second.how, third.how} == {"spread"}


def test_then_the_smallest_margin_is_asked_about():
    answers = np.array([YES, NO, OPEN, OPEN, SKIPPED])
    margins = np.array([0.0, 0.0, -0.2, 0.3, 0.1])

    question = next_question(np.eye(5), answers, NOBODY, margins=margins)
    assert (question.row, question.how) == (2, "margin")


def test_every_third_question_is_of_the_exam_and_the_exam_never_teaches():
    rng = np.random.default_rng(0)
    x, truth = plane(rng, 120, noise=0.3, direction=np.ones(3))
    exam = set_apart(120, rng)
    answers, hows = asked(x, truth, 60, exam)

    assert [n for n, how in enumerate(hows) if how == "exam"] == list(range(2, 60, EXAM_EVERY))
    done = [row for row in exam if answers[row] != OPEN]
    assert done == exam[: len(done)].tolist()
    assert (teaching(answers, exam)[exam] == OPEN).all()
    assert (answers >= NO).sum() - len(done) == (teaching(answers, exam) >= NO).sum()


def test_an_answer_of_the_exam_changes_no_other_question():
    rng = np.random.default_rng(5)
    x, truth = plane(rng, 90, noise=0.3, direction=np.ones(3))
    exam = set_apart(90, rng)
    other = truth.copy()
    other[exam] = 1 - other[exam]

    first, second = asked(x, truth, 30, exam)[0], asked(x, other, 30, exam)[0]
    np.testing.assert_array_equal(teaching(first, exam), teaching(second, exam))


@pytest.mark.parametrize("given", [1, 4, 7, 30])
def test_all_items_are_asked_about_once(given):
    rng = np.random.default_rng(given)
    x, truth = plane(rng, given, noise=0.3, direction=np.ones(3))
    exam = set_apart(given, rng)
    answers, _ = asked(x, truth, given, exam)

    assert next_question(x, answers, exam, margins=margins_of(x, teaching(answers, exam))) is None


def test_the_exam_is_a_third_and_no_more_than_needed():
    assert len(set_apart(90, np.random.default_rng(0))) == 30
    assert len(set_apart(90_000, np.random.default_rng(0))) == MOST_SET_APART
    first, again = (set_apart(500, np.random.default_rng(7)) for _ in range(2))
    assert first.tolist() == again.tolist()
    assert len(set(first.tolist())) == len(first)


def test_every_item_is_as_likely_to_be_in_the_exam():
    rng = np.random.default_rng(1)
    drawn = np.bincount(np.concatenate([set_apart(30, rng) for _ in range(600)]), minlength=30)

    assert drawn.sum() == 6000
    assert abs(drawn - 200).max() < 5 * np.sqrt(600 * 1 / 3 * 2 / 3)


def test_margin_sampling_needs_fewer_answers_than_chance():
    """To be right on 95 % of new items that a plane separates; mean of 8 worlds."""
    needed = {"margin": [], "lot": []}
    for seed in range(8):
        rng = np.random.default_rng(seed)
        direction = rng.normal(size=6)
        x, truth = plane(rng, 600, noise=0.0, direction=direction)
        new = plane(rng, 2000, noise=0.0, direction=direction)
        for name, lot in (("margin", None), ("lot", rng.permutation(600))):
            for questions in range(12, 400, 12):
                answers, _ = asked(x, truth, questions, NOBODY, lot=lot)
                if margins_of(x, answers) is not None and right(x, answers, NOBODY, *new) >= 0.95:
                    break
            needed[name].append(questions)

    assert np.mean(needed["margin"]) < 0.6 * np.mean(needed["lot"]), needed


@pytest.mark.slow
def test_the_exam_is_right_on_average_and_its_interval_covers():
    """Against thousands of new items; the share right on all labels is too low: they are hard."""
    estimates, truths, covered, on_labels = [], [], [], []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        direction = rng.normal(size=6)
        x, truth = plane(rng, 300, noise=1.5, direction=direction)
        exam = set_apart(300, rng)
        answers, _ = asked(x, truth, 45, exam)
        margins = margins_of(x, teaching(answers, exam))
        score = judge(answers, exam, margins=margins).accuracy
        new = plane(rng, 3000, noise=1.5, direction=direction)
        value = right(x, answers, exam, *new)
        estimates.append(score.value)
        truths.append(value)
        covered.append(score.low <= value <= score.high)
        taught = teaching(answers, exam) >= NO
        on_labels.append(np.mean((margins > 0)[taught] == truth[taught]))

    error = np.std(np.subtract(estimates, truths)) / np.sqrt(len(truths))
    assert abs(np.mean(estimates) - np.mean(truths)) < 3 * error
    assert np.mean(covered) >= 0.92
    assert abs(np.mean(on_labels) - np.mean(truths)) > 3 * error  # so an exam is needed


def test_nothing_is_said_of_a_small_exam_and_something_of_a_larger():
    exam = np.arange(6)
    answers = np.array([YES, YES, NO, NO, OPEN, SKIPPED, YES, NO])
    margins = np.array([1.0, -1.0, -1.0, -1.0, 1.0, 1.0, 1.0, -1.0])

    small = judge(answers, exam, margins=margins)
    assert small.accuracy.value is None
    assert small.accuracy.reason == "4 questions of the exam have an answer; it takes 5"
    assert small.balanced is None
    none = judge(answers, exam, margins=None).accuracy
    assert none.reason == "nothing is learnt before there is a yes and a no"

    answers[4] = YES
    judged = judge(answers, exam, margins=margins)
    assert judged.accuracy.n == FEWEST_EXAM
    assert judged.accuracy.value == pytest.approx(4 / 5)
    assert judged.accuracy.chance == pytest.approx(3 / 5)  # always yes
    assert judged.balanced.value == pytest.approx((2 / 3 + 1) / 2)
    assert json.loads(json.dumps(judged.to_json()))["accuracy"]["n"] == FEWEST_EXAM


def test_an_exam_of_one_answer_has_no_balance():
    judged = judge(np.full(9, YES), np.arange(9), margins=np.ones(9))

    assert judged.accuracy.value == judged.accuracy.chance == 1.0
    assert judged.balanced is None


def test_the_surest_and_the_least_sure_are_open_and_not_of_the_exam():
    margins = np.array([-1.0, -1.5, -0.5, -0.1, -2.0, -3.0, 9.0, -9.0])
    answers = np.array([OPEN] * 6 + [YES, OPEN])
    found = most_telling(margins, answers, np.array([7]), count=2)

    assert {name: rows.tolist() for name, rows in found.items()} == {
        "yes": [3, 2],
        "no": [5, 4],
        "unsure": [3, 2],
    }
    assert exam_size(answers) == 0
