"""What the browser fetches beside the page: arrays, pictures and sounds, each named by a hash.

Nothing here takes a path or a name of a file. An array is named by the hash of its bytes. Pictures,
sounds and neighbours are named by the hash of a shelf that the page has put up, and a row on it.
What a hash names never changes, so a browser asks once; an unknown hash is 404, any other text too.
These routes are not behind a login: whoever can guess 256 bits may read what they name.
"""

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Protocol

import streamlit as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from d2v_core.errors import D2VError

MOST_BYTES = 512_000_000
"""Of all arrays together; those asked for longest ago go first."""

MOST_SHELVES = 64
STATIC = Path(__file__).resolve().parent / "scatter" / "static"
TYPES = {".js": "text/javascript", ".css": "text/css"}
HASH = re.compile(r"[0-9a-f]{64}")
RANGE = re.compile(r"bytes=([0-9]{1,12})-([0-9]{0,12})")
FILE = re.compile(r"[a-z]+\.(?:js|css)")
MOST_DIGITS = 9
_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    # It says that the bytes are as they are: packing megabytes anew for every reader on the same
    # machine takes longer than sending them.
    "Content-Encoding": "identity",
}


class Shelf(Protocol):
    """Things by row. An answer is bytes and their media type, or None if there is no such thing."""

    def __len__(self) -> int:
        """Return how many rows there are."""
        ...

    def get(self, row: int, kind: str) -> tuple[bytes, str] | None:
        """Return one thing; raise D2VError if it is gone."""
        ...


class Assets:
    """Arrays by the hash of their bytes, and shelves by theirs. Threads may share it.

    Args:
        most_bytes: what the arrays may take together. The newest stays even if it alone is larger.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self.served = False
        """Whether this process was started with the routes, so that a page can rely on them."""
        self.lock = Lock()
        self.arrays: OrderedDict[str, bytes] = OrderedDict()
        self.shelves: OrderedDict[str, Shelf] = OrderedDict()

    def put(self, content: bytes) -> str:
        """Keep bytes; return their hash."""
        name = hashlib.sha256(content).hexdigest()
        with self.lock:
            self.arrays[name] = content
            self.arrays.move_to_end(name)
            while len(self.arrays) > 1 and sum(map(len, self.arrays.values())) > self.most_bytes:
                self.arrays.popitem(last=False)
        return name

    def put_shelf(self, identity: str, make: Callable[[], Shelf]) -> str:
        """Put up a shelf unless it is up; return its hash.

        Args:
            identity: all that its content follows from.
            make: returns the shelf.
        """
        name = hashlib.sha256(identity.encode()).hexdigest()
        with self.lock:
            if name not in self.shelves:
                self.shelves[name] = make()
            self.shelves.move_to_end(name)
            while len(self.shelves) > MOST_SHELVES:
                self.shelves.popitem(last=False)
        return name

    def array(self, name: str) -> bytes | None:
        """Return the bytes that a hash names."""
        with self.lock:
            if name in self.arrays:
                self.arrays.move_to_end(name)
            return self.arrays.get(name)

    def shelf(self, name: str) -> Shelf | None:
        """Return the shelf that a hash names."""
        with self.lock:
            if name in self.shelves:  # whoever hovers over a map uses its shelf
                self.shelves.move_to_end(name)
            return self.shelves.get(name)


ASSETS = Assets()
"""Of this process: pages put things here, routes serve them."""


def prefix() -> str:
    """Return what all addresses here begin with, the server's own base path included."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}/d2v" if base else "/d2v"


def code_hash() -> str:
    """Return the hash of the component's files together: other code, another address."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def routes() -> list[Route]:
    """Return the routes, for `st.App`; from now on they count as served."""
    ASSETS.served = True
    at = prefix()
    return [
        Route(f"{at}/array/{{name}}", serve_array),
        Route(f"{at}/item/{{shelf}}/{{row}}/{{kind}}", serve_item),
        Route(f"{at}/code/{{name}}/{{file}}", serve_code),
    ]


def serve_array(request: Request) -> Response:
    """Serve the bytes of an array."""
    name = request.path_params["name"]
    content = ASSETS.array(name) if HASH.fullmatch(name) else None
    return _missing() if content is None else _found(content, "application/octet-stream")


def serve_item(request: Request) -> Response:
    """Serve a thing of a row of a shelf: 404 if there is none, 410 with the reason if gone."""
    given = request.path_params
    shelf = ASSETS.shelf(given["shelf"]) if HASH.fullmatch(given["shelf"]) else None
    digits = given["row"]
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= MOST_DIGITS
    if shelf is None or not is_number or int(digits) >= len(shelf):
        return _missing()
    try:
        found = shelf.get(int(digits), given["kind"])
    except D2VError as error:
        return _refusal(410, str(error))
    return _missing() if found is None else _found(*found, given=request)


def serve_code(request: Request) -> Response:
    """Serve a file of the component; its folder has no other files, and no folders."""
    file = request.path_params["file"]
    path = STATIC / file
    if request.path_params["name"] != code_hash() or not FILE.fullmatch(file) or not path.is_file():
        return _missing()
    return _found(path.read_bytes(), TYPES[path.suffix])


def _found(content: bytes, kind: str, given: Request | None = None) -> Response:
    """Return content, or the part of it that was asked for: a player jumps about in a sound."""
    headers = {**_HEADERS, "Accept-Ranges": "bytes"}
    asked = RANGE.fullmatch(given.headers.get("range", "")) if given else None
    if asked is None:
        return Response(content, media_type=kind, headers=headers)
    first = int(asked[1])
    last = min(int(asked[2] or len(content)), len(content) - 1)
    if first > last:
        headers["Content-Range"] = f"bytes */{len(content)}"
        return Response(status_code=416, headers=headers)
    headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
    return Response(content[first : last + 1], 206, media_type=kind, headers=headers)


def _missing() -> Response:
    return _refusal(404, "there is nothing of that name")


def _refusal(status: int, why: str) -> Response:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    body = json.dumps({"reason": why}).encode()
    return Response(body, status, media_type="application/json", headers=headers)
