"""A client of RPC over HTTP, version 2 ([MS-RPCH]), written from the specification: virtual connections with flow control
and recycling of both channels. `Transport` puts one under impacket's DCE/RPC.

    with VirtualConnection(port, "alice@example.test", "secret", target=6001) as link:
        link.send(pdu)
        answer = link.receive()
"""
import base64
import contextlib
import os
import socket
import ssl
import struct

NONE, PING, OTHER, RECYCLE, IN, OUT, EOF, ECHO = 0, 1, 2, 4, 8, 16, 32, 64
(RECEIVE_WINDOW, FLOW_CONTROL_ACK, TIMEOUT, COOKIE, LIFETIME, KEEPALIVE, VERSION, EMPTY, PADDING, NEGATIVE_ANCE, ANCE, ADDRESS,
 GROUP, DESTINATION, PING_TRAFFIC) = range(15)
CLIENT, IN_PROXY, SERVER, OUT_PROXY = range(4)
NUMBERS = {RECEIVE_WINDOW, TIMEOUT, LIFETIME, KEEPALIVE, VERSION, DESTINATION, PING_TRAFFIC}
COOKIES = {COOKIE, GROUP}
RTS = 20


class ChannelError(Exception):
    """The server broke off, or said something that has no place here."""


class HttpError(ChannelError):
    def __init__(self, status, reason, headers):
        super().__init__(f"{status} {reason}")
        self.status, self.reason, self.headers = status, reason, headers


def rts(flags, *commands):
    """An RTS PDU of (type, value) commands."""
    body = b""
    for kind, value in commands:
        body += struct.pack("<I", kind)
        if kind in NUMBERS:
            body += struct.pack("<I", value)
        elif kind in COOKIES:
            body += value
        elif kind == FLOW_CONTROL_ACK:
            body += struct.pack("<II", *value[:2]) + value[2]
    return struct.pack("<BBBBIHHIHH", 5, 0, RTS, 3, 0x10, 20 + len(body), 0, 0, flags, len(commands)) + body


def parse(pdu):
    """(flags, [(type, value)]) of an RTS PDU."""
    flags, count = struct.unpack_from("<HH", pdu, 16)
    at, commands = 20, []
    for _ in range(count):
        kind = struct.unpack_from("<I", pdu, at)[0]
        at += 4
        value = None
        if kind in NUMBERS:
            value = struct.unpack_from("<I", pdu, at)[0]
            at += 4
        elif kind in COOKIES:
            value = pdu[at:at + 16]
            at += 16
        elif kind == FLOW_CONTROL_ACK:
            value = (*struct.unpack_from("<II", pdu, at), pdu[at + 8:at + 24])
            at += 24
        elif kind not in (EMPTY, NEGATIVE_ANCE, ANCE):
            raise ChannelError(f"command {kind} from the server")
        commands.append((kind, value))
    if at != len(pdu):
        raise ChannelError("an RTS PDU with bytes left over")
    return flags, commands


class Channel:
    """One HTTP request of a channel, on a TLS connection of its own."""

    trace = None  # a list for (channel, True from the client, PDU), for write_capture()

    def __init__(self, port, method, target, length, credentials, timeout=30.0):
        raw = socket.create_connection(("127.0.0.1", port), timeout)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.socket = context.wrap_socket(raw, server_hostname="localhost")
        self.method, self.target, self.buffer, self.status = method, target, b"", None
        self.cookie = os.urandom(16)
        self.request(length, credentials.header(self))

    def request(self, length, authorization):
        lines = [f"{self.method} /rpc/rpcproxy.dll?{self.target} HTTP/1.1", "Host: localhost", "Accept: application/rpc",
                 "User-Agent: MSRPC", f"Content-Length: {length}", "Connection: Keep-Alive", "Cache-Control: no-cache"]
        if authorization:
            lines.append(f"Authorization: {authorization}")
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())

    def send(self, data):
        if self.trace is not None and data[:1] == b"\5":
            self.trace.append((self, True, data))
        self.socket.sendall(data)

    def _fill(self):
        data = self.socket.recv(65536)
        if not data:
            raise ChannelError(f"the server closed the {self.method} channel")
        self.buffer += data

    def head(self):
        """(status, reason, [(name, value)]) of the response."""
        while b"\r\n\r\n" not in self.buffer:
            self._fill()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        _, status, reason = first.split(" ", 2)
        return int(status), reason, [tuple(line.split(": ", 1)) for line in rest]

    def take(self, size):
        while len(self.buffer) < size:
            self._fill()
        out, self.buffer = self.buffer[:size], self.buffer[size:]
        return out

    def receive(self):
        """A whole PDU, after the response's head if that was not read yet."""
        if self.status is None:
            status, reason, headers = self.head()
            if status != 200:
                raise HttpError(status, reason, headers)
            self.status, self.headers = status, dict(headers)
        head = self.take(16)
        pdu = head + self.take(struct.unpack_from("<H", head, 8)[0] - 16)
        if self.trace is not None:
            self.trace.append((self, False, pdu))
        return pdu

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.close()

    def finish(self):
        """Nothing more will be sent. Not closed yet: a reset, for what came and was not read, could overtake what was sent last."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Ends it the hard way."""
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.socket.close()


class Basic:
    def __init__(self, user, password):
        self.text = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def header(self, channel):
        return self.text


class Ntlm:
    """NTLM on the channel's connection: a request without body brings the challenge."""

    def __init__(self, user, password, domain="", scheme="NTLM"):
        self.user, self.password, self.domain, self.scheme = user, password, domain, scheme

    def header(self, channel):
        from impacket import ntlm

        hello = ntlm.getNTLMSSPType1(domain=self.domain)
        channel.request(0, f"{self.scheme} " + base64.b64encode(hello.getData()).decode())
        status, reason, headers = channel.head()
        offers = [value for name, value in headers if name == "WWW-Authenticate" and value.startswith(self.scheme + " ")]
        if status != 401 or not offers:
            raise HttpError(status, reason, headers)
        channel.take(int(dict(headers)["Content-Length"]))
        challenge = base64.b64decode(offers[0].split(" ", 1)[1])
        answer, _ = ntlm.getNTLMSSPType3(hello, challenge, self.user, self.password, self.domain)
        return f"{self.scheme} " + base64.b64encode(answer.getData()).decode()


class VirtualConnection:
    def __init__(self, port, credentials, target=6001, server="localhost", window=65536, in_lifetime=1 << 30, keepalive=300000):
        self.port, self.credentials, self.target = port, credentials, f"{server}:{target}"
        self.window, self.in_lifetime, self.keepalive = window, in_lifetime, keepalive
        self.cookie, self.group = os.urandom(16), os.urandom(16)
        self.received = self.unacknowledged = 0  # on the OUT channel in use
        self.sent, self.may_send = 0, None       # on the IN channel in use
        self.acknowledge = True
        self.pings = self.acks = self.out_recycled = self.in_recycled = 0
        self.successor = None
        self.in_channel = self.out_channel = None
        self.finished = []

    def _open(self, method, length):
        return Channel(self.port, method, self.target, length, self.credentials)

    def connect(self, in_first=False):
        def open_out():
            self.out_channel = self._open("RPC_OUT_DATA", 76)
            self.out_channel.send(rts(NONE, (VERSION, 1), (COOKIE, self.cookie), (COOKIE, self.out_channel.cookie), (RECEIVE_WINDOW, self.window)))

        def open_in():
            self.in_channel = self._open("RPC_IN_DATA", self.in_lifetime)
            self.in_channel.send(rts(NONE, (VERSION, 1), (COOKIE, self.cookie), (COOKIE, self.in_channel.cookie), (LIFETIME, self.in_lifetime),
                                     (KEEPALIVE, self.keepalive), (GROUP, self.group)))

        for step in (open_in, open_out) if in_first else (open_out, open_in):
            step()
        flags, commands = parse(self.out_channel.receive())
        if flags != NONE or [kind for kind, _ in commands] != [TIMEOUT]:
            raise ChannelError(f"not CONN/A3: {flags} {commands}")
        flags, commands = parse(self.out_channel.receive())
        if flags != NONE or [kind for kind, _ in commands] != [VERSION, RECEIVE_WINDOW, TIMEOUT]:
            raise ChannelError(f"not CONN/C2: {flags} {commands}")
        self.server_window = self.may_send = commands[1][1]
        self.timeout = commands[2][1]
        return self

    # -- PDUs of DCE/RPC

    def send(self, pdu):
        while self.may_send < len(pdu):
            self._receive_rts(self.out_channel.receive())
        self.in_channel.send(pdu)
        self.sent += len(pdu)
        self.may_send -= len(pdu)

    def receive(self):
        while True:
            pdu = self.out_channel.receive()
            if pdu[2] == RTS:
                self._receive_rts(pdu)
                continue
            self.received += len(pdu)
            self.unacknowledged += len(pdu)
            if self.acknowledge and self.unacknowledged >= self.window // 2:
                self.send_ack()
            return pdu

    # -- what goes beside

    def send_ack(self):
        self.unacknowledged = 0
        self.in_channel.send(rts(OTHER, (DESTINATION, OUT_PROXY), (FLOW_CONTROL_ACK, (self.received, self.window, self.out_channel.cookie))))

    def ping(self):
        self.in_channel.send(rts(PING))

    def _receive_rts(self, pdu):
        flags, commands = parse(pdu)
        kinds = [kind for kind, _ in commands]
        if flags == PING and not kinds:
            self.pings += 1
        elif flags == OTHER and kinds == [DESTINATION, FLOW_CONTROL_ACK]:
            received, window, cookie = commands[1][1]
            if cookie == self.in_channel.cookie:
                self.may_send = window - (self.sent - received)
                self.acks += 1
        elif flags == RECYCLE and commands == [(DESTINATION, CLIENT)]:
            self._begin_out_successor()
        elif flags == NONE and commands == [(DESTINATION, CLIENT), (ANCE, None)] and self.successor:
            self.in_channel.send(rts(OUT, (DESTINATION, SERVER), (COOKIE, self.successor.cookie), (VERSION, 1)))
        elif flags == EOF and commands == [(ANCE, None)] and self.successor:
            self.successor.send(rts(PING, (EMPTY, None)))
            self.out_channel.close()
            self.out_channel, self.successor = self.successor, None
            self.received = self.unacknowledged = 0
            self.out_recycled += 1
        elif flags == NONE and commands == [(DESTINATION, CLIENT)] and self.in_successor:
            old, self.in_channel, self.in_successor = self.in_channel, self.in_successor, None
            old.send(rts(NONE, (COOKIE, self.in_channel.cookie)))
            old.finish()
            self.finished.append(old)
            self.sent, self.may_send = 0, self.server_window
            self.in_recycled += 1
        else:
            raise ChannelError(f"RTS PDU with flags {flags} and {commands}")

    def _begin_out_successor(self):
        self.successor = self._open("RPC_OUT_DATA", 120)
        self.successor.send(rts(RECYCLE, (VERSION, 1), (COOKIE, self.cookie), (COOKIE, self.out_channel.cookie),
                                (COOKIE, self.successor.cookie), (RECEIVE_WINDOW, self.window)))

    in_successor = None

    def recycle_in(self):
        """Begins the replacement; it is over when receive() has met the server's answer."""
        self.in_successor = self._open("RPC_IN_DATA", self.in_lifetime)
        self.in_successor.send(rts(RECYCLE, (VERSION, 1), (COOKIE, self.cookie), (COOKIE, self.in_channel.cookie),
                                   (COOKIE, self.in_successor.cookie)))

    def close(self):
        for channel in (self.in_channel, self.out_channel, self.successor, self.in_successor, *self.finished):
            if channel:
                channel.close()

    def __enter__(self):
        return self.connect()

    def __exit__(self, *_):
        self.close()


def write_capture(path, trace):
    """The PDUs of channels as a capture of TCP connections without HTTP and TLS: what of Wireshark reads DCE/RPC follows no HTTP
    request that never ends."""
    ports, sequence = {}, {}
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101))  # raw IP
        for number, (channel, from_client, pdu) in enumerate(trace):
            port = ports.setdefault(channel, 40000 + len(ports))
            ends = (port, 49152) if from_client else (49152, port)  # 6001 is X11 to Wireshark
            at, other = sequence.get(ends, 1), sequence.get(ends[::-1], 1)
            sequence[ends] = at + len(pdu)
            tcp = struct.pack(">HHIIBBHHH", *ends, at, other, 0x50, 0x18, 65535, 0, 0) + pdu
            packet = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), number & 0xffff, 0, 64, 6, 0, b"\x7f\0\0\1", b"\x7f\0\0\1") + tcp
            out.write(struct.pack("<IIII", number // 1000, number % 1000, len(packet), len(packet)) + packet)


def echo(port, credentials, method="RPC_IN_DATA", length=0):
    """The answer to an ECHO request: (status, PDU)."""
    channel = Channel(port, method, "localhost:6001", length, credentials)
    channel.send(b"\0" * length)
    try:
        return channel.receive()
    finally:
        channel.close()


def transport(link, user=None, password=None, domain=""):
    """An impacket transport over a VirtualConnection, for get_dce_rpc()."""
    from impacket.dcerpc.v5.transport import DCERPCTransport

    class Transport(DCERPCTransport):
        def connect(self):
            return link.connect() if link.out_channel is None else link

        def send(self, data, forceWriteAndx=0, forceRecv=0):
            link.send(data)

        def recv(self, forceRecv=0, count=0):
            return link.receive()

        def disconnect(self):
            link.close()

        def get_socket(self):
            return link.out_channel.socket

    out = Transport("localhost", 0)
    if user:
        out.set_credentials(user, password, domain)
    return out
