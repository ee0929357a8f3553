"""How many bits the labels cost, given the embeddings: the online code of a linear probe.

Somebody who has the embeddings is sent the labels, block by block. Each block costs −log₂ of the
chances that a probe gives to its labels which was fitted on all blocks before; the first one costs
log₂ C a label. A layer from which the labels are read with few examples makes a short code, so that
accuracy and the effort to get there are one number.

Everything that goes into a block's cost was sent before it (strictly prequential). λ is the one
that would have made the past the cheapest. So that a class not seen yet does not cost infinitely
many bits, the chances of a probe fitted on t items are mixed with ½ an item of each class:
p′ = (t·p + ½) / (t + C/2).

Labels that are not equally frequent can be compressed without embeddings. `class_share_bits` says
how far; only what is below it comes from the embeddings.

Source: E. Voita and I. Titov, arXiv:2003.12298; effort as in W. Whitney et al., arXiv:2009.07368.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped

from probes.checks import check_finite, check_same_length, number_labels
from probes.intervals import bootstrap_interval
from probes.linear import PENALTIES, SWEEP_TOLERANCE
from probes.logistic import fit_logistic
from probes.prequential import class_shares, mixed, order_and_stops, prequential_bits
from probes.result import Plain, Score, to_plain
from probes.standardise import Standardiser

FRACTIONS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.0625, 0.125, 0.25, 0.5, 1.0)
"""Shares of the items at which blocks end; the probe is fitted again at each but the last."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """One part of the message."""

    start: int
    stop: int
    """Items start to stop − 1 in the order of the message."""

    bits: float
    penalty: float | None
    """λ of the probe that coded it; None for the first block and for constant embeddings."""


@dataclass(frozen=True, kw_only=True)
class OnlineCode:
    """The length of the message that tells the labels."""

    bits: float
    """Length of the online code."""

    uniform_bits: float
    """n·log₂ C: without embeddings and without learning."""

    class_share_bits: float
    """Learning the shares of the classes only, with the same blocks: no use of the embeddings."""

    compression: Score
    """uniform_bits / bits. Chance is what the class shares alone reach."""

    effort_bits: float
    """What was paid for learning: bits − n · the last block's bits an item, which is what an item
    costs once half of them are known."""

    blocks: tuple[Block, ...]
    classes: int
    n: int
    converged: bool
    """Whether all fits reached their tolerance. The code is a code all the same."""

    def to_json(self) -> Plain:
        """Return the code as plain JSON."""
        return to_plain(self)


@dataclass(frozen=True, kw_only=True)
class CodeTable:
    """Online codes of several layers, all with the same order and blocks."""

    codes: Mapping[str, OnlineCode]
    """By tap id."""

    excess_bits: Mapping[str, float]
    """Bits above the shortest code of the table."""

    def to_json(self) -> Plain:
        """Return the table as plain JSON."""
        return to_plain(self)


def online_codes(
    layers: Mapping[str, np.ndarray],
    labels: Shaped[np.ndarray, " labelled"],
    *,
    rng: np.random.Generator,
    groups: Shaped[np.ndarray, " labelled"] | None = None,
    penalties: Sequence[float] = PENALTIES,
    fractions: Sequence[float] = FRACTIONS,
) -> CodeTable:
    """Return the online code of the labels given each layer.

    Args:
        layers: embeddings (items, dim) by tap id.
        labels: one an item.
        rng: shuffles the items once, the same for all layers.
        groups: recordings or speakers; a group is sent in one piece, so that no label is read off
            another item of its recording.
        penalties: candidates for λ.
        fractions: shares of the items at which blocks end.

    Returns:
        The codes, and by how much each is longer than the shortest.

    Raises:
        ValueError: if there is no layer, labels do not fit or are of one class, or the fractions do
            not rise from above 0 to 1.
    """
    if not layers:
        raise ValueError("no layer to describe the labels with")
    codes, names = number_labels(labels)
    if len(names) < 2:
        raise ValueError("the labels are of one class only: telling them costs nothing")
    order, stops = order_and_stops(len(codes), groups, fractions, rng)
    seed = int(rng.integers(2**63))  # intervals of all layers from the same samples
    found = {}
    for tap, x in layers.items():
        check_same_length(x, labels, "labels")
        check_finite(x)
        found[tap] = _online_code(
            x[order],
            codes[order],
            stops,
            penalties=np.array(sorted(set(penalties), reverse=True)),
            rng=np.random.default_rng(seed),
            groups=None if groups is None else groups[order],
        )
    shortest = min(code.bits for code in found.values())
    return CodeTable(
        codes=found, excess_bits={tap: code.bits - shortest for tap, code in found.items()}
    )


def _online_code(
    x: Float[np.ndarray, "items dim"],
    codes: Int[np.ndarray, " items"],
    stops: list[int],
    *,
    penalties: Float[np.ndarray, " penalties"],
    rng: np.random.Generator,
    groups: Shaped[np.ndarray, " items"] | None,
) -> OnlineCode:
    n, classes = len(codes), int(codes.max()) + 1
    first = stops[0] * math.log2(classes)
    blocks = [Block(start=0, stop=stops[0], bits=first, penalty=None)]
    each = [np.full(stops[0], math.log2(classes))]
    past, converged = np.zeros(len(penalties)), True
    for start, stop in itertools.pairwise(stops):
        bits, done = _block_bits(x[:stop], codes[:stop], start, penalties, classes)
        chosen = int(np.argmin(past))  # the largest λ among equals, so at first the most careful
        each.append(bits[chosen])
        total = float(bits[chosen].sum())
        blocks.append(Block(start=start, stop=stop, bits=total, penalty=float(penalties[chosen])))
        past += bits.sum(axis=1)
        converged &= done
    per_item = np.concatenate(each)
    shares = prequential_bits(codes, stops, class_shares(codes, classes), classes=classes)
    uniform = n * math.log2(classes)
    last = blocks[-1].bits / (blocks[-1].stop - blocks[-1].start)
    return OnlineCode(
        bits=float(per_item.sum()),
        uniform_bits=uniform,
        class_share_bits=shares,
        compression=_compression(per_item, uniform, shares, rng=rng, groups=groups),
        effort_bits=float(per_item.sum()) - n * last,
        blocks=tuple(blocks),
        classes=classes,
        n=n,
        converged=converged,
    )


def _block_bits(
    x: Float[np.ndarray, "items dim"],
    codes: Int[np.ndarray, " items"],
    start: int,
    penalties: Float[np.ndarray, " penalties"],
    classes: int,
) -> tuple[Float[np.ndarray, "penalties block"], bool]:
    """Return what the items from `start` on cost under every λ, and whether the fits converged."""
    from scipy.special import softmax  # imported late: the app starts without it

    seen, truth = codes[:start], codes[start:]
    try:
        scaler = Standardiser.of(x[:start])
    except ValueError:  # all items so far are the same: only the class shares can be learnt
        chances = class_shares(codes, classes)(np.arange(start), np.arange(start, len(codes)))
        bits = -np.log2(mixed(chances, start)[np.arange(len(truth)), truth])
        return np.tile(bits, (len(penalties), 1)), True
    fit = fit_logistic(
        scaler(x[:start]), seen, penalties, classes=classes, tolerance=SWEEP_TOLERANCE
    )
    asked = scaler(x[start:])
    bits = np.empty((len(penalties), len(truth)))
    for place in range(len(penalties)):
        chances = mixed(softmax(fit.logits(asked, place), axis=1), start)
        bits[place] = -np.log2(chances[np.arange(len(truth)), truth])
    return bits, bool(fit.converged.all())


def _compression(
    per_item: Float[np.ndarray, " items"],
    uniform: float,
    shares: float,
    *,
    rng: np.random.Generator,
    groups: Shaped[np.ndarray, " items"] | None,
) -> Score:
    n, value = len(per_item), uniform / float(per_item.sum())
    method = "uniform code / online code; bootstrap of the items' bits, order and fits held fixed"
    try:
        low, high = bootstrap_interval(per_item, rng=rng, groups=groups)
    except ValueError as error:
        return Score(
            value=value,
            chance=uniform / shares,
            n=n,
            method=method,
            reason=f"no interval: {error}",
        )
    return Score(
        value=value,
        low=uniform / (n * high),
        high=uniform / (n * low),
        chance=uniform / shares,
        n=n,
        method=method,
    )
