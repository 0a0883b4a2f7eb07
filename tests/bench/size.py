"""Working in mailboxes: what size and numbers cost. Each part compares the gateway with itself, larger against smaller.

tables: 50 rows from anywhere in a sorted table of 100,000 messages against 50 rows of one of 1,000.
sessions: the 99th percentile of a usual mix with 500 active sessions against that of 50 at the same rate each."""
import concurrent.futures
import contextlib
import random
import statistics
import time

from harness import mailgen, rops
from harness.certificates import Certificates
from harness.dovecot import Dovecot
from harness.mapigate import Mapigate
from harness.mapihttp import Client, Session, discover
from harness.processes import HarnessError, private_dir
from harness.properties import tag_of

from .measure import raise_file_limit, row

PASSWORD = "secret"
COLUMNS = ["PidTagMid", "PidTagSubject", "PidTagSenderName", "PidTagMessageDeliveryTime", "PidTagMessageFlags",
           "PidTagMessageSize", "PidTagHasAttachments", "PidTagMessageClass"]
LARGE, SMALL, LOOKS = 100_000, 1_000, 300
RATE = 0.2  # requests a second of one session
SECONDS = 30


def folder_named(session, name):
    return next(key for key, (shown, _) in session.folders().items() if shown == name)


def indexed_table(session, folder, count):
    """A table of the folder once it is whole."""
    deadline = time.monotonic() + 1200
    while True:
        response = session.try_call(rops.get_contents_table(0x10), session.open_folder(folder))
        if not response.error and response.row_count >= count:
            return response.handle
        if time.monotonic() > deadline:
            raise HarnessError(f"the table has not reached {count} rows")
        time.sleep(0.5)


def milliseconds(session, table, size, generator):
    """Median time of a seek to anywhere and the 50 rows there, in one Execute."""
    times = []
    for _ in range(LOOKS):
        place = generator.randrange(size - 50)
        batch = [(rops.seek_row(rops.BOOKMARK_BEGINNING, place), [0]), (rops.query_rows(COLUMNS, 50), [0])]
        data = b"".join(rop.encode(indexes) for rop, indexes in batch)
        body = session.client.execute_body(rops.wrap_header_ext(rops.rop_buffer(data, [table])))
        started = time.perf_counter()
        session.client.raw("Execute", body).check()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def tables():
    certificates, results, user = Certificates(private_dir("tls")), [], "alice@example.test"
    with contextlib.ExitStack() as stack:
        dovecot = stack.enter_context(Dovecot(certificates, [user], PASSWORD))
        dovecot.seed(user, "INBOX", (mailgen.small(number) for number in range(LARGE)))
        dovecot.seed(user, "Small", (mailgen.small(number) for number in range(SMALL)))
        gateway = stack.enter_context(Mapigate.gateway(certificates, dovecot.tls_port))
        session = stack.enter_context(Session.logged_on(gateway.https_port, certificates.ca, user, PASSWORD, timeout=1200))
        generator = random.Random(1)
        opened = [(indexed_table(session, session.inbox, LARGE), LARGE),
                  (indexed_table(session, folder_named(session, "Small"), SMALL), SMALL)]
        for what, order in (("by date", ("PidTagMessageDeliveryTime", True)), ("by subject", ("PidTagSubject", False))):
            for table, size in opened:
                session.call(rops.set_columns(COLUMNS), table)
                session.call(rops.sort_table(order), table)
            first = [milliseconds(session, table, size, generator) for table, size in opened]
            again = [milliseconds(session, table, size, generator) for table, size in opened]
            large, small = (min(pair) for pair in zip(first, again))
            results.append(row(f"50 rows of {LARGE} sorted {what}", large, small, "ms", f"of {SMALL}", False))
    return results


class Worker:
    """One session and what its user does with it."""

    def __init__(self, gateway, certificates, user, known, generator):
        if user not in known:
            known[user] = discover(gateway.https_port, certificates.ca, user, PASSWORD)
        dn, path = known[user]
        self.session = Session(Client(gateway.https_port, certificates.ca, user, PASSWORD, path=path), dn)
        self.session.client.connect(dn)
        self.session.log_on()
        self.generator = generator
        self.table = indexed_table(self.session, self.session.inbox, 200)
        self.session.call(rops.set_columns(COLUMNS), self.table)
        self.ids = [one[tag_of("PidTagMid")] for one in self.session.rows(self.table, COLUMNS)]

    def act(self):
        """One request of the mix; its seconds."""
        what = self.generator.random()
        started = time.perf_counter()
        if what < 0.5:
            place = self.generator.randrange(150)
            self.session.client.execute([(rops.seek_row(rops.BOOKMARK_BEGINNING, place), [0]),
                                         (rops.query_rows(COLUMNS, 50), [0])], [self.table])
        elif what < 0.8:
            message = self.session.open_message(self.session.inbox, self.generator.choice(self.ids))
            self.session.call(rops.get_properties_all(4096), message)
            self.session.call(rops.release(), message)
        elif what < 0.9:
            self.session.properties(self.session.open_folder(self.session.inbox), ["PidTagContentCount"])
        else:
            self.session.call(rops.set_read_flags([self.generator.choice(self.ids)]), self.session.open_folder(self.session.inbox))
        return time.perf_counter() - started

    def close(self):
        self.session.client.close()


def percentile(gateway, certificates, users, count):
    """The 99th percentile in milliseconds with `count` sessions, each at RATE."""
    generator, known = random.Random(2), {}
    workers = [Worker(gateway, certificates, users[number % len(users)], known, random.Random(number)) for number in range(count)]
    times = []
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        futures = []
        # Each session has its own rhythm; none has two requests under way.
        due = sorted((generator.random() / RATE + turn / RATE, number) for number in range(count)
                     for turn in range(int(SECONDS * RATE)))
        started = time.perf_counter()
        busy = {}
        for when, number in due:
            time.sleep(max(0.0, started + when - time.perf_counter()))
            before = busy.get(number)
            if before and not before.done():
                continue
            busy[number] = pool.submit(workers[number].act)
            futures.append(busy[number])
        times = sorted(future.result() for future in futures)
    for worker in workers:
        worker.close()
    return times[int(len(times) * 0.99)] * 1000


def sessions():
    certificates, results = Certificates(private_dir("tls")), []
    raise_file_limit(4000)
    users = [f"user{number}@example.test" for number in range(50)]
    with contextlib.ExitStack() as stack:
        dovecot = stack.enter_context(Dovecot(certificates, users, PASSWORD))
        for user in users:
            dovecot.seed(user, "INBOX", (mailgen.small(number) for number in range(200)))
        gateway = stack.enter_context(Mapigate.gateway(certificates, dovecot.tls_port))
        few = percentile(gateway, certificates, users, 50)
        many = percentile(gateway, certificates, users, 500)
        results.append(row("99th percentile, 500 active sessions", many, few, "ms", "50 sessions", False))
    return results


PARTS = [tables, sessions]


def run():
    return [result for part in PARTS for result in part()]
