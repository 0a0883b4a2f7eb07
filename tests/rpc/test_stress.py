"""Short forms of run_stress: nothing is left of channels that are killed at any moment, nor of a crowd that waits."""
import contextlib

import pytest

import stress
from conftest import start_gateway


@pytest.fixture(scope="module")
def server(certificates, dovecot):
    with start_gateway(certificates, dovecot, "stress", sessions={"max_per_user": 1000}) as gateway:
        yield gateway
        gateway.check_log()


def test_kills(server):
    stress.kill_beside(server, 20)
    files = server.open_files()
    stress.kill_beside(server, 100)
    assert server.open_files() <= files + 4


def test_waiting_crowd(server):
    links = []
    with contextlib.ExitStack() as stack:
        for _ in range(40):
            stress.wait_in(server, links)
            stack.callback(links[-1].close)
        metrics = server.metrics()
        assert metrics["mapigate_rpc_http_connections"] == metrics["mapigate_sessions"] == 40
    stress.settle(server)
