"""Nothing is left of channels and connections that are killed at any moment, nor of a crowd that waits. Short, but for
MAPIGATE_KILLS=10000 and MAPIGATE_WAITING=2000, which say how many; run_stress does the same and tells numbers."""
import os

import pytest

import stress
from conftest import start_gateway

KILLS = int(os.environ.get("MAPIGATE_KILLS") or 100)
WAITING = int(os.environ.get("MAPIGATE_WAITING") or 40)


@pytest.fixture(scope="module")
def server(certificates, dovecot):
    with start_gateway(certificates, dovecot, "stress", sessions={"max_per_user": 100000}) as gateway:
        yield gateway
        gateway.check_log()


def test_kills(server):
    stress.kills(server, KILLS)


def test_waiting_crowd(server):
    with stress.crowd(server, WAITING) as (links, _):
        metrics = server.metrics()
        assert metrics["mapigate_rpc_http_connections"] == metrics["mapigate_sessions"] == WAITING
        # All wait at once: the one that came first has no answer yet.
        assert all(stress.is_waiting(link) for link in links)
