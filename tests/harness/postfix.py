"""A real Postfix in a private folder (root only), delivering into a server of imap_server.py that takes mail at an lmtp_port."""
import contextlib
import os
import pathlib
import shutil
import smtplib
import subprocess

from .processes import HarnessError, free_port, private_dir, wait_until

_MAIN = """compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
mail_owner = postfix
setgid_group = postdrop
myhostname = mail.{domain}
mydestination =
inet_interfaces = 127.0.0.1
alias_maps =
alias_database =
virtual_mailbox_domains = {domain}
virtual_mailbox_maps = inline:{{ {users} }}
virtual_transport = lmtp:inet:127.0.0.1:{lmtp_port}
default_transport = error:no outside mail
maillog_file = {folder}/postfix.log
maillog_file_prefixes = {folder}, /dev/stdout
message_size_limit = 30000000
virtual_mailbox_limit = 0
mailbox_size_limit = 0
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = may
{sasl}
"""

DIST = pathlib.Path("/usr/share/postfix/master.cf.dist")


def available():
    return os.geteuid() == 0 and DIST.exists() and shutil.which("postfix") is not None


def mail_services(lmtp_port):
    """What a Dovecot before which a Postfix stands has in its `extra`."""
    return f"""protocols = imap lmtp
service lmtp {{
inet_listener lmtp {{
port = {lmtp_port}
}}
}}
service auth {{
unix_listener auth-client {{
mode = 0666
}}
}}
"""


def stop_in(folder):
    """Stops the one that lives there, whoever started it."""
    subprocess.run(["postfix", "-c", str(pathlib.Path(folder) / "etc"), "stop"], capture_output=True, check=False, timeout=60)


class Postfix:
    """start() and stop() it; `port` is for submission (STARTTLS, login with the mailbox's password), `local_port`
    takes mail of this machine without one."""

    def __init__(self, certificates, server, lmtp_port, users, domain="example.test", folder=None, port=None, local_port=None):
        self.folder = pathlib.Path(folder) if folder else private_dir("postfix")
        self.port = port or free_port()
        self.running = False
        etc = self.folder / "etc"
        for part in (etc, self.folder / "queue", self.folder / "data"):
            part.mkdir(parents=True, exist_ok=True)
        shutil.chown(self.folder / "data", "postfix")
        (etc / "main.cf").write_text(_MAIN.format(
            folder=self.folder, domain=domain, users=", ".join(f"{user}=x" for user in users), lmtp_port=lmtp_port,
            certificate=certificates.certificate, key=certificates.key, sasl=server.sasl()))
        lines = []
        for line in DIST.read_text().splitlines():
            fields = line.split()
            if not line.strip() or line[0] in "# " or (len(fields) > 1 and fields[1] == "inet"):
                continue
            if len(fields) > 7:
                fields[4] = "n"
            lines.append(" ".join(fields))
        lines.append(f"127.0.0.1:{self.port} inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes "
                     "-o smtpd_client_restrictions=permit_sasl_authenticated,reject")
        if local_port:
            lines.append(f"127.0.0.1:{local_port} inet n - n - - smtpd -o smtpd_client_restrictions=permit_mynetworks,reject")
        (etc / "master.cf").write_text("\n".join(lines) + "\n")

    def _postfix(self, command, check=True):
        return subprocess.run(["postfix", "-c", str(self.folder / "etc"), command], capture_output=True, text=True, check=check,
                              timeout=60)

    def start(self):
        try:
            self._postfix("start")
        except subprocess.CalledProcessError as error:
            raise HarnessError(f"Postfix does not start: {error.stderr}\n{self.log()}") from None
        self.running = True
        wait_until(self._greets, f"Postfix greets on port {self.port}\n{self.log()}", 30)
        return self

    def _greets(self):
        with contextlib.suppress(OSError, smtplib.SMTPException), smtplib.SMTP("127.0.0.1", self.port, timeout=5):
            return True
        return False

    def stop(self):
        if self.running:
            self.running = False
            self._postfix("stop", check=False)

    def log(self):
        path = self.folder / "postfix.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
