"""Lesson 6: what pairs teach, and how a map and an exam mislead."""

from typing import TYPE_CHECKING

import streamlit as st

from app.lessons import doors, leakage
from app.lessons.choosing import choose_between, choose_run, present
from app.lessons.figures import clouds, growing, senses_look, small_map
from app.lessons.lesson import Lesson, Part
from app.lessons.material import Material
from app.lessons.quiz import Choice, Question
from app.words import PLURAL, SINGULAR
from d2v_core.errors import D2VError
from d2v_core.modality import Modality

if TYPE_CHECKING:
    from probes.result import Score
    from probes.rungs import Rung

PERCENT = (0, 5, 10, 25, 50, 100)
"""Of the pairs that are used."""

NEIGHBOURS = (3, 5, 15, 50)
SEEDS = (0, 1, 2)


def see_fraction(material: Material) -> None:
    """Teach two towers on a share of the pairs, and see where held-out items land."""
    left, middle, right = st.columns(3, vertical_alignment="top")
    with left:
        name = choose_run(material, "contrast_run")
    with middle:
        between = choose_between(material, name, "contrast_senses")
    if between is None:
        return
    with right:
        percent = st.select_slider("Pairs used, in %", PERCENT, value=0, key="contrast_percent")
        is_mixed = st.toggle("Mix the partners up", key="contrast_mixed")
    place = material.chosen.place
    try:
        with st.spinner("Teaching two towers"):
            found = doors.contrast(place, name, between, (percent, is_mixed))
    except (D2VError, ValueError) as error:
        st.info(str(error))
        return
    assert found is not None  # there are pairs, or they could not have been chosen
    rung, used, x, y = found
    measure = _measure(rung)
    score = rung.y_to_x.scores[measure]
    left, right = st.columns([3, 2])
    with left:
        st.plotly_chart(
            clouds(*doors.flat(x, y), senses_look(between)),
            key="contrast_clouds",
            config={"displayModeBar": False},
            alt=f"held-out items in the shared space after {used} pairs, partners joined by lines",
        )
    with right:
        ends = "" if score.low is None else f" ({score.low:.2f} to {score.high:.2f})"
        st.metric(
            f"{SINGULAR[between[1]]} finds {PLURAL[between[0]]} of "
            + ("its own kind" if measure == "mAP by class" else "its own row"),
            f"{score.value:.2f}{ends}",
            f"chance {score.chance:.2f}",
            delta_color="off",
            delta_arrow="off",
            help="Mean average precision, or the share of first hits, on items no tower saw.",
        )
        st.metric("Pairs that taught the towers", f"{used:,}")
        st.caption(
            f"{len(x)} held-out items, partners joined. One matrix a sense, over the finished "
            "vectors of the run, trained with the loss of CLIP for 150 steps."
        )
    _all_fractions(place, name, between, measure)


def _measure(rung: "Rung") -> str:
    return "mAP by class" if "mAP by class" in rung.y_to_x.scores else "R@1"


def _all_fractions(place: str, name: str, between: tuple[Modality, Modality], measure: str) -> None:
    """Draw the score over all fractions, with mixed-up partners beside it."""
    curves: dict[str, list[tuple[int, Score]]] = {"true pairs": [], "partners mixed up": []}
    bar, total = st.empty(), 2 * len(PERCENT)
    for number, percent in enumerate(PERCENT):
        for order, (called, points) in enumerate(curves.items()):
            bar.progress((2 * number + order) / total, text=f"{called}, {percent} %")
            found = doors.contrast(place, name, between, (percent, order == 1))
            assert found is not None
            points.append((percent, found[0].y_to_x.scores[measure]))
    bar.empty()
    st.plotly_chart(
        growing(
            curves,
            "pairs used, in %",
            score="mean average precision" if measure != "R@1" else "share",
        ),
        key="contrast_curve",
        config={"displayModeBar": False},
        alt="score of held-out items by the share of pairs used, true and mixed up, with chance",
    )


def see_maps(material: Material) -> None:
    """Draw noise and real vectors by UMAP with other seeds and neighbours."""
    chosen = material.chosen
    neighbours = st.select_slider(
        "Neighbours that UMAP looks at", NEIGHBOURS, value=3, key="map_neighbours"
    )
    modality = present(material, chosen.name)[0]
    with st.spinner("Drawing six maps; the very first takes a few seconds longer"):
        try:
            _row_of_maps(chosen, "noise", neighbours, "Pure noise")
            _row_of_maps(
                chosen, modality, neighbours, f"{PLURAL[modality].capitalize()} of {chosen.encoder}"
            )
        except ValueError as error:
            st.info(f"No map can be drawn of this run: {error}")
            return
    st.caption(
        "Each row shows the very same vectors three times; only the seed differs. Colours of the "
        "lower row are labels. Trust is the trustworthiness: 1 means that neighbours on the map "
        "are neighbours in the vectors. The size of a group on a map, and the distance between "
        "two groups, mean nothing."
    )


def _row_of_maps(chosen: object, modality: str, neighbours: int, title: str) -> None:
    from app.state import Chosen

    assert isinstance(chosen, Chosen)
    groups = None
    if modality != "noise":
        groups = doors.labels_of(chosen.place, chosen.name, modality)
    for column, seed in zip(st.columns(len(SEEDS)), SEEDS, strict=True):
        made = doors.drawn(chosen.place, chosen.name, modality, (neighbours, seed))
        trust = made.trustworthiness
        with column:
            st.plotly_chart(
                small_map(made.coordinates, groups, f"{title}, seed {seed}"),
                key=f"lesson_map_{modality}_{seed}",
                config={"displayModeBar": False},
                alt=f"UMAP of {title} with {neighbours} neighbours and seed {seed}",
            )
            st.caption(f"trust {trust.value:.2f}, a random map {trust.chance:.2f}, n = {trust.n}")


FRACTION = Question(
    "fraction",
    "Contrast pulls partners together and pushes all others apart. Suppose somebody mixed the "
    "partners up before the training. What about items the towers never saw?",
    (
        Choice(
            "They still find their kind: pulling and pushing puts things in order.",
            "The order comes from what belongs together, and that is just what was lost.",
        ),
        Choice(
            "They find their kind no better than by chance.",
            "The towers learn the wrong pairs by heart, and the loss falls all the same. What "
            "carries over to new items comes from true pairs; that is why shuffled pairs are a "
            "control.",
            is_right=True,
        ),
        Choice(
            "They never find it, less often than by chance.",
            "Mixed-up partners are no opposites, they are just anybody: that gives chance.",
        ),
    ),
)
MISLEAD = Question(
    "mislead",
    "We draw pure noise with UMAP, numbers without any structure, and let it look at 3 neighbours "
    "only. What will it look like?",
    (
        Choice(
            "One even cloud.",
            "That would be the honest picture. But the map sees 3 neighbours of each point, and "
            "some are always nearer than others.",
        ),
        Choice(
            "Clumps and strings that look like groups.",
            "A map can show groups where there are none. Turn the neighbours up, change the seed, "
            "and look at the trust below: what stays is worth a thought.",
            is_right=True,
        ),
        Choice(
            "A regular grid.",
            "Nothing here puts points at equal distances.",
        ),
    ),
)
LESSON = Lesson(
    key="pairs",
    title="Pairs, contrast, and results that mislead",
    idea=(
        "To put a song beside the right picture somebody has to say which belong together, at "
        "least for some. Contrast learns from that. And when you then look at a map of it all, or "
        "at the score of a probe, mind what the map makes up by itself, and what the probe could "
        "look up."
    ),
    parts=(
        Part(
            "Turn the pairs up", "Two small towers, taught by some pairs.", FRACTION, see_fraction
        ),
        Part("Do not believe every map", "The same vectors, drawn again.", MISLEAD, see_maps),
        leakage.PART,
    ),
    sources=(
        "A. Radford and others, 2021: Learning Transferable Visual Models From Natural Language "
        "Supervision (CLIP)",
        "W. Liang and others, 2022: Mind the Gap: Understanding the Modality Gap in Multi-modal "
        "Contrastive Representation Learning",
        "L. McInnes, J. Healy and J. Melville, 2018: UMAP: Uniform Manifold Approximation and "
        "Projection for Dimension Reduction",
        "A. Coenen and A. Pearce, 2019: Understanding UMAP",
        "S. Kaufman and others, 2012: Leakage in Data Mining: Formulation, Detection, and "
        "Avoidance",
    ),
)
