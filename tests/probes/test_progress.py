"""What a long computation tells: all of it, to one listener, and nothing afterwards."""

import numpy as np

from probes.maps import umap_map
from probes.progress import tell, told_to


def test_a_listener_hears_what_is_computed_within():
    heard = []
    tell("before", 0, 1)
    with told_to(lambda *said: heard.append(said)):
        tell("within", 1, 2)
    tell("after", 0, 1)

    assert heard == [("within", 1, 2)]


def test_a_listener_within_another_is_heard_alone():
    outer, inner = [], []
    with told_to(lambda *said: outer.append(said)):
        with told_to(lambda *said: inner.append(said)):
            tell("a", 0, 1)
        tell("b", 0, 1)

    assert (outer, inner) == ([("b", 0, 1)], [("a", 0, 1)])


def test_a_map_tells_its_stages_in_order_and_each_to_its_end():
    heard = []
    with told_to(lambda *said: heard.append(said)):
        umap_map(np.random.default_rng(0).normal(size=(40, 5)))

    assert list(dict.fromkeys(stage for stage, _, _ in heard)) == ["neighbours", "layout", "trust"]
    for stage in ("neighbours", "layout", "trust"):
        told = [(done, of) for name, done, of in heard if name == stage]
        assert told == sorted(told)
        assert told[-1][0] == told[-1][1] > 0
