"""Do items fall into their kinds by themselves? k-means without labels, compared with the labels.

A probe is taught what to look for; clusters are not. There are as many as there are kinds, found by
k-means on vectors of length 1, as the kNN probe compares them, and only then one looks how they
agree with the labels. Two measures of agreement, both 1 for the same partition whatever its parts
are called, and adjusted so that chance is expected to give 0: the adjusted Rand index counts pairs
of items, adjusted mutual information counts bits.

All items take part, those of train as well: no label is fitted to anything, so there is nothing
that could be learnt by heart, and a few test items would say little about partitions. What groups
can still do is to agree with themselves: two items of one recording lie together and have one
label. So labels are shuffled between whole groups where a group has a single label, and the chance
level that is reported is the one that was measured in this way, not the 0 that theory expects.

Sources: L. Hubert and P. Arabie, 1985, "Comparing partitions"; N. Vinh, J. Epps and J. Bailey,
2010, "Information theoretic measures for clusterings comparison".
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped

from probes.checks import check_same_length, number_labels, unit_rows
from probes.intervals import jackknife_or_reason
from probes.nulls import against_null, permutations
from probes.result import Plain, Score, to_plain

MOST = 10_000
"""Items that are clustered; of more, as many are drawn by lot."""

STARTS = 5
"""Of k-means, each from other centres; the tightest is kept, which takes no label to tell."""

SHUFFLES = 99
MEASURES = {"rand": "adjusted Rand index", "mutual": "adjusted mutual information"}


@dataclass(frozen=True, kw_only=True)
class ClusterRow:
    """How the clusters of one layer agree with the labels."""

    tap: str
    rand: Score
    """Adjusted Rand index of the tightest clusters; its chance was measured by shuffling."""

    mutual: Score
    """Adjusted mutual information of the same clusters."""

    by_start: tuple[float, ...]
    """Adjusted Rand index of every start: how much depends on where k-means begins."""

    def to_json(self) -> Plain:
        """Return the row as plain JSON."""
        return to_plain(self)


@dataclass(frozen=True, kw_only=True)
class ClusterTable:
    """The clusters of all layers, of the same items."""

    rows: tuple[ClusterRow, ...]
    clusters: int
    """As many as there are labels."""

    items: int
    """That were clustered."""

    of: int
    """Items that these were drawn from; the same number if all took part."""

    def to_json(self) -> Plain:
        """Return the table as plain JSON."""
        return to_plain(self)


def cluster_layers(
    layers: Mapping[str, np.ndarray],
    labels: Shaped[np.ndarray, " labelled"],
    *,
    rng: np.random.Generator,
    groups: Shaped[np.ndarray, " grouped"] | None = None,
    most: int = MOST,
) -> ClusterTable:
    """Cluster every layer and compare the clusters with the labels.

    Args:
        layers: embeddings (items, dim) by tap id, the first layer first.
        labels: one an item.
        rng: draws items, starts k-means, shuffles labels and leaves items out; all layers are
            measured on the same draws.
        groups: recording, speaker or author of every item.
        most: items that are clustered at most.

    Returns:
        The table. A layer that cannot be clustered has a row that says why.

    Raises:
        ValueError: if there is no layer, lengths differ, or there are too few labels or items.
    """
    if not layers:
        raise ValueError("no layer to cluster")
    codes, _ = number_labels(labels)
    for x in layers.values():
        check_same_length(x, codes, "labels")
    if groups is not None:
        check_same_length(codes, groups, "groups")
    rows = np.sort(rng.choice(len(codes), size=most, replace=False)) if len(codes) > most else None
    kept = np.arange(len(codes)) if rows is None else rows
    codes, names = number_labels(codes[kept])
    if len(names) < 2:
        raise ValueError("all items have the same label: clusters have nothing to agree with")
    if len(codes) < 2 * len(names):
        raise ValueError(
            f"{len(codes)} items for {len(names)} clusters; there must be two for each or more"
        )
    task = _Task(codes, None if groups is None else groups[kept], int(rng.integers(2**31)))
    return ClusterTable(
        rows=tuple(_row(tap, x[kept], task) for tap, x in layers.items()),
        clusters=len(names),
        items=len(kept),
        of=len(labels),
    )


def find_clusters(
    x: Float[np.ndarray, "items dim"], clusters: int, *, rng: np.random.Generator
) -> tuple[Int[np.ndarray, "starts items"], Float[np.ndarray, " starts"]]:
    """Return the k-means clusters of vectors divided by their lengths, the tightest start first.

    Args:
        x: embeddings, one row an item.
        clusters: how many.
        rng: gives every start its seed.

    Returns:
        Cluster number of every item for every start, and the sums of squared distances to centres.

    Raises:
        ValueError: if there are fewer different embeddings than clusters, or one has no direction.
    """
    from sklearn.cluster import KMeans  # imported late: it is slow
    from sklearn.exceptions import ConvergenceWarning

    unit = unit_rows(x, "embeddings")
    found, spreads = [], []
    for seed in rng.integers(2**31, size=STARTS):
        # the stubs take n_init for text
        model = KMeans(clusters, n_init=1, random_state=int(seed))  # pyright: ignore[reportArgumentType]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the refusal below is clearer
            found.append(np.asarray(model.fit_predict(unit), dtype=np.int64))
        spreads.append(float(np.sum(model.transform(unit).min(axis=1) ** 2)))
        different = len(np.unique(found[-1]))
        if different < clusters:
            raise ValueError(f"only {different} different embeddings for {clusters} clusters")
    order = np.argsort(spreads, kind="stable")
    return np.stack(found)[order], np.array(spreads)[order]


def cross_tables(
    clusters: Int[np.ndarray, " items"], codes: Int[np.ndarray, "draws items"]
) -> Int[np.ndarray, "draws clusters classes"]:
    """Return how many items are in both a cluster and a class, for several labellings."""
    k, classes = int(clusters.max()) + 1, int(codes.max()) + 1
    cells = clusters * classes + codes + np.arange(len(codes))[:, None] * k * classes
    counts = np.bincount(cells.ravel(), minlength=len(codes) * k * classes)
    return counts.reshape(len(codes), k, classes)


def adjusted_rand(
    tables: Int[np.ndarray, "draws clusters classes"],
) -> Float[np.ndarray, " draws"]:
    """Return the adjusted Rand index of several tables; 1 where there is nothing to tell apart."""

    def pairs(counts: np.ndarray, axes: tuple[int, ...]) -> Float[np.ndarray, " draws"]:
        wide = counts.astype(np.float64)
        return (wide * (wide - 1) / 2).sum(axis=axes)

    together = pairs(tables, (1, 2))
    one, other = pairs(tables.sum(axis=2), (1,)), pairs(tables.sum(axis=1), (1,))
    expected = one * other / pairs(tables.sum(axis=(1, 2)), ())
    return _adjusted(together, expected, (one + other) / 2)


def adjusted_mutual(
    tables: Int[np.ndarray, "draws clusters classes"],
) -> Float[np.ndarray, " draws"]:
    """Return the adjusted mutual information of several tables; 1 where nothing is to be told.

    What chance gives is taken off exactly; it depends on the sizes of clusters and classes alone,
    and is computed once where these are the same.
    """
    from sklearn.metrics.cluster import expected_mutual_information

    n = tables.sum(axis=(1, 2))
    rows, columns = tables.sum(axis=2), tables.sum(axis=1)
    one, other = _entropy(rows, n), _entropy(columns, n)
    shared = one + other - _entropy(tables.reshape(len(tables), -1), n)
    sizes = np.hstack([rows, columns])
    _, first, which = np.unique(sizes, axis=0, return_index=True, return_inverse=True)
    expected = []
    for table, total in zip(tables[first], n[first], strict=True):
        full = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
        expected.append(expected_mutual_information(full, int(total)))
    return _adjusted(shared, np.array(expected)[which.ravel()], (one + other) / 2)


def _entropy(
    counts: Int[np.ndarray, "draws cells"], n: Int[np.ndarray, " draws"]
) -> Float[np.ndarray, " draws"]:
    """Return the entropies in nats; an empty cell adds nothing."""
    shares = counts / n[:, None]
    return -np.sum(shares * np.log(np.where(counts, shares, 1.0)), axis=1)


def _adjusted(
    value: Float[np.ndarray, " draws"],
    expected: Float[np.ndarray, " draws"],
    most: Float[np.ndarray, " draws"],
) -> Float[np.ndarray, " draws"]:
    room = most - expected
    is_open = room > 1e-12
    return np.where(is_open, (value - expected) / np.where(is_open, room, 1.0), 1.0)


AGREE = {"rand": adjusted_rand, "mutual": adjusted_mutual}


@dataclass(frozen=True)
class _Task:
    codes: Int[np.ndarray, " items"]
    groups: Shaped[np.ndarray, " items"] | None
    seed: int

    def rng(self) -> np.random.Generator:
        """Return a generator that is the same for every layer."""
        return np.random.default_rng(self.seed)

    def shuffled(self, rng: np.random.Generator) -> tuple[Int[np.ndarray, "shuffles items"], str]:
        """Return labels that belong to others, and how they were shuffled."""
        if self.groups is not None:
            _, first, group_of = np.unique(self.groups, return_index=True, return_inverse=True)
            of_group = self.codes[first]
            if len(first) < len(self.codes) and np.array_equal(of_group[group_of], self.codes):
                orders = permutations(len(first), SHUFFLES, rng=rng)
                return np.stack([of_group[o][group_of] for o in orders]), "between groups"
        orders = permutations(len(self.codes), SHUFFLES, rng=rng)
        return np.stack([self.codes[order] for order in orders]), "between items"


def _row(tap: str, x: Float[np.ndarray, "items dim"], task: _Task) -> ClusterRow:
    rng = task.rng()
    try:
        found, _ = find_clusters(x, int(task.codes.max()) + 1, rng=rng)
    except ValueError as error:
        rand, mutual = (
            Score(value=None, n=len(x), method=words, reason=str(error))
            for words in MEASURES.values()
        )
        return ClusterRow(tap=tap, rand=rand, mutual=mutual, by_start=())
    labellings, how = task.shuffled(rng)
    null = cross_tables(found[0], labellings)
    rand, mutual = (_score(measure, found[0], task, (null, how)) for measure in MEASURES)
    starts = tuple(float(adjusted_rand(cross_tables(one, task.codes[None]))[0]) for one in found)
    return ClusterRow(tap=tap, rand=rand, mutual=mutual, by_start=starts)


def _score(
    measure: str,
    clusters: Int[np.ndarray, " items"],
    task: _Task,
    shuffled: tuple[Int[np.ndarray, "draws clusters classes"], str],
) -> Score:
    null, how = shuffled
    agree = AGREE[measure]

    def value_of(kept: Int[np.ndarray, " kept"]) -> float:
        return float(agree(cross_tables(clusters[kept], task.codes[None, kept]))[0])

    test = against_null(value_of(np.arange(len(clusters))), agree(null), kind=f"labels {how}")
    low, high, reason = jackknife_or_reason(
        value_of, len(clusters), rng=task.rng(), groups=task.groups
    )
    if low is not None and high is not None and high - low < 1e-12:
        low, high, reason = None, None, "no interval: the value is the same without any tenth"
    return Score(
        value=test.observed,
        low=low,
        high=None if high is None else min(high, 1.0),
        chance=test.null_mean,
        n=len(clusters),
        method=f"{MEASURES[measure]} of {int(clusters.max()) + 1} clusters by k-means; jackknife "
        f"with clusters held fixed; chance and p by shuffling labels {how}",
        p=test.p,
        reason=reason,
    )
