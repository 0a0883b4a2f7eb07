"""Processes that end with us, free ports, and short private folders."""
import atexit
import contextlib
import os
import pathlib
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[2]

_handed_out = set()
_any = random.SystemRandom()  # whatever tests seed


class HarnessError(Exception):
    """A server did not start, stop or answer as it must."""


def free_port():
    """A port of 127.0.0.1 that nobody listens on and that this process has not handed out before. Not one of those that
    the system gives to whoever asks for any: it would be somebody else's before the server listens, or restarts."""
    for _ in range(10_000):
        port = _any.randrange(20_000, 32_000)
        if port in _handed_out:
            continue
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            _handed_out.add(port)
            return port
    raise HarnessError("no free port")


def private_dir(name="t"):
    """A new folder under /tmp (UNIX socket paths must stay short). Others may search but not list it, so
    that servers which drop privileges reach what is theirs inside. Removed when this process ends."""
    path = pathlib.Path(tempfile.mkdtemp(prefix=f"mg-{name}-", dir="/tmp"))
    path.chmod(0o711)
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def current_user():
    """(user name, group name) of this process."""
    import grp
    return pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name


def is_listening(port, host="127.0.0.1"):
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


def wait_until(condition, what, timeout=20.0, interval=0.02):
    """Polls until `condition()` is true and returns its value; HarnessError names `what` after `timeout` s."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise HarnessError(f"waited {timeout:g} s in vain: {what}")
        time.sleep(interval)


def process_exists(pid):
    """True while the process runs; a zombie counts as ended."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return False
    return fields[0] not in "ZX"


def group_members(group):
    """Process ids of the process group that still run."""
    members = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, IndexError):
                fields = pathlib.Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
                if int(fields[2]) == group and fields[0] not in "ZX":
                    members.append(int(entry))
    return members


def end_children(group, name, number):
    """A signal to those processes of the group that run the program `name`."""
    for pid in group_members(group):
        with contextlib.suppress(OSError):
            if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == name:
                os.kill(pid, number)


def signal_group(group, number):
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def end_group(group, patience=10.0):
    """TERM, then KILL for what is left after `patience` seconds. True if TERM was enough."""
    signal_group(group, signal.SIGCONT)
    signal_group(group, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if not group_members(group):
            return True
        time.sleep(0.02)
    signal_group(group, signal.SIGKILL)
    return False


class Server:
    """What has a `daemon` while it runs: it stops once, and `with` starts and stops it. For classes with start()."""

    daemon = None

    def stop(self):
        if self.daemon:
            daemon, self.daemon = self.daemon, None
            daemon.stop()

    def __enter__(self):
        try:
            return self.start()
        except HarnessError:
            self.stop()
            raise

    def __exit__(self, *_):
        self.stop()


class Daemon:
    """One process in a session (and process group) of its own, its output in files."""

    def __init__(self, command, folder, name, environment=None, detached=False):
        self.name = name
        self.stdout_path = pathlib.Path(folder) / f"{name}.out"
        self.stderr_path = pathlib.Path(folder) / f"{name}.err"
        with open(self.stdout_path, "ab") as out, open(self.stderr_path, "ab") as err:
            self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=err, start_new_session=True,
                                            env={**os.environ, **(environment or {})})
        self.pid = self.process.pid
        if not detached:
            _running.add(self)

    def alive(self):
        return self.process.poll() is None

    def output(self):
        return self.stdout_path.read_text(errors="replace") + self.stderr_path.read_text(errors="replace")

    def wait_ready(self, condition, what, timeout=20.0):
        def ready():
            if not self.alive():
                raise HarnessError(f"{self.name} ended with status {self.process.returncode} before {what}:\n"
                                   + self.output()[-4000:])
            return condition()
        try:
            wait_until(ready, what, timeout)
        except HarnessError as error:
            self.kill()
            raise HarnessError(f"{error}\n{self.output()[-4000:]}") from None

    def freeze(self):
        signal_group(self.pid, signal.SIGSTOP)

    def thaw(self):
        signal_group(self.pid, signal.SIGCONT)

    def kill(self):
        """SIGKILL to the whole group; returns when the process is reaped."""
        signal_group(self.pid, signal.SIGKILL)
        self.process.wait(timeout=10)
        wait_until(lambda: not group_members(self.pid), f"{self.name}'s children gone", 10)
        _running.discard(self)

    def stop(self, patience=15.0):
        """TERM; KILL after `patience` seconds. The exit status, negative for a signal."""
        if self.alive():
            self.thaw()
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=patience)
        status = self.process.poll()
        end_group(self.pid, 5.0)
        if status is None:
            status = self.process.wait(timeout=10)
        _running.discard(self)
        return status


_running = set()


def _end_all():
    for daemon in list(_running):
        with contextlib.suppress(Exception):
            signal_group(daemon.pid, signal.SIGCONT)
            daemon.process.terminate()
    for daemon in list(_running):
        with contextlib.suppress(Exception):
            daemon.stop(patience=5.0)


atexit.register(_end_all)


def _exit_on_signal(number, _frame):
    raise SystemExit(128 + number)


if threading.current_thread() is threading.main_thread():
    for _number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(_number) is signal.SIG_DFL:
            signal.signal(_number, _exit_on_signal)
