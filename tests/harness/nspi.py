"""The address book endpoint's requests and replies, [MS-OXCMAPIHTTP] 2.2.5, on their own account.

    with Session(port, ca_file, "alice@example.test", "secret") as book:
        outcomes, rows = book.resolve_names(["bob"], ["PidTagDisplayName"])
"""
import dataclasses
import struct

from .mapihttp import NSPI, Client
from .properties import BINARY, BOOLEAN, ERROR, INT32, MULTIPLE, STRING8, UNICODE, PropertyError, Reader, WireError

TAGS = {
    "PidTagDisplayName": 0x3001001F, "PidTagSmtpAddress": 0x39FE001F, "PidTagEmailAddress": 0x3003001F,
    "PidTagEntryId": 0x0FFF0102, "PidTagTitle": 0x3A17001F, "PidTagDisplayType": 0x39000003,
    "PidTagObjectType": 0x0FFE0003, "PidTagAnr": 0x360C001F, "PidTagDepartmentName": 0x3A18001F,
    "PidTagAddressBookProxyAddresses": 0x800F101F, "PidTagAddressBookMember": 0x8009000D,
    "PidTagAddressBookManager": 0x8005000D, "PidTagAddressBookContainerId": 0xFFFD0003, "PidTagDepth": 0x30050003,
    "PidTagInstanceKey": 0x0FF60102, "PidTagMobileTelephoneNumber": 0x3A1C001F,
}
BEGINNING, CURRENT, END = 0, 1, 2
UNRESOLVED, AMBIGUOUS, RESOLVED = 0, 1, 2
OK, ERRORS_RETURNED, UNBIND_SUCCESS = 0, 0x00040380, 1
NOT_FOUND, TABLE_TOO_BIG, INVALID_BOOKMARK, ACCESS_DENIED = 0x8004010F, 0x80040403, 0x80040405, 0x80070005
NOT_SUPPORTED, GENERAL_FAILURE, INVALID_PARAMETER, INVALID_CODEPAGE = 0x80040102, 0x80004005, 0x80070057, 0x8004011E


def tag_of(tag):
    return TAGS[tag] if isinstance(tag, str) else tag


@dataclasses.dataclass
class Stat:
    sort_type: int = 0
    container: int = 0
    current: int = 0
    delta: int = 0
    position: int = 0
    total: int = 0
    code_page: int = 1252
    template_locale: int = 0x409
    sort_locale: int = 0x409

    def pack(self):
        return struct.pack("<IIIiIIIII", *dataclasses.astuple(self))


class NspiError(Exception):
    def __init__(self, code):
        super().__init__(f"{code:#010x}")
        self.code = code


def state(stat):
    return b"\0" if stat is None else b"\xff" + stat.pack()


def tags(columns):
    if columns is None:
        return b"\0"
    return b"\xff" + struct.pack(f"<I{len(columns)}I", len(columns), *map(tag_of, columns))


def ids(mids, has=True):
    return (b"\xff" if has else b"") + struct.pack(f"<I{len(mids)}I", len(mids), *mids)


def _has(reader):
    return reader.u8() != 0


def _u32s(reader):
    return [reader.u32() for _ in range(reader.u32())]


def _cell(reader, kind):
    if kind in (STRING8, UNICODE, BINARY) or kind & MULTIPLE:
        if not _has(reader):
            return None
    if kind & MULTIPLE:
        single = kind & ~MULTIPLE
        return [_cell(reader, single) for _ in range(reader.u32())]
    if kind == STRING8:
        return reader.string8()
    if kind == UNICODE:
        return reader.unicode()
    if kind == BINARY:
        return reader.bytes(reader.u32())
    if kind == INT32:
        return reader.unpack("i")
    if kind == BOOLEAN:
        return reader.u8() != 0
    if kind == ERROR:
        return PropertyError(reader.u32())
    raise WireError(f"a value of type {kind:#06x}")


def _value_list(reader):
    out = []
    for _ in range(reader.u32()):
        tag = reader.u32()
        out.append((tag, _cell(reader, tag & 0xFFFF)))
    return out


def _row(reader, columns):
    """A dict by tag; what is missing is a PropertyError."""
    flag = reader.u8()
    out = {}
    for tag in columns:
        kind = tag & 0xFFFF
        if flag == 0:
            out[tag] = _cell(reader, kind)
            continue
        presence = reader.u8()
        out[tag] = {0: lambda: _cell(reader, kind), 1: lambda: None, 0xA: lambda: PropertyError(reader.u32())}[presence]()
    return out


def _columns_and_rows(reader):
    columns = _u32s(reader)
    return [_row(reader, columns) for _ in range(reader.u32())]


class Session:
    """One Bind to Unbind. Every method raises NspiError for an ErrorCode that is not expected."""

    def __init__(self, port, ca_file, user, password):
        self.client = Client(port, ca_file, user, password, path=NSPI)

    def __enter__(self):
        self.bind()
        return self

    def __exit__(self, *_):
        if self.client.cookies:
            self.unbind()
        self.client.close()

    def call(self, request_type, body, fine=(OK,)):
        """(reader behind the ErrorCode, ErrorCode); the auxiliary buffer is left to finish()."""
        reply = self.client.raw(request_type, body + struct.pack("<I", 0)).check()
        reader = Reader(reply.payload)
        status, code = reader.u32(), reader.u32()
        if status != 0 or code not in fine:
            raise NspiError(code)
        return reader, code

    @staticmethod
    def finish(reader):
        reader.bytes(reader.u32())
        if reader.left():
            raise WireError(f"{reader.left()} bytes after the reply")

    def _stat(self, reader):
        return Stat(*struct.unpack("<IIIiIIIII", reader.bytes(36))) if _has(reader) else None

    def bind(self, stat=None):
        reader, _ = self.call("Bind", struct.pack("<I", 0) + state(stat or Stat()))
        self.guid = reader.bytes(16)
        self.finish(reader)

    def unbind(self):
        reader, code = self.call("Unbind", struct.pack("<I", 0), (UNBIND_SUCCESS,))
        self.finish(reader)
        self.client.cookies = {}
        return code

    def update_stat(self, stat, delta=True):
        reader, _ = self.call("UpdateStat", struct.pack("<I", 0) + state(stat) + bytes([delta]))
        moved = self._stat(reader)
        by = reader.unpack("i") if _has(reader) else None
        self.finish(reader)
        return moved, by

    def query_rows(self, stat, count, columns=None, table=(), flags=0):
        reader, _ = self.call("QueryRows", struct.pack("<I", flags) + state(stat) + ids(table, has=False)
                              + struct.pack("<I", count) + tags(columns))
        moved = self._stat(reader)
        rows = _columns_and_rows(reader) if _has(reader) else None
        self.finish(reader)
        return moved, rows

    def seek_entries(self, stat, text, columns=None, table=None):
        target = b"\xff" + struct.pack("<I", TAGS["PidTagDisplayName"]) + b"\xff" + text.encode("utf-16-le") + b"\0\0"
        reader, _ = self.call("SeekEntries", struct.pack("<I", 0) + state(stat) + target
                              + (b"\0" if table is None else ids(table)) + tags(columns))
        moved = self._stat(reader)
        rows = _columns_and_rows(reader) if _has(reader) else None
        self.finish(reader)
        return moved, rows

    def get_matches(self, stat, count, restriction=None, columns=None):
        reader, _ = self.call("GetMatches", struct.pack("<I", 0) + state(stat) + b"\0" + struct.pack("<I", 0)
                              + (b"\0" if restriction is None else b"\xff" + restriction) + b"\0"
                              + struct.pack("<I", count) + tags(columns))
        moved = self._stat(reader)
        found = _u32s(reader) if _has(reader) else []
        rows = _columns_and_rows(reader) if _has(reader) else None
        self.finish(reader)
        return moved, found, rows

    def resort_restriction(self, stat, table):
        reader, _ = self.call("ResortRestriction", struct.pack("<I", 0) + state(stat) + ids(table))
        moved = self._stat(reader)
        found = _u32s(reader) if _has(reader) else []
        self.finish(reader)
        return moved, found

    def dn_to_mid(self, dns):
        reader, _ = self.call("DNToMId", struct.pack("<I", 0) + b"\xff" + struct.pack("<I", len(dns))
                              + b"".join(dn.encode("ascii") + b"\0" for dn in dns))
        found = _u32s(reader) if _has(reader) else []
        self.finish(reader)
        return found

    def get_prop_list(self, mid, flags=0, code_page=1252):
        reader, _ = self.call("GetPropList", struct.pack("<III", flags, mid, code_page))
        found = _u32s(reader) if _has(reader) else []
        self.finish(reader)
        return found

    def get_props(self, stat, columns=None, flags=0):
        reader, code = self.call("GetProps", struct.pack("<I", flags) + state(stat) + tags(columns), (OK, ERRORS_RETURNED))
        code_page = reader.u32()
        values = _value_list(reader) if _has(reader) else None
        self.finish(reader)
        return code, code_page, values

    def compare_mids(self, stat, first, second):
        reader, _ = self.call("CompareMIds", struct.pack("<I", 0) + state(stat) + struct.pack("<II", first, second))
        result = reader.unpack("i")
        self.finish(reader)
        return result

    def get_special_table(self, stat, flags=4, version=0):
        reader, _ = self.call("GetSpecialTable", struct.pack("<I", flags) + state(stat) + b"\xff" + struct.pack("<I", version))
        code_page = reader.u32()
        known = reader.u32() if _has(reader) else None
        rows = [dict(_value_list(reader)) for _ in range(reader.u32())] if _has(reader) else None
        self.finish(reader)
        return code_page, known, rows

    def get_template_info(self, display_type=0, flags=1, code_page=1252):
        reader, _ = self.call("GetTemplateInfo", struct.pack("<II", flags, display_type) + b"\0"
                              + struct.pack("<II", code_page, 0x409))
        reader.u32()
        row = _value_list(reader) if _has(reader) else None
        self.finish(reader)
        return row

    def query_columns(self, flags=0x80000000):
        reader, _ = self.call("QueryColumns", struct.pack("<II", 0, flags))
        found = _u32s(reader) if _has(reader) else []
        self.finish(reader)
        return found

    def resolve_names(self, names, columns=None, stat=None):
        reader, _ = self.call("ResolveNames", struct.pack("<I", 0) + state(stat or Stat()) + tags(columns) + b"\xff"
                              + struct.pack("<I", len(names)) + b"".join(n.encode("utf-16-le") + b"\0\0" for n in names))
        reader.u32()
        outcomes = _u32s(reader) if _has(reader) else []
        rows = _columns_and_rows(reader) if _has(reader) else None
        self.finish(reader)
        return outcomes, rows

    def mod_props(self, stat, remove):
        reader, _ = self.call("ModProps", struct.pack("<I", 0) + state(stat) + tags(remove) + b"\0")
        self.finish(reader)

    def mod_link_att(self, mid, tag, entry_ids, flags=0):
        reader, _ = self.call("ModLinkAtt", struct.pack("<III", flags, tag_of(tag), mid) + b"\xff"
                              + struct.pack("<I", len(entry_ids))
                              + b"".join(struct.pack("<I", len(one)) + one for one in entry_ids))
        self.finish(reader)

    def url(self, request_type, dn):
        reader, _ = self.call(request_type, struct.pack("<I", 0) + dn.encode("utf-16-le") + b"\0\0")
        text = reader.unicode()
        self.finish(reader)
        return text


def equals(tag, text):
    """A PropertyRestriction: `tag` is `text`."""
    return (struct.pack("<BBI", 4, 4, tag_of(tag)) + b"\xff" + struct.pack("<I", tag_of(tag))
            + b"\xff" + text.encode("utf-16-le") + b"\0\0")
