"""Ask: a sentence, a picture or a sound of one's own; what lies nearest, and what that is worth."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from app import cached, state
from app.plain_text import plain
from app.uploads import PICTURES, SOUNDS
from app.views.explained import brief
from app.views.item_panel import SOUNDS_AT_ONCE, draw_neighbour
from app.words import PLURAL, SINGULAR, tap_words
from d2v_core.errors import D2VError, MediaError
from d2v_core.modality import MODALITIES, Modality

WAYS: dict[str, Modality] = {"Words": "text", "A picture": "image", "A sound": "audio"}
DEVICES = {"image": "The camera", "audio": "The microphone"}
SHOWN = 6
EXAMPLES = 4
SPACES = {
    "as it is": "The run's own space, as training left it.",
    "turned": "One space turned onto the other by pairs that are known to belong together.",
}


def choose_query(chosen: state.Chosen) -> tuple[Modality, str | Path] | None:
    """Draw what one asks with; return it, or None while there is nothing."""
    way = st.segmented_control(
        "Ask with",
        list(WAYS),
        default="Words",
        key="ask_with",
        bind="query-params",
        required=True,
    )
    modality = WAYS[way]
    if modality == "text":
        return choose_words(chosen)
    given = choose_media(modality)
    if given is None:
        st.caption("Nothing is sent anywhere: it is read by the models on this machine.")
        return None
    try:
        path = cached.kept_upload(modality, given.getvalue())
    except MediaError as error:
        st.error(f"This cannot be used: {error}", icon=":material/broken_image:")
        return None
    left, _ = st.columns([1, 2])
    with left:
        if modality == "image":
            st.image(given.getvalue(), width="stretch", alt="The picture that is asked with")
        else:
            st.audio(given.getvalue(), alt="The sound that is asked with")
    return modality, path


def choose_words(chosen: state.Chosen) -> tuple[Modality, str] | None:
    """Draw a field for a sentence, and some of the store to start from."""
    examples = cached.examples(chosen.place, chosen.name, chosen.tap, EXAMPLES)
    if examples:
        st.pills(
            "For example",
            examples,
            key="ask_example",
            on_change=take_example,
            label_visibility="collapsed",
        )
    words = st.text_input(
        "A sentence",
        key="ask_words",
        bind="query-params",
        placeholder=examples[0] if examples else "A robin sings in the morning.",
        max_chars=1000,
    ).strip()
    if chosen.is_sample:
        st.caption(
            "The small models of the sample have read nothing but the made world's own sentences, "
            "letter by letter: ask in their manner."
        )
    if not words and examples and chosen.is_sample:  # small models: the answer is there at once
        st.caption(f"For example: what lies near “{examples[0]}”")
        words = examples[0]
    return ("text", words) if words else None


def take_example() -> None:
    """Put the example that was clicked into the field."""
    if st.session_state["ask_example"]:
        st.session_state["ask_words"] = st.session_state["ask_example"]


def choose_media(modality: Modality) -> Any:  # noqa: ANN401  # Streamlit's uploaded file
    """Draw a place for a picture or a sound, or a camera or a microphone.

    A camera is drawn only for those who choose it: the browser asks for it at once.
    """
    source = st.segmented_control(
        "From",
        ["A file", DEVICES[modality]],
        default="A file",
        key=f"ask_from_{modality}",
        required=True,
        label_visibility="collapsed",
    )
    if source != "A file":
        if modality == "image":
            return st.camera_input("Show it something", key="ask_camera")
        return st.audio_input("Sing like a bird", key="ask_recording")
    if modality == "image":
        return st.file_uploader("A picture", PICTURES, key="ask_picture", max_upload_size=50)
    return st.file_uploader("A sound", SOUNDS, key="ask_sound", max_upload_size=50)


def draw_answer(chosen: state.Chosen, answer: Mapping[str, Any]) -> None:
    """Draw what was found in every modality, one column each."""
    found = answer["modalities"]
    for column, (modality, part) in zip(st.columns(len(found)), found.items(), strict=True):
        with column.container(border=True, height="stretch"):
            draw_part(chosen, modality, part, own=modality == answer["query"]["modality"])


def draw_part(chosen: state.Chosen, modality: str, part: Mapping[str, Any], *, own: bool) -> None:
    """Draw the hits of one modality; their cosines only where these mean something."""
    st.markdown(f"**Nearest {PLURAL[modality]}**")
    st.caption(f"of {part['items']}, by cosine in {tap_words(part['tap'])}")
    note = part.get("alignment", {})
    means_something = is_worth_a_number(part, own=own)
    if own:
        st.caption("The same sense as the query.")
    elif note["claimed"]:
        st.markdown(":green-badge[:material/check_circle: Aligned]", help=brief("aligned"))
    elif "anchors" in note:
        st.info(f"Turned by {note['anchors']} pairs. {note['words']}", icon=":material/sync:")
    else:
        st.warning(note["words"], icon=":material/help:")
    if means_something:
        st.caption(beside_chance(part))
    shown = part["hits"][:SOUNDS_AT_ONCE] if modality == "audio" else part["hits"]
    items = pd.DataFrame(shown).assign(modality=modality, agrees=None)
    if not means_something:
        items["cosine"] = float("nan")
    if len(shown) < len(part["hits"]):
        st.caption(f"The first {len(shown)} of them, to be heard:")
    rows = [item for _, item in items.iterrows()]
    cells = [st.container() for _ in rows]
    if modality == "image":
        cells = [cell for _ in rows[::2] for cell in st.columns(2)]
    for cell, item in zip(cells, rows, strict=False):
        with cell:
            draw_neighbour(chosen, item)
    if not own and note["claimed"]:  # what was found comes first, what it is worth behind it
        st.caption(note["words"])


def is_worth_a_number(part: Mapping[str, Any], *, own: bool) -> bool:
    """Tell whether a query and these items are known to share a space."""
    note = part.get("alignment", {})
    return own or bool(note.get("claimed")) or "anchors" in note


def beside_chance(part: Mapping[str, Any]) -> str:
    """Say which label the hits agree on, and how many drawn by lot agree on one."""
    label, hits = part["label"], len(part["hits"])
    if label is None:
        return "The items have no labels to compare."
    return (
        f"{label['hits']} of {hits} are labelled “{plain(label['label'])}”; of {hits} drawn by lot "
        f"{span_by_lot(label)} share a label."
    )


def span_by_lot(label: Mapping[str, Any]) -> str:
    """Return how many items drawn by lot share a label, in 95 of 100 draws."""
    low, high = label["by_lot"]["low"], label["by_lot"]["high"]
    return f"{low}" if low == high else f"{low} to {high}"


def agreement(part: Mapping[str, Any], *, own: bool) -> str:
    """Return what the hits of a run agree on, for a cell of a table."""
    label = part["label"]
    if not is_worth_a_number(part, own=own):
        return "shares no space with the question"
    if label is None:
        return "no labels"
    count = f"{label['hits']} of {len(part['hits'])}"
    return f"{label['label']}: {count} (by lot {span_by_lot(label)})"


def draw_others(chosen: state.Chosen, query: tuple[Modality, str | Path], *, turned: bool) -> None:
    """Draw what the other runs return for the same query, each with its chance."""
    st.subheader("What the other runs return")
    rows, bar = [], st.empty()
    runs = cached.choices(chosen.place)
    for number, choice in enumerate(runs):
        bar.progress(number / len(runs), text=f"Asking **{Path(choice.recipe.encoder).name}**")
        row: dict[str, Any] = {
            "run": Path(choice.recipe.encoder).name,
            "what it is": choice.recipe.role,
        }
        try:
            answer = cached.ask(chosen.place, choice.name, (*query, turned), SHOWN)
        except D2VError as error:
            row["note"] = str(error)
        else:
            for modality, part in answer["modalities"].items():
                row[PLURAL[modality]] = agreement(part, own=modality == query[0])
        rows.append(row)
    bar.empty()
    wanted = ["run", "what it is", *(PLURAL[m] for m in MODALITIES), "note"]
    table = pd.DataFrame(rows)
    table = table[[name for name in wanted if name in table]].fillna("")
    st.dataframe(table, hide_index=True, key="ask_others")
    st.caption(
        f"The most frequent label among the nearest {SHOWN} of each sense, and how many of "
        f"{SHOWN} drawn by lot share a label, in 95 of 100 draws. One query is an anecdote: “Do "
        "they meet?” has the measure over all items, with intervals and controls."
    )


def page(chosen: state.Chosen) -> None:
    """Draw the page."""
    st.title("Ask")
    st.markdown(
        f"Give **{chosen.encoder}** a sentence, a picture or a sound: what does it put next to it?"
    )
    query = choose_query(chosen)
    space = st.radio(
        "Search other senses",
        list(SPACES),
        captions=list(SPACES.values()),
        horizontal=True,
        key="ask_space",
        help=brief("cosine", "Procrustes", "aligned"),
        bind="query-params",
    )
    if query is None:
        return
    turned = space == "turned"
    try:
        with st.spinner("Reading the question and searching"):
            answer = cached.ask(chosen.place, chosen.name, (*query, turned), SHOWN)
    except D2VError as error:
        st.info(str(error), icon=":material/block:")
        return
    draw_answer(chosen, answer)
    others = [note for part in answer["modalities"].values() if (note := part.get("alignment"))]
    if others and not turned and not any(note["claimed"] for note in others):
        asked = SINGULAR[answer["query"]["modality"]].split()[-1]
        st.info(
            f"This run shares no space between its senses that was shown to work, so a {asked} "
            "has no place among the others and cosines are left out. Choose “turned” above to "
            "turn the spaces onto each other by known pairs, and see what that is worth.",
            icon=":material/lightbulb:",
        )
    if st.toggle("Ask the other runs too", key="ask_others_too", bind="query-params"):
        draw_others(chosen, query, turned=turned)


page(state.current())
