"""What a served page keeps of visitors who were there: the state of some, and no statistics."""

from __future__ import annotations

from gradio_client import Client

from umr.ui.layout import page as frame
from umr.ui.searchers import Searchers


def test_a_page_keeps_the_state_of_the_last_visitors_and_no_statistics(searcher, benchmark, monkeypatch):
    monkeypatch.setattr(frame, "SESSIONS", 2)
    folder = benchmark.parents[1] / "unified" / "catalogue"
    page = frame.build_page(Searchers({"unified": folder}, "unified", opener=lambda _: searcher), [])
    try:
        address = frame.serve(page, [benchmark], "127.0.0.1", None)
        visitors = [Client(address, verbose=False) for _ in range(4)]
        for visitor in visitors:
            assert [row["name"] for row in visitor.predict(api_name="/list_models")] == ["unified"]
        assert list(page.state_holder.session_data) == [visitor.session_hash for visitor in visitors[-2:]]
        queue = page._queue
        assert queue.events_recorded == 4
        assert len(queue.event_analytics) == 1 and queue.cached_event_analytics_summary == {"functions": {}}
    finally:
        page.close()
