"""Sieve beside a Dovecot of dovecot.py: what it has in its `extra`, and the user's other ManageSieve client."""
import base64
import pathlib
import re
import socket

from .processes import HarnessError


def available():
    return any(pathlib.Path(folder, "managesieve-login").exists() for folder in ("/usr/lib/dovecot", "/usr/libexec/dovecot"))


def services(port, protocols="imap sieve", submission_port=None):
    """dovecot.conf text: ManageSieve on `port`; with "lmtp" in `protocols` scripts run for what arrives, and
    their replies leave by `submission_port`."""
    text = f"""protocols = {protocols}
service managesieve-login {{
chroot =
inet_listener sieve {{
port = {port}
}}
}}
protocol lmtp {{
mail_plugins = $mail_plugins sieve
}}
plugin {{
sieve = file:~/sieve;active=~/.dovecot.sieve
}}
"""
    if submission_port:
        text += f"submission_host = 127.0.0.1:{submission_port}\n"
    return text


class ManageSieve:
    """A logged-on connection."""

    def __init__(self, port, user, password="secret"):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.file = self.socket.makefile("rb")
        self._reply()
        secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        self.command(f'AUTHENTICATE "PLAIN" "{secret}"')

    def _reply(self):
        lines = []
        while True:
            line = self.file.readline()
            if not line:
                raise HarnessError("the ManageSieve server closed the connection")
            if match := re.match(rb"\{(\d+)\+?\}\r\n", line):
                lines.append(self.file.read(int(match.group(1))))
                self.file.readline()
            elif re.match(rb"(OK|NO|BYE)\b", line):
                if not line.startswith(b"OK"):
                    if match := re.search(rb"\{(\d+)\+?\}\r\n$", line):
                        line += self.file.read(int(match.group(1)))
                    raise HarnessError(f"ManageSieve: {line.decode(errors='replace')}")
                return lines
            else:
                lines.append(line.rstrip(b"\r\n"))

    def command(self, text):
        self.socket.sendall(text.encode() + b"\r\n")
        return self._reply()

    def scripts(self):
        """{name: is active}"""
        return {line.split(b'"')[1].decode(): line.endswith(b" ACTIVE") for line in self.command("LISTSCRIPTS")}

    def active(self):
        return next((name for name, active in self.scripts().items() if active), None)

    def get(self, name):
        return self.command(f'GETSCRIPT "{name}"')[0].decode()

    def put(self, name, script, activate=False):
        self.command(f'PUTSCRIPT "{name}" {{{len(script.encode())}+}}\r\n{script}')
        if activate:
            self.command(f'SETACTIVE "{name}"')

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
