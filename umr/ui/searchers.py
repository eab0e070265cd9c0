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
from umr.encoders.seen import remember_pictures
from umr.errors import ConfigError, MismatchError, UMRError
from umr.eval.familiar import PictureCheck
from umr.index.manifest import IndexManifest
from umr.index.probe import FEWEST_ROWS
from umr.query_arithmetic import UNMOVED, QueryArithmetic
from umr.search import DecodedQuery, Outcome, Searcher, of_unlike_picture
from umr.shipped import DEFAULT_ENCODER, MANIFEST, available, default_root, index_folder
from umr.ui.kinds import media_file
from umr.ui.reranking import PageReranker, find_page_reranker
from umr.verdict import Verdicts, find_verdicts

log = logging.getLogger(__name__)

#: Fewer files than these are always given out one by one, never as their folder.
MANY = 100


#: An absolute path in a message, up to its last part.
_PLACE = re.compile(r"""(?<![\w.:/])(?:[A-Za-z]:)?[/\\](?:[^\s/\\"':;,]+[/\\])*(?=[^\s/\\"':;,])""")


def open_searcher(folder: Path, batch: int = MOST_ROWS) -> Searcher:
    """The searcher of an index folder, in the precision of its rows, after eight of them were encoded again.

    That takes as long as eight searches, once; rows that another encoder made are then a sentence instead of wrong
    results. Queries of visitors who ask at the same time are encoded together.

    Args:
        folder: the index's.
        batch: so many of them at most; 1 encodes each by itself.

    Raises:
        ConfigError: the index or its encoder cannot be opened.
        MismatchError: they do not belong together, or to these rows.
    """
    searcher = _checked(Searcher.open(folder))
    remember_pictures(searcher.encoder)
    if batch > 1:
        searcher.encoder = MicroBatcher(searcher.encoder, batch)
    return searcher


def _checked(searcher: Searcher) -> Searcher:
    searcher.index.verify_rows(searcher.encoder, searcher.collection, FEWEST_ROWS)
    _ = searcher.facts  # read now, so that no visitor waits for it
    return searcher


def reopen_searcher(folder: Path, last: Searcher) -> Searcher:
    """As open_searcher, for the next version of an index that is open: its encoder is not loaded again.

    It is where the version was built in another precision, as queries are encoded in that.

    Raises:
        ConfigError: the version cannot be opened.
        MismatchError: it does not hold together, or another encoder made it than the page's name says.
    """
    now, before = IndexManifest.read(folder), last.index.manifest
    if now.encoder_name != before.encoder_name:
        raise MismatchError(f"{folder} is now of {now.encoder_name}, and was of {before.encoder_name}: start again")
    if now.precision == before.precision:
        return _checked(Searcher.open(folder, encoder=last.encoder))
    return open_searcher(folder, last.encoder.most_rows if isinstance(last.encoder, MicroBatcher) else 1)


class Source(Protocol):
    """Where a searcher comes from: all on offer, or a visitor's own."""

    def get(self, name: str) -> Searcher:
        """The searcher of this encoder.

        Raises:
            ConfigError: there is none of this name.
        """


class Searchers:
    """Name -> searcher. Safe to use from several threads; a searcher is opened under its own lock.

    Where another version of an index lies on the disk than the one that is searched, it is opened in the background
    and takes the other's place at once; who has the old searcher ends with it. A version that cannot be opened is a
    line in the log, and the old one is searched on.
    """

    def __init__(
        self,
        folders: Mapping[str, Path],
        default: str,
        opener: Callable[[Path], Searcher] = open_searcher,
        reopener: Callable[[Path, Searcher], Searcher] = reopen_searcher,
        reranker: PageReranker | None = None,
    ):
        """Take what there is; nothing is opened.

        Args:
            folders: name -> index folder.
            default: the one that is searched where none is named.
            opener: opens an index folder.
            reopener: opens the next version of a folder whose searcher is open.
            reranker: what may re-rank their hits; None: nothing.

        Raises:
            ConfigError: there is none or `default` is not among them.
        """
        if default not in folders:
            raise ConfigError(f"no index of encoder {default!r}; there are: {', '.join(folders) or 'none'}")
        self.folders = dict(folders)
        self.default = default
        self.reranker = reranker or PageReranker()
        self._opener, self._reopener = opener, reopener
        self._seen: dict[str, _Stamp | None] = {}
        self._renewing = {name: threading.Lock() for name in folders}
        self.before_renewal: Callable[[], None] | None = (
            None  # called when a new version is open, before it is searched
        )
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
                self._seen[name] = _stamp(self.folders[name])
                with _without_places(name, self.folders[name]):
                    self._opened[name] = self._opener(self.folders[name])
            self._look(name)
            return self._opened[name]

    def _look(self, name: str) -> None:
        """Renew an open searcher in the background if its manifest is not the file that it was."""
        stamp = _stamp(self.folders[name])
        if stamp is not None and stamp != self._seen[name]:  # None: it is being built, or gone; both end one day
            self._seen[name] = stamp
            threading.Thread(target=self._renew, args=(name,), name=f"renew-{name}", daemon=True).start()

    def _renew(self, name: str) -> None:
        folder = self.folders[name]
        with self._renewing[name]:
            last = self._opened[name]
            try:
                if IndexManifest.read(folder).fingerprint == last.index.manifest.fingerprint:
                    return
                found = self._reopener(folder, last)
                if self.before_renewal is not None:
                    self.before_renewal()
            except (UMRError, OSError) as error:
                log.error("the new version of the index of %s is not served, the old one is: %s", name, error)
                return
            with self._locks[name]:
                self._opened[name] = found
                self._checks.pop(name, None)
            told = found.index.manifest
            log.warning("the index of %s is now %s, of %d vectors", name, told.fingerprint[:12], told.count)

    def manifest(self, name: str) -> IndexManifest:
        """What the index of this encoder says of itself: the one in memory that is searched, else the one on disk.

        Raises:
            KeyError: an unknown name.
            ConfigError: it is not there.
            MismatchError: it is not there.
        """
        opened = self._opened.get(name)
        if opened is not None:
            self._look(name)
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

    def search(
        self, name: str, asked: DecodedQuery, k: int, moved: QueryArithmetic = UNMOVED, rerank: bool = False
    ) -> Outcome:
        """A search by this encoder, re-ranked where that is asked for, with what `told` adds.

        Args:
            name: the encoder's.
            asked: the query, read.
            k: results.
            moved: arithmetic on the query's vector.
            rerank: the first hits are put in the order of the page's re-ranker.

        Raises:
            ConfigError: there is no such encoder or no re-ranker, or what is asked cannot be given.
            MismatchError: what is opened for it does not belong together.
        """
        searcher = self.get(name)
        found = self.reranker.search(searcher, asked, k, moved) if rerank else searcher.search(asked, k, moved)
        return self.told(name, found, asked)

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


_Stamp = tuple[int, int, int]


def _stamp(folder: Path) -> _Stamp | None:
    """What tells that a manifest was replaced, without reading it; None where there is none."""
    try:
        found = (folder / MANIFEST).stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


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
    index: Path | None = None,
    encoder: str | None = None,
    root: Path | None = None,
    batch: int = MOST_ROWS,
    reranker: str | Path | None = None,
) -> Searchers:
    """What a start of the page offers: one index folder, or every encoder with a bundled index under `root`.

    Args:
        index: an index folder; its manifest names the encoder.
        encoder: the one to start with.
        root: default, the repository's indexes.
        batch: see `open_searcher`.
        reranker: a folder or shipped name; None: the shipped re-ranker, where there is one.

    Raises:
        ConfigError: there is nothing to search, no index of the encoder, or no such re-ranker.
        MismatchError: a foreign manifest, or a re-ranker's choice that is another's.
    """
    if batch < 1:
        raise ConfigError(f"--batch is {batch}; give at least 1, which encodes every query by itself")
    opener = partial(open_searcher, batch=batch)
    again = find_page_reranker(reranker, root)
    if index is not None:
        name = IndexManifest.read(index).encoder_name
        if encoder not in (None, name):
            raise ConfigError(f"{index} was built by {name!r}, not by {encoder!r}: leave --encoder out")
        return Searchers({name: index}, name, opener, reranker=again)
    names = available(root)
    if not names:
        raise ConfigError(
            f"no index under {root or default_root()}: build one with `python -m umr index`, "
            "or name one with --index DIR"
        )
    if encoder is not None and encoder not in names:
        raise ConfigError(
            f"no index of encoder {encoder!r}; there are: {', '.join(names)}. Name one of these, or the folder of your "
            f"own that it is to search: --folder DIR --encoder {encoder}"
        )
    folders = {name: index_folder(name, root) for name in names}
    default = encoder or (DEFAULT_ENCODER if DEFAULT_ENCODER in names else names[0])
    return Searchers(folders, default, opener, reranker=again)


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
