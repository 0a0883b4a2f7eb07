"""Memory a logged-on idle session costs the gateway: 2,000 sessions of one user, then of 2,000 users. The peer is
Dovecot's own proportional memory for the IMAP connections behind the same sessions."""
import contextlib
import time

from harness.certificates import Certificates
from harness.dovecot import Dovecot
from harness.mapigate import Mapigate
from harness.mapihttp import Client, Session, discover
from harness.processes import private_dir

from .measure import raise_file_limit, resident_bytes, row

SESSIONS = 2000
PASSWORD = "secret"


def log_on(gateway, certificates, user, known):
    """A session whose connection stays open."""
    if user not in known:
        known[user] = discover(gateway.https_port, certificates.ca, user, PASSWORD)
    dn, path = known[user]
    session = Session(Client(gateway.https_port, certificates.ca, user, PASSWORD, path=path), dn)
    session.client.connect(dn)
    session.log_on()
    return session


def measure(certificates, users):
    raise_file_limit(3 * SESSIONS)
    with contextlib.ExitStack() as stack:
        dovecot = stack.enter_context(Dovecot(certificates, users, PASSWORD))
        gateway = stack.enter_context(Mapigate.gateway(certificates, dovecot.tls_port))
        known, sessions = {}, []
        sessions.append(log_on(gateway, certificates, users[0], known))
        before = resident_bytes(gateway.daemon.pid), resident_bytes(dovecot.daemon.pid)
        started = time.monotonic()
        for number in range(SESSIONS):
            sessions.append(log_on(gateway, certificates, users[number % len(users)], known))
        print(f"  {SESSIONS} logons in {time.monotonic() - started:.1f} s", flush=True)
        time.sleep(5)  # indexing and allocators come to rest
        after = resident_bytes(gateway.daemon.pid), resident_bytes(dovecot.daemon.pid)
        for session in sessions:
            session.client.close()
    return [(late - early) / SESSIONS / 1024 for early, late in zip(before, after)]


def run():
    certificates, results = Certificates(private_dir("tls")), []
    for what, users in (("one user", ["user0@example.test"]),
                        (f"{SESSIONS} users", [f"user{number}@example.test" for number in range(SESSIONS)])):
        ours, theirs = measure(certificates, users)
        results.append(row(f"memory a session, {what}", ours, theirs, "KiB", "Dovecot", False))
    return results
