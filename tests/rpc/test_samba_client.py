"""Samba's own client, which does SPNEGO and the level PACKET as Windows does, at the endpoint mapper."""
import pytest

from conftest import PASSWORD

samba = pytest.importorskip("samba", reason="python3-samba is not installed")


def lookup(gateway, options, password=PASSWORD):
    from samba import param
    from samba.credentials import DONT_USE_KERBEROS, Credentials
    from samba.dcerpc import epmapper

    credentials = Credentials()
    credentials.set_username("alice")
    credentials.set_password(password)
    credentials.set_domain("EXAMPLE")
    credentials.set_workstation("CLIENT")
    credentials.set_kerberos_state(DONT_USE_KERBEROS)
    port = gateway.rpc["epm_port"]
    client = epmapper.epmapper(f"ncacn_ip_tcp:127.0.0.1[{port},{options}]", param.LoadParm(), credentials)
    # ept_lookup of everything: no object, no interface, a new handle, at most 10.
    return client.request(2, b"\0" * 12 + b"\1\0\0\0" + b"\0" * 20 + b"\x0a\0\0\0")


@pytest.mark.parametrize("mechanism", ["spnego", "ntlm"])
@pytest.mark.parametrize("level", ["connect", "packet", "sign", "seal"])
def test_mechanisms_and_levels(gateway, mechanism, level):
    stub = lookup(gateway, f"{level},{mechanism}")
    assert stub[20:24] == b"\4\0\0\0", "entries"
    assert stub[-4:] == b"\0\0\0\0", "status"


@pytest.mark.parametrize("mechanism", ["spnego", "ntlm"])
def test_wrong_password(gateway, mechanism):
    from samba import NTSTATUSError

    with pytest.raises(NTSTATUSError):
        lookup(gateway, f"seal,{mechanism}", password="wrong")
