"""Something new on a map that stays as it is: a sentence, a picture or a sound of one's own."""

from typing import NamedTuple

import numpy as np

from app import mapping
from app.asking import Query, vectors_of
from app.spaces import open_space, vectors_in
from app.wishes import MapWish
from d2v_core.errors import StoreError
from d2v_core.store import Store
from probes.placing import place


class Guest(NamedTuple):
    """Where something new belongs on a map."""

    x: float
    """On the map as it was made, not as it is drawn."""

    y: float
    cosine: float
    """With the nearest item."""

    doubt: float
    """How far apart its nearest items lie, in spreads of the map."""

    nearest: tuple[int, ...]
    """Rows of the nearest items, nearest first."""

    how: str
    """"projection" on the axes of the map, or "neighbours": between the nearest items."""


def place_guest(store: Store, wish: MapWish, tap: str, query: Query) -> Guest:
    """Put something new on a map; no item of it moves.

    It goes through the encoder that made the representation, and the same way into the space of the
    map.

    Args:
        store: where the map is.
        wish: the map, which is made already or takes no time.
        tap: the layer; of a way through layers, the stop.
        query: what is new.

    Raises:
        StoreError: if the run cannot encode it, or it has no place.
    """
    vector = vectors_of(store, wish.name, query)[tap]
    data = store.read(wish.name, taps=(tap,))
    space = open_space(data, tap, wish.spaced())
    points, about = mapping.make(store, wish)
    if wish.over == "steps":
        raise StoreError("on a way through training nothing new is placed; look at one layer")
    if wish.over:
        points, about = points[points["step"] == tap], about["maps"][tap]
    try:
        new = vector if space is None else space.carry(query.modality, vector)
        found = place(
            mapping.rebuilt(points, about),
            vectors_in(data, tap, space),
            np.asarray(new, dtype=np.float32),
            how="neighbours" if wish.over else None,
        )
    except ValueError as error:
        raise StoreError(f"it has no place on this map: {error}") from error
    (x, y) = found.coordinates[0]
    return Guest(
        float(x),
        float(y),
        float(found.cosine[0]),
        float(found.doubt[0]),
        tuple(int(row) for row in found.neighbours[0]),
        found.how,
    )
