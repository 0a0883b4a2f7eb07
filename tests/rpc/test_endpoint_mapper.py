"""The endpoint mapper as impacket sees it."""
import pytest
from impacket.dcerpc.v5 import epm
from impacket.dcerpc.v5.ndr import NDRCALL
from impacket.dcerpc.v5.rpcrt import DCERPCException
from impacket.uuid import bin_to_uuidtup, uuidtup_to_bin

import emsmdb

NDR = ("8a885d04-1ceb-11c9-9fe8-08002b104860", "2.0")
SERVED = {"emsmdb_port": ("A4F1DB00-CA47-1067-B31F-00DD010662DA", "0.81"), "nspi_port": ("F5CC5A18-4264-101A-8C59-08002B2F8426", "56.0"),
          "rfr_port": ("1544F5E0-613C-11D1-93DF-00C04FD7BD09", "1.0")}


class LookupHandleFree(NDRCALL):
    opnum = 4
    structure = (("entry_handle", epm.ept_lookup_handle_t),)


class LookupHandleFreeResponse(NDRCALL):
    structure = (("entry_handle", epm.ept_lookup_handle_t), ("status", epm.error_status))


@pytest.fixture
def mapper(gateway):
    """Not bound yet: impacket's functions do that."""
    dce = emsmdb.connect(gateway.rpc["epm_port"], None)
    yield dce
    dce.disconnect()


def towers(entries):
    """{(uuid, version): port} of ept_lookup's entries."""
    out = {}
    for entry in entries:
        tower = entry["tower"]
        floors = (tower if isinstance(tower, epm.EPMTower) else epm.EPMTower(b"".join(tower["tower_octet_string"])))["Floors"]
        uuid = bin_to_uuidtup(floors[0]["InterfaceUUID"] + floors[0]["MajorVersion"].to_bytes(2, "little")
                              + floors[0]["MinorVersion"].to_bytes(2, "little"))
        out[uuid] = int.from_bytes(floors[3]["RelatedData"], "big")
    return out


def test_lookup_lists_what_is_served(gateway, mapper):
    found = towers(epm.hept_lookup(None, dce=mapper))
    for port, interface in SERVED.items():
        assert found[interface] == gateway.rpc[port]
    assert len(found) == 4


@pytest.mark.parametrize("name", SERVED)
def test_map_gives_the_port(gateway, mapper, name):
    uuid, version = SERVED[name]
    binding = epm.hept_map("127.0.0.1", uuidtup_to_bin((uuid, version)), protocol="ncacn_ip_tcp", dce=mapper)
    assert binding == f"ncacn_ip_tcp:127.0.0.1[{gateway.rpc[name]}]"


def test_map_of_what_is_not_served(mapper):
    with pytest.raises(DCERPCException) as refused:
        epm.hept_map("127.0.0.1", uuidtup_to_bin(("12345778-1234-ABCD-EF00-0123456789AB", "0.0")), protocol="ncacn_ip_tcp", dce=mapper)
    assert refused.value.error_code == 0x16c9a0d6  # ept_s_not_registered


def lookup(mapper, handle=None, count=1):
    request = epm.ept_lookup()
    request["inquiry_type"], request["object"], request["Ifid"], request["vers_option"] = 0, epm.NULL, epm.NULL, 1
    if handle is not None:
        request["entry_handle"] = handle
    request["max_ents"] = count
    return mapper.request(request, checkError=False)


def test_lookup_goes_on_by_its_handle(mapper):
    mapper.bind(epm.MSRPC_UUID_PORTMAP)
    found, handle = {}, None
    for _ in range(4):
        answer = lookup(mapper, handle)
        assert (answer["status"], answer["num_ents"]) == (0, 1)
        found |= towers(answer["entries"])
        handle = answer["entry_handle"]
    assert len(found) == 4
    # There was room for no more, so the client has to ask again to know: it may take a handle that is none for a beginning.
    assert handle["context_handle_uuid"] != b"\0" * 16
    answer = lookup(mapper, handle)
    assert (answer["status"], answer["num_ents"]) == (0x16c9a0d6, 0)  # ept_s_not_registered
    assert answer["entry_handle"]["context_handle_uuid"] == b"\0" * 16
    assert lookup(mapper, handle)["status"] != 0, "the handle is gone"


def map_to(mapper, name, handle=None, count=1):
    """ept_map of an interface over TCP."""
    tower, floors = epm.EPMTower(), [epm.EPMRPCInterface(), epm.EPMRPCDataRepresentation(), epm.EPMProtocolIdentifier(), epm.EPMPortAddr(),
                                     epm.EPMHostAddr()]
    uuid = uuidtup_to_bin(SERVED[name])
    floors[0]["InterfaceUUID"], floors[0]["MajorVersion"], floors[0]["MinorVersion"] = (
        uuid[:16], int.from_bytes(uuid[16:18], "little"), int.from_bytes(uuid[18:20], "little"))
    uuid = uuidtup_to_bin(NDR)
    floors[1]["DataRepUuid"], floors[1]["MajorVersion"], floors[1]["MinorVersion"] = (
        uuid[:16], int.from_bytes(uuid[16:18], "little"), int.from_bytes(uuid[18:20], "little"))
    floors[2]["ProtIdentifier"], floors[3]["IpPort"] = epm.FLOOR_RPCV5_IDENTIFIER, 0
    floors[4]["Ip4addr"] = bytes(4)
    tower["NumberOfFloors"], tower["Floors"] = 5, b"".join(floor.getData() for floor in floors)
    request = epm.ept_map()
    request["obj"] = epm.NULL
    request["map_tower"]["tower_length"] = len(tower)
    request["map_tower"]["tower_octet_string"] = tower.getData()
    if handle is not None:
        request["entry_handle"] = handle
    request["max_towers"] = count
    return mapper.request(request, checkError=False)


def test_map_that_is_just_full(mapper):
    """As with lookups: who asks until there is no more must not be made to begin again."""
    mapper.bind(epm.MSRPC_UUID_PORTMAP)
    answer = map_to(mapper, "nspi_port")
    assert (answer["status"], answer["num_towers"]) == (0, 1)
    handle = answer["entry_handle"]
    assert handle["context_handle_uuid"] != b"\0" * 16
    answer = map_to(mapper, "nspi_port", handle)
    assert (answer["status"], answer["num_towers"]) == (0x16c9a0d6, 0)
    assert answer["entry_handle"]["context_handle_uuid"] == b"\0" * 16
    answer = map_to(mapper, "nspi_port", count=4)
    assert (answer["status"], answer["num_towers"]) == (0, 1)
    assert answer["entry_handle"]["context_handle_uuid"] == b"\0" * 16


def test_lookup_that_has_room_for_more(mapper):
    mapper.bind(epm.MSRPC_UUID_PORTMAP)
    answer = lookup(mapper, count=5)
    assert (answer["status"], answer["num_ents"]) == (0, 4)
    assert answer["entry_handle"]["context_handle_uuid"] == b"\0" * 16, "all was told"


def test_lookup_handle_free(mapper):
    mapper.bind(epm.MSRPC_UUID_PORTMAP)
    handle = lookup(mapper)["entry_handle"]
    assert handle["context_handle_uuid"] != b"\0" * 16
    request = LookupHandleFree()
    request["entry_handle"] = handle
    answer = mapper.request(request, checkError=False)
    assert answer["status"] == 0 and answer["entry_handle"]["context_handle_uuid"] == b"\0" * 16
    assert lookup(mapper, handle)["status"] != 0
