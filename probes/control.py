"""Does the probe read the task, or does it know the items by heart? Control tasks and selectivity.

In the control task every type (a recording, a speaker, a scene) is given a label by chance, the
same wherever it occurs. Nothing but recognising the type can solve it. Selectivity is the accuracy
on the task minus that on the control: a probe that does well on both may have memorised.

The control can only be solved where types recur: in what is fitted and in what is tested. Groups
that the splits keep apart are therefore useless as types. Where no type recurs selectivity is
undefined; what is left to measure is how much the probe can memorise: its accuracy, on the items it
was fitted on, when their labels are permuted.

Source: J. Hewitt and P. Liang, arXiv:1909.03368.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from probes.accuracy import accuracy, majority_class
from probes.checks import check_finite, check_same_length, number_labels
from probes.compare_probes import compare_paired
from probes.intervals import mean_interval
from probes.linear import PENALTIES, linear_probe
from probes.predictions import Predictions, fitted_logits, linear_predictions
from probes.result import Plain, Score, to_plain
from probes.splits import Splits

DRAWS = 5
REDRAWS = 100


@dataclass(frozen=True, kw_only=True)
class ControlResult:
    """Accuracy on the task, on the control, and their difference."""

    task: Score
    control: Score
    """Mean over the drawn control tasks; chance is the more frequent control label."""

    selectivity: Score
    """Task minus control on the same test items; undefined if no type recurs."""

    control_accuracies: tuple[float, ...]
    """One a drawn control task: how much depends on which labels the types were given."""

    recurring: float
    """Share of the test items whose type occurs among the fitted ones. The others dilute the
    control: only these could have been memorised."""

    selectivity_recurring: Score | None
    """Selectivity on those items alone; None if they are all or none."""

    memorisation: Score | None
    """Accuracy on the fitted items with their labels permuted; None if selectivity is defined."""

    types: int
    n_fit: int

    def to_json(self) -> Plain:
        """Return the result as plain JSON."""
        return to_plain(self)


def control_labels(
    codes: Int[np.ndarray, " items"],
    types: Shaped[np.ndarray, " typed"],
    fitted: Int[np.ndarray, " fitted"],
    *,
    rng: np.random.Generator,
) -> Int[np.ndarray, " items"]:
    """Give every type one label, drawn from the labels of the fitted items.

    Args:
        codes: class number of every item in the task.
        types: what recurs, one an item.
        fitted: rows from whose labels is drawn.
        rng: source of all randomness.

    Returns:
        The control label of every item: the same wherever its type occurs.
    """
    check_same_length(codes, types, "types")
    type_of = np.unique(types, return_inverse=True)[1]
    return rng.choice(codes[fitted], size=int(type_of.max()) + 1)[type_of]


def raw_types(
    features: Float[np.ndarray, "items dim"],
    fitted: Int[np.ndarray, " fitted"],
    *,
    clusters: int,
    rng: np.random.Generator,
) -> Int[np.ndarray, " items"]:
    """Return the k-means cluster of every item's raw input, as types where nothing else recurs.

    Args:
        features: of the input itself, such as pixels or mean mel bands; not of the encoder.
        fitted: rows the centres are learnt from.
        clusters: how many types at most.
        rng: starts the clustering.

    Returns:
        Cluster number of every item.

    Raises:
        ValueError: if there are fewer fitted items than clusters, or fewer than two clusters.
    """
    from sklearn.cluster import MiniBatchKMeans  # imported late: it is slow

    check_finite(features, "features")
    if not 2 <= clusters <= len(fitted):
        raise ValueError(
            f"{clusters} clusters of {len(fitted)} fitted items; ask for 2 to {len(fitted)}"
        )
    seed = int(rng.integers(2**31))
    # the stubs take n_init for text
    model = MiniBatchKMeans(n_clusters=clusters, n_init=10, random_state=seed)  # pyright: ignore[reportArgumentType]
    model.fit(features[fitted].astype(np.float64))
    return np.asarray(model.predict(features.astype(np.float64)), dtype=np.int64)


def linear_control(
    x: Float[np.ndarray, "items dim"],
    labels: Shaped[np.ndarray, " labelled"],
    splits: Splits,
    *,
    types: Shaped[np.ndarray, " typed"],
    rng: np.random.Generator,
    penalties: Sequence[float] = PENALTIES,
) -> ControlResult:
    """Return the selectivity of the linear probe; λ is chosen on val for task and control alike.

    For another kind of probe draw `control_labels`, run it on them as on the task, and compare by
    `selectivity`.

    Args:
        x: embeddings of one layer.
        labels: of the task.
        splits: rows of each part.
        types: what recurs, one an item: recording, speaker, scene or `raw_types`.
        rng: draws control labels and bootstrap samples.
        penalties: candidates for λ.

    Returns:
        Task, control and selectivity, or how much the probe can memorise if no type recurs.

    Raises:
        ValueError: if labels or types do not fit, the linear probe cannot be fitted, or the types
            are so few that all of them get the same control label.
    """
    check_same_length(x, labels, "labels")
    check_same_length(x, types, "types")
    codes, names = number_labels(labels)
    fitted, groups = splits.fit_and_val, splits.test_groups
    task, penalty = _probe(x, codes, splits, penalties)
    drawn = [_drawn(codes, types, splits, rng) for _ in range(DRAWS)]
    controls = [_probe(x, control, splits, penalties)[0] for control in drawn]
    right = np.mean([control.right for control in controls], axis=0)
    seen = np.isin(types[splits.test], types[fitted])
    truth = codes[splits.test]
    return ControlResult(
        task=accuracy(task.predicted, truth, fitted=codes[fitted], groups=groups, rng=rng),
        control=_mean_control(right, drawn, splits, rng),
        selectivity=selectivity(task.right, right, seen=seen, groups=groups, rng=rng),
        control_accuracies=tuple(float(control.right.mean()) for control in controls),
        recurring=float(seen.mean()),
        selectivity_recurring=_on_recurring(task.right, right, seen, groups, rng),
        memorisation=None
        if seen.any()
        else _memorisation(x, codes, fitted, penalty, classes=len(names), rng=rng),
        types=len(np.unique(types)),
        n_fit=len(fitted),
    )


def selectivity(
    task: Shaped[np.ndarray, " test"],
    control: Shaped[np.ndarray, " test"],
    *,
    seen: Bool[np.ndarray, " test"],
    rng: np.random.Generator,
    groups: Shaped[np.ndarray, " test"] | None = None,
) -> Score:
    """Return accuracy on the task minus accuracy on the control, with a paired interval.

    Args:
        task: right or wrong on the task, for every test item.
        control: the same on the control; the mean over several control tasks is allowed.
        seen: whether the item's type occurs among the fitted items.
        rng: draws bootstrap samples.
        groups: if given, whole groups are drawn.

    Returns:
        The difference; undefined, with the reason, if no type recurs.
    """
    if not seen.any():
        return Score(
            value=None,
            n=len(task),
            method="selectivity",
            reason="no type of a test item occurs among the fitted items: the control task cannot "
            "be solved by memorising, so that it shows nothing; see memorisation",
        )
    found = compare_paired(task, control, rng=rng, groups=groups).difference
    return dataclasses.replace(found, chance=None, method=f"selectivity; {found.method}")


def _probe(
    x: Float[np.ndarray, "items dim"],
    codes: Int[np.ndarray, " items"],
    splits: Splits,
    penalties: Sequence[float],
) -> tuple[Predictions, float]:
    # the intervals that are made on the way are not used, so their generator does not matter
    found = linear_probe(x, codes, splits, penalties=penalties, rng=np.random.default_rng(0))
    return linear_predictions(x, codes, splits, penalty=found.penalty), found.penalty


def _drawn(
    codes: Int[np.ndarray, " items"],
    types: Shaped[np.ndarray, " items"],
    splits: Splits,
    rng: np.random.Generator,
) -> Int[np.ndarray, " items"]:
    """Draw control labels, again if all types of the train items got the same one."""
    for _ in range(REDRAWS):
        labels = control_labels(codes, types, splits.fit_and_val, rng=rng)
        if len(np.unique(labels[splits.train])) > 1:
            return labels
    count = len(np.unique(types[splits.train]))
    raise ValueError(
        f"the train split has items of {count} types only, and all of them get the same control "
        "label: there is nothing to memorise; use types of which there are more"
    )


def _mean_control(
    right: Float[np.ndarray, " test"],
    drawn: list[Int[np.ndarray, " items"]],
    splits: Splits,
    rng: np.random.Generator,
) -> Score:
    chances = []
    for labels in drawn:
        majority = majority_class(labels[splits.fit_and_val])
        chances.append(float((labels[splits.test] == majority).mean()))
    low, high, method = mean_interval(right, rng=rng, groups=splits.test_groups)
    return Score(
        value=float(right.mean()),
        low=low,
        high=high,
        chance=float(np.mean(chances)),
        n=len(right),
        method=f"accuracy on the control task, mean of {len(drawn)} draws; {method} interval of "
        "the items; chance: the most frequent control label",
    )


def _on_recurring(
    task: Bool[np.ndarray, " test"],
    control: Float[np.ndarray, " test"],
    seen: Bool[np.ndarray, " test"],
    groups: Shaped[np.ndarray, " test"] | None,
    rng: np.random.Generator,
) -> Score | None:
    if seen.all() or not seen.any():
        return None
    kept = None if groups is None else groups[seen]
    try:
        return selectivity(task[seen], control[seen], seen=seen[seen], groups=kept, rng=rng)
    except ValueError as error:  # a single item or group
        value = float((task[seen] - control[seen]).mean())
        return Score(value=value, n=int(seen.sum()), method="selectivity", reason=str(error))


def _memorisation(
    x: Float[np.ndarray, "items dim"],
    codes: Int[np.ndarray, " items"],
    fitted: Int[np.ndarray, " fitted"],
    penalty: float,
    *,
    classes: int,
    rng: np.random.Generator,
) -> Score:
    found = []
    for _ in range(DRAWS):
        shuffled = codes.copy()
        shuffled[fitted] = rng.permutation(codes[fitted])
        logits = fitted_logits(x, shuffled, (fitted, fitted), penalty, classes)
        found.append(float((logits.argmax(axis=1) == shuffled[fitted]).mean()))
    shares = np.bincount(codes[fitted]) / len(fitted)
    return Score(
        value=float(np.mean(found)),
        chance=float(shares.max()),
        n=len(fitted),
        method=f"accuracy on the fitted items, labels permuted, mean of {DRAWS} permutations, "
        "with the λ of the task; chance: the most frequent class",
        reason="no interval: nothing is drawn but the permutations",
    )
