"""A real Radicale in a private folder: calendars."""
import pathlib
import shutil

from .caldav import CalDav
from .processes import Daemon, Server, free_port, is_listening, private_dir


def available():
    return shutil.which("radicale") is not None


class Radicale(CalDav, Server):
    """start() and stop() it. `users` may log on with `password`; `rights` is Radicale's: owner_only, or authenticated, with
    which everybody reads everything."""

    def __init__(self, users=("alice@example.test", "bob@example.test"), password="secret", rights="owner_only", folder=None,
                 port=None, detached=False):
        self.folder = pathlib.Path(folder) if folder else private_dir("radicale")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.password = password
        self.detached = detached
        (self.folder / "users").write_text("".join(f"{user}:{password}\n" for user in users))
        (self.folder / "config").write_text(
            f"[server]\nhosts = 127.0.0.1:{self.port}\n[auth]\ntype = htpasswd\nhtpasswd_filename = {self.folder}/users\n"
            f"htpasswd_encryption = plain\ndelay = 0\n[rights]\ntype = {rights}\n[storage]\n"
            f"filesystem_folder = {self.folder}/collections\n[web]\ntype = none\n")

    def start(self):
        self.daemon = Daemon(["radicale", "--config", self.folder / "config"], self.folder, "radicale", detached=self.detached)
        self.daemon.wait_ready(lambda: is_listening(self.port), f"Radicale listens on port {self.port}")
        return self

    def url(self):
        return f"http://127.0.0.1:{self.port}"
