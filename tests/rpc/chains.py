"""Gateways in a row: a far one before Dovecot, and relays of every kind before it."""
from conftest import ALICE, BOB, MASTER, MASTER_PASSWORD, NT_HASH, PASSWORD
from harness import people
from harness.mapigate import Mapigate, mailbox_modules
from harness.processes import free_port, private_dir

USERS = [("alice", "Alice Adams"), ("bob", "Bob Brown")]


def rpc_settings(folder):
    accounts = folder / "accounts"
    accounts.write_text(f"{ALICE}:{NT_HASH}\n{BOB}:{NT_HASH}\n")
    accounts.chmod(0o600)
    ports = {name: free_port() for name in ("epm_port", "emsmdb_port", "nspi_port", "rfr_port")}
    return ports, {"address": "127.0.0.1", "accounts": accounts, **ports}


def start_far(certificates, dovecot, name="far", folder=None, ports=None, https_port=None, http=False, http_lifetime=None, auth=None, **settings):
    folder = folder or private_dir(name)
    own_ports, rpc = rpc_settings(folder)
    if http:
        rpc["http"] = True
    if http_lifetime:
        rpc["http_lifetime"] = http_lifetime
    if ports:
        rpc |= ports
        own_ports = ports
    modules = mailbox_modules(dovecot.tls_port, certificates,
                              people=people.write(folder / "people.toml", "example.test", USERS))
    modules["imap"] |= {"master_user": MASTER, "master_password": MASTER_PASSWORD}
    server = Mapigate(certificates, modules, ["mail"], folder=folder, name=name, https_port=https_port,
                      server={"default_domain": "example.test"}, rpc=rpc, **({"auth": auth} if auth else {}), **settings)
    server.rpc = own_ports
    return server


def start_relay(certificates, far, transport, name, **settings):
    """A relay that listens by MAPI/HTTP and by DCE/RPC and hands on to `far` by `transport`."""
    folder = private_dir(name)
    ports, rpc = rpc_settings(folder)
    map_file = folder / "map"
    map_file.write_text(f"# mapped\n{ALICE}:{ALICE}:{PASSWORD}\n{BOB}:{BOB}:{PASSWORD}\n")
    map_file.chmod(0o600)
    upstream = {"type": "relay", "transport": transport, "credentials": "mapped", "map_file": map_file}
    if transport in ("mapihttp", "rpchttp"):
        upstream |= {"url": far.url(), "ca_file": certificates.ca}
    else:
        upstream |= {"server": "127.0.0.1", "epm_port": far.rpc["epm_port"]}
    server = Mapigate(certificates, {"upstream": upstream | settings}, ["upstream"], folder=folder, name=name,
                      server={"default_domain": "example.test"}, rpc=rpc)
    server.rpc = ports
    return server
