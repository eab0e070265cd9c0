"""The server under Gradio's page: it listens before the app begins, and takes the time that a slow machine needs.

Gradio's own looks whether a port is free, and begins the app, and only then listens; it gives up after 5 s, and begins
the same app once more at the next port. An app begins once: of two pages that are started together, or of one on a busy
machine, the second beginning fails, unseen, and what is left answers no MCP client and removes no uploads.
"""

from __future__ import annotations

import threading
import time

from gradio import http_server

from umr.ui.layout.ports import listen


class Listening(http_server.Server):
    """Gradio's server for one app, which begins only where the port is this server's."""

    def run_in_thread(self) -> None:
        """Serves until `close`.

        Raises:
            OSError: the port is taken; the app has not begun, and Gradio goes on to the next one.
            RuntimeError: the app's beginning failed; the log says how.
        """
        sockets = listen(self.config.host, self.config.port, self.config.backlog)
        self.config.lifespan = "on"  # "auto" would serve an app that could not begin
        if self.reloader:  # of a Space in its development mode
            self.event = threading.Event()
            self.watch_thread = threading.Thread(target=self.watch, daemon=True)
            self.watch_thread.start()
        self.thread = threading.Thread(target=self.run, args=(sockets,), daemon=True)
        self.thread.start()
        while not self.started:
            if not self.thread.is_alive():
                for one in sockets:
                    one.close()
                raise RuntimeError("the page could not begin; the reason is above")
            time.sleep(1e-3)


def serve_listening() -> None:
    """Has Gradio start its pages by this server from now on: launch() takes no other one."""
    http_server.Server = Listening  # type: ignore[misc]
