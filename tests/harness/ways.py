"""The way by which clients of tests come to a gateway: $MAPIGATE_WAY is
  direct   (default) MAPI over HTTP
  relay    the same, through a relay that is put before each gateway
  rpctcp   DCE/RPC, logged on by NTLM; the gateway goes to the IMAP server as a master user
  rpchttp  DCE/RPC over HTTP, logged on by Basic
Session.logged_on() and Mapigate.client() go it. Tests of what is MAPI over HTTP itself make a Client of their own."""
import os

WAYS = ("direct", "relay", "rpctcp", "rpchttp")
USERS = ("alice", "bob", "carol", "dave", "erin", "frank", "gina", "office")
gateways = {}  # https port: Mapigate with a mailbox


def chosen():
    way = os.environ.get("MAPIGATE_WAY", "direct")
    if way not in WAYS:
        raise ValueError(f"MAPIGATE_WAY={way}: it is one of {', '.join(WAYS)}")
    return way


def rpc_settings(folder, domain, password="secret"):
    """Of a gateway to which everybody in USERS may come."""
    from impacket.ntlm import compute_nthash

    from .processes import free_port
    accounts = folder / "accounts"
    accounts.write_text("".join(f"{user}@{domain}:{compute_nthash(password).hex()}\n" for user in USERS))
    accounts.chmod(0o600)
    return {"address": "127.0.0.1", "accounts": accounts, "http": True,
            **{name: free_port() for name in ("epm_port", "emsmdb_port", "nspi_port", "rfr_port")}}


def entry(port):
    """The HTTPS port that clients of the server at `port` use."""
    gateway = gateways.get(port)
    return gateway.front().https_port if gateway and chosen() == "relay" else port


def client(port, ca_file, user, password, **keywords):
    """The Client for a server whose entry() is `port`."""
    from . import mapihttp
    if port not in gateways or chosen() not in ("rpctcp", "rpchttp"):
        return mapihttp.Client(port, ca_file, user, password, **keywords)
    from . import rpc_client
    return rpc_client.RpcClient(port, ca_file, user, password, gateways[port].arguments["rpc"]["emsmdb_port"], chosen(), **keywords)


def client_options(server):
    """(URL, options) of `mapigate client` to a Mapigate."""
    if server.https_port not in gateways or chosen() == "direct":
        return server.url(), []
    if chosen() == "relay":
        return server.front().url(), []
    if chosen() == "rpchttp":
        return server.url(), ["--transport", "rpchttp", "--rpc-proxy", server.url()]
    return server.url(), ["--transport", "rpctcp", "--epm-port", server.arguments["rpc"]["epm_port"]]
