#include "pool.h"

#include <gtest/gtest.h>

#include "io/test_run.h"
#include "test_dovecot.h"

namespace mapigate::imap {
namespace {

using mapigate::testing::Dovecot;

Task<> read_and_write(std::shared_ptr<Pool> pool) {
  auto one = co_await pool->acquire("INBOX");
  auto two = co_await pool->acquire("INBOX");
  EXPECT_TRUE(one && two);
  {
    auto writer = co_await pool->acquire("INBOX", Pool::Purpose::writing);
    EXPECT_TRUE(writer.has_value()) << "a writer waits for readers, which may wait for the writer";
    auto another = co_await pool->acquire("INBOX", Pool::Purpose::writing);
    EXPECT_TRUE(!another && another.error().code == Errc::timeout);
  }
  EXPECT_EQ(pool->idle(), 0u) << "what is beyond the limit was kept";
  auto third = co_await pool->acquire("INBOX");
  EXPECT_TRUE(!third && third.error().code == Errc::timeout);
  one = error(Errc::unavailable, "given back");
  EXPECT_EQ(pool->idle(), 1u);
  auto again = co_await pool->acquire("INBOX");
  EXPECT_TRUE(again && again->reused());
}

TEST(Pool, WritersHaveAConnectionMore) {
  if (!Dovecot::installed()) GTEST_SKIP() << "no /usr/sbin/dovecot here: package dovecot-imapd";
  Dovecot dovecot;
  io::Runtime runtime;
  runtime.start();
  auto server = std::make_shared<Server>();
  server->host = "127.0.0.1";
  server->port = dovecot.port();
  server->tls = io::ServerAddress::Tls::none;
  server->command_limit = std::chrono::seconds(4);
  const auto executor = runtime.executor(0);
  io::run_on_loop(runtime, io::on(executor, read_and_write(std::make_shared<Pool>(
                                                server, PoolOptions{}, Credentials{Dovecot::user, Secret(Dovecot::password)}, executor))));
}

}  // namespace
}  // namespace mapigate::imap
