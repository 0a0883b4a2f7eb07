"""Wireshark's dissectors find nothing malformed in what goes over the wire."""
import shutil
import subprocess
import time

import pytest
from impacket.dcerpc.v5 import epm
from impacket.dcerpc.v5.rpcrt import RPC_C_AUTHN_LEVEL_CONNECT

import emsmdb
from conftest import ALICE, PASSWORD


def test_capture(gateway, tmp_path):
    tshark = shutil.which("tshark")
    if not tshark:
        pytest.skip("tshark is not installed")
    ports = gateway.rpc
    capture = tmp_path / "rpc.pcap"
    only = " or ".join(f"tcp port {port}" for port in ports.values())
    tracer = subprocess.Popen([tshark, "-q", "-i", "lo", "-w", capture, "-f", only], stderr=subprocess.PIPE, text=True)
    try:
        for line in tracer.stderr:
            if "Capturing on" in line:
                break
        else:
            pytest.skip("capturing on the loopback is not allowed here")
        time.sleep(1)
        mapper = emsmdb.connect(ports["epm_port"], None)
        epm.hept_lookup(None, dce=mapper)
        mapper.disconnect()
        dce = emsmdb.connect(ports["emsmdb_port"], user=ALICE, password=PASSWORD, level=RPC_C_AUTHN_LEVEL_CONNECT)
        hello = emsmdb.hello(dce, emsmdb.user_dn(ALICE))
        emsmdb.execute(dce, hello["pcxh"], emsmdb.rop_logon(emsmdb.user_dn(ALICE)), [0xffffffff])
        dce.disconnect()
        time.sleep(1)
    finally:
        tracer.terminate()
        tracer.wait(20)

    def frames(display):
        done = subprocess.run([tshark, "-r", capture, "-Y", display, "-T", "fields", "-e", "frame.number"], capture_output=True,
                              text=True, check=True)
        return done.stdout.split()

    assert len(frames("dcerpc.pkt_type == 2")) >= 3, "responses that it knows as such"
    assert not frames("_ws.malformed")
