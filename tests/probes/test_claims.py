"""Which sentence may be said, and on what it depends."""

import json
from dataclasses import replace

import numpy as np
import pytest

from probes.claims import CEILING, REQUIRED, SHUFFLED, claim_class, claim_instance
from probes.label_retrieval import retrieve_labels
from probes.retrieval import MRR, retrieve

WORDS = {"query": "A sound", "gallery": "pictures", "trained_with_pairs": False}
WITH_PAIRS = {**WORDS, "trained_with_pairs": True}


def modalities(rng, *, aligned, classes=8, each=12, own=0.0):
    """Two modalities whose classes meet (or not), and whose partners are near by `own`."""
    labels = np.repeat(np.arange(classes), each)
    centres = 2 * rng.normal(size=(classes, 8))
    there = centres if aligned else 2 * rng.normal(size=(classes, 8))
    x = centres[labels] + rng.normal(size=(len(labels), 8))
    noise = rng.normal(size=x.shape)
    y = there[labels] + own * (x - centres[labels]) + (1 - own) * noise
    return x, y, labels


def by_class(seed, *, aligned):
    rng = np.random.default_rng(seed)
    x, y, labels = modalities(rng, aligned=aligned)
    return retrieve_labels(x, y, labels, labels, rng=rng).x_to_y


def by_pair(seed, *, aligned, own):
    rng = np.random.default_rng(seed)
    x, y, labels = modalities(rng, aligned=aligned, own=own)
    return retrieve(x, y, rng=rng, classes=labels, count=199).x_to_y


CONTROLS = {name: by_class(place + 10, aligned=False) for place, name in enumerate(REQUIRED)}
PAIR_CONTROLS = {
    name: by_pair(place + 10, aligned=False, own=0.0) for place, name in enumerate(REQUIRED)
}


def test_aligned_classes_with_all_controls_are_called_aligned():
    claim = claim_class(by_class(0, aligned=True), CONTROLS, **WORDS)

    assert claim.verdict == "aligned"
    assert claim.level == "class"
    assert claim.sentence.startswith("A sound lands near pictures with the same label: mean aver")
    assert set(claim.rests_on) == {"run", *REQUIRED}
    assert json.loads(json.dumps(claim.to_json()))["verdict"] == "aligned"


ALL = {**CONTROLS, SHUFFLED: by_class(12, aligned=False)}
ALL_PAIR = {**PAIR_CONTROLS, SHUFFLED: by_pair(12, aligned=False, own=0.0)}


def at_chance(run, *, scores=None):
    """The same result with a value and an interval that pass the test of equivalence."""
    if scores is None:
        score = run.mean_average_precision
        flat = {"value": score.chance, "low": score.chance - 0.01, "high": score.chance + 0.01}
        return replace(run, mean_average_precision=replace(score, p=0.5, **flat))
    score = run.scores[MRR]
    flat = {"value": score.chance, "low": score.chance - 0.01, "high": score.chance + 0.01}
    return replace(run, scores={**run.scores, MRR: replace(score, p=0.5, **flat)})


@pytest.mark.parametrize("missing", [None, *REQUIRED, SHUFFLED])
def test_deleting_any_control_makes_both_verdicts_impossible(missing):
    """At both levels: with all controls each verdict can be reached, without one neither can."""
    rest = {name: one for name, one in ALL.items() if name != missing}
    pair_rest = {name: one for name, one in ALL_PAIR.items() if name != missing}
    by_item = by_pair(0, aligned=True, own=0.6)
    claims = [
        claim_class(by_class(0, aligned=True), rest, **WITH_PAIRS),
        claim_class(at_chance(by_class(1, aligned=False)), rest, **WITH_PAIRS),
        claim_instance(by_item, pair_rest, **WITH_PAIRS),
        claim_instance(at_chance(by_item, scores=True), pair_rest, **WITH_PAIRS),
    ]

    verdicts = [claim.verdict for claim in claims]
    if missing is None:
        assert verdicts == ["aligned", "not aligned"] * 2
        return
    assert verdicts == ["cannot tell"] * 4
    for claim in claims:
        assert any(r.startswith(f"the control {missing!r} is missing (") for r in claim.reasons)
        assert claim.sentence.startswith("Whether a sound lands near ")
    assert claims[1].equivalence.is_equivalent  # the test alone is not enough


@pytest.mark.parametrize("name", [*REQUIRED, SHUFFLED])
def test_a_control_without_an_interval_is_as_good_as_missing(name):
    for run in (by_class(0, aligned=True), at_chance(by_class(1, aligned=False))):
        score = ALL[name].mean_average_precision
        bare = replace(score, low=None, high=None, reason="3 classes")
        controls = {**ALL, name: replace(ALL[name], mean_average_precision=bare)}
        claim = claim_class(run, controls, **WITH_PAIRS)
        assert claim.verdict == "cannot tell"
        assert f"{name}: no interval (3 classes)" in claim.reasons


def test_shuffled_pairs_are_required_unless_the_run_is_known_to_have_seen_none():
    run = by_class(0, aligned=True)
    words = {"query": "A sound", "gallery": "pictures"}

    assert claim_class(run, CONTROLS, **words, trained_with_pairs=False).verdict == "aligned"
    assert claim_class(run, ALL, **words).verdict == "aligned"
    unknown = claim_class(run, CONTROLS, **words)
    assert unknown.verdict == "cannot tell"
    assert unknown.reasons[0] == (
        "the control 'shuffled pairs' is missing (the same training with the pairs mixed up); "
        "it is not known that the run was trained without pairs"
    )
    known = claim_class(run, CONTROLS, **words, trained_with_pairs=True)
    assert known.reasons[0].endswith("(the same training with the pairs mixed up)")


def test_the_ceiling_is_reported_but_need_not_be_cleared():
    run = by_class(0, aligned=True)
    claim = claim_class(run, {**CONTROLS, CEILING: by_class(5, aligned=True)}, **WORDS)

    assert claim.verdict == "aligned"
    assert claim.ceiling is not None
    assert claim.reasons[-1].startswith("the same model against itself reaches mean average prec")
    assert CEILING not in claim.rests_on
    assert claim_class(run, CONTROLS, **WORDS).ceiling is None


def test_a_measure_that_does_not_see_its_own_ceiling_shows_no_absence():
    run = at_chance(by_class(1, aligned=False))
    seen = claim_class(run, {**CONTROLS, CEILING: by_class(5, aligned=True)}, **WORDS)
    blind = claim_class(run, {**CONTROLS, CEILING: run}, **WORDS)

    assert seen.verdict == "not aligned"
    assert blind.verdict == "cannot tell"
    assert any(reason.endswith("the measure is blind") for reason in blind.reasons)


@pytest.mark.parametrize("name", [*REQUIRED, "shuffled pairs"])
def test_a_control_that_does_as_well_forbids_the_word(name):
    as_good = {**CONTROLS, name: by_class(5, aligned=True)}
    claim = claim_class(by_class(0, aligned=True), as_good, **WORDS)

    assert claim.verdict == "cannot tell"
    assert any(f"may do as well: {name} reaches up to" in reason for reason in claim.reasons)


def test_a_control_whose_interval_overlaps_forbids_the_word():
    """Its value is below the run's, but it may be as good."""
    run = by_class(0, aligned=True)
    score = run.mean_average_precision
    near = replace(score, value=score.low - 0.01, low=score.low - 0.02, high=score.low + 0.001)
    below = replace(near, high=score.low - 0.005)

    for control, verdict in ((near, "cannot tell"), (below, "aligned")):
        controls = {**CONTROLS, REQUIRED[0]: replace(run, mean_average_precision=control)}
        assert claim_class(run, controls, **WORDS).verdict == verdict


def test_without_permutation_or_interval_nothing_is_called_aligned():
    run = by_class(0, aligned=True)
    score = run.mean_average_precision
    untested = replace(run, mean_average_precision=replace(score, p=None))
    bare = replace(
        run, mean_average_precision=replace(score, low=None, high=None, reason="3 classes")
    )
    weak = replace(run, mean_average_precision=replace(score, p=0.02))

    for changed, reason in (
        (untested, "labels or pairs were not permuted, so there is no p"),
        (bare, "run: no interval (3 classes)"),
        (weak, "p = 0.02 under permutation, below 0.01 is needed"),
    ):
        claim = claim_class(changed, CONTROLS, **WORDS)
        assert claim.verdict == "cannot tell"
        assert reason in claim.reasons


def test_not_significant_is_not_the_same_as_not_aligned():
    claim = claim_class(by_class(1, aligned=False), CONTROLS, **WORDS)

    assert claim.verdict == "cannot tell"
    assert claim.reasons[-1].startswith("nor is the interval within 0.0")


def test_not_aligned_needs_the_whole_interval_within_the_margin():
    run = by_class(1, aligned=False)
    score = run.mean_average_precision
    margin = 0.05 * (1 - score.chance)

    def with_interval(low, high):
        value = score.chance
        moved = replace(score, value=value, low=value + low, high=value + high, p=0.4)
        return claim_class(replace(run, mean_average_precision=moved), CONTROLS, **WORDS)

    inside = with_interval(-0.9 * margin, 0.9 * margin)
    assert inside.verdict == "not aligned"
    assert inside.equivalence.is_equivalent
    assert inside.equivalence.margin.basis == "5 % of the way from chance to the best there can be"
    assert inside.margin == pytest.approx(margin)
    assert inside.sentence.startswith("A sound does not land near pictures with the same label: ")
    assert with_interval(-0.9 * margin, 1.1 * margin).verdict == "cannot tell"
    assert with_interval(-1.1 * margin, 0.9 * margin).verdict == "cannot tell"


def test_own_partners_are_claimed_beyond_the_class():
    claim = claim_instance(by_pair(0, aligned=True, own=0.6), PAIR_CONTROLS, **WORDS)

    assert claim.verdict == "aligned"
    assert claim.level == "instance"
    assert claim.sentence.startswith(
        "A sound lands near its own partner among the pictures: MRR 0.9"
    )


def test_a_shared_class_is_not_an_own_partner():
    run = by_pair(0, aligned=True, own=0.0)
    claim = claim_instance(run, PAIR_CONTROLS, **WORDS)

    assert run.nulls[MRR].p < 0.01
    assert claim.verdict == "cannot tell"
    assert claim.reasons[0].startswith("within its class the partner is not found better than by")


def test_without_classes_an_own_partner_cannot_be_told_from_its_class():
    run = replace(by_pair(0, aligned=True, own=0.9), within_class=None)
    claim = claim_instance(run, PAIR_CONTROLS, **WORDS)

    assert claim.verdict == "cannot tell"
    assert "so a shared class may be all there is" in claim.reasons[0]


@pytest.mark.slow
def test_false_claims_are_rare():
    """Unrelated modalities, however clustered, are hardly ever called aligned."""
    claims = [claim_class(by_class(seed, aligned=False), CONTROLS, **WORDS) for seed in range(60)]

    assert sum(claim.verdict == "aligned" for claim in claims) <= 2


def test_refusals():
    run = by_class(0, aligned=True)
    with pytest.raises(
        ValueError, match=r"^unknown control 'twin'; known are random twin, shuffled p"
    ):
        claim_class(run, {"twin": run}, **WORDS)
    with pytest.raises(ValueError, match=r"^margin_share=0.0 must lie between 0 and 1$"):
        claim_class(run, CONTROLS, margin_share=0.0, **WORDS)
