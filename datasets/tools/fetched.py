"""What scikit-learn fetches into the data folder: where it lies, and what is said when it does not
come.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aexbench import RequestError, files
from aexbench.errors import AbsentError, plain
from aexbench.fetching.downloads import DownloadError, may_fetch
from aexbench.fetching.local_data import data_folder, places


def cache_home(cache: Path, name: str, again: str) -> Path:
    """Return the place that holds a cache, or where it is to be; AbsentError if it must not be
    fetched now.
    """
    if may_fetch():
        return files.make_folder(data_folder())
    for place in places():
        if (place / cache).exists():
            return place
    raise AbsentError(f"{name} is not here: fetch it with  aexbench data get '{again}'")


@contextmanager
def network(again: str) -> Iterator[None]:
    """Make one line of what scikit-learn's fetchers raise and warn of."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of retries, and of what later versions of it will do
            yield
    except OSError as error:
        reason = plain(str(getattr(error, "reason", "") or error)) or type(error).__name__
        if may_fetch():
            raise DownloadError(
                f"scikit-learn could not fetch it: {reason}. The same command tries again"
            ) from None
        raise RequestError(f"{again} cannot be read: {reason}") from None
    except (KeyError, ValueError) as error:  # a name or a column that OpenML does not know
        raise RequestError(
            f"{again}: {plain(str(error.args[0] if error.args else error))}"
        ) from None
