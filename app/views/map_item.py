"""Which item of the map is chosen: by the address, by a click, by the table."""

import pandas as pd
import streamlit as st

from app import state
from app.views import kept_address

ITEM, TABLE = "item", "map_table"
MOST_LISTED = 5000  # rows of the table; Streamlit sends them all with every click
NOT_LISTED = ("x", "y", "row", "hover", "media")


def default_item(items: pd.DataFrame) -> tuple[str, str]:
    """Return the item that is shown before anybody has clicked: a bird's picture from test."""
    part = items
    wishes = {"modality": "image", "split": "test", "is_bird": True, "held_out_species": False}
    for column, value in wishes.items():
        if column in part and (part[column] == value).any():
            part = part[part[column] == value]
    first = part.iloc[0]
    return str(first["id"]), str(first["modality"])


def chosen_row(chosen: state.Chosen, items: pd.DataFrame) -> int:
    """Return the row of the chosen item; of the default one if it is not in these data.

    The item is remembered by id and modality, so that it stays when run or layer change, and it is
    in the address of the page.
    """
    named = kept_address.bring_back(ITEM, chosen.place).rpartition(":")
    for ident, modality in ((named[0], named[2]), default_item(items)):
        found = items.index[(items["id"] == ident) & (items["modality"] == modality)]
        if len(found):
            return int(found[0])
    return 0


def choose_row(items: pd.DataFrame, row: int) -> None:
    """Remember an item."""
    own = items.iloc[row]
    kept_address.say(ITEM, f"{own['id']}:{own['modality']}", state.current().place)


def on_pick(items: pd.DataFrame, rows: list[int]) -> None:
    """Choose the item that was picked in the table."""
    picked = st.session_state[TABLE]["selection"]["rows"]
    if picked:
        choose_row(items, rows[picked[0]])


def draw_table(items: pd.DataFrame, shown: pd.DataFrame) -> None:
    """Draw the same items as a table, where one can be picked without a mouse."""
    with st.expander("The same as a table, to pick an item from", icon=":material/table_rows:"):
        if len(shown) > MOST_LISTED:
            st.caption(
                f"The first {MOST_LISTED} of {len(shown)}; a selection or a filter leads to fewer."
            )
        listed = shown.head(MOST_LISTED)
        st.dataframe(
            listed[[c for c in listed if c not in NOT_LISTED]],
            hide_index=True,
            height=300,
            key=TABLE,
            on_select=lambda: on_pick(items, listed["row"].tolist()),
            selection_mode="single-row",
        )
