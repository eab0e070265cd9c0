"""Exact inner-product search over half-precision rows, on CPU or GPU. Not ids or encoders (umr.index).

Rows of a large index are mapped: the disk gives what is looked at, and nothing is read at the opening.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, cast

import faiss
import numpy as np

from umr.disk import told_when_full
from umr.errors import MismatchError
from umr.index.faiss_file import read_faiss
from umr.index.manifest import FACTORY

_FAISS: Any = faiss  # for what its stubs do not know
_GPU_MAX_K = 2048  # a limit of FAISS on GPUs
_BLOCK = 65_536  # rows decoded at a time on their way to a GPU


def gpu_count() -> int:
    """GPUs that this build of FAISS can use. Asked before anything is cloned: cloning to 0 gives an empty index."""
    return faiss.get_num_gpus() if hasattr(faiss, "StandardGpuResources") else 0


class Rows:
    """A set of rows that a search is restricted to; kept by the caller, as making one takes time.

    Args:
        rows: (M,) sorted.
        count: rows of the whole index.
        kind: the modality, where they are all rows of one; "" else.
    """

    def __init__(self, rows: np.ndarray, count: int, kind: str = "") -> None:
        self.rows, self.kind = rows, kind
        first, last = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)
        #: (first, behind the last), where no other row lies between them.
        self.span = (first, last) if last - first == len(rows) else None
        self.selector: faiss.IDSelector
        # The stubs give the constructors of C++; FAISS's Python takes an array alone, and fields as keywords.
        if self.span is not None:
            self.selector = faiss.IDSelectorRange(first, last)
        else:
            member = np.zeros(count, bool)
            member[rows] = True
            self._bits = np.packbits(member, bitorder="little")  # FAISS reads this memory: it must outlive the selector
            self.selector = faiss.IDSelectorBitmap(self._bits)  # type: ignore[call-arg, arg-type]
        self.parameters = faiss.SearchParameters(sel=self.selector)  # type: ignore[call-arg]
        self.gpu: faiss.Index | None = None
        self.view: Any = None

    def __len__(self) -> int:
        return len(self.rows)


class ExactRows(Protocol):
    """What an index asks of an engine that holds its rows: FlatIndex, and umr.index.qdrant.QdrantRows."""

    def __len__(self) -> int: ...

    @property
    def dim(self) -> int:
        """Numbers in a row."""

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """The stored rows as float32 (M, D)."""

    def search(self, queries: np.ndarray, k: int, within: Rows | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Scores (Q, k) float32, descending, and rows (Q, k) int64, of the k best rows; -1 where fewer are left."""


class RowFile:
    """The rows of a mapped index, read one by one from its file.

    A mapped row brings its neighbours into the process, many times its size where the file is in the system's memory.
    """

    def __init__(self, path: str | Path, index: faiss.IndexScalarQuantizer) -> None:
        """Open it.

        Args:
            path: the file that was mapped.
            index: what it holds.

        Raises:
            MismatchError: the file does not end with the rows.
        """
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)
        self._like, self._size = index, int(index.code_size)
        self._begin = os.fstat(self._file).st_size - index.ntotal * self._size  # it ends with the rows
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._file, 0, 0, os.POSIX_FADV_RANDOM)
        if index.ntotal:
            first = index.sa_decode(self._codes(np.zeros(1, np.int64)))[0]
            if not np.array_equal(first, index.reconstruct(0), equal_nan=True):
                raise MismatchError(f"{path} has something behind its {index.ntotal:,} rows; rebuild it")

    def best(self, query: np.ndarray, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k best of some rows, as FlatIndex.search scores them, to the bit; ties in the order of the rows.

        Args:
            query: (D,) float32.
            rows: (M,) int64, each once, M >= k.
            k: how many.

        Returns:
            Scores (k,) float32, descending, and rows (k,) int64.
        """
        ordered = np.sort(rows)
        these: Any = faiss.IndexScalarQuantizer(self._like.d, self._like.sq.qtype, self._like.metric_type)
        these.add_sa_codes(self._codes(ordered))
        scores, places = these.search(query[None], len(rows))
        best = np.lexsort((places[0], -scores[0]))[:k]
        return scores[0][best], ordered[places[0][best]]

    def _codes(self, rows: np.ndarray) -> np.ndarray:
        """The rows as they stand there, (M, bytes) uint8."""
        begin, size = self._begin, self._size
        codes = b"".join(os.pread(self._file, size, begin + row * size) for row in rows.tolist())
        return np.frombuffer(codes, np.uint8).reshape(-1, size)


class FlatIndex:
    """N unit rows of D numbers in fp16; inner product, every row compared.

    Attributes:
        file: the same rows one by one, where they are mapped and the system reads at a place (pread).
    """

    def __init__(self, index: faiss.IndexScalarQuantizer, on_gpu: bool = True) -> None:
        self._cpu = index
        self._codes = cast(Any, index.codes)
        self._mapped = not self._codes.is_owned
        self.file: RowFile | None = None
        self._lock = threading.Lock()  # one GPU resource serves one thread at a time
        self._resources = faiss.StandardGpuResources() if on_gpu and gpu_count() else None
        self._gpu = None if self._resources is None else self._to_gpu(self._resources, None)

    @classmethod
    def empty(cls, dim: int, on_gpu: bool = True) -> FlatIndex:
        """An index without rows."""
        return cls(faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT), on_gpu)

    @classmethod
    def read(cls, path: str | Path, mapped: bool = False, on_gpu: bool = True) -> FlatIndex:
        """Read what `write` wrote.

        Args:
            path: the file.
            mapped: leave the rows on the disk until they are looked at.
            on_gpu: copy them to a GPU where there is one.

        Raises:
            MismatchError: the file is no fp16 inner-product index, or is damaged, or ends with something else.
        """
        index = read_faiss(path, mapped)
        if (
            not isinstance(index, faiss.IndexScalarQuantizer)
            or index.sq.qtype != faiss.ScalarQuantizer.QT_fp16
            or index.metric_type != faiss.METRIC_INNER_PRODUCT
        ):
            raise MismatchError(f"{path} is a {type(index).__name__}, not {FACTORY} with inner product; rebuild it")
        made = cls(index, on_gpu)
        if made._mapped and hasattr(os, "pread"):
            made.file = RowFile(path, index)
        return made

    def write(self, path: str | Path) -> None:
        """Write FAISS's own file format.

        Raises:
            DiskFullError: nothing more fits.
        """
        with told_when_full(path), Path(path).open("wb") as file:  # FAISS by itself tells no error of the system
            faiss.write_index(self._cpu, faiss.PyCallbackIOWriter(file.write))  # type: ignore[attr-defined]  # no stub

    def add(self, vectors: np.ndarray) -> None:
        """Append float32 rows (N, D)."""
        self._cpu.add(np.ascontiguousarray(vectors, np.float32))
        if self._gpu is not None:
            self._gpu.add(np.ascontiguousarray(vectors, np.float32))

    def __len__(self) -> int:
        return self._cpu.ntotal

    @property
    def exact(self) -> faiss.IndexScalarQuantizer:
        """FAISS's own index of the rows, to which nothing may be added."""
        return self._cpu

    @property
    def dim(self) -> int:
        """Numbers in a row."""
        return self._cpu.d

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """The stored rows as float32 (M, D)."""
        return self._cpu.reconstruct_batch(np.ascontiguousarray(rows, np.int64))

    def search(self, queries: np.ndarray, k: int, within: Rows | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The k best rows of each query.

        Args:
            queries: (Q, D) float32.
            k: at most the rows that are searched.
            within: the rows that are searched; None: all.

        Returns:
            Scores (Q, k) float32, descending, and rows (Q, k) int64.
        """
        if k <= _GPU_MAX_K and self._resources is not None and self._gpu is not None:
            with self._lock:
                if within is None:
                    return self._gpu.search(queries, k)
                if within.gpu is None:  # GPU indexes take no selector: the pool gets an index of its own, once
                    within.gpu = self._to_gpu(self._resources, within.rows)
                scores, places = within.gpu.search(queries, k)
                return scores, within.rows[places]
        if within is None:
            return self._cpu.search(queries, k)
        if within.span is not None and self._mapped:
            if within.view is None:
                within.view = self._view(*within.span)
            scores, places = within.view.search(queries, k)
            return scores, places + within.span[0]
        return self._cpu.search(queries, k, params=within.parameters)

    def _view(self, first: int, last: int) -> Any:
        """Mapped rows that stand together, as an index by themselves: no row is copied, and no other is passed over."""
        view: Any = faiss.IndexScalarQuantizer(self.dim, self._cpu.sq.qtype, self._cpu.metric_type)
        codes, size, library = self._codes, self._cpu.code_size, _FAISS
        start = library.cast_integer_to_uint8_ptr(int(codes.data()) + first * size)
        view.codes = library.MaybeOwnedVectorUInt8.create_view(start, (last - first) * size, codes.owner)
        view.ntotal = last - first
        return view

    def _to_gpu(self, resources: faiss.StandardGpuResources, rows: np.ndarray | None) -> faiss.Index:
        config = faiss.GpuIndexFlatConfig()
        config.useFloat16, config.device = True, 0
        index = faiss.GpuIndexFlatIP(resources, self.dim, config)
        for block in row_blocks(np.arange(len(self)) if rows is None else rows):
            index.add(self.vectors(block))
        return index


def row_blocks(rows: np.ndarray) -> Iterator[np.ndarray]:
    """The rows, in as many parts as keep little memory busy."""
    return (rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK))
