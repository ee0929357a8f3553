"""Lesson 3: predict the input, or predict a representation of it."""

from pathlib import Path

import streamlit as st

from app.lessons import doors
from app.lessons.choosing import choose_item
from app.lessons.lesson import Lesson, Part
from app.lessons.material import Material
from app.lessons.pictures import as_url, enlarge, smooth, tiles
from app.lessons.quiz import Choice, Question
from d2v_core.errors import D2VError
from d2v_core.modality import Modality

SENSES: tuple[Modality, ...] = ("image", "audio")


def see_noise(material: Material) -> None:
    """Draw both targets before and after noise."""
    noise = st.slider("Noise on the input", 0.0, 0.8, 0.2, 0.05, key="target_noise")
    _both_senses(material, (noise, 1.0), "noise")


def see_contrast(material: Material) -> None:
    """Draw both targets before and after a change of contrast."""
    gain = st.slider("Contrast of the input", 0.3, 1.5, 0.5, 0.1, key="target_gain")
    _both_senses(material, (0.0, gain), "contrast")


def _both_senses(material: Material, change: tuple[float, float], key: str) -> None:
    for tab, modality, title in zip(
        st.tabs(["A picture", "A sound"]), SENSES, ("picture", "sound"), strict=True
    ):
        with tab:
            try:
                _targets(material, modality, change, f"{key}_{title}")
            except D2VError as error:
                st.info(str(error))


def _targets(material: Material, modality: Modality, change: tuple[float, float], key: str) -> None:
    item = choose_item(material, modality, key)
    if item is None:
        return
    found = doors.targets(material.run, material.data, item, change)
    twin = _untrained(item, material.data, change)
    columns = st.columns(3)
    shown = (
        ("The input", smooth(found.picture), enlarge(found.changed)[0], ""),
        (
            "Target of an MAE: the input, patch by patch",
            enlarge(found.pixels)[0],
            enlarge(found.changed_pixels)[0],
            f"{found.pixels_kept:.2f}",
        ),
        (
            "Target of data2vec: the network's own view",
            tiles(found.latent, found.grid),
            tiles(found.changed_latent, found.grid),
            f"{found.latent_kept:.2f}",
        ),
    )
    for column, (title, before, after, kept) in zip(columns, shown, strict=True):
        with column:
            st.markdown(f"**{title}**")
            st.image(as_url(before), caption="as it is", alt=f"{title}, as it is")
            st.image(as_url(after), caption="changed", alt=f"{title}, after the change")
            if kept:
                st.metric(
                    "Kept after the change",
                    kept,
                    help="Correlation of the target before and after; 1: nothing moved.",
                )
    control = (
        ""
        if twin is None
        else f" An untrained network keeps {twin:.2f}: that much needs no learning."
    )
    st.caption(
        "Colours on the right are the three widest directions of the vectors (PCA): patches of one "
        "colour are alike to the network. Where colours run smoothly from edge to edge, it mostly "
        f"says where a patch lies.{control}"
    )


def _untrained(item: tuple[Modality, str], data: str, change: tuple[float, float]) -> float | None:
    """Return what an untrained network keeps, if one is shipped."""
    from app import workbench

    random = workbench.SAMPLE_RUNS / "random"
    if not (Path(random) / "config.json").is_file():
        return None
    return doors.targets(str(random), data, item, change).latent_kept


NOISE = Question(
    "noise",
    "We add noise to the input until it looks grainy. Which target moves more: the pixels that an "
    "MAE has to predict, or the vectors that data2vec has to predict?",
    (
        Choice(
            "The pixels.",
            "Noise is part of the pixels, so a network that predicts them has to predict noise. "
            "The vectors sum up a whole patch and its surroundings, and most of the noise is lost "
            "on the way.",
            is_right=True,
        ),
        Choice(
            "The vectors.",
            "Compare the two numbers under the pictures: the one that is nearer to 1 moved less.",
        ),
        Choice(
            "Both alike: both are made of the same picture.",
            "Both are, but in different ways: one is the input, the other a summary of it.",
        ),
    ),
)
CONTRAST = Question(
    "contrast",
    "And if the contrast is halved instead, without any noise? Every patch of an MAE's target is "
    "given mean 0 and variance 1.",
    (
        Choice(
            "The pixels move more again.",
            "Halving the contrast of a patch and then giving it variance 1 undoes the halving.",
        ),
        Choice(
            "The vectors move a little, the pixels not at all.",
            "What a target ignores is a choice somebody made. This one was made by the norm of "
            "the patches, and the network has not learnt to ignore contrast altogether.",
            is_right=True,
        ),
        Choice(
            "Neither moves.",
            "Look at the second number: it is below 1.",
        ),
    ),
)
LESSON = Lesson(
    key="targets",
    title="Predict what: the input, or a thought about it?",
    idea=(
        "A masked autoencoder (MAE) has to paint the hidden patches. data2vec has to say what a "
        "network that sees everything thinks of them. The task looks alike, but what counts as a "
        "right answer is another thing, and so is what the student pays attention to."
    ),
    parts=(
        Part("With noise", "The same picture, clean and grainy.", NOISE, see_noise),
        Part("With less contrast", "The same picture, paler.", CONTRAST, see_contrast),
    ),
    sources=(
        "K. He and others, 2022: Masked Autoencoders Are Scalable Vision Learners (MAE)",
        "A. Baevski and others, 2022: data2vec: A General Framework for Self-supervised Learning "
        "in Speech, Vision and Language",
    ),
)
