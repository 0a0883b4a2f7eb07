"""A TCP proxy that misbehaves on command, to stand between the gateway and a backend."""
import contextlib
import re
import socket
import ssl
import struct
import threading
import time

from .processes import free_port

_LITERAL = re.compile(rb"\{(\d+)\}\r\n")


class FaultProxy:
    """Forwards 127.0.0.1:`port` to `target_port`. Faults apply to bytes that pass after they are set; those
    with a count apply to each connection on its own, counted from the connection's start.

    With `certificates` it speaks TLS to the client and plain TCP to the server, so that it can change what a
    TLS client reads.
    """

    def __init__(self, target_port, certificates=None, target_host="127.0.0.1", port=None):
        self.target = (target_host, target_port)
        self.port = port or free_port()
        self.connections = 0  # accepted so far
        self._tls = None
        if certificates:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(str(certificates.certificate), str(certificates.key))
        self._links = set()
        self._lock = threading.Lock()
        self.heal()
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=512)
        threading.Thread(target=self._accept, daemon=True).start()

    # -- faults

    def heal(self):
        """Plain forwarding again, for the bytes still to come."""
        self._refuse = False
        self._delay = 0.0
        self._bytes_a_second = None
        self._hang = False
        self._cut_after = None
        self._inject = None
        self._literal_lie = None
        self._rewrite = None
        self._chance = None
        self._healed = getattr(self, "_healed", threading.Event())
        self._healed.set()

    def refuse(self):
        """New connections are closed at once."""
        self._refuse = True

    def delay(self, seconds):
        """Each chunk from the server is held back that long."""
        self._delay = seconds

    def throttle(self, bytes_a_second):
        """The server's bytes trickle."""
        self._bytes_a_second = bytes_a_second

    def hang(self):
        """Connections are accepted and stay open, nothing passes either way until heal()."""
        self._healed.clear()
        self._hang = True

    def cut_after(self, count):
        """A connection breaks (RST) once the server has sent `count` bytes on it."""
        self._cut_after = count

    def inject(self, garbage, after=0):
        """`garbage` is inserted after `after` bytes from the server, once a connection."""
        self._inject = (after, garbage)

    def lie_about_literals(self, change):
        """`change(length)` replaces the length of every IMAP literal the server announces in one chunk."""
        self._literal_lie = change

    def rewrite(self, function):
        """`function(chunk)` gives what the client gets instead of each chunk from the server."""
        self._rewrite = function

    def misbehave(self, chance, rate):
        """Anything at random, decided by `chance` (a random.Random): each chunk of either side meets with probability
        `rate` a delay, a cut before or within it, or passes in small pieces; the server's may also have garbage put in."""
        self._rate, self._chance = rate, chance

    def cut_now(self):
        """Breaks every open connection."""
        with self._lock:
            links = list(self._links)
        for link in links:
            _reset(link)

    # -- machinery

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._healed.set()
        self.cut_now()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self._refuse:
                _reset(client)
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        server = None
        try:
            if self._tls:
                client = self._tls.wrap_socket(client, server_side=True)
            server = socket.create_connection(self.target, timeout=10)
            server.settimeout(None)
            with self._lock:
                self._links |= {client, server}
            up = threading.Thread(target=self._pump_up, args=(client, server), daemon=True)
            up.start()
            self._pump_down(server, client)
            up.join(timeout=1)
        except (OSError, ValueError):
            pass
        finally:
            for link in (client, server):
                if link:
                    with self._lock:
                        self._links.discard(link)
                    with contextlib.suppress(OSError):
                        link.close()

    def _pump_up(self, client, server):
        with contextlib.suppress(OSError, ValueError):
            while chunk := client.recv(65536):
                self._healed.wait()
                if not self._pass_at_random(chunk, client, server, garbage=False):
                    server.sendall(chunk)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def _pump_down(self, server, client):
        sent, injected = 0, False
        while chunk := server.recv(65536):
            self._healed.wait()
            if self._delay:
                time.sleep(self._delay)
            if self._literal_lie:
                change = self._literal_lie
                chunk = _LITERAL.sub(lambda found: b"{%d}\r\n" % change(int(found.group(1))), chunk)
            if self._rewrite:
                chunk = self._rewrite(chunk)
            if self._inject and not injected and sent + len(chunk) >= self._inject[0]:
                place = max(0, self._inject[0] - sent)
                chunk = chunk[:place] + self._inject[1] + chunk[place:]
                injected = True
            if self._cut_after is not None and sent + len(chunk) >= self._cut_after:
                client.sendall(chunk[:max(0, self._cut_after - sent)])
                _reset(client)
                return
            sent += len(chunk)
            if self._pass_at_random(chunk, server, client, garbage=True):
                continue
            if self._bytes_a_second:
                step = max(1, self._bytes_a_second // 20)
                for start in range(0, len(chunk), step):
                    client.sendall(chunk[start:start + step])
                    time.sleep(step / self._bytes_a_second)
            else:
                client.sendall(chunk)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


    def _pass_at_random(self, chunk, source, target, garbage):
        """True when the chunk was passed on, in its own way. OSError once the connection is cut."""
        with self._lock:
            chance = self._chance
            if not chance or chance.random() >= self._rate:
                return False
            fault = chance.choice(["delay", "cut", "cut within", "pieces"] + ["garbage"] * garbage)
            place, pause = chance.randrange(len(chunk)), chance.random() / 4
            junk = chance.randbytes(chance.randrange(1, 40))
        if fault == "delay":
            time.sleep(pause)
            target.sendall(chunk)
        elif fault == "pieces":
            for start in range(0, min(len(chunk), 64), 8):
                target.sendall(chunk[start:min(start + 8, 64)])
                time.sleep(0.005)
            target.sendall(chunk[64:])
        elif fault == "garbage":
            target.sendall(chunk[:place] + junk + chunk[place:])
        else:
            if fault == "cut within":
                target.sendall(chunk[:place])
                time.sleep(0.01)  # so that what was sent arrives before the reset
            _reset(source)
            _reset(target)
            raise ConnectionResetError
        return True


def _reset(link):
    """Closes so that the peer sees a reset, not an end of file."""
    with contextlib.suppress(OSError):
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with contextlib.suppress(OSError):
        link.shutdown(socket.SHUT_RD)  # wakes the thread that reads from it
    with contextlib.suppress(OSError):
        link.close()
