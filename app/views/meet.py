"""Do they meet? Every pair of modalities of a run, against its controls, in words and figures."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app import state, tables
from app.charts import score_dots
from app.measured import Wanted
from app.views.measuring import align_all, obtain
from app.words import MEASURES, PLURAL, VERDICTS


def overview(chosen: state.Chosen) -> None:
    """Draw the verdicts of all trained runs of the store side by side."""
    found, _ = align_all(chosen.place)  # what cannot be measured is said when that run is chosen
    if found:
        st.table(tables.verdict_table(found), hide_index=True, border="horizontal")
        st.caption(
            "*Kind*: near items with the same label. *Own partner*: near the very item it belongs "
            "to. Two words where the two ways of looking differ."
        )


def draw_claim(claim: Mapping[str, Any]) -> None:
    """Draw what may be said, why, and on what it rests."""
    word, icon, colour = VERDICTS[claim["verdict"]]
    with st.container(border=True):
        st.markdown(f":{colour}-badge[{icon} {word}]  {claim['sentence']}")
        with st.expander("Why, and what this rests on"):
            st.markdown("\n".join(f"* {reason}" for reason in claim["reasons"]))
            st.dataframe(tables.claim_table(claim), hide_index=True)
            st.caption(f"Differences from chance up to {claim['margin']:.3f} count as none.")


def draw_claims(pair: Mapping[str, Any]) -> None:
    """Draw the claims of a pair: kinds on the left, partners on the right."""
    for column, (level, title) in zip(
        st.columns(2),
        (("class", "The same kind?"), ("instance", "The very partner?")),
        strict=True,
    ):
        with column:
            st.markdown(f"**{title}**")
            claims = [claim for claim in pair["claims"] if claim["level"] == level]
            for claim in claims:
                draw_claim(claim)
            if not claims:
                missing = "labels on both sides" if level == "class" else "enough pairs in test"
                st.info(f"Cannot be asked: these items do not have {missing}.")


def draw_dots(pair: Mapping[str, Any], key: str) -> None:
    """Draw the run beside its controls and chance, both ways."""
    for column, (way, words) in zip(st.columns(2), tables.directions(pair), strict=True):
        rows = [
            (ladder["encoder"], ladder["role"], ladder["labels"][way]["mean_average_precision"])
            for ladder in tables.ladders(pair)
            if ladder["labels"]
        ]
        title = "mean average precision, same label"
        if not rows:
            rows = [
                (ladder["encoder"], ladder["role"], ladder["partners"][way]["scores"]["MRR"])
                for ladder in tables.ladders(pair)
                if ladder["partners"]
            ]
            title = "mean reciprocal rank of the partner"
        if rows:
            with column:
                st.markdown(f"**{words}**")
                st.plotly_chart(
                    score_dots(rows, title),
                    key=f"dots_{key}_{way}",
                    config={"displayModeBar": False},
                    alt=f"{words}: {title} of the run, its controls and chance",
                )


def draw_pair(pair: Mapping[str, Any]) -> None:
    """Draw all there is about one pair of modalities."""
    key = f"{pair['first']}_{pair['second']}"
    draw_claims(pair)
    st.subheader("The run beside its controls")
    draw_dots(pair, key)
    st.subheader("In figures")
    labels, partners = tables.label_table(pair), tables.partner_table(pair)
    if len(labels):
        st.markdown("**Do items land near their kind?**")
        st.dataframe(labels, hide_index=True)
    if len(partners):
        st.markdown("**Do items find their own partner?** R@k: share found among the first k.")
        st.dataframe(partners, hide_index=True)
    likeness = tables.likeness_table(pair)
    if len(likeness):
        st.markdown(
            "**Do both arrange the same items alike, wherever they lie?** "
            f"CKA: {MEASURES['cka'][1]} Mutual kNN: {MEASURES['mutual_knn'][1]}"
        )
        st.dataframe(likeness, hide_index=True)
    st.markdown("**How do the two clouds lie?**")
    st.table(tables.shape_table(pair), hide_index=True, border="horizontal")
    st.info(
        "A gap of zero is no alignment: two clouds may lie in one place and every bird beside "
        "the wrong song. And a wide gap is no proof against it: order within the clouds may agree.",
        icon=":material/lightbulb:",
    )


def page(chosen: state.Chosen) -> None:
    """Draw the page."""
    st.title("Do they meet?")
    overview(chosen)
    st.subheader(f"In detail: {chosen.encoder}")
    wanted = Wanted("align", chosen.name)
    found, problems = obtain(chosen.place, [wanted], "Measuring the controls", key="align")
    for problem in problems:
        st.info(problem)
    if wanted not in found:
        return
    alignment = found[wanted]
    if chosen.role != "trained":
        st.caption("This is itself a control: it is here to be looked at, not to be believed.")
    pairs = alignment["pairs"]
    names = [f"{PLURAL[p['first']].capitalize()} and {PLURAL[p['second']]}" for p in pairs]
    for tab, pair in zip(st.tabs(names), pairs, strict=True):
        with tab:
            draw_pair(pair)


page(state.current())
