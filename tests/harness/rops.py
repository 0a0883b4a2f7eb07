"""ROP requests and their responses, [MS-OXCROPS]; the RPC_HEADER_EXT they travel in, [MS-OXCRPC] 2.2.2.1."""
import struct
import types

from . import lz77
from .properties import Reader, WireError, tag_of

COMPRESSED, XOR_MAGIC, LAST = 1, 2, 4
NO_HANDLE = 0xFFFFFFFF
EC_WRONG_SERVER = 0x00000478
EC_NULL_DESTINATION = 0x00000503
BOOKMARK_BEGINNING, BOOKMARK_CURRENT, BOOKMARK_END = 0, 1, 2


def wrap_header_ext(payload, flags=LAST):
    """One RPC_HEADER_EXT and its payload, compressed or obfuscated as the flags say."""
    actual = len(payload)
    if flags & COMPRESSED:
        payload = lz77.compress(payload)
    if flags & XOR_MAGIC:
        payload = bytes(byte ^ 0xA5 for byte in payload)
    return struct.pack("<HHHH", 0, flags, len(payload), actual) + payload


def unwrap_header_ext(data):
    """[payload, ...] of the extended buffers in `data`; the one flagged Last must end it."""
    reader, payloads = Reader(data), []
    while reader.left():
        version, flags, size, actual = reader.unpack("HHHH")
        if version != 0:
            raise WireError(f"RPC_HEADER_EXT version {version}")
        payload = reader.bytes(size)
        if flags & XOR_MAGIC:
            payload = bytes(byte ^ 0xA5 for byte in payload)
        if flags & COMPRESSED:
            payload = lz77.decompress(payload, actual)
        elif size != actual:
            raise WireError(f"uncompressed payload of {size} bytes with SizeActual {actual}")
        payloads.append(payload)
        if flags & LAST:
            if reader.left():
                raise WireError(f"{reader.left()} bytes after the last RPC_HEADER_EXT")
            return payloads
    raise WireError("no RPC_HEADER_EXT is flagged Last")


def rop_buffer(rops, handles):
    """[MS-OXCROPS] 2.2.1: RopSize counts itself; the handle table follows."""
    return struct.pack("<H", len(rops) + 2) + rops + struct.pack(f"<{len(handles)}I", *handles)


def split_rop_buffer(payload):
    """(the ROPs, the handles)."""
    size = struct.unpack_from("<H", payload)[0]
    if size < 2 or size > len(payload) or (len(payload) - size) % 4:
        raise WireError(f"RopSize {size} in a payload of {len(payload)} bytes")
    return payload[2:size], list(struct.unpack(f"<{(len(payload) - size) // 4}I", payload[size:]))


class Rop:
    """One request. `slots`: "i" input handle index, "o" output, "io" both (in this order on the wire), "ii" two inputs."""

    def __init__(self, rop_id, slots, body=b"", parse=None, logon_id=0, answers_on_failure=()):
        self.rop_id, self.slots, self.body, self.parse, self.logon_id = rop_id, slots, body, parse, logon_id
        # Return values other than 0 after which the response goes on with `parse`; "any" for all.
        self.answers_on_failure = answers_on_failure
        # [MS-OXCROPS] 2.2.6.9.2: RopGetMessageStatus is answered as RopSetMessageStatus is.
        self.response_id = 0x20 if rop_id == 0x1F else rop_id

    def encode(self, indexes):
        return bytes([self.rop_id, self.logon_id, *indexes]) + self.body


class Response(types.SimpleNamespace):
    """rop_id, index, error (ReturnValue), and the fields of the ROP under their names in snake case."""

    def check(self):
        if self.error:
            raise RopError(self)
        return self


class RopError(Exception):
    def __init__(self, response):
        super().__init__(f"ROP {response.rop_id:#04x} failed with {response.error:#010x}")
        self.error = response.error
        self.response = response


NEW_MAIL, CREATED, DELETED, MODIFIED, MOVED, COPIED, SEARCH_COMPLETE, TABLE_MODIFIED, EXTENDED = (
    0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x100, 0x400)
TABLE_CHANGED, ROW_ADDED, ROW_DELETED, ROW_MODIFIED = 1, 3, 4, 5


def read_notification(reader):
    """[MS-OXCNOTIF] 2.2.1.4.1.2: `kind` is one of the constants above, `event` that of a table."""
    note = types.SimpleNamespace()
    note.flags = reader.u16()
    note.kind, message, in_search_folder = note.flags & 0xFFF, bool(note.flags & 0x8000), bool(note.flags & 0x4000)
    if note.kind == TABLE_MODIFIED:
        note.event = reader.u16()
        if note.event in (ROW_ADDED, ROW_DELETED, ROW_MODIFIED):
            note.folder_id = reader.u64()
            if message:
                note.message_id, note.instance = reader.unpack("QI")
        if note.event in (ROW_ADDED, ROW_MODIFIED):
            note.after_folder_id = reader.u64()
            if message:
                note.after_message_id, note.after_instance = reader.unpack("QI")
            note.row = reader.bytes(reader.u16())
    elif note.kind != EXTENDED:
        note.folder_id = reader.u64()
        if message:
            note.message_id = reader.u64()
    if note.kind in (CREATED, DELETED, MOVED, COPIED) and in_search_folder == message:
        note.parent_folder_id = reader.u64()
    if note.kind in (MOVED, COPIED):
        note.old_folder_id = reader.u64()
        note.old_id = reader.u64()  # of the message, or of the folder above
    if note.kind in (CREATED, MODIFIED):
        count = reader.u16()
        note.tags = [] if count == 0xFFFF else [reader.u32() for _ in range(count)]
    if note.flags & 0x1000:
        note.total = reader.u32()
    if note.flags & 0x2000:
        note.unread = reader.u32()
    if note.kind == NEW_MAIL:
        note.message_flags = reader.u32()
        note.message_class = reader.unicode() if reader.u8() else reader.string8()
    return note


def parse_responses(data, requests):
    """The responses in `data` to the Rops in `requests`; notifications come among them, as `notify`."""
    reader, waiting, responses = Reader(data), [rop for rop in requests if rop.rop_id != 0x01], []
    while reader.left():
        rop_id = reader.u8()
        if rop_id == 0x2A:  # RopNotify
            notify = Response(rop_id=rop_id, index=None, error=0, notification_handle=reader.u32(), logon_id=reader.u8())
            start = reader.position
            notify.notification = read_notification(reader)
            notify.notification_data = bytes(data[start:reader.position])
            responses.append(notify)
            continue
        if rop_id == 0x6E:  # RopPending
            responses.append(Response(rop_id=rop_id, index=None, error=0, session_index=reader.u16()))
            continue
        if rop_id == 0xFF:  # RopBufferTooSmall
            responses.append(Response(rop_id=rop_id, index=None, error=0, size_needed=reader.u16(),
                                      request_buffers=reader.bytes(reader.left())))
            continue
        if not waiting or waiting[0].response_id != rop_id:
            expected = f"{waiting[0].rop_id:#04x}" if waiting else "none"
            raise WireError(f"response to ROP {rop_id:#04x}, expected {expected}")
        request = waiting.pop(0)
        response = Response(rop_id=rop_id, index=reader.u8(), error=reader.u32())
        go_on = response.error == 0 or request.answers_on_failure == "any" or (
            response.error in request.answers_on_failure)
        if request.parse and go_on:
            request.parse(reader, response)
        responses.append(response)
    return responses


def _fields(**forms):
    def parse(reader, response):
        for name, form in forms.items():
            setattr(response, name, reader.unpack(form))
    return parse


def _tags(columns):
    tags = [tag_of(column) for column in columns]
    return struct.pack("<H", len(tags)) + struct.pack(f"<{len(tags)}I", *tags)


# -- logon and ids

def logon(essdn, flags=0x01, open_flags=0x01000000 | 0x4, store_state=0, logon_id=0):
    def parse(reader, response):
        response.logon_flags = reader.u8()
        if response.error == EC_WRONG_SERVER:
            response.server_name = reader.bytes(reader.u8())
            return
        response.folder_ids = list(reader.unpack("13Q"))
        if response.logon_flags & 1:
            response.response_flags = reader.u8()
            response.mailbox_guid = reader.guid()
        response.repl_id = reader.u16()
        response.repl_guid = reader.guid()
        if response.logon_flags & 1:
            response.logon_time = reader.bytes(8)
            response.gwart_time = reader.u64()
            response.store_state = reader.u32()
        else:
            response.per_user_guid = reader.guid()
    name = essdn.encode("ascii") + b"\0"
    return Rop(0xFE, "o", struct.pack("<BIIH", flags, open_flags, store_state, len(name)) + name, parse, logon_id,
               answers_on_failure=(EC_WRONG_SERVER,))


def release():
    return Rop(0x01, "i")


def get_local_replica_ids(count):
    def parse(reader, response):
        response.repl_guid, response.global_count = reader.guid(), reader.bytes(6)
    return Rop(0x7F, "i", struct.pack("<I", count), parse)


def long_term_id_from_id(object_id):
    def parse(reader, response):
        response.guid, response.counter, response.padding = reader.guid(), reader.bytes(6), reader.u16()
    return Rop(0x43, "i", struct.pack("<Q", object_id), parse)


def id_from_long_term_id(guid, counter):
    return Rop(0x44, "i", guid.bytes_le + counter + b"\0\0", _fields(object_id="Q"))


def get_receive_folder(message_class):
    def parse(reader, response):
        response.folder_id, response.explicit_message_class = reader.u64(), reader.string8()
    return Rop(0x27, "i", message_class.encode("ascii") + b"\0", parse)


def get_address_types():
    def parse(reader, response):
        count, size = reader.unpack("HH")
        block = Reader(reader.bytes(size))
        response.address_types = [block.string8() for _ in range(count)]
    return Rop(0x49, "i", b"", parse)


def get_property_ids_from_names(names, create=False):
    """names: (GUID, number) or (GUID, text)."""
    body = struct.pack("<BH", 2 if create else 0, len(names))
    for guid, name in names:
        if isinstance(name, int):
            body += b"\0" + guid.bytes_le + struct.pack("<I", name)
        else:
            text = name.encode("utf-16-le") + b"\0\0"
            body += b"\1" + guid.bytes_le + bytes([len(text)]) + text

    def parse(reader, response):
        response.property_ids = [reader.u16() for _ in range(reader.u16())]
    return Rop(0x56, "i", body, parse)


# -- folders and tables

def open_folder(folder_id, mode=0):
    return Rop(0x02, "io", struct.pack("<QB", folder_id, mode), _fields(has_rules="B", is_ghosted="B"))


def get_hierarchy_table(flags=0):
    return Rop(0x04, "io", bytes([flags]), _fields(row_count="I"))


def get_contents_table(flags=0):
    return Rop(0x05, "io", bytes([flags]), _fields(row_count="I"))


def set_columns(columns):
    return Rop(0x12, "i", b"\0" + _tags(columns), _fields(table_status="B"))


def sort_table(*orders, categories=0, expanded=0):
    """orders: (tag, descending), or (tag, 4) for MaximumCategory."""
    body = struct.pack("<BHHH", 0, len(orders), categories, expanded)
    for tag, descending in orders:
        tag = tag_of(tag)
        body += struct.pack("<HHB", tag & 0xFFFF, tag >> 16, int(descending))
    return Rop(0x13, "i", body, _fields(table_status="B"))


def restrict(restriction):
    return Rop(0x14, "i", struct.pack("<BH", 0, len(restriction)) + restriction, _fields(table_status="B"))


def query_rows(columns, count, forward=True, flags=0):
    """`columns` as the last set_columns() said: rows carry no types."""
    tags = [tag_of(column) for column in columns]

    def parse(reader, response):
        response.origin, response.row_count = reader.unpack("BH")
        response.rows = [reader.row(tags) for _ in range(response.row_count)]
    return Rop(0x15, "i", struct.pack("<BBH", flags, 1 if forward else 0, count), parse)


def query_position():
    return Rop(0x17, "i", b"", _fields(numerator="I", denominator="I"))


def seek_row(origin, count, want_moved=True):
    return Rop(0x18, "i", struct.pack("<BiB", origin, count, 1 if want_moved else 0),
               _fields(has_sought_less="B", rows_sought="i"))


def find_row(columns, restriction, origin=BOOKMARK_BEGINNING, backward=False):
    tags = [tag_of(column) for column in columns]

    def parse(reader, response):
        response.row_no_longer_visible, has_row = reader.unpack("BB")
        response.row = reader.row(tags) if has_row else None
    body = struct.pack("<BH", 1 if backward else 0, len(restriction)) + restriction + struct.pack("<BH", origin, 0)
    return Rop(0x4F, "i", body, parse)


def expand_row(columns, category, count=0):
    tags = [tag_of(column) for column in columns]

    def parse(reader, response):
        response.expanded_row_count, rows = reader.unpack("IH")
        response.rows = [reader.row(tags) for _ in range(rows)]
    return Rop(0x59, "i", struct.pack("<HQ", count, category), parse)


def collapse_row(category):
    return Rop(0x5A, "i", struct.pack("<Q", category), _fields(collapsed_row_count="I"))


def _blob(name):
    def parse(reader, response):
        setattr(response, name, reader.bytes(reader.u16()))
    return parse


def get_collapse_state(row_id, instance=0):
    return Rop(0x6B, "i", struct.pack("<QI", row_id, instance), _blob("collapse_state"))


def set_collapse_state(state):
    return Rop(0x6C, "i", struct.pack("<H", len(state)) + state, _blob("bookmark"))


def create_bookmark():
    return Rop(0x1B, "i", b"", _blob("bookmark"))


def free_bookmark(bookmark):
    return Rop(0x89, "i", struct.pack("<H", len(bookmark)) + bookmark)


def seek_row_bookmark(bookmark, count, want_moved=True):
    return Rop(0x19, "i", struct.pack("<H", len(bookmark)) + bookmark + struct.pack("<iB", count, want_moved),
               _fields(row_no_longer_visible="B", has_sought_less="B", rows_sought="i"))


def seek_row_fractional(numerator, denominator):
    return Rop(0x1A, "i", struct.pack("<II", numerator, denominator))


def reset_table():
    return Rop(0x81, "i")


def get_status():
    return Rop(0x16, "i", b"", _fields(table_status="B"))


# -- search folders

def set_search_criteria(restriction, folder_ids, flags):
    return Rop(0x30, "i", struct.pack("<H", len(restriction)) + restriction +
               struct.pack(f"<H{len(folder_ids)}QI", len(folder_ids), *folder_ids, flags))


def get_search_criteria(restriction=True, folders=True, unicode=True):
    def parse(reader, response):
        response.restriction = reader.bytes(reader.u16())
        response.search_logon_id = reader.u8()
        response.folder_ids = [reader.u64() for _ in range(reader.u16())]
        response.search_flags = reader.u32()
    return Rop(0x31, "i", bytes([unicode, restriction, folders]), parse)


def query_columns_all():
    def parse(reader, response):
        response.columns = [reader.u32() for _ in range(reader.u16())]
    return Rop(0x37, "i", b"", parse)


# -- messages, properties, streams, attachments

def _message_head(reader, response):
    response.has_named_properties = reader.u8()
    response.subject_prefix, response.normalized_subject = reader.typed_string(), reader.typed_string()
    response.recipient_count = reader.u16()
    response.recipient_columns = [reader.u32() for _ in range(reader.u16())]
    response.recipients = []
    for _ in range(reader.u8()):
        kind, code_page, _, size = reader.unpack("BHHH")
        response.recipients.append((kind, code_page, reader.bytes(size)))


def open_message(folder_id, message_id, mode=0, code_page=0x0FFF):
    return Rop(0x03, "io", struct.pack("<HQBQ", code_page, folder_id, mode, message_id), _message_head)


def reload_cached_information():
    return Rop(0x10, "i", b"\0\0", _message_head)


def get_properties_specific(columns, size_limit=0):
    tags = [tag_of(column) for column in columns]

    def parse(reader, response):
        response.row = reader.row(tags)
    return Rop(0x07, "i", struct.pack("<HH", size_limit, 1) + _tags(columns), parse)


def get_properties_all(size_limit=0):
    def parse(reader, response):
        response.row = {}
        for _ in range(reader.u16()):
            tag = reader.u32()
            response.row[tag] = reader.value(tag & 0xFFFF)
    return Rop(0x08, "i", struct.pack("<HH", size_limit, 1), parse)


def get_properties_list():
    def parse(reader, response):
        response.tags = [reader.u32() for _ in range(reader.u16())]
    return Rop(0x09, "i", b"", parse)


def open_stream(tag, mode=0):
    return Rop(0x2B, "io", struct.pack("<IB", tag_of(tag), mode), _fields(stream_size="I"))


def read_stream(count):
    """Up to `count` bytes; above 0xBABE - 1 with MaximumByteCount, as Outlook asks."""
    def parse(reader, response):
        response.data = reader.bytes(reader.u16())
    body = struct.pack("<H", count) if count < 0xBABE else struct.pack("<HI", 0xBABE, count)
    return Rop(0x2C, "i", body, parse, answers_on_failure="any")


def get_stream_size():
    return Rop(0x5E, "i", b"", _fields(stream_size="I"))


def get_attachment_table():
    return Rop(0x21, "io", b"\0")


def open_attachment(number, mode=0):
    return Rop(0x22, "io", struct.pack("<BI", mode, number))


def open_embedded_message(mode=0, code_page=0x0FFF):
    def parse(reader, response):
        _, response.message_id = reader.unpack("BQ")
        _message_head(reader, response)
    return Rop(0x46, "io", struct.pack("<HB", code_page, mode), parse)


# -- writing

def _values(values):
    """values: {tag or name: value}."""
    from .properties import tagged
    return struct.pack("<H", len(values)) + b"".join(tagged(tag, value) for tag, value in values.items())


def _problems(reader, response):
    response.problems = [reader.unpack("HII") for _ in range(reader.u16())]


def _partial(reader, response):
    response.partial_completion = reader.u8()


def _partial_of_two(reader, response):
    if response.error == EC_NULL_DESTINATION:
        response.dest_handle_index = reader.u32()
    response.partial_completion = reader.u8()


def create_message(folder_id, associated=False, code_page=0x0FFF):
    def parse(reader, response):
        response.message_id = reader.u64() if reader.u8() else None
    return Rop(0x06, "io", struct.pack("<HQB", code_page, folder_id, associated), parse)


def save_changes_message(flags=0x02, handle_index=0):
    """`handle_index`: of the message; the index given with the ROP is the one for the response."""
    return Rop(0x0C, "i", bytes([handle_index, flags]), _fields(input_handle_index="B", message_id="Q"))


def set_properties(values):
    body = _values(values)
    return Rop(0x0A, "i", struct.pack("<H", len(body)) + body, _problems)


def delete_properties(columns):
    return Rop(0x0B, "i", _tags(columns), _problems)


def modify_recipients(recipients):
    """recipients: (row id, type, display name, SMTP address or distinguished name), or (row id,) to delete that one."""
    body = struct.pack("<HH", 0, len(recipients))
    for recipient in recipients:
        if len(recipient) == 1:
            body += struct.pack("<IBH", recipient[0], 1, 0)
            continue
        row_id, kind, name, address = recipient
        # Unicode, display name, transmittable name is the same
        flags = 0x0200 | 0x0010 | 0x0040
        if address.startswith("/"):  # X500DN: prefix, display type, name
            row = struct.pack("<HBB", flags | 0x1, 0, 0) + address.encode() + b"\0"
        else:  # SMTP, with e-mail address
            row = struct.pack("<H", flags | 0x0008 | 0x3) + address.encode("utf-16-le") + b"\0\0"
        row += name.encode("utf-16-le") + b"\0\0"
        row += struct.pack("<H", 0) + b"\0"
        body += struct.pack("<IBH", row_id, kind, len(row)) + row
    return Rop(0x0E, "i", body)


def remove_all_recipients():
    return Rop(0x0D, "i", b"\0\0\0\0")


def create_attachment():
    return Rop(0x23, "io", b"", _fields(attachment_id="I"))


def delete_attachment(number):
    return Rop(0x24, "i", struct.pack("<I", number))


def save_changes_attachment(flags=0x02):
    return Rop(0x25, "i", bytes([0, flags]))


def write_stream(data):
    return Rop(0x2D, "i", struct.pack("<H", len(data)) + data, _fields(written_size="H"), answers_on_failure="any")


def set_stream_size(size):
    return Rop(0x2F, "i", struct.pack("<Q", size))


def commit_stream():
    return Rop(0x5D, "i")


def delete_messages(ids, hard=False, notify_unread=False):
    return Rop(0x91 if hard else 0x1E, "i", struct.pack(f"<BBH{len(ids)}Q", 0, notify_unread, len(ids), *ids), _partial,
               answers_on_failure="any")


def move_copy_messages(ids, copy=False):
    return Rop(0x33, "ii", struct.pack(f"<H{len(ids)}QBB", len(ids), *ids, 0, copy), _partial_of_two,
               answers_on_failure="any")


def set_read_flags(ids, flags=0):
    return Rop(0x66, "i", struct.pack(f"<BBH{len(ids)}Q", 0, flags, len(ids), *ids), _partial, answers_on_failure="any")


def set_message_status(message_id, flags, mask):
    return Rop(0x20, "i", struct.pack("<QII", message_id, flags, mask), _fields(message_status_flags="I"))


def get_message_status(message_id):
    return Rop(0x1F, "i", struct.pack("<Q", message_id), _fields(message_status_flags="I"))


def create_folder(name, open_existing=False, comment="", kind=1):
    def parse(reader, response):
        response.folder_id, response.is_existing = reader.unpack("QB")
        if response.is_existing:
            response.has_rules, response.is_ghosted = reader.unpack("BB")
    texts = b"".join(text.encode("utf-16-le") + b"\0\0" for text in (name, comment))
    return Rop(0x1C, "io", bytes([kind, 1, open_existing, 0]) + texts, parse)


def delete_folder(folder_id, flags=0x05):
    return Rop(0x1D, "i", struct.pack("<BQ", flags, folder_id), _partial, answers_on_failure="any")


def empty_folder(associated=False):
    return Rop(0x58, "i", bytes([0, associated]), _partial, answers_on_failure="any")


def move_folder(folder_id, name):
    return Rop(0x35, "ii", struct.pack("<BBQ", 0, 1, folder_id) + name.encode("utf-16-le") + b"\0\0", _partial_of_two,
               answers_on_failure="any")


def copy_folder(folder_id, name, recursive=True):
    return Rop(0x36, "ii", struct.pack("<BBBQ", 0, recursive, 1, folder_id) + name.encode("utf-16-le") + b"\0\0",
               _partial_of_two, answers_on_failure="any")


def submit_message():
    return Rop(0x32, "i", b"\0")


def transport_send():
    def parse(reader, response):
        response.row = {}
        if reader.u8():  # NoPropertiesReturned
            return
        for _ in range(reader.u16()):
            tag = reader.u32()
            response.row[tag] = reader.value(tag & 0xFFFF)
    return Rop(0x4A, "i", b"", parse)


def abort_submit(folder_id, message_id):
    return Rop(0x34, "i", struct.pack("<QQ", folder_id, message_id))


def _problems_or_destination(reader, response):
    if response.error == EC_NULL_DESTINATION:
        response.dest_handle_index = reader.u32()
    else:
        _problems(reader, response)


def copy_to(excluded=(), subobjects=True, flags=0):
    return Rop(0x39, "ii", bytes([0, subobjects, flags]) + _tags(excluded), _problems_or_destination,
               answers_on_failure=(EC_NULL_DESTINATION,))


def copy_properties(columns, flags=0):
    return Rop(0x67, "ii", bytes([0, flags]) + _tags(columns), _problems_or_destination,
               answers_on_failure=(EC_NULL_DESTINATION,))


def hard_delete_all(associated=False):
    return Rop(0x92, "i", bytes([0, associated]), _partial, answers_on_failure="any")


def set_receive_folder(folder_id, message_class):
    return Rop(0x26, "i", struct.pack("<Q", folder_id) + message_class.encode("ascii") + b"\0")


def write_per_user_information(guid, counter, data, offset=0, finished=True, replica=None):
    body = guid.bytes_le + counter + struct.pack("<HBIH", 0, finished, offset, len(data)) + data
    return Rop(0x64, "i", body + (replica.bytes_le if offset == 0 else b""))


def read_per_user_information(guid, counter, offset=0, size=0):
    def parse(reader, response):
        response.has_finished, response.data = reader.u8(), reader.bytes(reader.u16())
    return Rop(0x63, "i", guid.bytes_le + counter + struct.pack("<HBIH", 0, 0, offset, size), parse)


def get_per_user_guid(guid, counter):
    def parse(reader, response):
        response.database_guid = reader.guid()
    return Rop(0x61, "i", guid.bytes_le + counter + b"\0\0", parse)


def get_per_user_long_term_ids(guid):
    def parse(reader, response):
        response.ids = [(reader.guid(), reader.bytes(6), reader.u16()) for _ in range(reader.u16())]
    return Rop(0x60, "i", guid.bytes_le, parse)


def get_permissions_table(flags=0):
    return Rop(0x3E, "io", bytes([flags]))


def modify_permissions(changes, flags=0):
    """changes: [(1 to add, 2 to modify, 4 to remove, {tag: value})]."""
    return Rop(0x40, "i", struct.pack("<BH", flags, len(changes)) +
               b"".join(bytes([kind]) + _values(values) for kind, values in changes))


def spooler_lock_message(message_id, state):
    """state: 0 to lock, 1 to unlock, 2 when it is sent."""
    return Rop(0x48, "i", struct.pack("<QB", message_id, state))


def get_rules_table(flags=0x40):
    return Rop(0x3F, "io", bytes([flags]))


def modify_rules(changes, flags=0):
    """changes: [(1 to add, 2 to modify, 4 to remove, {tag: value})]."""
    return Rop(0x41, "i", struct.pack("<BH", flags, len(changes)) +
               b"".join(bytes([kind]) + _values(values) for kind, values in changes))


def register_notification(types, folder_id=0, message_id=0, whole_store=False):
    body = struct.pack("<BBB", types, 0, 1 if whole_store else 0)
    if not whole_store:
        body += struct.pack("<QQ", folder_id, message_id)
    return Rop(0x29, "io", body)


def unknown(rop_id=0xF0, body=b"\x55" * 8):
    """An id that no document gives a meaning."""
    return Rop(rop_id, "i", body)
