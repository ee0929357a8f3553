"""Map: all items of all modalities in one picture; click one to see, hear and read it."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from app import cached_map, state
from app.cached_label import with_labels
from app.following import follow
from app.map_chart import Marked
from app.scatter.component import Focus, Place, Stop
from app.scatter.naming import group_names
from app.views.item_panel import draw_item, draw_surroundings
from app.views.map_choice import choose_view, choose_wish
from app.views.map_compare import page_two
from app.views.map_filter import ask_colour, ask_drawing, ask_shown
from app.views.map_find import ask_find
from app.views.map_guest import ask_guest, draw_brought, place_guest
from app.views.map_item import choose_row, chosen_row, draw_table
from app.views.map_link import offer_link
from app.views.map_picture import Picture, draw_picture
from app.views.map_selection import bring_back_map
from app.views.map_space import draw_space, settle_space
from app.views.map_trust import draw_move, draw_trust, judge_items
from app.views.map_wait import read_map
from app.views.selected import draw_selected, selected_rows
from app.wishes import MapWish
from app.words import tap_words
from d2v_core.errors import D2VError

if TYPE_CHECKING:
    from probes.result import Plain

AGAIN = "draw_map_again"


def table_of(
    chosen: state.Chosen, wish: MapWish, points: pd.DataFrame, *, colour: str, shown: np.ndarray
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the items with places and all that can colour them, and which of them are drawn."""
    items = with_labels(chosen.place, chosen.name, chosen.read().items)
    columns = {name: points[name].to_numpy() for name in ("x", "y", "trust")}
    table = items.assign(**columns, row=range(len(items)))
    table, known = judge_items(chosen, wish, table, colour)
    return table, shown & known


def stop_of(chosen: state.Chosen, wish: MapWish, laid: cached_map.Laid) -> int:
    """Return which stop of a way is shown: that of the chosen layer or checkpoint."""
    if not wish.over:
        return 0
    named = chosen.tap
    if wish.over == "steps":
        steps = {name: str(step) for step, name in checkpoints(chosen)}
        named = steps.get(chosen.name, "")
    return laid.stops.index(named) if named in laid.stops else len(laid.stops) - 1


def checkpoints(chosen: state.Chosen) -> list[tuple[int, str]]:
    """Return the checkpoints that a way through training goes through."""
    return cached_map.checkpoints(chosen.place, chosen.name)


def go_to(chosen: state.Chosen, wish: MapWish, laid: cached_map.Laid, stop: int) -> None:
    """Choose the layer or the checkpoint at which the slider was let go."""
    if wish.over == "layers":
        follow("layer", laid.stops[stop])
    else:
        names = {str(step): name for step, name in checkpoints(chosen)}
        st.session_state["run"] = names[laid.stops[stop]]
    st.session_state[AGAIN] = True


def stop_words(wish: MapWish, stop: str) -> str:
    """Return what a stop is called."""
    return tap_words(stop) if wish.over == "layers" else f"step {stop}"


def _focus(guests: tuple[Place, ...]) -> Focus | None:
    """Bring into the middle what was brought."""
    if not guests:
        return None
    places = tuple((guest.x, guest.y) for guest in guests)
    return Focus(f"guest {places}", (), places)


@st.fragment
def explore(chosen: state.Chosen, wish: MapWish, points: pd.DataFrame, about: "Plain") -> None:
    """Draw map and item; a click redraws only this."""
    if st.session_state.pop(AGAIN, False):
        st.rerun()
    items = with_labels(chosen.place, chosen.name, chosen.read().items)
    row = chosen_row(chosen, items)
    laid = cached_map.laid(chosen.place, wish, len(items))
    at = stop_of(chosen, wish, laid)
    if wish.over:
        points = points[points["step"] == laid.stops[at]]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        made = ("trust",) if wish.over else ("trust", "continuity", "hub")
        colour = ask_colour(items, made)
        shown = ask_shown(items)
        lines, names = ask_drawing()
        found, focus = ask_find(chosen, items)
        asked = ask_guest()
        offer_link()
    left, right = st.columns([3, 2], gap="medium")
    with left:
        brought = place_guest(chosen, wish, laid, asked)
        table, shown = table_of(chosen, wish, points, colour=colour, shown=shown)
        own = (items["id"] == items["id"].iloc[row]).to_numpy()
        partners = tuple(int(r) for r in np.flatnonzero(own) if r != row)
        frame = laid.frames[at]
        picture = Picture(
            points=table,
            coordinates=frame,
            shown=shown,
            colour=colour,
            marked=Marked(row, partners),
            lines=lines,
            space=wish.spaced(),
            stops=tuple(
                Stop(stop_words(wish, stop), places)
                for stop, places in zip(laid.stops, laid.frames, strict=True)
                if wish.over
            ),
            stop=at,
            names=group_names(table, frame, colour, shown) if names else (),
            found=(*found, *brought.nearest),
            focus=focus or _focus(brought.places),
            guests=brought.places,
        )
        draw_picture(
            chosen,
            picture,
            lambda r: choose_row(items, r),
            go=lambda stop: go_to(chosen, wish, laid, stop),
        )
        if wish.over:
            draw_move(about, laid.stops[at], stop_words(wish, laid.stops[at]))
        draw_brought(items, brought)
        rows, hidden = selected_rows(chosen, table, shown)
        judged = about["maps"][laid.stops[at]] if wish.over else about
        draw_trust(chosen, wish, judged, laid)
    with right:
        draw_item(chosen, items.iloc[row])
    if rows is not None:
        draw_selected(chosen, wish, table, rows, hidden)
    surroundings = cached_map.around(chosen, wish.spaced(), row, k=4)
    draw_surroundings(chosen, items, row, surroundings)
    draw_table(items, table[shown] if rows is None else table.iloc[rows])


def page(chosen: state.Chosen) -> None:
    """Draw the page."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title("What lands where?")
        view = choose_view(chosen)
    try:
        bring_back_map(chosen)
        wish = settle_space(chosen, choose_wish(chosen, view))
        draw_space(chosen, wish)
        if view == "two":
            page_two(chosen, wish)
            return
        explore(chosen, *read_map(chosen, wish))
    except D2VError as error:
        st.warning(str(error))


page(state.current())
