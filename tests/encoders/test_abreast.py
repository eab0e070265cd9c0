"""Batches side by side: order and vectors of one after another, and torch's threads shared out and given back."""

import threading

import numpy as np
import pytest
import torch

from umr.encoders.abreast import ENOUGH, abreast
from umr.errors import MediaError
from umr.types import Candidate, Content


@pytest.fixture
def torch_threads():
    """Sets how many threads torch uses here, and afterwards what it was."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def used(_: int) -> tuple[str, int]:
    return threading.current_thread().name, torch.get_num_threads()


@pytest.mark.parametrize("whole, threads, own", [(2, 2, 1), (3, 3, 1), (20, 8, 2)])
def test_threads_of_torch_are_shared_out_and_given_back(torch_threads, whole, threads, own):
    torch_threads(whole)
    together = threading.Barrier(threads, timeout=30)

    def work(item: int) -> tuple[str, int]:
        if item < threads:
            together.wait()  # so many are at work at once
        return used(item)

    found = list(abreast(work, range(ENOUGH * threads)))
    assert len({name for name, _ in found}) == threads and {count for _, count in found} == {own}
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [whole] and torch.get_num_threads() == whole


def test_few_batches_and_one_thread_stay_with_who_asks(torch_threads):
    here = threading.current_thread().name
    torch_threads(2)
    assert list(abreast(used, range(ENOUGH * 2 - 1))) == [(here, 2)] * (ENOUGH * 2 - 1)
    torch_threads(1)
    assert list(abreast(used, range(100))) == [(here, 1)] * 100


@pytest.mark.parametrize("threads", [2, 3])
def test_vectors_do_not_depend_on_how_many_threads_there_are(encoder, torch_threads, threads):
    rng = np.random.default_rng(0)
    size = encoder.config.image_size
    rows = [Content(text=f"a mug {'and a lamp ' * (at % 5)}{at}") for at in range(40)]
    rows += [Content(image=rng.integers(0, 255, (size, size, 3), np.uint8)) for _ in range(20)]
    candidates = [Candidate(candidate_id=str(at), content=content) for at, content in enumerate(rows)]
    torch_threads(1)
    one = encoder.encode_candidates(candidates, batch_size=4)
    torch_threads(threads)
    several = encoder.encode_candidates(candidates, batch_size=4)
    assert several.ids == one.ids and np.array_equal(several.vectors, one.vectors)


def test_a_row_that_cannot_be_read_is_named_as_before(encoder, torch_threads):
    torch_threads(2)
    rows = [Content(text=f"a mug {at}") for at in range(16)]
    rows[9] = Content(text="half a pair \ud800")
    candidates = [Candidate(candidate_id=f"row-{at}", content=content) for at, content in enumerate(rows)]
    with pytest.raises(MediaError, match="candidate row-9: the text contains half a surrogate pair"):
        encoder.encode_candidates(candidates, batch_size=2)
