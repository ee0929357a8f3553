"""Ask a person as little as possible: which item to ask about next, and how well it is learnt.

A linear probe (ridge regression on yes and no) learns from the answers so far. The next question is
the item whose margin |f(x)| is smallest: there the probe is least sure, so an answer moves it most.
Until there is a yes and a no, questions are spread out: the item farthest from all asked before.

Items chosen like that are the hard ones, and no fair exam. So some items are set apart by lot, and
every third question is the next of them. They are never learnt from, nor is any other question
chosen by what was said of them: to the probe they are new items, drawn as all others were, and its
share of right answers there is an unbiased estimate with a plain binomial interval. Leaving out
items that taught, one after the other, would not do: what was asked after an item was chosen by a
probe that knew it, and without it there is a hole.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from probes.accuracy import accuracy, balanced_accuracy
from probes.checks import check_same_length
from probes.few_shot import choose_penalty
from probes.result import Plain, Score, to_plain
from probes.ridge_fit import fit_ridge, one_hot

SKIPPED, OPEN, NO, YES = -2, -1, 0, 1
"""What is known of an item; a person who cannot tell skips it."""

EXAM_EVERY = 3
"""One question in so many is of the exam."""

MOST_SET_APART = 200
FEWEST_EXAM = 5
"""Below, an interval spans nearly everything."""

How = Literal["exam", "margin", "spread"]


@dataclass(frozen=True, kw_only=True)
class Question:
    """The item to ask about next."""

    row: int
    how: How
    """Of the exam, of smallest margin, or far from all asked before."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """How well the probe tells yes from no, judged on the exam only."""

    accuracy: Score
    balanced: Score | None
    """Mean of the shares of right answers among yes and among no; None unless there are both."""

    def to_json(self) -> Plain:
        """Return the result as plain JSON."""
        return to_plain(self)


def margins_of(
    x: Float[np.ndarray, "items dim"], answers: Int[np.ndarray, " labelled"]
) -> Float[np.ndarray, " items"] | None:
    """Return which way the probe leans on every item, above 0 for yes; None without yes and no.

    λ is chosen by leaving labelled items out.

    Args:
        x: embeddings.
        answers: `YES`, `NO`, `OPEN` or `SKIPPED`, one an item.

    Raises:
        ValueError: if a labelled item is not finite, or all of them have the same embedding.
    """
    check_same_length(x, answers, "answers")
    rows = np.flatnonzero(answers >= NO)
    if len(np.unique(answers[rows])) < 2:
        return None
    fit = fit_ridge(x[rows], one_hot(answers[rows], 2), single=True)
    weights = fit.weights(penalty := choose_penalty(fit))
    direction = weights[:, YES] - weights[:, NO]
    middle = fit.predict(fit.mean[None], penalty)[0]  # where the mean of the fitted items falls
    offset = middle[YES] - middle[NO] - float(fit.mean @ direction)
    return x @ direction.astype(np.float32) + offset


def set_apart(items: int, rng: np.random.Generator) -> Int[np.ndarray, " exam"]:
    """Return the items of the exam, in the order in which they are asked: a third, or 200.

    Args:
        items: how many there are.
        rng: draws the lot; it has to be the same whenever the same items are asked about.
    """
    return rng.permutation(items)[: min(math.ceil(items / EXAM_EVERY), MOST_SET_APART)]


def teaching(
    answers: Int[np.ndarray, " items"], exam: Int[np.ndarray, " exam"]
) -> Int[np.ndarray, " items"]:
    """Return the answers that may be learnt from: those of the exam count as open."""
    found = answers.copy()
    found[exam] = OPEN
    return found


def next_question(
    x: Float[np.ndarray, "items dim"],
    answers: Int[np.ndarray, " items"],
    exam: Int[np.ndarray, " exam"],
    *,
    margins: Float[np.ndarray, " items"] | None,
) -> Question | None:
    """Return what to ask next; None if every item was asked about.

    Args:
        x: embeddings.
        answers: what is known of every item.
        exam: of `set_apart`.
        margins: of `margins_of` for the answers that may be learnt from.
    """
    waits = exam[answers[exam] == OPEN]
    is_open = answers == OPEN
    is_open[exam] = False
    rows = np.flatnonzero(is_open)
    if len(waits) and (not len(rows) or len(exam) - len(waits) < exam_size(answers)):
        return Question(row=int(waits[0]), how="exam")
    if not len(rows):
        return None
    if margins is not None:
        return Question(row=int(rows[np.abs(margins[rows]).argmin()]), how="margin")
    asked = answers != OPEN
    asked[exam] = False
    return Question(row=int(rows[_distances(x, rows, asked).argmax()]), how="spread")


def exam_size(answers: Int[np.ndarray, " items"]) -> int:
    """Return how many questions of the exam are due.

    It follows from the number of answers alone, and not from what they are.
    """
    return (int(np.sum(answers != OPEN)) + 1) // EXAM_EVERY


def _distances(
    x: Float[np.ndarray, "items dim"],
    rows: Int[np.ndarray, " rows"],
    asked: Bool[np.ndarray, " items"],
) -> Float[np.ndarray, " rows"]:
    """Return how far items are from the nearest that was asked about; how central, if none was."""
    points = x[rows].astype(np.float64)
    if not asked.any():
        return -np.sum((points - points.mean(axis=0)) ** 2, axis=1)
    found = np.full(len(rows), np.inf)
    for known in x[asked].astype(np.float64):
        np.minimum(found, np.sum((points - known) ** 2, axis=1), out=found)
    return found


def judge(
    answers: Int[np.ndarray, " items"],
    exam: Int[np.ndarray, " exam"],
    *,
    margins: Float[np.ndarray, " items"] | None,
) -> Judged:
    """Estimate how often the probe is right on items like these that it has not learnt from.

    The interval is that of a share in a random sample. It holds for a number of questions that was
    fixed beforehand: who stops when the score looks good, stops at a lucky moment. Items that were
    skipped are left out.

    Args:
        answers: what is known of every item.
        exam: of `set_apart`.
        margins: of `margins_of` for the answers that may be learnt from.

    Returns:
        The scores; undefined, with the reason, as long as the exam is too small.
    """
    done = exam[answers[exam] >= NO]
    if margins is None or len(done) < FEWEST_EXAM:
        reason = (
            "nothing is learnt before there is a yes and a no"
            if margins is None
            else f"{len(done)} questions of the exam have an answer; it takes {FEWEST_EXAM}"
        )
        score = Score(value=None, n=len(done), method="accuracy", reason=reason)
        return Judged(accuracy=score, balanced=None)
    told, truth = (margins[done] > 0).astype(np.int64), answers[done]
    both = len(np.unique(truth)) > 1
    return Judged(
        accuracy=accuracy(told, truth, fitted=truth),
        balanced=balanced_accuracy(told, truth) if both else None,
    )


def most_telling(
    margins: Float[np.ndarray, " items"],
    answers: Int[np.ndarray, " items"],
    exam: Int[np.ndarray, " exam"],
    *,
    count: int,
) -> dict[str, Int[np.ndarray, " some"]]:
    """Return the open items that the probe is surest of, either way, and least sure of.

    Nothing of the exam is among them: who saw what the probe thinks would no longer judge freely.

    Args:
        margins: of `margins_of`.
        answers: what is known of every item.
        exam: of `set_apart`.
        count: how many of each, at most.

    Returns:
        Rows by `yes`, `no` and `unsure`. Of a rare concept the surest yes may be leaning to no.
    """
    is_shown = answers == OPEN
    is_shown[exam] = False
    rows = np.flatnonzero(is_shown)
    ranked = rows[np.argsort(margins[rows], kind="stable")]
    return {
        "yes": ranked[::-1][:count],
        "no": ranked[:count],
        "unsure": rows[np.argsort(np.abs(margins[rows]), kind="stable")][:count],
    }
