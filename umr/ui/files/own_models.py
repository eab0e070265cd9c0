"""What several models find in a visitor's files: the files indexed by each on demand, first results side by side."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence

from umr.errors import ConfigError
from umr.index.index import Index, build_index
from umr.search import Outcome, Searcher, decode
from umr.shipped import MANIFEST
from umr.types import Query
from umr.ui.files.uploads import SHARD, OwnFiles
from umr.ui.searchers import Searchers

SHOWN = 6  # results of each model
_BUILDING = threading.Lock()  # one at a time, as indexing takes a core


def searcher_of(own: OwnFiles, name: str, searchers: Searchers) -> Searcher:
    """The searcher of these files by a model on offer; where it is not the one that indexed them, they are now.

    Raises:
        ConfigError: there is no such model, or no more room on the disk.
        MismatchError: its own index is another encoder's.
    """
    bundled = searchers.get(name)
    if bundled.encoder.fingerprint == own.searcher.encoder.fingerprint:
        return own.searcher
    folder, collection = own.folder / f"index-of-{name}", own.searcher.collection
    with _BUILDING:
        if not (folder / MANIFEST).is_file():
            if not own.folder.is_dir():
                raise ConfigError("There are no files of yours here (any more). Add some first.")
            try:
                build_index(bundled.encoder, collection, folder, shard=SHARD)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
    return Searcher(bundled.encoder, Index.open(folder, bundled.encoder), collection)


def answers(own: OwnFiles, searchers: Searchers, names: Sequence[str], query: Query) -> dict[str, Outcome]:
    """Model -> its first results for one query in these files."""
    asked = decode(query)
    return {name: searcher_of(own, name, searchers).search(asked, SHOWN) for name in names}
