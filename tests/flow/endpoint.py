"""A token endpoint with a certificate of its own (RFC 6749)."""

import contextlib
import http.server
import json
import os
import ssl
import subprocess
import threading
import time
import urllib.parse


class Endpoint:
    """Answers as told; keeps what it was asked."""

    def __init__(self, w):
        self.requests = []
        self.answer = self.tokens
        self.delay = 0
        self.expires = 3600
        self.count = 0
        self.lock = threading.Lock()
        folder = w.scratch("endpoint")
        self.ca = os.path.join(folder, "cert.pem")
        key = os.path.join(folder, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=endpoint", "-addext",
                        "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out",
                        self.ca], check=True, capture_output=True)
        os.chmod(self.ca, 0o644)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                # who asks may have given up
                with contextlib.suppress(OSError):
                    outer.serve(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                      Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca, key)
        self.server.socket = context.wrap_socket(self.server.socket,
                                                 server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_port}/token"
        self.thread = threading.Thread(target=self.server.serve_forever,
                                       daemon=True)
        self.thread.start()

    def serve(self, h):
        body = h.rfile.read(int(h.headers["Content-Length"])).decode()
        with self.lock:
            self.requests.append((h.headers.get("Authorization"),
                                  dict(urllib.parse.parse_qsl(body))))
        time.sleep(self.delay)
        status, answer = self.answer()
        data = json.dumps(answer).encode()
        h.send_response(status)
        h.send_header("Content-Length", str(len(data)))
        h.end_headers()
        h.wfile.write(data)

    def tokens(self):
        with self.lock:
            self.count += 1
            return 200, {"access_token": f"access-{self.count}",
                         "token_type": "Bearer", "expires_in": self.expires}

    def rotating(self):
        status, answer = self.tokens()
        answer["refresh_token"] = f"refresh-{self.count + 1}"
        return status, answer

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
