// Loads the library as the daemon does and sends whole Calls through a chain of it.
#include <unistd.h>

#include <filesystem>
#include <list>

#include "base/text.h"
#include "chain/loader.h"
#include "chain/test_support.h"
#include "mailbox/provider.h"
#include "mapi/legacy_dn.h"
#include "wire/mapihttp/headers.h"
#include "wire/nspi/table_bodies.h"
#include "wire/rpc/aux.h"

namespace mapigate::chain::testing {
namespace {

namespace http = wire::mapihttp;
namespace nspi = wire::nspi;
using state::FolderRole;

// One folder with one message, and a password.
class TinyProvider final : public mailbox::Provider {
 public:
  Task<Result<std::vector<mailbox::RemoteFolder>>> folders() override {
    std::vector<mailbox::RemoteFolder> out(1);
    out[0].remote_id = out[0].name = "INBOX";
    out[0].role = FolderRole::inbox;
    co_return out;
  }
  Task<Status> refresh(state::Folder, std::vector<state::MessageKey> known, mailbox::DeltaSink sink, mailbox::Progress) override {
    state::FolderDelta delta;
    delta.complete = true;
    if (known.empty()) {
      state::Message message;
      message.remote_key = 1;
      message.properties.set_string(mapi::PidTagSubject, "Only one");
      delta.added.push_back(std::move(message));
    }
    auto stored = co_await sink(std::move(delta));
    co_return stored;
  }
  Task<Result<bool>> changed(state::Folder) override { co_return false; }
  Task<Result<convert::ByteSource>> content(state::Folder, std::uint64_t) override {
    co_return convert::ByteSource::from_string("Subject: Only one\r\n\r\nbody\r\n");
  }
  Task<Status> set_flags(state::Folder, std::vector<std::uint64_t>, std::uint32_t, std::uint32_t) override { co_return Status{}; }
};
class TinyFactory final : public mailbox::ProviderFactory, public Authenticator {
 public:
  std::unique_ptr<mailbox::Provider> open(std::shared_ptr<const Identity>, io::Executor) override {
    return std::make_unique<TinyProvider>();
  }
  Task<Status> authenticate(Identity identity) override {
    if (identity.password == Secret("right")) co_return Status{};
    co_return error(Errc::denied, "wrong password");
  }
};

class MailboxModuleTest : public ChainTest {
 protected:
  MailboxModuleTest() {
    std::string name = (std::filesystem::temp_directory_path() / "mapigate-module-XXXXXX").string();
    if (mkdtemp(name.data())) folder = name;
  }
  ~MailboxModuleTest() override {
    runtime.stop();
    runtime.join();
    last.reset();
    session.reset();
    component.reset();
    std::filesystem::remove_all(folder);
  }

  void start() {
    const char* modules = std::getenv("MAPIGATE_MODULES");
    ASSERT_NE(modules, nullptr) << "run by meson test";
    static Loader loader({modules});
    const auto type = loader.find("mailbox");
    ASSERT_TRUE(type.has_value()) << type.error().message;
    const auto settings = Settings::check("[modules.mailbox]", (*type)->settings, {{"providers", std::vector<std::string>{"tiny"}}});
    ASSERT_TRUE(settings.has_value()) << settings.error().message;
    const Environment environment{runtime, metrics, "mailbox", folder.string(), "mail.example.test",
                                  [this](std::string_view name) -> Component* { return name == "tiny" ? &factory : nullptr; }};
    component = (*type)->descriptor->create(environment, *settings);
    make_chain({make_link(dynamic_cast<Module&>(*component), "mailbox", *settings)});
  }
  http::Connect::Response connect(const std::string& dn) {
    http::Connect::Request request;
    request.UserDn = dn;
    request.DefaultCodePage = 1252;
    Bytes body;
    EXPECT_TRUE(wire::encode("Connect", request, body, wire::CountWidth::narrow).has_value());
    kept.push_back(run(Operation::Connect, body)->body);
    const auto reply = wire::decode<http::Connect::Response>("Connect", kept.back(), arena, wire::CountWidth::narrow);
    EXPECT_TRUE(reply.has_value()) << (reply ? "" : reply.error().message);
    return reply ? *reply : http::Connect::Response{};
  }
  std::string my_dn() const { return mapi::user_dn(session->identity().user); }

  std::filesystem::path folder;
  TinyFactory factory;
  std::unique_ptr<Component> component;
  std::list<Bytes> kept;
};

TEST_F(MailboxModuleTest, ConnectSaysHowToPollAndWhatTheServerIs) {  // row L1
  start();
  const auto reply = connect(my_dn());
  EXPECT_EQ(reply.ErrorCode, mapi::ecNone);
  EXPECT_EQ(reply.PollsMax, 60'000u);
  EXPECT_EQ(reply.RetryCount, 6u);
  EXPECT_EQ(reply.RetryDelay, 10'000u);
  EXPECT_TRUE(my_dn().starts_with(reply.DnPrefix));
  EXPECT_EQ(to_utf8(reply.DisplayName), session->identity().user);
  const auto payloads = wire::rpc::read_extended_buffers(reply.AuxiliaryBuffer, arena, wire::rpc::auxiliary_limits);
  ASSERT_TRUE(payloads.has_value());
  ASSERT_EQ(payloads->size(), 1u);
  const auto blocks = wire::rpc::read_aux(payloads->front(), arena);
  ASSERT_TRUE(blocks.has_value());
  using wire::rpc::AuxType;
  ASSERT_EQ(blocks->size(), 3u);
  EXPECT_EQ((*blocks)[0].Type, AuxType::AUX_TYPE_EXORGINFO);
  EXPECT_EQ((*blocks)[1].Type, AuxType::AUX_TYPE_CLIENT_CONTROL);
  EXPECT_EQ((*blocks)[2].Type, AuxType::AUX_TYPE_ENDPOINT_CAPABILITIES);
}

TEST_F(MailboxModuleTest, ConnectIsForTheUserHimself) {
  start();
  EXPECT_EQ(connect("").ErrorCode, mapi::ecAccessDenied);
  EXPECT_EQ(connect("/o=Nowhere/cn=x").ErrorCode, mapi::ecUnknownUser);
  EXPECT_EQ(connect(mapi::user_dn("somebody.else@example.test")).ErrorCode, mapi::ecAccessDenied);
}

TEST_F(MailboxModuleTest, FromConnectToTheFirstRow) {
  start();
  ASSERT_EQ(connect(my_dn()).ErrorCode, mapi::ecNone);
  wire::RopLogon::Request logon;
  logon.LogonFlags = wire::RopLogon::Private;
  const auto dn = my_dn() + '\0';
  logon.Essdn = as_view(dn);
  wire::RopOpenFolder::Request open;
  open.OutputHandleIndex = 1;
  open.FolderId = mapi::Id(1, static_cast<std::uint64_t>(FolderRole::inbox));
  wire::RopGetContentsTable::Request table;
  table.OutputHandleIndex = 2;
  wire::RopSetColumns::Request columns;
  const mapi::PropertyTag tags[] = {mapi::PidTagSubject};
  columns.PropertyTags = tags;
  wire::RopQueryRows::Request query;
  query.RowCount = 10;
  const auto reply = execute({make_rop<wire::RopLogon>(arena, 0, 0, logon), make_rop<wire::RopOpenFolder>(arena, 0, 0, open),
                              make_rop<wire::RopGetContentsTable>(arena, 0, 1, table),
                              make_rop<wire::RopSetColumns>(arena, 0, 2, columns), make_rop<wire::RopQueryRows>(arena, 0, 2, query)},
                             {none, none, none});
  ASSERT_EQ(reply.rops.size(), 5u);
  for (const auto& rop : reply.rops) EXPECT_EQ(rop.ReturnValue, mapi::ecNone) << rop.codec->name;
  const auto* rows = reply.rops[4].as<wire::RopQueryRows>();
  ASSERT_NE(rows, nullptr);
  ASSERT_EQ(rows->RowData.size(), 1u);
  EXPECT_EQ(mapi::text_of(rows->RowData[0].values[0]), "Only one");
  const auto disconnected = run(Operation::Disconnect, {0, 0, 0, 0});
  EXPECT_EQ(disconnected->body, error_reply(Operation::Disconnect, mapi::ecNone).body);
  // No session any more.
  const auto late = run(Operation::NotificationWait, {0, 0, 0, 0, 0, 0, 0, 0});
  EXPECT_EQ(late->body, error_reply(Operation::NotificationWait, mapi::ecError).body);
}

TEST_F(MailboxModuleTest, ExecuteThatIsNoneFails) {
  start();
  ASSERT_EQ(connect(my_dn()).ErrorCode, mapi::ecNone);
  EXPECT_EQ(run(Operation::Execute, {1, 2, 3})->response_code,
            static_cast<std::uint32_t>(wire::mapihttp::ResponseCode::InvalidRequestBody));
}

TEST_F(MailboxModuleTest, WithoutADirectoryUsersFindThemselves) {
  start();
  const auto bound = run(Operation::Bind, {0, 0, 0, 0, 0, 0, 0, 0, 0});
  ASSERT_TRUE(bound.has_value());
  const auto bind = wire::decode<nspi::Bind::Response>("Bind", bound->body, arena, wire::CountWidth::address_book);
  ASSERT_TRUE(bind.has_value()) << bind.error().message;
  EXPECT_EQ(bind->ErrorCode, mapi::ecNone);
  EXPECT_NE(bind->ServerGuid, mapi::Guid());
  nspi::ResolveNames::Request request;
  const nspi::UnicodeString names[] = {{to_utf16(arena, session->identity().user)}, {to_utf16(arena, "bob")}};
  request.Names = std::span<const nspi::UnicodeString>(names);
  Bytes body;
  ASSERT_TRUE(wire::encode("request", request, body, wire::CountWidth::address_book));
  const auto resolved = run(Operation::ResolveNames, body);
  const auto reply = wire::decode<nspi::ResolveNames::Response>("reply", resolved->body, arena, wire::CountWidth::address_book);
  ASSERT_TRUE(reply.has_value()) << reply.error().message;
  ASSERT_EQ(reply->MinimalIds->size(), 2u);
  EXPECT_EQ((*reply->MinimalIds)[0], nspi::MinimalEntryID::MID_RESOLVED);
  EXPECT_EQ((*reply->MinimalIds)[1], nspi::MinimalEntryID::MID_UNRESOLVED);
}

TEST_F(MailboxModuleTest, AddressBookRequestsThatAreNoneAreTheTransportsToRefuse) {
  start();
  EXPECT_EQ(run(Operation::ResolveNames, {})->response_code, static_cast<std::uint32_t>(http::ResponseCode::InvalidRequestBody));
}

TEST_F(MailboxModuleTest, PasswordsAreCheckedByTheFirstProvider) {
  start();
  auto& checker = dynamic_cast<Authenticator&>(*component);
  const auto ask = [&](const char* password) {
    Identity identity{"alice@example.test", Secret(password)};
    return wait(checker.authenticate(identity));
  };
  EXPECT_TRUE(ask("right").has_value());
  const auto wrong = ask("wrong");
  ASSERT_FALSE(wrong.has_value());
  EXPECT_EQ(wrong.error().code, Errc::denied);
}

}  // namespace
}  // namespace mapigate::chain::testing
