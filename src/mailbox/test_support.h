// For the tests of this folder: a client that speaks ROP buffers to the engine, over the real state store and a backend in
// memory (fake_backend.h).
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <future>

#include "mailbox/fake_backend.h"
#include "mailbox/submitter.h"
#include "mapi/legacy_dn.h"
#include "wire/rop/rops.h"
#include "wire/rpc/header_ext.h"

namespace mapigate::mailbox::testing {

using mapi::PropertyTag;
using wire::RopId;

template <class Rop>
struct Ask {
  typename Rop::Request body{};
  std::uint8_t handle = 0;
};

struct Replies {
  mapi::ErrorCode code = mapi::ecNone;
  wire::RopResponseBuffer buffer;                // of the first payload
  std::vector<wire::RopResponseBuffer> chained;  // of those after it
  const wire::RopResponse& at(std::size_t i) const { return buffer.rops.at(i); }
  mapi::ErrorCode value(std::size_t i = 0) const { return i < buffer.rops.size() ? buffer.rops[i].ReturnValue : mapi::ecError; }
  template <class Rop>
  const typename Rop::Response& get(std::size_t i = 0) const {
    const auto* body = buffer.rops.at(i).as<Rop>();
    if (!body) throw std::runtime_error(fmt::format("response {} has no body: {}", i, mapi::to_string(value(i))));
    return *body;
  }
};

class Client : public wire::ColumnSource {
 public:
  Client(io::Runtime& runtime, Engine& engine, std::string user, unsigned code_page = 1252, std::string_view password = "secret");
  ~Client() override;

  template <class... Rops>
  Replies execute(const Ask<Rops>&... asks) {
    std::vector<wire::RopRequest> rops;
    (rops.push_back(request(asks)), ...);
    return send(std::move(rops));
  }
  Replies send(std::vector<wire::RopRequest> rops);
  Replies send_payload(View payload);
  bool wait(Duration limit);
  template <class Rop>
  wire::RopRequest request(const Ask<Rop>& ask) {
    wire::RopRequest out;
    out.id = Rop::id;
    out.HandleIndex = ask.handle;
    out.codec = wire::find_rop(Rop::id);
    out.body = arena.make<typename Rop::Request>(ask.body);
    return out;
  }

  // Handle indexes: 0 logon, 1 folder, 2 table, 3 message, and free use from 4 on.
  Replies logon();
  mapi::ErrorCode open_folder(FolderRole role, std::uint8_t out = 1);
  mapi::ErrorCode open_folder(mapi::Id id, std::uint8_t out = 1);
  // Opens the contents table of folder handle 1 as 2; the count, or the error.
  Result<std::uint32_t> contents(std::uint8_t flags = 0);
  Replies columns(std::vector<PropertyTag> tags, std::uint8_t table = 2);
  mapi::ErrorCode sort(std::vector<mapi::SortOrder> orders, std::uint16_t categories = 0, std::uint16_t expanded = 0);
  // All rows from the cursor on, text of every cell.
  std::vector<std::vector<std::string>> rows(std::uint16_t count = 1000, std::uint8_t table = 2);
  // Of an object: the cells as text; an error as "!ecNotFound …".
  std::vector<std::string> properties(std::vector<PropertyTag> tags, std::uint8_t handle, std::uint16_t limit = 0);
  mapi::Value property(PropertyTag tag, std::uint8_t handle);
  // Opens the n-th message of folder `role` in the order of arrival, newest first, as handle 3.
  Replies open_message(FolderRole role, std::size_t n = 0);
  std::string read_stream(PropertyTag tag, std::uint8_t handle, std::uint16_t piece = 4000);
  std::vector<mapi::Id> message_ids(FolderRole role);

  std::optional<wire::Columns> columns_of(std::uint32_t handle) const override;
  std::vector<std::uint32_t> handles = std::vector<std::uint32_t>(12, wire::no_handle);
  std::uint32_t flags = 0;
  static constexpr std::uint16_t index = 4711;
  std::size_t max_rop_out = 0x8008;
  Arena arena;
  std::string user;
  std::unique_ptr<Session> session;

 private:
  template <class T>
  T run(Task<T> task);
  std::map<std::uint32_t, std::vector<PropertyTag>> columns_;
  io::Executor executor_;
  std::deque<Bytes> kept_;
};

std::string to_text(const mapi::Value& value);

class EngineTest : public ::testing::Test {
 protected:
  explicit EngineTest(unsigned threads = 1);
  ~EngineTest() override;
  void make_engine();   // anew: what the state store does not keep is gone
  // All that runs ends. In destructors of tests whose members the engine uses: these go before ours.
  void stop_all();
  void use(const std::function<void(EngineOptions&)>& change);
  std::unique_ptr<Client> connect(const std::string& user = "alice@example.test", std::string_view password = "secret");
  // Refreshes of folder and list are over when this returns.
  void settle(Client& client, FolderRole role);
  // As it is now; the mailbox has another one after each change.
  static std::shared_ptr<const FolderTree> tree_of(Client& client);

  FakeBackend backend;
  FakeFactory factory{backend};
  // Of engines made from now on.
  ProviderFactory* provider = &factory;
  SubmitterFactory* submitter = nullptr;
  UserServices* services = nullptr;
  EngineOptions options;
  std::filesystem::path folder;
  std::unique_ptr<io::Runtime> runtime;
  std::unique_ptr<Engine> engine;
};

// A client that has the inbox and its contents table open, after open().
class InboxTest : public EngineTest {
 protected:
  void open();
  void restart();  // of the engine; the client comes again
  std::unique_ptr<Client> client;
};

template <class Condition>
bool eventually(Condition condition, std::chrono::milliseconds limit = std::chrono::seconds(30)) {
  for (const auto end = Clock::now() + limit; Clock::now() < end; std::this_thread::sleep_for(std::chrono::milliseconds(5)))
    if (condition()) return true;
  return condition();
}

}  // namespace mapigate::mailbox::testing
