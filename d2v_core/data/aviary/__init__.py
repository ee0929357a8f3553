"""The made world: birds that can be seen, heard and read about, and the truth about each."""

from d2v_core.data.aviary.make import Item, make_aviary, make_item
from d2v_core.data.aviary.world import Factors

__all__ = ["Factors", "Item", "make_aviary", "make_item"]
