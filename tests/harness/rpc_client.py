"""Client of mapihttp.py over DCE/RPC: EMSMDB and AsyncEMSMDB ([MS-OXCRPC] 3.1.4, 3.3.4), packed by hand and carried by impacket."""
import contextlib
import socket
import struct
import time

from impacket.dcerpc.v5.rpcrt import RPC_C_AUTHN_LEVEL_PKT_PRIVACY, RPC_C_AUTHN_WINNT, DCERPCException
from impacket.uuid import uuidtup_to_bin

from . import rops, rpch
from .mapihttp import Client
from .properties import Reader, WireError
from .rops import Response

EMSMDB = uuidtup_to_bin(("a4f1db00-ca47-1067-b31f-00dd010662da", "0.81"))
ASYNC_EMSMDB = uuidtup_to_bin(("5261574a-4572-206e-b268-6b199213b4e4", "0.1"))
REJECTED = 0x7EE  # ecRejected: another wait is outstanding
LONGEST_WAIT = 330.0  # the server answers a wait within five minutes


class RpcFault(OSError):
    """The server answered with a fault, or ended the connection."""


class TcpLink:
    """As rpch.VirtualConnection, without HTTP."""

    out_channel = None

    def __init__(self, port, timeout):
        self.port, self.timeout = port, timeout

    def connect(self):
        self.socket = socket.create_connection(("127.0.0.1", self.port), self.timeout)
        self.file = self.socket.makefile("rb")
        self.out_channel = self
        return self

    def send(self, data):
        self.socket.sendall(data)

    def _take(self, size):
        data = self.file.read(size)
        if len(data) < size:
            raise RpcFault("the server closed the connection")
        return data

    def receive(self):
        head = self._take(16)
        return head + self._take(struct.unpack_from("<H", head, 8)[0] - 16)

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def joined(link, group):
    """The transport in an association group ([MS-RPCE] 3.3.1.5.6), a list of its id: the first that joins opens it. impacket knows of none."""
    send, recv = link.send, link.recv

    def send_bind(data, *arguments, **keywords):
        return send(data[:20] + struct.pack("<I", group[0]) + data[24:] if data[2] == 11 else data, *arguments, **keywords)

    def recv_ack(*arguments, **keywords):
        data = recv(*arguments, **keywords)
        if data[2] == 12 and len(data) >= 24:
            group[0] = struct.unpack_from("<I", data, 20)[0]
        return data

    link.send, link.recv = send_bind, recv_ack
    return link


def array(data):
    """A conformant array of bytes, and what aligns the next."""
    return struct.pack("<I", len(data)) + data + b"\0" * (-len(data) % 4)


def varying(data):
    return struct.pack("<II", len(data), 0) + array(data)


class Answer(Reader):
    """Of a call, in NDR."""

    def varying(self):
        self.unpack("II")
        data = self.bytes(self.u32())
        self.bytes(-self.position % 4)
        return data

    def end(self):
        if self.left():
            raise WireError(f"{self.left()} bytes after the answer")


class Wire:
    """A bound connection."""

    def __init__(self, link, credentials, group, interface, timeout):
        self.link = link
        self.dce = joined(rpch.transport(link, *(credentials or ())), group).get_dce_rpc()
        if credentials:
            self.dce.set_credentials(*credentials)
            self.dce.set_auth_type(RPC_C_AUTHN_WINNT)
            self.dce.set_auth_level(RPC_C_AUTHN_LEVEL_PKT_PRIVACY)
        self._guarded(self.dce.connect)
        link.out_channel.socket.settimeout(timeout)
        self._guarded(self.dce.bind, interface)

    @staticmethod
    def _guarded(function, *arguments):
        try:
            return function(*arguments)
        except (DCERPCException, rpch.ChannelError) as problem:
            raise RpcFault(str(problem)) from problem

    def call(self, number, data):
        self._guarded(self.dce.call, number, data)
        return Answer(self._guarded(self.dce.recv))

    def close(self):
        self.link.close()


class RpcClient(Client):
    """`transport` is rpctcp or rpchttp."""

    def __init__(self, port, ca_file, user, password, emsmdb_port, transport, path=None, timeout=60):
        super().__init__(port, ca_file, user, password, timeout=timeout)
        self.emsmdb_port, self.transport = emsmdb_port, transport
        self.group, self.wire, self.context, self.waits = [0], None, None, None

    def _open(self, interface, timeout):
        if self.transport == "rpchttp":
            link = rpch.VirtualConnection(self.port, rpch.Basic(self.user, self.password))
            return Wire(link, None, self.group, interface, timeout)
        return Wire(TcpLink(self.emsmdb_port, timeout), (self.user, self.password), self.group, interface, timeout)

    def connect(self, user_dn):
        self.wire = self._open(EMSMDB, self.timeout)
        answer = self.wire.call(10, varying(user_dn.encode("ascii") + b"\0") + struct.pack(
            "<7I4HI", 0, 0, 0, 1252, 0x409, 0x409, 0xFFFFFFFF, 1, 0x0C00, 0x9A6C, 0x07D0, 0) + array(b"") + struct.pack("<II", 0, 0x1008))
        result = Response(reply=None, status_code=0)
        context = answer.bytes(20)
        result.polls_max, result.retry_count, result.retry_delay = answer.unpack("III")
        answer.bytes(4)  # the session's index
        names = [answer.varying().rstrip(b"\0").decode("ascii") if answer.u32() else "" for _ in range(2)]
        result.dn_prefix, result.display_name = names
        answer.bytes(12 + 4)  # versions and the time stamp
        result.auxiliary = answer.varying()
        _, result.error_code = answer.unpack("II")
        answer.end()
        if result.error_code:
            raise WireError(f"EcDoConnectEx: {result.error_code:#010x}")
        self.context = context
        answer = self.wire.call(14, context)
        self.waits = answer.bytes(20)
        if error := answer.u32():
            raise WireError(f"EcDoAsyncConnectEx: {error:#010x}")
        return result

    def execute_raw(self, rop_data, flags=0, max_out=0x10008):
        if self.wire is None:
            raise RpcFault("closed")
        answer = self.wire.call(11, self.context + struct.pack("<I", flags) + array(rop_data) + struct.pack("<II", len(rop_data), max_out)
                                + array(b"") + struct.pack("<II", 0, 0x1008))
        answer.bytes(20 + 4)
        data = answer.varying()
        answer.bytes(4)
        answer.varying()
        _, _, error = answer.unpack("III")
        answer.end()
        if error:
            raise WireError(f"EcDoRpcExt2: {error:#010x}")
        return rops.unwrap_header_ext(data)

    def disconnect(self):
        if self.wire:
            self.wire.call(1, self.context)

    def open_connection(self):
        return self._open(ASYNC_EMSMDB, LONGEST_WAIT)

    def notification_wait(self, connection=None):
        own = connection or self.open_connection()
        end = time.monotonic() + 10
        try:
            error = REJECTED
            # A wait whose connection was closed stands in the way until the server has noticed.
            while error == REJECTED and time.monotonic() < end:
                pending, error = own.call(0, self.waits + struct.pack("<I", 0)).unpack("II")
                if error == REJECTED:
                    time.sleep(0.1)
        finally:
            if connection is None:
                own.close()
        if error:
            raise WireError(f"EcDoAsyncWaitEx: {error:#010x}")
        return pending, None

    def close(self):
        if self.wire:
            self.wire.close()
            self.wire = None
