#include "transport/rpc_http/pdu_reader.h"

namespace mapigate::transport {

namespace rts = wire::rpc::rts;

Result<std::size_t> PduReader::size_of_first() const {
  const auto here = View(buffer_).subspan(taken_);
  if (here.size() < rts::pdu_head_size) return 0;
  const auto head = rts::read_pdu_head(here);
  if (!head) return head.error();
  return head->frag_length;
}

io::Task<Result<View>> PduReader::next(Duration limit) {
  const auto until = Clock::now() + limit;
  for (;;) {
    const auto size = size_of_first();
    if (!size) co_return size.error();
    const auto left = buffer_.size() - taken_;
    if (*size != 0 && left >= *size) {
      const auto pdu = View(buffer_).subspan(taken_, *size);
      taken_ += *size;
      co_return pdu;
    }
    if (left == 0) {
      Bytes().swap(buffer_);
    } else {
      buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(taken_));
    }
    taken_ = 0;
    const auto piece = co_await exchange_.read_body(until - Clock::now());
    if (!piece) co_return piece.error();
    if (piece->empty()) {
      if (left != 0) co_return error(Errc::malformed, "the channel ends within a PDU");
      co_return View();
    }
    received_ += piece->size();
    buffer_.insert(buffer_.end(), piece->begin(), piece->end());
  }
}

}  // namespace mapigate::transport
