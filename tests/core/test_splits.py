"""Splits: shares, groups, independence of order, and what is written down."""

import random
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d2v_core.data.splits import (
    SHARES,
    SplitRow,
    make_splits,
    normalise_split,
    read_splits,
    stratum_of,
    write_splits,
)
from d2v_core.errors import InputError


def rows_of(label, count, **fields):
    return [
        SplitRow(f"{label}-{n}", label, **({"group": None, "split": None} | fields))
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, {"train": 1}),
        (2, {"train": 2}),
        (5, {"train": 3, "test": 1, "val": 1}),
        (20, {"train": 14, "test": 3, "val": 3}),
        (1000, {"train": 700, "test": 150, "val": 150}),
    ],
)
def test_shares_of_one_label(count, expected):
    assert Counter(make_splits(rows_of("bird", count)).values()) == expected


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(3, 60), min_size=1))
def test_every_label_is_within_one_item_of_its_shares(counts):
    rows = [row for label, count in counts.items() for row in rows_of(label, count)]

    splits = make_splits(rows)

    for label, count in counts.items():
        there = Counter(splits[row.id] for row in rows if row.stratum == label)
        for split, share in SHARES.items():
            assert abs(there[split] - share * count) < 1.0 + 1e-6


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from([None, "g", "h", "k", "m"])), min_size=1
    ),
    st.randoms(use_true_random=False),
)
def test_order_does_not_matter_and_groups_hold_together(kinds, shuffle):
    rows = [SplitRow(str(n), label, group, None) for n, (label, group) in enumerate(kinds)]
    shuffled = list(rows)
    shuffle.shuffle(shuffled)

    splits = make_splits(rows)

    assert splits == make_splits(shuffled)
    of_group = defaultdict(set)
    for row in rows:
        of_group[row.group].add(splits[row.id])
    assert all(len(parts) == 1 for group, parts in of_group.items() if group is not None)


def test_it_is_the_hash_and_not_the_order_of_names_that_decides():
    """Rows of other names, in the same order, are split at other places."""
    places = []
    for label in ("bird", "cat"):
        splits = make_splits(rows_of(label, 100))
        places.append([n for n in range(100) if splits[f"{label}-{n}"] == "train"])

    assert 40 < len(set(places[0]) & set(places[1])) < 60  # 49 by chance


def test_neither_test_nor_val_is_starved_where_strata_are_small():
    """Of a hundred labels with three rows each, each gives one row to test or val."""
    rows = [row for n in range(100) for row in rows_of(f"label-{n}", 3)]

    counts = Counter(make_splits(rows).values())

    assert counts["train"] == 200
    assert 35 < counts["test"] < 65


def test_given_splits_of_pictures_do_not_skew_those_of_sounds():
    pictures = [SplitRow(f"p{n}", stratum_of("bird", ["image"]), None, "train") for n in range(100)]
    sounds = [SplitRow(f"s{n}", stratum_of("bird", ["audio"]), None, None) for n in range(20)]

    splits = make_splits([*pictures, *sounds])

    assert Counter(splits[row.id] for row in sounds) == {"train": 14, "test": 3, "val": 3}


def test_five_speakers_of_every_digit_are_split_three_one_one():
    rows = [
        SplitRow(f"{speaker}{digit}{take}", str(digit), speaker, None)
        for speaker in ("george", "jackson", "lucas", "nicolas", "theo")
        for digit in range(10)
        for take in range(7)
    ]

    splits = make_splits(rows)

    assert Counter(splits.values()) == {"train": 3 * 70, "test": 70, "val": 70}


def test_a_rare_label_goes_to_train():
    splits = make_splits([*rows_of("common", 50), *rows_of("rare", 1), *rows_of("pair", 2)])

    assert {splits["rare-0"], splits["pair-0"], splits["pair-1"]} == {"train"}


def test_labels_that_nobody_shares_are_no_classes():
    """A hundred rows, each its own label: stratified by label, all would go to train."""
    splits = make_splits([SplitRow(str(n), f"label {n}", None, None) for n in range(100)])

    assert Counter(splits.values()) == {"train": 70, "test": 15, "val": 15}


def test_given_splits_are_kept_and_count():
    """Fifteen of a hundred are given as test: of the rest, none needs to be."""
    given_rows = rows_of("bird", 15, split="test")
    others = [SplitRow(f"other-{n}", "bird", None, None) for n in range(85)]

    splits = make_splits([*given_rows, *others])

    assert all(splits[row.id] == "test" for row in given_rows)
    assert Counter(splits.values()) == {"train": 70, "test": 15, "val": 15}


def test_a_group_follows_its_member_whose_split_is_given():
    rows = [SplitRow("a", "x", "nest", "val"), SplitRow("b", "x", "nest", None)]

    assert make_splits(rows) == {"a": "val", "b": "val"}


def test_written_splits_stay_when_data_are_added():
    rows = rows_of("bird", 40)
    before = make_splits(rows)
    more = [SplitRow(row.id, row.stratum, None, before[row.id]) for row in rows]

    after = make_splits([*more, *rows_of("cat", 30)])

    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        (" Validation", "val"),
        ("dev", "val"),
        ("TEST", "test"),
        ("holdout", None),
    ],
)
def test_names_of_splits(name, split):
    assert normalise_split(name) == split


def test_what_is_written_is_read_and_does_not_depend_on_order(tmp_path):
    splits = {
        f'odd, "name"\n{n}': random.Random(n).choice(["train", "val", "test"]) for n in range(9)
    }

    path = write_splits(tmp_path, splits)
    once = path.read_bytes()
    write_splits(tmp_path, dict(reversed(splits.items())))

    assert path.name == "splits.csv"
    assert read_splits(tmp_path) == splits
    assert path.read_bytes() == once
    assert [p.name for p in tmp_path.iterdir()] == ["splits.csv"]


def test_a_folder_that_cannot_be_written_to_is_no_mistake(tmp_path):
    assert write_splits(tmp_path / "missing", {"a": "train"}) is None
    assert read_splits(tmp_path) == {}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            b"id,split\na,train\nb,holdout\n",
            "splits.csv, line 3: split 'holdout' is none of train, val, test; mend it, or "
            "delete the file to have it made anew",
        ),
        (
            b"name,part\na,train\n",
            "splits.csv has no columns id and split; delete it to have it made anew",
        ),
        (
            b"id,split\n\xff,train\n",
            "splits.csv cannot be read: 'utf-8' codec can't decode byte 0xff in position 9: "
            "invalid start byte; delete it to have it made anew",
        ),
    ],
)
def test_a_splits_file_that_cannot_be_used_says_why(tmp_path, content, reason):
    (tmp_path / "splits.csv").write_bytes(content)

    with pytest.raises(InputError) as caught:
        read_splits(tmp_path)

    assert str(caught.value) == f"{tmp_path}/{reason}"
