"""What the benchmarks share: processor time and memory of process groups, nginx, printing ratios."""
import os
import pathlib
import resource

from harness.processes import Daemon, free_port, group_members, is_listening, private_dir

_TICK = os.sysconf("SC_CLK_TCK")


def processor_seconds(group):
    """User and system seconds of all processes of a group so far."""
    total = 0
    for pid in group_members(group):
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += int(fields[11]) + int(fields[12])
    return total / _TICK


def resident_bytes(group):
    """Proportional resident memory of all processes of a group: shared pages are counted once."""
    total = 0
    for pid in group_members(group):
        try:
            lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue  # has ended since it was listed
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def raise_file_limit(wanted):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, wanted)), hard))


def row(what, ours, theirs, unit, peer, higher_is_better):
    """Prints one comparison and returns it; ratio above 1 means mapigate is better."""
    ratio = (ours / theirs if higher_is_better else theirs / ours) if ours and theirs else 0.0
    print(f"  {what:44} mapigate {ours:12.1f} {unit}   {peer} {theirs:12.1f} {unit}   ratio {ratio:.2f}", flush=True)
    return {"what": what, "mapigate": ours, "peer": theirs, "unit": unit, "peer_name": peer, "ratio": ratio}


_NGINX = """worker_processes {workers};
daemon off;
pid {folder}/pid;
error_log {folder}/error.log warn;
worker_rlimit_nofile 20000;
events {{ worker_connections 8192; }}
http {{
access_log off;
server_tokens off;
client_body_temp_path {folder}/body;
proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi;
scgi_temp_path {folder}/scgi;
keepalive_requests 100000000;
keepalive_timeout 600;
client_max_body_size 100m;
ssl_certificate {certificate};
ssl_certificate_key {key};
{http}
}}
"""


class Nginx:
    """nginx with `http` as the content of its http block, in a folder of its own."""

    def __init__(self, certificates, http, port=None, workers=2):
        self.folder = private_dir("nginx")
        self.folder.chmod(0o755)
        self.port = port or free_port()
        self.config = self.folder / "nginx.conf"
        self.config.write_text(_NGINX.format(folder=self.folder, certificate=certificates.certificate,
                                             key=certificates.key, http=http.replace("@PORT@", str(self.port))
                                             .replace("@FOLDER@", str(self.folder)), workers=workers))

    def __enter__(self):
        self.daemon = Daemon(["/usr/sbin/nginx", "-c", self.config, "-e", self.folder / "error.log"], self.folder,
                             "nginx")
        self.daemon.wait_ready(lambda: is_listening(self.port), f"nginx listens on {self.port}")
        return self

    def __exit__(self, *_):
        self.daemon.stop()
