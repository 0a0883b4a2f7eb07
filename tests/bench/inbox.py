"""Opening an inbox of 20,000 messages: the gateway against a plain IMAP client of the same Dovecot.

Opening is: open the folder, its contents table, sort by date, the first 50 rows; against SELECT and FETCH of 50
envelopes. Indexing is the first logon at a gateway without any state, until the table is whole; against a bare client
that logs in, selects the inbox, fetches the same headers of every message and throws them away. The two take turns."""
import contextlib
import socket
import ssl
import statistics
import time

from harness import mailgen, rops
from harness.certificates import Certificates
from harness.dovecot import Dovecot
from harness.mapigate import Mapigate
from harness.mapihttp import NO_HANDLE, Session
from harness.processes import HarnessError, private_dir

from .measure import row

COUNT = 20_000
ROUNDS = 5
USER, PASSWORD = "alice@example.test", "secret"
COLUMNS = ["PidTagMid", "PidTagSubject", "PidTagSenderName", "PidTagMessageDeliveryTime", "PidTagMessageFlags",
           "PidTagMessageSize", "PidTagHasAttachments", "PidTagMessageClass"]
# What the gateway asks for itself (modules/imap): the same answers, thrown away.
ITEMS = ("(UID FLAGS INTERNALDATE RFC822.SIZE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (From Sender To Cc Bcc Reply-To "
         "Subject Date Message-ID References In-Reply-To Importance X-Priority X-MSMail-Priority Priority Sensitivity "
         "Thread-Index Thread-Topic Content-Type Content-Class Disposition-Notification-To Return-Receipt-To "
         "X-Auto-Response-Suppress Expires Expiry-Date Reply-By)])")  # what an index asks for (convert::index_headers)


class RawImap:
    """Sends commands and drops the replies as fast as they come."""

    def __init__(self, port, certificates):
        context = ssl.create_default_context(cafile=str(certificates.ca))
        self.link = context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=120),
                                        server_hostname="localhost")
        self.link.recv(4096)
        self.command(f"LOGIN {USER} {PASSWORD}")

    def command(self, text):
        self.link.sendall(f"x {text}\r\n".encode())
        size, tail = 0, b""
        while True:
            chunk = self.link.recv(1 << 18)
            if not chunk:
                raise HarnessError("the IMAP server closed the connection")
            size += len(chunk)
            tail = (tail + chunk)[-4096:]  # longer than any tagged line
            last = tail[:-2].rpartition(b"\r\n")[2]
            if tail.endswith(b"\r\n") and last.startswith(b"x "):
                break
        if not last.startswith(b"x OK"):
            raise HarnessError(f"IMAP: {last[-200:]!r}")
        return size

    def close(self):
        self.link.close()


def seconds(action, repeat=9):
    """Median of `repeat` runs after one to warm up."""
    action()
    times = []
    for _ in range(repeat):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def opener(session):
    """A function that sends what Outlook sends for a view, all in one Execute, and drops the reply, as RawImap drops
    its replies; the reply to the first one is checked."""
    batch = [(rops.open_folder(session.inbox), [0, 1]), (rops.get_contents_table(), [1, 2]),
             (rops.set_columns(COLUMNS), [2]), (rops.sort_table(("PidTagMessageDeliveryTime", True)), [2]),
             (rops.query_rows(COLUMNS, 50), [2]), (rops.release(), [2]), (rops.release(), [1])]
    handles = [session.logon_handle, NO_HANDLE, NO_HANDLE]
    by_rop = {response.rop_id: response.check() for response in session.client.execute(batch, handles)[0]}
    count, rows = by_rop[0x05].row_count, by_rop[0x15].rows
    if count != COUNT or len(rows) != 50:
        raise HarnessError(f"{count} messages, {len(rows)} rows")
    data = b"".join(rop.encode(indexes) for rop, indexes in batch)
    body = session.client.execute_body(rops.wrap_header_ext(rops.rop_buffer(data, handles)))
    return lambda: session.client.raw("Execute", body).check()


def fetch_all(dovecot, certificates):
    """Seconds from the connection to the last byte."""
    started = time.perf_counter()
    with contextlib.closing(RawImap(dovecot.tls_port, certificates)) as raw:
        raw.command("SELECT INBOX")
        raw.command(f"FETCH 1:* {ITEMS}")
        return time.perf_counter() - started


def first_index(stack, gateway, certificates):
    """A session, and the seconds from its connection to the whole table."""
    started = time.perf_counter()
    session = stack.enter_context(Session.logged_on(gateway.https_port, certificates.ca, USER, PASSWORD, timeout=600))
    inbox = session.open_folder(session.inbox)
    while session.call(rops.get_contents_table(), inbox).row_count < COUNT:
        if time.perf_counter() - started > 600:
            raise HarnessError(f"the table has not reached {COUNT} rows in 600 s")
        time.sleep(0.01)
    return session, time.perf_counter() - started


def run():
    certificates, results = Certificates(private_dir("tls")), []
    with contextlib.ExitStack() as stack:
        dovecot = stack.enter_context(Dovecot(certificates, [USER], PASSWORD))
        dovecot.seed(USER, "INBOX", (mailgen.small(number) for number in range(COUNT)))
        fetch_all(dovecot, certificates)  # Dovecot's own caches are warm for both
        fetched, indexed = [], []
        for left in reversed(range(ROUNDS)):
            fetched.append(fetch_all(dovecot, certificates))
            with contextlib.ExitStack() as its_own:
                gateway = its_own.enter_context(Mapigate.gateway(certificates, dovecot.tls_port))
                session, took = first_index(its_own, gateway, certificates)
                indexed.append(took)
                if left == 0:
                    stack.push(its_own.pop_all())
        results.append(row(f"first index of {COUNT} messages", statistics.median(indexed) * 1000,
                           statistics.median(fetched) * 1000, "ms", "IMAP fetch", False))
        raw = stack.enter_context(contextlib.closing(RawImap(dovecot.tls_port, certificates)))

        def by_imap():
            raw.command("SELECT INBOX")
            raw.command(f"FETCH {COUNT - 49}:{COUNT} (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)")

        results.append(row("open, sort, first 50 rows", seconds(opener(session)) * 1000,
                           seconds(by_imap) * 1000, "ms", "IMAP", False))
    return results
