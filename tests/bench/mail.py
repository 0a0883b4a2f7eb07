"""Mail on its way in and out.

New mail: 500 users wait with MAPI and, for comparison, with a bare IMAP client in IDLE; seconds from the delivery to the
moment each of them is told. Submission: 1,000 messages of 50 KB handed over by a MAPI client until Postfix has taken the
last, against a plain SMTP client of the same Postfix."""
import contextlib
import random
import selectors
import smtplib
import socket
import ssl
import struct
import time

from harness import postfix, rops
from harness.certificates import Certificates
from harness.dovecot import Dovecot
from harness.mapigate import Mapigate
from harness.mapihttp import NO_HANDLE, Client, Session, discover
from harness.processes import HarnessError, free_port, private_dir

from .measure import raise_file_limit, row

USERS, SAMPLES, BURST = 500, 400, 5
MESSAGES, SIZE = 1000, 50_000
PASSWORD = "secret"


def name(number):
    return f"user{number}@example.test"


class Lmtp:
    """Delivers into Dovecot; a delivery has taken place when deliver() returns."""

    def __init__(self, port):
        self.link = smtplib.LMTP("127.0.0.1", port, timeout=60)
        self.link.ehlo_or_helo_if_needed()
        self.number = 0

    def deliver(self, user):
        self.number += 1
        self.link.sendmail("x@example.test", [user], f"From: x@example.test\r\nSubject: {self.number}\r\nMessage-ID: "
                                                     f"<{self.number}.{time.time_ns()}@x>\r\n\r\nnews\r\n")


class Idler:
    """A bare IMAP client in IDLE."""

    def __init__(self, port, context, user):
        self.link = context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=60), server_hostname="localhost")
        for command in (None, f"a LOGIN {user} {PASSWORD}", "b SELECT INBOX", "c IDLE"):
            if command:
                self.link.sendall(command.encode() + b"\r\n")
            wanted = {"a": b"a OK", "b": b"b OK", "c": b"+ "}.get((command or " ")[0], b"* OK")
            data = b""
            while not any(line.startswith(wanted) for line in data.split(b"\r\n")):
                data += self.link.recv(65536)

    def told(self):
        return b"EXISTS" in self.link.recv(65536)

    def rearm(self):
        pass


class Waiter:
    """A MAPI client with a NotificationWait pending."""

    def __init__(self, gateway, certificates, context, user):
        dn, path = discover(gateway.https_port, certificates.ca, user, PASSWORD)
        self.session = Session(Client(gateway.https_port, certificates.ca, user, PASSWORD, path=path), dn)
        self.session.client.connect(dn)
        self.session.log_on()
        inbox = self.session.open_folder(self.session.inbox)
        self.session.call(rops.get_contents_table(0x10), inbox)  # without notifications of its own
        self.session.call(rops.register_notification(2, self.session.inbox), inbox)
        self.link = context.wrap_socket(socket.create_connection(("127.0.0.1", gateway.https_port), timeout=60),
                                        server_hostname="localhost")
        self.data = b""
        self.send()

    def send(self):
        body = struct.pack("<II", 0, 0)
        headers = {"Host": "localhost", "Content-Length": len(body), **self.session.client.headers("NotificationWait")}
        head = "POST " + self.session.client.path + " HTTP/1.1\r\n"
        head += "".join(f"{key}: {value}\r\n" for key, value in headers.items() if value is not None)
        self.link.sendall(head.encode() + b"\r\n" + body)

    def told(self):
        self.data += self.link.recv(65536)
        return b"DONE\r\n" in self.data

    def rearm(self):
        while not self.data.endswith(b"0\r\n\r\n"):
            self.data += self.link.recv(65536)
        self.data = b""
        self.session.client.execute([(rops.release(), [0])], [NO_HANDLE])
        self.send()


def percentile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))]


def new_mail(certificates):
    raise_file_limit(20_000)
    users = [name(number) for number in range(USERS)]
    lmtp_port, results = free_port(), []
    context = ssl.create_default_context(cafile=str(certificates.ca))
    with contextlib.ExitStack() as stack:
        dovecot = stack.enter_context(Dovecot(certificates, users, PASSWORD, extra=postfix.mail_services(lmtp_port), own_ids=True))
        gateway = stack.enter_context(Mapigate.gateway(certificates, dovecot.tls_port))
        gateway.stop()
        gateway.arguments["modules"]["mail"]["refresh_interval"] = "10min"  # asking must play no part
        gateway.write_config()
        gateway.start()
        lmtp = Lmtp(lmtp_port)
        peers = {}
        started = time.monotonic()
        for user in users:
            peers[user] = Waiter(gateway, certificates, context, user), Idler(dovecot.tls_port, context, user)
        print(f"  {USERS} watched mailboxes after {time.monotonic() - started:.0f} s", flush=True)
        time.sleep(3)
        times = {Waiter: [], Idler: []}
        choose = random.Random(5)
        for _ in range(SAMPLES // BURST):
            pending, selector = {}, selectors.DefaultSelector()
            for user in choose.sample(users, BURST):
                lmtp.deliver(user)
                now = time.perf_counter()
                for peer in peers[user]:
                    pending[peer] = now
                    selector.register(peer.link, selectors.EVENT_READ, peer)
            end = time.monotonic() + 30
            while pending:
                if time.monotonic() > end:
                    raise HarnessError(f"{[type(peer).__name__ for peer in pending]} were not told within 30 s")
                ready = selector.select(1.0)
                now = time.perf_counter()
                for key, _ in ready:
                    peer = key.data
                    if peer.told():
                        times[type(peer)].append(now - pending.pop(peer))
                        selector.unregister(peer.link)
                        peer.rearm()
            selector.close()
            time.sleep(0.05)
        for what, part in (("median", 0.5), ("99th percentile", 0.99)):
            ours, theirs = (percentile(times[kind], part) * 1000 for kind in (Waiter, Idler))
            results.append(row(f"new mail, {USERS} watched, {what}", ours, theirs, "ms", "IDLE", False))
        for one, other in peers.values():
            one.link.close()
            one.session.client.close()
            other.link.close()
    return results


def text_of(number):
    line = f"{number} " + "lorem ipsum dolor sit amet consetetur " * 2 + "\r\n"
    return (line * (SIZE // len(line) + 1))[:SIZE - 2] + "\r\n"


def hand_over(session, number):
    """One message of 50 KB in two requests: made and half written; written, saved and submitted."""
    # As Outlook does: the body as HTML, which is bytes.
    body = b"<html><body><pre>" + text_of(number).encode() + b"</pre></body></html>"
    values = {"PidTagSubject": f"bench {number}", "PidTagInternetCodepage": 65001}
    first = [(rops.create_message(session.outbox), [0, 1]), (rops.set_properties(values), [1]),
             (rops.modify_recipients([(0, 1, "Bob", "bob@example.test")]), [1]),
             (rops.open_stream("PidTagHtml", 2), [1, 2]), (rops.write_stream(body[:30_000]), [2])]
    responses, table = session.client.execute(first, [session.logon_handle, NO_HANDLE, NO_HANDLE])
    for response in responses:
        response.check()
    second = [(rops.write_stream(body[30_000:]), [2]), (rops.commit_stream(), [2]), (rops.release(), [2]),
              (rops.save_changes_message(handle_index=1), [1]), (rops.submit_message(), [1]), (rops.release(), [1])]
    responses, _ = session.client.execute(second, table)
    for response in responses:
        response.check()


def submission(certificates):
    if not postfix.available():
        print("  no Postfix (it needs root): submission is not measured", flush=True)
        return []
    lmtp_port, sender = free_port(), "alice@example.test"
    users = [sender, "bob@example.test"]
    with contextlib.ExitStack() as stack:
        dovecot = stack.enter_context(Dovecot(certificates, users, PASSWORD, extra=postfix.mail_services(lmtp_port)))
        server = stack.enter_context(postfix.Postfix(certificates, dovecot, lmtp_port, users))
        gateway = stack.enter_context(Mapigate.gateway(certificates, dovecot.tls_port, smtp_port=server.port))

        def taken():
            return server.log().count("sasl_username=" + sender)

        context = ssl.create_default_context(cafile=str(certificates.ca))
        link = smtplib.SMTP("127.0.0.1", server.port, timeout=60)
        link._host = "localhost"
        link.starttls(context=context)
        link.login(sender, PASSWORD)
        mails = [(f"From: {sender}\r\nTo: bob@example.test\r\nSubject: bench {number}\r\nMessage-ID: <{number}@bench>\r\n\r\n"
                  + text_of(number)).encode() for number in range(MESSAGES)]
        started = time.monotonic()
        for mail in mails:
            link.sendmail(sender, ["bob@example.test"], mail)
        theirs = MESSAGES / (time.monotonic() - started)
        link.quit()
        print(f"  plain SMTP: {theirs:.0f}/s", flush=True)
        deadline = time.monotonic() + 120
        while dovecot.count("bob@example.test") < MESSAGES and time.monotonic() < deadline:
            time.sleep(0.2)
        before = taken()
        with Session.logged_on(gateway.https_port, certificates.ca, sender, PASSWORD, timeout=120) as session:
            session.call(rops.get_contents_table(), session.open_folder(session.sent_items))
            started = time.monotonic()
            for number in range(MESSAGES):
                hand_over(session, number)
            handed = time.monotonic() - started
            while taken() - before < MESSAGES:
                if time.monotonic() - started > 600:
                    raise HarnessError(f"Postfix took {taken() - before} of {MESSAGES} messages in 600 s")
                time.sleep(0.02)
            ours = MESSAGES / (time.monotonic() - started)
        print(f"  handed over in {handed:.1f} s", flush=True)
        return [row(f"submitting {MESSAGES} messages of {SIZE // 1000} KB", ours, theirs, "/s", "SMTP client", True)]


def run():
    certificates = Certificates(private_dir("tls"))
    return new_mail(certificates) + submission(certificates)
