"""One item, to be seen, heard or read; and what lies around it."""

import html

import pandas as pd
import streamlit as st

from app import cached, state
from app.charts import spectrogram
from app.neighbourhood import Around
from app.plain_text import plain
from app.words import PLURAL, SINGULAR, tap_words
from d2v_core.errors import D2VError

SOUNDS_AT_ONCE = 3
"""Players a column; every one holds its sound in memory."""

HIDDEN = {"id", "modality", "label", "split", "text", "media"}
SPLITS = {
    "train": "trained on this item or could have been",
    "val": "chosen with, not trained on",
    "test": "held out: neither trained on nor chosen with",
}
HOVER_CHARACTERS = 60


def hover_words(items: pd.DataFrame) -> list[str]:
    """Return what a point says when the mouse is over it; data may hold anything, so escaped."""
    words = []
    for ident, modality, label, text in zip(
        items["id"], items["modality"], items["label"], items["text"], strict=True
    ):
        lines = [f"<b>{SINGULAR[modality]}</b>"]
        lines += [html.escape(str(label))] if pd.notna(label) else []
        lines += [html.escape(shortened(str(text)))] if pd.notna(text) else []
        words.append("<br>".join([*lines, html.escape(str(ident))]))
    return words


def shortened(text: str) -> str:
    """Return the start of a text."""
    return text if len(text) <= HOVER_CHARACTERS else text[: HOVER_CHARACTERS - 1] + "…"


def draw_item(chosen: state.Chosen, item: pd.Series) -> None:
    """Draw the item itself and all that is known of it."""
    label = item["label"] if pd.notna(item["label"]) else "no label"
    with st.container(border=True):
        st.markdown(f"#### {SINGULAR[item['modality']]}: {plain(label)}")
        draw_media(chosen, item)
        split = f"{plain(item['split'])} ({SPLITS.get(item['split'], 'own split')})"
        st.caption(f"{plain(item['id'])} · {split}")
        facts = {
            name: value
            for name, value in item.items()
            if name not in HIDDEN and pd.notna(value) and value != item["label"]
        }
        if facts:
            st.markdown(
                " ".join(f":gray-badge[{plain(n)} **{plain(v)}**]" for n, v in facts.items())
            )


def draw_media(chosen: state.Chosen, item: pd.Series, *, autoplay: bool = False) -> None:
    """Show a picture, a sound with its spectrogram, or quote a sentence.

    Args:
        chosen: what it is of.
        item: is shown.
        autoplay: play a sound at once, where the browser lets it.
    """
    try:
        match item["modality"]:
            case "image":
                pixels = cached.picture(chosen.place, chosen.name, item["media"])
                st.image(pixels, width=300, alt=_alt(item))
            case "audio":
                sound = cached.playback(chosen.place, chosen.name, item["media"])
                st.audio(sound.wav, format="audio/wav", alt=_alt(item), autoplay=autoplay)
                pixels = cached.sound_picture(chosen.place, chosen.name, item["media"])
                figure = spectrogram(pixels, sound.seconds, sound.khz)
                bare = {"displayModeBar": False}
                st.plotly_chart(figure, key="spectrogram", config=bare, alt=_alt(item))
            case _:
                draw_sentence(item)
    except D2VError as error:
        st.warning(f"It cannot be shown: {error}", icon=":material/broken_image:")


def draw_sentence(item: pd.Series) -> None:
    """Quote a sentence."""
    text = item["text"] if pd.notna(item["text"]) else "(its text is not in the store)"
    st.markdown(f"> {plain(text)}")


def draw_surroundings(
    chosen: state.Chosen, items: pd.DataFrame, row: int, surroundings: list[Around]
) -> None:
    """Draw the nearest items of every modality, and where the item's own partners are."""
    st.subheader("Its nearest neighbours")
    st.caption(
        f"By cosine in {tap_words(chosen.tap)} of {chosen.encoder} itself, not on the map. "
        "✓ has the same label, ✗ another."
    )
    if not surroundings:
        st.info("There is no other item.")
        return
    for column, around in zip(st.columns(len(surroundings)), surroundings, strict=True):
        with column.container(border=True, height="stretch"):
            draw_modality(chosen, items, row, around)


def draw_modality(chosen: state.Chosen, items: pd.DataFrame, row: int, around: Around) -> None:
    """Draw the neighbours in one modality."""
    st.markdown(f"**Nearest {PLURAL[around.modality]}**")
    shown = around.nearest.head(
        SOUNDS_AT_ONCE if around.modality == "audio" else len(around.nearest)
    )
    st.caption(agreement(around, shown))
    nearest = [item for _, item in shown.iterrows()]
    cells = [st.container() for _ in nearest]
    if around.modality == "image":
        cells = [cell for _ in nearest[::2] for cell in st.columns(2)]
    for cell, item in zip(cells, nearest, strict=False):
        with cell:
            draw_neighbour(chosen, item)
    if around.partner is not None:
        draw_partner(chosen, items.iloc[around.partner], around)


def agreement(around: Around, shown: pd.DataFrame) -> str:
    """Say how many neighbours have the item's label, and how many would by chance."""
    agrees = shown["agrees"]
    if around.expected is None or agrees.isna().all():
        return f"of {around.gallery}; no label to compare"
    right = sum(1 for answer in agrees if answer is not None and bool(answer))
    by_chance = around.expected * len(agrees)
    return f"{right} of {len(agrees)} agree; by chance {by_chance:.1f} (n = {around.gallery})"


def draw_neighbour(chosen: state.Chosen, item: pd.Series) -> None:
    """Draw one neighbour, small."""
    agrees = item["agrees"]
    mark = "" if agrees is None or pd.isna(agrees) else ("✓ " if agrees else "✗ ")
    label = plain(item["label"]) if pd.notna(item["label"]) else "no label"
    words = f"{mark}{label}"
    words += f" · {item['cosine']:.2f}" if pd.notna(item["cosine"]) else ""
    try:
        if item["modality"] == "image":
            pixels = cached.picture(chosen.place, chosen.name, item["media"])
            st.image(pixels, width="stretch", alt=_alt(item))
            st.caption(words)
        elif item["modality"] == "audio":
            draw_small_sound(chosen, item, words)
        else:
            st.caption(words)
            draw_sentence(item)
    except D2VError as error:
        st.caption(f"{words} · cannot be shown: {error}")


def draw_small_sound(chosen: state.Chosen, item: pd.Series, words: str) -> None:
    """Draw a player under a small spectrogram."""
    sound = cached.playback(chosen.place, chosen.name, item["media"])
    st.caption(words)
    pixels = cached.sound_strip(chosen.place, chosen.name, item["media"])
    st.image(pixels, width="stretch", alt=_alt(item))
    st.audio(sound.wav, format="audio/wav", alt=_alt(item))


def draw_partner(chosen: state.Chosen, item: pd.Series, around: Around) -> None:
    """Draw the item's own picture, sound or sentence, and how far away it is."""
    st.divider()
    by_chance = (around.gallery + 1) / 2
    st.markdown(
        f"**Its own {SINGULAR[around.modality].split()[-1]}** is number "
        f"**{around.partner_rank:g}** of {around.gallery} (by chance {by_chance:g})"
    )
    if item["modality"] == "image":
        with st.columns(2)[0]:
            draw_media_small(chosen, item)
    else:
        draw_media_small(chosen, item)


def draw_media_small(chosen: state.Chosen, item: pd.Series) -> None:
    """Draw a partner without a word: it has been said what it is."""
    try:
        if item["modality"] == "image":
            pixels = cached.picture(chosen.place, chosen.name, item["media"])
            st.image(pixels, width="stretch", alt=_alt(item))
        elif item["modality"] == "audio":
            sound = cached.playback(chosen.place, chosen.name, item["media"])
            st.audio(sound.wav, format="audio/wav", alt=_alt(item))
        else:
            draw_sentence(item)
    except D2VError as error:
        st.caption(f"It cannot be shown: {error}")


def _alt(item: pd.Series) -> str:
    label = item["label"] if pd.notna(item["label"]) else item["id"]
    return f"{SINGULAR[item['modality']]} of {label}"
