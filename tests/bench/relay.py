"""The relay against nginx as a TLS reverse proxy, both before the same upstream: an nginx that answers every
Execute with one canned reply. Requests a second, and processor time a request, at 1, 16 and 128 connections."""
import contextlib
import pathlib
import re
import statistics
import struct
import subprocess

from harness import rops
from harness.certificates import Certificates
from harness.mapigate import Mapigate
from harness.mapihttp import Client
from harness.processes import HarnessError, private_dir

from .measure import Nginx, processor_seconds, row

CONNECTIONS = (1, 16, 128)
SIZES = {"200 B": 200, "32 KiB": 32768}
SECONDS = 4
ROUNDS = 3  # alternating, so that a passing load on the machine meets both; the median counts
DN = "/o=bench/ou=x/cn=Recipients/cn=alice"
PASSWORD = "secret"


def body_of(payload):
    return (b"PROCESSING\r\nDONE\r\nX-ResponseCode: 0\r\nX-ElapsedTime: 1\r\n"
            b"X-StartTime: Mon, 04 Jan 2021 09:00:00 GMT\r\n\r\n" + payload)


def canned_connect():
    return body_of(struct.pack("<IIIII", 0, 0, 60000, 6, 10000) + b"/o=bench/ou=x/cn=\0" + "Alice\0".encode("utf-16-le")
                   + struct.pack("<I", 0))


def canned_execute(size):
    """A RopReadStream response that makes the reply body `size` bytes long, or as near as RopSize allows."""
    overhead = len(body_of(b"")) + 16 + 8 + 2 + 8 + 4 + 4
    count = max(1, min(size - overhead, 0x8000 - 100))
    response = bytes([0x2C, 0]) + struct.pack("<IH", 0, count) + b"d" * count
    data = rops.wrap_header_ext(rops.rop_buffer(response, [1]))
    return body_of(struct.pack("<IIII", 0, 0, 0, len(data)) + data + struct.pack("<I", 0))


def canned_autodiscover(port):
    """The relay asks the far server whose mailbox it is before it lets a user in."""
    return f"""<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">
<Response xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a">
<User><DisplayName>Alice</DisplayName><LegacyDN>{DN}</LegacyDN><AutoDiscoverSMTPAddress>alice@example.test</AutoDiscoverSMTPAddress></User>
<Account><AccountType>email</AccountType><Action>settings</Action><Protocol Type="mapiHttp">
<MailStore><ExternalUrl>https://127.0.0.1:{port}/mapi/emsmdb/</ExternalUrl></MailStore>
<AddressBook><ExternalUrl>https://127.0.0.1:{port}/mapi/nspi/</ExternalUrl></AddressBook>
</Protocol></Account></Response></Autodiscover>
"""


# A static file answers POST with 405; error_page turns that into the file with status 200.
_UPSTREAM = """
map $http_x_requesttype $canned {{ default /execute; Connect /connect; Disconnect /disconnect; PING /disconnect; }}
server {{
listen 127.0.0.1:@PORT@ ssl;
root @FOLDER@;
default_type application/mapi-http;
add_header X-RequestType $http_x_requesttype always;
add_header X-RequestId $http_x_requestid always;
add_header X-ClientInfo $http_x_clientinfo always;
add_header X-ResponseCode 0 always;
add_header X-ServerApplication Exchange/15.01.2507.035 always;
add_header X-ExpirationInfo 900000 always;
add_header X-PendingPeriod 30000 always;
add_header Set-Cookie "MapiContext=bench; path=/mapi/emsmdb/; secure; HttpOnly" always;
add_header Set-Cookie "MapiSequence=bench; path=/mapi/emsmdb/; secure; HttpOnly" always;
location /mapi/ {{ error_page 405 =200 $canned; try_files $canned =404; }}
location / {{ error_page 405 =200 $uri; }}
}}
"""

_PROXY = """
upstream far {{ server 127.0.0.1:{port}; keepalive 256; keepalive_requests 100000000; }}
server {{
listen 127.0.0.1:@PORT@ ssl;
location / {{
proxy_pass https://far;
proxy_http_version 1.1;
proxy_set_header Connection "";
proxy_set_header Host $http_host;
proxy_ssl_verify on;
proxy_ssl_trusted_certificate {ca};
proxy_ssl_name localhost;
}}
}}
"""


def sessions(port, certificates, count):
    """The cookies of `count` fresh sessions through the proxy at `port`, and headers for their requests."""
    lines, headers = [], {}
    for number in range(count):
        with contextlib.closing(Client(port, certificates.ca, f"user{number}@example.test", PASSWORD, path="/mapi/emsmdb/")) as client:
            client.connect(DN)
            lines.append("; ".join(f"{name}={value}" for name, value in client.cookies.items()))
            headers = {name: value for name, value in client.headers("Execute").items() if value and name != "Cookie"}
            lines[-1] += "\t" + headers.pop("Authorization")
    return lines, headers


def load(port, group, certificates, connections, folder):
    """(requests a second, processor microseconds a request) of the proxy in process group `group`."""
    lines, headers = sessions(port, certificates, connections)
    (folder / "cookies").write_text("\n".join(lines) + "\n")
    request = rops.rop_buffer(rops.read_stream(32000).encode([0]), [1])
    (folder / "body").write_bytes(Client.execute_body(rops.wrap_header_ext(request)))
    (folder / "headers").write_text("".join(f"{name}: {value}\n" for name, value in headers.items()))
    before = processor_seconds(group)
    done = subprocess.run(["wrk", "-t", str(connections), "-c", str(connections), "-d", f"{SECONDS}s", "--timeout", "20s",
                           "-s", str(pathlib.Path(__file__).with_name("execute.lua")),
                           f"https://127.0.0.1:{port}/mapi/emsmdb/", "--", str(folder / "cookies"), str(folder / "body"),
                           str(folder / "headers")], capture_output=True, text=True, timeout=SECONDS + 60)
    spent = processor_seconds(group) - before
    match = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+)", done.stdout)
    if not match:
        raise HarnessError(f"wrk: {done.stdout[-500:]}{done.stderr[-500:]}")
    requests, microseconds, failed, errors = map(int, match.groups())
    if not requests or failed or errors:
        raise HarnessError(f"{requests} requests, {failed} with a failure as reply, {errors} socket errors")
    return requests / microseconds * 1e6, spent / requests * 1e6


def run():
    certificates = Certificates(private_dir("tls"))
    folder, results = private_dir("wrk"), []
    for label, size in SIZES.items():
        with contextlib.ExitStack() as stack:
            upstream = Nginx(certificates, _UPSTREAM.format())
            (upstream.folder / "execute").write_bytes(canned_execute(size))
            (upstream.folder / "connect").write_bytes(canned_connect())
            (upstream.folder / "disconnect").write_bytes(body_of(struct.pack("<III", 0, 0, 0)))
            (upstream.folder / "autodiscover").mkdir()
            (upstream.folder / "autodiscover" / "autodiscover.xml").write_text(canned_autodiscover(upstream.port))
            stack.enter_context(upstream)
            peer = stack.enter_context(Nginx(certificates, _PROXY.format(port=upstream.port, ca=certificates.ca)))
            relay = stack.enter_context(Mapigate.relay(certificates, upstream.port, chain=["upstream"]))
            for connections in CONNECTIONS:
                rounds = [(load(peer.port, peer.daemon.pid, certificates, connections, folder),
                           load(relay.https_port, relay.daemon.pid, certificates, connections, folder))
                          for _ in range(ROUNDS)]
                theirs, ours = ([statistics.median(one[side][number] for one in rounds) for number in (0, 1)]
                                for side in (0, 1))
                what = f"{label} replies, {connections} connections"
                results.append(row(f"{what}: requests/s", ours[0], theirs[0], "1/s", "nginx", True))
                results.append(row(f"{what}: CPU/request", ours[1], theirs[1], "us ", "nginx", False))
    return results
