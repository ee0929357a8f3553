"""A link to what is seen: it is the address of the page, ready to be copied."""

from urllib.parse import urlencode

import streamlit as st


def offer_link() -> None:
    """Draw the link."""
    with st.popover("Link", icon=":material/link:"):
        st.caption(
            "Opened by anybody who reaches this app, it shows the same: map, colour, filter, what "
            "is selected and what is in view."
        )
        st.code(link(), language=None, wrap_lines=True)


def link() -> str:
    """Return the address with all that was chosen; the server's part is missing in a test."""
    address = (st.context.url or "").partition("?")[0]
    return f"{address}?{urlencode(st.query_params.to_dict(), doseq=True)}"
