#include "upstream/rpc_channel.h"

#include "io/stream.h"
#include "wire/rpc/pdu.h"

namespace mapigate::upstream {

namespace {

constexpr Duration rest_limit = std::chrono::seconds(30);  // for the rest of a PDU that has begun

class TcpChannel final : public RpcChannel {
 public:
  explicit TcpChannel(std::unique_ptr<io::Stream> stream) : stream_(std::move(stream)) {}

  Task<Status> send(Bytes pdus, Duration limit) override {
    auto written = co_await stream_->write(pdus, limit);
    co_return written;
  }

  Task<Result<Bytes>> receive(Duration limit) override {
    for (;;) {
      const auto have = end_ - begin_;
      if (have >= wire::rpc::pdu_header_size) {
        const auto header = wire::rpc::read_pdu_header(View(buffer_).subspan(begin_, have));
        if (!header) co_return header.error();
        if (have >= header->frag_length) {
          const auto at = buffer_.begin() + static_cast<std::ptrdiff_t>(begin_);
          Bytes pdu(at, at + header->frag_length);
          begin_ += header->frag_length;
          co_return pdu;
        }
      }
      if (begin_ == end_) {
        begin_ = end_ = 0;
        // What was large once need not stay so while nothing happens.
        if (buffer_.size() > small) buffer_ = Bytes();
        auto ready = co_await stream_->wait_readable(limit);
        if (!ready) co_return ready.error();
        if (buffer_.empty()) buffer_.resize(small);
      }
      if (begin_ > 0) {
        std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_), buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
        end_ -= begin_, begin_ = 0;
      }
      if (end_ == buffer_.size()) buffer_.resize(0x10000 + small);
      auto got = co_await stream_->read_some(std::span(buffer_).subspan(end_), rest_limit);
      if (!got && got.error().code == Errc::timeout) co_return error(Errc::unavailable, "half a PDU, then silence");
      if (!got) co_return got.error();
      if (*got == 0) co_return error(Errc::unavailable, "the server closed the connection");
      end_ += *got;
    }
  }

  void close() override { stream_->close(); }

 private:
  static constexpr std::size_t small = 8192;
  std::unique_ptr<io::Stream> stream_;
  Bytes buffer_;
  std::size_t begin_ = 0, end_ = 0;
};

}  // namespace

Task<Result<std::unique_ptr<RpcChannel>>> connect_rpc_tcp(std::string host, std::uint16_t port, Duration limit) {
  io::ConnectOptions options;
  options.connect_limit = limit;
  auto stream = co_await io::connect(host, port, options);
  if (!stream) co_return stream.error();
  std::unique_ptr<RpcChannel> channel = std::make_unique<TcpChannel>(std::move(*stream));
  co_return channel;
}

}  // namespace mapigate::upstream
