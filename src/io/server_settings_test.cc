#include "io/server_settings.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace mapigate::io {
namespace {

TEST(ServerSettings, LoginName) {
  EXPECT_EQ(login_name("%u", "a@b.c"), "a@b.c");
  EXPECT_EQ(login_name("%n", "a@b.c"), "a");
  EXPECT_EQ(login_name("%d\\%n", "a@b.c"), "b.c\\a");
  EXPECT_EQ(login_name("%n+100%%", "a"), "a+100%");
  EXPECT_EQ(login_name("%d%", "a"), "%");
}

Settings checked(RawSection raw) {
  const Setting rows[] = {{.name = "host", .type = Setting::Type::text, .default_value = nullptr, .help = "."},
                          {.name = "port", .type = Setting::Type::number, .default_value = "0", .help = "."},
                          server_rows::tls("starttls"), server_rows::allow_plain_text(), server_rows::verify(),
                          server_rows::ca_file(), server_rows::connect_timeout(), server_rows::command_timeout()};
  return Settings::check("[modules.x]", rows, raw, "/").value();
}

TEST(ServerSettings, PasswordsDoNotCrossANetworkInClear) {
  const RawSection far{{"host", "mail.example.test"}, {"tls", "none"}};
  EXPECT_THROW(read_server_address(checked(far), 993, 143, true), std::runtime_error);
  EXPECT_EQ(read_server_address(checked(far), 993, 143, false).port, 143);
  EXPECT_EQ(read_server_address(checked({{"host", "127.0.0.2"}, {"tls", "none"}}), 993, 143, true).tls_context, nullptr);
}

TEST(ServerSettings, UsualPortsAndTls) {
  const auto implicit = read_server_address(checked({{"host", "h"}, {"tls", "implicit"}}), 993, 143, true);
  EXPECT_EQ(implicit.port, 993);
  EXPECT_NE(implicit.tls_context, nullptr);
  EXPECT_EQ(read_server_address(checked({{"host", "h"}}), 993, 143, true).port, 143);
  EXPECT_EQ(read_server_address(checked({{"host", "h"}, {"port", std::int64_t{1143}}}), 993, 143, true).port, 1143);
  EXPECT_THROW(read_server_address(checked({{"host", "h"}, {"ca_file", "/nowhere.pem"}}), 993, 143, true), std::runtime_error);
}

}  // namespace
}  // namespace mapigate::io
