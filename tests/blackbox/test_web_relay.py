"""Long answers of another server's web services pass through a relay piece by piece."""
import base64
import contextlib
import http.client
import http.server
import ssl
import threading

import pytest

from conftest import ALICE, PASSWORD
from harness.mapigate import Mapigate, relay_modules

PIECE = 1 << 20
MAILBOX = ('<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"><Response '
           'xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"><User><DisplayName>Alice</DisplayName>'
           "<LegacyDN>/o=far/cn=alice</LegacyDN></User><Account><Action>settings</Action></Account></Response></Autodiscover>").encode()


class Far(http.server.BaseHTTPRequestHandler):
    """Knows everybody, and has files: /OAB/long, /OAB/chunks (of unknown length), /OAB/stream, /OAB/broken, /OAB/short."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(MAILBOX)))
        self.end_headers()
        self.wfile.write(MAILBOX)

    def do_HEAD(self):
        self.send_response(200)
        if self.path.endswith("/chunks"):
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(3 * PIECE))
        self.end_headers()

    def do_GET(self):
        name = self.path.rsplit("/", 1)[1]
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        if name in ("chunks", "stream"):
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str({"long": 3 * PIECE, "broken": 2 * PIECE, "short": 5}[name]))
        self.end_headers()
        if name == "short":
            self.wfile.write(b"short")
        elif name == "chunks":
            with contextlib.suppress(OSError):
                for _ in range(4):
                    self.wfile.write(b"%x\r\n" % PIECE + bytes(PIECE) + b"\r\n")
                self.wfile.write(b"0\r\n\r\n")
        elif name == "stream":
            self.wfile.write(b"5\r\nfirst\r\n")
            self.server.go_on.wait(60)
            self.wfile.write(b"4\r\nlast\r\n0\r\n\r\n")
        elif name == "broken":
            self.wfile.write(bytes(PIECE))
            self.close_connection = True
        else:
            with contextlib.suppress(OSError):
                self.wfile.write(b"a" * PIECE)
                self.server.go_on.wait(60)
                self.wfile.write(b"b" * PIECE + b"c" * PIECE)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def far(certificates):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Far) as made:
        made.socket = context.wrap_socket(made.socket, server_side=True)
        made.go_on = threading.Event()
        made.daemon_threads = True
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.go_on.set()
        made.shutdown()
        thread.join()


@contextlib.contextmanager
def relay_to(certificates, far, **settings):
    modules = relay_modules(far.server_address[1], certificates)
    modules["upstream"].update(settings)
    with Mapigate(certificates, modules, ["count", "upstream"], name="piecewise") as relay:
        yield relay
        assert relay.alive()


@contextlib.contextmanager
def get(relay, certificates, name, method="GET"):
    connection = http.client.HTTPSConnection("localhost", relay.https_port, timeout=30,
                                             context=ssl.create_default_context(cafile=str(certificates.ca)))
    with contextlib.closing(connection):
        secret = base64.b64encode(f"{ALICE}:{PASSWORD}".encode()).decode()
        connection.request(method, f"/OAB/book/{name}", headers={"Authorization": f"Basic {secret}"})
        yield connection.getresponse()


def test_a_long_answer_arrives_before_its_end_was_sent(certificates, far):
    far.go_on.clear()
    with relay_to(certificates, far) as relay, get(relay, certificates, "long") as answer:
        assert answer.status == 200 and answer.getheader("Content-Type") == "application/octet-stream"
        assert answer.getheader("Content-Length") == str(3 * PIECE)  # downloads in the background want it
        assert answer.read(PIECE // 2) == b"a" * (PIECE // 2)
        far.go_on.set()
        rest = answer.read()
        assert rest == b"a" * (PIECE // 2) + b"b" * PIECE + b"c" * PIECE
        with get(relay, certificates, "short") as other:
            assert other.getheader("Content-Length") == "5" and other.read() == b"short"


def test_a_head_tells_the_length(certificates, far):
    with relay_to(certificates, far) as relay, get(relay, certificates, "long", "HEAD") as answer:
        assert answer.status == 200 and answer.getheader("Content-Length") == str(3 * PIECE) and answer.read() == b""
        with get(relay, certificates, "chunks", "HEAD") as other:
            assert other.status == 200 and other.getheader("Content-Length") is None and other.read() == b""


def test_notifications_arrive_when_they_are_sent(certificates, far):
    far.go_on.clear()
    with relay_to(certificates, far) as relay, get(relay, certificates, "stream") as answer:
        assert answer.read(5) == b"first"
        far.go_on.set()
        assert answer.read() == b"last"


def test_what_breaks_off_there_does_not_look_complete_here(certificates, far):
    with relay_to(certificates, far) as relay, get(relay, certificates, "broken") as answer:
        with pytest.raises((http.client.HTTPException, OSError)):
            answer.read()


def test_answers_have_a_limit(certificates, far):
    far.go_on.set()
    with relay_to(certificates, far, max_web_reply="2MiB") as relay:
        with get(relay, certificates, "long") as answer:  # which says how long it is
            assert answer.status == 502 and b"too long" in answer.read()
        with get(relay, certificates, "chunks") as answer, pytest.raises((http.client.HTTPException, OSError)):
            answer.read()
    with relay_to(certificates, far) as relay, get(relay, certificates, "chunks") as answer:
        assert answer.read() == bytes(4 * PIECE)
