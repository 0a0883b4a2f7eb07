"""A Windows domain of one host: Samba's own winbindd over accounts of its own, in a folder of its own. Its users are no users of
this system, so nss_wrapper shows them to it, and its socket to ntlm_auth.

    with Winbind("EXAMPLE", {"alice": "secret"}) as domain:
        domain.helper     # what [rpc] ntlm_helper wants
"""
import glob
import os
import pathlib
import shutil
import stat
import subprocess

from .processes import Daemon, HarnessError, Server, private_dir

PYTHON = "/usr/bin/python3"
PATH = os.environ.get("PATH", "") + ":/usr/sbin"
FOLDERS = {"private dir": "private", "state directory": "state", "cache directory": "cache", "lock directory": "lock", "pid directory": "run",
           "ncalrpc dir": "ncalrpc", "winbindd socket directory": "sockets"}

_SETTINGS = """[global]
workgroup = {domain}
netbios name = MGTEST
server role = classic primary domain controller
passdb backend = tdbsam:{folder}/private/passdb.tdb
ntlm auth = ntlmv2-only
interfaces = lo
bind interfaces only = yes
disable netbios = yes
idmap config * : backend = tdb
idmap config * : range = 100000-199999
log file = {folder}/winbindd.log
"""
_ADD_USERS = """
import sys
from samba.samba3 import param, passdb
folder, *users = sys.argv[1:]
param.get_context().load(folder + "/smb.conf")
passdb.set_secrets_dir(folder + "/private")
accounts = passdb.PDB("tdbsam:" + folder + "/private/passdb.tdb")
for one in users:
    name, password = one.split(":", 1)
    accounts.create_user(name, 0x10)  # ACB_NORMAL
    account = accounts.getsampwnam(name)
    account.plaintext_passwd = password
    account.acct_ctrl = 0x10
    accounts.update_sam_account(account)
"""


def wrapper():
    """nss_wrapper's library, or None."""
    return next(iter(glob.glob("/usr/lib/*/libnss_wrapper.so") + glob.glob("/usr/lib/libnss_wrapper.so")), None)


def available():
    return os.geteuid() == 0 and all(shutil.which(name, path=PATH) for name in ("winbindd", "ntlm_auth")) and wrapper() is not None


class Winbind(Server):
    def __init__(self, domain, users):
        self.domain, self.users, self.daemon = domain, users, None
        self.folder = private_dir("winbind")
        self.folder.chmod(0o755)
        self.config = self.folder / "smb.conf"
        self.environment = {"LD_PRELOAD": wrapper(), "NSS_WRAPPER_PASSWD": str(self.folder / "passwd"),
                            "NSS_WRAPPER_GROUP": str(self.folder / "group"), "SELFTEST_WINBINDD_SOCKET_DIR": str(self.folder / "sockets")}
        self.helper = ["/usr/bin/env", *(f"{name}={value}" for name, value in self.environment.items()), shutil.which("ntlm_auth", path=PATH),
                       f"--configfile={self.config}", "--helper-protocol=ntlm-server-1"]
        self._prepare()

    def _prepare(self):
        text = _SETTINGS.format(domain=self.domain, folder=self.folder)
        for setting, name in FOLDERS.items():
            (self.folder / name).mkdir(mode=0o700 if name == "private" else 0o755)
            text += f"{setting} = {self.folder / name}\n"
        self.config.write_text(text)
        for name, line in (("passwd", "{user}:x:{id}:{id}::/:/bin/false\n"), ("group", "{user}:x:{id}:\n")):
            added = "".join(line.format(user=user, id=20001 + number) for number, user in enumerate(self.users))
            (self.folder / name).write_text(pathlib.Path("/etc", name).read_text() + added)
        done = subprocess.run([PYTHON, "-c", _ADD_USERS, str(self.folder), *(f"{user}:{password}" for user, password in self.users.items())],
                              env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise HarnessError(f"Samba takes no users: {done.stderr[-2000:]}")

    def start(self):
        program = shutil.which("winbindd", path=PATH)
        self.daemon = Daemon([program, "--foreground", "--no-process-group", "-s", self.config], self.folder, "winbindd", self.environment)
        pipes = self.folder / "sockets" / "pipe", self.folder / "state" / "winbindd_privileged" / "pipe"
        self.daemon.wait_ready(lambda: all(pipe.exists() and stat.S_ISSOCK(pipe.stat().st_mode) for pipe in pipes), "winbindd listens")
        return self
