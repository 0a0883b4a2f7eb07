"""A realm of its own: MIT's KDC with users and the keytab of a gateway on localhost.

    with Kdc("EXAMPLE.TEST", {"alice": "secret"}) as kdc:
        kdc.keytab, kdc.environment, kdc.ticket("alice", "secret")
"""
import os
import pathlib
import shutil
import subprocess

from .processes import Daemon, HarnessError, Server, free_port, is_listening, private_dir

SERVICES = ("HTTP", "exchangeMDB", "exchangeRFR", "exchangeAB", "host")

_CLIENT = """[libdefaults]
default_realm = {realm}
rdns = false
dns_lookup_realm = false
dns_lookup_kdc = false
dns_canonicalize_hostname = false
udp_preference_limit = 1
[realms]
{realm} = {{
kdc = 127.0.0.1:{port}
}}
[domain_realm]
localhost = {realm}
.example.test = {realm}
"""
_SERVER = """[kdcdefaults]
kdc_listen = 127.0.0.1:{port}
kdc_tcp_listen = 127.0.0.1:{port}
[realms]
{realm} = {{
database_name = {folder}/principal
key_stash_file = {folder}/stash
acl_file = {folder}/acl
}}
[logging]
kdc = FILE:{folder}/kdc.log
"""


def available():
    return all(shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin") for name in ("krb5kdc", "kdb5_util", "kadmin.local", "kinit"))


class Kdc(Server):
    def __init__(self, realm, users, folder=None, port=None, hosts=("localhost", "mail.example.test"), detached=False):
        self.realm, self.users, self.hosts, self.detached = realm, users, hosts, detached
        self.folder = pathlib.Path(folder) if folder else private_dir("kdc")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.keytab, self.config = self.folder / "gateway.keytab", self.folder / "krb5.conf"
        self.environment = {"KRB5_CONFIG": str(self.config), "KRB5_KDC_PROFILE": str(self.folder / "kdc.conf")}

    def _run(self, *command, **keywords):
        done = subprocess.run([str(part) for part in command], env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin", **self.environment},
                              capture_output=True, text=True, timeout=60, **keywords)
        if done.returncode:
            raise HarnessError(f"{command[0]} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def start(self):
        self.config.write_text(_CLIENT.format(realm=self.realm, port=self.port))
        (self.folder / "kdc.conf").write_text(_SERVER.format(realm=self.realm, port=self.port, folder=self.folder))
        if not (self.folder / "principal").exists():
            self._run("kdb5_util", "create", "-s", "-r", self.realm, "-P", "only for tests")
            orders = [f"addprinc -pw {password} {user}" for user, password in self.users.items()]
            for name in (f"{service}/{host}" for service in SERVICES for host in self.hosts):
                orders += [f"addprinc -randkey {name}", f"ktadd -k {self.keytab} {name}"]
            self._run("kadmin.local", "-r", self.realm, input="\n".join([*orders, ""]))
        self.daemon = Daemon([shutil.which("krb5kdc", path="/usr/sbin:/usr/bin"), "-n", "-r", self.realm], self.folder, "krb5kdc", self.environment,
                             self.detached)
        self.daemon.wait_ready(lambda: is_listening(self.port), "the KDC listens")
        return self

    def ticket(self, user, password, forwardable=False):
        """An environment in which the user has a ticket."""
        cache = self.folder / ("cache-" + user.replace("/", "_") + ("-forwardable" if forwardable else ""))
        environment = {**self.environment, "KRB5CCNAME": f"FILE:{cache}"}
        done = subprocess.run(["kinit", "-f" if forwardable else "-F", "-c", f"FILE:{cache}", f"{user}@{self.realm}"], input=password + "\n", capture_output=True, text=True, timeout=30,
                              env={**os.environ, **environment})
        if done.returncode:
            raise HarnessError(f"kinit: {done.stderr}")
        return environment
