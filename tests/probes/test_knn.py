"""Nearest neighbours and their votes."""

import numpy as np
import pytest
import torch
from scipy.stats import ortho_group

from probes import neighbours as module
from probes.knn import knn_probe, knn_vote
from probes.neighbours import Neighbours, nearest
from probes.splits import Splits


def blobs(rng, items, classes, dim=8, spread=0.5):
    centres = rng.normal(size=(classes, dim))
    labels = rng.integers(classes, size=items)
    return centres[labels] + spread * rng.normal(size=(items, dim)), labels


def thirds(items, rng):
    return Splits(*np.array_split(rng.permutation(items), 3))


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_neighbours_equal_a_full_sort(kind):
    rng = np.random.default_rng(0)
    queries, bank = rng.normal(size=(30, 6)).astype(kind), rng.normal(size=(50, 6)).astype(kind)
    wide_q, wide_b = queries.astype(np.float64), bank.astype(np.float64)
    cosines = (wide_q @ wide_b.T) / np.outer(
        np.linalg.norm(wide_q, axis=1), np.linalg.norm(wide_b, axis=1)
    )
    found = nearest(queries, bank, 7)

    np.testing.assert_array_equal(found.ids, np.argsort(-cosines, axis=1)[:, :7])
    np.testing.assert_allclose(
        found.cosines, np.take_along_axis(cosines, found.ids, axis=1), atol=1e-6
    )


def test_chunks_do_not_matter(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 5))
    whole = nearest(x, x, 6, itself=np.arange(40))
    monkeypatch.setattr(module, "CHUNK", 100)

    np.testing.assert_array_equal(nearest(x, x, 6, itself=np.arange(40)).ids, whole.ids)


def test_equal_cosines_come_in_the_order_of_the_bank():
    """Axis-aligned rows, so that equal cosines are equal to the last bit."""
    bank = np.eye(3)[[1, 0, 1, 0, 2, 0, 1]] * np.array([[1, 2, 3, 4, 5, 6, 7]]).T
    query = np.array([[1.0, 0.0, 0.0]])

    assert nearest(query, bank, 2).ids.tolist() == [[1, 3]]
    assert nearest(query, bank, 5).ids.tolist() == [[1, 3, 5, 0, 2]]
    assert nearest(query, bank, 7).ids.tolist() == [[1, 3, 5, 0, 2, 4, 6]]


def test_lengths_that_have_no_square_in_single_precision_do_not_matter():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 5)).astype(np.float32)
    plain = nearest(x[:9], x, 6)

    for scale in (1e-30, 1e30, np.logspace(-35, 30, 30, dtype=np.float32)[:, None]):
        found = nearest(x[:9], np.float32(scale) * x, 6)
        np.testing.assert_array_equal(found.ids, plain.ids)
        np.testing.assert_allclose(found.cosines, plain.cosines, atol=1e-6)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_are_not_finite_are_named(kind, bad):
    x = np.ones((4, 3), dtype=kind)
    broken = x.copy()
    broken[2, 1] = bad
    with pytest.raises(ValueError, match=r"^bank has NaN or infinite numbers in 1 of 4 rows, the "):
        nearest(x, broken, 1)
    with pytest.raises(ValueError, match=r"^1 of 4 rows of queries have length 0, the first is r"):
        nearest(np.diag([1, 1, 1, 0])[:, :3].astype(kind), x, 1)


def test_one_search_serves_every_smaller_k():
    """Also where equal cosines lie on the border."""
    rng = np.random.default_rng(0)
    bank = rng.integers(-1, 2, size=(60, 4)) + 0.25
    found = nearest(bank[:20], bank, 40)

    for k in (1, 7, 25):
        np.testing.assert_array_equal(nearest(bank[:20], bank, k).ids, found.ids[:, :k])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_device_does_not_matter():
    rng = np.random.default_rng(0)
    queries, bank = rng.normal(size=(30, 64)), rng.normal(size=(5000, 64))
    rows = np.arange(30)
    here = nearest(queries, np.vstack([queries, bank]), 50, itself=rows)
    there = nearest(queries, np.vstack([queries, bank]), 50, itself=rows, device="cuda")

    np.testing.assert_array_equal(there.ids, here.ids)
    np.testing.assert_allclose(there.cosines, here.cosines, atol=1e-12)


def test_an_unknown_device_is_named():
    with pytest.raises(RuntimeError, match="abacus"):
        nearest(np.eye(2), np.eye(2), 1, device="abacus")


def test_a_query_leaves_itself_out():
    x = np.random.default_rng(0).normal(size=(20, 4))
    rows = np.array([3, 17, 5])

    assert (nearest(x[rows], x, 1).ids[:, 0] == rows).all()
    assert not (nearest(x[rows], x, 19, itself=rows).ids == rows[:, None]).any()


def test_refusals_of_the_search():
    x = np.ones((1, 2))
    with pytest.raises(ValueError, match=r"^k=0 neighbours: at least 1 is needed$"):
        nearest(x, x, 0)
    with pytest.raises(
        ValueError, match=r"^the only item of the bank is the query itself: no neig"
    ):
        nearest(x, x, 1, itself=np.array([0]))
    with pytest.raises(
        ValueError, match=r"^queries have 2 channels and the bank has 3: only embed"
    ):
        nearest(x, np.ones((4, 3)), 1)


def test_the_vote_is_weighted_by_hand():
    """exp(s/T) with T = 1: class 1 has e^.9, class 0 has e^.5 + e^.4, which is more."""
    found = Neighbours(np.array([[0, 1, 2]]), np.array([[0.9, 0.5, 0.4]]))
    codes = np.array([1, 0, 0])

    assert np.exp(0.5) + np.exp(0.4) > np.exp(0.9)
    winners = knn_vote(found, codes, (1, 2, 3), temperature=1.0)
    assert {k: int(v[0]) for k, v in winners.items()} == {1: 1, 2: 1, 3: 0}
    assert knn_vote(found, codes, (3,), temperature=0.05)[3][0] == 1


def test_equal_votes_go_to_the_lower_class():
    found = Neighbours(np.array([[0, 1]]), np.array([[0.5, 0.5]]))

    assert knn_vote(found, np.array([2, 1]), (2,))[2][0] == 1


def test_the_limits_of_the_temperature():
    """T to 0 is the nearest neighbour, T to infinity the majority of the k."""
    rng = np.random.default_rng(0)
    x, labels = blobs(rng, 120, 4, spread=1.5)
    found = nearest(x[:40], x[40:], 15)
    codes = labels[40:]
    cold = knn_vote(found, codes, (15,), temperature=1e-9)[15]
    hot = knn_vote(found, codes, (15,), temperature=np.inf)[15]

    np.testing.assert_array_equal(cold, codes[found.ids[:, 0]])
    np.testing.assert_array_equal(hot, [np.bincount(row).argmax() for row in codes[found.ids]])


def test_several_k_of_one_search_equal_separate_searches():
    rng = np.random.default_rng(1)
    x, labels = blobs(rng, 300, 5, spread=1.5)
    together = knn_vote(nearest(x[:100], x[100:], 60), labels[100:], (1, 5, 20, 60))

    for k in (1, 5, 20, 60):
        alone = knn_vote(nearest(x[:100], x[100:], k), labels[100:], (k,))
        np.testing.assert_array_equal(together[k], alone[k])


def test_k_is_clipped_to_the_bank():
    found = nearest(np.eye(3), np.eye(3), 500)
    votes = knn_vote(found, np.array([0, 1, 1]), (1, 500))

    assert found.ids.shape == (3, 3)
    assert votes[500].shape == (3,)


def test_the_probe_ignores_rotation_and_the_length_of_items_but_not_a_shift():
    rng = np.random.default_rng(0)
    x, labels = blobs(rng, 240, 4, spread=1.2)
    splits = thirds(240, rng)
    lengths = rng.uniform(0.1, 10, size=(240, 1))
    rotated = lengths * x @ ortho_group.rvs(8, random_state=0)
    plain = knn_probe(x, labels, splits)

    assert knn_probe(rotated, labels, splits) == plain
    assert knn_probe(x + 30.0, labels, splits) != plain


def test_labels_at_random_give_chance_and_planted_ones_are_found():
    rng = np.random.default_rng(0)
    x, labels = blobs(rng, 900, 3, spread=0.3)
    splits = thirds(900, rng)
    found = knn_probe(x, labels, splits)
    nothing = knn_probe(x, rng.permutation(labels), splits)

    assert found.accuracy.low > 0.9
    assert nothing.unweighted.value == pytest.approx(1 / 3, abs=3 * (2 / 9 / 300) ** 0.5)
    assert nothing.accuracy.chance == pytest.approx(1 / 3, abs=0.08)


def test_k_is_chosen_on_val_only():
    """Test labels are changed: everything that was chosen stays, the score does not."""
    rng = np.random.default_rng(0)
    x, labels = blobs(rng, 300, 3, spread=1.0)
    splits = thirds(300, rng)
    other = labels.copy()
    other[splits.test] = (other[splits.test] + 1) % 3
    one, two = knn_probe(x, labels, splits), knn_probe(x, other, splits)

    assert (one.k, one.val_accuracy) == (two.k, two.val_accuracy)
    assert one.accuracy.value > two.accuracy.value


def test_val_is_classified_by_train_and_test_by_both():
    """By hand, with k = 1: the label of the nearest item."""
    rng = np.random.default_rng(0)
    x, labels = blobs(rng, 150, 4, spread=1.5)
    splits = thirds(150, rng)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    found = knn_probe(x, labels, splits, ks=(1,))

    def share(queries, bank):
        return (labels[bank[(unit[queries] @ unit[bank].T).argmax(1)]] == labels[queries]).mean()

    assert found.val_accuracy == (share(splits.val, splits.train),)
    assert found.accuracy.value == share(splits.test, splits.fit_and_val)
    assert found.accuracy == found.nearest


@pytest.mark.parametrize("items", [3, 6, 97])
def test_few_items_classes_missing_in_test_and_text_labels(items):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(items, 4))
    labels = np.array([f"class {i}" for i in range(items)])  # no class is seen twice
    found = knn_probe(x, labels, thirds(items, rng))

    assert found.accuracy.value == 0.0
    assert found.accuracy.chance == 1 / (items - found.accuracy.n)  # one guess among those fitted
    assert found.k == 1


def test_groups_need_a_generator_and_widen_the_interval():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 10)
    centres = rng.normal(size=(30, 8))
    x, labels = centres[groups], rng.integers(2, size=30)[groups]
    rows = [np.flatnonzero(np.isin(groups, part)) for part in np.split(np.arange(30), 3)]
    alone = knn_probe(x, labels, Splits(*rows))
    grouped = knn_probe(x, labels, Splits(*rows, groups), rng=np.random.default_rng(0))

    width = alone.accuracy.high - alone.accuracy.low
    assert grouped.accuracy.high - grouped.accuracy.low > 1.5 * width
    assert "cluster bootstrap" in grouped.accuracy.method
    with pytest.raises(ValueError, match=r"^groups are drawn at random: give a generator as rng$"):
        knn_probe(x, labels, Splits(*rows, groups))


def test_refusals_of_the_vote():
    found = Neighbours(np.array([[0]]), np.array([[1.0]]))
    with pytest.raises(
        ValueError, match=r"^the numbers of neighbours must be 1 or more, got \[0\]$"
    ):
        knn_vote(found, np.array([0]), (0,))
    with pytest.raises(ValueError, match=r"^temperature=0.0 must be positive$"):
        knn_vote(found, np.array([0]), (1,), temperature=0.0)


def test_splits_are_disjoint_and_do_not_tear_groups():
    names = np.array(["train", "val", "test", "train"])
    splits = Splits.from_column(names, np.array(["a", "b", "c", "a"]))

    assert splits.train.tolist() == [0, 3]
    assert splits.fit_and_val.tolist() == [0, 3, 1]
    assert splits.test_groups.tolist() == ["c"]
    with pytest.raises(ValueError, match=r"^1 groups are in both train and test, the first is a: "):
        Splits.from_column(names, np.array(["a", "b", "a", "a"]))
    with pytest.raises(
        ValueError, match=r"^the val split is empty; a probe needs train, val, test"
    ):
        Splits.from_column(np.array(["train", "test"]))
    with pytest.raises(
        ValueError, match=r"^splits are train, val, test, but the column also has 'd"
    ):
        Splits.from_column(np.array(["train", "val", "dev", "test"]))
    with pytest.raises(ValueError, match=r"^1 items are in both train and val$"):
        Splits(np.array([0, 1]), np.array([1]), np.array([2]))
    with pytest.raises(ValueError, match=r"^the train split holds an item twice$"):
        Splits(np.array([0, 0]), np.array([1]), np.array([2]))


def test_topk_of_torch_is_not_trusted_with_ties():
    """All equal: the first k of the bank, whatever topk would pick."""
    cosines = torch.zeros(3, 1000)
    ids, _ = module.largest(cosines, 10)

    assert (ids == torch.arange(10)).all()
