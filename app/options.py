"""Options that several commands have, and how they are explained."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Out = Annotated[Path, typer.Option(help="Where it goes.")]
StorePlace = Annotated[str, typer.Argument(help="An embedding store: a folder or a URI.")]
Name = Annotated[
    str | None, typer.Option(help="Which representation; needed if the store has several.")
]
