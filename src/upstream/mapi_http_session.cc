#include "upstream/mapi_http_session.h"

#include <openssl/rand.h>

#include "base/text.h"
#include "wire/mapihttp/preamble.h"
#include "wire/rpc/version.h"

namespace mapigate::upstream {

using wire::mapihttp::ResponseCode;

MapiHttpSession::MapiHttpSession(std::shared_ptr<HttpIdentity> identity, SessionOptions options)
    : identity_(std::move(identity)), options_(std::move(options)) {}

io::HttpHeaders MapiHttpSession::headers_for(std::string_view request_type, const chain::ClientInfo& client) {
  if (client.info.empty() && own_info_.empty()) {
    mapi::Guid guid;
    if (RAND_bytes(guid.bytes.data(), static_cast<int>(guid.bytes.size())) == 1) own_info_ = "{" + mapi::to_string(guid) + "}";
  }
  // Name/1.2.3.4 is what servers take ([MS-OXCMAPIHTTP] 2.2.3.3.6); one by DCE/RPC tells it with the first call only.
  if (wire::rpc::parse_version(client.application)) application_ = client.application;
  else if (application_.empty()) application_ = "mapigate/0.1.0.0";
  io::HttpHeaders headers;
  headers.add("Content-Type", wire::mapihttp::content_type);
  headers.add("Accept", wire::mapihttp::content_type);
  headers.add(wire::mapihttp::header::RequestType, request_type);
  headers.add(wire::mapihttp::header::RequestId, client.request_id.empty() ? fmt::format("{}:{}", own_info_, ++requests_) : client.request_id);
  headers.add(wire::mapihttp::header::ClientInfo, client.info.empty() ? own_info_ + ":1" : client.info);
  if (!own_info_.empty()) headers.add(wire::mapihttp::header::ClientApplication, application_);
  else if (!client.application.empty()) headers.add(wire::mapihttp::header::ClientApplication, client.application);
  if (!client.user_agent.empty()) headers.add("User-Agent", client.user_agent);
  if (!cookies_.empty()) headers.add("Cookie", cookies_.header());
  return headers;
}

Result<chain::Reply> MapiHttpSession::read(unsigned status, const io::HttpFields& fields, View body) {
  switch (status) {
    case 200: break;
    case 401:
    case 403: return error(Errc::denied, "{} refuses the credentials (HTTP {})", options_.endpoint.authority(), status);
    case 404: return error(Errc::not_found, "{} has no MAPI over HTTP at {}", options_.endpoint.authority(), options_.endpoint.target);
    case 429: return error(Errc::limit, "{} brakes us (HTTP 429)", options_.endpoint.authority());
    default: return error(Errc::unavailable, "{} answers HTTP {}", options_.endpoint.authority(), status);
  }
  for (std::size_t i = 0; i < fields.size(); ++i)
    if (equal_ignoring_ascii_case(fields[i].name, "Set-Cookie")) cookies_.receive(fields[i].value);
  if (const auto application = fields.get(wire::mapihttp::header::ServerApplication); !application.empty())
    server_application_ = application;
  chain::Reply reply;
  const auto head_code = wire::mapihttp::response_code_from(fields.get(wire::mapihttp::header::ResponseCode));
  if (!head_code) return error(Errc::malformed, "{} answers without X-ResponseCode", options_.endpoint.authority());
  reply.response_code = static_cast<std::uint32_t>(*head_code);
  if (*head_code != ResponseCode::Success) return reply;  // the body is a text for people
  wire::mapihttp::PreambleLimits limits;
  limits.max_payload = options_.max_reply;
  wire::mapihttp::PreambleParser parser(limits);
  auto fed = parser.feed(body);
  if (fed) fed = parser.finish();
  if (!fed) return std::move(fed.error()).within(options_.endpoint.authority());
  reply.response_code = static_cast<std::uint32_t>(parser.response_code().value_or(ResponseCode::Success));
  if (reply.response_code == 0) reply.body = parser.take_payload();
  return reply;
}

Task<Result<chain::Reply>> MapiHttpSession::call(chain::Operation operation, View body, const chain::ClientInfo& client) {
  const auto identity = identity_ == nullptr && options_.pins != nullptr ? options_.pins->identity_of(client.pinned) : identity_;
  if (identity == nullptr) co_return error(Errc::denied, "the client came by a connection on which it did not log on at {}", options_.endpoint.authority());
  io::HttpRequest request;
  request.method = "POST";
  request.url = options_.endpoint;
  request.headers = headers_for(chain::to_string(operation), client);
  request.body = body;
  io::RequestOptions limits;
  limits.limit = options_.limit;
  limits.inter_byte = options_.silence;
  limits.body_bytes = options_.max_reply;
  auto response = co_await identity->request(std::move(request), limits);
  auto reply = response ? read(response->status, response->fields, response->body) : Result<chain::Reply>(response.error());
  if (operation == chain::Operation::Execute) {
    // Without an answer nobody knows whether the sequence cookie that we have still counts. When it turns out that it does
    // not, no later call can succeed, and only a new session helps.
    const bool lost = reply && reply->response_code == static_cast<std::uint32_t>(ResponseCode::InvalidSequence) && adrift_;
    adrift_ = !response;
    if (lost) {
      cookies_.clear();
      reply->response_code = static_cast<std::uint32_t>(ResponseCode::ContextNotFound);
    }
  }
  if (!response) {
    // A certificate that does not check out is the upstream's trouble, not the user's password.
    Error problem = response.error();
    if (problem.code == Errc::denied) problem.code = Errc::unavailable;
    co_return std::move(problem).within(options_.endpoint.authority());
  }
  co_return reply;
}

}  // namespace mapigate::upstream
