"""The online code: its units, what it costs to learn nothing, and that it never looks ahead."""

import math

import numpy as np
import pytest

from probes import description_length
from probes.description_length import online_codes
from probes.prequential import bits_to_nats, mixed_units_to_bits, nats_to_bits, prequential_bits

FEW = (1e-3, 1e-1, 100.0)


def blobs(rng, items, *, dim=8, classes=4, distance=2.0):
    labels = rng.permutation(np.arange(items) % classes)
    centres = distance * rng.normal(size=(classes, dim))
    return centres[labels] + rng.normal(size=(items, dim)), labels


def code_of(x, labels, seed=0, **options):
    options = {"penalties": FEW} | options
    return online_codes({"a": x}, labels, rng=np.random.default_rng(seed), **options).codes["a"]


def test_units_go_both_ways():
    assert nats_to_bits(math.log(2)) == 1.0
    assert bits_to_nats(nats_to_bits(3.7)) == pytest.approx(3.7)


def test_the_published_example_in_both_units():
    """Words of 45 kinds, first block of 900: published as 96.02 kbit and a compression of 53.06.

    The uniform code of the publication is in bits. Converted, the code has about 136 kbit and the
    compression is about 37.
    """
    published, compression = 96.02e3, 53.06
    uniform = published * compression
    n = uniform / math.log2(45)
    assert n == pytest.approx(900 / 0.001, rel=0.05)  # the first block is a thousandth of them

    bits = mixed_units_to_bits(published, 900, 45)
    assert bits / 1e3 == pytest.approx(136, abs=0.5)
    assert uniform / bits == pytest.approx(37, abs=0.5)
    first = 900 * math.log2(45)
    assert first + bits_to_nats(bits - first) == pytest.approx(published)  # and back


@pytest.mark.parametrize("stops", [[1, 2, 50], [7, 50], [50]])
def test_a_coin_costs_exactly_one_bit_an_item(stops):
    def coin(seen, asked):
        return np.full((len(asked), 2), 0.5)

    codes = np.random.default_rng(0).integers(2, size=50)

    assert prequential_bits(codes, stops, coin, classes=2) == 50.0
    assert prequential_bits(codes, stops, coin, classes=2, mix=False) == 50.0


def test_constant_embeddings_cost_what_the_class_shares_cost():
    labels = np.random.default_rng(0).integers(3, size=200)
    code = code_of(np.ones((200, 4)), labels)

    assert code.bits == pytest.approx(code.class_share_bits, rel=1e-12)
    assert code.uniform_bits == pytest.approx(200 * math.log2(3))


def test_the_class_shares_by_hand():
    """Blocks of 2, 2: the second is told with half an item of each class added to the first."""
    labels = np.array([0, 1, 1, 0])
    code = code_of(np.ones((4, 1)), labels, fractions=(0.5, 1.0))
    order = np.random.default_rng(0).permutation(4)
    head, tail = labels[order[:2]], labels[order[2:]]
    chances = (np.bincount(head, minlength=2) + 0.5) / 3

    assert code.bits == pytest.approx(2.0 - np.log2(chances[tail]).sum())
    assert [(block.start, block.stop) for block in code.blocks] == [(0, 2), (2, 4)]


@pytest.mark.slow
@pytest.mark.parametrize(("classes", "items"), [(2, 2000), (5, 2000)])
def test_random_labels_are_not_compressed(classes, items):
    rng = np.random.default_rng(classes)
    found = []
    for seed in range(3):
        labels = rng.permutation(np.arange(items) % classes)
        x = rng.normal(size=(items, 12))
        code = code_of(x, labels, seed, penalties=description_length.PENALTIES)
        found.append(code.compression.value)

    assert found == pytest.approx([1.0] * 3, abs=0.02)
    assert np.mean(found) <= 1.0


def test_unequal_random_labels_are_compressed_without_embeddings():
    """Nine tenths of one class: the entropy says 0.47 bits, and x has no part in it."""
    rng = np.random.default_rng(0)
    labels = (rng.random(1500) < 0.1).astype(int)
    code = code_of(rng.normal(size=(1500, 6)), labels)

    assert code.compression.value > 1.8
    assert code.compression.chance > 1.8
    assert code.compression.low < code.compression.chance
    assert code.bits > 0.99 * code.class_share_bits


def test_separable_classes_compress_and_a_better_layer_more():
    rng = np.random.default_rng(0)
    x, labels = blobs(rng, 800)
    layers = {
        "good": x,
        "worse": x + 2.0 * rng.normal(size=x.shape),
        "noise": rng.normal(size=x.shape),
    }
    table = online_codes(layers, labels, rng=np.random.default_rng(1), penalties=FEW)
    good, worse, noise = table.codes.values()

    assert good.bits < worse.bits < noise.bits
    assert good.compression.value > 8
    assert good.compression.low > worse.compression.high > noise.compression.high
    assert table.excess_bits == {
        "good": 0.0,
        "worse": worse.bits - good.bits,
        "noise": noise.bits - good.bits,
    }
    assert 0 < good.effort_bits < worse.effort_bits
    assert good.bits == pytest.approx(sum(block.bits for block in good.blocks))
    assert good.effort_bits == pytest.approx(good.bits - 800 * good.blocks[-1].bits / 400)
    assert table.to_json()["codes"]["good"]["compression"]["n"] == 800


def test_few_items_well_separated():
    x, labels = blobs(np.random.default_rng(0), 64, classes=2, distance=6.0)
    code = code_of(x, labels)

    assert code.compression.value > 4


def test_nothing_looks_ahead():
    """What comes after a block changes neither its cost nor the λ it was coded with."""
    rng = np.random.default_rng(0)
    x, labels = blobs(rng, 400, distance=0.7)
    order = np.random.default_rng(5).permutation(400)
    other, changed = labels.copy(), x.copy()
    other[order[200:]] = rng.integers(4, size=200)  # the last block has other labels
    changed[order[200:]] *= 1e3
    one, two = code_of(x, labels, 5), code_of(changed, other, 5)

    assert one.blocks[:-1] == two.blocks[:-1]
    assert one.blocks[-1].penalty == two.blocks[-1].penalty
    assert one.blocks[-1].bits != two.blocks[-1].bits


def test_an_item_costs_the_same_whoever_else_is_in_its_block():
    x, labels = blobs(np.random.default_rng(0), 90)
    penalties = np.array([0.1, 1e-3])
    once, _ = description_length._block_bits(x, labels, 60, penalties, 4)
    x[60:70] *= 100.0
    labels[60:70] = (labels[60:70] + 1) % 4
    again, _ = description_length._block_bits(x, labels, 60, penalties, 4)

    np.testing.assert_allclose(again[:, 10:], once[:, 10:], rtol=1e-6)
    assert (again[:, :10] != once[:, :10]).all()


def test_the_penalty_is_the_one_that_made_the_past_cheapest(monkeypatch):
    table = iter(np.array([[[3.0], [1.0]], [[1.0], [4.0]], [[3.0], [1.0]], [[1.0], [1.0]]]))
    monkeypatch.setattr(description_length, "_block_bits", lambda *_: (next(table), True))
    code = code_of(
        np.eye(5),
        np.array([0, 1, 0, 1, 0]),
        penalties=(1.0, 10.0),
        fractions=(0.2, 0.4, 0.6, 0.8, 1.0),
    )

    assert [block.penalty for block in code.blocks] == [None, 10.0, 1.0, 10.0, 1.0]
    assert code.bits == 1.0 + 3.0 + 4.0 + 3.0 + 1.0


def test_groups_are_sent_whole():
    """Recordings with a voice of their own: told apart within a recording, not across."""
    rng = np.random.default_rng(0)
    groups = rng.permutation(np.repeat(np.arange(50), 10))
    labels = rng.integers(2, size=50)[groups]
    x = 3.0 * rng.normal(size=(50, 80))[groups] + rng.normal(size=(500, 80))
    apart = code_of(x, labels, groups=groups)
    mixed = code_of(x, labels)

    assert mixed.compression.value > 1.5
    assert apart.compression.value < 1.1
    assert all(block.stop % 10 == 0 for block in apart.blocks)
    assert apart.compression.low < 1.0


def test_the_interval_comes_from_the_bits_of_items():
    x, labels = blobs(np.random.default_rng(0), 600, distance=0.8)
    score = code_of(x, labels).compression

    assert score.chance < score.low < score.value < score.high
    assert score.high / score.low < 1.5


def test_the_same_generator_gives_the_same_code():
    x, labels = blobs(np.random.default_rng(0), 120)
    once = code_of(x, labels, 3)

    assert code_of(x, labels, 3) == once
    assert code_of(x, labels, 4).bits != once.bits


def test_refusals():
    rng = np.random.default_rng(0)
    x, labels = np.eye(6), np.arange(6) % 2
    with pytest.raises(ValueError, match=r"^no layer to describe the labels with$"):
        online_codes({}, labels, rng=rng)
    with pytest.raises(ValueError, match=r"^the labels are of one class only: telling them costs"):
        code_of(x, np.zeros(6))
    with pytest.raises(ValueError, match=r"^6 items but 5 labels$"):
        code_of(x, labels[:5])
    with pytest.raises(ValueError, match=r"^the fractions must rise from above 0 to 1, got \(0.5,"):
        code_of(x, labels, fractions=(0.5, 0.2, 1.0))
    with pytest.raises(ValueError, match=r"^blocks must rise and end at item 6, got \[2, 5\]$"):
        prequential_bits(labels, [2, 5], lambda *_: x, classes=2)
    with pytest.raises(ValueError, match=r"^the probe returned \(6, 6\) for 4 items of 2 classes"):
        prequential_bits(labels, [2, 6], lambda *_: x, classes=2)
    with pytest.raises(ValueError, match=r"^the probe gave a true class the chance 0: infinitely"):
        prequential_bits(
            labels, [2, 6], lambda _, asked: np.eye(2)[[0] * len(asked)], classes=2, mix=False
        )
    with pytest.raises(ValueError, match=r"^the first block, 100 items of 4 classes, is 200 bits"):
        mixed_units_to_bits(150.0, 100, 4)
