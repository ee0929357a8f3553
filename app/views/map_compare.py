"""Two maps of the same items side by side: what is looked at or selected on one is on both."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from app import cached, cached_map, state
from app.map_chart import Marked
from app.map_words import MAPS, change_words, cka_rows
from app.scatter.naming import group_names
from app.views.item_panel import draw_item
from app.views.map_filter import ask_colour, ask_drawing, ask_shown
from app.views.map_find import ask_find
from app.views.map_item import choose_row, chosen_row, draw_table
from app.views.map_link import offer_link
from app.views.map_picture import MAP, Picture, draw_picture
from app.views.map_trust import known_items
from app.views.map_wait import read_map
from app.views.selected import draw_selected, selected_rows
from app.wishes import MapWish
from app.words import tap_words
from d2v_core.errors import D2VError

if TYPE_CHECKING:
    from probes.result import Plain

OTHER = "map_other"
LINK = "side by side"
COLOURS = ("changed", "trust")


def ask_other(chosen: state.Chosen) -> tuple[str, str]:
    """Ask for run and layer of the right side; by default the first layer of the same run."""
    found = {choice.name: choice.recipe for choice in cached.choices(chosen.place)}
    called = cached.called(chosen.place)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            "Other run", list(found), index=list(found).index(chosen.name), key="other_run",
            format_func=called.__getitem__, bind="query-params", persist_state="session",
        )  # fmt: skip
        tap = st.selectbox(
            "Other layer", found[name].taps, key="other_layer", format_func=tap_words,
            bind="query-params", persist_state="session",
        )  # fmt: skip
    return name, tap


def read_both(
    chosen: state.Chosen, wish: MapWish, other: tuple[str, str]
) -> tuple[list[MapWish], "list[Plain]", list[pd.DataFrame]]:
    """Return both maps by one method: PCA as long as one of them is being made."""
    wishes = [wish, wish._replace(name=other[0], tap=other[1])]
    read = [read_map(chosen, one) for one in dict.fromkeys(wishes)]
    if len({made.method for made, _, _ in read}) > 1:
        quick = [one._replace(method="pca", settings=()) for one in dict.fromkeys(wishes)]
        read = [(one, *cached_map.drawn(chosen.place, one)) for one in quick]
    read *= 2 // len(read)  # a map beside itself
    return [r[0] for r in read], [r[2] for r in read], [r[1] for r in read]


def draw_two(chosen: state.Chosen, wish: MapWish) -> None:
    """Draw the page's two maps."""
    other = ask_other(chosen)
    sides = (chosen.name, chosen.tap), other
    with st.spinner("Comparing"):
        changes, about = cached_map.compared(chosen.place, *sides, wish.spaced())
    wishes, facts, points = read_both(chosen, wish, other)
    _explore(
        chosen, wishes, points, changes, lambda: _draw_numbers(about, wishes, facts, len(changes))
    )


@st.fragment
def _explore(
    chosen: state.Chosen,
    wishes: list[MapWish],
    points: list[pd.DataFrame],
    changes: pd.DataFrame,
    draw_numbers: Callable[[], None],
) -> None:
    items = chosen.read().items
    row = chosen_row(chosen, items)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        colour = ask_colour(items, COLOURS, first="changed")
        shown = ask_shown(items)
        lines, names = ask_drawing()
        found, focus = ask_find(chosen, items)
        offer_link()
    called = cached.called(chosen.place)
    own = (items["id"] == items["id"].iloc[row]).to_numpy()
    partners = tuple(int(r) for r in np.flatnonzero(own) if r != row)
    if colour in COLOURS:
        shown = shown & known_items((changes if colour == "changed" else points[0])[colour])
    tables = []
    for column, key, one, part in zip(
        st.columns(2, gap="small"), (MAP, OTHER), wishes, points, strict=True
    ):
        columns = {name: part[name].to_numpy() for name in ("x", "y", "trust")}
        table = items.assign(
            **columns, row=range(len(items)), changed=changes["changed"].to_numpy()
        )
        tables.append(table)
        frame = cached_map.laid(chosen.place, one, len(items)).frames[-1]
        picture = Picture(
            points=table,
            coordinates=frame,
            shown=shown,
            colour=colour,
            marked=Marked(row, partners),
            lines=lines,
            space=one.spaced(),
            layer=(one.name, one.tap),
            names=group_names(table, frame, colour, shown) if names else (),
            found=found,
            focus=focus,
            link=LINK,
        )
        with column:
            st.markdown(f"**{called[one.name]}**, {tap_words(one.tap)}")
            draw_picture(chosen, picture, lambda r: choose_row(items, r), key=key)
    rows, hidden = selected_rows(chosen, tables[0], shown)
    if rows is not None:
        draw_selected(chosen, wishes[0], tables[0], rows, hidden)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        draw_numbers()
    with right:
        draw_item(chosen, items.iloc[row])
    draw_table(items, tables[0][shown] if rows is None else tables[0].iloc[rows])


def _draw_numbers(about: "Plain", wishes: list[MapWish], facts: "list[Plain]", items: int) -> None:
    """Print how alike the two are."""
    st.markdown(change_words(about, items))
    table = pd.DataFrame(cka_rows(about["cka"])).fillna("")
    st.dataframe(table, hide_index=True, key="cka_table")
    trust = " and ".join(f"{one['trustworthiness']['value']:.3f}" for one in facts)
    st.caption(
        "CKA: do both sides arrange the items of a sense in the same shape, up to rotation? 1 yes, "
        "0 no more than chance. Of held-out items, by permutation. Both maps are "
        f"{MAPS[wishes[0].method]}, turned to fit one another; trustworthiness {trust}."
    )


def page_two(chosen: state.Chosen, wish: MapWish) -> None:
    """Draw the page, or say why the two cannot be compared."""
    try:
        draw_two(chosen, wish)
    except D2VError as error:
        st.warning(str(error))
