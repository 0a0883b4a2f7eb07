"""Other people's programs: impacket's tools, and Samba's rpcclient."""
import pathlib
import re
import shutil
import subprocess

import pytest

from conftest import ALICE, PASSWORD, start_gateway
from harness import kerberos

TOOLS = pathlib.Path("/usr/share/doc/python3-impacket/examples")
INTERFACES = {"A4F1DB00-CA47-1067-B31F-00DD010662DA": "emsmdb_port", "5261574A-4572-206E-B268-6B199213B4E4": "emsmdb_port",
              "F5CC5A18-4264-101A-8C59-08002B2F8426": "nspi_port", "1544F5E0-613C-11D1-93DF-00C04FD7BD09": "rfr_port"}
impacket_tools = pytest.mark.skipif(not TOOLS.exists(), reason="python3-impacket comes without its examples")


def tool(gateway, name, *arguments):
    command = [pathlib.Path(__file__).with_name("run_impacket"), name, gateway.https_port, gateway.rpc["epm_port"], *arguments]
    done = subprocess.run([*map(str, command)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stdout + done.stderr
    return done.stdout


@impacket_tools
@pytest.mark.parametrize("schemes", [["ntlm", "basic"], ["basic"]])
def test_exchanger(certificates, dovecot, schemes):
    """The address book; it takes NTLM where it is offered."""
    with start_gateway(certificates, dovecot, "exchanger", auth={"schemes": schemes}) as server:
        def exchanger(*arguments):
            return tool(server, "exchanger.py", f"{ALICE.split('@')[0]}:{PASSWORD}@localhost", "-rpc-hostname", "localhost", "nspi", *arguments)
        assert "Global Address List" in exchanger("list-tables", "-count")
        people = exchanger("dump-tables", "-name", "GAL", "-lookup-type", "EXTENDED")
        assert "Alice Adams" in people and "Bob Brown" in people, people[:2000]


@impacket_tools
def test_rpcdump(gateway):
    """All that the endpoint mapper has, with the ports that are true."""
    told = tool(gateway, "rpcdump.py", "127.0.0.1")
    for interface, port in INTERFACES.items():
        entry = re.search(f"UUID *: {interface} .*?Bindings: *\\n(.*?)\\n *\\n", told, re.DOTALL)
        assert entry and f"ncacn_ip_tcp:127.0.0.1[{gateway.rpc[port]}]" in entry[1], told


@impacket_tools
def test_rpcdump_over_http(certificates, dovecot):
    """By the RPC proxy at 443, where it logs on by NTLM alone: the interfaces with the port that they have behind it."""
    with start_gateway(certificates, dovecot, "rpcdump", auth={"schemes": ["ntlm", "basic"]}) as server:
        told = tool(server, "rpcdump.py", "-port", "443", f"EXAMPLE/{ALICE.split('@')[0]}:{PASSWORD}@127.0.0.1")
    for interface in INTERFACES:
        entry = re.search(f"UUID *: {interface} .*?Bindings: *\\n(.*?)\\n *\\n", told, re.DOTALL)
        assert entry and "ncacn_http:" in entry[1] and "[6001]" in entry[1], told


@impacket_tools
@pytest.mark.parametrize("port, served", [("epm_port", ["E1AF8308-5D1F-11C9-91A4-08002B14A0FA"]),
                                          ("emsmdb_port", [uuid for uuid, port in INTERFACES.items() if port == "emsmdb_port"])])
def test_rpcmap(gateway, port, served):
    """What a port serves, and which operations are there: the one after the last is not."""
    told = tool(gateway, "rpcmap.py", f"ncacn_ip_tcp:127.0.0.1[{gateway.rpc[port]}]", "-auth-rpc", f"EXAMPLE/{ALICE.split('@')[0]}:{PASSWORD}",
                "-auth-level", "6", "-brute-opnums", "-opnum-max", "20")
    for uuid in served:
        assert uuid in told.upper(), told
    if port == "emsmdb_port":
        emsmdb = told[told.upper().index(served[0]):]
        assert "Opnum 10: " in emsmdb and "Opnums 15-20: nca_s_op_rng_error" in emsmdb, told


@pytest.mark.skipif(not shutil.which("rpcclient"), reason="smbclient is not installed")
@pytest.mark.skipif(not kerberos.available(), reason="krb5-kdc and krb5-user are not installed")
def test_rpcclient():
    """Signed and sealed, by NTLM, SPNEGO and Kerberos; see run_rpcclient."""
    done = subprocess.run([pathlib.Path(__file__).with_name("run_rpcclient")], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0 and len(re.findall("^ok ", done.stdout, re.MULTILINE)) == 9, done.stdout + done.stderr[-2000:]
