"""A private PostgreSQL server on a socket of its own. It refuses to run as root: then it runs as "games"."""
import os
import pathlib
import pwd
import shutil
import subprocess

from .processes import HarnessError, private_dir


def programs():
    """The folder of initdb and pg_ctl, or None."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


class Postgres:
    def __init__(self):
        self.bin = programs()
        self.folder = private_dir("pg")
        self.user = pwd.getpwnam("games") if os.geteuid() == 0 else None
        if self.user:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
            self.folder.chmod(0o755)
            for above in self.folder.parents:  # searchable for it
                if above.stat().st_mode & 0o005 != 0o005 and above.stat().st_uid == 0:
                    above.chmod(above.stat().st_mode | 0o011)

    def run(self, *command):
        become = ["setpriv", f"--reuid={self.user.pw_uid}", f"--regid={self.user.pw_gid}", "--clear-groups"] if self.user else []
        done = subprocess.run([*become, "env", f"HOME={self.folder}", *map(str, command)], capture_output=True, text=True,
                              cwd="/", timeout=120, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise HarnessError(f"{command[0]}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
        return done.stdout

    def __enter__(self):
        self.run(self.bin / "initdb", "-D", self.folder / "data", "-U", "gw", "-A", "trust", "--no-sync")
        self.run(self.bin / "pg_ctl", "-w", "-D", self.folder / "data", "-l", self.folder / "log", "-o",
                 f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off", "start")
        return self

    def __exit__(self, *_):
        self.run(self.bin / "pg_ctl", "-m", "fast", "-w", "-D", self.folder / "data", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def conninfo(self):
        return f"host={self.folder} user=gw dbname=postgres"

    def query(self, sql):
        return self.run(self.bin / "psql", "-h", self.folder, "-U", "gw", "-d", "postgres", "-At", "-c", sql).strip()
