"""Whether a mailbox holds what its clients were told: mixed operations against a gateway whose backends misbehave and
which is killed, checked against what IMAP shows. Everything random comes from one seed."""
import contextlib
import email
import email.policy
import http.client
import random
import re
import threading
import time

from . import imap_server, postfix, rops
from .dovecot import modified_utf7
from .faultproxy import FaultProxy
from .mapigate import Mapigate
from .mapihttp import ProtocolError, Session
from .processes import free_port, private_dir
from .properties import WireError, tag_of

ALICE, BOB, PASSWORD = "alice@example.test", "bob@example.test", "secret"
SUBJECT, MID, FLAGS, STATUS = (tag_of(name) for name in ("PidTagSubject", "PidTagMid", "PidTagMessageFlags", "PidTagFlagStatus"))
FOLDERS = ("Left", "Right")
DELETED = "Recoverable Items"
# After these nobody knows whether it was done: network, timeout, busy, not to be had.
RETRYABLE = {0x80040115, 0x80040401, 0x80040117, 0x0000080B, 0x80040600, 0x000003F0, 0x80040116}
LOST = (OSError, http.client.HTTPException, ProtocolError, WireError)


class Violation(Exception):
    pass


class Message:
    """One message of the model. `states` are those it may be in: frozen lists of (folder, revision, seen, flagged), one
    for each copy. More than one: something failed, and only looking tells."""

    def __init__(self, number):
        self.number = number
        self.states = {()}

    def certain(self):
        return len(self.states) == 1

    def copies(self):
        return next(iter(self.states))


class Mail:
    """A message that was to be sent."""

    def __init__(self, number):
        self.number, self.told = number, False


def state(copies):
    return tuple(sorted(copies))


class Stage:
    """An IMAP server and Postfix behind FaultProxies, a gateway before them."""

    def __init__(self, certificates, seed, with_smtp=True):
        self.certificates, self.stack = certificates, contextlib.ExitStack()
        self.smtp_proxy = None
        self.imap = self.stack.enter_context(imap_server.make(certificates, (ALICE, BOB), lmtp_port=free_port() if with_smtp else None))
        self.imap_proxy = self.stack.enter_context(FaultProxy(self.imap.port, certificates=certificates))
        if with_smtp:
            server = self.stack.enter_context(postfix.Postfix(certificates, self.imap, self.imap.lmtp_port, (ALICE, BOB)))
            self.smtp_proxy = self.stack.enter_context(FaultProxy(server.port))
        self.gateway = Mapigate.gateway(certificates, self.imap_proxy.port, smtp_port=self.smtp_proxy and self.smtp_proxy.port,
                                        folder=private_dir(f"keeping{seed}"), name="keeping", server={"log_level": "debug"})
        modules = self.gateway.arguments["modules"]
        modules["mail"].update(backend_wait="10s", first_index_wait="20s")
        modules["imap"].update(connect_timeout="3s", command_timeout="5s")
        if with_smtp:
            modules["smtp"].update(connect_timeout="3s", command_timeout="5s", data_timeout="10s")
        self.gateway.write_config()
        self.gateway.start()
        self.stack.callback(self._stop)

    def _stop(self):
        if self.gateway.daemon:
            self.gateway.stop()

    def proxies(self):
        return [proxy for proxy in (self.imap_proxy, self.smtp_proxy) if proxy]

    def heal(self):
        for proxy in self.proxies():
            proxy.heal()

    def log_on(self, timeout=60):
        return Session.logged_on(self.gateway.https_port, self.certificates.ca, ALICE, PASSWORD, timeout=timeout)

    def close(self):
        self.stack.close()


class Keeping:
    """rounds(count) and then finish(). `counts` tells what was done."""

    def __init__(self, stage, seed, say=lambda text: None):
        self.stage, self.seed, self.say = stage, seed, say
        self.messages, self.mails, self.next_number = [], [], 0
        self.counts = {"operations": 0, "uncertain": 0, "kills": 0, "faults": 0, "doubled by SMTP": 0}
        self.session, self.folder_ids, self.handles = None, {}, {}
        self.imap, self.bob = stage.imap.connect(ALICE), stage.imap.connect(BOB)

    # -- rounds

    def rounds(self, count, until=None):
        """Returns how many were run; fewer when time.monotonic() passes `until`."""
        for number in range(count):
            if until and time.monotonic() > until:
                return number
            self.round(number)
        return count

    def round(self, number):
        chance = random.Random(f"{self.seed}/{number}")
        self.open()
        faults = chance.random() < 0.7
        if faults:
            self.counts["faults"] += 1
            for proxy in self.stage.proxies():
                proxy.misbehave(random.Random(f"{self.seed}/{number}/{proxy.port == self.stage.imap_proxy.port}"), chance.choice([0.02, 0.1, 0.3]))
        killer = None
        if chance.random() < 0.4:
            self.counts["kills"] += 1
            killer = threading.Timer(chance.random() * 1.5, self.stage.gateway.kill)
            killer.start()
        try:
            try:
                for _ in range(chance.randrange(4, 9)):
                    if not self.operate(chance):
                        break
            finally:
                if killer:
                    killer.join()
                self.stage.heal()
            if killer:
                self.close()
                self.stage.gateway.start()
            self.check()
        except Exception as error:
            raise Violation(f"seed {self.seed}, round {number}: {error!r}") from error
        self.stage.gateway.check_log()

    def open(self):
        end = time.monotonic() + 60
        while not self.session:
            session = None
            try:
                session = self.stage.log_on()
                self.handles = {"root": session.open_folder(session.ipm_subtree)}
                for name in FOLDERS:
                    made = session.call(rops.create_folder(name, open_existing=True), self.handles["root"])
                    self.folder_ids[name], self.handles[name] = made.folder_id, made.handle
                self.session = session
            except (*LOST, rops.RopError):
                if session:
                    session.client.close()
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)

    def close(self):
        if self.session:
            self.session.client.close()
        self.session = None

    # -- operations

    def operate(self, chance):
        """False when the session is lost."""
        here = [message for message in self.messages if message.certain() and
                any(copy[0] in FOLDERS for copy in message.copies())]
        kinds = ["create"] * 3 + ["save", "move", "move", "copy", "delete", "delete", "hard delete", "read", "flag"] * bool(here)
        if self.stage.smtp_proxy:
            kinds.append("submit")
        kind = chance.choice(kinds)
        self.counts["operations"] += 1
        self.touched = []
        try:
            if kind == "create":
                self.create(chance.choice(FOLDERS), chance.randrange(3))
            elif kind == "submit":
                self.submit()
            else:
                self.change(kind, chance, chance.sample(here, min(len(here), chance.randrange(1, 4))))
        except rops.RopError as error:
            if error.error not in RETRYABLE:
                try:
                    shown = {message.number: [hex(self.find(folder, message) or 0) for folder in FOLDERS] for message in self.touched}
                except (*LOST, rops.RopError) as lost:  # killed meanwhile
                    shown = repr(lost)
                raise Violation(f"{kind} of {[message.number for message in self.touched]}: {error}; ids {self.ids}, now {shown}") from error
            self.counts["uncertain"] += 1
        except LOST:
            self.counts["uncertain"] += 1
            self.close()
            return False
        return True

    def number(self):
        self.next_number += 1
        return self.next_number

    def may_become(self, message, states):
        self.touched.append(message)
        message.states = set(message.states) | set(states)

    def create(self, folder, files):
        message = Message(self.number())
        self.messages.append(message)
        done = state([(folder, 0, True, False)])
        handle = self.session.new_message(self.folder_ids[folder], {"PidTagSubject": f"m{message.number}.0", "PidTagBody": "x" * 300},
                                          files=[(f"{i}.bin", bytes([i]) * 3000) for i in range(files)])
        self.may_become(message, [done])
        self.session.save(handle)
        message.states = {done}

    def find(self, folder, message, nth=0):
        """The id of a copy as the table shows it now; None: it is not there."""
        table = self.session.contents_table(self.handles[folder])
        found = [row[MID] for row in self.session.rows(table, ["PidTagSubject", "PidTagMid"])
                 if row[SUBJECT].split(".")[0] == f"m{message.number}"]
        self.session.call(rops.release(), table)
        return found[nth] if nth < len(found) else None

    def change(self, kind, chance, messages):
        folder = chance.choice(FOLDERS)
        other = FOLDERS[1 - FOLDERS.index(folder)]
        found = []
        for message in messages:
            copies = list(message.copies())
            # One copy of those that the folder has: they all look alike.
            if sum(copy[0] == folder for copy in copies) != 1:
                continue
            identifier = self.find(folder, message)
            if identifier is None:
                raise Violation(f"m{message.number} is not in {folder}, where it has to be: {copies}")
            found.append((message, identifier))
            if kind == "save":
                break
        if not found:
            return
        ids = [identifier for _, identifier in found]
        self.ids = [hex(identifier) for identifier in ids]
        after, session, handle = {}, self.session, self.handles[folder]
        for message, _ in found:
            copies = list(message.copies())
            at = next(i for i, copy in enumerate(copies) if copy[0] == folder)
            place, revision, seen, flagged = copies[at]
            rest = copies[:at] + copies[at + 1:]
            new = {"save": [(place, self.next_number + 1, seen, flagged)], "move": [(other, revision, seen, flagged)],
                   "copy": [copies[at], (other, revision, seen, flagged)], "delete": [(DELETED, revision, seen, flagged)],
                   "hard delete": [], "read": [(place, revision, not seen, flagged)],
                   "flag": [(place, revision, seen, not flagged)]}[kind]
            after[message] = state(rest + new)
        if kind == "read":
            # One request sets one way.
            wanted = next(copy for copy in found[0][0].copies() if copy[0] == folder)[2]
            found = [(message, identifier) for message, identifier in found
                     if next(copy for copy in message.copies() if copy[0] == folder)[2] == wanted]
            ids = [identifier for _, identifier in found]
        for message, _ in found:
            self.may_become(message, [after[message]])
        if kind == "save":
            message, identifier = found[0]
            revision = self.number()
            opened = session.call(rops.open_message(self.folder_ids[folder], identifier, 1)).handle
            session.call(rops.set_properties({"PidTagSubject": f"m{message.number}.{revision}"}), opened)
            session.save(opened)
        elif kind == "flag":
            for message, identifier in found:
                opened = session.call(rops.open_message(self.folder_ids[folder], identifier, 1)).handle
                now = session.properties(opened, ["PidTagFlagStatus"])[STATUS]
                session.call(rops.set_properties({"PidTagFlagStatus": 0 if now == 2 else 2}), opened)
                session.save(opened)
                message.states = {after[message]}
            return
        else:
            if kind in ("move", "copy"):
                done = session.call(rops.move_copy_messages(ids, copy=kind == "copy"), handle, self.handles[other])
            elif kind == "read":
                done = session.call(rops.set_read_flags(ids, 4 if wanted else 0), handle)
            else:
                done = session.call(rops.delete_messages(ids, hard=kind == "hard delete"), handle)
            if done.partial_completion:
                self.counts["uncertain"] += 1
                return
        for message, _ in found:
            message.states = {after[message]}

    def submit(self):
        mail = Mail(self.number())
        handle = self.session.new_message(self.session.outbox, {"PidTagSubject": f"s{mail.number}", "PidTagBody": "sent"}, [(0, 1, "Bob", BOB)])
        self.session.save(handle)
        self.mails.append(mail)
        self.session.call(rops.submit_message(), handle)
        mail.told = True

    # -- looking

    def listed(self, link, folder):
        """[(subject, seen, flagged)] as IMAP shows it; none when there is no such folder."""
        if link.select(f'"{modified_utf7(folder)}"', readonly=True)[0] != "OK":
            return []
        found = []
        for item in link.uid("fetch", "1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1] or []:
            if isinstance(item, tuple):
                flags = re.search(rb"FLAGS \((.*?)\)", item[0]).group(1)
                subject = str(email.message_from_bytes(item[1], policy=email.policy.default)["Subject"])
                found.append((subject, rb"\Seen" in flags, rb"\Flagged" in flags))
        return sorted(found)

    def by_imap(self):
        return {folder: self.listed(self.imap, folder) for folder in (*FOLDERS, DELETED)}

    def by_mapi(self):
        shown = {}
        for folder in FOLDERS:
            table = self.session.contents_table(self.handles[folder])
            rows = self.session.rows(table, ["PidTagSubject", "PidTagMessageFlags", "PidTagFlagStatus"])
            shown[folder] = sorted((row[SUBJECT], bool(row[FLAGS] & 1), row[STATUS] == 2) for row in rows)
            self.session.call(rops.release(), table)
        return shown

    def check(self):
        """What MAPI shows is what IMAP holds and what clients were told; uncertain states are settled by it."""
        end, shown, held = time.monotonic() + 45, None, None
        while time.monotonic() < end:
            self.open()
            try:
                shown, held = self.by_mapi(), self.by_imap()
                if all(shown[folder] == held[folder] for folder in FOLDERS):
                    break
            except (*LOST, rops.RopError) as error:
                shown = repr(error)
                self.close()
            time.sleep(0.3)
        else:
            held = self.by_imap()
            different = shown if isinstance(shown, str) else {folder: set(shown[folder]) ^ set(held[folder]) for folder in FOLDERS}
            raise Violation(f"MAPI does not show what IMAP holds: {different}")
        seen = {}
        for folder, rows in held.items():
            for subject, read, flagged in rows:
                number, revision = subject[1:].split(".")
                seen.setdefault(int(number), []).append((folder, int(revision), read, flagged))
        for message in self.messages:
            found = state(seen.pop(message.number, []))
            if found not in message.states:
                raise Violation(f"m{message.number} is {found}, but may be {message.states}")
            message.states = {found}
        if seen:
            raise Violation(f"nobody stored {seen}")
        self.messages = [message for message in self.messages if message.copies()]

    def finish(self, patience=150):
        """The outbox drains, every accepted mail has arrived and has one copy in Sent; what nobody was told about may
        have been sent or not."""
        end = time.monotonic() + patience
        while True:
            problem = self.look_at_sent()
            if not problem:
                return
            if time.monotonic() > end:
                raise Violation(f"seed {self.seed}: {problem}\n{self.stage.gateway.log()[-3000:]}")
            time.sleep(1)

    def look_at_sent(self):
        """What is not yet as it has to be."""
        try:
            self.open()
            table = self.session.contents_table(self.session.open_folder(self.session.outbox))
            waiting = [row[SUBJECT] for row in self.session.rows(table, ["PidTagSubject"])]
        except (*LOST, rops.RopError) as error:
            self.close()
            return repr(error)
        self.bob.noop()
        arrived = [subject for subject, _, _ in self.listed(self.bob, "INBOX")]
        copies = [subject for subject, _, _ in self.listed(self.imap, "Sent")]
        self.counts["doubled by SMTP"] = len(arrived) - len(set(arrived))
        for mail in self.mails:
            name = f"s{mail.number}"
            if mail.told and name in waiting:
                return f"{name} waits in the outbox"
            if mail.told and name not in arrived:
                return f"{name} was accepted and has not arrived"
            if copies.count(name) > 1 or (name in arrived) != (name in copies):
                return f"{name}: arrived {arrived.count(name)} times, {copies.count(name)} copies"
        return None
