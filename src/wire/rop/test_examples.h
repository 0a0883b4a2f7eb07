// What tests of published ROPs share: reading a request or a response from hex, and writing it again.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "wire/rop/rops.h"

namespace mapigate::wire {

inline Bytes bytes_of(std::string_view hex) {
  Bytes out;
  EXPECT_TRUE(from_hex(hex, out)) << hex;
  return out;
}

inline Bytes payload_of(View rops) {
  Bytes out;
  Output output(out);
  output.scalar(static_cast<std::uint16_t>(rops.size() + 2));
  output.bytes(rops);
  return out;
}

class Examples : public testing::Test {
 protected:
  // Reads one request and checks that writing it gives the same bytes.
  template <class Rop>
  const typename Rop::Request* request(std::string_view hex) {
    const auto bytes = bytes_of(hex);
    payload_ = std::make_unique<Bytes>(payload_of(bytes));
    auto read = decode_requests(*payload_, arena_);
    EXPECT_TRUE(read);
    EXPECT_EQ(read->problem, "");
    if (!read || read->rops.size() != 1) return nullptr;
    rop_ = read->rops[0];
    Bytes again;
    EXPECT_TRUE(encode_request(rop_, again));
    EXPECT_EQ(to_hex(again), to_hex(bytes));
    kept_.push_back(std::move(payload_));
    return rop_.as<Rop>();
  }
  template <class Rop>
  const typename Rop::Response* response(std::string_view hex, std::optional<Columns> columns = {},
                                         const RopRequest* answered = nullptr) {
    struct Known : ColumnSource {
      std::optional<Columns> columns;
      std::optional<Columns> columns_of(std::uint32_t) const override { return columns; }
    } known;
    known.columns = columns;
    const auto bytes = bytes_of(hex);
    auto payload = std::make_unique<Bytes>(payload_of(bytes));
    for (int i = 0; i < 16; ++i) payload->push_back(1);  // four handles
    RopRequestBuffer requests;
    if (answered != nullptr) requests.rops.push_back(*answered);
    auto read = decode_responses(*payload, arena_, &requests, &known);
    EXPECT_TRUE(read);
    EXPECT_EQ(read->problem, "");
    if (!read || read->rops.size() != 1) return nullptr;
    response_ = read->rops[0];
    Bytes again;
    EXPECT_TRUE(encode_response(response_, again, context_of(response_, &requests)));
    EXPECT_EQ(to_hex(again), to_hex(bytes));
    kept_.push_back(std::move(payload));
    return response_.as<Rop>();
  }

  Arena arena_;
  RopRequest rop_;
  RopResponse response_;
  std::unique_ptr<Bytes> payload_;
  std::vector<std::unique_ptr<Bytes>> kept_;  // what decoded structures point into
};

}  // namespace mapigate::wire
