#include "io/stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>

#include "io/stream_impl.h"
#include "io/tls.h"

namespace mapigate::io {

namespace asio = boost::asio;
using Want = Stream::Impl::Want;

namespace {

// OpenSSL's own socket BIO would raise SIGPIPE and cannot say that more follows.
int bio_write(BIO* bio, const char* data, int size) {
  auto* owner = static_cast<Stream::Impl*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  auto sent = ::send(owner->socket.native_handle(), data, static_cast<std::size_t>(size),
                     MSG_NOSIGNAL | (owner->more_follows ? MSG_MORE : 0));
  if (sent < 0) {
    if (errno == EAGAIN || errno == EINTR) {
      BIO_set_retry_write(bio);
    } else {
      owner->last_errno = errno;
    }
  }
  return static_cast<int>(sent);
}

int bio_read(BIO* bio, char* into, int size) {
  auto* owner = static_cast<Stream::Impl*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  auto got = ::recv(owner->socket.native_handle(), into, static_cast<std::size_t>(size), 0);
  owner->drained = got < size;
  if (got < 0) {
    if (errno == EAGAIN || errno == EINTR) {
      BIO_set_retry_read(bio);
    } else {
      owner->last_errno = errno;
    }
  }
  return static_cast<int>(got);
}

long bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

const BIO_METHOD* socket_bio() {
  static const BIO_METHOD* method = [] {
    auto* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "mapigate stream");
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_ctrl(made, bio_control);
    return made;
  }();
  return method;
}

Error system_error(int number, const char* what) {
  return error(Errc::unavailable, "{}: {}", what, std::generic_category().message(number));
}

}  // namespace

Stream::Impl::Impl(asio::ip::tcp::socket connected)
    : socket(std::move(connected)), executor(socket.get_executor()), timers(&LoopTimers::of(executor)) {
  boost::system::error_code ignored;
  socket.non_blocking(true, ignored);
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  auto remote = socket.remote_endpoint(ignored);
  auto address = remote.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  }
  if (!ignored) peer = {address.to_string(), remote.port()};
  timer.owner = this;
  timer.fire = on_timer;
}

Stream::Impl::~Impl() {
  timers->remove(timer);
  close();
  SSL_free(ssl);
}

void Stream::Impl::close() {
  boost::system::error_code ignored;
  if (socket.is_open()) socket.close(ignored);
}

void Stream::Impl::cancel() {
  reading.cancelled = reading.waiting;
  writing.cancelled = writing.waiting;
  boost::system::error_code ignored;
  socket.cancel(ignored);
}

void Stream::Impl::on_timer(TimerNode* node) {
  auto& self = *static_cast<Timer*>(node)->owner;
  auto now = Clock::now();
  bool over = false;
  for (auto* direction : {&self.reading, &self.writing}) {
    if (direction->deadline > now) continue;
    direction->timed_out = true;
    direction->deadline = Clock::time_point::max();
    over = true;
  }
  boost::system::error_code ignored;
  if (over) self.socket.cancel(ignored);
  self.set_timer();
}

void Stream::Impl::set_timer() { timers->set(timer, std::min(reading.deadline, writing.deadline)); }

Task<Status> Stream::Impl::wait(Want what, Clock::time_point until) {
  bool read = what == Want::read;
  // A handshake's read may wait while a write waits for it too: each keeps its own books.
  Direction& mine = read ? reading : writing;
  mine.timed_out = mine.cancelled = false;
  mine.waiting = true;
  mine.deadline = until;
  set_timer();
  boost::system::error_code failed;
  auto type = read ? asio::socket_base::wait_read : asio::socket_base::wait_write;
  bool stopped = false;
  // The other direction's deadline cancels the whole socket: then wait on.
  do {
    co_await socket.async_wait(type, asio::redirect_error(asio::use_awaitable, failed));
    if (failed == asio::error::operation_aborted) {
      auto state = co_await asio::this_coro::cancellation_state;
      stopped = state.cancelled() != asio::cancellation_type::none;
    }
  } while (failed == asio::error::operation_aborted && !mine.timed_out && !mine.cancelled && !stopped &&
           socket.is_open());
  mine.waiting = false;
  mine.deadline = Clock::time_point::max();
  if (mine.timed_out) co_return error(Errc::timeout, "{}: the peer was silent for too long", peer.ip);
  if (failed == asio::error::operation_aborted) co_return error(Errc::cancelled, "the connection was given up");
  if (failed) co_return error(Errc::unavailable, "{}: {}", peer.ip, failed.message());
  co_return Status();
}

Error Stream::Impl::tls_error(int code, const char* what) {
  broken = true;
  if (code == SSL_ERROR_SYSCALL && last_errno != 0) return system_error(last_errno, what);
  auto reason = ERR_get_error();
  auto verify = SSL_get_verify_result(ssl);
  ERR_clear_error();
  if (verify != X509_V_OK && ERR_GET_REASON(reason) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    return error(Errc::denied, "{}: the certificate of {} is not accepted: {}", what, peer.ip,
                 X509_verify_cert_error_string(verify));
  }
  if (reason == 0) return error(Errc::unavailable, "{}: {} closed the connection", what, peer.ip);
  const char* text = ERR_reason_error_string(reason);
  return error(Errc::malformed, "{}: {}: {}", what, peer.ip, text ? text : "unknown TLS error");
}

Result<std::size_t> Stream::Impl::read_now(std::span<std::uint8_t> into, Want& want) {
  want = Want::nothing;
  starved = false;
  if (!socket.is_open()) return error(Errc::cancelled, "the connection is closed");
  if (!ssl) {
    auto got = ::recv(socket.native_handle(), into.data(), into.size(), 0);
    drained = got < static_cast<ssize_t>(into.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EAGAIN && errno != EINTR) return system_error(errno, "reading");
    want = Want::read;
    return 0;
  }
  ERR_clear_error();
  last_errno = 0;
  std::size_t got = 0;
  int ok = SSL_read_ex(ssl, into.data(), into.size(), &got);
  if (ok == 1) return got;
  int code = SSL_get_error(ssl, ok);
  switch (code) {
    case SSL_ERROR_WANT_READ:
      want = Want::read;
      starved = true;
      return 0;
    case SSL_ERROR_WANT_WRITE: want = Want::write; return 0;
    case SSL_ERROR_ZERO_RETURN: return 0;
    default: break;
  }
  // A FIN without close_notify: many servers and clients do it. HTTP and IMAP mark
  // their ends themselves, so a truncation is seen there.
  auto reason = ERR_peek_error();
  if (ERR_GET_REASON(reason) == SSL_R_UNEXPECTED_EOF_WHILE_READING || (reason == 0 && last_errno == 0)) {
    ERR_clear_error();
    broken = true;
    return 0;
  }
  return tls_error(code, "reading");
}

Result<std::size_t> Stream::Impl::write_now(View bytes, bool more, Want& want) {
  want = Want::nothing;
  if (!socket.is_open()) return error(Errc::cancelled, "the connection is closed");
  if (!ssl) {
    auto sent = ::send(socket.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    if (sent >= 0) return static_cast<std::size_t>(sent);
    if (errno != EAGAIN && errno != EINTR) return system_error(errno, "writing");
    want = Want::write;
    return 0;
  }
  ERR_clear_error();
  last_errno = 0;
  std::size_t sent = 0;
  // One record at a time, so that all but the last are marked as followed by more.
  auto record = bytes.first(std::min<std::size_t>(bytes.size(), SSL3_RT_MAX_PLAIN_LENGTH));
  more_follows = more || record.size() < bytes.size();
  int ok = SSL_write_ex(ssl, record.data(), record.size(), &sent);
  more_follows = false;
  if (ok == 1) return sent;
  int code = SSL_get_error(ssl, ok);
  if (code == SSL_ERROR_WANT_READ) want = Want::read;
  if (code == SSL_ERROR_WANT_WRITE) want = Want::write;
  if (want != Want::nothing) return 0;
  return tls_error(code, "writing");
}

Task<Status> Stream::Impl::write_all(View bytes, bool more, Clock::time_point until) {
  while (!bytes.empty()) {
    Want want = Want::nothing;
    auto sent = write_now(bytes, more, want);
    if (!sent) co_return sent.error();
    bytes = bytes.subspan(*sent);
    if (want == Want::nothing) continue;
    auto ready = co_await wait(want, until);
    if (!ready) co_return ready.error();
  }
  co_return Status();
}

void Stream::Impl::adopt(SSL* session, bool server) {
  ssl = session;
  BIO* bio = BIO_new(socket_bio());
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  if (server) {
    SSL_set_accept_state(ssl);
  } else {
    SSL_set_connect_state(ssl);
  }
}

Task<Status> Stream::Impl::handshake(Clock::time_point until) {
  for (;;) {
    if (!socket.is_open()) co_return error(Errc::cancelled, "the connection is closed");
    ERR_clear_error();
    last_errno = 0;
    int ok = SSL_do_handshake(ssl);
    if (ok == 1) break;
    int code = SSL_get_error(ssl, ok);
    if (code != SSL_ERROR_WANT_READ && code != SSL_ERROR_WANT_WRITE) co_return tls_error(code, "TLS handshake");
    auto ready = co_await wait(code == SSL_ERROR_WANT_READ ? Want::read : Want::write, until);
    if (!ready) {
      broken = true;
      co_return ready.error();
    }
  }
  established = true;
  co_return Status();
}

Stream::Stream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Stream::~Stream() {
  if (impl_->socket.is_open()) impl_->cancel();
}

Task<Result<std::size_t>> Stream::read_some(std::span<std::uint8_t> into, Duration limit) {
  auto until = deadline_after(limit);
  // An empty answer would look like the end of the stream.
  if (into.empty()) co_return error(Errc::internal, "read into an empty buffer");
  for (;;) {
    Want want = Want::nothing;
    auto got = impl_->read_now(into, want);
    if (!got || want == Want::nothing) co_return got;
    auto ready = co_await impl_->wait(want, until);
    if (!ready) co_return ready.error();
  }
}

Result<std::size_t> Stream::try_read(std::span<std::uint8_t> into, bool& would_block) {
  Want want = Want::nothing;
  auto got = impl_->read_now(into, want);
  would_block = want != Want::nothing;
  if (would_block) return error(Errc::unavailable, "nothing to read yet");
  return got;
}

Task<Status> Stream::write(View bytes, Duration limit) { return impl_->write_all(bytes, false, deadline_after(limit)); }

Task<Status> Stream::write(View first, View second, Duration limit) {
  auto until = deadline_after(limit);
  bool plain = !impl_->ssl;
  if (plain && impl_->socket.is_open() && !first.empty() && !second.empty()) {
    iovec parts[2] = {{const_cast<std::uint8_t*>(first.data()), first.size()},
                      {const_cast<std::uint8_t*>(second.data()), second.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    auto sent = ::sendmsg(impl_->socket.native_handle(), &message, MSG_NOSIGNAL);
    if (sent > 0) {
      auto bytes = static_cast<std::size_t>(sent);
      auto of_first = std::min(bytes, first.size());
      first = first.subspan(of_first);
      second = second.subspan(bytes - of_first);
    }
  }
  if (!plain && !first.empty() && !second.empty()) {
    // One record where it fits: two would cost a second encryption and system call.
    static thread_local std::array<std::uint8_t, SSL3_RT_MAX_PLAIN_LENGTH> scratch;
    auto of_first = std::min(first.size(), scratch.size());
    auto of_second = std::min(second.size(), scratch.size() - of_first);
    if (of_second > 0) {
      std::memcpy(scratch.data(), first.data(), of_first);
      std::memcpy(scratch.data() + of_first, second.data(), of_second);
      View record(scratch.data(), of_first + of_second);
      first = {};
      second = second.subspan(of_second);
      Want want = Want::nothing;
      auto sent = impl_->write_now(record, !second.empty(), want);
      if (!sent) co_return sent.error();
      if (*sent < record.size()) {
        Bytes rest(record.begin() + static_cast<std::ptrdiff_t>(*sent), record.end());
        auto done = co_await impl_->write_all(rest, !second.empty(), until);
        if (!done) co_return done.error();
      }
    }
  }
  if (!first.empty()) {
    auto done = co_await impl_->write_all(first, !second.empty(), until);
    if (!done) co_return done.error();
  }
  if (!second.empty()) {
    auto done = co_await impl_->write_all(second, false, until);
    if (!done) co_return done.error();
  }
  co_return Status();
}

Task<Status> Stream::wait_readable(Duration limit) {
  if (pending() == 0 && is_open()) return impl_->wait(Want::read, deadline_after(limit));
  return [](bool open) -> Task<Status> {
    if (!open) co_return error(Errc::cancelled, "the connection is closed");
    co_return Status();
  }(is_open());
}

Task<Status> Stream::start_tls(std::shared_ptr<TlsClientContext> context, std::string host, Duration limit) {
  if (impl_->ssl) co_return error(Errc::conflict, "TLS has begun already");
  auto session = context->make_session(host, impl_->peer.port);
  if (!session) co_return session.error();
  impl_->adopt(*session, false);
  auto done = co_await impl_->handshake(deadline_after(limit));
  co_return done;
}

Task<Status> Stream::accept_tls(std::shared_ptr<TlsServerContext> context, Duration limit) {
  if (impl_->ssl) co_return error(Errc::conflict, "TLS has begun already");
  auto current = context->current();
  SSL* session = SSL_new(current.get());
  if (!session) co_return error(Errc::internal, "TLS: out of memory");
  impl_->adopt(session, true);
  auto done = co_await impl_->handshake(deadline_after(limit));
  co_return done;
}

void Stream::shutdown() {
  if (!is_open()) return;
  if (impl_->ssl && impl_->established && !impl_->broken) {
    ERR_clear_error();
    SSL_shutdown(impl_->ssl);
    ERR_clear_error();
  }
  boost::system::error_code ignored;
  impl_->socket.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

Status Stream::move_to(Executor executor) {
  if (impl_->reading.waiting || impl_->writing.waiting) return error(Errc::conflict, "the stream is in use");
  boost::system::error_code failed;
  const auto protocol = impl_->socket.local_endpoint(failed).protocol();
  if (failed) return error(Errc::unavailable, "{}: {}", impl_->peer.ip, failed.message());
  const auto descriptor = impl_->socket.release(failed);
  if (failed) return error(Errc::unavailable, "{}: {}", impl_->peer.ip, failed.message());
  impl_->timers->remove(impl_->timer);
  asio::ip::tcp::socket moved(executor);
  moved.assign(protocol, descriptor, failed);
  if (failed) {
    ::close(descriptor);
    return error(Errc::unavailable, "{}: {}", impl_->peer.ip, failed.message());
  }
  moved.non_blocking(true, failed);
  impl_->socket = std::move(moved);
  impl_->executor = executor;
  impl_->timers = &LoopTimers::of(executor);
  return {};
}

void Stream::close() {
  impl_->reading.cancelled = impl_->writing.cancelled = true;
  impl_->close();
}

void Stream::cancel() { impl_->cancel(); }
bool Stream::is_open() const { return impl_->socket.is_open(); }

bool Stream::is_quiet() const {
  if (!is_open()) return false;
  if (pending() > 0) return false;
  char byte;
  auto got = ::recv(impl_->socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 && errno == EAGAIN;
}

bool Stream::is_tls() const { return impl_->established; }
std::string Stream::tls_version() const { return is_tls() ? SSL_get_version(impl_->ssl) : ""; }
bool Stream::tls_resumed() const { return is_tls() && SSL_session_reused(impl_->ssl) == 1; }

Bytes Stream::tls_server_end_point() const {
  if (!is_tls()) return {};
  X509* certificate = SSL_is_server(impl_->ssl) ? SSL_get_certificate(impl_->ssl)
                                                : SSL_get0_peer_certificate(impl_->ssl);
  if (!certificate) return {};
  int digest_id = NID_undef;
  OBJ_find_sigid_algs(X509_get_signature_nid(certificate), &digest_id, nullptr);
  // RFC 5929 section 4.1: MD5 and SHA-1 are replaced by SHA-256.
  if (digest_id == NID_md5 || digest_id == NID_sha1 || digest_id == NID_undef) digest_id = NID_sha256;
  const EVP_MD* digest = EVP_get_digestbynid(digest_id);
  Bytes out(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  if (!digest || X509_digest(certificate, digest, out.data(), &size) != 1) return {};
  out.resize(size);
  return out;
}

std::size_t Stream::pending() const {
  if (!impl_->ssl) return 0;
  auto decrypted = static_cast<std::size_t>(std::max(0, SSL_pending(impl_->ssl)));
  // Read ahead but not decrypted yet: a read has to look.
  return decrypted == 0 && !impl_->starved && SSL_has_pending(impl_->ssl) ? 1 : decrypted;
}

const PeerAddress& Stream::peer() const { return impl_->peer; }

PeerAddress Stream::local() const {
  boost::system::error_code failed;
  auto local = impl_->socket.local_endpoint(failed);
  if (failed) return {};
  return {local.address().to_string(), local.port()};
}

Executor Stream::executor() const { return impl_->executor; }

}  // namespace mapigate::io
