#include "transport/rpc_http/pipe.h"

#include <sys/socket.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <system_error>

#include "io/runtime.h"

namespace mapigate::transport {

namespace asio = boost::asio;

struct Pipe::Impl {
  Impl(io::Executor e, int d) : executor(e), descriptor(e, d) {}
  io::Executor executor;
  asio::posix::stream_descriptor descriptor;

  static io::Task<Result<bool>> writable(Impl* self) {
    boost::system::error_code failed;
    co_await self->descriptor.async_wait(asio::posix::stream_descriptor::wait_write, asio::redirect_error(asio::use_awaitable, failed));
    if (failed) co_return error(Errc::cancelled, "{}", failed.message());
    co_return true;
  }
  static io::Task<Result<bool>> writable_until(Impl* self, Duration limit) {
    auto task = writable(self);
    auto done = co_await io::with_deadline(limit, std::move(task));
    co_return done;
  }
};

Pipe::Pipe(io::Executor executor, int descriptor) : impl_(std::make_unique<Impl>(std::move(executor), descriptor)) {}
Pipe::~Pipe() = default;

io::Task<Status> Pipe::write(View bytes, Duration limit) {
  while (!bytes.empty()) {
    const auto sent = ::send(impl_->descriptor.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) co_return error(Errc::unavailable, "the RPC server: {}", std::generic_category().message(errno));
    auto waiting = Impl::writable_until(impl_.get(), limit);
    const auto ready = co_await io::on(impl_->executor, std::move(waiting));
    if (!ready) co_return ready.error();
  }
  co_return Status();
}

io::Task<Result<std::size_t>> Pipe::read(Bytes& into, std::size_t most) {
  for (;;) {
    boost::system::error_code failed;
    co_await impl_->descriptor.async_wait(asio::posix::stream_descriptor::wait_read, asio::redirect_error(asio::use_awaitable, failed));
    if (failed) co_return error(Errc::cancelled, "{}", failed.message());
    const auto before = into.size();
    into.resize(before + most);
    const auto got = ::recv(impl_->descriptor.native_handle(), into.data() + before, most, MSG_DONTWAIT);
    const int problem = errno;
    into.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got >= 0) co_return static_cast<std::size_t>(got);
    if (problem != EINTR && problem != EAGAIN) co_return error(Errc::unavailable, "the RPC server: {}", std::generic_category().message(problem));
  }
}

void Pipe::shut_down() { ::shutdown(impl_->descriptor.native_handle(), SHUT_RDWR); }

}  // namespace mapigate::transport
