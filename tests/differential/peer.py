"""Says what Python's http.server makes of each request. The body is read by the headers that it found."""

import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.report
        raise AttributeError(name)

    def report(self):
        codings = self.headers.get_all("transfer-encoding") or []
        lengths = self.headers.get_all("content-length") or []
        if len(codings) + len(lengths) > 1 or codings not in ([], ["chunked"]):
            self.close_connection = True
            return self.send_error(422, "two framings")
        if codings:
            framing, body = "chunked", b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                assert self.rfile.readline() == b"\r\n"
            assert self.rfile.readline() == b"\r\n"
        elif lengths:
            framing, body = "length", self.rfile.read(int(lengths[0]))
        else:
            framing, body = "none", b""
        line = self.raw_requestline.rstrip(b"\r\n").rpartition(b" ")[0]
        digest = hashlib.sha256(body).hexdigest()
        self.send_response_only(200)
        self.send_header("X-Report", f"{line.hex()} {framing} {len(body)} {digest}")
        self.send_header("Content-Length", "0")
        self.end_headers()


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"port {server.server_port} ", flush=True)
server.serve_forever()
