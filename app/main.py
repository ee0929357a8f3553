"""The browser face: which pages there are, and the choice that they share."""

from pathlib import Path

import streamlit as st

from app import state
from app.views import sidebar

HERE = Path(__file__).resolve().parent
VIEWS = HERE / "views"

# The icon is a file: Streamlit would fetch a named one from the internet.
st.set_page_config(page_title="data2vec workbench", page_icon=str(HERE / "icon.png"), layout="wide")
st.html(HERE / "style.css")
page = st.navigation(
    [
        st.Page(VIEWS / "start.py", title="Start", icon=":material/home:", default=True),
        st.Page(VIEWS / "map.py", title="Map", icon=":material/scatter_plot:"),
        st.Page(VIEWS / "layers.py", title="Layers", icon=":material/layers:"),
        st.Page(VIEWS / "meet.py", title="Do they meet?", icon=":material/join_inner:"),
    ]
)
chosen = sidebar.choose()
if chosen is None:
    st.caption("Choose or open a store on the left; every page then shows what is in it.")
else:
    state.remember(chosen)
    page.run()
