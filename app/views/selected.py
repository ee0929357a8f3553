"""What is selected on the map: how many of what, to look at, to compare with all, to take away."""

import numpy as np
import pandas as pd
import streamlit as st

from app import cached, cached_map, state
from app.map_words import LIFT_WORDS
from app.plain_text import plain
from app.routes import ASSETS
from app.scatter.gallery import TILES, gallery
from app.shelves import put_up
from app.views.map_item import choose_row
from app.views.map_selection import selected
from app.wishes import MapWish
from app.words import PLURAL, SINGULAR
from d2v_core.errors import D2VError
from d2v_core.modality import MODALITIES

MOST_LABELS = 6
GALLERY = "gallery"
PARTS = {
    "look": ":material/grid_view: Look and listen",
    "lift": ":material/insights: What is typical of it",
    "save": ":material/download: Save",
}


def selected_rows(
    chosen: state.Chosen, table: pd.DataFrame, shown: np.ndarray
) -> tuple[np.ndarray | None, int]:
    """Return the selected rows that are shown, None if nothing is selected; and how many hide."""
    items = cached.identity(chosen.place, chosen.name, chosen.tap, len(table))
    kept = selected(chosen.place, items, len(table))
    if problem := st.session_state.pop("selection_problem", None):
        st.warning(f"This could not be selected: {problem}")
    if not len(kept.rows):
        return None, 0
    rows = kept.rows[shown[kept.rows]]
    return rows, len(kept.rows) - len(rows)


def draw_selected(
    chosen: state.Chosen, wish: MapWish, table: pd.DataFrame, rows: np.ndarray, hidden: int
) -> None:
    """Draw the selection.

    Args:
        chosen: store, run and layer.
        wish: the map.
        table: all items with their places.
        rows: that are selected and shown.
        hidden: how many more are selected.
    """
    part = table.iloc[rows]
    with st.container(border=True, key="selection"):
        st.markdown(f"**{len(rows)} selected**: {composition(part)}" + hidden_words(hidden))
        if not len(rows):
            return
        about = st.segmented_control(
            "Selection", list(PARTS), default="look", key="selection_part", required=True,
            format_func=PARTS.__getitem__, label_visibility="collapsed", persist_state="session",
            bind="query-params",
        )  # fmt: skip
        match about:
            case "lift":
                draw_lift(chosen, rows)
            case "save":
                draw_save(chosen, wish, part)
            case _:
                draw_gallery(chosen, table, rows)


def draw_gallery(chosen: state.Chosen, table: pd.DataFrame, rows: np.ndarray) -> None:
    """Draw a page of tiles, and what plays all sounds."""
    if not ASSETS.served:
        st.caption("Tiles need the app's own server (`d2v app`); the table below has the items.")
        return
    senses = table["modality"].iloc[rows]
    order = np.argsort(senses.map(list(MODALITIES).index).to_numpy(), kind="stable")
    rows = rows[order]
    pages = -(-len(rows) // TILES)
    page = 1
    if pages > 1:
        if st.session_state.get("gallery_of") != rows.tobytes():  # a page of another selection
            st.session_state["gallery_page"] = 1
        st.session_state["gallery_of"] = rows.tobytes()
        page = st.pagination(pages, key="gallery_page")
    media, _ = put_up(chosen.place, chosen.name, chosen.tap)
    items = chosen.read().items
    named = st.query_params.get("item", "")
    own = items.index[(items["id"] + ":" + items["modality"]) == named]

    def choose() -> None:
        row = st.session_state[GALLERY].get("chosen")
        if type(row) is int and 0 <= row < len(items):
            choose_row(items, row)

    gallery(
        rows[(page - 1) * TILES : page * TILES],
        rows[(table["modality"].iloc[rows] == "audio").to_numpy()],
        media=media,
        chosen=int(own[0]) if len(own) else -1,
        key=GALLERY,
        on_chosen=choose,
    )


def draw_lift(chosen: state.Chosen, rows: np.ndarray) -> None:
    """Draw what is more frequent in the selection than in all."""
    from app.representing import lift_table, lifts, sure

    data = chosen.read()
    try:
        found = lifts(data.items, data.partner_keys(), rows)
    except D2VError as error:
        st.info(str(error))
        return
    over = sure(found)
    if not over:
        st.info(f"Nothing is surely more frequent here than in all ({len(found)} values compared).")
    else:
        numbers = {"lift": st.column_config.NumberColumn(format="%.1f ×")}
        st.dataframe(lift_table(over), hide_index=True, column_config=numbers, key="lift_table")
    st.caption(LIFT_WORDS.format(compared=len(found)))


def draw_save(chosen: state.Chosen, wish: MapWish, part: pd.DataFrame) -> None:
    """Draw what a selection can be saved as."""
    from app import taking

    data = chosen.read()

    def parquet() -> bytes:
        seen = cached_map.seen(chosen.place, chosen.name, chosen.tap, wish.spaced())
        return taking.as_parquet(part, seen.layers[chosen.tap], chosen.tap)

    ways = [
        ("ids", "Ids", "selection_ids.tsv", "text/tab-separated-values",
         lambda: taking.as_ids(part), "Brings the selection back: Find, then a file of ids."),
        ("csv", "CSV", "selection.csv", "text/csv",
         lambda: taking.as_csv(part), "All that is known of the items, and their places."),
        ("parquet", "Parquet", "selection.parquet", "application/vnd.apache.parquet",
         parquet, "The same with the vectors of this layer."),
        ("zip", "Zip with media", "selection.zip", "application/zip",
         lambda: taking.as_folder(part, data.recipe), "A data folder, to open elsewhere."),
    ]  # fmt: skip
    with st.container(horizontal=True):
        for name, label, file, kind, make, said in ways:
            st.download_button(
                label, data=make, file_name=file, mime=kind, icon=":material/download:",
                on_click="ignore", key=f"save_{name}", help=said,
            )  # fmt: skip


def hidden_words(hidden: int) -> str:
    """Say how many of the selected the filter hides."""
    return f" ({hidden} more are hidden by the filter)" if hidden else ""


def composition(part: pd.DataFrame) -> str:
    """Say what a selection is made of: modalities, then its commonest labels."""
    senses = part["modality"].value_counts()
    words = [
        f"{senses[m]} {PLURAL[m] if senses[m] != 1 else SINGULAR[m].split()[-1]}"
        for m in PLURAL
        if m in senses
    ]
    labels = part["label"].value_counts()
    often = [f"{plain(str(name))} {count}" for name, count in labels.head(MOST_LABELS).items()]
    if len(labels) > MOST_LABELS:
        often.append(f"and {len(labels) - MOST_LABELS} more labels")
    return ", ".join(words) + (f" · {', '.join(often)}" if often else "")
