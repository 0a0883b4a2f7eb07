"""Starts and stops the demo's servers. They outlive this program; build/demo/state.json says what runs."""
import contextlib
import json
import os
import pathlib
import shutil
import socket
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from harness import kerberos, mailgen, managesieve, people, postfix, radicale  # noqa: E402
from harness.certificates import Certificates  # noqa: E402
from harness.dovecot import Dovecot  # noqa: E402
from harness.mapigate import Mapigate, mailbox_modules  # noqa: E402
from harness.processes import TOP, HarnessError, end_group, free_port, group_members, is_listening  # noqa: E402

FOLDER = TOP / "build" / "demo"
STATE = FOLDER / "state.json"
ENV = FOLDER / "env"
DOMAIN = "example.test"
USER1, USER2, PASSWORD = f"alice@{DOMAIN}", f"bob@{DOMAIN}", "secret"
REALM, NT_DOMAIN = "EXAMPLE.TEST", "EXAMPLE"
NT_HASH = "878D8014606CDA29677A44EFA1353FC7"  # of PASSWORD
# The gateway's way to the servers of somebody who showed a ticket or NTLM instead of a password; in the calendars it is a user.
MASTER, MASTER_PASSWORD = "gateway", "mastersecret"
MASTERS = """
passdb {{
driver = passwd-file
args = {folder}/masters
master = yes
}}
"""
PROGRAM = TOP / "build" / "quick" / "src" / "daemon" / "mapigate"
# Raise when the sample mail changes: the next `up` then seeds afresh.
MAIL_VERSION = "1"
LAYOUT = [("INBOX", 0, 2400), ("Sent", 3000, 200), ("Archive", 4000, 400), ("Projekte/Übung & Co", 5000, 60),
          ("Projekte/日本", 5200, 20), ("Lists/announce", 6000, 300)]


def load():
    with contextlib.suppress(OSError, ValueError):
        return json.loads(STATE.read_text())
    return {}


def save(state):
    FOLDER.mkdir(parents=True, exist_ok=True)
    STATE.write_text(json.dumps(state, indent=1))


def started_at(pid):
    """The start time the kernel gives a process: with the id it names one process for good."""
    with contextlib.suppress(OSError, IndexError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    return None


def reachable_by_all(path):
    """Whether a server that dropped its privileges can get there."""
    return all(parent.stat().st_mode & 0o001 for parent in [path, *path.parents])


def backend_folder(state):
    """Dovecot's folder: build/demo/dovecot, or one under /tmp where that path is too long or closed to others."""
    known = state.get("backend")
    if known and pathlib.Path(known).is_dir():
        return pathlib.Path(known)
    folder = FOLDER / "dovecot"
    if len(str(folder)) > 60 or (os.geteuid() == 0 and not reachable_by_all(FOLDER)):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="mg-demo-", dir="/tmp"))
    folder.mkdir(exist_ok=True)
    folder.chmod(0o711)
    return folder


def ports(state):
    """The ports of the last time if they are free, else new ones."""
    names = ("IMAP_PORT", "IMAPS_PORT", "LMTP_PORT", "SMTP_PORT", "SIEVE_PORT", "CALENDAR_PORT", "HTTPS_PORT", "METRICS_PORT", "RPC_PORT", "KDC_PORT",
             "RELAY_HTTPS_PORT", "RELAY_METRICS_PORT")
    old = state.get("ports", {})
    return {name: old[name] if name in old and not is_listening(old[name]) else free_port() for name in names}


def mapper_port():
    """135, where clients look for the endpoint mapper, if this user may listen there; else any."""
    with contextlib.suppress(OSError), socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 135))
        return 135
    return free_port()


def gateway_settings(chosen, kdc):
    """Every transport and every way to log on."""
    accounts = FOLDER / "accounts"
    accounts.touch(0o600)
    accounts.write_text("".join(f"{user}:{NT_HASH}\n" for user in (USER1, USER2)))
    schemes = {"schemes": ["negotiate", "ntlm", "basic"], "realm": REALM}
    if kdc:
        schemes["keytab"] = kdc.keytab
    port = chosen["RPC_PORT"]
    return {"server": {"default_domain": DOMAIN}, "auth": schemes,
            "rpc": {"address": "127.0.0.1", "http": True, "nt_domain": NT_DOMAIN, "accounts": accounts,
                    "epm_port": chosen["EPM_PORT"], "emsmdb_port": port, "nspi_port": port, "rfr_port": port}}


def seed(dovecot, state, started):
    if state.get("mail") == MAIL_VERSION:
        print(f"  mail is there from the last time: {dovecot.count(USER1)} messages in the inbox")
        return
    total = 0

    def show(folder, count):
        print(f"  {folder}: {count} messages ({time.monotonic() - started:.0f} s)", flush=True)

    for folder, first, count in LAYOUT:
        dovecot.seed(USER1, folder, (message.seed() for message in mailgen.messages(count, first)))
        total += count
        show(folder, count)
    for folder, messages in (("Broken", [data for _, data in mailgen.broken()]),
                             ("Corpora", [data for _, data in mailgen.corpus_messages()])):
        if messages:
            dovecot.seed(USER1, folder, messages)
            total += len(messages)
            show(folder, len(messages))
        else:
            print(f"  {folder}: skipped, no corpora here (MAPIGATE_CORPORA names their folder)")
    dovecot.seed(USER2, "INBOX", (message.seed() for message in mailgen.messages(50, 9000)))
    state["mail"] = MAIL_VERSION
    save(state)
    print(f"  {total + 50} messages in all")


def up():
    down(quiet=True)
    started = time.monotonic()
    FOLDER.mkdir(parents=True, exist_ok=True)
    state = load()
    state["ports"] = chosen = ports(state)
    folder = backend_folder(state)
    state["backend"] = str(folder)
    if state.get("mail") != MAIL_VERSION:
        shutil.rmtree(folder / "home", ignore_errors=True)
        shutil.rmtree(FOLDER / "gateway", ignore_errors=True)
    certificates = Certificates(folder / "tls", DOMAIN)
    shutil.copy(certificates.ca, FOLDER / "ca.pem")
    state["running"] = []

    def remember(name, daemon):
        state["running"].append({"name": name, "pid": daemon.pid, "started": started_at(daemon.pid)})
        save(state)

    print(f"Dovecot in {folder}")
    sends = postfix.available()
    (folder / "masters").write_text(f"{MASTER}:{{PLAIN}}{MASTER_PASSWORD}\n")
    (folder / "masters").chmod(0o644)
    extra = MASTERS.format(folder=folder) + (postfix.mail_services(chosen["LMTP_PORT"]) if sends else "")
    if managesieve.available():
        extra += managesieve.services(chosen["SIEVE_PORT"], "imap lmtp sieve" if sends else "imap sieve")
    else:
        chosen.pop("SIEVE_PORT")
    dovecot = Dovecot(certificates, [USER1, USER2], PASSWORD, folder, chosen["IMAP_PORT"], chosen["IMAPS_PORT"],
                      detached=True, extra=extra)
    dovecot.start()
    remember("dovecot", dovecot.daemon)
    if sends:
        mailer = postfix.Postfix(certificates, dovecot, chosen["LMTP_PORT"], [USER1, USER2], DOMAIN,
                                 folder / "postfix", chosen["SMTP_PORT"])
        mailer.start()
        state["postfix"] = str(mailer.folder)
        save(state)
        print(f"Postfix in {mailer.folder}, delivering into it")
    else:
        chosen.pop("SMTP_PORT")
        print("  no Postfix: that needs root and its package. Nothing can be sent.")
    if radicale.available():
        calendars = radicale.Radicale([USER1, USER2, MASTER], PASSWORD, "authenticated", FOLDER / "radicale", chosen["CALENDAR_PORT"], detached=True)
        calendars.start()
        remember("radicale", calendars.daemon)
        calendars.calendar(USER2, "work", ["DTSTART;TZID=Europe/Berlin:20240102T090000", "DTEND;TZID=Europe/Berlin:20240102T100000",
                                           "RRULE:FREQ=WEEKLY;BYDAY=TU", "SUMMARY:Jour fixe"])
        print("Radicale, with a calendar of USER2")
    else:
        chosen.pop("CALENDAR_PORT")
    seed(dovecot, state, started)
    print("mapigate: the gateway, and a relay before it")
    book = people.write(FOLDER / "people.toml", DOMAIN, [("alice", "Alice Adams"), ("bob", "Bob Brown")])
    kdc = None
    if kerberos.available():
        kdc = kerberos.Kdc(REALM, {user.split("@")[0]: PASSWORD for user in (USER1, USER2)}, FOLDER / "kdc", chosen["KDC_PORT"], detached=True)
        kdc.start()
        remember("krb5kdc", kdc.daemon)
    else:
        chosen.pop("KDC_PORT")
        print("  no KDC: that needs the packages krb5-kdc, krb5-admin-server and krb5-user. Nobody has a ticket.")
    chosen["EPM_PORT"] = mapper_port()
    modules = mailbox_modules(chosen["IMAPS_PORT"], certificates, smtp_port=chosen.get("SMTP_PORT"), people=book,
                              sieve={"port": chosen["SIEVE_PORT"]} if "SIEVE_PORT" in chosen else None,
                              freebusy={"url": f"http://127.0.0.1:{chosen['CALENDAR_PORT']}/%u/", "user": MASTER,
                                        "password": PASSWORD} if "CALENDAR_PORT" in chosen else None)
    for name in {"imap", "smtp", "sieve"} & modules.keys():
        modules[name] |= {"master_user": MASTER, "master_password": MASTER_PASSWORD}
    gateway = Mapigate(certificates, modules, ["mail"], folder=FOLDER / "gateway", program=PROGRAM,
                       https_port=chosen["HTTPS_PORT"], metrics_port=chosen["METRICS_PORT"], name="gateway",
                       detached=True, **gateway_settings(chosen, kdc))
    gateway.start()
    remember("gateway", gateway.daemon)
    relay = Mapigate.relay(certificates, chosen["HTTPS_PORT"], folder=FOLDER / "relay", program=PROGRAM,
                           https_port=chosen["RELAY_HTTPS_PORT"], metrics_port=chosen["RELAY_METRICS_PORT"],
                           detached=True)
    relay.start()
    remember("relay", relay.daemon)
    values = {**chosen, "CA_FILE": FOLDER / "ca.pem", "DOMAIN": DOMAIN, "USER1": USER1, "USER2": USER2,
              "PASSWORD": PASSWORD, "NT_DOMAIN": NT_DOMAIN, "REALM": REALM, "MAPIGATE": PROGRAM}
    if kdc:
        values |= {"KRB5_CONFIG": kdc.config, "KEYTAB": kdc.keytab}
    ENV.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    print(f"up in {time.monotonic() - started:.0f} s; ports, users and CA file are in {ENV.relative_to(TOP)}")
    print(f"  try: MAPIGATE_PASSWORD={PASSWORD} {PROGRAM.relative_to(TOP)} client --user {USER1} "
          f"--server {gateway.url()} --ca-file build/demo/ca.pem folders")


def down(quiet=False):
    state = load()
    hard = []
    for entry in reversed(state.get("running", [])):
        pid = entry["pid"]
        if started_at(pid) != entry["started"] and not (started_at(pid) is None and group_members(pid)):
            continue
        if not end_group(pid, 20.0):
            hard.append(entry["name"])
        elif not quiet:
            print(f"{entry['name']} stopped")
    if mailer := state.pop("postfix", None):
        postfix.stop_in(mailer)
        if not quiet:
            print("postfix stopped")
    if state:
        state["running"] = []
        save(state)
    ENV.unlink(missing_ok=True)
    if hard:
        raise HarnessError(f"{', '.join(hard)} did not stop on TERM and was killed")


def main():
    actions = {"up": up, "down": down}
    if len(sys.argv) != 2 or sys.argv[1] not in actions:
        sys.exit("usage: servers.py up|down")
    try:
        actions[sys.argv[1]]()
    except HarnessError as error:
        if sys.argv[1] == "up":
            with contextlib.suppress(HarnessError):
                down(quiet=True)
        sys.exit(f"demo: {error}")


main()
