"""Lesson 5: two spaces, and what a rotation can do."""

from typing import TYPE_CHECKING

import streamlit as st

from app.lessons import doors
from app.lessons.choosing import choose_between, choose_run, present
from app.lessons.figures import TWO_CLOUDS, clouds, growing
from app.lessons.lesson import Lesson, Part
from app.lessons.material import Material
from app.lessons.quiz import Choice, Question
from app.words import PLURAL, SINGULAR
from d2v_core.errors import D2VError
from d2v_core.modality import Modality

if TYPE_CHECKING:
    from probes.result import Score
    from probes.rungs import Rung

NEAR_ENOUGH = 6
"""Degrees from the best angle that count as found."""

MEASURES = {
    "R@1": "its own partner is the first hit",
    "mAP by class": "its own kind comes first (mean average precision)",
}


def see_angle(material: Material) -> None:
    """Let two flat clouds be aligned by hand."""
    chosen = material.chosen
    there = present(material, chosen.name)
    modality: Modality = there[0]
    try:
        puzzle = doors.puzzle(
            chosen.place, chosen.name, modality, st.session_state.get("puzzle", 0)
        )
    except ValueError as error:
        st.info(f"No cloud can be drawn of this run: {error}")
        return
    left, right = st.columns([2, 3])
    with left:
        angle = st.slider(
            "Turn the second cloud by",
            min_value=0,
            max_value=359,
            key="turn_angle",
            format="%d°",
            persist_state="session",
        )
        moved, fit = doors.turned(puzzle, float(angle))
        off = abs((angle - puzzle.answer + 180) % 360 - 180)
        one, two = st.columns(2)
        one.metric(
            "Partner is nearest",
            f"{fit.found:.0%}",
            help="Share of items whose nearest item of the other cloud is their own partner.",
        )
        two.metric("Partners are apart", f"{fit.apart:.2f}", help="Root mean squared distance.")
        if off <= NEAR_ENOUGH:
            st.success("Found. Nothing but the angle has changed.", icon=":material/check_circle:")
        with st.container(horizontal=True):
            st.button(
                "Let Procrustes do it",
                key="procrustes",
                icon=":material/rotate_right:",
                on_click=_turn_to,
                args=(round(puzzle.answer) % 360,),
            )
            st.button("Another one", key="next_puzzle", on_click=_another)
        st.caption(
            f"The first cloud: up to 14 {PLURAL[modality]} of {chosen.encoder} on their two widest "
            "axes. The second: the same, turned by a hidden angle, with a little noise."
        )
    with right:
        st.plotly_chart(
            clouds(puzzle.fixed, moved, TWO_CLOUDS),
            key="turn_clouds",
            config={"displayModeBar": False},
            alt=f"two clouds with partners joined; at {angle} degrees {fit.found:.0%} are nearest",
        )


def _turn_to(angle: int) -> None:
    st.session_state["turn_angle"] = angle


def _another() -> None:
    st.session_state["puzzle"] = st.session_state.get("puzzle", 0) + 1
    st.session_state["turn_angle"] = 0


def see_anchors(material: Material) -> None:
    """Align the real spaces of two senses by a rotation from more and more pairs."""
    left, right, third = st.columns(3)
    with left:
        name = choose_run(material, "anchor_run")
    with right:
        between = choose_between(material, name, "anchor_senses")
    if between is None:
        return
    try:
        with st.spinner("Fitting rotations on more and more pairs"):
            curve = doors.anchor_curve(material.chosen.place, name, between)
    except (D2VError, ValueError) as error:
        st.info(str(error))
        return
    assert curve is not None  # there are pairs, or they could not have been chosen
    has_classes = "mAP by class" in curve.direct.y_to_x.scores
    with third:
        measure = st.selectbox(
            "What is asked",
            list(MEASURES)[: 1 + has_classes],
            format_func=lambda m: MEASURES[m],
            key="anchor_measure",
        )
    counts = [rung.pairs for rung in curve.turned]
    pairs = st.select_slider(
        "Pairs that the rotation is fitted on", [0, *counts], value=counts[-1], key="anchor_pairs"
    )
    _say_scores(curve.direct, curve.turned, curve.mixed, (pairs, measure), between)
    first = (0, _score(curve.direct, measure))
    st.plotly_chart(
        growing(
            {
                "true pairs": [first, *((r.pairs, _score(r, measure)) for r in curve.turned)],
                "partners mixed up": [(r.pairs, _score(r, measure)) for r in curve.mixed],
            },
            "pairs that the rotation is fitted on",
            score="share" if measure == "R@1" else "mean average precision",
        ),
        key="anchor_chart",
        config={"displayModeBar": False},
        alt="retrieval of held-out items by the number of pairs, true and mixed up, with chance",
    )
    st.caption(
        f"{curve.gallery} held-out test items; the rotation never saw them. Lines are 95 % "
        "intervals. Look at the controls *random* (untrained) and *lowlevel* (no model at all) "
        "too: what they reach needs no learning."
    )


def _score(rung: "Rung", measure: str) -> "Score":
    return rung.y_to_x.scores[measure]


def _say_scores(
    direct: "Rung",
    turned: "tuple[Rung, ...]",
    mixed: "tuple[Rung, ...]",
    chosen: tuple[int, str],
    between: tuple[Modality, Modality],
) -> None:
    pairs, measure = chosen
    rungs = {rung.pairs: rung for rung in turned}
    others = {rung.pairs: rung for rung in mixed}
    st.markdown(
        f"**{SINGULAR[between[1]]} looks among {PLURAL[between[0]]}:** {MEASURES[measure]}."
    )
    one, two, three = st.columns(3)
    shown = [(one, "As the spaces are", direct)]
    if pairs:
        shown += [(two, f"Turned by {pairs} pairs", rungs[pairs])]
        shown += [(three, f"By {pairs} pairs mixed up", others[pairs])]
    for column, title, rung in shown:
        score = _score(rung, measure)
        chance = "unknown" if score.chance is None else f"{score.chance:.2f}"
        value = "–" if score.value is None else f"{score.value:.2f}"
        column.metric(title, value, f"chance {chance}", delta_color="off", delta_arrow="off")
        if score.value is None:
            column.caption(score.reason)


ANGLE = Question(
    "angle",
    "Two clouds show the same things, but the second one is turned. What has the turn changed?",
    (
        Choice(
            "Who is whose neighbour inside a cloud.",
            "A turn keeps all distances inside a cloud, so neighbours stay neighbours.",
        ),
        Choice(
            "Where a thing lies in one cloud against its place in the other, and nothing else.",
            "Inside each cloud all is as before. Only the question *what of the other cloud is "
            "near?* has lost its meaning, until somebody turns it back.",
            is_right=True,
        ),
        Choice(
            "The shape of the cloud.",
            "It is the same shape, looked at from another side.",
        ),
    ),
)
ANCHORS = Question(
    "anchors",
    "Two networks were trained apart, one on pictures, one on sounds. A sound looks for its "
    "picture with their vectors just as they are. How often is the first hit right?",
    (
        Choice(
            "Most of the time: they had the same recipe.",
            "The axes of each network are wherever its random start led them.",
        ),
        Choice(
            "As often as by blind chance.",
            "The axes have nothing to do with each other. But a rotation, learnt from pairs, finds "
            "what the two arrangements have in common, and mixed up pairs find nothing.",
            is_right=True,
        ),
        Choice(
            "Never.",
            "To be wrong every time one would have to know the right answer. Chance is one hit in "
            "as many as there are pictures.",
        ),
    ),
)
LESSON = Lesson(
    key="spaces",
    title="Two spaces, and what a rotation can do",
    idea=(
        "A network may point its axes anywhere. Two networks that were trained apart are like two "
        "maps of one town without a compass: each is right, and laid over each other they make "
        "no sense. Turn one of them, and they may."
    ),
    parts=(
        Part("By hand", "Turn the second cloud until partners meet.", ANGLE, see_angle),
        Part(
            "With real pictures and sounds",
            "A rotation in as many dimensions as the vectors have, learnt from pairs.",
            ANCHORS,
            see_anchors,
        ),
    ),
    sources=(
        "P. Schönemann, 1966: A Generalized Solution of the Orthogonal Procrustes Problem",
        "W. Liang and others, 2022: Mind the Gap: Understanding the Modality Gap in Multi-modal "
        "Contrastive Representation Learning",
    ),
)
