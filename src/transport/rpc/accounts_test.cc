#include "transport/rpc/accounts.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace mapigate::transport {
namespace {

Bytes hex(std::string_view text) {
  Bytes out;
  EXPECT_TRUE(from_hex(text, out)) << text;
  return out;
}

// [MS-NLMP] 4.2.4 "NTLMv2 Authentication": user "User", domain "Domain", password "Password".
TEST(RpcAccounts, ntlmv2_of_the_specification) {
  NtHash hash;
  const auto raw = hex("a4f49c406510bdcab6824ee7c30fd852");
  std::copy(raw.begin(), raw.end(), hash.begin());
  const auto response = hex(
      "68cd0ab851e51c96aabc927bebef6a1c" "01010000000000000000000000000000aaaaaaaaaaaaaaaa00000000"
      "02000c0044006f006d00610069006e0001000c005300650072007600650072000000000000000000");
  const auto key = check_ntlmv2(hash, "User", "Domain", hex("0123456789abcdef"), response);
  ASSERT_TRUE(key.has_value());
  EXPECT_EQ(to_hex(*key), "8de40ccadbc14a82f15cb0ad0de95ca3");
  EXPECT_TRUE(check_ntlmv2(hash, "uSER", "Domain", hex("0123456789abcdef"), response).has_value());
  EXPECT_FALSE(check_ntlmv2(hash, "User", "Other", hex("0123456789abcdef"), response).has_value());
  EXPECT_FALSE(check_ntlmv2(hash, "User", "Domain", hex("0123456789abcdee"), response).has_value());
  hash[0] ^= 1;
  EXPECT_FALSE(check_ntlmv2(hash, "User", "Domain", hex("0123456789abcdef"), response).has_value());
  // Version 1 has 24 bytes.
  EXPECT_FALSE(check_ntlmv2(hash, "User", "Domain", hex("0123456789abcdef"), Bytes(24)).has_value());
}

TEST(RpcAccounts, file) {
  const auto path = std::filesystem::temp_directory_path() / ("mapigate-accounts-" + std::to_string(getpid()));
  const auto write = [&](const char* text) {
    std::ofstream(path) << text;
    chmod(path.c_str(), 0600);
  };
  write("# two forms\nalice@example.test:878D8014606CDA29677A44EFA1353FC7\n\n"
        "bob@example.test:1000:XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX:0123456789ABCDEF0123456789ABCDEF:[U          ]:LCT-5E7B2A00:\n"
        "broken@example.test:12\n");
  AccountFile file(path, [](std::string_view name) { return std::string(name); });
  ASSERT_TRUE(file.find("alice@example.test").has_value());
  EXPECT_EQ(to_hex(*file.find("alice@example.test")), "878d8014606cda29677a44efa1353fc7");
  EXPECT_EQ(to_hex(*file.find("bob@example.test")), "0123456789abcdef0123456789abcdef");
  EXPECT_EQ(file.find("broken@example.test").error().code, Errc::not_found);
  write("carol@example.test:878D8014606CDA29677A44EFA1353FC7\n");
  EXPECT_TRUE(file.find("carol@example.test").has_value());
  EXPECT_FALSE(file.find("alice@example.test").has_value());
  // What was read stays when the file cannot be read.
  std::filesystem::remove(path);
  EXPECT_TRUE(file.find("carol@example.test").has_value());
}

TEST(RpcAccounts, brake) {
  GuessBrake brake(2, std::chrono::minutes(5));
  brake.count("a");
  EXPECT_FALSE(brake.braked("a"));
  brake.count("a");
  EXPECT_TRUE(brake.braked("a"));
  EXPECT_FALSE(brake.braked("b"));
}

}  // namespace
}  // namespace mapigate::transport
