"""The way to the best rows of a large index without comparing all of them: an inverted file over compressed rows.

It is a second file beside the exact rows, made from them alone: `--factory IVF4096,SQ8` asks for it in FAISS's words.
What it finds is scored again by the exact rows, which are mapped and not read, so that a score is the one that an
exact search gives, to the bit. Where it cannot answer (thousands of results, a small pool, lists that hold too few),
the exact rows are searched. Not those (umr.index.flat). N rows, D numbers in a row, Q queries.
"""

from __future__ import annotations

import logging
import math
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from umr.disk import told_when_full
from umr.errors import ConfigError, MismatchError, reason
from umr.index.faiss_file import read_faiss
from umr.index.flat import FlatIndex, RowFile, Rows, gpu_count, row_blocks
from umr.index.manifest import FACTORY

#: Rows of each list that a training needs, as FAISS warns below it, and that it is given where there are more.
FEWEST_OF_LIST, MOST_OF_LIST = 39, 64
#: Of so many lists one is searched, unless it is said otherwise: of 64, queries of pictures and words lost 5 to 19 % of
#: their first ten (training.pool_recall; docs/indexes.md).
_SHARE = 16
#: More results than that are looked for among the exact rows; so many rows of a pool are few enough for that too.
MOST_K, SMALL_POOL = 512, 32_768
#: So many times the results are taken from the compressed rows, and at least so many, to be scored again.
_FACTOR, _FEWEST = 4, 200
_GPU_MOST = 2048  # lists that a GPU looks into, a limit of FAISS; of results, MOST_K times _FACTOR keeps to the same
_FEWEST_OF_PQ = 256 * FEWEST_OF_LIST  # each stretch has 256 centres of its own
log = logging.getLogger(__name__)
_FORM = re.compile(r"IVF([0-9]{0,6}),(SQ8|PQ([0-9]{1,3}))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coarse:
    """What is asked for of a coarse index.

    Attributes:
        lists: into how many parts the rows are put, each around a centre.
        code: "SQ8", one byte for a number, or "PQ16" and the like, one byte for a stretch of a row.
        nprobe: lists that a query looks into.
    """

    lists: int
    code: str
    nprobe: int

    def __str__(self) -> str:
        """In FAISS's words, as the manifest has it."""
        return f"IVF{self.lists},{self.code}"

    @classmethod
    def read(cls, factory: str, count: int, dim: int, nprobe: int = 0) -> Coarse | None:
        """What a factory string asks for; None for the exact rows alone.

        Args:
            factory: "SQfp16", or "IVF4096,SQ8" and the like; without a number of lists one that fits is chosen.
            count: N.
            dim: D.
            nprobe: lists to look into; 0: a share of them.

        Raises:
            ConfigError: it is none of these, or does not fit the rows.
        """
        found = _known(factory, nprobe)
        if found is None:
            return None
        most = count // FEWEST_OF_LIST
        lists = int(found[1]) if found[1] else min(2 ** round(math.log2(4 * math.sqrt(count))), most)
        if not 1 <= lists <= most:
            fits = f"at most {most} fit, as in IVF{most},{found[2]}" if most else f"use {FACTORY}"
            raise ConfigError(
                f"{factory} needs at least {FEWEST_OF_LIST} candidates for each list, and here are {count:,}: {fits}"
            )
        _check_code(found[2], found[3], count, dim)
        probed = nprobe or max(1, lists // _SHARE)
        return cls(lists=lists, code=found[2], nprobe=checked_nprobe(probed, lists))

    @classmethod
    def again(cls, factory: str, count: int, nprobe: int) -> Coarse | None:
        """As `read`, for the rows that an index holds now: what was removed must not stay for the sake of its lists.

        Args:
            factory: that it had.
            count: N now; where it is too small, there are fewer lists, and below a few thousand for PQ none.
            nprobe: that it had.
        """
        found = _FORM.fullmatch(factory)
        most = count // FEWEST_OF_LIST
        if found is None or not most or (found[3] and count < _FEWEST_OF_PQ):
            return None
        lists = min(int(found[1] or most), most)
        return cls(lists=lists, code=found[2], nprobe=min(nprobe, lists))


def check_factory(factory: str, nprobe: int = 0, dim: int = 0) -> None:
    """Look whether a factory can be at all, before there are rows.

    Args:
        factory: as of Coarse.read.
        nprobe: as of Coarse.read.
        dim: D; 0 where it is not known yet.

    Raises:
        ConfigError: it is none, or fits no rows of so many numbers.
    """
    found = _known(factory, nprobe)
    if found is None:
        return
    if found[1] and not int(found[1]):
        raise ConfigError(
            f"{factory} has no lists; at least 1 is needed, as in IVF4096,{found[2]}, or IVF,{found[2]} to have their "
            "number chosen"
        )
    if found[3] and not int(found[3]):
        raise ConfigError(f"{found[2]} leaves nothing of a row; give the bytes that it keeps, as in IVF4096,PQ32")
    if nprobe and found[1]:
        checked_nprobe(nprobe, int(found[1]))
    if dim:
        _check_parts(found[2], found[3], dim)


def _known(factory: str, nprobe: int) -> re.Match[str] | None:
    """The parts of a factory's name; None for the exact rows alone."""
    if factory == FACTORY:
        if nprobe:
            raise ConfigError(f"--nprobe is {nprobe}, but {FACTORY} has no lists: give --factory IVF,SQ8 too")
        return None
    found = _FORM.fullmatch(factory)
    if found is None:
        raise ConfigError(
            f"the factory {factory!r} is not known; legal: {FACTORY} (exact), IVF4096,SQ8 and IVF4096,PQ32 with "
            "any such numbers, or IVF,SQ8 to have the number of lists chosen"
        )
    return found


def checked_nprobe(nprobe: int, lists: int) -> int:
    """The number of lists to look into.

    Raises:
        ConfigError: there are not so many.
    """
    if not 1 <= nprobe <= lists:
        raise ConfigError(f"nprobe is {nprobe}; it must be from 1 to the number of lists, {lists}")
    return nprobe


class CoarseIndex:
    """N rows in lists, over the exact rows of a FlatIndex."""

    def __init__(self, index: faiss.IndexIVF, flat: FlatIndex) -> None:
        self._index, self._flat = index, flat
        self._lock = threading.Lock()
        self._cpu = faiss.IndexRefine(index, flat.exact)
        self._resources = faiss.StandardGpuResources() if gpu_count() else None
        self._gpu: faiss.IndexRefine | None = None
        if self._resources is not None:
            try:
                self._on_gpu = faiss.index_cpu_to_gpu(self._resources, 0, index)
                self._gpu = faiss.IndexRefine(self._on_gpu, flat.exact)
            except RuntimeError as error:  # its memory is not enough, or this code is none of those that it has
                log.warning("the lists are searched on the CPU: %s", reason(error)[:200])

    @classmethod
    def made(cls, wanted: Coarse, flat: FlatIndex) -> CoarseIndex:
        """Train on rows that stand evenly over all of them, and put all into the lists. Equal rows give equal lists."""
        index: Any = faiss.index_factory(flat.dim, str(wanted), faiss.METRIC_INNER_PRODUCT)
        if wanted.code != "SQ8":
            index.do_polysemous_training = False  # an order of its centres that no search here uses; most of the time
        if gpu_count():
            index.clustering_index = faiss.index_cpu_to_all_gpus(faiss.IndexFlatIP(flat.dim))
        sample = min(len(flat), MOST_OF_LIST * max(wanted.lists, 256))
        index.train(flat.vectors(np.linspace(0, len(flat) - 1, sample).astype(np.int64)))
        index.clustering_index = None
        for rows in row_blocks(np.arange(len(flat))):
            index.add(flat.vectors(rows))
        index.nprobe = wanted.nprobe
        return cls(index, flat)

    @classmethod
    def read(cls, path: Path, factory: str, flat: FlatIndex, mapped: bool) -> CoarseIndex:
        """Read, or map, what `write` wrote.

        Raises:
            MismatchError: it is damaged, not what the factory says, or of other rows.
        """
        index = read_faiss(path, mapped)
        found = _said(index)
        if found != factory or index.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise MismatchError(f"{path} is {found or type(index).__name__}, not {factory}; rebuild it")
        if index.ntotal != len(flat) or index.d != flat.dim:
            raise MismatchError(
                f"{path} has {index.ntotal} rows of {index.d} numbers, the exact ones are {len(flat)} of {flat.dim}; "
                "rebuild it"
            )
        return cls(index, flat)

    def write(self, path: Path) -> None:
        """Write FAISS's own file format.

        Raises:
            DiskFullError: nothing more fits.
        """
        with told_when_full(path), path.open("wb") as file:
            faiss.write_index(self._index, faiss.PyCallbackIOWriter(file.write))  # type: ignore[attr-defined]  # no stub

    @property
    def lists(self) -> int:
        """How many there are."""
        return self._index.nlist

    @property
    def nprobe(self) -> int:
        """Lists that a query looks into."""
        return self._index.nprobe

    @nprobe.setter
    def nprobe(self, value: int) -> None:
        self._index.nprobe = checked_nprobe(value, self.lists)

    def search(self, queries: np.ndarray, k: int, within: Rows | None = None) -> tuple[np.ndarray, np.ndarray] | None:
        """The k best rows that the lists lead to; None where they do not lead to so many, or others are asked better.

        Args:
            queries: (Q, D) float32.
            k: results of each.
            within: the rows that are searched; None: all.

        Returns:
            Scores (Q, k) float32, descending, as the exact rows give them, and rows (Q, k) int64.

        Raises:
            MismatchError: the lists are of other rows.
        """
        if k > MOST_K or (within is not None and len(within) <= SMALL_POOL):
            return None
        lists = faiss.SearchParametersIVF(nprobe=self.nprobe)  # type: ignore[call-arg]  # fields, as for flat.Rows
        if within is not None:
            lists.sel = within.selector
        factor = max(_FACTOR, math.ceil(_FEWEST / k))
        parameters = faiss.IndexRefineSearchParameters(k_factor=factor, base_index_params=lists)  # type: ignore[call-arg]
        if self._gpu is not None and within is None and self.nprobe <= _GPU_MOST:
            with self._lock:  # one GPU resource serves one thread at a time
                scores, rows = self._gpu.search(queries, k, params=parameters)
        else:
            if self._flat.file is not None:
                return self._scored_from_file(self._flat.file, queries, k, factor, lists)
            try:
                scores, rows = self._cpu.search(queries, k, params=parameters)
            except RuntimeError as error:  # FAISS itself looks whether the ids in the lists are of rows
                raise MismatchError(
                    f"the lists of this index lead to rows that are not there ({reason(error)[-120:]}); rebuild it"
                ) from error
        return None if (rows < 0).any() else (scores, rows)

    def _scored_from_file(
        self, file: RowFile, queries: np.ndarray, k: int, factor: int, lists: faiss.SearchParametersIVF
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """As search; of the exact rows those alone come into this process that are scored."""
        _, led_to = self._index.search(queries, k * factor, params=lists)
        if (led_to >= len(self._flat)).any():
            raise MismatchError("the lists of this index lead to rows that are not there; rebuild it")
        some = [rows[rows >= 0] for rows in led_to]
        if min(map(len, some), default=k) < k:
            return None
        scores, rows = np.empty((len(some), k), np.float32), np.empty((len(some), k), np.int64)
        for place, (query, its) in enumerate(zip(queries, some, strict=True)):
            scores[place], rows[place] = file.best(query, its, k)
        return scores, rows


def _check_code(code: str, parts: str | None, count: int, dim: int) -> None:
    _check_parts(code, parts, dim)
    if parts is not None and count < _FEWEST_OF_PQ:
        raise ConfigError(f"{code} is trained on {_FEWEST_OF_PQ:,} candidates at least; here are {count:,}: use SQ8")


def _check_parts(code: str, parts: str | None, dim: int) -> None:
    if parts is not None and (not int(parts) or dim % int(parts)):
        fits = ", ".join(str(one) for one in range(8, dim + 1) if not dim % one)
        raise ConfigError(f"{code} does not part {dim} numbers evenly; PQ goes with {fits or dim}")


def _said(index: faiss.Index) -> str:
    """The factory string of an index that was read; "" for one that no factory here makes."""
    if isinstance(index, faiss.IndexIVFPQ) and index.pq.nbits == 8:
        return f"IVF{index.nlist},PQ{index.pq.M}"
    if isinstance(index, faiss.IndexIVFScalarQuantizer) and index.sq.qtype == faiss.ScalarQuantizer.QT_8bit:
        return f"IVF{index.nlist},SQ8"
    return ""
