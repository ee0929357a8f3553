"""A query goes the way of the items; who cannot be asked says so."""

import numpy as np
import pandas as pd
import pytest

from app import asking, workbench
from app.asking import Query, ask, query_of
from app.importing import import_vectors
from d2v_core.encoders.run import of_learner
from d2v_core.errors import InputError, MediaError, StoreError
from d2v_core.learner import Learner
from d2v_core.store import Store
from tests.conftest import smallest

pytestmark = pytest.mark.slow  # ten seconds to embed and align
ENCODER = "random:tiny"  # opened by its name like any other, and needs no training


@pytest.fixture(scope="module")
def store(toys, tmp_path_factory):
    """What a network made of the toys, with low-level features beside it."""
    place = tmp_path_factory.mktemp("asked") / "store"
    for encoder in (ENCODER, "lowlevel"):
        workbench.embed(encoder, toys, place)
    return Store(place)


@pytest.fixture(scope="module")
def name(store):
    return workbench.name_of(store, ENCODER)


@pytest.mark.parametrize("modality", ["image", "audio", "text"])
def test_an_item_of_the_store_finds_itself(store, name, toys, modality):
    """Its own vector is among the stored ones but for half precision: cosine 1, rank 1."""
    items = store.read(name, taps=("embed",)).items
    own = items[(items["id"] == "07") & (items["modality"] == modality)].iloc[0]
    source = own["text"] if modality == "text" else toys / own["media"]
    given = {"text": None, "image": None, "audio": None, modality: source}
    found = ask(store, name, query_of(**given), k=3)
    first = found["modalities"][modality]["hits"][0]

    assert first["id"] == "07"
    assert first["cosine"] == pytest.approx(1.0, abs=1e-3)
    assert first["chance"] == 1 / 24
    assert set(found["modalities"]) == {"image", "audio", "text"}
    for part in found["modalities"].values():
        cosines = [hit["cosine"] for hit in part["hits"]]
        assert len(cosines) == 3
        assert cosines == sorted(cosines, reverse=True)
        assert part["average_cosine"] < cosines[0]


def test_hits_are_compared_with_what_items_drawn_by_lot_share(store, name, toys):
    """The label is chosen after the fact, so the largest count of any is what it stands beside."""
    found = ask(store, name, query_of(None, toys / "00.png", None), k=24)
    label = found["modalities"]["image"]["label"]
    few = ask(store, name, query_of(None, toys / "00.png", None), k=3)

    assert label["hits"] == 8
    assert label["by_lot"] == {"mean": 8.0, "low": 8, "high": 8}
    by_lot = few["modalities"]["image"]["label"]["by_lot"]
    assert (by_lot["low"], by_lot["high"]) == (1, 3)
    assert 1.5 < by_lot["mean"] < 2  # a third of the items have each label: its share would be 1


def test_without_a_claim_of_alignment_the_hits_say_so(store, name):
    found = ask(store, name, query_of("a robin", None, None))["modalities"]

    assert "alignment" not in found["text"]
    assert not found["image"]["alignment"]["claimed"]
    assert found["image"]["alignment"]["words"].startswith(
        "No alignment is claimed for random:tiny: "
    )


def claiming(verdict, tap):
    claim = {"level": "class", "verdict": verdict, "sentence": "A picture lands near sounds."}
    back = {"level": "class", "verdict": "cannot tell", "sentence": "Nobody knows."}
    pair = {"first": "image", "second": "audio", "run": {"tap": tap}, "claims": [claim, back]}
    return {"pairs": [pair]}


def test_a_claim_counts_in_its_direction_and_at_its_layer_only(store, name, toys, monkeypatch):
    monkeypatch.setattr(workbench, "align", lambda *_: claiming("aligned", "block_02.resid"))
    there = query_of(None, toys / "00.png", None)
    back = query_of(None, None, toys / "00.wav")
    audio = ask(store, name, there)["modalities"]["audio"]
    elsewhere = ask(store, name, there, tap="embed")["modalities"]["audio"]
    text = ask(store, name, there)["modalities"]["text"]["alignment"]

    assert audio["tap"] == "block_02.resid"
    assert audio["alignment"] == {"claimed": True, "words": "A picture lands near sounds."}
    assert not elsewhere["alignment"]["claimed"]
    assert (
        "claimed at block_02.resid, which is another layer than embed"
        in elsewhere["alignment"]["words"]
    )
    assert not ask(store, name, back)["modalities"]["image"]["alignment"]["claimed"]
    assert "was not measured" in text["words"]


def test_the_encoder_has_to_be_there_and_the_same(store, name, monkeypatch, tmp_path):
    query = query_of("a robin", None, None)
    monkeypatch.setattr(workbench, "encoder_places", lambda *_: [str(tmp_path / "gone")])
    with pytest.raises(StoreError, match="is not known to be anywhere any more; say where it is"):
        ask(store, name, query)
    assert ask(store, name, query, encoder=ENCODER)["encoder"] == ENCODER
    with pytest.raises(StoreError, match="random:tiny-shared has other weights than those that"):
        ask(store, name, query, encoder="random:tiny-shared")


def test_a_run_is_found_where_it_was_embedded_from(tmp_path, monkeypatch):
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)

    assert workbench.absolute("runs/mine") == str(tmp_path / "runs" / "mine")
    assert workbench.absolute("fairseq:runs/mine") == f"fairseq:{tmp_path / 'runs' / 'mine'}"
    assert workbench.absolute("random:tiny") == "random:tiny"
    assert workbench.can_be_opened("runs/mine")
    assert workbench.can_be_opened("random:tiny")
    assert not workbench.can_be_opened("random")
    assert not workbench.can_be_opened("fairseq:gone.pt")


def test_who_cannot_be_asked_says_why(store, name, toys, tmp_path):
    text = query_of("a robin", None, None)
    low = workbench.name_of(store, "lowlevel")
    np.save(tmp_path / "v.npy", np.eye(4, dtype=np.float32))
    pd.DataFrame({"modality": ["text"] * 4}).to_csv(tmp_path / "m.csv", index=False)
    made = import_vectors(tmp_path / "v.npy", tmp_path / "m.csv", tmp_path / "store").name
    with pytest.raises(StoreError, match="was imported: its vectors were made elsewhere"):
        ask(Store(tmp_path / "store"), made, text)
    with pytest.raises(StoreError, match="holds low-level features, which are no model"):
        ask(store, low, text)
    with pytest.raises(StoreError, match="has no tap block_09"):
        ask(store, name, text, tap="block_09")
    with pytest.raises(InputError, match="-k 0: at least 1"):
        ask(store, name, text, k=0)
    with pytest.raises(MediaError, match="empty"):
        ask(store, name, query_of("  ", None, None))
    with pytest.raises(InputError, match="there is no file"):
        query_of(None, tmp_path / "gone.png", None)
    for given in ((None, None, None), ("a", toys / "00.png", None)):
        with pytest.raises(InputError, match="ask with one of --text SENTENCE"):
            query_of(*given)


def test_a_modality_that_the_encoder_does_not_have_is_refused(store, name, monkeypatch):
    deaf = of_learner("deaf", Learner(smallest("separate", audio=None)))
    monkeypatch.setattr(asking, "open_again", lambda *_: deaf)
    with pytest.raises(StoreError, match="random:tiny encodes image, text, but the query is audio"):
        ask(store, name, Query("audio", "no matter"))


def test_representations_go_by_the_name_of_their_encoder(store):

    assert workbench.name_of(store, "lowlevel").startswith("lowlevel-")
    assert workbench.name_of(store, ENCODER).startswith("random-tiny-")
    with pytest.raises(StoreError, match="has no representation 'nobody'; it has lowlevel-"):
        workbench.name_of(store, "nobody")
