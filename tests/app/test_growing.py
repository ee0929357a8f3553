"""What was measured of a store that had not all its rows yet is measured again when it has."""

import pytest

from app import (
    cached,
    cached_label,
    cached_map,
    comparing,
    deeper,
    guests,
    mapping,
    measured,
    workbench,
)
from app.measured import Wanted
from app.state import Chosen
from app.wishes import MapWish, SpaceWish
from d2v_core.data.folder import read_folder
from d2v_core.embed import embed
from d2v_core.encoders.lowlevel import LowLevelEncoder
from d2v_core.encoders.run import of_learner
from d2v_core.learner import Learner
from d2v_core.store import Store
from tests.conftest import smallest


@pytest.fixture
def grow(toys, tmp_path, monkeypatch):
    """A store of which two thirds are there, and what adds the rest."""
    monkeypatch.setattr("d2v_core.embed.CHUNK", 12)
    folder, store = read_folder(toys), Store(tmp_path / "store", create=True)
    run = of_learner("toy", Learner(smallest()))
    embed(LowLevelEncoder(), folder, store)

    def stop(done, _of):
        if done == 48:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed(run, folder, store, report=stop)
    name = workbench.name_of(store, "toy")

    def rest():
        assert embed(run, folder, store).added == 24

    return store, name, rest


def kept_tables(store):
    return {name for name in store.database.list_tables(limit=1000).tables if "kept." in name}


def counted(monkeypatch, module, function):
    """Count how often what measures is called."""
    calls, real = [], getattr(module, function)
    monkeypatch.setattr(module, function, lambda *a, **k: calls.append(1) or real(*a, **k))
    return calls


def test_a_map_of_a_store_that_grew_has_all_items(grow):
    store, name, rest = grow
    wishes = [MapWish(name, "joint", "pca"), MapWish(name, "joint", "pca", space="centred")]
    before = [len(mapping.make(store, wish)[0]) for wish in wishes]
    judged = len(mapping.faithful(store, wishes[0])[0])
    rest()

    assert (before, judged) == ([48, 48], 48)
    assert [len(mapping.make(store, wish)[0]) for wish in wishes] == [72, 72]
    assert len(mapping.faithful(store, wishes[0])[0]) == 72


def test_a_comparison_of_layers_of_a_store_that_grew_is_of_all_items(grow):
    store, name, rest = grow
    sides = (name, "embed"), (name, "joint")
    before = comparing.compare(store, *sides, space=SpaceWish())[0]
    rest()

    assert (len(before), len(comparing.compare(store, *sides, space=SpaceWish())[0])) == (48, 72)


@pytest.mark.parametrize(
    ("wanted", "module", "function"),
    [
        (("probe", "size"), workbench, "probe_modality"),
        (("geometry",), deeper, "measure_geometry"),
        (("align",), workbench, "measure_alignment"),
    ],
)
def test_a_measurement_is_made_again_if_rows_were_added_and_only_then(
    grow, monkeypatch, wanted, module, function
):
    store, name, rest = grow
    kind, *more = wanted
    calls, one = counted(monkeypatch, module, function), Wanted(kind, name, tuple(more))
    partial = measured.measure(store, one)
    once = len(calls)

    assert once > 0
    assert measured.measure(store, one) == partial == measured.kept(store, one)
    assert len(calls) == once
    rest()
    assert measured.kept(store, one) is None
    whole = measured.measure(store, one)
    assert len(calls) == 2 * once
    assert whole != partial
    assert measured.kept(store, one) == whole


def test_pages_read_a_store_anew_when_it_grew(grow, monkeypatch):
    store, name, rest = grow
    wish = MapWish(name, "joint", "pca")
    assert len(cached.representation(store.place, name, "joint").items) == 48
    assert len(cached_map.drawn(store.place, wish)[0]) == 48
    rest()
    cached.held.clear()  # which some seconds do, too

    whole = cached.representation(store.place, name, "joint")
    assert len(whole.items) == len(cached_map.drawn(store.place, wish)[0]) == 72
    assert cached.representation(store.place, name, "joint") is whole


def answers_of(place, name, tap):
    """Return what the pages keep of a store, by the name of what keeps it."""
    wish, space = MapWish(name, tap, "pca"), SpaceWish()
    chosen = Chosen(place, name, tap, name, "trained", is_sample=False)
    return {
        "takes": cached_map.takes(place, wish),
        "around": [one.gallery for one in cached_map.around(chosen, space, 0, k=4)],
        "gaps": cached_map.gaps(place, name, tap, SpaceWish("centred")),
        "pairs_there": cached_map.pairs_there(place, name, tap),
        "space_facts": cached_map.space_facts(place, name, tap, SpaceWish("aligned")),
        "compared": len(cached_map.compared(place, (name, "embed"), (name, tap), space)[0]),
        "guest": cached_map.guest(place, wish, tap, ("text", "An owl.")),
        "pool": len(cached_label.pool(place, name, tap, "all").items),
    }


def test_nothing_that_pages_keep_outlives_a_store_that_grew(grow, monkeypatch):
    store, name, rest = grow
    vector = store.read(name, taps=("joint",)).layers["joint"][3:4]
    monkeypatch.setattr(guests, "vectors_of", lambda *_: {"joint": vector})
    before = answers_of(store.place, name, "joint")
    rest()
    cached.held.clear()
    after = answers_of(store.place, name, "joint")

    assert (before["pool"], before["compared"]) == (48, 48)
    assert (after["pool"], after["compared"]) == (72, 72)
    assert [key for key in before if before[key] == after[key]] == []
