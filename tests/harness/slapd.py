"""A real OpenLDAP in a private folder."""
import pathlib
import shutil
import subprocess

from .processes import Daemon, Server, free_port, private_dir, wait_until

PROGRAM = "/usr/sbin/slapd"
BASE, ADMIN, PASSWORD = "dc=example,dc=test", "cn=admin,dc=example,dc=test", "secret"
_ROOT = (f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n\n"
         f"dn: ou=people,{BASE}\nobjectClass: organizationalUnit\nou: people\n\n")


def available():
    return pathlib.Path(PROGRAM).exists() and shutil.which("ldapmodify", path="/usr/bin") is not None


class Slapd(Server):
    """Begins with these entries, each as LDIF; below ou=people,BASE. It tells changes to who follows it."""

    def __init__(self, entries, folder=None):
        self.folder = pathlib.Path(folder) if folder else private_dir("slapd")
        self.port = free_port()
        (self.folder / "db").mkdir()
        self.config = self.folder / "slapd.conf"
        self.config.write_text(
            "".join(f"include /etc/ldap/schema/{name}.schema\n" for name in ("core", "cosine", "nis", "inetorgperson"))
            + f"modulepath /usr/lib/ldap\nmoduleload back_mdb\nmoduleload syncprov\npidfile {self.folder}/pid\nsizelimit unlimited\n"
              f"database mdb\nsuffix {BASE}\nrootdn {ADMIN}\nrootpw {PASSWORD}\ndirectory {self.folder}/db\nmaxsize 2147483648\n"
              "index objectClass,entryCSN,entryUUID,uid,mail eq\nindex cn,sn,givenName eq,sub\noverlay syncprov\n")
        ldif = self.folder / "start.ldif"
        with ldif.open("w", encoding="utf-8") as out:
            out.write(_ROOT)
            out.writelines(entries)
        subprocess.run(["/usr/sbin/slapadd", "-q", "-f", self.config, "-l", ldif], check=True, capture_output=True, timeout=600)

    def start(self):
        self.daemon = Daemon([PROGRAM, "-f", self.config, "-h", self.url(), "-d", "0"], self.folder, "slapd", {}, False)
        wait_until(lambda: subprocess.run(["ldapwhoami", "-x", "-H", self.url()], capture_output=True).returncode == 0, "slapd answers", 60)
        return self

    def url(self):
        return f"ldap://127.0.0.1:{self.port}"

    def modify(self, ldif):
        subprocess.run(["ldapmodify", "-x", "-H", self.url(), "-D", ADMIN, "-w", PASSWORD], input=ldif, text=True, check=True, capture_output=True)
