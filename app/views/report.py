"""Report: all that is known of some runs as one file that opens anywhere."""

from datetime import UTC, datetime
from html import escape

import streamlit as st

from app import cached, reporting, showing, state, tasks
from app.following import settle, usual
from app.reporting import Made, Order
from app.views import waiting
from app.views.explained import brief
from app.views.layers_choice import label_columns
from app.words import METHODS
from d2v_core.errors import D2VError

PREVIEW_PIXELS = 760


def compose(chosen: state.Chosen) -> Order | None:
    """Ask what the report is about; None if nothing is chosen."""
    recipes = {choice.name: choice.recipe for choice in cached.choices(chosen.place)}
    called = showing.called_by(recipes)
    shown = [n for n, recipe in recipes.items() if recipe.role == "trained"] or list(recipes)
    settle("report_runs", chosen.place, shown)
    names = st.multiselect(
        "Runs", shown, default=usual("report_runs", shown), format_func=called.__getitem__,
        key="report_runs", bind="query-params", persist_state="session",
        help="Their controls come with them: without these no claim is made.",
    )  # fmt: skip
    left, right = st.columns([3, 1])
    columns = label_columns(chosen.read().items)
    settle("report_labels", f"{chosen.place} {columns}", columns[:1])
    with left:
        labels = st.multiselect(
            "To be told from the vectors", columns, default=usual("report_labels", columns[:1]),
            key="report_labels", bind="query-params", persist_state="session",
            help="Every column is probed in every layer of every run; each takes its time.",
        )  # fmt: skip
    with right:
        method = st.segmented_control(
            "Maps", list(METHODS), default="umap", format_func=METHODS.__getitem__,
            key="report_method", required=True, bind="query-params", persist_state="session",
        )  # fmt: skip
    if not names:
        st.info("Choose at least one run: there is nothing to report on.")
        return None
    if not labels:
        st.caption("No column is chosen: the report will be about `label`, if there is one.")
    wanted = reporting.with_controls(cached.store(chosen.place), names)
    return Order(chosen.place, wanted, tuple(labels), method or "umap")


def draw_order(order: Order, *, is_made: bool) -> bool:
    """Draw how the making stands, or what starts it; return whether it is at work."""
    standing = waiting.wait_for(order.folder(), "Making the report", key="report")
    if standing in tasks.GOING:
        st.caption("You can go on meanwhile: it is made in the background and kept.")
        return True
    words = (
        "Make it anew" if is_made else "Try again" if standing == "failed" else "Make the report"
    )
    st.button(
        words,
        key="report_begin",
        type="secondary" if is_made else "primary",
        icon=":material/refresh:" if is_made else ":material/play_arrow:",
        on_click=waiting.begin,
        args=(order.folder(), order.command()),
    )
    if not is_made:
        st.caption(
            "What was measured before is not measured again. The first time, with all probes, maps "
            "and permutations, it takes some minutes for a few hundred items."
        )
    return False


@st.cache_resource(max_entries=4, show_spinner="Opening the report")
def opened(order: Order, made: float) -> Made | None:
    """Return a report with its chapters; None if another version made it. See `files_of`."""
    return Made.read(order)


@st.cache_data(max_entries=8, show_spinner=False)
def files_of(order: Order, made: float, ids: tuple[str, ...]) -> tuple[str, str, bytes]:
    """Return page, JSON and zipped tables of some chapters; `made` tells when, so that it is new.

    The JSON has everything: it makes the whole report again.
    """
    report = opened(order, made)
    assert report is not None  # its chapters were chosen from
    return report.page(ids), report.text, report.tables_zip(ids)


def when_made(order: Order) -> float | None:
    """Return when a report was made; None if it was not."""
    try:
        return (order.folder() / reporting.HTML).stat().st_mtime
    except OSError:
        return None


def draw_made(report: Made, made: float) -> None:
    """Draw the report that was made: which chapters, its files, and a preview."""
    titles, results = report.titles, report.results
    settle("report_chapters", str(report.order.folder()), list(titles))
    chapters = st.multiselect(
        "Chapters", list(titles), default=usual("report_chapters", list(titles)),
        format_func=titles.__getitem__, key="report_chapters", bind="query-params",
        persist_state="session", help="Leaving one out measures nothing anew.",
    )  # fmt: skip
    if not chapters:
        st.info("Choose at least one chapter.")
        return
    kept = tuple(name for name in titles if name in chapters)
    with st.spinner("Putting the chapters together"):
        page, text, tables = files_of(report.order, made, kept)
    called = [run["called"] for run in results["runs"] if run["role"] == "trained"]
    with st.container(horizontal=True):
        for label, data, suffix, mime in (
            ("The report, HTML", page, "html", "text/html"),
            ("All results, JSON", text, "json", "application/json"),
            ("All tables, CSV in a zip", tables, "zip", "application/zip"),
        ):
            st.download_button(
                label, data, reporting.file_name(called, suffix), mime,
                key=f"report_{suffix}", on_click="ignore", icon=":material/download:",
                type="primary" if suffix == "html" else "secondary",
            )  # fmt: skip
    when = datetime.fromtimestamp(made, UTC)
    st.caption(
        f"Made {when:%Y-%m-%d %H:%M} UTC; {len(page) / 1e6:.1f} MB. The HTML file needs no network "
        "and opens anywhere; `d2v report FILE.json --out FILE.html` makes it again from the JSON, "
        "and with `--again` measures everything anew and compares."
    )
    if st.toggle(
        "Show it here",
        value=True,
        key="report_preview",
        bind="query-params",
        persist_state="session",
    ):
        st.iframe(framed(page), height=PREVIEW_PIXELS, alt="The report")


def framed(page: str) -> str:
    """Return a page inside a frame that may run its own scripts but reach nothing of this app."""
    return (
        "<!doctype html><style>html,body{margin:0;height:100%}iframe{border:0;width:100%;"
        'height:100%}</style><iframe title="The report" sandbox="allow-scripts" '
        f'srcdoc="{escape(page)}"></iframe>'
    )


def page(chosen: state.Chosen) -> None:
    """Draw the page."""
    st.title("A report to keep")
    st.markdown(
        "Figures, words and numbers of the runs you choose, as one file to send, print or put "
        "beside a paper: every number with its interval, its chance and what it rests on.",
        help=brief("confidence interval", "chance", "control"),
    )
    try:
        order = compose(chosen)
    except D2VError as error:
        st.warning(str(error))
        return
    if order is None:
        return
    made = when_made(order)
    report = None if made is None else opened(order, made)
    if not draw_order(order, is_made=report is not None) and report and made:
        draw_made(report, made)


page(state.current())
