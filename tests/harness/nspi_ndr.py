"""The address book over DCE/RPC, [MS-OXNSPI] 6 and [MS-NSPI]: requests and answers in NDR, on their own account. The connection is
impacket's, or anything else with call(opnum, stub) and recv(). The methods are those of nspi.Session, and answer the same.

    with Session(dce) as book:
        outcomes, rows = book.resolve_names(["bob"], ["PidTagDisplayName"])
"""
import struct

from .nspi import ERRORS_RETURNED, OK, UNBIND_SUCCESS, NspiError, Stat, tag_of
from .properties import BINARY, BOOLEAN, ERROR, INT32, MULTIPLE, STRING8, UNICODE, PropertyError

REFERENT = 0x20000


def padded(data):
    return data + bytes(-len(data) % 4)


def pointer(there):
    return struct.pack("<I", REFERENT if there else 0)


def text(value):
    """A wide string, with its NUL."""
    data = value.encode("utf-16-le") + b"\0\0"
    return padded(struct.pack("<III", len(data) // 2, 0, len(data) // 2) + data)


def narrow(value, encoding="cp1252"):
    data = value.encode(encoding) + b"\0"
    return padded(struct.pack("<III", len(data), 0, len(data)) + data)


def numbers(values):
    """A PropertyTagArray_r."""
    count = len(values)
    return struct.pack(f"<IIII{count}I", count + 1, count, 0, count, *values)


def unique_numbers(values):
    return pointer(values is not None) + (b"" if values is None else numbers(values))


def unique_tags(columns):
    return unique_numbers(None if columns is None else [tag_of(column) for column in columns])


def strings(values, encode):
    count = len(values)
    return struct.pack("<II", count, count) + pointer(True) * count + b"".join(map(encode, values))


def value_parts(tag, value):
    """A PropertyValue_r: what stands in place, and what follows."""
    kind = tag & 0xFFFF
    head = struct.pack("<III", tag, 0, kind)
    if kind == UNICODE:
        return head + pointer(True), text(value)
    if kind == INT32:
        return head + struct.pack("<i", value), b""
    raise ValueError(f"a value of type {kind:#06x}")


def restriction_parts(one):
    """A Restriction_r out of ("and", [...]), ("or", [...]), ("not", one), ("content", fuzzy, tag, text), ("property", relop, tag, value),
    ("bits", relation, tag, mask), ("exist", tag)."""
    kind = ("and", "or", "not", "content", "property", "compare", "bits", "size", "exist").index(one[0])
    head = struct.pack("<II", kind, kind)
    if one[0] in ("and", "or"):
        parts = [restriction_parts(inner) for inner in one[1]]
        return (head + struct.pack("<I", len(parts)) + pointer(True),
                struct.pack("<I", len(parts)) + b"".join(part[0] for part in parts) + b"".join(part[1] for part in parts))
    if one[0] == "not":
        return head + pointer(True), b"".join(restriction_parts(one[1]))
    if one[0] in ("content", "property"):
        tag = tag_of(one[2])
        return head + struct.pack("<II", one[1], tag) + pointer(True), b"".join(value_parts(tag, one[3]))
    if one[0] == "bits":
        return head + struct.pack("<III", one[1], tag_of(one[2]), one[3]), b""
    return head + struct.pack("<III", 0, tag_of(one[1]), 0), b""


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        if self.at + size > len(self.data):
            raise ValueError("an answer that ends too early")
        self.at += size
        return self.data[self.at - size:self.at]

    def align(self):
        self.take(-self.at % 4)

    def u32(self):
        self.align()
        return struct.unpack("<I", self.take(4))[0]

    def i32(self):
        self.align()
        return struct.unpack("<i", self.take(4))[0]

    def u32s(self):
        size = self.u32()
        return list(struct.unpack(f"<{size}I", self.take(4 * size)))

    def string(self, width):
        size, offset, count = self.u32(), self.u32(), self.u32()
        assert offset == 0 and count <= size
        data = self.take(width * count)
        assert data[-width:] == bytes(width)
        return data[:-width].decode("utf-16-le" if width == 2 else "cp1252")

    def array(self):
        """What a PropertyTagArray_r** led to; None where it is null."""
        if not self.u32():
            return None
        size, count, offset, actual = self.u32(), self.u32(), self.u32(), self.u32()
        assert size == count + 1 and offset == 0 and actual == count
        return [self.u32() for _ in range(count)]

    def _in_place(self, kind):
        """What of a value stands in place, as a function that reads what follows."""
        if kind in (STRING8, UNICODE):
            there, width = self.u32(), 2 if kind == UNICODE else 1
            return lambda: self.string(width) if there else None
        if kind == BINARY or kind & MULTIPLE:
            count, there = self.u32(), self.u32()
            read = self._bytes if kind == BINARY else {MULTIPLE | INT32: self._longs, MULTIPLE | BINARY: self._binaries,
                                                       MULTIPLE | STRING8: lambda n: self._strings(n, 1),
                                                       MULTIPLE | UNICODE: lambda n: self._strings(n, 2)}[kind]
            return lambda: read(count) if there else None
        if kind == BOOLEAN:
            value = struct.unpack("<H", self.take(2))[0] != 0
        elif kind == ERROR:
            value = PropertyError(self.u32())
        else:
            value = {INT32: self.i32, 1: self.i32, 0x0D: self.i32}[kind]()
        return lambda: value

    def _bytes(self, count):
        assert self.u32() == count
        return self.take(count)

    def _longs(self, count):
        assert self.u32() == count
        return [self.i32() for _ in range(count)]

    def _strings(self, count, width):
        assert self.u32() == count
        return [self.string(width) if there else None for there in [self.u32() for _ in range(count)]]

    def _binaries(self, count):
        assert self.u32() == count
        return [self._bytes(size) if there else None for size, there in [(self.u32(), self.u32()) for _ in range(count)]]

    def _row_head(self):
        self.u32()
        return self.u32(), self.u32()

    def _values(self, count, there):
        if not there:
            return []
        assert self.u32() == count
        values = []
        for _ in range(count):
            tag, _, kind = self.u32(), self.u32(), self.u32()
            assert kind == tag & 0xFFFF
            values.append((tag, self._in_place(kind)))
        return [(tag, rest()) for tag, rest in values]

    def row(self):
        return self._values(*self._row_head()) if self.u32() else None

    def rows(self):
        if not self.u32():
            return None
        size, count = self.u32(), self.u32()
        assert size == count
        return [dict(self._values(*head)) for head in [self._row_head() for _ in range(count)]]

    def stat(self):
        self.align()
        return Stat(*struct.unpack("<IIIiIIIII", self.take(36)))

    def end(self, fine=(OK,)):
        """The return value, behind which there is nothing."""
        code = self.u32()
        if self.at != len(self.data):
            raise ValueError(f"{len(self.data) - self.at} bytes after the answer")
        if code not in fine:
            raise NspiError(code)
        return code


class Session:
    """One NspiBind to NspiUnbind. Every method raises NspiError for a return value that is not expected."""

    def __init__(self, dce):
        self.dce, self.handle = dce, bytes(20)

    def __enter__(self):
        self.bind()
        return self

    def __exit__(self, *_):
        if any(self.handle):
            self.unbind()
        self.dce.disconnect()

    def call(self, opnum, stub):
        self.dce.call(opnum, stub)
        return Reader(self.dce.recv())

    def method(self, opnum, stub):
        return self.call(opnum, self.handle + stub)

    def bind(self, stat=None):
        reader = self.call(0, struct.pack("<I", 0) + (stat or Stat()).pack() + pointer(True) + bytes(16))
        self.guid = reader.take(16) if reader.u32() else None
        self.handle = reader.take(20)
        reader.end()

    def unbind(self):
        reader = self.method(1, struct.pack("<I", 0))
        self.handle = reader.take(20)
        assert not any(self.handle)
        return reader.end((UNBIND_SUCCESS,))

    def update_stat(self, stat, delta=True):
        reader = self.method(2, struct.pack("<I", 0) + stat.pack() + pointer(delta) + (struct.pack("<i", 0) if delta else b""))
        moved = reader.stat()
        by = reader.i32() if reader.u32() else None
        reader.end()
        return moved, by

    def query_rows(self, stat, count, columns=None, table=(), flags=0):
        explicit = struct.pack(f"<I{len(table)}I", len(table), *table) if table else b""
        reader = self.method(3, struct.pack("<I", flags) + stat.pack() + struct.pack("<I", len(table)) + pointer(table) + explicit
                             + struct.pack("<I", count) + unique_tags(columns))
        return self._stat_and_rows(reader)

    @staticmethod
    def _stat_and_rows(reader):
        moved, rows = reader.stat(), reader.rows()
        reader.end()
        return moved, rows

    def seek_entries(self, stat, name, columns=None, table=None):
        return self._stat_and_rows(self.method(4, struct.pack("<I", 0) + stat.pack() + b"".join(value_parts(0x3001001F, name))
                                               + unique_numbers(table) + unique_tags(columns)))

    def get_matches(self, stat, count, restriction=None, columns=None):
        filter_ = b"" if restriction is None else b"".join(restriction_parts(restriction))
        reader = self.method(5, struct.pack("<I", 0) + stat.pack() + pointer(False) + struct.pack("<I", 0) + pointer(restriction) + filter_
                             + pointer(False) + struct.pack("<I", count) + unique_tags(columns))
        moved, found, rows = reader.stat(), reader.array() or [], reader.rows()
        reader.end()
        return moved, found, rows

    def resort_restriction(self, stat, table):
        reader = self.method(6, struct.pack("<I", 0) + stat.pack() + numbers(table) + pointer(False))
        moved, found = reader.stat(), reader.array() or []
        reader.end()
        return moved, found

    def _list(self, reader):
        found = reader.array() or []
        reader.end()
        return found

    def dn_to_mid(self, dns):
        return self._list(self.method(7, struct.pack("<I", 0) + strings(dns, narrow)))

    def get_prop_list(self, mid, flags=0, code_page=1252):
        return self._list(self.method(8, struct.pack("<III", flags, mid, code_page)))

    def get_props(self, stat, columns=None, flags=0):
        """Without the code page, of which only MAPI/HTTP tells."""
        reader = self.method(9, struct.pack("<I", flags) + stat.pack() + unique_tags(columns))
        values = reader.row()
        return reader.end((OK, ERRORS_RETURNED)), None, values

    def compare_mids(self, stat, first, second):
        reader = self.method(10, struct.pack("<I", 0) + stat.pack() + struct.pack("<II", first, second))
        result = reader.i32()
        reader.end()
        return result

    def mod_props(self, stat, remove):
        self.method(11, struct.pack("<I", 0) + stat.pack() + unique_tags(remove) + struct.pack("<II", 0, 0) + pointer(False)).end()

    def get_special_table(self, stat, flags=4, version=0):
        reader = self.method(12, struct.pack("<I", flags) + stat.pack() + struct.pack("<I", version))
        known, rows = reader.u32(), reader.rows()
        reader.end()
        return None, known, rows

    def get_template_info(self, display_type=0, flags=1, code_page=1252):
        reader = self.method(13, struct.pack("<II", flags, display_type) + pointer(False) + struct.pack("<II", code_page, 0x409))
        row = reader.row()
        reader.end()
        return row

    def mod_link_att(self, mid, tag, entry_ids, flags=0):
        heads = b"".join(struct.pack("<I", len(one)) + pointer(True) for one in entry_ids)
        rest = b"".join(padded(struct.pack("<I", len(one)) + one) for one in entry_ids)
        self.method(14, struct.pack("<IIII", flags, tag_of(tag), mid, len(entry_ids)) + pointer(True)
                    + struct.pack("<I", len(entry_ids)) + heads + rest).end()

    def query_columns(self, flags=0x80000000):
        return self._list(self.method(16, struct.pack("<II", 0, flags)))

    def get_names_from_ids(self, tags, guid=None):
        """Tags, names (None, or (GUID, id)), return value."""
        reader = self.method(17, struct.pack("<I", 0) + pointer(guid) + (guid or b"") + unique_numbers(tags))
        returned, names = reader.array(), None
        if reader.u32():
            size, count = reader.u32(), reader.u32()
            assert size == count
            heads = [(reader.u32(), reader.u32(), reader.i32()) for _ in range(count)]
            names = [(reader.take(16), number) if there else None for there, _, number in heads]
        return returned, names, reader.end((OK, ERRORS_RETURNED))

    def get_ids_from_names(self, names, flags=0):
        """Tags and the return value, for names that are (GUID, id)."""
        count = len(names)
        # Each name behind a pointer of its own, which is followed by what it leads to.
        stub = struct.pack("<IIII", 0, flags, count, count) + pointer(True) * count
        stub += b"".join(pointer(True) + struct.pack("<Ii", 0, number) + guid for guid, number in names)
        reader = self.method(18, stub)
        return reader.array(), reader.end((OK, ERRORS_RETURNED))

    def resolve_names(self, names, columns=None, stat=None, wide=True):
        reader = self.method(20 if wide else 19, struct.pack("<I", 0) + (stat or Stat()).pack() + unique_tags(columns)
                             + strings(names, text if wide else narrow))
        outcomes, rows = reader.array() or [], reader.rows()
        reader.end()
        return outcomes, rows
