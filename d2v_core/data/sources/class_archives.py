"""Data sets that are archives of class folders: pictures, sounds, and both by shared label."""

import re
import zipfile
from collections import Counter
from collections.abc import Collection, Mapping
from hashlib import sha256
from pathlib import Path

import soundfile

from d2v_core.data.sources.archives import copy_member, open_zip
from d2v_core.data.sources.making import Row, Wish, choose, hashed, make_rows, write_metadata
from d2v_core.data.sources.published import CIFAR10, DIGITS, Published, fetch, other_version
from d2v_core.data.sources.published_archives import as_class_folders, cifar10_files, digit_files
from d2v_core.errors import InputError

_CIFAR10 = re.compile(r"(?:.*/)?(?P<split>train|test)/(?P<label>[a-z]+)/(?P<name>\w+)\.(?:jpg|png)")
_SOUNDS = re.compile(r"(?:.*/)?(?P<label>[a-z]+)/(?P<name>\w+)\.(?:flac|wav)")
_DIGITS = re.compile(r"(?:.*/)?(?P<label>\d)/(?P<speaker>[a-z]+)_(?P<take>\d+)\.(?:flac|wav)")
_VAL_SHARE = 0.1

_SOUNDS_ORIGIN = "animal sounds as CLASS/*.flac"

_ABOUT_CIFAR10 = """CIFAR-10: pictures of 32 x 32 pixels in ten classes.
Alex Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009. For research.
The test pictures are those of the original; a tenth of its training pictures is `val` here.
"""
_ABOUT_SOUNDS = """Recordings of ten animals.
Collected for "Animal Sound Classification Using A Convolutional Neural Network". For research.
Mind that the recording format differs from animal to animal: the columns sample_rate_hz and
seconds alone tell some of them apart. Exact copies of a recording share a group.
"""
_ABOUT_DIGITS = """The Free Spoken Digit Dataset: ten digits, five speakers. CC BY-SA 4.0.
https://github.com/Jakobovski/free-spoken-digit-dataset
A group is a speaker: who is tested on was never heard in training.
"""


def make_cifar10(folder: Path, wish: Wish) -> None:
    """Make CIFAR-10: image and label; `val` is a tenth of the original training pictures."""
    found = _given_or_fetched(CIFAR10, wish)
    with as_class_folders(found, cifar10_files) as path:
        rows = _pictures(path, folder, wish, labels=None)
    write_metadata(folder, rows, about=_ABOUT_CIFAR10)


def make_animal_sounds(folder: Path, wish: Wish) -> None:
    """Make the animal sounds: audio and label, with rate and length as columns."""
    path = wish.archive("animal-sounds.zip", origin=_SOUNDS_ORIGIN)
    rows = _sounds(path, folder, wish, labels=None)
    write_metadata(folder, rows, about=_ABOUT_SOUNDS)


def make_birds(folder: Path, wish: Wish) -> None:
    """Make pictures and sounds of the animals that both data sets have; no pairs, shared labels."""
    both = wish.archive("a folder", origin="with cifar10.zip and animal-sounds.zip in it")
    paths = [both / "cifar10.zip", both / "animal-sounds.zip"]
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path} does not exist; wanted is a folder with it in it")
    with open_zip(paths[0], _CIFAR10) as (_, pictures), open_zip(paths[1], _SOUNDS) as (_, sounds):
        shared = {match["label"] for match in pictures} & {match["label"] for match in sounds}
    if not shared:
        raise InputError(f"the archives in {both} have no label in common")
    rows = [
        *_pictures(paths[0], folder, wish, labels=shared),
        *_sounds(paths[1], folder, wish, labels=shared),
    ]
    about = (
        f"{_ABOUT_CIFAR10}\n{_ABOUT_SOUNDS}\nPictures and sounds share labels, and are no pairs.\n"
    )
    write_metadata(folder, rows, about=about)


def make_digits(folder: Path, wish: Wish) -> None:
    """Make the spoken digits: audio, label = digit, group = speaker."""
    found = _given_or_fetched(DIGITS, wish)
    with (
        as_class_folders(found, digit_files) as path,
        open_zip(path, _DIGITS) as (archive, matches),
    ):
        chosen = choose([_member(match, "digit") for match in matches], wish.limit)

        def make(member: Mapping[str, str]) -> Row:
            name = f"audio/{member['id']}{Path(member['member']).suffix}"
            copy_member(archive, member["member"], folder / name)
            speaker, take = member["speaker"], int(member["take"])
            return _row(member, audio_file_name=name, group=speaker, speaker=speaker, take=take)

        rows = make_rows(chosen, make, wish.progress)
    write_metadata(folder, rows, about=_ABOUT_DIGITS)


def _given_or_fetched(wanted: Published, wish: Wish) -> Path:
    """Return the archive; of one that was given it is said if it is another version."""
    if wish.from_ is None:
        return fetch(wanted, progress=wish.progress)
    if wish.from_.is_file():
        said = other_version(wanted, wish.from_)
        if said is not None:
            wish.say(said)
    return wish.from_


def _pictures(path: Path, folder: Path, wish: Wish, *, labels: Collection[str] | None) -> list[Row]:
    def make(archive: zipfile.ZipFile, member: Mapping[str, str]) -> Row:
        name = f"images/{member['id']}{Path(member['member']).suffix}"
        copy_member(archive, member["member"], folder / name)
        return _row(member, image_file_name=name, split=val.get(member["id"], member["split"]))

    with open_zip(path, _CIFAR10) as (archive, matches):
        members = [_member(m, "") for m in matches if labels is None or m["label"] in labels]
        chosen = choose(members, wish.limit)
        val = _val_of(chosen)
        return make_rows(chosen, lambda member: make(archive, member), wish.progress)


def _sounds(path: Path, folder: Path, wish: Wish, *, labels: Collection[str] | None) -> list[Row]:
    def make(archive: zipfile.ZipFile, member: Mapping[str, str]) -> Row:
        name = f"audio/{member['id']}{Path(member['member']).suffix}"
        data = copy_member(archive, member["member"], folder / name)
        facts = _facts(folder / name, member["member"])
        return _row(member, audio_file_name=name, group=sha256(data).hexdigest()[:12], **facts)

    with open_zip(path, _SOUNDS) as (archive, matches):
        members = [_member(m, "sound") for m in matches if labels is None or m["label"] in labels]
        chosen = choose(members, wish.limit)
        return make_rows(chosen, lambda member: make(archive, member), wish.progress)


def _member(match: re.Match[str], prefix: str) -> dict[str, str]:
    """Return what a member's name says, with an id that is unique in the archive."""
    said = match.groupdict()
    return said | {"member": match[0], "id": "-".join(filter(None, [prefix, *said.values()]))}


def _row(member: Mapping[str, str], **more: str | int | float) -> Row:
    return {"id": member["id"], "label": member["label"], **more}


def _val_of(members: Collection[Mapping[str, str]]) -> dict[str, str]:
    """Return "val" for a tenth of the training pictures of each label, by a hash of their ids.

    It must not be the hash that a limit chooses by, or all that is left would be "val".
    """
    train = [member for member in members if member["split"] == "train"]
    sizes = Counter(member["label"] for member in train)
    taken: Counter[str] = Counter()
    val = {}
    for member in sorted(train, key=lambda member: hashed("val " + member["id"])):
        if taken[member["label"]] < int(_VAL_SHARE * sizes[member["label"]]):
            taken[member["label"]] += 1
            val[member["id"]] = "val"
    return val


def _facts(path: Path, name: str) -> dict[str, int | float]:
    """Return what of the recording format could give the label away."""
    try:
        info = soundfile.info(path)
    except soundfile.LibsndfileError as error:
        raise InputError(f"{name} in the archive is damaged: {error.error_string}") from error
    return {"sample_rate_hz": info.samplerate, "seconds": round(info.duration, 3)}
