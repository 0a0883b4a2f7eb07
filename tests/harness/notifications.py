"""RopNotify taken apart ([MS-OXCNOTIF] 2.2.1.4.1), and a client that waits for it."""
import contextlib
import threading
import time
import types

from . import rops
from .properties import Reader

NEW_MAIL, CREATED, DELETED, MODIFIED, MOVED, COPIED, SEARCH_COMPLETE, TABLE = 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0x100
ALL_OBJECTS = NEW_MAIL | CREATED | DELETED | MODIFIED | MOVED | COPIED


def _data(reader):
    flags = reader.u16()
    kind, message = flags & 0xFFF, bool(flags & 0x8000)
    event = types.SimpleNamespace(kind=kind, message=message, folder_id=None, message_id=None, total=None, unread=None, tags=[])
    if kind & TABLE:
        event.table_event = reader.u16()
        if event.table_event in (3, 4, 5):
            event.row_folder_id = reader.u64()
            if message:
                event.row_message_id, event.row_instance = reader.u64(), reader.u32()
            if event.table_event != 4:
                event.after_folder_id = reader.u64()
                if message:
                    event.after_message_id, event.after_instance = reader.u64(), reader.u32()
                event.row = reader.bytes(reader.u16())
        return event
    event.folder_id = reader.u64()
    if message:
        event.message_id = reader.u64()
    # A folder, or a message of a search folder, has a parent.
    if kind & (CREATED | DELETED | MOVED | COPIED) and bool(flags & 0x4000) == message:
        event.parent_id = reader.u64()
    if kind & (MOVED | COPIED):
        event.old_folder_id = reader.u64()
        if message:
            event.old_message_id = reader.u64()
        else:
            event.old_parent_id = reader.u64()
    if kind & (CREATED | MODIFIED):
        count = reader.u16()
        event.tags = [reader.u32() for _ in range(count)] if count != 0xFFFF else []
    if flags & 0x1000:
        event.total = reader.u32()
    if flags & 0x2000:
        event.unread = reader.u32()
    if kind & NEW_MAIL:
        event.message_flags = reader.u32()
        event.message_class = reader.unicode() if reader.u8() else reader.string8()
    return event


def parse(responses):
    """Events of all RopNotify among the responses, which hang together: each takes what is left of the buffer."""
    events = []
    for response in responses:
        if response.rop_id != 0x2A:
            continue
        handle, reader = response.notification_handle, Reader(response.notification_data)
        while True:
            event = _data(reader)
            event.handle = handle
            events.append(event)
            if not reader.left():
                break
            rop_id = reader.u8()
            if rop_id == 0x6E:
                reader.u16()
                break
            if rop_id != 0x2A:
                raise AssertionError(f"ROP {rop_id:#x} after a notification")
            handle = reader.u32()
            reader.u8()
    return events


def fetch(session):
    """The events that are queued, by an Execute that only releases (row P16)."""
    events = []
    while True:
        responses, _ = session.client.execute([(rops.release(), [0])], [rops.NO_HANDLE])
        found = parse(responses)
        events += found
        if not found or all(response.rop_id != 0x6E for response in responses) and len(found) < 5:
            return events


class Waiter:
    """A NotificationWait on a connection of its own. `with Waiter(session) as waiter: …; waiter.events(seconds)`"""

    def __init__(self, session):
        self.session, self.result = session, []
        self.connection = session.client.open_connection()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        with contextlib.suppress(Exception):
            self.result.append(self.session.client.notification_wait(self.connection)[0])

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.connection.close()

    def pending(self, seconds):
        """Whether an event came within so many seconds."""
        self.thread.join(timeout=seconds)
        return bool(self.result and self.result[0])


def wait_for(session, wanted, seconds=10):
    """The first event for which wanted(event) holds, and all that came by then; AssertionError after so many seconds."""
    end, seen = time.monotonic() + seconds, []
    while time.monotonic() < end:
        seen += fetch(session)
        for event in seen:
            if wanted(event):
                return event, seen
        with Waiter(session) as waiter:
            waiter.pending(max(0.0, end - time.monotonic()))
    raise AssertionError(f"no such event among {seen}")
