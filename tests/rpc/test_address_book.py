"""NSPI by impacket, which was written against Exchange."""
import pytest
from impacket.dcerpc.v5 import nspi
from impacket.dcerpc.v5.rpcrt import RPC_C_AUTHN_LEVEL_PKT_PRIVACY, DCERPCException

import emsmdb
from conftest import ALICE, PASSWORD


@pytest.fixture
def book(gateway):
    dce = emsmdb.connect(gateway.rpc["nspi_port"], nspi.MSRPC_UUID_NSPI, user=ALICE, password=PASSWORD,
                         level=RPC_C_AUTHN_LEVEL_PKT_PRIVACY)
    yield dce
    dce.disconnect()


def test_bind_and_unbind(book):
    answer = nspi.hNspiBind(book)
    assert answer["ErrorCode"] == 0
    handle = answer["contextHandle"]
    assert handle.getData()[-16:] != b"\0" * 16
    assert nspi.hNspiUnbind(book, handle)["ErrorCode"] == 1  # UnbindSuccess
    with pytest.raises(DCERPCException, match="context_mismatch"):
        nspi.hNspiUnbind(book, handle)


def test_special_table(book):
    handle = nspi.hNspiBind(book)["contextHandle"]
    answer = nspi.hNspiGetSpecialTable(book, handle)
    assert answer["ErrorCode"] == 0
    assert answer["lpVersion"] != 0


def test_anonymous_is_refused(gateway):
    with pytest.raises(DCERPCException, match="access_denied"):
        nspi.hNspiBind(emsmdb.connect(gateway.rpc["nspi_port"], nspi.MSRPC_UUID_NSPI))
