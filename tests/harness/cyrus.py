"""A real Cyrus IMAP server in a private folder. Debian's cyrus-imapd cannot be installed beside dovecot-imapd: the one
program that is missing comes from its package, unpacked under build/cyrus (fetched once)."""
import contextlib
import imaplib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess

from .caldav import CalDav
from .dovecot import Dovecot, _RawImap, crlf
from .processes import TOP, Daemon, Server, current_user, end_children, free_port, private_dir

SPECIAL_USE = ("Sent", "Drafts", "Trash", "Junk", "Archive")  # folders, each with the attribute of its name
LIB = pathlib.Path("/usr/lib/cyrus/bin")
ADMIN = "cyrus"

_IMAPD = """cyrus_user: {user}
configdirectory: {folder}/conf
partition-default: {folder}/spool
sievedir: {folder}/sieve
servername: localhost
virtdomains: userid
defaultdomain: internal.invalid
admins: cyrus
unixhierarchysep: yes
altnamespace: yes
conversations: yes
allowplaintext: yes
munge8bit: no
sasl_mech_list: PLAIN LOGIN
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {folder}/sasldb2
tls_server_cert: {certificate}
tls_server_key: {key}
{extra}
"""
_CYRUS = """START {{
 recover cmd="/usr/sbin/cyrus ctl_cyrusdb -C {folder}/imapd.conf -r"
}}
SERVICES {{
 imap cmd="{imapd} -C {folder}/imapd.conf" listen="127.0.0.1:{port}" maxchild=400
 imaps cmd="{imapd} -s -C {folder}/imapd.conf" listen="127.0.0.1:{tls_port}" maxchild=400
{more}}}
DAEMON {{
 idled cmd="{idled} -C {folder}/imapd.conf"
}}
"""


def unpacked():
    """The folder in which imapd and idled are; None when they cannot be had."""
    target = TOP / "build" / "cyrus"
    program = target / "usr/lib/cyrus/bin/imapd"
    if not program.exists() and shutil.which("apt-get"):
        target.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "-q", "download", "cyrus-imapd"], cwd=target, capture_output=True, check=False, timeout=300)
        for package in target.glob("cyrus-imapd_*.deb"):
            subprocess.run(["dpkg", "-x", package, target], check=False, capture_output=True)
    return program.parent if program.exists() else None


def has_calendars():
    return (LIB / "httpd").exists()


def available():
    return (LIB / "master").exists() and shutil.which("saslpasswd2") is not None and unpacked() is not None


class Cyrus(CalDav, Server):
    """As Dovecot of dovecot.py, as far as tests of the mailbox need it; with `calendars` CalDAV at url()."""

    home = "/dav/calendars/user/{user}/"
    made = False
    passwords = None  # a Dovecot that knows them for Postfix

    def __init__(self, certificates, users=("alice@example.test", "bob@example.test"), password="secret", folder=None, extra="",
                 calendars=False, rights=False, lmtp_port=None):
        if calendars:
            extra += "httpmodules: caldav freebusy\ncalendar_user_address_set: example.test\n"
        if rights:  # owners are bound by what set_rights() says
            extra += "implicit_owner_rights: l\n"
        self.folder = pathlib.Path(folder) if folder else private_dir("cyrus")
        self.certificates, self.password, self.users, self.extra = certificates, password, list(users), extra
        self.port, self.tls_port, self.http_port = free_port(), free_port(), free_port()
        root = os.geteuid() == 0
        self.user = "cyrus" if root else current_user()[0]
        for part in ("conf/socket", "conf/proc", "spool", "sieve", "tls"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        # It drops privileges before it reads the key.
        for name in ("certificate", "key"):
            shutil.copy(getattr(certificates, name), self.folder / "tls" / name)
        (self.folder / "imapd.conf").write_text(_IMAPD.format(
            user=self.user, folder=self.folder, certificate=self.folder / "tls/certificate",
            key=self.folder / "tls/key", extra=extra))
        programs = unpacked()
        more = f' http cmd="{LIB / "httpd"} -C {self.folder}/imapd.conf" listen="127.0.0.1:{self.http_port}"\n' if calendars else ""
        if lmtp_port:
            more += f' lmtp cmd="{LIB / "lmtpd"} -a -C {self.folder}/imapd.conf" listen="127.0.0.1:{lmtp_port}"\n'
        self.lmtp_port = lmtp_port
        (self.folder / "cyrus.conf").write_text(_CYRUS.format(folder=self.folder, imapd=programs / "imapd", idled=programs / "idled",
                                                              port=self.port, tls_port=self.tls_port, more=more))
        for user in [*self.users, "cyrus@localhost"]:
            name, _, realm = user.partition("@")
            subprocess.run(["saslpasswd2", "-p", "-c", "-f", self.folder / "sasldb2", "-u", realm, name],
                           input=password.encode(), check=True, capture_output=True)
        if root:
            for path in [self.folder, *self.folder.rglob("*")]:
                shutil.chown(path, "cyrus", "mail")

    def start(self):
        self.daemon = Daemon([LIB / "master", "-C", self.folder / "imapd.conf", "-M", self.folder / "cyrus.conf", "-p",
                              self.folder / "pid", "-D"], self.folder, "cyrus")
        self.daemon.wait_ready(self._greets, f"Cyrus greets on port {self.port}")
        if not self.made:
            self._make_mailboxes()
            self.made = True
        return self

    def _make_mailboxes(self):
        """All over one connection: two processes that Cyrus 3.6 started in the same second give their folders the same
        unique identifiers, and so the same messages."""
        with contextlib.closing(_RawImap(self.port, ADMIN, self.password)) as link:
            for name, _, domain in (user.partition("@") for user in self.users):
                link.command(f'CREATE "user/{name}@{domain}"')
                for folder in SPECIAL_USE:
                    link.command(f'CREATE "user/{name}/{folder}@{domain}" (USE (\\{folder}))')

    def _greets(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=2) as link:
            return link.recv(100).startswith(b"* OK")
        return False

    def url(self):
        return f"http://127.0.0.1:{self.http_port}"

    def log(self):
        return self.daemon.output() if self.daemon else ""

    def kill(self):
        """SIGKILL to master and children, as a machine that loses power."""
        daemon, self.daemon = self.daemon, None
        daemon.kill()

    def disconnect_clients(self):
        """Drops every connection; the server itself keeps running."""
        end_children(self.daemon.pid, "imapd", signal.SIGKILL)

    def set_quota(self, user, kilobytes):
        with contextlib.closing(_RawImap(self.port, ADMIN, self.password)) as link:
            link.command(f'SETQUOTA "user/{user}" (STORAGE {kilobytes})')

    def sasl(self):
        """As Dovecot's: one stands beside it, since SASL of Cyrus lets nobody send in the name of others there."""
        if not self.passwords:
            self.passwords = Dovecot(self.certificates, self.users, self.password, lmtp_port=free_port()).start()
        return self.passwords.sasl()

    def stop(self):
        if self.passwords:
            self.passwords.stop()
            self.passwords = None
        super().stop()

    def set_rights(self, user, folder, rights):
        """What the owner may do with a folder ("lr": RFC 4314)."""
        name, _, domain = user.partition("@")
        with contextlib.closing(_RawImap(self.port, ADMIN, self.password)) as link:
            link.command(f'SETACL "user/{name}/{folder}@{domain}" {user} {rights}')

    def connect(self, user="alice@example.test"):
        client = imaplib.IMAP4("127.0.0.1", self.port, timeout=60)
        client.login(user, self.password)
        return client

    def seed(self, user, folder, messages):
        """As Dovecot.seed()."""
        uids = []
        with contextlib.closing(_RawImap(self.port, user, self.password)) as link:
            if folder.upper() != "INBOX":
                above = folder.split("/")
                for depth in range(1, len(above) + 1):
                    link.command(f"CREATE {link.quoted('/'.join(above[:depth]))}", allow_no=True)
                link.command(f"SUBSCRIBE {link.quoted(folder)}")
            batch = []
            for entry in messages:
                message, flags, date = entry if isinstance(entry, tuple) else (entry, None, None)
                batch.append((crlf(message), flags, date))
            for start in range(0, len(batch), 200):
                uids += link.multiappend(folder, batch[start:start + 200])
        return uids

    def count(self, user, folder="INBOX"):
        with contextlib.closing(_RawImap(self.port, user, self.password)) as link:
            reply = link.command(f"STATUS {link.quoted(folder)} (MESSAGES)")
            return int(re.search(rb"MESSAGES (\d+)", reply).group(1))
