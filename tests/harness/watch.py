"""`mapigate client watch --json` as a running process whose events are waited for."""
import json
import queue
import signal
import threading
import time


class Watch:
    """`process` as start_client() gives it; its events come out of until()."""

    def __init__(self, process):
        self.process, self.seen = process, []
        self._lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(json.loads(line))

    def until(self, wanted, seconds=90):
        """The next event for which wanted(event) holds; AssertionError after so many seconds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                event = self._lines.get(timeout=left)
            except queue.Empty:
                break
            self.seen.append(event)
            if wanted(event):
                return event
        raise AssertionError(f"no such event among {self.seen}; status {self.process.poll()}")

    def interrupt(self):
        """(exit status, standard error) after Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(timeout=30)
        return status, self.process.stderr.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(timeout=30)
