"""The state that Gradio keeps for each visitor (trail, results, comparison): of too many, who is not here goes first.

Gradio drops the one that asked longest ago, also one whose page is open, and has no setting but their number; so the
app's holder is another one, with the same interface.
"""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

from gradio import Blocks
from gradio.state_holder import SessionState, StateHolder

from umr.ui.visitors import Visitors


class Sessions(StateHolder):
    """Session -> its state."""

    def __init__(self, visitors: Visitors) -> None:
        super().__init__()
        self._visitors = visitors

    def __getitem__(self, session_id: str) -> SessionState:
        """The state of a session, which is made where there is none.

        Gradio would describe every component of the page for it (10 ms for each plain request, which is a session by
        itself), to make a link of its state; that route is closed here (umr.ui.layout.outside).
        """
        if session_id not in self.session_data:
            bare: Any = SimpleNamespace(default_config=self.blocks.default_config, blocks={})
            self.session_data[session_id] = SessionState(bare)
        self.update(session_id)
        self.time_last_used[session_id] = datetime.datetime.now()
        return self.session_data[session_id]

    def update(self, session_id: str) -> None:
        """Notes a use.

        Over the capacity the state goes that was used longest ago: of those whose page is not open, if there are any,
        and never the one in use.
        """
        with self.lock:
            if session_id in self.session_data:
                self.session_data.move_to_end(session_id)
            if len(self.session_data) > self.capacity:
                others = [known for known in self.session_data if known != session_id]
                gone = next((known for known in others if not self._visitors.lives(known)), others[0])
                del self.session_data[gone]
                self.time_last_used.pop(gone, None)


def keep_sessions(page: Blocks, visitors: Visitors) -> None:
    """Has a page that is just served keep its visitors' state so."""
    holder = Sessions(visitors)
    holder.set_blocks(page)
    page.app.state_holder = holder
