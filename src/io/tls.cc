#include "io/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <boost/asio/ip/address.hpp>
#include <map>
#include <mutex>

#include "base/log.h"

namespace mapigate::io {

namespace {

std::string openssl_reason() {
  std::string text;
  while (auto code = ERR_get_error()) {
    std::array<char, 256> line;
    ERR_error_string_n(code, line.data(), line.size());
    if (!text.empty()) text += "; ";
    text += line.data();
  }
  return text.empty() ? "no reason given" : text;
}

int to_openssl(TlsVersion version) {
  switch (version) {
    case TlsVersion::tls1_0: return TLS1_VERSION;
    case TlsVersion::tls1_1: return TLS1_1_VERSION;
    case TlsVersion::tls1_2: return TLS1_2_VERSION;
    case TlsVersion::tls1_3: return TLS1_3_VERSION;
  }
  return TLS1_2_VERSION;
}

using ContextPtr = std::shared_ptr<SSL_CTX>;

ContextPtr new_context(const SSL_METHOD* method, TlsVersion minimum) {
  ContextPtr context(SSL_CTX_new(method), SSL_CTX_free);
  if (!context) return context;
  SSL_CTX* c = context.get();
  // Buffers go back while a connection is idle: 34 KiB each otherwise. Reading
  // ahead takes a record's head and body with one system call.
  SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(c, 1);
  SSL_CTX_set_options(c, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // OpenSSL 3 refuses SHA-1 signatures, which TLS 1.0 and 1.1 are made of, above level 0.
  if (minimum < TlsVersion::tls1_2) SSL_CTX_set_security_level(c, 0);
  SSL_CTX_set_min_proto_version(c, to_openssl(minimum));
  return context;
}

Status use_certificate(SSL_CTX* context, const std::string& certificate_file, const std::string& key_file) {
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) != 1) {
    return error(Errc::not_found, "certificate file {}: {}", certificate_file, openssl_reason());
  }
  if (SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return error(Errc::not_found, "key file {}: {}", key_file, openssl_reason());
  }
  if (SSL_CTX_check_private_key(context) != 1) {
    return error(Errc::conflict, "key file {} does not belong to certificate {}", key_file, certificate_file);
  }
  return {};
}

Result<ContextPtr> make_server_context(const TlsServerOptions& options) {
  auto context = new_context(TLS_server_method(), options.minimum);
  if (!context) return error(Errc::internal, "TLS: {}", openssl_reason());
  SSL_CTX* c = context.get();
  if (auto used = use_certificate(c, options.certificate_file, options.key_file); !used) return used.error();
  if (!options.ciphers.empty() && SSL_CTX_set_cipher_list(c, options.ciphers.c_str()) != 1) {
    return error(Errc::malformed, "TLS ciphers '{}': {}", options.ciphers, openssl_reason());
  }
  static constexpr unsigned char id[] = "mapigate";
  SSL_CTX_set_session_id_context(c, id, sizeof id - 1);
  // Tickets do for most; the cache is for clients that resume by session id only.
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_SERVER);
  SSL_CTX_sess_set_cache_size(c, 2048);
  SSL_CTX_set_timeout(c, 3600);
  SSL_CTX_set_num_tickets(c, 1);
  return context;
}

}  // namespace

struct TlsServerContext::Impl {
  TlsServerOptions options;
  mutable std::mutex mutex;
  ContextPtr context;
};

Result<std::shared_ptr<TlsServerContext>> TlsServerContext::create(TlsServerOptions options) {
  auto context = make_server_context(options);
  if (!context) return context.error();
  auto impl = std::make_shared<Impl>();
  impl->options = std::move(options);
  impl->context = *context;
  return std::shared_ptr<TlsServerContext>(new TlsServerContext(std::move(impl)));
}

Status TlsServerContext::reload() {
  auto context = make_server_context(impl_->options);
  if (!context) return context.error();
  auto old = current();
  std::array<unsigned char, 128> keys;
  auto size = SSL_CTX_get_tlsext_ticket_keys(old.get(), nullptr, 0);
  if (size > 0 && size <= static_cast<long>(keys.size()) &&
      SSL_CTX_get_tlsext_ticket_keys(old.get(), keys.data(), size) == 1) {
    SSL_CTX_set_tlsext_ticket_keys(context->get(), keys.data(), size);
  }
  OPENSSL_cleanse(keys.data(), keys.size());
  std::lock_guard lock(impl_->mutex);
  impl_->context = *context;
  return {};
}

std::shared_ptr<ssl_ctx_st> TlsServerContext::current() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->context;
}

struct TlsClientContext::Impl {
  struct FreeSession {
    void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
  };

  TlsClientOptions options;
  ContextPtr context;
  std::mutex mutex;
  std::map<std::string, std::unique_ptr<SSL_SESSION, FreeSession>, std::less<>> sessions;

  // OpenSSL's slots for our pointers: the context's owner, and the session's "host:port".
  static int owner_slot() {
    static const int slot = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return slot;
  }
  static int origin_slot() {
    static const int slot = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr,
                                                 [](void*, void* origin, CRYPTO_EX_DATA*, int, long, void*) {
                                                   delete static_cast<std::string*>(origin);
                                                 });
    return slot;
  }

  static int keep_session(SSL* ssl, SSL_SESSION* session) {
    auto* owner = static_cast<Impl*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), owner_slot()));
    auto* origin = static_cast<std::string*>(SSL_get_ex_data(ssl, origin_slot()));
    if (!owner || !origin) return 0;
    std::lock_guard lock(owner->mutex);
    constexpr std::size_t most = 1000;
    if (owner->sessions.size() >= most && !owner->sessions.contains(*origin)) owner->sessions.clear();
    owner->sessions[*origin].reset(session);
    return 1;  // the reference is ours now
  }
};

Result<std::shared_ptr<TlsClientContext>> TlsClientContext::create(TlsClientOptions options) {
  auto impl = std::make_shared<Impl>();
  impl->context = new_context(TLS_client_method(), options.minimum);
  if (!impl->context) return error(Errc::internal, "TLS: {}", openssl_reason());
  SSL_CTX* c = impl->context.get();
  ERR_clear_error();
  switch (options.verify) {
    case TlsClientOptions::Verify::system:
      if (SSL_CTX_set_default_verify_paths(c) != 1) {
        return error(Errc::not_found, "the system's certificates: {}", openssl_reason());
      }
      break;
    case TlsClientOptions::Verify::ca_file:
      if (SSL_CTX_load_verify_file(c, options.ca_file.c_str()) != 1) {
        return error(Errc::not_found, "CA file {}: {}", options.ca_file, openssl_reason());
      }
      break;
    case TlsClientOptions::Verify::off: break;
  }
  SSL_CTX_set_verify(c, options.verify == TlsClientOptions::Verify::off ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
  if (!options.certificate_file.empty()) {
    if (auto used = use_certificate(c, options.certificate_file, options.key_file); !used) return used.error();
  }
  if (options.resume) {
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_ex_data(c, Impl::owner_slot(), impl.get());
    SSL_CTX_sess_set_new_cb(c, Impl::keep_session);
  }
  impl->options = std::move(options);
  return std::shared_ptr<TlsClientContext>(new TlsClientContext(std::move(impl)));
}

const TlsClientOptions& TlsClientContext::options() const { return impl_->options; }

Result<ssl_st*> TlsClientContext::make_session(const std::string& host, std::uint16_t port) const {
  ERR_clear_error();
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(impl_->context.get()), SSL_free);
  if (!ssl) return error(Errc::internal, "TLS: {}", openssl_reason());
  boost::system::error_code no_address;
  boost::asio::ip::make_address(host, no_address);
  bool verify = impl_->options.verify != TlsClientOptions::Verify::off;
  if (!no_address) {
    if (verify && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), host.c_str()) != 1) {
      return error(Errc::malformed, "TLS: '{}' is no address to verify", host);
    }
  } else {
    if (verify && (host.empty() || SSL_set1_host(ssl.get(), host.c_str()) != 1)) {
      return error(Errc::malformed, "TLS: '{}' is no host name to verify", host);
    }
    SSL_set_hostflags(ssl.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SSL_set_tlsext_host_name(ssl.get(), host.c_str());
  }
  if (impl_->options.resume) {
    auto origin = std::make_unique<std::string>(host + ':' + std::to_string(port));
    std::lock_guard lock(impl_->mutex);
    if (auto found = impl_->sessions.find(*origin); found != impl_->sessions.end()) {
      SSL_set_session(ssl.get(), found->second.get());
      // TLS 1.3 tickets are for one use (RFC 8446 C.4); the server sends the next one.
      if (SSL_SESSION_get_protocol_version(found->second.get()) == TLS1_3_VERSION) impl_->sessions.erase(found);
    }
    SSL_set_ex_data(ssl.get(), Impl::origin_slot(), origin.release());
  }
  return ssl.release();
}

}  // namespace mapigate::io
