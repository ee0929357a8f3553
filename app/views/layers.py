"""Layers: what every layer knows, what reading it out takes, how alike layers are, their shape."""

import streamlit as st

from app import state
from app.views.layers_alike import draw_alike
from app.views.layers_choice import ask_beside, open_at, same_data
from app.views.layers_known import draw_knows, draw_takes
from app.views.layers_shape import draw_shape
from app.views.opening import follow_wish
from d2v_core.errors import D2VError

VIEWS = {
    "knows": "What they know",
    "takes": "What it takes to read it",
    "alike": "How alike they are",
    "shape": "Their shape",
}


def page(chosen: state.Chosen) -> None:
    """Draw the page."""
    follow_wish()
    st.title("What is in each layer?")
    view = st.segmented_control(
        "View", list(VIEWS), default="knows", key="layers_view", bind="query-params",
        format_func=VIEWS.__getitem__, required=True, label_visibility="collapsed",
        persist_state="session",
    )  # fmt: skip
    recipes = same_data(chosen)
    try:
        match view:
            case "takes":
                draw_takes(chosen, recipes)
            case "alike":
                draw_alike(chosen, recipes)
            case "shape":
                draw_shape(chosen, recipes, ask_beside(chosen, recipes), open_at(recipes))
            case _:
                draw_knows(chosen, recipes)
    except D2VError as error:
        st.warning(str(error))


page(state.current())
