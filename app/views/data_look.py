"""What is in a data folder: counts, splits, sizes, problems, and its rows in a gallery."""

import sys
from typing import Any

import streamlit as st

from app import cached_data, data_words, places, tasks
from app.data_charts import MOST_LABELS, split_bars
from app.looking import Looked
from app.views import waiting
from app.views.data_choice import counts_words
from app.views.data_embed import draw_through
from app.views.data_gallery import gallery
from app.views.explained import brief
from app.words import PLURAL
from d2v_core.data.items import Problem


def look(path: str, looked: Looked) -> None:
    """Draw all there is to say and to see of a folder."""
    if not len(looked.rows):
        st.warning(
            "Nothing in this folder can be used. Wanted are files in folders named by their label, "
            "or a metadata.csv with image_file_name, audio_file_name or text.",
            icon=":material/folder_off:",
        )
        draw_problems(path, looked)
        return
    draw_counts(looked)
    draw_order(looked)
    draw_problems(path, looked)
    left, right = st.columns(2, gap="large")
    with left:
        draw_splits(looked)
    with right:
        draw_sizes(path, looked)
        st.page_link(
            "views/train.py", label="Train on these data", icon=":material/model_training:"
        )
        draw_through(path)
    gallery(looked)


def draw_counts(looked: Looked) -> None:
    """Draw how many there are of what."""
    with st.container(horizontal=True):
        st.metric("Rows", f"{len(looked.rows):,}", border=True)
        for modality, count in looked.counts.items():
            st.metric(PLURAL[modality].capitalize(), f"{count:,}", border=True)
        labels = int(looked.rows["label"].nunique())
        st.metric("Labels", f"{labels:,}" if labels else "none", border=True)


def draw_order(looked: Looked) -> None:
    """Say which rows are pairs, and whether groups are in one split each."""
    is_fine, words = data_words.groups_words(looked)
    st.markdown(data_words.pairs_words(looked))
    if is_fine:
        st.markdown(words)
    else:
        st.warning(words, icon=":material/call_split:")


def draw_problems(path: str, looked: Looked) -> None:
    """Say what cannot be used, by file; decode everything if that is wanted."""
    folder = places.task_folder("check", path, looked.folder.fingerprint)
    found = tasks.answer(folder)
    known = list(looked.folder.problems)
    if isinstance(found, dict) and tasks.standing(folder) not in tasks.GOING:
        known = [Problem(**problem) for problem in found["problems"]]
        draw_decoded(found)
    elif tasks.standing(folder) in tasks.GOING:
        waiting.wait_for(folder, "Decoding every file", key="check")
    else:
        waiting.wait_for(folder, "Decoding every file", key="check")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                "Decode every file",
                key="check_all",
                icon=":material/fact_check:",
                on_click=waiting.begin,
                args=(folder, check_command(path)),
                help="Looks whether every picture, sound and sentence can be read. Other pages "
                "pass over those that cannot.",
            )
            st.caption("So far only names and metadata were looked at.")
    if known:
        many = f"{len(known):,} problems" if len(known) > 1 else "1 problem"
        with st.expander(f"{many}: what cannot be used, and why", icon=":material/report:"):
            st.dataframe(data_words.problem_table(known), hide_index=True)


def draw_decoded(found: dict[str, Any]) -> None:
    """Say what decoding every file has shown."""
    usable = counts_words({m: n for m, n in found["usable"].items() if n}) or "nothing"
    bad = len(found["problems"])
    if bad:
        st.warning(
            f"Every file was decoded. Usable: {usable}; {bad:,} cannot be used and are passed "
            "over.",
            icon=":material/report:",
        )
    else:
        st.success(f"Every file was decoded: {usable}, all usable.", icon=":material/check_circle:")


def check_command(path: str) -> list[str]:
    """Return the command that decodes everything in a folder."""
    return [sys.executable, "-m", "app.cli", "data", "check", path, "--json"]


def draw_splits(looked: Looked) -> None:
    """Draw how labels are spread over the splits."""
    st.subheader("Splits by label", help=brief("split", "group", "label"))
    table = looked.splits_by_label()
    total = table.iloc[-1]
    present = [name for name in data_words.SPLIT_WORDS if name in table]
    st.caption(
        "; ".join(
            f"**{name}** {data_words.SPLIT_WORDS[name]}: {int(total[name]):,} rows"
            for name in present
        )
    )
    st.plotly_chart(
        split_bars(table),
        key="split_bars",
        config={"displayModeBar": False},
        alt=f"Rows of each label in {', '.join(present)}; the table below has the figures",
    )
    rest = len(table) - 1 - MOST_LABELS
    if rest > 0:
        st.caption(f"The {MOST_LABELS} most frequent labels; {rest} more are among the figures.")
    with st.expander("The figures"):
        st.dataframe(table, hide_index=True)


def draw_sizes(path: str, looked: Looked) -> None:
    """Draw how large items are."""
    st.subheader("Sizes")
    with st.spinner("Measuring"):
        sizes = cached_data.sizes(path, looked.folder.fingerprint)
    if not len(sizes):
        st.caption("No file has a size that can be read.")
        return
    table = data_words.size_table(sizes)
    st.table(table, hide_index=True, border="horizontal")
    columns = columns_of(looked)
    if columns:
        st.caption(f"Further columns, to colour a map by: {', '.join(columns)}.")


def columns_of(looked: Looked) -> list[str]:
    """Return the further columns of the metadata."""
    return list(looked.folder.items[0].columns) if looked.folder.items else []
