"""The browser face: which pages there are, and the choice that they share.

`streamlit run` reads this file twice. First it imports it, finds an ASGI app and serves that: the
pages, and the routes that the map fetches from. Then it runs it as a script, once a visit and once
a click.
"""

from pathlib import Path

import streamlit as st

from app import routes

HERE = Path(__file__).resolve().parent
VIEWS = HERE / "views"
WITHOUT_STORE = ("data", "train")  # these pages come before there is anything to measure


def draw() -> None:
    """Draw the chosen page."""
    from app import state  # a server that only serves needs none of it
    from app.views import answer, sidebar, words_window

    # The icon is a file: Streamlit would fetch a named one from the internet.
    icon = str(HERE / "icon.png")
    st.set_page_config(page_title="data2vec workbench", page_icon=icon, layout="wide")
    st.html(HERE / "style.css")
    page = st.navigation(
        [
            st.Page(VIEWS / "start.py", title="Start", icon=":material/home:", default=True),
            st.Page(VIEWS / "map.py", title="Map", icon=":material/scatter_plot:"),
            st.Page(VIEWS / "ask.py", title="Ask", icon=":material/search:"),
            st.Page(VIEWS / "label.py", title="Label", icon=":material/label:"),
            st.Page(VIEWS / "layers.py", title="Layers", icon=":material/layers:"),
            st.Page(VIEWS / "meet.py", title="Do they meet?", icon=":material/join_inner:"),
            st.Page(VIEWS / "report.py", title="Report", icon=":material/description:"),
            st.Page(VIEWS / "learn.py", title="Learn", icon=":material/school:"),
            st.Page(VIEWS / "data.py", title="Data", icon=":material/folder_open:"),
            st.Page(VIEWS / "train.py", title="Train", icon=":material/model_training:"),
        ]
    )
    words_window.offer(page.url_path or "start")
    if page.url_path in WITHOUT_STORE:
        page.run()
        return
    answer.draw_early(is_start=page.url_path == "")
    chosen = sidebar.choose()
    if chosen is None:
        st.caption("Choose or open a store on the left; every page then shows what is in it.")
    else:
        state.remember(chosen)
        page.run()


if __name__ == "__main__":
    draw()
else:
    server = st.App(__file__, routes=routes.routes())
