"""The choice of a data folder, the same on the pages on data and training."""

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from app import cached_data, places, workbench
from app.looking import Looked
from app.words import PLURAL
from d2v_core.errors import D2VError
from d2v_core.modality import Modality

OPENED = "opened_data"
"""Folders that were typed in, brought or made in this visit."""

KEY = "data"
NEXT = "next_data"
"""What is to be chosen when the page is drawn next: a choice cannot change once it is drawn."""


def known() -> list[str]:
    """Return the folders that can be chosen: the usual one, those of this visit, all others.

    The first is the same for every visitor: addresses leave it away.
    """
    opened = [path for path in st.session_state.setdefault(OPENED, []) if Path(path).exists()]
    found = [str(path) for path in places.data_folders(workbench.SAMPLE_DATA)]
    return list(dict.fromkeys([*found[:1], *opened, *found[1:]]))


def remember(path: Path) -> None:
    """Let a folder be chosen from now on, and choose it when the page is drawn next."""
    opened = st.session_state.setdefault(OPENED, [])
    st.session_state[OPENED] = list(dict.fromkeys([str(path), *opened]))
    st.session_state[NEXT] = str(path)


def words_of(path: str) -> str:
    """Return what a folder is called."""
    if Path(path) == workbench.SAMPLE_DATA:
        return "Sample: the made aviary"
    is_brought = Path(path).parent == places.brought_root()
    return Path(path).name if is_brought else f"{Path(path).name} ({Path(path).parent})"


def choose(label: str = "Data") -> str | None:
    """Draw the choice; return the folder, or None if there is none to choose."""
    wanted = st.query_params.get(KEY)
    if wanted and wanted not in known() and KEY not in st.session_state:
        adopt(wanted)
    folders = known()
    following = st.session_state.pop(NEXT, None)
    if following in folders:
        st.session_state[KEY] = following
    if not folders:
        return None
    return st.selectbox(
        label,
        folders,
        format_func=words_of,
        key=KEY,
        bind="query-params",
        persist_state="session",
        help="A folder with a metadata.csv, or with files in folders named by their label.",
    )


def adopt(path: str) -> None:
    """Take a folder that the address names, if it is there."""
    try:
        found = places.open_folder(path)
    except D2VError:
        return
    opened = st.session_state.setdefault(OPENED, [])
    st.session_state[OPENED] = list(dict.fromkeys([str(found), *opened]))


def look_at(path: str) -> Looked | None:
    """Return what is in a folder, or None after saying why it cannot be read."""
    try:
        with st.spinner("Looking into the folder"):
            return cached_data.looked(path)
    except D2VError as error:
        st.error(str(error), icon=":material/folder_off:")
        return None


def counts_words(counts: Mapping[Modality, int] | Mapping[str, int]) -> str:
    """Return how many items of each modality there are."""
    return ", ".join(f"{count:,} {PLURAL[modality]}" for modality, count in counts.items())
