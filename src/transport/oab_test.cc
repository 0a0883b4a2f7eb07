#include "transport/oab.h"

#include <gtest/gtest.h>

namespace mapigate::transport {
namespace {

TEST(Range, AfterRfc9110) {
  const auto range = [](std::string_view field, std::uint64_t size) -> std::string {
    const auto read = parse_range(field, size);
    if (!read) return "unsatisfiable";
    return *read ? fmt::format("{}-{}", (*read)->first, (*read)->last) : "all";
  };
  EXPECT_EQ(range("bytes=0-9", 100), "0-9");
  EXPECT_EQ(range("bytes=90-", 100), "90-99");
  EXPECT_EQ(range("bytes=90-1000", 100), "90-99");
  EXPECT_EQ(range("bytes=-10", 100), "90-99");
  EXPECT_EQ(range("bytes=-1000", 100), "0-99");
  EXPECT_EQ(range("bytes=100-", 100), "unsatisfiable");
  EXPECT_EQ(range("bytes=-0", 100), "unsatisfiable");
  for (const char* field : {"", "bytes=", "bytes=x-1", "bytes=5-2", "bytes=0-1,5-6", "lines=1-2", "bytes=1"}) EXPECT_EQ(range(field, 100), "all") << field;
}

}  // namespace
}  // namespace mapigate::transport
