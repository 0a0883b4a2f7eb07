"""The harness itself: what the other tests believe without looking."""
import contextlib
import os
import pathlib
import socket
import struct
import subprocess
import time

import pytest

from harness import lz77, mailgen, properties, rops
from harness.certificates import Certificates
from harness.dovecot import Dovecot, modified_utf7, uids_of_set
from harness.faultproxy import FaultProxy
from harness.mapihttp import parse_body
from harness.processes import TOP, free_port, private_dir


def corpora():
    path = pathlib.Path(os.environ.get("MAPIGATE_CORPORA") or TOP.parent / "shared" / "corpora")
    if not path.is_dir():
        pytest.skip(f"no corpora at {path} (set MAPIGATE_CORPORA)")
    return path


@pytest.mark.parametrize("folder", ["compressed-plain", "compressed-more-plain"])
def test_lz77_reads_what_windows_compressed(folder):
    base = corpora() / "samba-lzxpress"
    files = sorted((base / folder).iterdir())
    assert len(files) == 8
    for path in files:
        plain = (base / "plain" / path.with_suffix(".decomp").name).read_bytes()
        assert lz77.decompress(path.read_bytes(), len(plain)) == plain, path.name


@pytest.mark.parametrize("data", [b"", b"a", b"abc" * 100, bytes(range(256)) * 3, os.urandom(5000), b"\0" * 70000])
def test_lz77_reads_its_own_output(data):
    assert lz77.decompress(lz77.compress(data), len(data)) == data


def test_lz77_refuses_a_match_before_the_start():
    with pytest.raises(lz77.Lz77Error):
        lz77.decompress(struct.pack("<IH", 0x80000000, 8 << 3), 3)


@pytest.mark.parametrize("flags", [0, rops.COMPRESSED, rops.XOR_MAGIC, rops.COMPRESSED | rops.XOR_MAGIC])
def test_header_ext_round_trip(flags):
    payload = rops.rop_buffer(b"\x01\x00\x00" * 20, [1, 2, 0xFFFFFFFF])
    assert rops.unwrap_header_ext(rops.wrap_header_ext(payload, flags | rops.LAST)) == [payload]
    assert rops.split_rop_buffer(payload) == (b"\x01\x00\x00" * 20, [1, 2, 0xFFFFFFFF])


def test_rows_with_and_without_flags():
    columns = [properties.tag_of("PidTagSubject"), properties.tag_of("PidTagMessageSize")]
    plain = b"\0" + "ü".encode("utf-16-le") + b"\0\0" + struct.pack("<i", 7)
    assert properties.Reader(plain).row(columns) == {columns[0]: "ü", columns[1]: 7}
    flagged = b"\1" + b"\x0a" + struct.pack("<I", properties.EC_NOT_FOUND) + b"\0" + struct.pack("<i", 7)
    assert properties.Reader(flagged).row(columns)[columns[0]] == properties.PropertyError(properties.EC_NOT_FOUND)


def test_common_response_body():
    meta, additional, payload = parse_body(b"PROCESSING\r\nPENDING\r\nDONE\r\nX-ResponseCode: 0\r\n\r\nab\r\n")
    assert (meta, additional, payload) == (["PROCESSING", "PENDING", "DONE"], {"x-responsecode": "0"}, b"ab\r\n")


def test_mail_is_deterministic_and_varied():
    first = [mailgen.message(number) for number in range(120)]
    assert first == [mailgen.message(number) for number in range(120)]
    assert len({message.data for message in first}) == 120
    assert len({message.kind for message in first}) >= 10


def test_broken_mail_is_broken_in_each_named_way():
    messages = mailgen.broken()
    assert len({name for name, _ in messages}) == len(messages) >= 10


def test_names_and_sets():
    assert modified_utf7("Entwürfe & Co/日本") == "Entw&APw-rfe &- Co/&ZeVnLA-"
    assert uids_of_set("1:3,7") == [1, 2, 3, 7]


@pytest.fixture(scope="module")
def dovecot():
    with Dovecot(Certificates(private_dir("tls"))) as server:
        yield server


def test_dovecot_keeps_what_is_seeded(dovecot):
    uids = dovecot.seed("alice@example.test", "Projekte/Übung", [
        (mailgen.message(number).data, (r"\Seen",) if number % 2 else None, 1.6e9 + number) for number in range(40)])
    assert uids == list(range(1, 41))
    with contextlib.closing(socket.create_connection(("127.0.0.1", dovecot.tls_port), timeout=5)):
        pass
    client = dovecot.connect(tls=True)
    client.select('"' + modified_utf7("Projekte/Übung") + '"')
    assert len(client.search(None, "SEEN")[1][0].split()) == 20
    client.logout()


def test_dovecot_survives_a_kill(dovecot):
    before = dovecot.seed("bob@example.test", "INBOX", [b"Subject: one\n\nbody\n"])
    dovecot.kill()
    dovecot.start()
    assert dovecot.count("bob@example.test") == len(before)


def test_proxy_faults(dovecot):
    with FaultProxy(dovecot.port) as proxy:
        def greeting(timeout=5.0):
            data = b""
            # A reset may already meet the connect.
            with contextlib.suppress(ConnectionError), socket.create_connection(
                    ("127.0.0.1", proxy.port), timeout=timeout) as link:
                while not data.endswith(b"\r\n"):
                    chunk = link.recv(4096)
                    if not chunk:
                        break
                    data += chunk
            return data

        assert greeting().startswith(b"* OK")
        proxy.cut_after(4)
        assert len(greeting()) <= 4
        proxy.heal()
        proxy.inject(b"\0garbage", after=3)
        assert greeting().startswith(b"* O\0garbageK")
        proxy.heal()
        proxy.delay(0.3)
        started = time.monotonic()
        assert greeting().startswith(b"* OK")
        assert time.monotonic() - started >= 0.3
        proxy.heal()
        proxy.hang()
        with pytest.raises(TimeoutError):
            greeting(timeout=0.3)
        proxy.heal()
        proxy.refuse()
        assert greeting() == b""
        proxy.heal()
        assert greeting().startswith(b"* OK")
        assert proxy.connections == 7


def test_proxy_lies_about_literals(dovecot):
    dovecot.seed("alice@example.test", "INBOX", [b"Subject: x\n\n" + b"y" * 100])
    with FaultProxy(dovecot.port) as proxy:
        proxy.lie_about_literals(lambda length: length + 1000)
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as link:
            link.sendall(b'a LOGIN alice@example.test secret\r\nb SELECT INBOX\r\nc FETCH 1 BODY[TEXT]\r\n')
            data = b""
            while b"c OK" not in data:
                data += link.recv(65536)
    assert b"{1102}\r\n" in data or b"{1100}\r\n" in data


def test_free_ports_differ():
    ports = {free_port() for _ in range(50)}
    assert len(ports) == 50
    # Whoever asks the system for any port does not get one of them.
    first, last = map(int, pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert not any(first <= port <= last for port in ports)


# What tools/packages.txt installs of Python for those two; pytest, say, is there for ./test alone.
@pytest.mark.parametrize("program", ["demo/servers.py", "demo/tour.py", "bench/run.py"])
def test_demo_and_bench_import_nothing_that_only_tests_have(program):
    code = (f"import ast, sys; sys.path.insert(0, {str(TOP / 'tests')!r})\n"
            f"tree = ast.parse(open({str(TOP / 'tests' / program)!r}).read())\n"
            "tree.body = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]\n"
            "before = set(sys.modules)\n"  # what Python loads itself
            "exec(compile(tree, 'imports', 'exec'))\n"
            "print(*sorted({name.partition('.')[0] for name, module in sys.modules.items()\n"
            "               if name not in before and 'dist-packages' in (getattr(module, '__file__', None) or '')}))")
    done = subprocess.run(["/usr/bin/python3", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) <= ({"ldap", "impacket"} if program.startswith("bench") else set())
