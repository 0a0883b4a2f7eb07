"""A proxy of RPC over HTTP ([MS-RPCH] 3.2.3 and 3.2.4) before servers of DCE/RPC over TCP, as a farm of them behaves: whoever
replaces an OUT channel comes to another proxy (the R1 form of recycling). It lets everybody in and knows no windows.

    with RpcProxy(certificates, {6001: port}, recycle_after=4000) as proxy:
        proxy.url(), proxy.out_recycled
"""
import contextlib
import socket
import ssl
import struct
import threading
import urllib.parse

from .processes import free_port
from .rpch import (ANCE, CLIENT, COOKIE, DESTINATION, FLOW_CONTROL_ACK, NONE, OTHER, OUT, RECEIVE_WINDOW, RECYCLE, RTS, TIMEOUT,
                   VERSION, ChannelError, parse, rts)

WINDOW = 262144
HEAD = b"HTTP/1.1 200 Success\r\nContent-Type: application/rpc\r\nContent-Length: 1073741824\r\n\r\n"


class Virtual:
    def __init__(self):
        self.out = self.successor = self.cookie = self.backend = None
        self.ready = threading.Event()   # the OUT channel is there
        self.lock = threading.Lock()     # of what is written to the OUT channel
        self.carried = 0                 # by the OUT channel in use
        self.asked = False               # for a successor
        self.in_received = 0


class RpcProxy:
    def __init__(self, certificates, ports, recycle_after):
        self.ports, self.recycle_after, self.out_recycled = ports, recycle_after, 0
        self.problems = []
        self.connections, self.virtual, self.guard = [], {}, threading.Lock()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificates.certificate, certificates.key)
        self.port = free_port()

    def url(self):
        return f"https://127.0.0.1:{self.port}"

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        for one in (self.listener, *self.connections):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                raw = self.listener.accept()[0]
                threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw):
        try:
            connection = self.context.wrap_socket(raw, server_side=True)
            self.connections.append(connection)
            file = connection.makefile("rb")
            method, target = file.readline().decode().split(" ")[:2]
            while file.readline() not in (b"\r\n", b""):
                pass
            port = self.ports[int(urllib.parse.urlsplit(target).query.rsplit(":", 1)[1])]
            flags, commands = parse_any(pdu_of(file))
            with self.guard:
                virtual = self.virtual.setdefault(commands[1][1], Virtual())
            if method == "RPC_IN_DATA":
                self._in_channel(virtual, file, commands, port)
            elif flags == RECYCLE:
                self._successor(virtual, file, connection)
            else:
                virtual.out, virtual.cookie = connection, commands[2][1]
                connection.sendall(HEAD + rts(NONE, (TIMEOUT, 120000)))
                virtual.ready.set()
        except (OSError, EOFError):
            pass  # whoever it was has gone
        except Exception as problem:  # noqa: BLE001  whatever it is, the test wants to know
            self.problems.append(repr(problem))

    def _in_channel(self, virtual, file, commands, port):
        cookie = commands[2][1]
        if not virtual.ready.wait(10):
            raise ChannelError("no OUT channel")
        virtual.backend = socket.create_connection(("127.0.0.1", port))
        self.connections.append(virtual.backend)
        with virtual.lock:
            virtual.out.sendall(rts(NONE, (VERSION, 1), (RECEIVE_WINDOW, WINDOW), (TIMEOUT, 120000)))
        threading.Thread(target=self._from_backend, args=(virtual,), daemon=True).start()
        while True:
            pdu = pdu_of(file)
            if pdu[2] != RTS:
                virtual.backend.sendall(pdu)
                virtual.in_received += len(pdu)
                with virtual.lock:
                    virtual.out.sendall(rts(OTHER, (DESTINATION, CLIENT), (FLOW_CONTROL_ACK, (virtual.in_received, WINDOW, cookie))))
                continue
            flags, commands = parse_any(pdu)
            if flags == OUT and [kind for kind, _ in commands] == [DESTINATION, COOKIE, VERSION]:  # OUT_R1/A7
                self._hand_over(virtual)

    def _from_backend(self, virtual):
        file = virtual.backend.makefile("rb")
        with contextlib.suppress(OSError, EOFError):
            while True:
                pdu = pdu_of(file)
                with virtual.lock:
                    virtual.out.sendall(pdu)
                    virtual.carried += len(pdu)
                    if virtual.carried > self.recycle_after and not virtual.asked:
                        virtual.asked = True
                        virtual.out.sendall(rts(RECYCLE, (DESTINATION, CLIENT)))  # OUT_R1/A2

    def _successor(self, virtual, file, connection):
        virtual.successor = (file, connection)
        with virtual.lock:
            virtual.out.sendall(rts(OUT, (DESTINATION, CLIENT), (VERSION, 1), (TIMEOUT, 120000)))  # OUT_R1/A6

    def _hand_over(self, virtual):
        """The predecessor says OUT_R1/A10 and ends; its successor is silent until the client says OUT_R1/A11."""
        file, connection = virtual.successor
        with virtual.lock:
            virtual.out.sendall(rts(NONE, (ANCE, None)))
            connection.settimeout(10)
            if parse_any(pdu_of(file)) != (NONE, [(ANCE, None)]):
                raise ChannelError("not OUT_R1/A11")
            connection.settimeout(None)
            connection.sendall(HEAD)
            virtual.out, virtual.carried, virtual.asked = connection, 0, False
            self.out_recycled += 1


def parse_any(pdu):
    if pdu[2] != RTS:
        raise ChannelError("no RTS PDU")
    return parse(pdu)


def pdu_of(file):
    """A whole PDU; EOFError at the end."""
    head = file.read(16)
    if len(head) < 16:
        raise EOFError
    return head + file.read(struct.unpack_from("<H", head, 8)[0] - 16)
