// Requests to an HTTP server in somebody's name: Basic, or NTLM and Negotiate, which belong to a connection.
#pragma once

#include <memory>
#include <optional>

#include "io/http_client.h"
#include "upstream/security.h"

namespace mapigate::upstream {

enum class HttpAuth : std::uint8_t { basic, ntlm, negotiate };

// The token of a WWW-Authenticate field of this scheme, perhaps empty; none when the scheme is not offered.
std::optional<Bytes> token_in(const io::HttpFields& fields, std::string_view scheme);

// "Basic …" for an Authorization field.
Secret basic_authorization(std::string_view user, const Secret& password);

// An answer whose body is still to be read. Belongs to the executor of who asked.
class HttpAnswer {
 public:
  virtual ~HttpAnswer() = default;
  // The next piece, valid until the next call; empty at the end of the body.
  virtual Task<Result<View>> read(Duration inter_byte) = 0;

  unsigned status = 0;
  io::HttpFields fields;
};

// Belongs to one executor; requests may run side by side.
class HttpIdentity {
 public:
  virtual ~HttpIdentity() = default;
  // The Authorization field is added. Status 401 is for the caller, after all was tried. What `request` borrows has to
  // live until the task ends.
  virtual Task<Result<io::HttpResponse>> request(io::HttpRequest request, io::RequestOptions options) = 0;
  // The same, without waiting for a body and without limit to its length.
  virtual Task<Result<std::unique_ptr<HttpAnswer>>> open(io::HttpRequest request, io::RequestOptions options) = 0;
};

// With NTLM and Negotiate each request that runs beside others has a connection of its own, which stays authenticated;
// they are not the client's shared ones. The server's certificate is bound to the authentication (RFC 5929).
std::shared_ptr<HttpIdentity> make_http_identity(HttpAuth how, std::shared_ptr<io::HttpClient> client, Credentials credentials,
                                                 io::Runtime& runtime);

// The steps of one such authentication, for whoever has a connection in another form: fields "NTLM …" or "Negotiate …".
class HttpHandshake {
 public:
  HttpHandshake(HttpAuth how, Credentials credentials, std::string host, Bytes channel, io::Runtime& runtime);
  // The next Authorization field; `fields` are of the answer with status 401 (none at first). Errc::denied: it does not go on.
  Task<Result<std::string>> next(const io::HttpFields* fields);
  // The answer to the next request can only be a challenge, and a body would be sent in vain.
  bool only_challenge() const;

 private:
  HttpAuth how_;
  std::unique_ptr<SecurityContext> context_;
  Error problem_;
  unsigned steps_ = 0;
};

}  // namespace mapigate::upstream
