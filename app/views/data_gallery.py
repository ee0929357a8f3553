"""A gallery of rows: pictures to look at, sounds to listen to, sentences to read."""

from pathlib import Path

import streamlit as st

from app import cached_data
from app.following import settle
from app.looking import (
    CLIP_SECONDS,
    NO_LABEL,
    TILES,
    Looked,
    matching,
    page_of,
    pages,
    text_of,
    with_modalities,
)
from app.plain_text import plain
from app.words import SINGULAR
from d2v_core.data.items import Item
from d2v_core.errors import D2VError

PAGE = "data_page"
COLUMNS = 4
MOST_LETTERS = 240


def gallery(looked: Looked) -> None:
    """Draw filters, and a page of the rows that they let through."""
    st.subheader("Gallery")
    ids = filtered(looked)
    if not ids:
        st.info("No row fits these filters; take one away.", icon=":material/filter_alt_off:")
        return
    count = pages(len(ids))
    if st.session_state.get(PAGE, 1) > count:
        first_page()
    with st.container(horizontal=True, vertical_alignment="center"):
        page = 1
        if count > 1:
            page = st.pagination(count, key=PAGE, bind="query-params", persist_state="session")
        first = (page - 1) * TILES + 1
        st.caption(f"{first:,} to {min(first + TILES - 1, len(ids)):,} of {len(ids):,} rows")
    of_row: dict[str, list[Item]] = {name: [] for name in page_of(ids, page)}
    for item in looked.folder.items:
        if item.id in of_row:
            of_row[item.id].append(item)
    draw_tiles(list(of_row.values()))


def filtered(looked: Looked) -> list[str]:
    """Draw the filters; return the ids of the rows that they let through."""
    rows = looked.rows
    labels = rows["label"].fillna(NO_LABEL).value_counts().index.tolist()
    splits = [name for name in ("train", "val", "test") if (rows["split"] == name).any()]
    for key in ("gallery_labels", "gallery_splits", "gallery_senses"):
        settle(key, str(looked.folder.root), [])
    left, middle, right = st.columns([2, 1, 1])
    with left:
        wanted = st.multiselect(
            "Labels", labels, key="gallery_labels", placeholder="all labels", on_change=first_page,
            bind="query-params", persist_state="session",
        )  # fmt: skip
    with middle:
        parts = st.pills(
            "Splits", splits, selection_mode="multi", key="gallery_splits", on_change=first_page,
            bind="query-params", persist_state="session",
        )  # fmt: skip
    with right:
        senses = st.pills(
            "Must have",
            list(looked.counts),
            format_func=lambda modality: SINGULAR[modality].lower(),
            selection_mode="multi",
            key="gallery_senses",
            on_change=first_page,
            bind="query-params",
            persist_state="session",
        )
    return matching(with_modalities(rows, senses), labels=wanted, splits=parts)


def first_page() -> None:
    """Go to the first page: other rows are shown from now on."""
    st.session_state[PAGE] = 1


def draw_tiles(rows: list[list[Item]]) -> None:
    """Draw rows as tiles, some beside each other."""
    for start in range(0, len(rows), COLUMNS):
        part = rows[start : start + COLUMNS]
        for column, row in zip(st.columns(COLUMNS), part, strict=False):
            with column.container(border=True, height="stretch"):
                draw_row(row)


def draw_row(row: list[Item]) -> None:
    """Draw all that a row has."""
    for item in row:
        try:
            draw_item(item)
        except D2VError as error:
            st.caption(f":material/broken_image: {SINGULAR[item.modality]}: {plain(str(error))}")
        except OSError:
            st.caption(f":material/broken_image: {SINGULAR[item.modality]}: the file is gone")
    first = row[0]
    label = plain(first.label) if first.label is not None else NO_LABEL
    st.caption(f"**{label}** · {first.split} · {plain(shortened(first.id, 40))}")


def draw_item(item: Item) -> None:
    """Draw a picture, a sound or a sentence; raise MediaError if it cannot be decoded."""
    words = f"{SINGULAR[item.modality]} of {item.label or item.id}"
    if item.modality == "image":
        st.image(cached_data.tile(*key_of(item)), width="stretch", alt=words)
    elif item.modality == "audio":
        sound, seconds = cached_data.clip(*key_of(item))
        st.image(cached_data.strip_of(sound), width="stretch", alt=f"Spectrogram. {words}")
        st.audio(sound.wav, format="audio/wav", alt=words)
        if seconds > CLIP_SECONDS:
            st.caption(f"the first {CLIP_SECONDS:.0f} s of {seconds:.0f} s")
    else:
        st.markdown(f"> {plain(shortened(text_of(item), MOST_LETTERS))}")


def key_of(item: Item) -> tuple[str, float]:
    """Return path and time of a file: another file of the same name is read anew."""
    path: Path = item.file
    return str(path), path.stat().st_mtime


def shortened(text: str, most: int) -> str:
    """Return a text, its end left out if it is long; line ends become blanks."""
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 1]}…"
