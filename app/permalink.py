"""What the address of the map holds beside the widgets: what is selected, and what is in view.

A selection is a bitmap of the rows, packed. One that would make the address too long is kept in the
store, and the address has its hash.
"""

import base64
import binascii
import hashlib
import math
import zlib

import numpy as np
import pandas as pd

from d2v_core.errors import InputError
from d2v_core.store import Store

LONGEST = 1500
"""Characters of a packed selection; browsers and chats cut off long addresses."""

OF_ITEMS = 8  # characters of the hash of the items
View = tuple[float, float, float]


def pack_rows(rows: np.ndarray, items: str, count: int) -> str:
    """Return selected rows as text for an address.

    Args:
        rows: of the items.
        items: hash of the items and their order.
        count: how many items there are.
    """
    marks = np.zeros(count, dtype=bool)
    marks[rows] = True
    packed = zlib.compress(np.packbits(marks).tobytes(), 9)
    return f"{items[:OF_ITEMS]}.{base64.urlsafe_b64encode(packed).decode().rstrip('=')}"


def unpack_rows(text: str, items: str, count: int) -> np.ndarray:
    """Return the rows that an address names, ascending.

    Raises:
        InputError: if it names none, or those of other items.
    """
    of, _, packed = text.partition(".")
    if of != items[:OF_ITEMS]:
        raise InputError("the link's selection is of other items than these")
    wanted = (count + 7) // 8
    try:
        raw = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
        stream = zlib.decompressobj()
        content = stream.decompress(raw, wanted + 1)  # never more than is wanted
    except (ValueError, binascii.Error, zlib.error) as error:
        raise InputError("the link's selection cannot be read; it was cut off") from error
    if len(content) != wanted or not stream.eof:
        raise InputError("the link's selection cannot be read; it was cut off")
    marks = np.unpackbits(np.frombuffer(content, dtype=np.uint8))
    return np.flatnonzero(marks[:count])


def selection_text(store: Store, rows: np.ndarray, items: str, count: int) -> str:
    """Return a selection for an address; a long one is kept in the store."""
    packed = pack_rows(rows, items, count)
    if len(packed) <= LONGEST:
        return packed
    name = hashlib.sha256(packed.encode()).hexdigest()[:16]
    key = _key(name)
    if store.kept(key) is None:
        store.keep(key, pd.DataFrame({"packed": [packed]}), {})
    return f"@{name}"


def read_selection(store: Store, text: str, items: str, count: int) -> np.ndarray:
    """Return the rows of a selection in an address.

    Raises:
        InputError: if it names none of these items.
    """
    if text.startswith("@"):
        kept = store.kept(_key(text[1:]))
        if kept is None:
            raise InputError("the link's selection is too long for a link, and is not kept here")
        text = str(kept[0]["packed"].iloc[0])
    return unpack_rows(text, items, count)


def view_text(view: View | None) -> str:
    """Return what is in view for an address; nothing for the whole map."""
    return "" if view is None else ",".join(f"{part:.5g}" for part in view)


def read_view(value: object) -> View | None:
    """Return middle and zoom of a view from an address or the browser; None if it is none."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or len(parts) != 3:
        return None
    try:
        x, y, zoom = (float(part) for part in parts)
    except (TypeError, ValueError):
        return None
    if not all(map(math.isfinite, (x, y, zoom))) or zoom <= 0:
        return None
    return x, y, zoom


def _key(name: str) -> str:
    return f"selection|1|{name}"
