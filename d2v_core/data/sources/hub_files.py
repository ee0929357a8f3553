"""The Parquet files of a data set on the Hugging Face hub: listed first, fetched one by one.

They go into the cache that all software of the hub shares, so that what is there is not fetched
again. All are of one commit, which is asked for first: a data set that changes meanwhile is not
mixed.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from d2v_core.errors import InputError

PREFIX = "hub:"
_CONVERTED = "refs/convert/parquet"


class HubFiles:
    """The files of a data set, or of one part of it, at one commit; none is fetched yet."""

    def __init__(self, data_set: str, commit: str, sizes: Mapping[str, int]) -> None:
        """Take down what was listed: PART/SPLIT/0000.parquet, or as the owner named it; bytes."""
        self._data_set, self._commit, self._sizes = data_set, commit, sizes
        self._here = self._came = self._bytes = 0
        self.names = tuple(sizes)

    def fetch(self, file: str) -> Path:
        """Return where a file is, fetched unless the cache has it.

        Raises:
            InputError: if the hub does not give it.
        """
        from huggingface_hub import HfApi, try_to_load_from_cache

        name, of = self._data_set, self._commit
        there = try_to_load_from_cache(name, file, repo_type="dataset", revision=of)
        if isinstance(there, str):
            self._here += 1
            return Path(there)
        api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
        with _refusals(name):
            path = Path(api.hf_hub_download(name, file, repo_type="dataset", revision=of))
        self._came += 1
        self._bytes += self._sizes[file]
        return path

    def fetched(self) -> str:
        """Say how many files were fetched of how many."""
        here = f"; {self._here} more from the cache" if self._here else ""
        return (
            f"fetched {self._came} of {len(self.names)} files, "
            f"{self._bytes / 1e6:,.1f} MB, of commit {self._commit[:12]}{here}"
        )


def list_files(name: str, part: str | None) -> HubFiles:
    """Return the Parquet files of a data set: those the hub made, or else its own.

    Raises:
        InputError: if there is no such data set or part, or the hub does not answer.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RevisionNotFoundError
    from huggingface_hub.hf_api import RepoFile

    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    with _refusals(name):
        try:
            commit = api.dataset_info(name, revision=_CONVERTED).sha
        except RevisionNotFoundError:
            commit = api.dataset_info(name).sha  # some keep Parquet files of their own
        tree = api.list_repo_tree(name, repo_type="dataset", recursive=True, revision=commit)
        sizes = {x.path: x.size for x in tree if isinstance(x, RepoFile)}
    if commit is None:
        raise InputError(f"the hub does not say of which version its files of {name} are")
    chosen = _of_part(name, sorted(x for x in sizes if x.endswith(".parquet")), part)
    return HubFiles(name, commit, {file: sizes[file] for file in chosen})


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    """Say in one sentence why the hub gives nothing.

    Raises:
        InputError: for all that its library raises.
    """
    from huggingface_hub.errors import (
        GatedRepoError,
        HTTPError,  # pyright: ignore[reportPrivateImportUsage]  # of whichever client it has
        RepositoryNotFoundError,
    )

    try:
        yield
    except GatedRepoError as error:
        raise InputError(
            f"{name} wants its terms accepted: do so on its page and log in with `hf auth login`"
        ) from error
    except RepositoryNotFoundError as error:
        raise InputError(f"the hub has no public data set {name!r}") from error
    except (HTTPError, OSError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"the Hugging Face hub does not answer ({first}); fetch {name} elsewhere and give its "
            "folder with --from"
        ) from error


def _of_part(name: str, files: list[str], part: str | None) -> list[str]:
    """Return the files of one part (PART/SPLIT/0000.parquet), of which there may be only one."""
    if not files:
        raise InputError(f"the hub has {name} not as Parquet; fetch it, and give its folder --from")
    parts = sorted({PurePosixPath(file).parts[0] for file in files if file.count("/") >= 2})
    if part is None and len(parts) > 1:
        raise InputError(
            f"{name} has the parts {', '.join(parts)}; choose one: {PREFIX}{name}@{parts[0]}"
        )
    chosen = [file for file in files if part is None or file.startswith(f"{part}/")]
    if not chosen:
        raise InputError(f"{name} has no part {part!r}; it has {', '.join(parts) or 'only one'}")
    return chosen
