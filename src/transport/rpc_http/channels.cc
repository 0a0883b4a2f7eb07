// The two kinds of channels, each from its request's fields to its end ([MS-RPCH] 2.1.2.1 and 3.2).
#include <charconv>

#include "base/log.h"
#include "base/text.h"
#include "transport/rpc_http/pdu_reader.h"
#include "transport/rpc_http/virtual_connection.h"

namespace mapigate::transport {

namespace {

using rpc_http::InChannel;
using rpc_http::OutChannel;
using rpc_http::VirtualConnection;
namespace rts = wire::rpc::rts;

// "The error code" of a response that is none: [MS-RPCH] 2.1.2.1.3 puts it into the reason.
constexpr std::uint32_t rpc_s_server_unavailable = 0x6ba;
constexpr std::uint32_t rpc_s_server_too_busy = 0x6bb;
constexpr std::uint32_t rpc_s_protocol_error = 0x6c0;
constexpr std::uint32_t rpc_s_access_denied = 0x5;

// Requests so short open no channel: they ask whether somebody is here (2.1.2.1.5 "Echo Request").
constexpr std::uint64_t longest_echo = 0x10;

const io::HttpHeaders& rpc_headers() {
  static const io::HttpHeaders headers{{"Content-Type", "application/rpc"}};
  return headers;
}

io::Task<> refuse(io::HttpExchange& exchange, std::uint32_t code, std::string why) {
  log::warning("RPC over HTTP: {} from {}: {}", exchange.method(), exchange.peer().ip, why);
  exchange.close_after();
  exchange.begin_stream(503, fmt::format("RPC Error: {:x}", code), {}, 0);
  const auto sent = co_await exchange.flush();
  (void)sent;  // whoever asked has gone
}

std::uint32_t code_of(const Error& problem) {
  switch (problem.code) {
    case Errc::limit: return rpc_s_server_too_busy;
    case Errc::denied: return rpc_s_access_denied;
    case Errc::malformed:
    case Errc::conflict: return rpc_s_protocol_error;
    default: return rpc_s_server_unavailable;
  }
}

io::Task<> echo(io::HttpExchange& exchange) {
  for (;;) {
    const auto piece = co_await exchange.read_body(std::chrono::seconds(10));
    if (!piece || piece->empty()) break;
  }
  // 2.1.2.1.6 has the words; finished, it leaves the connection to the channel that follows.
  static const io::HttpHeaders headers{{"Content-Type", "application/rpc"}, {"Connection", "Keep-Alive"}};
  const auto pdu = rts::write(rts::Kind::echo, {});
  exchange.begin_stream(200, "Success", headers, pdu.size());
  exchange.queue(pdu);
  const auto sent = co_await exchange.finish();
  (void)sent;  // whoever asked has gone
}

// "server.example.test:6001"; whatever the server is called, it is here.
std::uint16_t port_of(std::string_view query) {
  const auto colon = query.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return 0;
  std::uint16_t port = 0;
  const auto text = query.substr(colon + 1);
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), port);
  return problem == std::errc() && end == text.data() + text.size() ? port : 0;
}

Result<rts::Pdu> first_pdu(const Result<View>& bytes, Arena& arena) {
  if (!bytes) return bytes.error();
  if (bytes->empty()) return error(Errc::malformed, "an empty channel");
  return rts::read(*bytes, arena);
}

// What a channel's first PDU says: all that is kept of it, for a channel lives for hours.
struct Opening {
  bool fresh = false;  // else a successor's
  rts::RtsCookie connection, predecessor, channel;
  std::uint32_t wanted = 0;  // ReceiveWindowSize or ClientKeepalive
};
Result<Opening> read_opening(const Result<View>& bytes, rts::Kind first, rts::Kind successor, rts::CommandType wanted) {
  Arena arena;
  const auto pdu = first_pdu(bytes, arena);
  if (!pdu) return pdu.error();
  const auto kind = rts::kind_of(*pdu);
  if (kind != first && kind != successor) return error(Errc::malformed, "the channel begins with another PDU");
  Opening opening;
  opening.fresh = kind == first;
  opening.connection = pdu->Commands[1].Cookie;
  opening.channel = pdu->Commands[opening.fresh ? 2 : 3].Cookie;
  if (!opening.fresh) opening.predecessor = pdu->Commands[2].Cookie;
  if (const auto* command = pdu->find(wanted)) opening.wanted = command->Value;
  return opening;
}

// The same for a successor's second one.
bool is_confirmation(const Result<View>& bytes) {
  Arena arena;
  const auto pdu = first_pdu(bytes, arena);
  const auto kind = pdu ? rts::kind_of(*pdu) : std::nullopt;
  return kind == rts::Kind::out_r2_c1 || kind == rts::Kind::out_r1_a11 || kind == rts::Kind::in_r1_b1;
}

// OUT.

// Sends until the channel is replaced or the connection over.
io::Task<> send_all(io::HttpExchange& exchange, std::shared_ptr<VirtualConnection> connection, std::shared_ptr<OutChannel> channel) {
  exchange.on_closed([connection, channel] {
    if (!channel->finished) connection->end("the client closed the OUT channel");
  });
  for (;;) {
    channel->wake.reset();
    const auto batch = connection->take(*channel);
    if (!batch.bytes.empty()) {
      exchange.queue(batch.bytes);
      const auto sent = co_await exchange.flush();
      if (!sent) {
        connection->end(sent.error().message);
        co_return;
      }
      continue;
    }
    if (batch.finished) break;
    const auto awake = co_await channel->wake.wait_for(connection->ping_interval());
    if (awake || !batch.in_use) continue;
    exchange.queue(rts::write(rts::Kind::ping, {}));
    connection->count_ping(*channel);
    const auto sent = co_await exchange.flush();
    if (!sent) connection->end(sent.error().message);
  }
  if (!channel->finished) connection->end("the RPC server has ended it");
}

io::Task<> open_out(io::HttpExchange& exchange, std::shared_ptr<VirtualConnection> connection, std::shared_ptr<OutChannel> channel) {
  if (const auto added = connection->add_out(channel); !added) {
    co_await refuse(exchange, code_of(added.error()), added.error().message);
    co_return;
  }
  exchange.begin_stream(200, "Success", rpc_headers(), connection->options().lifetime);
  co_await send_all(exchange, connection, channel);
}

// The answer begins only once the client has said on this channel that it goes on here (3.2.4.5.10, state C1W).
io::Task<> open_successor(io::HttpExchange& exchange, PduReader& reader, std::shared_ptr<VirtualConnection> connection,
                          std::shared_ptr<OutChannel> channel, rts::RtsCookie predecessor) {
  if (const auto added = connection->add_out_successor(channel, predecessor); !added) {
    connection->end(added.error().message);
    co_await refuse(exchange, code_of(added.error()), added.error().message);
    co_return;
  }
  const auto bytes = co_await reader.next(connection->options().setup_limit);
  if (!is_confirmation(bytes)) {
    connection->end("the successor of the OUT channel was not confirmed");
    co_return;
  }
  const auto until = Clock::now() + connection->options().setup_limit;
  while (!connection->is_default(*channel)) {
    channel->wake.reset();
    const auto awake = co_await channel->wake.wait_for(until - Clock::now());
    if (awake && !connection->ended()) continue;
    connection->end("the successor of the OUT channel did not come into use");
    co_return;
  }
  exchange.begin_stream(200, "Success", rpc_headers(), connection->options().lifetime);
  const auto sent = co_await exchange.flush();
  if (!sent) {
    connection->end(sent.error().message);
    co_return;
  }
  co_await send_all(exchange, connection, channel);
}

io::Task<> serve_out(RpcHttp& owner, io::HttpExchange& exchange, RpcPeer peer, std::uint16_t port) {
  PduReader reader(exchange);
  const auto bytes = co_await reader.next(owner.options().setup_limit);
  const auto opening = read_opening(bytes, rts::Kind::conn_a1, rts::Kind::out_r_a3, rts::CommandType::ReceiveWindowSize);
  if (!opening) {
    co_await refuse(exchange, rpc_s_protocol_error, opening.error().message);
    co_return;
  }
  const auto connection = owner.find(opening->connection, peer, port, opening->fresh);
  if (!connection) {
    co_await refuse(exchange, code_of(connection.error()), connection.error().message);
    co_return;
  }
  // The least that the specification allows; what a client with less would do is not known.
  constexpr std::uint32_t least_window = 8 * 1024;
  (*connection)->join(*peer.identity);
  const auto channel = std::make_shared<OutChannel>(opening->channel, std::max(opening->wanted, least_window));
  channel->abort = exchange.aborter();
  if (opening->fresh) co_await open_out(exchange, *connection, channel);
  else co_await open_successor(exchange, reader, *connection, channel, opening->predecessor);
}

// IN.

io::Task<> receive_all(PduReader& reader, std::shared_ptr<VirtualConnection> connection, std::shared_ptr<InChannel> channel) {
  // Twice what clients are told to stay under.
  const auto silence = 2 * connection->options().timeout;
  while (!channel->finished) {
    const auto pdu = co_await reader.next(silence);
    if (!pdu || pdu->empty()) {
      connection->end(pdu ? "the client ended the IN channel" : pdu.error().message);
      co_return;
    }
    const auto received = co_await connection->receive(channel, *pdu);
    if (!received) {
      connection->end(received.error().message);
      co_return;
    }
  }
}

io::Task<> serve_in(RpcHttp& owner, io::HttpExchange& exchange, RpcPeer peer, std::uint16_t port) {
  PduReader reader(exchange);
  const auto bytes = co_await reader.next(owner.options().setup_limit);
  const auto opening = read_opening(bytes, rts::Kind::conn_b1, rts::Kind::in_r_a1, rts::CommandType::ClientKeepalive);
  if (!opening) {
    co_await refuse(exchange, rpc_s_protocol_error, opening.error().message);
    co_return;
  }
  const bool fresh = opening->fresh;
  const auto connection = owner.find(opening->connection, peer, port, fresh);
  if (!connection) {
    co_await refuse(exchange, code_of(connection.error()), connection.error().message);
    co_return;
  }
  (*connection)->join(*peer.identity);
  const auto channel = std::make_shared<InChannel>(opening->channel);
  channel->abort = exchange.aborter();
  const auto added = fresh ? (*connection)->add_in(channel, opening->wanted, exchange.executor())
                           : (*connection)->add_in_successor(channel, opening->predecessor);
  if (!added) {
    // Who comes with a cookie that is taken is wrong, not the connection whose it is.
    if (!fresh || added.error().code != Errc::conflict) (*connection)->end(added.error().message);
    co_await refuse(exchange, code_of(added.error()), added.error().message);
    co_return;
  }
  if (!fresh) {
    // What comes here follows the predecessor's last PDU.
    const auto ready = co_await channel->wake.wait_for(owner.options().setup_limit);
    if (!ready || !(*connection)->is_default(*channel)) {
      (*connection)->end("the successor of the IN channel did not come into use");
      co_return;
    }
  }
  co_await receive_all(reader, *connection, channel);
}

}  // namespace

io::Task<> RpcHttp::handle(io::HttpExchange& exchange, std::shared_ptr<const chain::Identity> identity) {
  const auto length = exchange.content_length();
  if (length.value_or(0) <= longest_echo && exchange.header("Transfer-Encoding").empty()) {
    co_await echo(exchange);
    co_return;
  }
  const auto port = port_of(exchange.query());
  // Those of RpcServer::connect(): whichever channel comes first hears at once that there is no other.
  if (port != 593 && port != 6001 && port != 6002 && port != 6004) {
    co_await refuse(exchange, rpc_s_server_unavailable, fmt::format("\"{}\" names no server and port that is served", exchange.query()));
    co_return;
  }
  exchange.drop_fields();
  RpcPeer peer{exchange.peer().ip, std::move(identity)};
  if (exchange.method() == "RPC_OUT_DATA") co_await serve_out(*this, exchange, std::move(peer), port);
  else co_await serve_in(*this, exchange, std::move(peer), port);
}

}  // namespace mapigate::transport
