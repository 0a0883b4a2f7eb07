"""Wireshark's dissectors find nothing malformed in what goes over the wire."""
import shutil
import subprocess
import time

import pytest
from impacket.dcerpc.v5 import epm
from impacket.dcerpc.v5.rpcrt import RPC_C_AUTHN_LEVEL_CONNECT

import emsmdb
from conftest import ALICE, PASSWORD, start_gateway
from harness import nspi, rops, rpch
from harness.mapihttp import Session


def capture(path, ports):
    """tshark that writes what the loopback carries on these ports; skips where that is not allowed."""
    tshark = shutil.which("tshark")
    if not tshark:
        pytest.skip("tshark is not installed")
    only = " or ".join(f"tcp port {port}" for port in ports)
    tracer = subprocess.Popen([tshark, "-q", "-i", "lo", "-w", path, "-f", only], stderr=subprocess.PIPE, text=True)
    for line in tracer.stderr:
        if "Capturing on" in line:
            time.sleep(1)
            return tracer
    tracer.wait(20)
    pytest.skip("capturing on the loopback is not allowed here")


def finish(tracer):
    time.sleep(1)
    tracer.terminate()
    tracer.wait(20)


def frames(path, display, *options):
    done = subprocess.run(["tshark", "-r", path, *options, "-Y", display, "-T", "fields", "-e", "frame.number"], capture_output=True, text=True,
                          check=True)
    return done.stdout.split()


def test_capture(gateway, tmp_path):
    ports, path = gateway.rpc, tmp_path / "rpc.pcap"
    tracer = capture(path, ports.values())
    try:
        mapper = emsmdb.connect(ports["epm_port"], None)
        epm.hept_lookup(None, dce=mapper)
        mapper.disconnect()
        dce = emsmdb.connect(ports["emsmdb_port"], user=ALICE, password=PASSWORD, level=RPC_C_AUTHN_LEVEL_CONNECT)
        hello = emsmdb.hello(dce, emsmdb.user_dn(ALICE))
        emsmdb.execute(dce, hello["pcxh"], emsmdb.rop_logon(emsmdb.user_dn(ALICE)), [0xffffffff])
        dce.disconnect()
    finally:
        finish(tracer)
    assert len(frames(path, "dcerpc.pkt_type == 2")) >= 3, "responses that it knows as such"
    assert not frames(path, "_ws.malformed")


def test_capture_of_mapi_http(gateway, certificates, tmp_path, monkeypatch):
    """With the keys of its TLS, which Python's contexts write down."""
    path, keys = tmp_path / "mapi.pcap", tmp_path / "keys"
    tracer = capture(path, [gateway.https_port])
    try:
        monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
        with Session.logged_on(gateway.https_port, certificates.ca, ALICE, PASSWORD) as session:
            assert session.try_call(rops.get_receive_folder("")).error == 0
            with nspi.Session(gateway.https_port, certificates.ca, ALICE, PASSWORD):
                pass
    finally:
        finish(tracer)
    secrets = ["-o", f"tls.keylog_file:{keys}", "-d", f"tcp.port=={gateway.https_port},tls"]
    for kind in ("Connect", "Execute", "Disconnect", "Bind", "Unbind"):
        assert frames(path, f'http.request.line contains "X-RequestType: {kind}\\r\\n"', *secrets), kind
    assert len(frames(path, "http.response.code == 200", *secrets)) >= 5
    assert not frames(path, "_ws.malformed", *secrets)


def test_capture_of_http(certificates, dovecot, tmp_path, monkeypatch):
    """The same with what RPC over HTTP has: both channels recycled, acknowledgements. Not ECHO, at whose flag Wireshark 4.0 stumbles."""
    if not shutil.which("tshark"):
        pytest.skip("tshark is not installed")
    trace, path = [], tmp_path / "http.pcap"
    monkeypatch.setattr(rpch.Channel, "trace", trace)
    with start_gateway(certificates, dovecot, "traced", http_lifetime="128KiB") as gateway:
        with rpch.VirtualConnection(gateway.https_port, rpch.Basic(ALICE, PASSWORD)) as link:
            dce = rpch.transport(link).get_dce_rpc()
            dce.connect()
            dce.bind(emsmdb.EMSMDB)
            hello = emsmdb.hello(dce, emsmdb.user_dn(ALICE))
            emsmdb.execute(dce, hello["pcxh"], emsmdb.rop_logon(emsmdb.user_dn(ALICE)), [0xffffffff])
            link.recycle_in()
            while not link.out_recycled or not link.in_recycled or not link.acks:
                for _ in range(50):
                    dce.call(6, b"")
                for _ in range(50):
                    link.receive()
    rpch.write_capture(path, trace)
    assert len(frames(path, "dcerpc")) == len(trace), "all are known as PDUs"
    assert len(frames(path, "dcerpc.pkt_type == 20")) >= 15, "RTS"
    assert not frames(path, "_ws.malformed")
