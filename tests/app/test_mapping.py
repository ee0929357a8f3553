"""Maps by method, settings and space; ways through layers and checkpoints."""

import itertools
import json
import shutil
from functools import partial

import numpy as np
import pandas as pd
import pytest

from app import mapping, workbench
from app.background import Job, map_command
from app.mapping import MapWish
from app.noting import Notes
from app.wishes import settings_of
from d2v_core.data.folder import read_folder
from d2v_core.embed import embed
from d2v_core.encoders.run import of_learner
from d2v_core.errors import StoreError
from d2v_core.learner import Learner
from d2v_core.store import Store
from probes import trust
from probes.neighbours import nearest
from tests.conftest import smallest


@pytest.fixture(scope="module")
def store(toy_store, tmp_path_factory):
    """A copy: maps are kept in it."""
    place = tmp_path_factory.mktemp("mapping") / "store"
    shutil.copytree(toy_store, place)
    return Store(place)


@pytest.fixture(scope="module")
def name(store):
    return workbench.name_of(store, "toy")


@pytest.fixture
def wish(name):
    return MapWish(name, "joint", "pca")


def test_plain_maps_are_those_of_the_other_pages(store, wish):
    points, about = mapping.make(store, wish)
    other, _ = workbench.make_map(store, wish.name, tap="joint", method="pca")

    pd.testing.assert_frame_equal(points, other)
    assert mapping.key_of(store, wish) == workbench.map_key(store, wish.name, "joint", "pca")
    assert mapping.rebuilt(points, about).method == "pca"


def test_settings_that_are_as_usual_make_no_other_map(name):
    assert settings_of("umap", {"n_neighbors": 15, "min_dist": 0.1, "perplexity": 10}) == ()
    assert settings_of("umap", {"n_neighbors": 5, "min_dist": 0.1}) == (("n_neighbors", 5),)
    assert settings_of("tsne", {"perplexity": 10}) == (("perplexity", 10),)
    assert MapWish(name, "joint").is_plain
    assert not MapWish(name, "joint", "tsne").is_plain


@pytest.mark.slow
def test_every_wish_has_a_map_of_its_own(store, wish):
    wishes = [
        wish,
        wish._replace(space="centred"),
        wish._replace(space="aligned"),
        wish._replace(space="aligned", pairs=8),
        wish._replace(method="tsne"),
        wish._replace(method="tsne", settings=(("perplexity", 10),)),
        wish._replace(method="umap", settings=(("n_neighbors", 5),)),
    ]
    made = {mapping.key_of(store, one): mapping.make(store, one) for one in wishes}
    places = {points[["x", "y"]].to_numpy().tobytes() for points, _ in made.values()}

    assert len(made) == len(places) == len(wishes)
    assert made[mapping.key_of(store, wishes[-1])][1]["settings"]["n_neighbors"] == 5
    assert made[mapping.key_of(store, wishes[5])][1]["settings"]["perplexity"] == 10
    for one in wishes:  # taken from the store, to the bit
        again, _ = mapping.make(store, one)
        pd.testing.assert_frame_equal(again, made[mapping.key_of(store, one)][0])


def test_hubs_and_continuity_are_of_the_model_not_of_the_map(store, wish):
    table, about = mapping.faithful(store, wish)
    x = store.read(wish.name, taps=("joint",)).layers["joint"]
    near = nearest(x, x, 10, itself=np.arange(72)).ids

    assert table["hub"].tolist() == np.bincount(near.ravel(), minlength=72).tolist()
    assert table["hub"].mean() == pytest.approx(10)
    assert table["continuity"].mean() == pytest.approx(about["continuity"]["value"])


def test_every_item_of_many_is_judged_only_up_to_a_number(store, wish, monkeypatch):
    monkeypatch.setattr(trust, "FEWEST_JUDGED", 20)
    monkeypatch.setattr(mapping, "drawn_by_lot", partial(trust.drawn_by_lot, pairs=1))
    whole, _ = mapping.faithful(store, wish)
    monkeypatch.setattr(mapping, "MOST_JUDGED", 71)
    monkeypatch.setattr(mapping, "faithful_key", lambda *_: "another")
    some, about = mapping.faithful(store, wish)
    known = some["trust"].notna()

    assert known.sum() == 20
    assert (some["continuity"].notna() == known).all()
    pd.testing.assert_frame_equal(
        some.loc[known, ["trust", "continuity"]], whole.loc[known, ["trust", "continuity"]]
    )
    assert some["hub"].isna().all()
    assert about["trustworthiness"]["n"] == about["continuity"]["n"] == 20


def test_judging_that_takes_long_is_done_when_it_is_asked_for(store, wish, monkeypatch):
    aligned = wish._replace(space="aligned", pairs=9)  # that no other test asks for
    monkeypatch.setattr(mapping, "QUICK_JUDGING", 0.0)
    command = map_command(Job(store.place, wish.name, "joint", json.dumps(aligned), judge=True))
    mapping.main(command[3:5])
    assert store.kept(mapping.key_of(store, aligned)) is not None
    assert store.kept(mapping.faithful_key(store, aligned)) is None

    assert command[5:] == ["--judge"]
    mapping.main(command[3:])
    assert store.kept(mapping.faithful_key(store, aligned)) is not None


@pytest.mark.slow
def test_a_map_that_is_made_by_the_command_notes_map_and_judgement(store, wish, monkeypatch):
    noted = []
    monkeypatch.setattr(Notes, "note", lambda _self, *said, **more: noted.append((*said, more)))
    mapping.make_and_judge(store, wish._replace(space="centred", method="umap"))

    stages = list(dict.fromkeys(more["stage"] for _, _, more in noted))
    assert stages == ["searching neighbours", "laying out", "judging the map"]
    ends = [number for number, (done, of, _) in enumerate(noted) if done == of]
    assert len(ends) == 2  # of the map, and of the judgement
    assert ends[-1] == len(noted) - 1


def test_a_way_through_the_layers_has_all_items_at_every_stop(store, wish):
    points, about = mapping.make(store, wish._replace(over="layers"))
    taps = store.recipe(wish.name).taps

    assert tuple(dict.fromkeys(points["step"])) == taps
    assert list(about["maps"]) == list(taps)
    assert [(m["before"], m["after"]) for m in about["moves"]] == list(itertools.pairwise(taps))
    first = points[points["step"] == taps[0]]
    for tap in taps:
        part = points[points["step"] == tap]
        assert part["id"].tolist() == first["id"].tolist()
        assert part["modality"].tolist() == first["modality"].tolist()


def test_the_way_is_the_same_from_whichever_layer_it_is_looked_at(store, wish):
    over = wish._replace(over="layers")

    assert mapping.key_of(store, over) == mapping.key_of(store, over._replace(tap="embed"))
    assert mapping.key_of(store, over) != mapping.key_of(store, over._replace(space="centred"))


@pytest.mark.slow
def test_a_way_through_training_goes_through_the_checkpoints_of_one_run(toys, tmp_path):
    store, folder = Store(tmp_path / "store", create=True), read_folder(toys)
    called = ["a-step_000020", "a-step_000003"]
    others = ["b-step_000004", "a"]
    for seed, encoder in enumerate([*called, *others]):
        embed(of_learner(encoder, Learner(smallest(seed=seed))), folder, store)
    names = {recipe.encoder: name for name, recipe in store.recipes().items()}
    found = mapping.checkpoints_of(store, names[called[0]])
    points, about = mapping.make(store, MapWish(found[0][1], "joint", "pca", over="steps"))

    assert found == [(3, names[called[1]]), (20, names[called[0]])]
    assert mapping.checkpoints_of(store, names["a"]) == []
    assert list(dict.fromkeys(points["step"])) == ["3", "20"]
    assert about["moves"][0]["changed"] > 0


def test_a_way_is_not_judged_as_one_map(store, wish):
    with pytest.raises(StoreError, match="every map of a journey is judged by itself"):
        mapping.faithful(store, wish._replace(over="layers"))


def test_a_map_is_made_by_a_command_that_says_what_is_wrong(store, wish, capsys):
    centred = wish._replace(space="centred")
    job = Job(store.place, wish.name, "joint", json.dumps(centred))
    arguments = map_command(job)[3:]

    assert map_command(job)[1:3] == ["-m", "app.mapping"]
    assert mapping.read_wish(arguments[1]) == centred
    assert mapping.main(arguments) == 0
    assert store.kept(mapping.faithful_key(store, centred)) is not None
    assert (
        mapping.main([store.place, json.dumps(wish._replace(tap="block_99", method="tsne"))]) == 2
    )
    assert "has no tap block_99" in capsys.readouterr().err


def test_the_gap_is_kept(store, name):
    first = mapping.gaps(store, name, "joint", MapWish(name, "joint").spaced())
    again = mapping.gaps(store, name, "joint", MapWish(name, "joint").spaced())

    assert first == again
    assert [(g["first"], g["second"]) for g in first] == [
        ("image", "audio"), ("image", "text"), ("audio", "text")
    ]  # fmt: skip
