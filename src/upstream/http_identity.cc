#include "upstream/http_identity.h"

#include <openssl/crypto.h>

#include <list>

#include "base/text.h"

namespace mapigate::upstream {

Secret basic_authorization(std::string_view user, const Secret& password) {
  std::string plain = std::string(user) + ":" + password.reveal();
  std::string encoded = "Basic " + to_base64(as_view(plain));
  const Secret out{encoded};
  OPENSSL_cleanse(plain.data(), plain.size());
  OPENSSL_cleanse(encoded.data(), encoded.size());
  return out;
}

namespace {

std::string_view scheme_of(HttpAuth how) { return how == HttpAuth::ntlm ? "NTLM" : "Negotiate"; }

}  // namespace

std::optional<Bytes> token_in(const io::HttpFields& fields, std::string_view scheme) {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (!equal_ignoring_ascii_case(fields[i].name, "WWW-Authenticate")) continue;
    const std::string_view value = fields[i].value;
    if (value.size() < scheme.size() || !equal_ignoring_ascii_case(value.substr(0, scheme.size()), scheme)) continue;
    if (value.size() == scheme.size()) return Bytes();
    Bytes token;
    if (value[scheme.size()] == ' ' && from_base64(trim(value.substr(scheme.size() + 1)), token)) return token;
  }
  return {};
}

namespace {

class Download final : public HttpAnswer {
 public:
  explicit Download(io::HttpDownload download) : download_(std::move(download)) {
    status = download_.status();
    fields = download_.take_fields();
  }
  Task<Result<View>> read(Duration inter_byte) override { return download_.read(inter_byte); }

 private:
  io::HttpDownload download_;
};

class BasicIdentity final : public HttpIdentity {
 public:
  BasicIdentity(std::shared_ptr<io::HttpClient> client, const Credentials& credentials)
      : client_(std::move(client)), authorization_(basic_authorization(credentials.user, credentials.password)) {}

  Task<Result<io::HttpResponse>> request(io::HttpRequest request, io::RequestOptions options) override {
    request.headers.add("Authorization", authorization_.reveal());
    return client_->request(std::move(request), options);
  }

  Task<Result<std::unique_ptr<HttpAnswer>>> open(io::HttpRequest request, io::RequestOptions options) override {
    request.headers.add("Authorization", authorization_.reveal());
    auto begun = co_await client_->open(std::move(request), options);
    if (!begun) co_return begun.error();
    std::unique_ptr<HttpAnswer> answer = std::make_unique<Download>(std::move(*begun));
    co_return answer;
  }

 private:
  std::shared_ptr<io::HttpClient> client_;
  Secret authorization_;
};

class BoundIdentity final : public HttpIdentity, public std::enable_shared_from_this<BoundIdentity> {
 public:
  BoundIdentity(HttpAuth how, std::shared_ptr<io::HttpClient> client, Credentials credentials, io::Runtime& runtime)
      : how_(how), client_(std::move(client)), credentials_(std::move(credentials)), runtime_(runtime) {}

  Task<Result<io::HttpResponse>> request(io::HttpRequest request, io::RequestOptions options) override {
    std::unique_ptr<io::HttpClientConnection> connection;
    auto response = co_await authenticated(std::move(request), options, false, &connection);
    if (response && response->status != 401) keep(std::move(connection));
    co_return response;
  }

  Task<Result<std::unique_ptr<HttpAnswer>>> open(io::HttpRequest request, io::RequestOptions options) override {
    auto answer = std::make_unique<Answer>(shared_from_this());
    auto head = co_await authenticated(std::move(request), options, true, &answer->connection);
    if (!head) co_return head.error();
    answer->status = head->status;
    answer->fields = std::move(head->fields);
    std::unique_ptr<HttpAnswer> made = std::move(answer);
    co_return made;
  }

 private:
  struct Answer final : HttpAnswer {
    explicit Answer(std::shared_ptr<BoundIdentity> identity) : owner(std::move(identity)) {}
    Task<Result<View>> read(Duration inter_byte) override {
      if (connection == nullptr) co_return View();
      auto piece = co_await connection->read(inter_byte);
      if (piece && piece->empty()) owner->keep(std::move(connection));
      co_return piece;
    }
    std::shared_ptr<BoundIdentity> owner;
    std::unique_ptr<io::HttpClientConnection> connection;
  };

  // One request on a connection; `streamed`: the body is left to be read, but for that of a challenge, which is for nobody.
  static Task<Result<io::HttpResponse>> attempt_on(io::HttpClientConnection* connection, io::HttpRequest request, io::RequestOptions options,
                                                   bool streamed) {
    if (!streamed) co_return co_await connection->request(std::move(request), options);
    auto head = co_await connection->open(std::move(request), options);
    if (!head || head->status != 401) co_return head;
    for (std::size_t size = 0;;) {
      auto piece = co_await connection->read(options.inter_byte);
      if (!piece) co_return piece.error();
      if (piece->empty()) co_return head;
      size += piece->size();
      if (size > options.body_bytes) co_return error(Errc::limit, "a refusal that does not end");
    }
  }

  // What came of the request, and on which connection.
  Task<Result<io::HttpResponse>> authenticated(io::HttpRequest request, io::RequestOptions options, bool streamed,
                                               std::unique_ptr<io::HttpClientConnection>* used) {
    auto& connection = *used;
    while (!idle_.empty() && connection == nullptr) {
      connection = std::move(idle_.back());
      idle_.pop_back();
      if (!connection->is_open() || !connection->stream().is_quiet()) connection.reset();
    }
    if (connection != nullptr) {
      auto again = request;
      auto response = co_await attempt_on(connection.get(), std::move(again), options, streamed);
      if (!response || response->status != 401) co_return response;
      // It has forgotten us.
      if (!connection->is_open()) connection.reset();
    }
    if (connection == nullptr) {
      auto made = co_await client_->dedicate(request.url);
      if (!made) co_return made.error();
      connection = std::move(*made);
    }
    HttpHandshake handshake(how_, credentials_, request.url.host, connection->stream().tls_server_end_point(), runtime_);
    auto field = co_await handshake.next(nullptr);
    for (;;) {
      if (!field) co_return field.error();
      auto attempt = request;
      if (handshake.only_challenge()) attempt.body = View();
      attempt.headers.add("Authorization", *field);
      auto response = co_await attempt_on(connection.get(), std::move(attempt), options, streamed);
      if (!response || response->status != 401) co_return response;
      if (!connection->is_open()) co_return response;
      field = co_await handshake.next(&response->fields);
      if (!field && field.error().code == Errc::denied) co_return response;
    }
  }

  void keep(std::unique_ptr<io::HttpClientConnection> connection) {
    constexpr std::size_t most = 4;  // a call, a wait, and what happens to run beside
    if (connection->is_open() && idle_.size() < most) idle_.push_back(std::move(connection));
  }

  HttpAuth how_;
  std::shared_ptr<io::HttpClient> client_;
  Credentials credentials_;
  io::Runtime& runtime_;
  std::vector<std::unique_ptr<io::HttpClientConnection>> idle_;
};

}  // namespace

HttpHandshake::HttpHandshake(HttpAuth how, Credentials credentials, std::string host, Bytes channel, io::Runtime& runtime) : how_(how) {
  auto made = make_security_context(how == HttpAuth::ntlm ? AuthType::ntlm : AuthType::spnego, std::move(credentials),
                                    {"HTTP", std::move(host), false, std::move(channel)}, runtime);
  if (made) context_ = std::move(*made);
  else problem_ = made.error();
}

Task<Result<std::string>> HttpHandshake::next(const io::HttpFields* fields) {
  if (context_ == nullptr) co_return problem_;
  Bytes token;
  if (fields != nullptr) {
    const auto found = token_in(*fields, scheme_of(how_));
    if (!found) co_return error(Errc::denied, "the server does not offer {}", scheme_of(how_));
    if (found->empty() || context_->established()) co_return error(Errc::denied, "the server refuses the credentials");
    token = *found;
  }
  auto made = co_await context_->step(std::move(token));
  if (!made) co_return made.error();
  ++steps_;
  co_return std::string(scheme_of(how_)) + " " + to_base64(*made);
}

bool HttpHandshake::only_challenge() const { return how_ == HttpAuth::ntlm && steps_ == 1; }

std::shared_ptr<HttpIdentity> make_http_identity(HttpAuth how, std::shared_ptr<io::HttpClient> client, Credentials credentials,
                                                 io::Runtime& runtime) {
  if (how == HttpAuth::basic) return std::make_shared<BasicIdentity>(std::move(client), credentials);
  return std::make_shared<BoundIdentity>(how, std::move(client), std::move(credentials), runtime);
}

}  // namespace mapigate::upstream
