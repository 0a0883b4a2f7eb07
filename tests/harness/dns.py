"""A DNS server for tests: answers from a table, over UDP on a port of its own.

    with Dns({("mail.example.test", "A"): ["192.0.2.1"]}) as dns:
        ... --resolver dns.address
"""
import ipaddress
import socket
import struct
import threading

TYPES = {"A": 1, "CNAME": 5, "MX": 15, "AAAA": 28, "SRV": 33}


def _name(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".") if part) + b"\0"


def _data(kind, value):
    if kind in ("A", "AAAA"):
        return ipaddress.ip_address(value).packed
    if kind == "CNAME":
        return _name(value)
    numbers, host = value[:-1], value[-1]
    return struct.pack(f">{len(numbers)}H", *numbers) + _name(host)


class Dns:
    def __init__(self, records):
        self.records = records
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.records = None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", self.socket.getsockname())
        self.thread.join(5)
        self.socket.close()

    def _serve(self):
        while True:
            query, sender = self.socket.recvfrom(512)
            if self.records is None:
                return
            at, parts = 12, []
            while query[at]:
                parts.append(query[at + 1:at + 1 + query[at]].decode())
                at += query[at] + 1
            wanted = struct.unpack(">H", query[at + 1:at + 3])[0]
            name, answers = ".".join(parts), []
            alias = self.records.get((name, "CNAME"))
            if alias:
                answers.append((name, "CNAME", alias[0]))
                name = alias[0]
            for (owner, kind), values in self.records.items():
                if owner == name and TYPES[kind] == wanted and kind != "CNAME":
                    answers += [(owner, kind, value) for value in values]
            body = b"".join(_name(owner) + struct.pack(">HHIH", TYPES[kind], 1, 60, len(_data(kind, value))) + _data(kind, value)
                            for owner, kind, value in answers)
            known = any(owner == ".".join(parts) for owner, _ in self.records)
            self.socket.sendto(query[:2] + struct.pack(">HHHHH", 0x8180 if known else 0x8183, 1, len(answers), 0, 0)
                               + query[12:at + 5] + body, sender)
