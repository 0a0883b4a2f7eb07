#include "transport/ntlm_name.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace mapigate::transport {
namespace {

void put16(Bytes& out, std::size_t value) {
  out.push_back(static_cast<std::uint8_t>(value));
  out.push_back(static_cast<std::uint8_t>(value >> 8));
}
void put32(Bytes& out, std::size_t value) {
  put16(out, value & 0xFFFF);
  put16(out, value >> 16);
}
void append(Bytes& out, View more) { out.insert(out.end(), more.begin(), more.end()); }

// [MS-NLMP] 2.2.1.3, with the two names behind the head and nothing else.
Bytes authenticate(std::string_view user, std::string_view domain, unsigned flags = 1, std::size_t beyond = 0) {
  const auto name = to_utf16(user), realm = to_utf16(domain);
  constexpr std::size_t head = 64;
  Bytes out = to_bytes(as_view(std::string_view("NTLMSSP\0\3\0\0\0", 12)));
  const auto place = [&](std::size_t length, std::size_t offset) {
    put16(out, length);
    put16(out, length);
    put32(out, offset);
  };
  place(0, head);
  place(0, head);
  place(realm.size(), head);
  place(name.size(), head + realm.size() + beyond);
  place(0, head);
  place(0, head);
  put32(out, flags);
  append(out, realm);
  append(out, name);
  return out;
}

Bytes der(std::uint8_t tag, const Bytes& content) {
  Bytes out{tag};
  if (content.size() >= 0x80) out.push_back(0x82), out.push_back(static_cast<std::uint8_t>(content.size() >> 8));
  out.push_back(static_cast<std::uint8_t>(content.size()));
  append(out, content);
  return out;
}
Bytes sequence(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const auto& part : parts) append(all, part);
  return der(0x30, all);
}
Bytes padded(Bytes bytes) {  // so long that its length takes the form that der() gives it
  bytes.resize(std::max<std::size_t>(bytes.size(), 300));
  return bytes;
}

std::string read(const Bytes& token) {
  const auto name = ntlm_name(token);
  if (!name) return "bad";
  if (!*name) return "none";
  return (*name)->domain + "\\" + (*name)->user;
}

TEST(NtlmNameTest, TheNameOfAnNtlmMessage) {
  EXPECT_EQ(read(authenticate("alice", "EXAMPLE")), "EXAMPLE\\alice");
  EXPECT_EQ(read(authenticate("alice@example.test", "")), "\\alice@example.test");
  EXPECT_EQ(read(authenticate("", "")), "\\");
  EXPECT_EQ(read(to_bytes(as_view(std::string_view("NTLMSSP\0\1\0\0\0", 12)))), "none");
  EXPECT_EQ(read({}), "none");
  EXPECT_EQ(read({0x60, 0x02, 0x06, 0x00}), "none");
}

TEST(NtlmNameTest, NtlmMessagesThatCannotBeRead) {
  EXPECT_EQ(read(authenticate("alice", "EXAMPLE", 0)), "bad");  // not in Unicode: servers might read another name
  EXPECT_EQ(read(authenticate("alice", "EXAMPLE", 1, 1)), "bad");
  EXPECT_EQ(read(authenticate("alice", "EXAMPLE", 1, 0xFFFF0000)), "bad");
  auto whole = authenticate("alice", "EXAMPLE");
  for (std::size_t size = 12; size < whole.size(); ++size) EXPECT_EQ(read(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))), "bad") << size;
}

TEST(NtlmNameTest, TheNameWithinSpnego) {
  const auto token = der(0xA2, der(0x04, padded(authenticate("alice", "EXAMPLE"))));
  const auto state = der(0xA0, {0x0A, 0x01, 0x01});
  const auto mic = der(0xA3, der(0x04, Bytes(16)));
  EXPECT_EQ(read(der(0xA1, sequence({token}))), "EXAMPLE\\alice");
  EXPECT_EQ(read(der(0xA1, sequence({state, token, mic}))), "EXAMPLE\\alice");
  auto longer = sequence({token});
  longer.push_back(0);
  EXPECT_EQ(read(der(0xA1, longer)), "bad");
  EXPECT_EQ(read(der(0xA1, sequence({mic}))), "none");
}

TEST(NtlmNameTest, WhatTheChallengeSettlesOn) {  // [MS-NLMP] 2.2.1.2
  const auto challenge = [](std::size_t flags) {
    Bytes out = to_bytes(as_view(std::string_view("NTLMSSP\0\2\0\0\0", 12)));
    put32(out, 0), put32(out, 48);
    put32(out, flags);
    out.resize(48);
    return out;
  };
  const auto said = [](const Bytes& token) -> std::string {
    const auto unicode = challenges_in_unicode(token);
    return !unicode ? "bad" : !*unicode ? "none" : **unicode ? "unicode" : "oem";
  };
  EXPECT_EQ(said(challenge(0x00088201)), "unicode");
  EXPECT_EQ(said(challenge(0x00088202)), "oem");
  EXPECT_EQ(said(der(0xA1, sequence({der(0xA2, der(0x04, padded(challenge(0x00088202))))}))), "oem");
  EXPECT_EQ(said(authenticate("alice", "EXAMPLE")), "none");
  EXPECT_EQ(said({}), "none");
  auto cut = challenge(1);
  cut.resize(20);
  EXPECT_EQ(said(cut), "bad");
  EXPECT_EQ(said({0xA1, 0x80, 0x30, 0x00, 0x00, 0x00}), "bad");
}

// One reader must not take for the name what another does not.
TEST(NtlmNameTest, TwoNamesInOneToken) {
  const auto decoy = der(0x04, padded(authenticate("bob", "EXAMPLE")));
  const auto token = der(0xA2, der(0x04, padded(authenticate("alice", "EXAMPLE"))));
  EXPECT_EQ(read(der(0xA1, sequence({token, der(0xA3, decoy)}))), "EXAMPLE\\alice");
  EXPECT_EQ(read(der(0xA1, sequence({token, der(0xA2, decoy)}))), "bad");
  EXPECT_EQ(read(der(0xA1, sequence({der(0xA3, decoy), token}))), "bad");
  auto both = decoy;
  append(both, decoy);
  EXPECT_EQ(read(der(0xA1, sequence({der(0xA2, both)}))), "bad");
  // A length that is longer than it has to be, or without an end.
  EXPECT_EQ(read({0xA1, 0x81, 0x02, 0x30, 0x00}), "bad");
  EXPECT_EQ(read({0xA1, 0x80, 0x30, 0x00, 0x00, 0x00}), "bad");
  EXPECT_EQ(read({0xA1, 0x84, 0xFF, 0xFF, 0xFF, 0xFF}), "bad");
}

}  // namespace
}  // namespace mapigate::transport
