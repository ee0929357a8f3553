"""Are two senses aligned in a run? Gathers the measures, their controls and the answer in words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd

from app.words import PLURAL, SINGULAR
from d2v_core.modality import MODALITIES
from d2v_core.store import Representation
from probes.claims import Claim, claim_class, claim_instance
from probes.gap import ModalityGap, modality_gap
from probes.label_retrieval import PERMUTATIONS, LabelRetrieval, retrieve_labels
from probes.mutual_knn import K
from probes.result import Plain, to_plain
from probes.retrieval import Retrieval, retrieve
from probes.similarity import Similarity, compare_cka, compare_mutual_knn

CHOSEN_WITH = 99  # permutations while a layer is chosen; the reported ones use the full number
FEWEST_PAIRS = 8
Part = Literal["test", "rest", "all"]
"""Of the items: what is reported on, what layers are chosen on, or everything."""


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """What one representation says of one pair of modalities, at the layer chosen for it."""

    encoder: str
    role: str
    pairs_seen: bool | None
    """Whether it was trained on pairs; None if nobody knows."""

    tap: str
    """Chosen on items that are not reported."""

    labels: LabelRetrieval | None
    """Do items land near items of the other modality with their label? None without labels."""

    partners: Retrieval | None
    """Do items land near their own partner? None without pairs."""

    cka: Similarity | None
    """Do both modalities arrange the same rows alike, wherever they lie? None without pairs."""

    mutual_knn: Similarity | None
    """Do rows have the same neighbours in both? None with few pairs, where nearly all are."""

    by_layer: Mapping[str, float]
    """What the layer was chosen by: mean average precision, both ways averaged; empty if there
    is one layer."""


@dataclass(frozen=True, kw_only=True)
class PairAlignment:
    """One pair of modalities in one run, with all of its controls."""

    first: str
    second: str
    run: Ladder
    controls: tuple[Ladder, ...]
    gap: ModalityGap
    claims: tuple[Claim, ...]
    """Class level both ways, then instance level both ways."""

    def to_json(self) -> Plain:
        """Return everything as plain JSON."""
        return to_plain(self)


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """All pairs of modalities of one run."""

    encoder: str
    recipe: str
    split: str
    """What was reported on: "test", or "all" where nothing had to be held out."""

    selection: str
    """How layers were chosen, in words."""

    pairs: tuple[PairAlignment, ...]

    def to_json(self) -> Plain:
        """Return everything as plain JSON, the modality gaps also at the top."""
        gaps = {f"{p.first}-{p.second}": to_plain(p.gap.modality_gap) for p in self.pairs}
        return {"modality_gap": gaps, **to_plain(self)}


@dataclass(frozen=True)
class Sides:
    """The items of two modalities, and which of them are partners."""

    x: pd.DataFrame
    y: pd.DataFrame
    pairs: tuple[np.ndarray, np.ndarray]
    """Rows of x and of y; where several items of a modality belong to a pair, the first of each."""

    @classmethod
    def of(cls, data: Representation, names: tuple[str, str], part: Part) -> "Sides":
        """Return the items of two modalities that are in a part of the data."""
        is_test = data.items["split"] == "test"
        kept = data.items[{"test": is_test, "rest": ~is_test}.get(part, slice(None))]
        x, y = (kept[kept["modality"] == modality] for modality in names)
        keys = data.partner_keys()
        first_x, first_y = (keys[side.index].dropna().drop_duplicates() for side in (x, y))
        shared = first_x[first_x.isin(first_y)]
        rows_y = pd.Series(first_y.index, index=first_y.to_numpy()).reindex(shared)
        return cls(x, y, (x.index.get_indexer(shared.index), y.index.get_indexer(pd.Index(rows_y))))

    def labels(self) -> bool:
        """Tell whether two labels or more occur on both sides."""
        return len(set(self.x["label"].dropna()) & set(self.y["label"].dropna())) >= 2


def align(run: Representation, controls: list[Representation], *, seed: int = 0) -> Alignment:
    """Measure every pair of modalities of a run, against its controls.

    The layer is chosen on train and val items, for the run and for every control alike; what is
    reported was measured on test items.

    Args:
        run: what the question is about.
        controls: representations of the same items, each with another role.
        seed: of permutations and intervals.

    Raises:
        ValueError: if there are not two modalities with test items.
    """
    part, selection = reported_part(run, controls)
    modalities = [m for m in MODALITIES if (run.items["modality"] == m).any()]
    pairs = []
    for names in combinations(modalities, 2):
        sides = Sides.of(run, names, part)
        if min(len(sides.x), len(sides.y)) >= 2:
            pairs.append(_pair(run, controls, names, part, seed))
    if not pairs:
        of_test = " with test items" if part == "test" else ""
        raise ValueError(
            f"{run.recipe.encoder} has no two modalities{of_test}; it has {', '.join(modalities)}"
        )
    return Alignment(
        encoder=run.recipe.encoder,
        recipe=run.recipe.hash,
        split=part,
        selection=selection,
        pairs=tuple(pairs),
    )


def reported_part(run: Representation, controls: list[Representation]) -> tuple[Part, str]:
    """Return what can be reported on, and in words how layers are chosen.

    Test items are held out from training and from choosing a layer. Vectors that were imported
    without splits cannot be held out from a training that is over; and where every representation
    has one layer there is nothing to choose, so that all items can be reported on.
    """
    searched = max(len(one.layers) for one in (run, *controls))
    if run.recipe.splits_made and searched == 1:
        return "all", (
            "every representation has one layer, so nothing was chosen and all items are "
            "reported on; what the encoder was trained on is not known here"
        )
    if searched == 1:
        return "test", "every representation has one layer, so nothing was chosen"
    return "test", (
        f"of up to {searched} layers one was chosen for every representation on train and val "
        "items; test items are reported on"
    )


def _pair(
    run: Representation,
    controls: list[Representation],
    names: tuple[str, str],
    part: Part,
    seed: int,
) -> PairAlignment:
    rng = np.random.default_rng(seed)
    mine = _ladder(run, names, part, rng)
    others = tuple(_ladder(control, names, part, rng) for control in controls)
    sides = Sides.of(run, names, part)
    x, y = _vectors(run, sides, mine.tap)
    left, right = sides.pairs
    is_all_paired = len(left) == len(x) == len(y)
    return PairAlignment(
        first=names[0],
        second=names[1],
        run=mine,
        controls=others,
        gap=modality_gap(
            x[left] if is_all_paired else x,
            y[right] if is_all_paired else y,
            rng=rng,
            paired=is_all_paired,
        ),
        claims=tuple(_claims(mine, others, names)),
    )


def _ladder(
    representation: Representation, names: tuple[str, str], part: Part, rng: np.random.Generator
) -> Ladder:
    """Choose a layer where it is not reported, then report it."""
    taps = list(representation.layers)
    by_layer: dict[str, float] = {}
    if len(taps) > 1:
        chosen_on = Sides.of(representation, names, "rest")
        by_layer = {tap: _precision(representation, chosen_on, tap, rng) for tap in taps}
    tap = max(taps, key=lambda name: by_layer.get(name, 0.0))  # the first of several
    sides = Sides.of(representation, names, part)
    x, y = _vectors(representation, sides, tap)
    left, right = sides.pairs
    is_paired = len(left) >= FEWEST_PAIRS
    labels = sides.x["label"].iloc[left]
    classes = None if labels.isna().all() else labels.fillna("").to_numpy(str)
    return Ladder(
        encoder=representation.recipe.encoder,
        role=representation.recipe.role,
        pairs_seen=representation.recipe.pairs_seen,
        tap=tap,
        labels=_labels(sides, x, y, rng) if sides.labels() else None,
        partners=retrieve(x[left], y[right], rng=rng, classes=classes) if is_paired else None,
        cka=compare_cka(x[left], y[right], rng=rng) if is_paired else None,
        mutual_knn=compare_mutual_knn(x[left], y[right], rng=rng) if len(left) > 2 * K else None,
        by_layer=by_layer,
    )


def _labels(
    sides: Sides, x: np.ndarray, y: np.ndarray, rng: np.random.Generator, count: int = PERMUTATIONS
) -> LabelRetrieval:
    """Retrieve labels among the items that have one."""
    known_x, known_y = (side["label"].notna().to_numpy() for side in (sides.x, sides.y))
    return retrieve_labels(
        x[known_x],
        y[known_y],
        sides.x["label"][known_x].to_numpy(str),
        sides.y["label"][known_y].to_numpy(str),
        rng=rng,
        count=count,
    )


def _precision(
    representation: Representation, sides: Sides, tap: str, rng: np.random.Generator
) -> float:
    """Return what a layer is chosen by: how well labels, or else partners, are found."""
    x, y = _vectors(representation, sides, tap)
    left, right = sides.pairs
    if sides.labels():
        found = _labels(sides, x, y, rng, CHOSEN_WITH)
        scores = (found.x_to_y.mean_average_precision, found.y_to_x.mean_average_precision)
    elif len(left) >= FEWEST_PAIRS:
        both = retrieve(x[left], y[right], rng=rng, count=CHOSEN_WITH)
        scores = (both.x_to_y.scores["MRR"], both.y_to_x.scores["MRR"])
    else:
        return 0.0
    return sum(score.value or 0.0 for score in scores) / 2


def _vectors(
    representation: Representation, sides: Sides, tap: str
) -> tuple[np.ndarray, np.ndarray]:
    x = representation.layers[tap]
    return x[sides.x.index.to_numpy()], x[sides.y.index.to_numpy()]


def _claims(run: Ladder, controls: tuple[Ladder, ...], names: tuple[str, str]) -> Iterator[Claim]:
    """Say in words what the figures allow, at class level and at instance level, both ways."""
    ways = (("x_to_y", *names), ("y_to_x", *reversed(names)))
    if run.labels is not None:
        for way, query, gallery in ways:
            yield claim_class(
                getattr(run.labels, way),
                {c.role: getattr(c.labels, way) for c in controls if c.labels is not None},
                query=SINGULAR[query],
                gallery=PLURAL[gallery],
                trained_with_pairs=run.pairs_seen,
            )
    if run.partners is not None:
        for way, query, gallery in ways:
            yield claim_instance(
                getattr(run.partners, way),
                {c.role: getattr(c.partners, way) for c in controls if c.partners is not None},
                query=SINGULAR[query],
                gallery=PLURAL[gallery],
                trained_with_pairs=run.pairs_seen,
            )
