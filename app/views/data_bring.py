"""Bring data: a folder of this machine by its path, or a zip archive."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from app import places
from app.data_words import name_from, problem_table
from app.run_folders import check_name, free_name
from app.views import data_choice
from d2v_core.errors import D2VError

MOST_MB = 50
TYPED, PROBLEM, BROUGHT = "typed_data", "typed_data_problem", "brought_data"

LAYOUT = """
`metadata.csv` names the files of each row; any further column can colour a map:

| image_file_name | audio_file_name | text | label | group |
|---|---|---|---|---|
| robin1.png | robin1.wav | A robin sings at dawn. | robin | garden |
| owl1.png | owl1.wav | An owl calls at night. | owl | forest |

All columns but one source may be missing. Without `metadata.csv`, files in folders named by their
label do: `robin/1.png`, `owl/2.wav`. Without `split`, rows are shared out, whole groups together.
"""


def bring(*, then: Callable[[], None]) -> None:
    """Draw both ways to bring data.

    Args:
        then: called when there is something new to look at.
    """
    left, right = st.columns(2, gap="large")
    with left, st.container(border=True, height="stretch"):
        st.subheader("A folder of this machine")
        with st.form("open_data", border=False):
            st.text_input("Its path", key=TYPED, placeholder="/home/me/recordings")
            st.form_submit_button(
                "Open", icon=":material/folder_open:", on_click=open_typed, args=(then,)
            )
        if problem := st.session_state.get(PROBLEM):
            st.error(problem, icon=":material/folder_off:")
        st.caption("It stays where it is, and nothing in it is changed.")
    with right, st.container(border=True, height="stretch"):
        st.subheader("A zip archive")
        draw_upload(then)
    with st.expander("How a data folder is laid out", icon=":material/table_view:"):
        st.markdown(LAYOUT)


def open_typed(then: Callable[[], None]) -> None:
    """Choose the folder that was typed in, or say why not."""
    st.session_state[PROBLEM] = ""
    try:
        path = places.open_folder(st.session_state[TYPED])
    except D2VError as error:
        words = str(error)
        st.session_state[PROBLEM] = words[:1].upper() + words[1:]
        return
    st.session_state[TYPED] = ""
    data_choice.remember(path)
    then()


def draw_upload(then: Callable[[], None]) -> None:
    """Draw a place for an archive; unpack it when that is wanted."""
    given: Any = st.file_uploader("A zip archive", ["zip"], key=BROUGHT, max_upload_size=MOST_MB)
    if given is None:
        st.caption(
            f"Up to {MOST_MB} MB. It is unpacked on this machine and goes nowhere else; only "
            "pictures, sounds, texts and tables are kept of it."
        )
        return
    stem = free_name(name_from(given.name), places.brought_root())
    name = st.text_input("Call it", stem, key=f"brought_name_{given.file_id}", max_chars=64)
    if st.button("Unpack", key="unpack", icon=":material/unarchive:", type="primary"):
        unpack_it(given.getvalue(), name.strip(), then)


def unpack_it(archive: bytes, name: str, then: Callable[[], None]) -> None:
    """Unpack an archive with a bar; say why not, or show what came out."""
    from d2v_core.data.unpack import unpack

    bar = st.progress(0.0, text="Unpacking")

    def report(done: int, of: int) -> None:
        if done == of or not done % 20:
            bar.progress(done / of, text=f"Unpacking: {done:,} of {of:,} files")

    try:
        name = check_name(name, places.brought_root(), what="data folder")
        out = places.brought_root() / name
        done = unpack(archive, out, progress=report)
    except D2VError as error:
        bar.empty()
        words = str(error)
        st.error(words[:1].upper() + words[1:], icon=":material/folder_zip:")
        return
    bar.empty()
    data_choice.remember(out)
    st.success(f"{done.files:,} files are in **{name}**.", icon=":material/check_circle:")
    if done.left_out:
        with st.expander(f"{len(done.left_out):,} files were left out"):
            st.dataframe(problem_table(done.left_out), hide_index=True)
    st.button("Look at it", key="look_at_brought", type="primary", on_click=then)
