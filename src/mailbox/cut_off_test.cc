// Calls that are cut off in the middle, as by the limit of an Execute: what was begun is ended later, and is there once.
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>

#include "mailbox/test_support.h"

namespace mapigate::mailbox::testing {
namespace {

namespace asio = boost::asio;
using namespace mapi;
using enum state::FolderRole;

class CutOff : public EngineTest {
 protected:
  void stick(const std::string& what) {
    std::lock_guard lock(backend.mutex);
    backend.stuck = what;
  }
  // Cuts the call off where the backend is stuck in `what`.
  template <class... Rops>
  void cut(Client& client, const std::string& what, const Ask<Rops>&... asks) {
    stick(what);
    const auto before = backend.count(what);
    wire::RopRequestBuffer buffer;
    (buffer.rops.push_back(client.request(asks)), ...);
    buffer.handles = client.handles;
    Bytes payload;
    ASSERT_TRUE(wire::encode_requests(buffer, payload).has_value());
    const auto requests = wire::decode_requests(payload, client.arena);
    ASSERT_TRUE(requests.has_value());
    const auto executor = runtime->executor_of(client.user);
    const auto signal = std::make_shared<asio::cancellation_signal>();
    auto ended = std::make_shared<std::promise<bool>>();
    auto future = ended->get_future();
    auto told = [ended](std::exception_ptr escaped) { ended->set_value(escaped != nullptr); };
    asio::co_spawn(executor, execute(client.session.get(), &*requests, &client.arena), asio::bind_cancellation_slot(signal->slot(), told));
    EXPECT_TRUE(eventually([&] { return backend.count(what) > before; }, std::chrono::seconds(30)));
    io::post(executor, [signal] { signal->emit(asio::cancellation_type::terminal); });
    EXPECT_TRUE(future.get()) << "it was not cut off";
    stick({});
  }
  using Rows = std::vector<std::vector<std::string>>;
  static Task<> execute(Session* session, const wire::RopRequestBuffer* requests, Arena* arena) {
    auto done = co_await session->execute(*requests, 0, 0x8008, *arena);
    (void)done;
  }
  static ErrorCode set(Client& client, PropertyTag tag, std::string_view text) {
    const TaggedValue values[] = {{tag, Value::string(client.arena, text)}};
    return client.execute(Ask<wire::RopSetProperties>{{values}, 3}).value();
  }
  Rows rows(Client& client, FolderRole role, std::vector<PropertyTag> columns) {
    settle(client, role);
    EXPECT_EQ(client.open_folder(role), ecNone);
    EXPECT_TRUE(client.contents().has_value());
    client.columns(std::move(columns));
    return client.rows();
  }
};

TEST_F(CutOff, AnEditedMessageIsThereOnce) {
  backend.add("INBOX", "before");
  auto client = connect();
  ASSERT_EQ(client->logon().value(), ecNone);
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  ASSERT_EQ(set(*client, PidTagSubject, "after"), ecNone);
  const auto ids = rows(*client, inbox, {PidTagMid});
  cut(*client, "remove", Ask<wire::RopSaveChangesMessage>{{3, 0x02}, 3});
  EXPECT_EQ(rows(*client, inbox, {PidTagSubject}), (Rows{{"after"}}));
  EXPECT_EQ(rows(*client, inbox, {PidTagMid}), ids);
  std::lock_guard lock(backend.mutex);
  EXPECT_EQ(backend.folders["INBOX"].messages.size(), 1u);
}

TEST_F(CutOff, WhatStandsBesideAMovedMessageFollowsIt) {
  backend.add("INBOX", "moved");
  auto client = connect();
  ASSERT_EQ(client->logon().value(), ecNone);
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  ASSERT_EQ(set(*client, PidTagComment, "beside"), ecNone);
  ASSERT_EQ(client->execute(Ask<wire::RopSaveChangesMessage>{{3, 0x02}, 3}).value(), ecNone);
  const auto ids = client->message_ids(inbox);
  ASSERT_EQ(client->open_folder(sent_items, 5), ecNone);
  cut(*client, "copy", Ask<wire::RopMoveCopyMessages>{{5, ids, false, false}, 1});
  EXPECT_EQ(rows(*client, sent_items, {PidTagSubject, PidTagComment}), (Rows{{"moved", "beside"}}));
  EXPECT_TRUE(rows(*client, inbox, {PidTagSubject}).empty());
}

// The client has never heard of them.
TEST_F(CutOff, HandlesOfACallWithoutAnAnswerAreReleased) {
  backend.add("INBOX", "moved");
  auto client = connect();
  ASSERT_EQ(client->logon().value(), ecNone);
  const auto ids = client->message_ids(inbox);
  ASSERT_EQ(client->open_folder(inbox), ecNone);
  ASSERT_EQ(client->open_folder(sent_items, 5), ecNone);
  const auto objects = client->session->objects();
  Ask<wire::RopOpenFolder> one;
  one.body.FolderId = Id(own_replid, special_id(notes));
  one.body.OutputHandleIndex = 7;
  auto other = one;
  other.body.OutputHandleIndex = 8;
  cut(*client, "copy", one, other, Ask<wire::RopMoveCopyMessages>{{5, ids, false, false}, 1});
  EXPECT_EQ(client->open_folder(notes, 9), ecNone);
  EXPECT_EQ(client->session->objects(), objects + 1);
}

}  // namespace
}  // namespace mapigate::mailbox::testing
