"""The glossary, one click away on every page: a button in the sidebar, and `?term=…` in addresses.

The words of the page that is open come first.
"""

import streamlit as st

from app import glossary
from app.glossary import Term

MOST = 12
"""Words shown at once; a search finds the others."""

LEVELS = {
    "child": "Child",
    "student": "Student",
    "researcher": "Researcher",
}


def offer(page: str) -> None:
    """Draw the button in the sidebar, and open the window if it was asked for.

    Args:
        page: name of the open page's file, without suffix.
    """
    if st.sidebar.button("Words", icon=":material/menu_book:", key="words", width="stretch"):
        st.session_state["words_search"] = ""
        window(page)
    elif named := st.query_params.get("term"):
        found = glossary.find(named)
        st.session_state["words_search"] = named if found is None else found.word
        window(page)


def _closed() -> None:
    st.query_params.pop("term", None)


@st.dialog("Words", width="large", icon=":material/menu_book:", on_dismiss=_closed)
def window(page: str) -> None:
    """Draw the window: search, words of the page, levels."""
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    typed = left.text_input(
        "Search the words",
        key="words_search",
        placeholder="effective rank",
        icon=":material/search:",
    )
    level = right.segmented_control(
        "Explained for a",
        list(LEVELS),
        default="student",
        required=True,
        format_func=lambda name: LEVELS[name],
        key="words_level",
        bind="query-params",
    )
    here = glossary.terms_on(page)
    if typed.strip():
        found = glossary.search(typed)
        if not found:
            st.info(
                f"There is no word like {typed.strip()!r}; the glossary has all that pages use."
            )
    else:
        found = [*here, *(entry for entry in glossary.terms() if entry not in here)]
        st.caption(f"{len(here)} words of this page first, of {len(found)} in all.")
    for entry in found[:MOST]:
        draw(entry, level or "student")
    if len(found) > MOST:
        names = ", ".join(entry.word for entry in found[MOST:])
        st.caption(f"Search for any of these too: {names}.")


def draw(entry: Term, level: str) -> None:
    """Draw one word on one level."""
    with st.container(border=True, gap="small"):
        st.markdown(f"**{entry.word}**  \n{entry.child if level == 'child' else entry.student}")
        if level == "researcher":
            st.latex(entry.formula)
            st.markdown("\n".join(f"* ${symbol}$: {words}" for symbol, words in entry.symbols))
            st.caption(f"Source: {entry.source}")
