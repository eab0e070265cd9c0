"""The HTTP border of a Qdrant server, played: requests are parsed into the client's models and answered by its mode in
memory. What stands on the wire is the client's own; what a real server thinks of it is not known from this."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Played(ThreadingHTTPServer):
    """A server with collections, and with the requests that it was sent."""

    def __init__(self, client: Any, models: Any, key: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.client, self.models, self.key = client, models, key
        self.asked: list[tuple[str, str]] = []
        self.sizes: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, method: str, parts: list[str], body: dict[str, Any]) -> Any:
        """The result of a request; None where there is nothing of this name."""
        client, models = self.client, self.models
        if not parts[1:]:
            return client.get_collections()
        name, what = parts[1], (method, "/".join(parts[2:]))
        if what == ("GET", "exists"):
            return {"exists": client.collection_exists(name)}
        if what == ("PUT", ""):
            made = models.CreateCollection(**body)
            return client.create_collection(name, made.vectors, hnsw_config=made.hnsw_config, metadata=made.metadata)
        if not client.collection_exists(name):
            return None
        if what == ("GET", ""):
            return client.get_collection(name)
        if what == ("PATCH", ""):
            return client.update_collection(name, metadata=models.UpdateCollection(**body).metadata)
        if what == ("DELETE", ""):
            return client.delete_collection(name)
        return getattr(self, f"_{method.lower()}_{'_'.join(parts[2:])}")(name, body)

    def _put_index(self, name: str, body: dict[str, Any]) -> Any:
        made = self.models.CreateFieldIndex(**body)
        return self.client.create_payload_index(name, made.field_name, made.field_schema)

    def _put_points(self, name: str, body: dict[str, Any]) -> Any:
        return self.client.upsert(name, self.models.PointsList(**body).points)

    def _post_points(self, name: str, body: dict[str, Any]) -> Any:
        made = self.models.PointRequest(**body)
        return self.client.retrieve(name, made.ids, with_payload=made.with_payload, with_vectors=made.with_vector)

    def _post_points_delete(self, name: str, body: dict[str, Any]) -> Any:
        return self.client.delete(name, self.models.PointIdsList(**body).points)

    def _post_points_count(self, name: str, body: dict[str, Any]) -> Any:
        return self.client.count(name, exact=self.models.CountRequest(**body).exact)

    def _post_points_query_batch(self, name: str, body: dict[str, Any]) -> Any:
        return self.client.query_batch_points(name, self.models.QueryRequestBatch(**body).searches)


class Handler(BaseHTTPRequestHandler):
    server: Played

    def do_GET(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0].strip("/")
        self.server.asked.append((self.command, path))
        self.server.sizes.append(len(data))
        if self.headers.get("api-key") != self.server.key:
            return self._say(401, {"status": {"error": "Must provide an API key"}})
        found = self.server.answer(self.command, path.split("/"), json.loads(data or b"{}"))
        if found is None:
            return self._say(404, {"status": {"error": f"Not found: {path}"}})
        return self._say(200, {"result": plain(found), "status": "ok", "time": 0.0})

    do_PUT = do_POST = do_PATCH = do_DELETE = do_GET

    def _say(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def plain(found: Any) -> Any:
    """An answer as JSON has it."""
    if isinstance(found, list):
        return [plain(one) for one in found]
    return found.model_dump(mode="json") if hasattr(found, "model_dump") else found


@contextmanager
def served(client: Any, models: Any, key: str) -> Iterator[Played]:
    server = Played(client, models, key)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
