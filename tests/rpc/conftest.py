"""A gateway with DCE/RPC before a Dovecot with a master user; nothing of ours speaks to it but the harness that starts it."""
import pytest

from harness import mailgen, people
from harness.certificates import Certificates
from harness.dovecot import Dovecot
from harness.mapigate import Mapigate, mailbox_modules
from harness.processes import free_port, private_dir

ALICE, BOB, PASSWORD = "alice@example.test", "bob@example.test", "secret"
NT_HASH = "878D8014606CDA29677A44EFA1353FC7"  # of "secret"
MASTER, MASTER_PASSWORD = "gateway", "mastersecret"

DOVECOT_MASTER = """
passdb {{
driver = passwd-file
args = {folder}/masters
master = yes
}}
"""


@pytest.fixture(scope="session")
def certificates():
    return Certificates(private_dir("tls"))


@pytest.fixture(scope="session")
def dovecot(certificates):
    folder = private_dir("dovecot")
    (folder / "masters").write_text(f"{MASTER}:{{PLAIN}}{MASTER_PASSWORD}\n")
    (folder / "masters").chmod(0o644)
    server = Dovecot(certificates, folder=folder, extra=DOVECOT_MASTER.format(folder=folder))
    with server:
        server.seed(ALICE, "INBOX", [mailgen.message(number, large=False).seed() for number in range(12)])
        yield server


def start_gateway(certificates, dovecot, name="rpc", auth=None, sessions=None, **rpc):
    folder = private_dir(name)
    accounts = folder / "accounts"
    accounts.write_text(f"# NT hashes\n{ALICE}:{NT_HASH}\n{BOB}:{NT_HASH}\n")
    accounts.chmod(0o600)
    ports = {"epm_port": free_port(), "emsmdb_port": free_port(), "nspi_port": free_port(), "rfr_port": free_port()}
    book = people.write(folder / "people.toml", "example.test", [("alice", "Alice Adams"), ("bob", "Bob Brown")])
    modules = mailbox_modules(dovecot.tls_port, certificates, people=book)
    modules["imap"] |= {"master_user": MASTER, "master_password": MASTER_PASSWORD}
    server = Mapigate(certificates, modules, ["mail"], folder=folder, name=name, server={"default_domain": "example.test"},
                      rpc={"address": "127.0.0.1", "accounts": accounts, "http": True, **ports, **rpc}, **({"auth": auth} if auth else {}), **({"sessions": sessions} if sessions else {}))
    server.rpc = ports
    return server


@pytest.fixture(scope="session")
def gateway(certificates, dovecot):
    with start_gateway(certificates, dovecot) as server:
        yield server


@pytest.fixture(autouse=True)
def gateway_is_well(request):
    yield
    if "gateway" in request.fixturenames:
        server = request.getfixturevalue("gateway")
        assert server.alive(), f"{server.name} died:\n{server.log()[-4000:]}"
        server.check_log()
