#include "wire/rpc/lz77.h"

#include <gtest/gtest.h>

#include <random>

#include "wire/test_corpora.h"

namespace mapigate::wire::rpc {
namespace {

Bytes hex(std::string_view text) {
  Bytes out;
  EXPECT_TRUE(from_hex(text, out));
  return out;
}

Bytes repeated(std::string_view text, std::size_t times) {
  Bytes out;
  for (std::size_t i = 0; i < times; ++i) out.insert(out.end(), text.begin(), text.end());
  return out;
}

void expect_round_trip(View plain) {
  Bytes compressed, back;
  lz77_compress(plain, compressed);
  EXPECT_LE(compressed.size(), plain.size() + plain.size() / 8 + 4);
  const auto status = lz77_decompress(compressed, plain.size(), back);
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_TRUE(equal(back, plain));
  // One byte less or more than there is must be noticed.
  Bytes other;
  if (!plain.empty()) {
    EXPECT_FALSE(lz77_decompress(compressed, plain.size() - 1, other));
  }
  EXPECT_FALSE(lz77_decompress(compressed, plain.size() + 1, other));
  EXPECT_TRUE(other.empty());
}

// [MS-XCA] 3 "Structure Examples", Plain LZ77.
TEST(Lz77, SpecificationAlphabet) {
  const auto plain = as_view("abcdefghijklmnopqrstuvwxyz");
  const auto stream = hex("3f 00 00 00 61 62 63 64 65 66 67 68 69 6a 6b 6c 6d 6e 6f 70 71 72 73 74 75 76 77 78 79 7a");
  Bytes out;
  ASSERT_TRUE(lz77_decompress(stream, plain.size(), out));
  EXPECT_TRUE(equal(out, plain));
  Bytes compressed;
  lz77_compress(plain, compressed);
  EXPECT_EQ(to_hex(compressed), to_hex(stream));
}

TEST(Lz77, SpecificationRepeatedAbc) {
  const auto plain = repeated("abc", 100);
  const auto stream = hex("ff ff ff 1f 61 62 63 17 00 0f ff 26 01");
  Bytes out;
  ASSERT_TRUE(lz77_decompress(stream, plain.size(), out));
  EXPECT_EQ(out, plain);
  Bytes compressed;
  lz77_compress(plain, compressed);
  EXPECT_EQ(to_hex(compressed), to_hex(stream));
}

TEST(Lz77, AppendsBehindWhatIsThere) {
  Bytes out = {1, 2, 3};
  Bytes stream = {9};
  const auto plain = repeated("abc", 100);
  lz77_compress(plain, stream);
  ASSERT_TRUE(lz77_decompress(View(stream).subspan(1), plain.size(), out));
  EXPECT_EQ(out.size(), 303u);
  EXPECT_EQ(out[2], 3);
  EXPECT_EQ(out[3], 'a');
  EXPECT_EQ(stream[0], 9);
}

TEST(Lz77, RoundTripsEveryLengthAroundTheSteps) {
  // 9/10: token to nibble; 24/25: nibble to byte; 279/280: byte to 16 bits; 65538/65539: to 32 bits.
  for (const std::size_t run : {1u, 2u, 3u, 9u, 10u, 11u, 24u, 25u, 26u, 279u, 280u, 281u, 65537u, 65538u, 65539u, 200000u}) {
    for (const auto* text : {"a", "ab", "abc", "abcdefghi", "abcdefghijklmnopqrs"}) {
      auto plain = repeated(text, run / std::string_view(text).size() + 1);
      expect_round_trip(plain);
      plain.push_back('!');
      plain.insert(plain.end(), plain.begin(), plain.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(plain.size(), 40)));
      expect_round_trip(plain);
    }
  }
}

TEST(Lz77, RoundTripsEveryShortSizeAndRandomData) {
  std::mt19937 random(7);
  for (std::size_t size = 0; size < 200; ++size) {
    Bytes plain(size);
    for (auto& byte : plain) byte = static_cast<std::uint8_t>(random() % 4);
    expect_round_trip(plain);
  }
  for (const unsigned values : {2u, 16u, 256u}) {
    for (const std::size_t size : {8191u, 8192u, 8193u, 32768u, 65535u}) {
      Bytes plain(size);
      for (auto& byte : plain) byte = static_cast<std::uint8_t>(random() % values);
      expect_round_trip(plain);
    }
  }
}

TEST(Lz77, MatchesReachExactlyOneWindowBack) {
  std::mt19937 random(3);
  Bytes plain(8192);
  for (auto& byte : plain) byte = static_cast<std::uint8_t>(random());
  plain.insert(plain.end(), plain.begin(), plain.begin() + 300);
  Bytes compressed;
  lz77_compress(plain, compressed);
  expect_round_trip(plain);
}

// Of two places to copy from, the newer ends early: the older one is found by what follows.
TEST(Lz77, FindsTheOlderPhraseThatGoesOn) {
  const auto plain = as_view("0123456789abcdef(ghijklm)-0123456789ABC/0123456789abcdef(ghijklm)+ 97531");
  Bytes compressed;
  lz77_compress(plain, compressed);
  // Two shorter matches instead of the long one would take two bytes more.
  EXPECT_LE(compressed.size(), 51u);
  expect_round_trip(plain);
}

// Positions are kept in 16 bits: what is found must be right where they wrap too.
TEST(Lz77, RoundTripsWherePositionsWrap) {
  std::mt19937 random(5);
  Bytes plain;
  while (plain.size() < 300'000) {
    const std::size_t back = 1 + random() % 20'000, length = 1 + random() % 40;
    if (random() % 3 != 0 && back < plain.size()) {
      for (std::size_t i = 0; i < length; ++i) plain.push_back(plain[plain.size() - back]);
    } else {
      for (std::size_t i = 0; i < length; ++i) plain.push_back(static_cast<std::uint8_t>(random()));
    }
  }
  expect_round_trip(plain);
}

TEST(Lz77, RefusesHostileStreams) {
  Bytes out;
  const auto refused = [&](std::string_view text, std::size_t size) {
    const auto status = lz77_decompress(hex(text), size, out);
    EXPECT_TRUE(out.empty());
    return !status && status.error().code == Errc::malformed;
  };
  EXPECT_TRUE(refused("", 1));
  EXPECT_TRUE(refused("00 00 00", 1));
  EXPECT_TRUE(refused("00 00 00 00", 1));
  EXPECT_TRUE(refused("ff ff ff ff 00 00", 3));                    // a match before anything was written
  EXPECT_TRUE(refused("ff ff ff 7f 61 08 00", 4));                 // distance 2 after one byte
  EXPECT_TRUE(refused("ff ff ff 7f 61 00 00", 3));                 // match of 3 where 2 bytes are wanted
  EXPECT_TRUE(refused("ff ff ff 7f 61 07 00", 100));               // the nibble is missing
  EXPECT_TRUE(refused("ff ff ff 7f 61 07 00 0f", 100));            // the length byte is missing
  EXPECT_TRUE(refused("ff ff ff 7f 61 07 00 0f ff 10", 100));      // half a 16-bit length
  EXPECT_TRUE(refused("ff ff ff 7f 61 07 00 0f ff 10 00", 100));   // a length under what needs 16 bits
  EXPECT_TRUE(refused("ff ff ff 7f 61 07 00 0f ff 00 00 ff ff", 100));
  EXPECT_TRUE(refused("ff ff ff 7f 61 07 00 0f ff 00 00 ff ff ff ff", 100));  // 4 GiB
  EXPECT_TRUE(refused("ff ff ff 7f 61 62", 1));                    // bytes are left over
}

TEST(Lz77, SurvivesEveryTruncationAndEveryFlippedByte) {
  Bytes plain;
  for (int i = 0; i < 40; ++i) {
    const auto text = "line " + std::to_string(i * 37) + " of a text that repeats itself, itself; ";
    plain.insert(plain.end(), text.begin(), text.end());
  }
  Bytes compressed, out;
  lz77_compress(plain, compressed);
  EXPECT_LT(compressed.size(), plain.size() / 3);
  for (std::size_t size = 0; size < compressed.size(); ++size) {
    // The flags of the last, unfinished group may be all that is cut.
    const auto status = lz77_decompress(View(compressed).first(size), plain.size(), out);
    EXPECT_TRUE(!status || compressed.size() - size <= 4) << size;
    out.clear();
  }
  for (std::size_t at = 0; at < compressed.size(); ++at) {
    for (const std::uint8_t flip : {0x01, 0x80, 0xFF}) {
      auto broken = compressed;
      broken[at] ^= flip;
      out.clear();
      const auto status = lz77_decompress(broken, plain.size(), out);
      EXPECT_EQ(out.size(), status ? plain.size() : 0);
    }
  }
}

TEST(Lz77, DecompressesStreamsOfWindows) {
  const auto corpora = test::corpora();
  if (!corpora) GTEST_SKIP() << "no corpora (set MAPIGATE_CORPORA)";
  const auto root = *corpora / "samba-lzxpress";
  std::size_t streams = 0;
  for (const auto* folder : {"compressed-plain", "compressed-more-plain"}) {
    for (const auto& path : test::files_in(root / folder)) {
      const auto plain = test::read_file(root / "plain" / (path.stem().string() + ".decomp"));
      ASSERT_FALSE(plain.empty()) << path;
      Bytes out;
      const auto status = lz77_decompress(test::read_file(path), plain.size(), out);
      ASSERT_TRUE(status) << path << status.error().message;
      EXPECT_EQ(out, plain) << path;
      expect_round_trip(plain);
      ++streams;
    }
  }
  EXPECT_GE(streams, 16u);
}

}  // namespace
}  // namespace mapigate::wire::rpc
