"""A public image set that a local server hands out slowly, in parts if it is asked for parts."""

import hashlib
import os
import signal
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random

from srlab.data.manifest import Manifest, PublishedFile
from srlab.machine.processes import end_with_parent

_PIECE = 1 << 14
CONTENTS = {f"{n}.bmp": Random(n).randbytes(60_000 + 9000 * n) for n in range(5)}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Answer with a file, from where it is asked for."""
        content = CONTENTS[self.path.rpartition("/")[2]]
        asked = self.headers.get("Range")
        begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(content) - begin))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        for place in range(begin, len(content), _PIECE):
            self.wfile.write(content[place : place + _PIECE])
            time.sleep(0.002)

    def log_message(self, *_: object) -> None:
        """Say nothing, also of readers that were killed."""

    def handle(self) -> None:
        """Answer; a reader may be gone."""
        try:
            super().handle()
        except OSError:
            return


def start_server() -> dict[str, Manifest]:
    """Start a server in a fork that ends with this process; return what it publishes."""
    parent = os.getpid()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    if not os.fork():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        end_with_parent(parent)
        server.serve_forever()
    files = [
        PublishedFile(name, len(content), hashlib.sha256(content).hexdigest())
        for name, content in CONTENTS.items()
    ]
    url = f"http://127.0.0.1:{server.server_port}/"
    server.socket.close()
    return {"set5": Manifest("Set5", "test", "five files", url, tuple(files))}
