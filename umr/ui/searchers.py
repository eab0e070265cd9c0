"""The searchers that a page offers, by name, each opened once on first use. Not the search itself (umr.search)."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

from umr.collection import Collection
from umr.encoders.micro_batch import MOST_ROWS, MicroBatcher
from umr.errors import ConfigError, UMRError
from umr.eval.familiar import PictureCheck
from umr.index.manifest import IndexManifest
from umr.index.probe import FEWEST_ROWS
from umr.search import DecodedQuery, Outcome, Searcher, of_unlike_picture
from umr.shipped import DEFAULT_ENCODER, available, default_root, index_folder
from umr.ui.kinds import media_file
from umr.verdict import Verdicts, find_verdicts

log = logging.getLogger(__name__)

#: What the page encodes queries in.
PRECISION = "float32"
#: Fewer files than these are always given out one by one, never as their folder.
MANY = 100


#: An absolute path in a message, up to its last part.
_PLACE = re.compile(r"""(?<![\w.:/])(?:[A-Za-z]:)?[/\\](?:[^\s/\\"':;,]+[/\\])*(?=[^\s/\\"':;,])""")


def open_searcher(folder: Path, batch: int = MOST_ROWS) -> Searcher:
    """The searcher of an index folder, in the page's precision, after eight of its rows were encoded again.

    That takes as long as eight searches, once; rows that another encoder made are then a sentence instead of wrong
    results. Queries of visitors who ask at the same time are encoded together.

    Args:
        folder: the index's.
        batch: so many of them at most; 1 encodes each by itself.

    Raises:
        ConfigError: the index or its encoder cannot be opened.
        MismatchError: they do not belong together, or to these rows.
    """
    searcher = Searcher.open(folder, dtype=PRECISION)
    searcher.index.verify_rows(searcher.encoder, searcher.collection, FEWEST_ROWS)
    _ = searcher.facts  # read now, so that no visitor waits for it
    if batch > 1:
        searcher.encoder = MicroBatcher(searcher.encoder, batch)
    return searcher


class Source(Protocol):
    """Where a searcher comes from: all on offer, or a visitor's own."""

    def get(self, name: str) -> Searcher:
        """The searcher of this encoder.

        Raises:
            ConfigError: there is none of this name.
        """


class Searchers:
    """Name -> searcher. Safe to use from several threads; a searcher is opened under its own lock."""

    def __init__(self, folders: Mapping[str, Path], default: str, opener: Callable[[Path], Searcher] = open_searcher):
        """folders: name -> index folder.

        Raises:
            ConfigError: there is none or `default` is not among them.
        """
        if default not in folders:
            raise ConfigError(f"no index of encoder {default!r}; there are: {', '.join(folders) or 'none'}")
        self.folders = dict(folders)
        self.default = default
        self._opener = opener
        self._opened: dict[str, Searcher] = {}
        self._checks: dict[str, PictureCheck | None] = {}
        self._broken = False
        self._locks = {name: threading.Lock() for name in folders}

    @property
    def names(self) -> list[str]:
        """The encoders on offer, the default one first."""
        return sorted(self.folders, key=lambda name: (name != self.default, name))

    def get(self, name: str) -> Searcher:
        """The searcher of this encoder.

        Raises:
            ConfigError: an unknown name.
            MismatchError: its index is another encoder's.
        """
        if not isinstance(name, str) or name not in self.folders:
            raise ConfigError(f"there is no encoder {name!r}; there are: {', '.join(self.names)}")
        with self._locks[name]:
            if name not in self._opened:
                with _without_places(name, self.folders[name]):
                    self._opened[name] = self._opener(self.folders[name])
            return self._opened[name]

    def manifest(self, name: str) -> IndexManifest:
        """What the index of this encoder says of itself: the one in memory that is searched, else the one on disk.

        Raises:
            KeyError: an unknown name.
            ConfigError: it is not there.
            MismatchError: it is not there.
        """
        opened = self._opened.get(name)
        if opened is not None:
            return opened.index.manifest
        with _without_places(name, self.folders[name]):
            return IndexManifest.read(self.folders[name])

    def opened(self, name: str) -> Searcher | None:
        """The searcher of this encoder where it is open already."""
        return self._opened.get(name)

    def verdicts(self, name: str) -> Verdicts | None:
        """What this encoder's scores are worth, without opening it; None where nothing was calibrated.

        Raises as `manifest`, and ConfigError for a file that holds no verdicts.
        """
        opened = self._opened.get(name)
        if opened is not None:
            return opened.verdicts
        manifest = self.manifest(name)
        return find_verdicts(self.folders[name], manifest.encoder_name, manifest.encoder)

    def check(self, name: str) -> PictureCheck | None:
        """What tells pictures that are unlike this encoder's training; None where nothing was calibrated.

        Raises as `get`, and ConfigError for a calibration that cannot be read.
        """
        searcher = self.get(name)
        with self._locks[name]:
            if name not in self._checks:
                self._checks[name] = PictureCheck.open(self.folders[name], searcher)
            return self._checks[name]

    def told(self, name: str, outcome: Outcome, asked: DecodedQuery) -> Outcome:
        """The outcome of a search, with a notice and weak matches where its picture is unlike the encoder's training.

        Args:
            name: the encoder's.
            outcome: what was found.
            asked: the query that found it, as the search read it.
        """
        check = None if asked.query.content.image is None else self.check(name)
        return of_unlike_picture(outcome, () if check is None else check.notices(asked))

    def preload(self, name: str | None = None) -> threading.Thread:
        """Opens a searcher, the default one for None, in the background, so that the page is served meanwhile."""
        opened = self.default if name is None else name
        thread = threading.Thread(target=self._warm, args=(opened,), name=f"open-{opened}", daemon=True)
        thread.start()
        return thread

    def healthy(self) -> bool:
        """Whether the default searcher is open, or is being opened; False once it could not be."""
        return self._opened.get(self.default) is not None or not self._broken

    def _warm(self, name: str) -> None:
        try:
            self.get(name)
        except UMRError as error:  # every search will say it again, on the page
            self._broken = self._broken or name == self.default
            log.error("%s cannot be opened: %s", name, error)


@contextmanager
def _without_places(name: str, folder: Path) -> Iterator[None]:
    """Errors of opening an index, as a visitor may read them: where it lies on the server is for the log alone."""
    try:
        yield
    except UMRError as error:
        log.warning("the index of %s: %s", name, error)
        told = str(error).replace(str(folder), f"the index of {name}")
        for place in (default_root(), default_root().parent):
            told = told.replace(f"{place}{os.sep}", "")
        raise type(error)(_PLACE.sub("", told)) from error


def find_searchers(
    index: Path | None = None, encoder: str | None = None, root: Path | None = None, batch: int = MOST_ROWS
) -> Searchers:
    """What a start of the page offers: one index folder, or every encoder with a bundled index under `root`.

    Args:
        index: an index folder; its manifest names the encoder.
        encoder: the one to start with.
        root: default, the repository's indexes.
        batch: see `open_searcher`.

    Raises:
        ConfigError: there is nothing to search.
        MismatchError: a foreign manifest.
    """
    if batch < 1:
        raise ConfigError(f"--batch is {batch}; give at least 1, which encodes every query by itself")
    opener = partial(open_searcher, batch=batch)
    if index is not None:
        name = IndexManifest.read(index).encoder_name
        if encoder not in (None, name):
            raise ConfigError(f"{index} was built by {name!r}, not by {encoder!r}: leave --encoder out")
        return Searchers({name: index}, name, opener)
    names = available(root)
    if not names:
        raise ConfigError(
            f"no index under {root or default_root()}: build one with `python -m umr index`, "
            "or name one with --index DIR"
        )
    folders = {name: index_folder(name, root) for name in names}
    return Searchers(folders, encoder or (DEFAULT_ENCODER if DEFAULT_ENCODER in names else names[0]), opener)


def media_paths(searchers: Searchers) -> list[Path]:
    """The only files and folders that the page gives out: the bundled media, and the files of other collections.

    MANY files that make up a whole folder stand as that folder: Gradio compares every request with every path (0.1 ms).
    """
    bundled = default_root() / "media"
    files: set[Path] = set()
    for folder in searchers.folders.values():
        place = (folder / IndexManifest.read(folder).collection_at).resolve()
        if not place.is_relative_to(bundled.resolve()):
            files |= {path.resolve() for one in Collection.open(place) if (path := media_file(one.content))}
    counts: dict[Path, int] = {}
    return [bundled, *sorted({_widest(file, files, counts) for file in files})]


def _widest(file: Path, files: set[Path], counts: dict[Path, int]) -> Path:
    """The file, or the widest folder around it that holds MANY of the files and nothing else.

    Args:
        file: one of them.
        files: all that may be given out.
        counts: those known.
    """
    widest = file
    for folder in file.parents:
        if folder not in counts:
            counts[folder] = _count_alone(folder, files)
        if not counts[folder]:
            break
        widest = folder if counts[folder] >= MANY else widest
    return widest


def _count_alone(folder: Path, files: set[Path]) -> int:
    """How many of the files lie under the folder; 0 where anything else does."""
    count = 0
    for place, folders, names in os.walk(folder):
        inside = [Path(place, name) for name in names]
        if not files.issuperset(inside) or any(Path(place, name).is_symlink() for name in folders):
            return 0
        count += len(inside)
    return count
