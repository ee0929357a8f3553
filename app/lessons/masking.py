"""Lesson 1: what the student sees."""

import streamlit as st

from app.lessons import doors
from app.lessons.choosing import choose_item
from app.lessons.lesson import Lesson, Part
from app.lessons.material import Material
from app.lessons.pictures import apart, as_url, hide, smooth
from app.lessons.quiz import Choice, Question
from d2v_core.errors import D2VError
from d2v_core.modality import Modality

SENSES: tuple[Modality, ...] = ("image", "audio")
LARGEST_BLOCK, MOST_VIEWS = 4, 8


def see_blocks(material: Material) -> None:
    """Draw a masked picture and a masked sound with sliders for share and block size."""
    left, middle, right = st.columns([2, 2, 1], vertical_alignment="bottom")
    percent = left.slider("Hidden, in %", 10, 90, 75, 5, key="mask_percent")
    length = middle.slider(
        "Side of a visible block, in patches", 1, LARGEST_BLOCK, 3, key="mask_length"
    )
    right.button("Draw again", key="mask_again", icon=":material/casino:", on_click=_another)
    draw = st.session_state.get("mask_draw", 0)
    for column, modality in zip(st.columns(2), SENSES, strict=True):
        with column:
            try:
                _one_sense(material, modality, (percent / 100, length, 1, draw))
            except D2VError as error:
                st.info(str(error))


def _another() -> None:
    st.session_state["mask_draw"] = st.session_state.get("mask_draw", 0) + 1


def _one_sense(
    material: Material, modality: Modality, settings: tuple[float, int, int, int]
) -> None:
    item = choose_item(material, modality, "mask")
    if item is None:
        return
    views = doors.masked(material.run, material.data, item, settings)
    masked = hide(views.picture, views.masks[0], views.grid)
    total = views.grid.rows * views.grid.columns
    st.image(
        [as_url(apart(smooth(views.picture))), as_url(apart(masked))],
        width=256 if modality == "image" else "stretch",
        caption=["The teacher sees all of it", f"The student sees {views.visible} of {total}"],
        alt=["the whole item", f"the item with {total - views.visible} of {total} patches hidden"],
    )
    st.metric(
        "From a hidden patch to the nearest visible one",
        f"{views.furthest:.1f} patches",
        help="On average over the hidden patches. The closer, the easier to guess from next door.",
    )
    if not views.blocks:
        st.caption("Not one block of this size fits into what stays visible: it is single patches.")


def see_sharing(material: Material) -> None:
    """Draw several masked views of one picture and count the patches that are computed."""
    left, right = st.columns(2)
    count = left.slider("Masked views of one picture", 1, MOST_VIEWS, 4, key="views_count")
    percent = right.slider("Hidden, in %", 10, 90, 75, 5, key="views_percent")
    try:
        names = doors.offered(material.data, "image")
        if not names:
            st.info("There are no pictures in this data folder.")
            return
        item: tuple[Modality, str] = ("image", next(iter(names)))
        views = doors.masked(material.run, material.data, item, (percent / 100, 3, count, 0))
    except D2VError as error:
        st.info(str(error))
        return
    shown = [as_url(apart(hide(views.picture, mask, views.grid))) for mask in views.masks]
    st.image(
        shown,
        caption=[f"view {n + 1}" for n in range(count)],
        width=150,
        alt=[f"masked view {n + 1} of the picture" for n in range(count)],
    )
    total = views.grid.rows * views.grid.columns
    one, two, three = st.columns(3)
    one.metric("Patches through the teacher", f"{total:,}", help="Once, without gradient.")
    two.metric(
        "Patches through the student", f"{count * views.visible:,}", help="The visible ones only."
    )
    three.metric(
        "If the student saw holes too",
        f"{count * total:,}",
        help="As in data2vec 1.0, where a placeholder stands at every hidden place.",
    )
    st.caption(
        f"One pass of the teacher serves {count} lesson{'s' if count > 1 else ''} for the student: "
        "that is where data2vec 2.0 saves its time."
    )


BLOCKS = Question(
    "blocks",
    "Three quarters of a picture are hidden, and what stays visible are blocks of 3 by 3 patches. "
    "Now let single patches stay visible instead, just as many. What changes for the student?",
    (
        Choice(
            "It sees less of the picture.",
            "Exactly as many patches stay visible: the count is trimmed in both cases.",
        ),
        Choice(
            "Hidden patches lie nearer to visible ones, so they are easier to guess.",
            "Nearly every hidden patch then has a visible neighbour to copy from. Blocks leave "
            "large holes, and to fill a large hole one has to know what kind of thing it is.",
            is_right=True,
        ),
        Choice(
            "Nothing, for it is the same number of patches.",
            "The number is the same, but it matters where they are.",
        ),
    ),
)
SHARING = Question(
    "sharing",
    "A picture is masked four times, and each time a quarter of it is visible. Which patches go "
    "through the two networks of data2vec 2.0?",
    (
        Choice(
            "Teacher: all patches, once. Student: a quarter, four times.",
            "What is to be predicted does not depend on what is hidden, so one pass of the "
            "teacher is enough; and the student never computes what it cannot see.",
            is_right=True,
        ),
        Choice(
            "Teacher: all patches, four times. Student: a quarter, four times.",
            "The teacher sees no mask, so it would say the same four times.",
        ),
        Choice(
            "Teacher and student: all patches, four times.",
            "That is nearly data2vec 1.0, where a placeholder stands at every hidden place. "
            "Version 2.0 leaves hidden patches out.",
        ),
        Choice(
            "Teacher and student: the visible quarter, four times.",
            "Then the teacher would know no more than the student, and there would be nothing to "
            "learn from it.",
        ),
    ),
)
LESSON = Lesson(
    key="masking",
    title="What the student sees",
    idea=(
        "data2vec learns by filling holes. A picture, or the picture of a sound (its spectrogram), "
        "is cut into patches, and most of them are hidden from the student. The teacher sees "
        "everything. The student has to say what the teacher thinks about the hidden places."
    ),
    parts=(
        Part(
            "Blocks or crumbs?",
            "The share that is hidden is one thing, its shape another.",
            BLOCKS,
            see_blocks,
        ),
        Part(
            "One teacher, many masks",
            "Seeing everything is dear, seeing a quarter is cheap.",
            SHARING,
            see_sharing,
        ),
    ),
    sources=(
        "A. Baevski and others, 2022: data2vec: A General Framework for Self-supervised Learning "
        "in Speech, Vision and Language",
        "A. Baevski and others, 2022: Efficient Self-supervised Learning with Contextualized "
        "Target Representations for Vision, Speech and Language (data2vec 2.0)",
    ),
)
