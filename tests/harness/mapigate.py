"""The daemon under test: its configuration, start, stop, and what it may not leave in its log."""
import os
import pathlib
import re
import signal
import subprocess
import urllib.request

from . import imap_server, ways
from .processes import TOP, Daemon, HarnessError, free_port, private_dir

SANITIZER = re.compile(r"(ERROR: (?:Address|Leak|Thread|Memory)Sanitizer|WARNING: ThreadSanitizer|runtime error:)")


def binary():
    """The program under test: $MAPIGATE, or the sanitizer build of ./test."""
    path = pathlib.Path(os.environ.get("MAPIGATE") or TOP / "build" / "test" / "src" / "daemon" / "mapigate")
    if not path.is_file():
        raise HarnessError(f"{path} does not exist: build it (tools/build test) or set MAPIGATE")
    return path


def module_dir(program):
    """The modules built beside `program` (build/KIND/src/daemon/mapigate)."""
    return program.resolve().parents[2] / "modules"


def _value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _table(name, settings):
    return f"[{name}]\n" + "".join(f"{key} = {_value(value)}\n" for key, value in settings.items()) + "\n"


def config_text(*, state_dir, modules_built, https_port, metrics_port, certificates, modules, chain, domain,
                threads=2, external_host="localhost", server=None, https=None, auth=None, rpc=None, sessions=None, tables=None):
    """The TOML of one daemon, and the only place of the tests that knows its setting names.

    modules  {name: settings}; chain  module names in order; server, https, auth, rpc, sessions  more settings of those
    tables; tables  {name: settings} of any others
    """
    text = _table("server", {"state_dir": state_dir, "module_dir": modules_built, "threads": threads,
                             **(server or {})})
    text += _table("https", {"listen": [f"127.0.0.1:{https_port}"], "certificate": certificates.certificate,
                             "private_key": certificates.key, "external_host": external_host,
                             "external_port": https_port, **(https or {})})
    # Tests guess passwords by the dozen, all from one address.
    text += _table("auth", {"guesses": 1000, "guesses_per_address": 10000, **(auth or {})})
    if rpc:
        text += _table("rpc", rpc)
    if sessions:
        text += _table("sessions", sessions)
    for name, settings in (tables or {}).items():
        text += _table(name, settings)
    text += _table("metrics", {"listen": f"127.0.0.1:{metrics_port}"})
    for name, settings in modules.items():
        text += _table(f"modules.{name}", settings)
    text += _table("chains.default", {"modules": list(chain)})
    text += "[[routes]]\n" + f'user = "*@{domain}"\nchain = "default"\n'
    return text


def mailbox_modules(imap_port, certificates, tls="implicit", smtp_port=None, people=None, sieve=None, freebusy=None):
    """Modules of a gateway: the mailbox engine over IMAP, sending over SMTP if there is a port for it;
    `people` is the file of its address book; `sieve` and `freebusy` are settings of these modules."""
    modules = {"mail": {"type": "mailbox", "providers": ["imap"], "refresh_interval": "2s"},
               "imap": {"type": "imap", "host": "127.0.0.1", "port": imap_port, "tls": tls,
                        "flag_interval": "2s", "ca_file": certificates.ca, **imap_server.gateway_settings()}}
    if smtp_port:
        modules["mail"]["submitter"] = "smtp"
        modules["smtp"] = {"type": "smtp", "host": "127.0.0.1", "port": smtp_port, "tls": "starttls",
                           "ca_file": certificates.ca}
    if people:
        modules["mail"]["directory"] = "people"
        modules["people"] = {"type": "directory", "file": people, "check_interval": "500ms"}
    if sieve:
        modules["mail"]["out_of_office"] = "sieve"
        modules["sieve"] = {"type": "sieve", "host": "127.0.0.1", "ca_file": certificates.ca, **sieve}
    if freebusy:
        modules["mail"]["free_busy"] = "freebusy"
        modules["freebusy"] = {"type": "freebusy", **freebusy}
    return modules


def relay_modules(upstream_port, certificates):
    """Modules of a relay: a counting module that only watches, then the far server."""
    return {"count": {"type": "example"},
            "upstream": {"type": "relay", "url": f"https://127.0.0.1:{upstream_port}", "ca_file": certificates.ca,
                         "credentials": "pass-through"}}


class Mapigate:
    """`mapigate serve` with a configuration of its own. Use gateway() or relay() for the usual two."""

    def __init__(self, certificates, modules, chain, domain="example.test", folder=None, https_port=None,
                 metrics_port=None, program=None, name="mapigate", detached=False, **settings):
        self.program = pathlib.Path(program) if program else binary()
        self.folder = pathlib.Path(folder) if folder else private_dir(name)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.certificates = certificates
        self.domain = domain
        self.https_port = https_port or free_port()
        self.metrics_port = metrics_port or free_port()
        self.detached = detached
        self.daemon = None
        self.config_path = self.folder / "mapigate.toml"
        self.state_dir = self.folder / "state"
        self.state_dir.mkdir(exist_ok=True)
        self.arguments = {"modules": modules, "chain": chain, **settings}
        self._front = None
        if chain == ["mail"] and "rpc" not in settings:
            self._open_ways()
        self.write_config()

    def _open_ways(self):
        """As $MAPIGATE_WAY has it, this is a gateway to which clients come by other ways."""
        ways.gateways[self.https_port] = self
        if ways.chosen() in ("rpctcp", "rpchttp"):
            self.arguments["rpc"] = ways.rpc_settings(self.folder, self.domain)
        if ways.chosen() == "rpctcp":  # nobody has a password at hand
            user, password = imap_server.master()
            modules = self.arguments["modules"]
            for name in {"imap", "smtp"} & set(modules):
                modules[name] = {"master_user": user, "master_password": password, **modules[name]}

    def front(self):
        """The relay before this gateway; started when it is first asked for, and there until the gateway is stopped."""
        if self._front is None:
            self._front = Mapigate.relay(self.certificates, self.https_port, name=f"{self.name}-front").start()
        return self._front

    @classmethod
    def gateway(cls, certificates, imap_port, tls="implicit", smtp_port=None, people=None, sieve=None, freebusy=None, **keywords):
        modules = mailbox_modules(imap_port, certificates, tls, smtp_port, people, sieve, freebusy)
        return cls(certificates, modules, ["mail"], **keywords)

    @classmethod
    def relay(cls, certificates, upstream_port, **keywords):
        keywords = {"name": "relay", "chain": ["count", "upstream"], **keywords}
        return cls(certificates, relay_modules(upstream_port, certificates), **keywords)

    def write_config(self, **changes):
        """Writes the file again with changed settings; takes effect at the next start or reload()."""
        self.arguments.update(changes)
        self.config_path.write_text(config_text(
            state_dir=self.state_dir, modules_built=module_dir(self.program), https_port=self.https_port,
            metrics_port=self.metrics_port, certificates=self.certificates, domain=self.domain, **self.arguments))

    def start(self, timeout=60.0):
        environment = {"ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1",
                       "LSAN_OPTIONS": f"print_suppressions=0:suppressions={pathlib.Path(__file__).parent / 'lsan-suppressions'}",
                       "UBSAN_OPTIONS": "print_stacktrace=1"}
        (self.folder / f"{self.name}.out").unlink(missing_ok=True)
        self.daemon = Daemon([self.program, "serve", "-c", self.config_path], self.folder, self.name, environment,
                             self.detached)
        self.daemon.wait_ready(
            lambda: any(line.strip() == "ready" for line in self.daemon.stdout_path.read_text().splitlines()),
            f'{self.name} says "ready"', timeout)
        return self

    def reload(self):
        self.daemon.process.send_signal(signal.SIGHUP)

    def kill(self):
        """SIGKILL, as the out-of-memory killer does."""
        daemon, self.daemon = self.daemon, None
        daemon.kill()

    def stop(self):
        """TERM. HarnessError unless it ends in time, with status 0 and without a sanitizer report."""
        if self._front:
            front, self._front = self._front, None
            front.stop()
        if not self.daemon:
            return
        daemon, self.daemon = self.daemon, None
        died = not daemon.alive()
        status = daemon.stop(patience=30.0)
        self.check_log()
        if died:
            raise HarnessError(f"{self.name} had already ended, with status {status}:\n{self.log()[-4000:]}")
        if status != 0:
            raise HarnessError(f"{self.name} ended with status {status}:\n{self.log()[-4000:]}")

    def check_log(self):
        log = self.log()
        found = SANITIZER.search(log)
        if found:
            start = max(0, found.start() - 200)
            raise HarnessError(f"{self.name} has a sanitizer report:\n{log[start:start + 6000]}")

    def log(self):
        paths = (self.folder / f"{self.name}.out", self.folder / f"{self.name}.err")
        return "".join(path.read_text(errors="replace") for path in paths if path.exists())

    def alive(self):
        return self.daemon is not None and self.daemon.alive()

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        try:
            self.stop()
        except HarnessError:
            if kind is None:
                raise

    # -- what it says about itself

    def metrics(self):
        """{name with labels: value} of /metrics."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as reply:
            lines = reply.read().decode().splitlines()
        return {name: float(value) for name, _, value in
                (line.rpartition(" ") for line in lines if line and not line.startswith("#"))}

    def healthy(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/healthz", timeout=10) as reply:
            return reply.status == 200

    def memory(self):
        """Resident bytes."""
        pages = int(pathlib.Path(f"/proc/{self.daemon.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def processor_seconds(self):
        """User and system time so far, in seconds."""
        fields = pathlib.Path(f"/proc/{self.daemon.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def open_files(self):
        return len(os.listdir(f"/proc/{self.daemon.pid}/fd"))

    def url(self):
        return f"https://127.0.0.1:{self.https_port}"

    def _client(self, arguments, user="alice@example.test", password="secret", server=None):
        """What subprocess needs for `mapigate client ARGUMENTS` against this daemon."""
        url, way = ways.client_options(self) if server is None else (server, [])
        return {"args": [str(self.program), "client", "--user", user, "--server", url, "--ca-file",
                         str(self.certificates.ca), *map(str, way), *map(str, arguments)],
                "text": True, "env": {**os.environ, "MAPIGATE_PASSWORD": password}}

    def start_client(self, *arguments, **keywords):
        """`mapigate client ARGUMENTS` as a running process, with pipes."""
        return subprocess.Popen(stdout=subprocess.PIPE, stderr=subprocess.PIPE, **self._client(arguments, **keywords))

    def client(self, *arguments, timeout=120, check=True, **keywords):
        """Runs `mapigate client ARGUMENTS` against this daemon; the finished process with text output."""
        done = subprocess.run(capture_output=True, timeout=timeout, **self._client(arguments, **keywords))
        if check and done.returncode:
            raise HarnessError(f"mapigate client {' '.join(map(str, arguments))} ended with status "
                               f"{done.returncode}: {done.stderr[-2000:]}")
        return done
