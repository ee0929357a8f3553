"""The bounds under which bad files are tried: what goes beyond them is found out."""

import pytest

from tests.core.bounded import SECONDS, Tried, try_all


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    names = ["100", "1500", "200", "end", "300"]
    return try_all("tests.core.bounded:takes", names, tmp_path_factory.mktemp("try"))


def test_what_takes_more_than_a_gibibyte_breaks_alone(tried):
    assert (tried.said_of("100"), tried.said_of("200")) == ("100000000", "200000000")
    with pytest.raises(AssertionError, match="MemoryError"):
        tried.said_of("1500")


def test_what_ends_the_process_is_named(tried):
    with pytest.raises(AssertionError, match="the process ended before or at end"):
        tried.said_of("end")


def test_what_takes_too_long_is_said():
    tried = Tried([{"name": "a", "said": None, "seconds": SECONDS + 1}], "")
    with pytest.raises(AssertionError, match=r"a took 11\.0 s"):
        tried.said_of("a")
