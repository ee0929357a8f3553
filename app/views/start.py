"""Start: the question, the answer so far, and where to go next."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app import state
from app.charts import score_dots
from app.tables import score_table
from app.views.measuring import align_all
from app.words import PLURAL, SINGULAR, tap_words

QUESTIONS = {
    ("image", "audio"): "Does a bird's song land near a bird's picture?",
    ("image", "text"): "Does a sentence land near the picture it tells of?",
    ("audio", "text"): "Does a sentence land near the sound it tells of?",
}
PREFERRED = list(QUESTIONS)


def pair_of(alignment: Mapping[str, Any], wanted: tuple[str, str]) -> Mapping[str, Any] | None:
    """Return one pair of modalities of an alignment."""
    return next((p for p in alignment["pairs"] if (p["first"], p["second"]) == wanted), None)


def rows_of(
    found: Mapping[str, dict[str, Any]], wanted: tuple[str, str]
) -> list[tuple[str, str, str, Mapping[str, Any]]]:
    """Return (run, role, tap, score) of every run, then of the controls, each once."""
    ladders = []
    for alignment in found.values():
        if pair := pair_of(alignment, wanted):
            ladders += [pair["run"], *pair["controls"]]
    rows = {}
    for ladder in ladders:
        if ladder["labels"]:
            score = ladder["labels"]["y_to_x"]["mean_average_precision"]
            rows[ladder["encoder"]] = (ladder["encoder"], ladder["role"], ladder["tap"], score)
    return sorted(rows.values(), key=lambda row: row[1] != "trained")


def answers(found: Mapping[str, dict[str, Any]], wanted: tuple[str, str]) -> list[str]:
    """Return one sentence a verdict: which runs have it."""
    second, first = SINGULAR[wanted[1]], PLURAL[wanted[0]]
    said: dict[str, list[str]] = {}
    for name, alignment in found.items():
        pair = pair_of(alignment, wanted)
        claims = [c for c in (pair or {}).get("claims", []) if c["level"] == "class"]
        if claims:  # the second of the two: the second modality looks among the first
            said.setdefault(claims[-1]["verdict"], []).append(f"**{name}**")
    words = {
        "aligned": f":green[:material/check_circle: **Yes**] in {{}}: {second.lower()} lands near "
        f"{first} of its own kind, better than every control.",
        "not aligned": f":orange[:material/block: **No**] in {{}}: {second.lower()} does not "
        f"land near {first} of its own kind; that is shown, not merely not found.",
        "cannot tell": ":gray[:material/help: **Cannot be told**] in {}: above or near chance, "
        "but not clear of every control.",
    }
    return [text.format(_list(said[verdict])) for verdict, text in words.items() if verdict in said]


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def page(chosen: state.Chosen) -> None:
    """Draw the page."""
    st.title(QUESTIONS[PREFERRED[0]] if chosen.is_sample else "What lands near what?")
    st.markdown(
        "data2vec trains pictures, sounds and sentences with one recipe. Does that alone put the "
        "same things in the same place, or does it take pairs? Look, listen, read, and check."
    )
    found, problems = align_all(chosen.place)
    for problem in problems:
        st.info(problem)
    wanted = next((p for p in PREFERRED if any(pair_of(a, p) for a in found.values())), None)
    rows = rows_of(found, wanted) if wanted else []
    if chosen.is_sample and not found:
        st.info("No trained runs are here yet: `make sample` trains them.")
    if wanted and rows:
        for sentence in answers(found, wanted):
            st.markdown(sentence)
        draw_scores(rows, wanted)
    elif found:
        st.info("The items have no labels, so kinds cannot be looked for; see *Do they meet?*")
    where_next()


def draw_scores(
    rows: list[tuple[str, str, str, Mapping[str, Any]]], wanted: tuple[str, str]
) -> None:
    """Draw the runs side by side, with the figures under it."""
    what = f"{SINGULAR[wanted[1]]} looks for {PLURAL[wanted[0]]} of its own kind"
    st.subheader(what)
    figure = score_dots([(n, r, s) for n, r, _, s in rows], "mean average precision (1: perfect)")
    st.plotly_chart(figure, key="start_scores", config={"displayModeBar": False}, alt=what)
    st.caption(
        "Dots are runs, lines are 95 % intervals over kinds, grey bars are chance. Measured on "
        "test items, at the layer that was best on the others."
    )
    table = score_table(
        ({"run": name, "what it is": role, "layer (tap)": tap_words(tap)}, score)
        for name, role, tap, score in rows
    )
    with st.expander("The figures"):
        st.dataframe(table, hide_index=True)


def where_next() -> None:
    """Point to the other pages."""
    st.subheader("Where to go next")
    places = (
        ("map.py", "Map", "All items in one picture: click one, hear it, and see what is near."),
        ("layers.py", "Layers", "What each layer knows of species, size, time of day and mood."),
        ("meet.py", "Do they meet?", "Every pair of senses, with controls and reasons."),
    )
    for column, (file, title, words) in zip(st.columns(3), places, strict=True):
        with column.container(border=True, height="stretch"):
            st.page_link(f"views/{file}", label=f"**{title}**", icon=":material/arrow_forward:")
            st.markdown(words)


page(state.current())
