// TLS settings for both sides, from PEM files. A context may be shared by all
// threads; connections keep what they were made with when it is reloaded.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"

struct ssl_ctx_st;
struct ssl_st;

namespace mapigate::io {

enum class TlsVersion { tls1_0, tls1_1, tls1_2, tls1_3 };

struct TlsServerOptions {
  std::string certificate_file;  // PEM, the chain with the server's own first
  std::string key_file;          // PEM, not encrypted
  TlsVersion minimum = TlsVersion::tls1_2;
  std::string ciphers;           // OpenSSL's list for TLS 1.2 and older; empty = the library's
};

class TlsServerContext {
 public:
  static Result<std::shared_ptr<TlsServerContext>> create(TlsServerOptions options);
  // Reads the files again. On an error the old certificate stays in use.
  // Tickets given out before stay good.
  Status reload();

  std::shared_ptr<ssl_ctx_st> current() const;

 private:
  struct Impl;
  explicit TlsServerContext(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl> impl_;
};

struct TlsClientOptions {
  enum class Verify { system, ca_file, off };
  Verify verify = Verify::system;
  std::string ca_file;           // PEM, for Verify::ca_file
  std::string certificate_file;  // a client certificate, if the server asks for one
  std::string key_file;
  TlsVersion minimum = TlsVersion::tls1_2;
  bool resume = true;            // keep sessions for the next connection to the same host and port
};

class TlsClientContext {
 public:
  static Result<std::shared_ptr<TlsClientContext>> create(TlsClientOptions options);
  const TlsClientOptions& options() const;

  // A session for one connection to `host` (a name, or an IP address as text,
  // which is looked for in the certificate's IP names).
  Result<ssl_st*> make_session(const std::string& host, std::uint16_t port) const;

 private:
  struct Impl;
  explicit TlsClientContext(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl> impl_;
};

}  // namespace mapigate::io
