"""A real Dovecot in a private folder, as root or as an ordinary user."""
import contextlib
import imaplib
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time

from . import postfix
from .processes import Daemon, HarnessError, Server, current_user, end_children, free_port, private_dir

SPECIAL_USE = {"Sent": r"\Sent", "Drafts": r"\Drafts", "Trash": r"\Trash", "Junk": r"\Junk", "Archive": r"\Archive"}

MASTER, MASTER_PASSWORD = "everybody", "mastersecret"  # logs in as anybody, by the authorization identity of SASL PLAIN
FIRST_ID = 20_000  # of the users that have ids of their own

_CONFIG = """base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
mail_uid = {mail}
mail_gid = {mail_group}
first_valid_uid = 1
mail_location = {location}:~/mail
mail_attribute_dict = file:%h/attributes
mail_fsync = never
mail_max_userip_connections = 20000
default_process_limit = 8000
default_client_limit = 20000
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_cache_size = 10M
passdb {{
driver = passwd-file
args = {folder}/everybody
master = yes
}}
passdb {{
driver = passwd-file
args = username_format=%u {folder}/users
}}
userdb {{
driver = passwd-file
args = username_format=%u {folder}/users
default_fields = uid={mail} gid={mail_group} home={folder}/home/%d/%n
}}
namespace inbox {{
inbox = yes
separator = /
{mailboxes}
}}
protocol imap {{
imap_metadata = yes
mail_max_userip_connections = 20000
{capability}
}}
service anvil {{
chroot =
client_limit = 40000
}}
service imap-login {{
chroot =
service_count = 0
process_limit = 4
client_limit = 8000
inet_listener imap {{
port = {port}
}}
inet_listener imaps {{
port = {tls_port}
ssl = yes
}}
}}
service imap {{
process_limit = 8000
}}
service auth {{
client_limit = 40000
}}
{extra}
"""


def crlf(message):
    """The message as IMAP wants it: CRLF line ends, and no NUL, which a literal cannot carry."""
    return re.sub(rb"\r?\n", b"\r\n", message.replace(b"\0", b"\x80"))


class Dovecot(Server):
    """start() and stop() it, seed() it, break it.

    users     names that may log on, all with `password`
    folder    where it lives; a new private one if None. Keep it short.
    capability  replaces the announced list ("IMAP4rev1 IDLE UIDPLUS") or adds to it ("+XFOO")
    extra     more dovecot.conf text
    detached  the server outlives this process (the demo)
    own_ids   each user has a user id of his own, where Dovecot runs as root: the kernel lets one id watch only 128 sets of files,
              and a Dovecot that cannot watch looks every half minute
    rights    set_rights() works
    lmtp_port where it takes mail; sasl() is then for the Postfix that brings it
    """

    def __init__(self, certificates, users=("alice@example.test", "bob@example.test"), password="secret",
                 folder=None, port=None, tls_port=None, capability=None, extra="", detached=False,
                 location="mdbox", own_ids=False, rights=False, lmtp_port=None):
        self.folder = pathlib.Path(folder) if folder else private_dir("dovecot")
        if len(str(self.folder)) > 70:
            raise HarnessError(f"{self.folder} is too long for Dovecot's UNIX sockets")
        self.certificates = certificates
        self.password = password
        self.port = port or free_port()
        self.tls_port = tls_port or free_port()
        self.capability = capability
        self.extra = extra
        self.detached = detached
        self.location = location
        self.root = os.geteuid() == 0
        self.own_ids = own_ids and self.root
        self.rights, self.lmtp_port = rights, lmtp_port
        self.config_path = self.folder / "dovecot.conf"
        self._prepare(list(users))

    # -- life

    def _prepare(self, users):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o711)
        (self.folder / "home").mkdir(exist_ok=True)
        if self.rights:
            (self.folder / "rights").write_text("")
            (self.folder / "rights").chmod(0o644)
            self.extra += f"mail_plugins = acl\nplugin {{\nacl = vfile:{self.folder}/rights\nacl_user = %u\n}}\n"
        if self.lmtp_port:
            self.extra = postfix.mail_services(self.lmtp_port) + self.extra
        masters = self.folder / "everybody"
        masters.write_text(f"{MASTER}:{{PLAIN}}{MASTER_PASSWORD}\n")
        masters.chmod(0o644)
        self.set_users(users)
        self.write_config()
        if self.root:
            shutil.chown(self.folder / "home", "mail", "mail")
        if self.own_ids:  # one group, in which each makes his home
            for path in (self.folder / "home", *(self.folder / "home" / user.partition("@")[2] for user in users)):
                path.mkdir(exist_ok=True)
                shutil.chown(path, "mail", "mail")
                path.chmod(0o775)

    def write_config(self):
        user, group = current_user()
        names = {"internal": "dovecot", "internal_group": "dovecot", "login": "dovenull", "mail": "mail",
                 "mail_group": "mail"} if self.root else {
                     "internal": user, "internal_group": group, "login": user, "mail": user, "mail_group": group}
        mailboxes = "\n".join(f"mailbox {name} {{\nauto = subscribe\nspecial_use = {use}\n}}"
                              for name, use in SPECIAL_USE.items())
        self.config_path.write_text(_CONFIG.format(
            folder=self.folder, certificate=self.certificates.certificate, key=self.certificates.key,
            mailboxes=mailboxes, port=self.port, tls_port=self.tls_port, location=self.location,
            capability=f"imap_capability = {self.capability}" if self.capability else "", extra=self.extra, **names))

    def set_users(self, users):
        """Replaces the list of accounts; takes effect at once, also while it runs."""
        self.users = list(users)
        path = self.folder / "users"
        path.write_text("".join(f"{user}:{{PLAIN}}{self.password}:{FIRST_ID + number if self.own_ids else ''}:::::\n"
                                for number, user in enumerate(self.users)))
        path.chmod(0o644)

    def start(self):
        self.daemon = Daemon(["/usr/sbin/dovecot", "-F", "-c", self.config_path], self.folder, "dovecot",
                             detached=self.detached)
        self.daemon.wait_ready(self._greets, f"Dovecot greets on port {self.port} (log: {self.folder}/log)")
        return self

    def _greets(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=2) as link:
            return link.recv(100).startswith(b"* OK")
        return False

    def kill(self):
        """SIGKILL to master and children, as a machine that loses power."""
        daemon, self.daemon = self.daemon, None
        daemon.kill()
        (self.folder / "run" / "master.pid").unlink(missing_ok=True)

    def freeze(self):
        """Connections stay open, nothing answers."""
        self.daemon.freeze()

    def thaw(self):
        self.daemon.thaw()

    def disconnect_clients(self):
        """Drops every logged-in connection; the server itself keeps running."""
        end_children(self.daemon.pid, "imap", signal.SIGKILL)

    def sasl(self):
        """How a Postfix checks passwords: lines of its main.cf."""
        return f"smtpd_sasl_type = dovecot\nsmtpd_sasl_path = {self.folder}/run/auth-client"

    def set_rights(self, _user, folder, rights):
        """What owners may do with a folder of that name ("lr": RFC 4314)."""
        with (self.folder / "rights").open("a") as out:
            out.write(f"{folder} owner {rights}\n")

    def log(self):
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    # -- use

    def connect(self, user="alice@example.test", tls=False):
        """A logged-on imaplib client."""
        if tls:
            context = ssl.create_default_context(cafile=str(self.certificates.ca))
            client = imaplib.IMAP4_SSL("127.0.0.1", self.tls_port, ssl_context=context, timeout=60)
        else:
            client = imaplib.IMAP4("127.0.0.1", self.port, timeout=60)
        client.login(user, self.password)
        return client

    def seed(self, user, folder, messages, batch_bytes=8 << 20, progress=None):
        """Stores messages in order by MULTIAPPEND; makes the folder if need be.

        messages  iterable of bytes, or of (bytes, flags, internal date): flags a sequence like (r"\\Seen",
                  "$Forwarded"), the date epoch seconds; either may be None
        Returns the UIDs.
        """
        uids = []
        with contextlib.closing(_RawImap(self.port, user, self.password)) as link:
            if folder.upper() != "INBOX":
                link.command(f"CREATE {link.quoted(folder)}", allow_no=True)
                link.command(f"SUBSCRIBE {link.quoted(folder)}")
            batch, size = [], 0
            for entry in messages:
                message, flags, date = entry if isinstance(entry, tuple) else (entry, None, None)
                batch.append((crlf(message), flags, date))
                size += len(batch[-1][0])
                if size > batch_bytes or len(batch) >= 500:
                    uids += link.multiappend(folder, batch)
                    batch, size = [], 0
                    if progress:
                        progress(len(uids))
            if batch:
                uids += link.multiappend(folder, batch)
                if progress:
                    progress(len(uids))
        return uids

    def import_mbox(self, user, path, folder):
        """doveadm import of an mbox file."""
        subprocess.run(["doveadm", "-c", str(self.config_path), "import", "-u", user, f"mbox:{path}", folder,
                        "all"], check=True, capture_output=True)

    def count(self, user, folder="INBOX"):
        with contextlib.closing(_RawImap(self.port, user, self.password)) as link:
            reply = link.command(f"STATUS {link.quoted(folder)} (MESSAGES)")
            return int(re.search(rb"MESSAGES (\d+)", reply).group(1))


def uids_of_set(text):
    """[1, 2, 3, 7] of "1:3,7"."""
    uids = []
    for part in text.split(","):
        first, _, last = part.partition(":")
        uids += range(int(first), int(last or first) + 1)
    return uids


def modified_utf7(name):
    """A mailbox name as RFC 3501 5.1.3 writes it."""
    def shifted(match):
        import base64
        encoded = base64.b64encode(match.group(0).encode("utf-16-be")).rstrip(b"=").replace(b"/", b",")
        return "&" + encoded.decode() + "-"
    return re.sub(r"[^\x20-\x7e]+", shifted, name.replace("&", "&-"))


class _RawImap:
    """LITERAL+ and MULTIAPPEND on a bare socket: imaplib sends neither."""

    def __init__(self, port, user, password):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.file = self.socket.makefile("rb")
        self.file.readline()
        self.number = 0
        self.command(f'LOGIN "{user}" "{password}"')

    @staticmethod
    def quoted(name):
        return '"' + modified_utf7(name).replace("\\", "\\\\").replace('"', '\\"') + '"'

    def send(self, parts):
        self.socket.sendall(b"".join(parts))

    def finish(self, tag, allow_no=False):
        reply = b""
        while True:
            line = self.file.readline()
            if not line:
                raise HarnessError(f"the IMAP server closed the connection: {reply[-300:]!r}")
            reply += line
            if line.startswith(tag + b" "):
                status = line.split(b" ")[1]
                if status != b"OK" and not (allow_no and status == b"NO"):
                    raise HarnessError(f"IMAP: {line.decode(errors='replace').strip()}")
                return reply

    def tag(self):
        self.number += 1
        return b"s%d" % self.number

    def command(self, text, allow_no=False):
        tag = self.tag()
        self.send([tag, b" ", text.encode(), b"\r\n"])
        return self.finish(tag, allow_no)

    def multiappend(self, folder, batch):
        tag = self.tag()
        parts = [tag, b" APPEND ", self.quoted(folder).encode()]
        for message, flags, date in batch:
            if flags is not None:
                parts.append(b" (" + " ".join(flags).encode() + b")")
            if date is not None:
                parts.append(time.strftime(' "%d-%b-%Y %H:%M:%S +0000"', time.gmtime(date)).encode())
            parts += [b" {%d+}\r\n" % len(message), message]
        parts.append(b"\r\n")
        self.send(parts)
        reply = self.finish(tag)
        match = re.search(rb"\[APPENDUID \d+ ([\d:,]+)\]", reply)
        if not match:
            raise HarnessError(f"no APPENDUID in {reply[-200:]!r}")
        return uids_of_set(match.group(1).decode())

    def close(self):
        with contextlib.suppress(OSError, HarnessError):
            self.command("LOGOUT")
        self.file.close()
        self.socket.close()
