"""One question after the other, and beside it how well the answers are learnt."""

import secrets
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import streamlit as st

from app import cached_label, labelling, state
from app.cached_label import ALL, Learnt, Pool
from app.charts import score_dots
from app.label_words import (
    ABOUT,
    HOW,
    SENSES,
    counts_words,
    percent,
    score_sentence,
    verdict_words,
    waiting_words,
)
from app.labelling import Answer, How, Journal, Said
from app.plain_text import plain
from app.views.item_panel import draw_media
from app.views.label_gallery import gallery
from app.views.label_kept import kept
from app.words import PLURAL, tap_words
from d2v_core.errors import D2VError, InputError
from d2v_core.modality import MODALITIES
from probes.active import FEWEST_EXAM, NO, SKIPPED, YES

if TYPE_CHECKING:
    from probes.active import Judged

SOONEST_SECONDS = 0.25
"""Nobody has seen an item sooner: such a key was pressed twice, or held down."""

BUTTONS: tuple[tuple[Said, str, str, str], ...] = (
    ("yes", "Yes", "1", ":material/check:"),
    ("no", "No", "2", ":material/close:"),
    ("skip", "Skip", "0", ":material/skip_next:"),
)
SHOWN_AT, SESSION, SINCE, SAID, PROBLEM = (
    "label_shown_at", "label_session", "label_since", "label_said", "label_trouble",
)  # fmt: skip


@st.fragment
def loop(chosen: state.Chosen, concept: str) -> None:
    """Draw the question and what is learnt; an answer redraws only this."""
    st.session_state.setdefault(SESSION, secrets.token_hex(8))
    st.session_state.setdefault(SINCE, time.time())
    data = cached_label.fingerprint(chosen.place, chosen.name)
    sense = ask_sense(chosen)
    try:
        pool = cached_label.pool(chosen.place, chosen.name, chosen.tap, sense)
        journal = cached_label.journal(data)
        learnt = cached_label.learn(pool, journal, concept, sense)
    except D2VError as error:
        st.warning(str(error))
        return
    except ValueError as error:
        st.warning(f"Nothing can be learnt from this layer: {error}; choose another.")
        return
    if trouble := st.session_state.pop(PROBLEM, ""):
        st.error(f"{trouble[:1].upper()}{trouble[1:]}.", icon=":material/save:")
    teller = Teller(chosen, concept, data, pool, learnt)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        draw_question(teller, journal)
    with right.container(border=True):
        draw_learnt(chosen, learnt, sense)
    gallery(chosen, pool, learnt, lambda row, said: teller.tell(row, said, "gallery"))
    kept(journal, concept, who())


def who() -> str:
    """Return what the visitor is called in the journal."""
    return " ".join(str(st.session_state.get("label_who") or "").split()) or "somebody"


class Teller(NamedTuple):
    """Keeps what is said about the items of a pool."""

    chosen: state.Chosen
    concept: str
    data: str
    pool: Pool
    learnt: Learnt

    def tell(self, row: int, said: Said, how: How) -> None:
        """Keep an answer about the item of a row."""
        ident, modality = self.pool.keys[row]
        margins = self.learnt.margins
        try:
            given = labelling.answer(
                labelling.path_of(self.data),
                concept=self.concept, id=ident, modality=modality, said=said, who=who(),
                session=st.session_state[SESSION], run=self.chosen.encoder, tap=self.chosen.tap,
                how=how, margin=None if margins is None else float(margins[row]),
            )  # fmt: skip
        except InputError as error:
            st.session_state[PROBLEM] = str(error)
        else:
            st.session_state[SAID] = f"{said}: {given.id}"

    def tell_in_time(self, row: int, said: Said, how: How) -> None:
        """Keep an answer to the question that is shown, unless nobody can have seen it yet."""
        item, since = st.session_state.get(SHOWN_AT, ((), 0.0))
        if item == self.pool.keys[row] and time.monotonic() - since < SOONEST_SECONDS:
            st.toast(
                "That was too soon to have looked at it; press again.", icon=":material/timer:"
            )
            return
        self.tell(row, said, how)

    def take_back(self, last: Answer) -> None:
        """Take an answer back."""
        path, session = labelling.path_of(self.data), st.session_state[SESSION]
        try:
            labelling.take_back(path, last.key, who=who(), session=session)
        except InputError as error:
            st.session_state[PROBLEM] = str(error)
        else:
            st.session_state[SAID] = f"taken back: {last.said} to {last.id}"


def ask_sense(chosen: state.Chosen) -> str:
    """Ask which items are asked about."""
    present = set(chosen.read().items["modality"])
    senses = [m for m in MODALITIES if m in present]
    shared = len(senses) > 1 and cached_label.shares_space(chosen.place, chosen.name)
    options = [*senses, ALL] if shared else senses
    if len(options) == 1:
        return options[0]
    if st.session_state.get("label_sense") not in (None, *options):  # of another run
        del st.session_state["label_sense"]
    said = (
        "The senses of this run were shown to share a space, so one cut can serve all."
        if shared
        else "One sense at a time: that the senses of this run share a space was not shown "
        "(see “Do they meet?”)."
    )
    found = st.segmented_control(
        "Ask about", options, default=options[0], key="label_sense", bind="query-params",
        format_func=SENSES.__getitem__, required=True, persist_state="session", help=said,
    )  # fmt: skip
    return found or options[0]


def draw_question(teller: Teller, journal: Journal) -> None:
    """Draw the item that is asked about, and the keys."""
    question, pool = teller.learnt.question, teller.pool
    last = journal.last(
        teller.concept,
        session=st.session_state[SESSION],
        who=who(),
        since=st.session_state[SINCE],
    )
    with st.container(border=True):
        if question is None:
            st.success("Every item was asked about.", icon=":material/done_all:")
        else:
            item = pool.items.iloc[question.row]
            st.markdown(f"#### “{plain(teller.concept)}”: yes or no?")
            draw_media(teller.chosen, item, autoplay=True)
        with st.container(horizontal=True, vertical_alignment="center"):
            for said, words, key, icon in BUTTONS:
                st.button(
                    words, key=f"label_{said}", shortcut=key, icon=icon,
                    disabled=question is None, on_click=teller.tell_in_time,
                    args=(question.row, said, question.how) if question else (),
                )  # fmt: skip
            st.button(
                "Take back", key="label_undo", shortcut="u", icon=":material/undo:",
                disabled=last is None, on_click=teller.take_back, args=(last,),
            )  # fmt: skip
        if question is not None:
            st.container(key="label_asked").caption(
                f"{plain(pool.keys[question.row][0])} · {HOW[question.how]}"
            )
        if spoken := st.session_state.get(SAID):
            st.caption(f"Last: {plain(spoken)}")
    asked = pool.keys[question.row] if question else ()
    if st.session_state.get(SHOWN_AT, ((), 0.0))[0] != asked:
        st.session_state[SHOWN_AT] = (asked, time.monotonic())


def draw_learnt(chosen: state.Chosen, learnt: Learnt, sense: str) -> None:
    """Draw how many answers there are, and how well they are learnt."""
    st.markdown("**How well it is learnt**")
    names = {YES: "yes", NO: "no", SKIPPED: "skip"}
    said = Counter(names[code] for code in learnt.codes.tolist() if code in names)
    st.caption(
        f"{counts_words(said)} · {len(learnt.codes):,} items · {tap_words(chosen.tap)} of "
        f"{plain(chosen.encoder)}"
    )
    score = learnt.judged.accuracy
    if score.value is None:
        st.info(waiting_words(FEWEST_EXAM - score.n), icon=":material/hourglass_empty:")
    else:
        draw_score(learnt.judged, learnt, PLURAL.get(sense, "items"))
    with st.expander("What learns, and why some questions are an exam", icon=":material/help:"):
        st.markdown(ABOUT)


def draw_score(judged: "Judged", learnt: Learnt, things: str) -> None:
    """Draw the score, its interval and what it is worth."""
    score = judged.accuracy.to_json()
    st.metric(f"Right about {things} it has not met", percent(score["value"]))
    st.markdown(verdict_words(score))
    exam = learnt.codes[learnt.exam]
    blind = "yes" if np.sum(exam == YES) > np.sum(exam == NO) else "no"
    st.markdown(score_sentence(score, blind))
    rows = [("all", "trained", score)]
    if judged.balanced is not None:
        rows.append(("yes and no alike", "trained", judged.balanced.to_json()))
    figure = score_dots(rows, "share right")
    figure.update_layout(showlegend=False, height=60 + 40 * len(rows))
    words = "; ".join(f"{name}: {percent(one['value'])}" for name, _, one in rows)
    bare = {"displayModeBar": False}
    st.plotly_chart(figure, key="label_score", config=bare, alt=f"Share right. {words}")
    if judged.balanced is not None:
        st.caption(
            "Second row: the mean of the shares right among the yes and among the no, so that "
            "a rare yes counts as much. Grey bars are chance."
        )
