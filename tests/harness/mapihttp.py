"""A small MAPI/HTTP client that shares no code with mapigate, [MS-OXCMAPIHTTP].

    with Session.logged_on(port, ca_file, "alice@example.test", "secret") as session:
        inbox = session.open_folder(session.inbox)
        rows = session.rows(session.contents_table(inbox), ["PidTagSubject"])
"""
import base64
import contextlib
import dataclasses
import http.client
import re
import ssl
import struct
import time
import uuid
import xml.etree.ElementTree as ElementTree

from . import rops, ways
from .properties import Reader, WireError, tag_of
from .rops import NO_HANDLE, Response, RopError  # noqa: F401  (for users of this module)

# X-ResponseCode, [MS-OXCMAPIHTTP] 2.2.3.3.3
CODES = {"success": 0, "unknown_failure": 1, "invalid_verb": 2, "invalid_path": 3, "invalid_header": 4,
         "invalid_request_type": 5, "invalid_context_cookie": 6, "missing_header": 7, "anonymous_not_allowed": 8,
         "too_large": 9, "context_not_found": 10, "no_privilege": 11, "invalid_request_body": 12,
         "missing_cookie": 13, "invalid_sequence": 15}
NO_COMPRESSION, NO_XOR_MAGIC, CHAIN = 1, 2, 4
EMSMDB = "/mapi/emsmdb/"
NSPI = "/mapi/nspi/"


class ProtocolError(Exception):
    """HTTP succeeded, MAPI/HTTP did not: `code` is the X-ResponseCode."""

    def __init__(self, reply):
        super().__init__(f"HTTP {reply.status}, X-ResponseCode {reply.code}: {reply.payload[:300]!r}")
        self.code = reply.code
        self.reply = reply


@dataclasses.dataclass
class Reply:
    """One HTTP reply taken apart, [MS-OXCMAPIHTTP] 2.2.2.2."""
    status: int
    headers: http.client.HTTPMessage
    meta: list          # "PROCESSING", "PENDING"..., "DONE", in order
    additional: dict    # the headers after DONE, lower-case names
    payload: bytes
    first_byte: float   # seconds from sending to the first byte of the body
    elapsed: float

    @property
    def code(self):
        value = self.additional.get("x-responsecode", self.headers.get("X-ResponseCode"))
        return None if value is None else int(value)

    def check(self):
        if self.status != 200 or self.code != 0:
            raise ProtocolError(self)
        return self


def parse_body(body):
    """(meta tags, additional headers, payload) of a common response body; an error reply may have none."""
    meta, rest = [], body
    while True:
        match = re.match(rb"(PROCESSING|PENDING|DONE)\r\n", rest)
        if not match:
            return meta, {}, rest if not meta else _incomplete(meta, body)
        meta.append(match.group(1).decode())
        rest = rest[match.end():]
        if meta[-1] == "DONE":
            break
    head, separator, payload = rest.partition(b"\r\n\r\n")
    if rest.startswith(b"\r\n"):
        head, payload = b"", rest[2:]
    elif not separator:
        raise WireError(f"no empty line after the additional headers: {rest[:200]!r}")
    additional = {}
    for line in head.decode("ascii").split("\r\n") if head else []:
        name, colon, value = line.partition(":")
        if not colon:
            raise WireError(f"additional header without a colon: {line!r}")
        additional[name.strip().lower()] = value.strip()
    return meta, additional, payload


def _incomplete(meta, body):
    raise WireError(f"the body ends after {meta} without DONE: {body[-100:]!r}")


class Connection:
    """One TLS connection and full control over what is sent on it."""

    def __init__(self, port, ca_file, host="127.0.0.1", timeout=60):
        context = ssl.create_default_context(cafile=str(ca_file))
        self.http = http.client.HTTPSConnection(host, port, context=context, timeout=timeout)

    def post(self, path, body, headers):
        """`headers` exactly, Host and Content-Length apart; a value of None leaves a header out."""
        started = time.monotonic()
        self.http.request("POST", path, body=body,
                          headers={name: value for name, value in headers.items() if value is not None})
        response = self.http.getresponse()
        chunks, first = [], None
        while chunk := response.read1(65536):
            first = first if first is not None else time.monotonic() - started
            chunks.append(chunk)
        response.read()  # http.client calls a body of known length unread until this says that nothing is left
        data = b"".join(chunks)
        if response.getheader("Content-Type", "").startswith("application/mapi-http"):
            meta, additional, payload = parse_body(data)
        else:
            meta, additional, payload = [], {}, data
        elapsed = time.monotonic() - started
        return Reply(response.status, response.headers, meta, additional, payload, first or elapsed, elapsed)

    def close(self):
        self.http.close()


class Client:
    """Requests with the headers Outlook sends, and the session's cookies."""

    def __init__(self, port, ca_file, user, password, path=EMSMDB, timeout=60):
        self.port, self.ca_file, self.user, self.password = port, ca_file, user, password
        self.path, self.timeout = path, timeout
        self.client_id = "{" + str(uuid.uuid4()).upper() + "}"
        self.request_number = 0
        self.cookies = {}
        self.connection = None

    def headers(self, request_type):
        self.request_number += 1
        credentials = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return {
            "Authorization": f"Basic {credentials}",
            "Content-Type": "application/mapi-http",
            "X-RequestType": request_type,
            "X-RequestId": f"{self.client_id}:{self.request_number}",
            "X-ClientInfo": f"{self.client_id}:{self.request_number}",
            "X-ClientApplication": "Outlook/16.0.10386.20017",
            "User-Agent": "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.10386; Pro)",
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()) or None,
        }

    def open_connection(self):
        return Connection(self.port, self.ca_file, timeout=self.timeout)

    def raw(self, request_type, body=b"", headers=None, path=None, connection=None, keep_cookies=True):
        """Sends and takes the reply apart, whatever it says. `headers` change or (None) remove defaults."""
        own = connection is None
        if own:
            connection = self.connection = self.connection or self.open_connection()
        all_headers = {**self.headers(request_type), **(headers or {})}
        try:
            reply = connection.post(path or self.path, body, all_headers)
        except (OSError, http.client.HTTPException):
            if own:
                self.close()
            raise
        if keep_cookies:
            for line in reply.headers.get_all("Set-Cookie") or []:
                name, _, value = line.split(";", 1)[0].partition("=")
                self.cookies[name.strip()] = value.strip()
        return reply

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    # -- the request types of the mailbox endpoint, [MS-OXCMAPIHTTP] 2.2.4

    def connect_body(self, user_dn, flags=0, code_page=1252, lcid=0x0409, auxiliary=b""):
        return (user_dn.encode("ascii") + b"\0" + struct.pack("<IIII", flags, code_page, lcid, lcid)
                + struct.pack("<I", len(auxiliary)) + auxiliary)

    def connect(self, user_dn):
        reply = self.raw("Connect", self.connect_body(user_dn)).check()
        reader = Reader(reply.payload)
        result = Response(reply=reply, status_code=reader.u32())
        if result.status_code == 0:
            result.error_code, result.polls_max, result.retry_count, result.retry_delay = reader.unpack("IIII")
            result.dn_prefix, result.display_name = reader.string8(), reader.unicode()
        result.auxiliary = reader.bytes(reader.u32())
        if reader.left():
            raise WireError(f"{reader.left()} bytes after the Connect response")
        return result

    @staticmethod
    def execute_body(rop_data, flags=0, max_out=0x10008, auxiliary=b""):
        return (struct.pack("<II", flags, len(rop_data)) + rop_data + struct.pack("<II", max_out, len(auxiliary))
                + auxiliary)

    def execute_raw(self, rop_data, flags=0, max_out=0x10008, **keywords):
        """[ROP output buffer, ...]: one, or more if the reply is chained."""
        reply = self.raw("Execute", self.execute_body(rop_data, flags, max_out), **keywords).check()
        reader = Reader(reply.payload)
        status, error, _ = reader.u32(), reader.u32(), reader.u32()
        if status or error:
            raise WireError(f"Execute: StatusCode {status:#x}, ErrorCode {error:#010x}")
        data = reader.bytes(reader.u32())
        reader.bytes(reader.u32())
        if reader.left():
            raise WireError(f"{reader.left()} bytes after the Execute response")
        return rops.unwrap_header_ext(data)

    def execute(self, requests, handles=(), wrap_flags=rops.LAST, **keywords):
        """requests: [(Rop, handle indexes)], handles: the table sent. ([Response], handle table returned)."""
        data = b"".join(rop.encode(indexes) for rop, indexes in requests)
        payloads = self.execute_raw(rops.wrap_header_ext(rops.rop_buffer(data, list(handles)), wrap_flags), **keywords)
        responses, table = [], []
        for number, payload in enumerate(payloads):
            block, handle_table = rops.split_rop_buffer(payload)
            responses += rops.parse_responses(block, [rop for rop, _ in requests] if number == 0 else
                                              [requests[-1][0]])
            table = table or handle_table
        return responses, table

    def disconnect(self):
        return self.raw("Disconnect", struct.pack("<I", 0))

    def notification_wait(self, connection=None):
        """EventPending flag (0 or 1); blocks until the server answers."""
        reply = self.raw("NotificationWait", struct.pack("<II", 0, 0), connection=connection).check()
        reader = Reader(reply.payload)
        status, error, pending = reader.u32(), reader.u32(), reader.u32()
        if status or error:
            raise WireError(f"NotificationWait: StatusCode {status:#x}, ErrorCode {error:#010x}")
        return pending, reply

    def ping(self, **keywords):
        return self.raw("PING", b"", **keywords)


AUTODISCOVER_REQUEST = """<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">
<Request><EMailAddress>{address}</EMailAddress>
<AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema>
</Request></Autodiscover>"""


def autodiscover(port, ca_file, user, password, address=None, body=None, headers=None):
    """(HTTP status, body bytes) of a POST as Outlook sends it."""
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
    with contextlib.closing(Connection(port, ca_file)) as connection:
        reply = connection.post("/autodiscover/autodiscover.xml",
                                body if body is not None else
                                AUTODISCOVER_REQUEST.format(address=address or user).encode(),
                                {"Content-Type": "text/xml; charset=utf-8", "X-MapiHttpCapability": "1",
                                 "Authorization": f"Basic {credentials}", **(headers or {})})
    return reply.status, reply.payload


def strip_namespaces(document):
    """The document as an element tree whose tags are local names."""
    root = ElementTree.fromstring(document)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def discover(port, ca_file, user, password):
    """(legacy DN, path of the mailbox endpoint) from Autodiscover."""
    status, document = autodiscover(port, ca_file, user, password)
    if status != 200:
        raise WireError(f"Autodiscover: HTTP {status}")
    root = strip_namespaces(document)
    dn = root.findtext(".//User/LegacyDN")
    url = root.findtext(".//Protocol[@Type='mapiHttp']/MailStore/ExternalUrl")
    if not dn or not url:
        raise WireError(f"Autodiscover without LegacyDN or mapiHttp MailStore: {document[:2000]!r}")
    return dn, re.sub(r"^https://[^/]+", "", url)


# Places in the FolderIds of a private logon, [MS-OXCSTOR] 2.2.1.1.3 (row L3)
FOLDERS = ["root", "deferred_action", "spooler_queue", "ipm_subtree", "inbox", "outbox", "sent_items",
           "deleted_items", "common_views", "schedule", "search", "views", "shortcuts"]


class Session:
    """A connected and logged-on client: one ROP a request, which is slow and easy to follow."""

    def __init__(self, client, dn, logon_id=0):
        self.client, self.dn, self.logon_id = client, dn, logon_id
        self.logon_handle = None
        self.logon = None

    @classmethod
    def logged_on(cls, port, ca_file, user, password, **keywords):
        port = ways.entry(port)
        dn, path = discover(port, ca_file, user, password)
        session = cls(ways.client(port, ca_file, user, password, path=path, **keywords), dn)
        session.client.connect(dn)
        session.log_on()
        return session

    def log_on(self):
        responses, table = self.client.execute([(rops.logon(self.dn, logon_id=self.logon_id), [0])], [NO_HANDLE])
        self.logon = responses[0].check()
        self.logon_handle = table[0]
        for name, folder_id in zip(FOLDERS, self.logon.folder_ids):
            setattr(self, name, folder_id)
        return self.logon

    def beside(self, dn, logon_id):
        """Another logon of the same session context, e.g. to the mailbox of somebody else. It ends with this one."""
        other = Session(self.client, dn, logon_id)
        other.log_on()
        return other

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError, http.client.HTTPException):
            self.client.disconnect()
        self.client.close()

    def try_call(self, rop, handle=None, to=None):
        """The response, with `handle` set if the ROP makes one; its error is the caller's business."""
        handle = self.logon_handle if handle is None else handle
        rop.logon_id = rop.logon_id or self.logon_id
        if rop.slots == "ii":
            responses, table = self.client.execute([(rop, [0, 1])], [handle, NO_HANDLE if to is None else to])
        elif rop.slots == "io":
            responses, table = self.client.execute([(rop, [0, 1])], [handle, NO_HANDLE])
        else:
            responses, table = self.client.execute([(rop, [0])], [handle])
        own = [response for response in responses if response.rop_id == rop.response_id]
        if not own:
            return None  # RopRelease has no response
        if rop.slots == "io" and not own[0].error:
            own[0].handle = table[1]
        return own[0]

    def call(self, rop, handle=None, to=None):
        response = self.try_call(rop, handle, to)
        return response.check() if response else None

    # -- what tests do most

    def open_folder(self, folder_id):
        return self.call(rops.open_folder(folder_id)).handle

    def contents_table(self, folder, flags=0):
        return self.call(rops.get_contents_table(flags), folder).handle

    def hierarchy_table(self, folder, flags=0x4):
        """flags 0x4: the whole depth."""
        return self.call(rops.get_hierarchy_table(flags), folder).handle

    def rows(self, table, columns, count=0x7FFF):
        """[{tag: value}] of up to `count` rows from the table's cursor on, in as many requests as it takes."""
        self.call(rops.set_columns(columns), table)
        found = []
        while len(found) < count:
            response = self.call(rops.query_rows(columns, min(count - len(found), 0x0FFF)), table)
            found += response.rows
            if not response.rows or response.origin == rops.BOOKMARK_END:
                break
        return found

    def folders(self):
        """{folder id: (display name, parent id)} below the IPM subtree."""
        columns = ["PidTagFolderId", "PidTagDisplayName", "PidTagParentFolderId"]
        table = self.hierarchy_table(self.open_folder(self.ipm_subtree))
        return {row[tag_of("PidTagFolderId")]: (row[tag_of("PidTagDisplayName")],
                                                row[tag_of("PidTagParentFolderId")])
                for row in self.rows(table, columns)}

    def open_message(self, folder_id, message_id):
        return self.call(rops.open_message(folder_id, message_id)).handle

    def properties(self, handle, columns):
        return self.call(rops.get_properties_specific(columns), handle).row

    def stream(self, handle, tag, chunk=0x8000 - 0x100):
        """All bytes of a property read as a stream."""
        opened = self.call(rops.open_stream(tag), handle)
        data = b""
        while True:
            piece = self.call(rops.read_stream(chunk), opened.handle).data
            if not piece:
                break
            data += piece
        self.call(rops.release(), opened.handle)
        if len(data) != opened.stream_size:
            raise WireError(f"StreamSize {opened.stream_size}, but {len(data)} bytes were read")
        return data

    def attachments(self, message):
        """[{"number", "name", "method", "size"}] of an open message."""
        columns = ["PidTagAttachNumber", "PidTagAttachLongFilename", "PidTagAttachMethod", "PidTagAttachSize"]
        table = self.call(rops.get_attachment_table(), message).handle
        return [dict(zip(("number", "name", "method", "size"), (row[tag_of(column)] for column in columns)))
                for row in self.rows(table, columns)]

    def attachment_data(self, message, number):
        attachment = self.call(rops.open_attachment(number), message).handle
        return self.stream(attachment, "PidTagAttachDataBinary")

    def write_stream(self, handle, tag, data, chunk=0x7000):
        """Replaces a property by a stream, committed."""
        stream = self.call(rops.open_stream(tag, 2), handle).handle
        for start in range(0, len(data), chunk):
            piece = data[start:start + chunk]
            if self.call(rops.write_stream(piece), stream).written_size != len(piece):
                raise WireError("a piece was written in part")
        self.call(rops.commit_stream(), stream)
        self.call(rops.release(), stream)

    def attach(self, message, name, data, content_id=None):
        """Adds a file to an open message; its number."""
        made = self.call(rops.create_attachment(), message)
        values = {"PidTagAttachMethod": 1, "PidTagAttachLongFilename": name, "PidTagRenderingPosition": -1}
        if content_id:
            values["PidTagAttachContentId"] = content_id
        self.call(rops.set_properties(values), made.handle)
        self.write_stream(made.handle, "PidTagAttachDataBinary", data)
        self.call(rops.save_changes_attachment(), made.handle)
        return made.attachment_id

    def new_message(self, folder_id, values, recipients=(), files=(), associated=False):
        """The handle of a message that is not saved yet."""
        message = self.call(rops.create_message(folder_id, associated)).handle
        self.call(rops.set_properties(values), message)
        if recipients:
            self.call(rops.modify_recipients(recipients), message)
        for name, data in files:
            self.attach(message, name, data)
        return message

    def save(self, message):
        return self.call(rops.save_changes_message(), message).message_id
