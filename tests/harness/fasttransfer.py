"""FastTransfer streams and sets of ids of [MS-OXCFXICS], read on their own account."""
import struct
import uuid

from . import rops
from .properties import Reader, WireError

MARKERS = {
    0x40090003: "StartTopFld", 0x400B0003: "EndFolder", 0x400A0003: "StartSubFld", 0x400C0003: "StartMessage",
    0x400D0003: "EndMessage", 0x40100003: "StartFAIMsg", 0x40010003: "StartEmbed", 0x40020003: "EndEmbed",
    0x40030003: "StartRecip", 0x40040003: "EndToRecip", 0x40000003: "NewAttach", 0x400E0003: "EndAttach",
    0x40120003: "IncrSyncChg", 0x407D0003: "IncrSyncChgPartial", 0x40130003: "IncrSyncDel", 0x40140003: "IncrSyncEnd",
    0x402F0003: "IncrSyncRead", 0x403A0003: "IncrSyncStateBegin", 0x403B0003: "IncrSyncStateEnd",
    0x4074000B: "IncrSyncProgressMode", 0x4075000B: "IncrSyncProgressPerMsg", 0x40150003: "IncrSyncMessage",
    0x407B0102: "IncrSyncGroupInfo", 0x40180003: "FXErrorInfo",
}
IDSET_GIVEN, CNSET_SEEN, CNSET_SEEN_FAI, CNSET_READ = 0x40170003, 0x67960102, 0x67DA0102, 0x67D20102
STATE = (IDSET_GIVEN, CNSET_SEEN, CNSET_SEEN_FAI, CNSET_READ)
IDSET_DELETED, IDSET_READ, IDSET_UNREAD = 0x67E50102, 0x402D0102, 0x402E0102
FIXED = {0x2: "<h", 0x3: "<i", 0x4: "<f", 0x5: "<d", 0x6: "<q", 0x7: "<d", 0xA: "<I", 0xB: "<H", 0x14: "<q",
         0x40: "<Q"}

# SynchronizationFlags and SynchronizationExtraFlags as Outlook sends them
USUAL_FLAGS, USUAL_EXTRA = 0xA139, 0x0D


def _value(reader, kind):
    if kind in FIXED:
        value = struct.unpack(FIXED[kind], reader.bytes(struct.calcsize(FIXED[kind])))[0]
        return bool(value) if kind == 0xB else value
    if kind == 0x48:
        return uuid.UUID(bytes_le=reader.bytes(16))
    data = reader.bytes(reader.u32())
    if kind == 0x1F:
        if not data.endswith(b"\0\0"):
            raise WireError("a string without its terminator")
        return data[:-2].decode("utf-16-le")
    if kind == 0x1E:
        return data.rstrip(b"\0").decode("cp1252")
    return data


def elements(data):
    """[(marker name, None) or (tag or property name, value), …]"""
    reader, out = Reader(data), []
    while reader.left():
        tag = reader.u32()
        if tag in MARKERS:
            out.append((MARKERS[tag], None))
            continue
        kind, key = tag & 0xFFFF, tag
        if tag >> 16 >= 0x8000:
            guid = uuid.UUID(bytes_le=reader.bytes(16))
            if reader.bytes(1) == b"\0":
                key = (guid, reader.u32())
            else:
                name = b""
                while not (len(name) % 2 == 0 and name.endswith(b"\0\0")):
                    name += reader.bytes(2)
                key = (guid, name[:-2].decode("utf-16-le"))
        if tag == IDSET_GIVEN:
            kind = 0x102
        if kind & 0x1000:
            value = [_value(reader, kind & ~0x1000) for _ in range(reader.u32())]
        else:
            value = _value(reader, kind)
        out.append((key, value))
    return out


class Change(dict):
    """The properties of a message or folder, with `recipients` and `attachments` (dicts; embedded: a Change)."""

    def __init__(self):
        super().__init__()
        self.recipients, self.attachments = [], []


class Download:
    """What a stream says: `changes` (of messages or folders), `messages`, and the properties of each other part."""

    def __init__(self, data):
        self.changes, self.state, self.deletions, self.reads, self.ended = [], {}, {}, {}, False
        self.root = Change()  # what stands before all of these: the content of a copied message
        stack, into = [], self.root
        for key, value in elements(data):
            if value is not None:
                into[key] = value
            elif key in ("IncrSyncChg", "StartMessage", "StartFAIMsg"):
                into = Change()
                self.changes.append(into)
            elif key == "StartRecip":
                stack.append(into)
                into = {}
            elif key == "EndToRecip":
                stack[-1].recipients.append(into)
                into = stack.pop()
            elif key in ("NewAttach", "StartEmbed"):
                stack.append(into)
                into = Change()
            elif key == "EndAttach":
                stack[-1].attachments.append(into)
                into = stack.pop()
            elif key == "EndEmbed":
                stack[-1]["embedded"] = into
                into = stack.pop()
            elif key == "IncrSyncDel":
                into = self.deletions
            elif key == "IncrSyncRead":
                into = self.reads
            elif key == "IncrSyncStateBegin":
                into = self.state
            elif key == "IncrSyncEnd":
                self.ended = True
            elif key not in ("IncrSyncMessage", "EndMessage", "IncrSyncStateEnd"):
                into = {}  # progress, folders
        if stack:
            raise WireError(f"{len(stack)} elements are not closed")


def read_globset(reader):
    """{counter, …} of the commands up to End."""
    out, pushes = set(), []
    number = lambda data: int.from_bytes(data, "big")
    while True:
        command = reader.bytes(1)[0]
        prefix = b"".join(pushes)
        if command == 0:
            if pushes:
                raise WireError("End with bytes on the stack")
            return out
        if command <= 6:
            data = reader.bytes(command)
            if len(prefix) + command == 6:
                out.add(number(prefix + data))
            else:
                pushes.append(data)
        elif command == 0x50:
            pushes.pop()
        elif command == 0x42:
            start, mask = reader.bytes(2)
            base = number(prefix) << 8
            out.add(base + start)
            out.update(base + start + 1 + bit for bit in range(8) if mask >> bit & 1)
        elif command == 0x52:
            low, high = (number(prefix + reader.bytes(6 - len(prefix))) for _ in range(2))
            out.update(range(low, high + 1))
        else:
            raise WireError(f"GLOBSET command {command:#x}")


def read_idset(data, replid):
    """{replica: {counter, …}}; `replid`: by REPLID, else by GUID."""
    reader, out = Reader(data), {}
    while reader.left():
        replica = reader.bytes(2) if replid else reader.bytes(16)
        out.setdefault(replica, set()).update(read_globset(reader))
    return out


# -- the ROPs

def configure(contents=True, flags=USUAL_FLAGS, extra=USUAL_EXTRA, tags=()):
    body = struct.pack(f"<BBHHIH{len(tags)}I", 1 if contents else 2, 0, flags, 0, extra, len(tags), *tags)
    return rops.Rop(0x70, "io", body)


def upload_begin(tag, size):
    return rops.Rop(0x75, "i", struct.pack("<II", tag, size))


def upload_continue(data):
    return rops.Rop(0x76, "i", struct.pack("<I", len(data)) + data)


def upload_end():
    return rops.Rop(0x77, "i")


def get_transfer_state():
    return rops.Rop(0x82, "io")


def copy_to(send_options=1, flags=0x2000, tags=()):
    return rops.Rop(0x4D, "io", struct.pack(f"<BIBH{len(tags)}I", 0, flags, send_options, len(tags), *tags))


def get_buffer(size):
    def parse(reader, response):
        response.status, response.done, response.total, _ = reader.unpack("HHHB")
        response.data = reader.bytes(reader.u16())
    body = struct.pack("<HH", 0xBABE, size) if size > 0x7000 else struct.pack("<H", size)
    return rops.Rop(0x4E, "i", body, parse, answers_on_failure="any")


def download(session, handle, size=0x7BC0):
    """The whole stream of a download context."""
    data = b""
    while True:
        response = session.call(get_buffer(size), handle)
        data += response.data
        if response.status == 3:
            return data
        if response.status != 1 or not response.data:
            raise WireError(f"TransferStatus {response.status} with {len(response.data)} bytes")


def synchronize(session, folder, state=None, **keywords):
    """A download of what changed since `state`, the `state` of an earlier Download."""
    context = session.call(configure(**keywords), folder).handle
    for tag, data in (state or {}).items():
        session.call(upload_begin(tag, len(data)), context)
        session.call(upload_continue(data), context)
        session.call(upload_end(), context)
    return Download(download(session, context))
