#include "upstream/mapi_http_session.h"

#include <openssl/crypto.h>

#include "base/text.h"
#include "wire/mapihttp/preamble.h"

namespace mapigate::upstream {

using wire::mapihttp::ResponseCode;

Secret basic_authorization(std::string_view user, const Secret& password) {
  std::string plain = std::string(user) + ":" + password.reveal();
  std::string encoded = "Basic " + to_base64(as_view(plain));
  const Secret out{encoded};
  OPENSSL_cleanse(plain.data(), plain.size());
  OPENSSL_cleanse(encoded.data(), encoded.size());
  return out;
}

MapiHttpSession::MapiHttpSession(std::shared_ptr<io::HttpClient> client, SessionOptions options)
    : client_(std::move(client)), options_(std::move(options)) {}

io::HttpHeaders MapiHttpSession::headers_for(std::string_view request_type, const chain::ClientInfo& client) const {
  io::HttpHeaders headers;
  headers.add("Content-Type", wire::mapihttp::content_type);
  headers.add("Accept", wire::mapihttp::content_type);
  headers.add("Authorization", options_.authorization.reveal());
  headers.add(wire::mapihttp::header::RequestType, request_type);
  headers.add(wire::mapihttp::header::RequestId, client.request_id);
  headers.add(wire::mapihttp::header::ClientInfo, client.info);
  if (!client.application.empty()) headers.add(wire::mapihttp::header::ClientApplication, client.application);
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
  io::HttpRequest request;
  request.method = "POST";
  request.url = options_.endpoint;
  request.headers = headers_for(chain::to_string(operation), client);
  request.body = body;
  io::RequestOptions limits;
  limits.limit = options_.limit;
  limits.inter_byte = options_.silence;
  limits.body_bytes = options_.max_reply;
  auto response = co_await client_->request(std::move(request), limits);
  if (!response) {
    // A certificate that does not check out is the upstream's trouble, not the user's password.
    Error problem = response.error();
    if (problem.code == Errc::denied) problem.code = Errc::unavailable;
    co_return std::move(problem).within(options_.endpoint.authority());
  }
  co_return read(response->status, response->fields, response->body);
}

}  // namespace mapigate::upstream
