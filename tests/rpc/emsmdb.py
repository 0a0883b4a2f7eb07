"""EMSMDB and AsyncEMSMDB for impacket: an encoder that shares nothing with ours. After [MS-OXCRPC] 6."""
import struct

from impacket.dcerpc.v5 import transport
from impacket.dcerpc.v5.dtypes import LONG, LPSTR, STR, ULONG, USHORT
from impacket.dcerpc.v5.ndr import NDRCALL, NDRSTRUCT, NDRUniConformantArray, NDRUniConformantVaryingArray, NDRUniFixedArray
from impacket.dcerpc.v5.rpcrt import (RPC_C_AUTHN_GSS_NEGOTIATE, RPC_C_AUTHN_WINNT, DCERPCException)
from impacket.uuid import uuidtup_to_bin

EMSMDB = uuidtup_to_bin(("a4f1db00-ca47-1067-b31f-00dd010662da", "0.81"))
ASYNC_EMSMDB = uuidtup_to_bin(("5261574a-4572-206e-b268-6b199213b4e4", "0.1"))


class DCERPCSessionError(DCERPCException):
    """What impacket raises when a method's ErrorCode is not zero."""


class Handle(NDRSTRUCT):
    structure = (("attributes", ULONG), ("uuid", "16s=b''"))

    def getAlignment(self):
        return 4


class Versions(NDRUniFixedArray):
    align = 2

    def getDataLen(self, data, offset=0):
        return 6


class ByteArray(NDRUniConformantArray):
    item = "c"


class VaryingByteArray(NDRUniConformantVaryingArray):
    item = "c"


class EcDoDisconnect(NDRCALL):
    opnum = 1
    structure = (("pcxh", Handle),)


class EcDoDisconnectResponse(NDRCALL):
    structure = (("pcxh", Handle), ("ErrorCode", ULONG))


class EcDoConnectEx(NDRCALL):
    opnum = 10
    structure = (("szUserDN", STR), ("ulFlags", ULONG), ("ulConMod", ULONG), ("cbLimit", ULONG), ("ulCpid", ULONG),
                 ("ulLcidString", ULONG), ("ulLcidSort", ULONG), ("ulIcxrLink", ULONG), ("usFCanConvertCodePages", USHORT),
                 ("rgwClientVersion", Versions), ("pulTimeStamp", ULONG), ("rgbAuxIn", ByteArray), ("cbAuxIn", ULONG),
                 ("pcbAuxOut", ULONG))


class EcDoConnectExResponse(NDRCALL):
    structure = (("pcxh", Handle), ("pcmsPollsMax", ULONG), ("pcRetry", ULONG), ("pcmsRetryDelay", ULONG), ("picxr", USHORT),
                 ("szDNPrefix", LPSTR), ("szDisplayName", LPSTR), ("rgwServerVersion", Versions), ("rgwBestVersion", Versions),
                 ("pulTimeStamp", ULONG), ("rgbAuxOut", VaryingByteArray), ("pcbAuxOut", ULONG), ("ErrorCode", ULONG))


class EcDoRpcExt2(NDRCALL):
    opnum = 11
    structure = (("pcxh", Handle), ("pulFlags", ULONG), ("rgbIn", ByteArray), ("cbIn", ULONG), ("pcbOut", ULONG),
                 ("rgbAuxIn", ByteArray), ("cbAuxIn", ULONG), ("pcbAuxOut", ULONG))


class EcDoRpcExt2Response(NDRCALL):
    structure = (("pcxh", Handle), ("pulFlags", ULONG), ("rgbOut", VaryingByteArray), ("pcbOut", ULONG),
                 ("rgbAuxOut", VaryingByteArray), ("pcbAuxOut", ULONG), ("pulTransTime", ULONG), ("ErrorCode", ULONG))


class EcDoAsyncConnectEx(NDRCALL):
    opnum = 14
    structure = (("cxh", Handle),)


class EcDoAsyncConnectExResponse(NDRCALL):
    structure = (("pacxh", Handle), ("ErrorCode", ULONG))


class EcDoAsyncWaitEx(NDRCALL):
    opnum = 0
    structure = (("acxh", Handle), ("ulFlagsIn", ULONG))


class EcDoAsyncWaitExResponse(NDRCALL):
    structure = (("pulFlagsOut", ULONG), ("ErrorCode", ULONG))


OPNUMS = {call.opnum: (call, answer) for call, answer in
          ((EcDoDisconnect, EcDoDisconnectResponse), (EcDoConnectEx, EcDoConnectExResponse), (EcDoRpcExt2, EcDoRpcExt2Response),
           (EcDoAsyncConnectEx, EcDoAsyncConnectExResponse), (EcDoAsyncWaitEx, EcDoAsyncWaitExResponse))}


class Association:
    """An association group ([MS-RPCE] 3.3.1.5.6): the first connection that joins opens it. impacket knows of none."""

    def __init__(self):
        self.id = 0

    def join(self, link):
        send, recv = link.send, link.recv

        def send_bind(data, *args, **keywords):
            return send(data[:20] + struct.pack("<I", self.id) + data[24:] if data[2] == 11 else data, *args, **keywords)

        def recv_ack(*args, **keywords):
            data = recv(*args, **keywords)
            if data[2:3] == b"\x0c" and len(data) >= 24:
                self.id = struct.unpack_from("<I", data, 20)[0]
            return data

        link.send, link.recv = send_bind, recv_ack


def connect(port, interface=EMSMDB, user=None, password=None, level=None, spnego=False, domain="", group=None):
    """An impacket connection, bound unless `interface` is None."""
    link = transport.DCERPCTransportFactory(f"ncacn_ip_tcp:127.0.0.1[{port}]")
    link.set_connect_timeout(20)
    if group:
        group.join(link)
    if user:
        link.set_credentials(user, password, domain)
    dce = link.get_dce_rpc()
    if user:
        dce.set_auth_type(RPC_C_AUTHN_GSS_NEGOTIATE if spnego else RPC_C_AUTHN_WINNT)
        dce.set_auth_level(level)
    dce.connect()
    if interface:
        dce.bind(interface)
    link.get_socket().settimeout(30)
    return dce


def user_dn(address):
    return f"/o=mapigate/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn={address}\0"


def handle_of(value):
    handle = Handle()
    handle["attributes"] = value["attributes"]
    handle["uuid"] = value["uuid"]
    return handle


def hello_request(dn, aux=b"", version=(0x0c00, 0x9a6c, 0x07d0), link=0xffffffff, stamp=0):
    request = EcDoConnectEx()
    request["szUserDN"] = dn
    for name in ("ulFlags", "ulConMod", "cbLimit"):
        request[name] = 0
    request["pulTimeStamp"] = stamp
    request["ulCpid"], request["ulLcidString"], request["ulLcidSort"] = 1252, 0x409, 0x409
    request["ulIcxrLink"], request["usFCanConvertCodePages"] = link, 1
    request["rgwClientVersion"] = struct.pack("<3H", *version)
    request["rgbAuxIn"], request["cbAuxIn"], request["pcbAuxOut"] = list(bytes([b]) for b in aux), len(aux), 0x1008
    return request


def hello(dce, dn, **keywords):
    return dce.request(hello_request(dn, **keywords))


def execute_raw(dce, handle, rops, handles, room=0x8007):
    """Sends ROP bytes with a table of handles; the response whatever its ErrorCode. NoCompression, NoXorMagic."""
    payload = struct.pack("<H", len(rops) + 2) + rops + b"".join(struct.pack("<I", one) for one in handles)
    buffer = struct.pack("<4H", 0, 4, len(payload), len(payload)) + payload
    request = EcDoRpcExt2()
    request["pcxh"] = handle_of(handle)
    request["pulFlags"] = 3
    request["rgbIn"], request["cbIn"], request["pcbOut"] = list(bytes([b]) for b in buffer), len(buffer), room
    request["rgbAuxIn"], request["cbAuxIn"], request["pcbAuxOut"] = [], 0, 0x1008
    dce.call(request.opnum, request)
    return EcDoRpcExt2Response(dce.recv())


def execute(dce, handle, rops, handles, room=0x8007):
    """(response ROPs, handles); DCERPCException with the ErrorCode when it is not zero."""
    answer = execute_raw(dce, handle, rops, handles, room)
    if answer["ErrorCode"]:
        raise DCERPCException(error_code=answer["ErrorCode"])
    out = b"".join(answer["rgbOut"])
    version, flags, size, actual = struct.unpack_from("<4H", out)
    assert (version, flags & 4, size) == (0, 4, len(out) - 8), "RPC_HEADER_EXT of the answer"
    body = out[8:]
    rop_size = struct.unpack_from("<H", body)[0]
    table = body[rop_size:]
    return body[2:rop_size], list(struct.unpack(f"<{len(table) // 4}I", table))


def rop_logon(dn):
    """RopLogon to the mailbox of `dn` ([MS-OXCROPS] 2.2.3.1)."""
    name = dn.encode()
    return struct.pack("<BBBBIIH", 0xfe, 0, 0, 0x01, 0x01000000, 0, len(name)) + name
