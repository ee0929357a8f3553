"""Files with something wrong somewhere, for tests of whatever reads what others wrote."""

from hypothesis import strategies as st


@st.composite
def damaged(draw, whole):
    """Draw one of some files with bytes changed, cut out, doubled, or cut off.

    Args:
        draw: from hypothesis.
        whole: files as they should be, as bytes.
    """
    data = bytearray(draw(st.sampled_from(whole)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, max(0, len(data) - 1)))
        end = min(len(data), start + draw(st.integers(1, 64)))
        match draw(st.sampled_from(["change", "remove", "double", "cut"])):
            case "change":
                new = draw(st.binary(min_size=1, max_size=8))
                data[start : start + len(new)] = new
            case "remove":
                del data[start:end]
            case "double":
                data[start:start] = data[start:end]
            case "cut":
                del data[start:]
    return bytes(data)
