"""One contract for everything that turns items into layer states."""
