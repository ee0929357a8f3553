"""Named data sets: archives and packages made here, and the real ones where they are."""

import io
import zipfile
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from d2v_core.data.check import check_folder
from d2v_core.data.folder import read_folder
from d2v_core.data.sources import SOURCES, archives, get
from d2v_core.errors import InputError

REAL = Path(__file__).resolve().parents[3] / "shared" / "data"


def png(level=0):
    file = io.BytesIO()
    Image.new("RGB", (4, 4), (level % 256, 0, 0)).save(file, "PNG")
    return file.getvalue()


def flac(level=0.1, rate=8_000):
    file = io.BytesIO()
    soundfile.write(file, np.full(800, level), rate, format="FLAC")
    return file.getvalue()


def written(path, data):
    path.write_bytes(data)
    return path


def zipped(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def pictures(path, labels=("bird", "cat", "ship"), train=20, test=5):
    counts = {"train": train, "test": test}
    return zipped(
        path,
        {
            f"{split}/{label}/{n:04}.jpg": png(n)
            for split, count in counts.items()
            for label in labels
            for n in range(count)
        },
    )


def sounds(path, labels=("bird", "cat", "lion"), count=10):
    return zipped(
        path,
        {f"{label}/{label}_{n}.flac": flac(n / 100) for label in labels for n in range(count)},
    )


def digits(path):
    speakers = ("george", "jackson", "lucas", "nicolas", "theo")
    return zipped(
        path,
        {f"{d}/{who}_{n:02}.flac": flac() for d in range(10) for who in speakers for n in range(2)},
    )


# --- archives


def test_cifar10_keeps_its_test_set_and_gives_a_tenth_of_train_to_val(tmp_path):
    get("cifar10", tmp_path / "out", from_=pictures(tmp_path / "cifar10.zip"))

    folder = read_folder(tmp_path / "out")

    counts = Counter((item.label, item.split) for item in folder.items)
    for label in ("bird", "cat", "ship"):
        assert [counts[label, split] for split in ("train", "val", "test")] == [18, 2, 5]
    assert folder.problems == ()
    assert folder.items[0].id == "test-bird-0000"
    assert folder.items[0].source.read_bytes() == png(0)
    assert "Krizhevsky" in (tmp_path / "out/README.txt").read_text()


def test_a_limit_takes_so_many_of_each_label_wherever_they_stand(tmp_path):
    path = pictures(tmp_path / "cifar10.zip")
    for limit in (3, 10):
        get("cifar10", tmp_path / str(limit), from_=path, limit=limit)

    few, more = ({i.id for i in read_folder(tmp_path / n).items} for n in ("3", "10"))

    assert len(few) == 9
    assert len(more) == 30
    assert few < more
    assert {name.split("-")[2] for name in more} != {f"{n:04}" for n in range(10)}


def test_a_limit_leaves_nine_tenths_of_what_it_takes_for_training(tmp_path):
    """Were val chosen by the hash that the limit goes by, all that is left would be val."""
    path = pictures(tmp_path / "cifar10.zip", train=200, test=10)
    get("cifar10", tmp_path / "out", from_=path, limit=40)
    counts = Counter((item.label, item.split) for item in read_folder(tmp_path / "out").items)

    for label in ("bird", "cat", "ship"):
        assert counts[label, "val"] == (40 - counts[label, "test"]) // 10
        assert counts[label, "train"] > 30


def test_sounds_carry_what_could_give_their_label_away(tmp_path):
    path = zipped(
        tmp_path / "animal-sounds.zip",
        {
            "dog/dog_1.flac": flac(0.1, 11_025),
            "dog/dog_2.flac": flac(0.1, 11_025),
            "cat/c.flac": flac(0.2),
        },
    )

    get("animal-sounds", tmp_path / "out", from_=path)

    items = {item.id: item for item in read_folder(tmp_path / "out").items}
    assert items["sound-dog-dog_1"].columns == {"sample_rate_hz": 11_025, "seconds": 0.073}
    assert items["sound-cat-c"].columns == {"sample_rate_hz": 8_000, "seconds": 0.1}
    copies = items["sound-dog-dog_1"], items["sound-dog-dog_2"]
    assert copies[0].group == copies[1].group != items["sound-cat-c"].group


def test_birds_have_the_labels_of_both_and_no_pairs(tmp_path):
    pictures(tmp_path / "both/cifar10.zip")
    sounds(tmp_path / "both/animal-sounds.zip", count=20)

    get("birds", tmp_path / "out", from_=tmp_path / "both")

    folder = read_folder(tmp_path / "out")
    assert {item.label for item in folder.of("image")} == {"bird", "cat"}
    assert {item.label for item in folder.of("audio")} == {"bird", "cat"}
    assert folder.pairs("image", "audio") == []
    assert Counter(item.split for item in folder.of("audio")) == {"train": 28, "val": 6, "test": 6}


def test_nobody_who_is_tested_on_was_heard_in_training(tmp_path):
    get("digits", tmp_path / "out", from_=digits(tmp_path / "spoken-digits.zip"))

    heard = defaultdict(set)
    for item in read_folder(tmp_path / "out").items:
        heard[item.split].add(item.columns["speaker"])
    assert {split: len(speakers) for split, speakers in heard.items()} == {
        "train": 3, "val": 1, "test": 1,
    }  # fmt: skip
    assert set.intersection(*heard.values()) == set()


NOUNS = {
    "00001740 03 n 01 entity 0 003": "that which is perceived or known",
    "02084071 05 n 03 dog 0 Canis_familiaris 0": 'a kind of Canis; "the dog barked; all night"',
    "02121620 05 n 02 big_cat 0 true_cat 0": "a large cat; typically able to roar",
    "11530008 20 n 01 weed 0": "any plant that crowds out cultivated plants",
}


def test_wordnet_gives_definitions_without_examples(tmp_path):
    synsets = [f"{start} 001 @ 00001740 n 0000 | {gloss}  \n" for start, gloss in NOUNS.items()]
    (tmp_path / "data.noun").write_text("  1 This software is provided\n" + "".join(synsets))

    get("wordnet", tmp_path / "out", from_=tmp_path)

    items = read_folder(tmp_path / "out").items
    assert [(item.id, item.label, item.columns["word"], item.source) for item in items] == [
        ("n00001740", "top", "entity", "that which is perceived or known"),
        ("n02084071", "animal", "dog", "a kind of Canis"),
        ("n02121620", "animal", "big cat", "a large cat; typically able to roar"),
        ("n11530008", "plant", "weed", "any plant that crowds out cultivated plants"),
    ]


# --- refusals


def corrupted(path):
    data = bytearray(path.read_bytes())
    start = data.index(b"\x89PNG")
    data[start + 4] ^= 0xFF
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("name", "make", "reason"),
    [
        (
            "cifar",
            lambda p: None,
            "no data set 'cifar'; there are stamps, cifar10, animal-sounds, birds, digits, wordnet",
        ),
        (
            "animal-sounds",
            lambda p: None,
            "this data set is made from animal-sounds.zip (animal sounds as CLASS/*.flac): give it "
            "with --from",
        ),
        (
            "birds",
            lambda p: None,
            "this data set is made from a folder (with cifar10.zip and animal-sounds.zip in "
            "it): give it with --from",
        ),
        ("digits", lambda p: p / "gone.zip", "{p}/gone.zip does not exist"),
        ("birds", lambda p: p, "{p}/cifar10.zip does not exist; wanted is a folder with it in it"),
        (
            "cifar10",
            lambda p: sounds(p / "x.zip"),
            "{p}/x.zip is another archive: no member is like ",
        ),
        (
            "cifar10",
            lambda p: written(p / "x.zip", b"no zip"),
            "{p}/x.zip is no zip archive, or a damaged one: File is not a zip file",
        ),
        ("cifar10", lambda p: p, "{p} cannot be read: Is a directory"),
        (
            "cifar10",
            lambda p: corrupted(pictures(p / "x.zip")),
            "{p}/x.zip: train/bird/0000.jpg is damaged: Bad CRC-32",
        ),
        (
            "animal-sounds",
            lambda p: zipped(p / "x.zip", {"cat/a.flac": b"no"}),
            "cat/a.flac in the archive is damaged: ",
        ),
        ("wordnet", lambda p: p, "{p} holds no data.noun, WordNet's nouns"),
        (
            "wordnet",
            lambda p: written(p / "data.noun", b"a licence\n").parent,
            "{p}: data.noun holds no synset; wanted is WordNet 3.0's",
        ),
    ],
)
def test_what_cannot_be_made_says_why_and_leaves_nothing(tmp_path, name, make, reason):
    given = make(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}

    with pytest.raises(InputError) as caught:
        get(name, tmp_path / "out", from_=given)

    assert str(caught.value).startswith(reason.format(p=tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == before


def test_a_member_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 60)

    with pytest.raises(InputError, match=r"test/bird/0000\.jpg unpacks to \d+ bytes: refused"):
        get("cifar10", tmp_path / "out", from_=pictures(tmp_path / "cifar10.zip"))


def test_a_limit_below_one_is_refused(tmp_path):
    with pytest.raises(InputError, match="limit=0; wanted is at least 1 row of each label"):
        get("cifar10", tmp_path / "out", limit=0)


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    path = digits(tmp_path / "spoken-digits.zip")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    (tmp_path / "empty").mkdir()

    with pytest.raises(InputError, match="full is not empty; choose another folder, or remove it"):
        get("digits", tmp_path / "full", from_=path)
    with pytest.raises(InputError, match="is no folder; choose another one to make"):
        get("digits", path, from_=path)
    get("digits", tmp_path / "empty", from_=path)

    assert [p.name for p in (tmp_path / "full").iterdir()] == ["mine.txt"]
    assert len(read_folder(tmp_path / "empty").items) == 100


def test_progress_counts_rows(tmp_path):
    seen = []

    get(
        "digits",
        tmp_path / "out",
        from_=digits(tmp_path / "d.zip"),
        progress=lambda *n: seen.append(n),
    )

    assert seen == [(n, 100) for n in range(1, 101)]


# --- the real ones


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "archive", "limit", "usable"),
    [
        ("cifar10", "cifar10.zip", 20, {"image": 200, "audio": 0, "text": 0}),
        ("animal-sounds", "animal-sounds.zip", None, {"image": 0, "audio": 698, "text": 0}),
        ("digits", "spoken-digits.zip", None, {"image": 0, "audio": 2500, "text": 0}),
        ("birds", ".", 30, {"image": 120, "audio": 120, "text": 0}),
    ],
)
def test_real_archives_decode_to_the_last_item(tmp_path, name, archive, limit, usable):
    path = REAL / archive
    if not path.exists() or not any(REAL.glob("*.zip")):
        pytest.skip("the real archives are not beside the project")

    get(name, tmp_path / "out", from_=path, limit=limit)

    report = check_folder(tmp_path / "out")
    assert report.usable == usable
    assert report.problems == ()


def test_the_names_that_others_rely_on():
    assert list(SOURCES) == ["stamps", "cifar10", "animal-sounds", "birds", "digits", "wordnet"]


def test_wordnet_is_not_read_through_a_link_that_leads_out(tmp_path):
    (tmp_path / "secret").write_text("00000001 03 n 01 bird 0 000 | a secret\n")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/data.noun").symlink_to(tmp_path / "secret")

    with pytest.raises(InputError, match=r"data\.noun: lies outside the data folder"):
        get("wordnet", tmp_path / "out", from_=tmp_path / "in")
