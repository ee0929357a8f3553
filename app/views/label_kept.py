"""The answers that are kept: as a table, with who, when and why, and to take away."""

import streamlit as st

from app import labelling
from app.label_words import HOW
from app.labelling import Journal
from app.plain_text import plain


def kept(journal: Journal, concept: str, who: str) -> None:
    """Draw the answers.

    Args:
        journal: what was said.
        concept: of what.
        who: what the visitor is called.
    """
    standing = list(journal.standing(concept).values())
    words = f"Answers that are kept: {len(standing)}"
    with st.container(key="label_kept"), st.expander(words, icon=":material/history:"):
        st.text_input(
            "Your name",
            key="label_who",
            placeholder="somebody",
            max_chars=labelling.MOST_LETTERS,
            persist_state="session",
            help="Is kept with each of your answers from now on, in a file on this machine.",
        )
        table = labelling.table_of(standing)
        if len(table):
            shown = table.iloc[::-1].assign(chosen=table["chosen"].map(HOW))
            st.dataframe(shown.drop(columns=["concept"]), hide_index=True, height=260)
        back = sum(
            one.concept == concept and one.key in journal.taken_back for one in journal.answers
        )
        st.caption(
            f"{back} were taken back; the journal holds these as well. You answer as "
            f"**{plain(who)}**. Answers belong to the data: every run and layer of them "
            "learns from the same."
        )
        if journal.unreadable:
            st.warning(
                f"{journal.unreadable} lines of the journal cannot be read and are left out."
            )
        st.download_button(
            "Take away as CSV", table.to_csv(index=False), file_name="labels.csv",
            mime="text/csv", icon=":material/download:", disabled=not len(table),
            key="label_csv", on_click="ignore",
        )  # fmt: skip
