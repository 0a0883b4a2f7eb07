#include "rewrite.h"

#include <gtest/gtest.h>

#include "chain/test_support.h"
#include "mapi/properties.h"
#include "wire/nspi/all_bodies.h"

namespace mapigate::relay {
namespace {

namespace nspi = wire::nspi;
using chain::Operation;

TEST(RelayRewrite, server_of_a_dn) {
  Rewriter rewriter("gate.example.test", "https://gate.example.test:8443");
  const std::string dn = "/o=First/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Configuration/cn=Servers/cn=EX01/cn=Microsoft Private MDB";
  EXPECT_FALSE(rewriter.with_upstream_server("/o=First/cn=Configuration/cn=Servers/cn=gate.example.test"));
  const auto own = rewriter.with_own_server(dn);
  ASSERT_TRUE(own);
  EXPECT_EQ(*own, "/o=First/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Configuration/cn=Servers/cn=gate.example.test/cn=Microsoft Private MDB");
  EXPECT_EQ(rewriter.with_upstream_server(*own), dn);
  EXPECT_EQ(rewriter.with_own_server("/o=First/cn=Configuration/cn=SERVERS/CN=EX02"), "/o=First/cn=Configuration/cn=SERVERS/CN=gate.example.test");
  // Neither users nor what is ours already.
  EXPECT_FALSE(rewriter.with_own_server("/o=First/cn=Recipients/cn=ann"));
  EXPECT_FALSE(rewriter.with_own_server(*own));
  EXPECT_FALSE(rewriter.with_own_server("/o=First/cn=Servers/cn="));
  EXPECT_FALSE(rewriter.with_upstream_server(dn));
}

TEST(RelayRewrite, addresses_and_urls) {
  const Rewriter rewriter("gate.example.test", "https://gate.example.test:8443");
  EXPECT_EQ(rewriter.with_own_address("ncacn_ip_tcp:EX01.corp.test"), "ncacn_ip_tcp:gate.example.test");
  EXPECT_FALSE(rewriter.with_own_address("ncacn_http:GATE.example.test"));
  EXPECT_FALSE(rewriter.with_own_address("EX01"));
  EXPECT_EQ(rewriter.with_own_url("https://ex01.corp.test/mapi/nspi/?MailboxId=a@b"), "https://gate.example.test:8443/mapi/nspi/?MailboxId=a@b");
  EXPECT_FALSE(rewriter.with_own_url("https://gate.example.test:8443/mapi/"));
  EXPECT_FALSE(rewriter.with_own_url("none"));
}

class RelayRewriteCall : public chain::testing::ChainTest {
 protected:
  RelayRewriteCall() {
    make_chain({});
  }
  template <class Body>
  std::unique_ptr<chain::Call> answered(Operation operation, const Body& body) {
    auto call = std::make_unique<chain::Call>(*session, operation, chain::ClientInfo{}, Bytes());
    chain::Reply reply;
    EXPECT_TRUE(wire::encode("reply", body, reply.body, wire::CountWidth::address_book).has_value());
    call->set_reply(std::move(reply));
    return call;
  }
  Rewriter rewriter{"gate.example.test", "https://gate.example.test"};
};

TEST_F(RelayRewriteCall, rows_of_the_address_book) {
  const mapi::PropertyTag columns[] = {mapi::PidTagDisplayName, mapi::PidTagAddressBookNetworkAddress,
                                       mapi::PidTagAddressBookHomeMessageDatabase.with(mapi::PropertyType::PtypString)};
  const Utf16 addresses[] = {to_utf16(arena, "ncacn_ip_tcp:ex01"), to_utf16(arena, "ncacn_http:ex01")};
  const mapi::Value cells[] = {mapi::Value::string(arena, "EX01"),
                               {mapi::PropertyType::PtypMultipleString, std::span<const Utf16>(addresses)},
                               mapi::Value::string(arena, "/o=x/cn=Configuration/cn=Servers/cn=EX01/cn=MDB")};
  const wire::PropertyRow rows[] = {{0, cells}};
  nspi::RowsResponse body;
  body.ColumnsAndRows = nspi::ColumnsAndRows{{columns}, rows};
  const auto call = answered(Operation::QueryRows, body);
  rewriter.reply(*call);
  const auto read = wire::decode<nspi::RowsResponse>("reply", *call->reply_body(), arena, wire::CountWidth::address_book);
  ASSERT_TRUE(read.has_value());
  const auto& values = read->ColumnsAndRows->RowData[0].values;
  EXPECT_EQ(mapi::text_of(values[0]), "EX01");
  EXPECT_EQ(to_utf8((*values[1].get<std::span<const Utf16>>())[0]), "ncacn_ip_tcp:gate.example.test");
  EXPECT_EQ(to_utf8((*values[1].get<std::span<const Utf16>>())[1]), "ncacn_http:gate.example.test");
  EXPECT_EQ(mapi::text_of(values[2]), "/o=x/cn=Configuration/cn=Servers/cn=gate.example.test/cn=MDB");
}

TEST_F(RelayRewriteCall, what_does_not_concern_it_stays_as_the_same_bytes) {
  const mapi::PropertyTag columns[] = {mapi::PidTagDisplayName};
  const mapi::Value cells[] = {mapi::Value::string(arena, "/cn=Servers/cn=EX01")};
  const wire::PropertyRow rows[] = {{0, cells}};
  nspi::RowsResponse body;
  body.ColumnsAndRows = nspi::ColumnsAndRows{{columns}, rows};
  const auto call = answered(Operation::SeekEntries, body);
  const Bytes before(call->reply().body);
  rewriter.reply(*call);
  EXPECT_EQ(call->reply().body, before);
}

}  // namespace
}  // namespace mapigate::relay
