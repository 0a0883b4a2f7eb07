// What is cut off in the middle, by a kill, a lost answer or a refusal: nothing is lost, nothing is there twice, and nothing
// holds up what comes after it.
#include "mailbox/test_support.h"

namespace mapigate::mailbox::testing {
namespace {

using namespace mapi;
using enum state::FolderRole;

class Interruptions : public InboxTest {
 protected:
  ErrorCode set(PropertyTag tag, std::string_view text) {
    const TaggedValue values[] = {{tag, Value::string(client->arena, text)}};
    return client->execute(Ask<wire::RopSetProperties>{{values}, 3}).value();
  }
  ErrorCode save() { return client->execute(Ask<wire::RopSaveChangesMessage>{{3, 0x02}, 3}).value(); }
  // A note beside a message of the backend.
  void add_noted(const std::string& subject, std::uint32_t flags = 0) {
    backend.add("INBOX", subject, flags);
    settle(*client, inbox);
    ASSERT_EQ(client->open_message(inbox).value(), ecNone);
    ASSERT_EQ(set(PidTagComment, "beside"), ecNone);
    ASSERT_EQ(save(), ecNone);
  }
  Replies move(std::vector<mapi::Id> ids, FolderRole to) {
    client->open_folder(to, 5);
    client->open_folder(inbox);
    return client->execute(Ask<wire::RopMoveCopyMessages>{{5, ids, false, false}, 1});
  }
  std::size_t stored(const std::string& folder) {
    std::lock_guard lock(backend.mutex);
    return backend.folders[folder].messages.size();
  }
  std::vector<std::vector<std::string>> rows(FolderRole role, std::vector<PropertyTag> columns) {
    settle(*client, role);
    client->open_folder(role);
    if (!client->contents()) return {{"?"}};
    client->columns(std::move(columns));
    return client->rows();
  }
  using Rows = std::vector<std::vector<std::string>>;
};

TEST_F(Interruptions, AMoveThatWasCutOffKeepsFlagsDateAndWhatStandsBeside) {
  open();
  add_noted("moved", state::flag_seen | state::flag_flagged);
  const auto before = rows(inbox, {PidTagSubject, PidTagMessageFlags, PidTagMessageDeliveryTime, PidTagComment});
  ASSERT_EQ(before.size(), 1u);
  backend.set_down("copy answer");
  const auto ids = client->message_ids(inbox);
  EXPECT_NE(move(ids, sent_items).value(), ecNone);
  EXPECT_EQ(stored("Sent"), 1u);
  backend.set_down("copy answer", false);
  // The refresh that would bring the flags fails: what the journal ends has them already.
  backend.set_down("part");
  restart();
  settle(*client, sent_items);
  client->open_folder(sent_items);
  const auto tree = tree_of(*client);
  const auto* folder = tree->by_role(sent_items);
  ASSERT_NE(folder, nullptr);
  EXPECT_EQ(folder->total, 1u);
  EXPECT_EQ(folder->unread, 0u);
  backend.set_down("part", false);
  EXPECT_EQ(rows(sent_items, {PidTagSubject, PidTagMessageFlags, PidTagMessageDeliveryTime, PidTagComment}), before);
  EXPECT_TRUE(rows(inbox, {PidTagSubject}).empty());
}

// Others may have put messages with the same Message-ID into the folder that no index knows yet.
TEST_F(Interruptions, AMessageOfOthersIsNotTakenForTheOneThatNeverArrived) {
  open();
  Ask<wire::RopCreateMessage> make{{3, 0x0FFF, Id(own_replid, special_id(inbox)), false}, 0};
  ASSERT_EQ(client->execute(make).value(), ecNone);
  ASSERT_EQ(set(PidTagSubject, "ours"), ecNone);
  ASSERT_EQ(set(PidTagComment, "beside"), ecNone);
  ASSERT_EQ(set(PidTagInternetMessageId, "<INBOX.1@example.test>"), ecNone);
  backend.add("INBOX", "of others");
  backend.set_down("append");
  ASSERT_NE(save(), ecNone);
  backend.set_down("append", false);
  restart();
  const auto there = rows(inbox, {PidTagSubject, PidTagComment});
  ASSERT_EQ(there.size(), 1u);
  EXPECT_EQ(there[0][0], "of others");
  EXPECT_NE(there[0][1], "beside");
}

TEST_F(Interruptions, AMessageThatArrivedIsFoundAmongOthersOfItsMessageId) {
  for (const bool old_entry : {false, true}) {
    open();
    const auto before = stored("INBOX");
    const auto message_id = fmt::format("<INBOX.{}@example.test>", before + 2);
    Ask<wire::RopCreateMessage> make{{3, 0x0FFF, Id(own_replid, special_id(inbox)), false}, 0};
    ASSERT_EQ(client->execute(make).value(), ecNone);
    const std::string subject = old_entry ? "ours of old" : "ours";
    ASSERT_EQ(set(PidTagSubject, subject), ecNone);
    ASSERT_EQ(set(PidTagComment, "beside"), ecNone);
    ASSERT_EQ(set(PidTagInternetMessageId, message_id), ecNone);
    backend.set_down("append answer");
    ASSERT_NE(save(), ecNone);
    backend.set_down("append answer", false);
    // Without what tells them apart it can only be the newest: the one that is alone.
    if (!old_entry) backend.add("INBOX", "later");
    client.reset();
    engine.reset();
    {
      auto store = state::open_sqlite_store(folder.string());
      ASSERT_TRUE(store.has_value());
      auto state = (*store)->open("alice@example.test");
      ASSERT_TRUE(state.has_value());
      const auto entries = (*state)->journal("append");
      ASSERT_TRUE(entries.has_value());
      ASSERT_EQ(entries->size(), 1u);
      const auto line = entries->front().head.find('\n');
      ASSERT_NE(line, std::string::npos);
      if (old_entry) {
        const auto cut = (*state)->update_journal(entries->front().id, entries->front().head.substr(0, line));
        ASSERT_TRUE(cut.has_value());
      }
    }
    restart();
    std::map<std::string, std::string> comments;
    for (const auto& row : rows(inbox, {PidTagSubject, PidTagComment})) comments[row[0]] = row[1];
    EXPECT_EQ(comments[subject], "beside");
    EXPECT_NE(comments["later"], "beside");
    EXPECT_EQ(stored("INBOX"), before + (old_entry ? 1 : 2));
    client.reset();
  }
}

TEST_F(Interruptions, WhatWasMovedIsFoundAmongOthersOfItsMessageId) {
  open();
  add_noted("moved");
  settle(*client, sent_items);
  const auto ids = client->message_ids(inbox);
  backend.set_down("copy answer");
  EXPECT_NE(move(ids, sent_items).value(), ecNone);
  backend.set_down("copy answer", false);
  {
    std::lock_guard lock(backend.mutex);
    auto& sent = backend.folders["Sent"];
    auto other = sent.messages.begin()->second;
    const auto at = other.raw.find("Subject: moved");
    ASSERT_NE(at, std::string::npos);
    other.raw.replace(at, 14, "Subject: of others");
    sent.messages[sent.next++] = other;
    ++sent.change;
  }
  restart();
  std::map<std::string, std::string> comments;
  for (const auto& row : rows(sent_items, {PidTagSubject, PidTagComment})) comments[row[0]] = row[1];
  EXPECT_EQ(comments["moved"], "beside");
  EXPECT_NE(comments["of others"], "beside");
}

// A backend without UIDPLUS does not tell which is which.
TEST_F(Interruptions, MovedMessagesOfOneMessageIdKeepWhatStandsBesideThem) {
  open();
  add_noted("first");
  backend.add("INBOX", "second one");
  backend.add("Sent", "there before");
  {
    std::lock_guard lock(backend.mutex);
    backend.tells_keys = false;
    const auto rename = [](std::string& raw, const std::string& from) {
      const auto at = raw.find(from);
      ASSERT_NE(at, std::string::npos) << raw;
      raw.replace(at, from.size(), "<INBOX.1@example.test>");
    };
    for (auto& [uid, message] : backend.folders["INBOX"].messages)
      if (message.raw.find("<INBOX.1@") == std::string::npos) rename(message.raw, "<INBOX.2@example.test>");
    for (auto& [uid, message] : backend.folders["Sent"].messages) rename(message.raw, "<Sent.1@example.test>");
  }
  settle(*client, inbox);
  settle(*client, sent_items);
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  const auto newest = client->properties({PidTagSubject}, 3).at(0);
  ASSERT_EQ(newest, "second one");
  ASSERT_EQ(set(PidTagComment, "beside the second"), ecNone);
  ASSERT_EQ(save(), ecNone);
  EXPECT_EQ(move(client->message_ids(inbox), sent_items).value(), ecNone);
  std::map<std::string, std::string> comments;
  for (const auto& row : rows(sent_items, {PidTagSubject, PidTagComment})) comments[row[0]] = row[1];
  EXPECT_EQ(comments.size(), 3u);
  EXPECT_EQ(comments["first"], "beside");
  EXPECT_EQ(comments["second one"], "beside the second");
  EXPECT_TRUE(comments["there before"].starts_with("!ecNotFound"));
  EXPECT_EQ(stored("INBOX"), 0u);
}

TEST_F(Interruptions, AMoveOutOfTheBackendThatWasCutOffLeavesNothingTwice) {
  open();
  add_noted("once");
  const auto ids = client->message_ids(inbox);
  backend.set_down("remove");
  EXPECT_NE(move(ids, notes).value(), ecNone);
  EXPECT_EQ(stored("INBOX"), 1u);
  backend.set_down("remove", false);
  // The client tries again.
  EXPECT_EQ(move(ids, notes).value(), ecNone);
  EXPECT_EQ(stored("INBOX"), 0u);
  EXPECT_EQ(rows(notes, {PidTagSubject, PidTagComment}), (Rows{{"once", "beside"}}));
  EXPECT_TRUE(rows(inbox, {PidTagSubject}).empty());
  // The same without another try, over a restart.
  add_noted("twice");
  const auto next = client->message_ids(inbox);
  backend.set_down("remove");
  EXPECT_NE(move(next, notes).value(), ecNone);
  backend.set_down("remove", false);
  restart();
  EXPECT_TRUE(rows(inbox, {PidTagSubject}).empty());
  EXPECT_EQ(stored("INBOX"), 0u);
  EXPECT_EQ(rows(notes, {PidTagSubject}).size(), 2u);
}

TEST_F(Interruptions, AMoveThatIsRefusedLeavesTheMessageWhereItWas) {
  open();
  add_noted("stays");
  const auto ids = client->message_ids(inbox);
  backend.refuse("remove");
  EXPECT_NE(move(ids, notes).value(), ecNone);
  EXPECT_EQ(rows(inbox, {PidTagSubject, PidTagComment}), (Rows{{"stays", "beside"}}));
  EXPECT_TRUE(rows(notes, {PidTagSubject}).empty());
  EXPECT_EQ(stored("INBOX"), 1u);
}

TEST_F(Interruptions, AnEditWhoseOldFormCannotBeRemovedHoldsNothingUp) {
  open();
  add_noted("old");
  backend.refuse("remove");
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  ASSERT_EQ(set(PidTagSubject, "new"), ecNone);
  // It is stored; an error would make the client store it once more.
  EXPECT_EQ(save(), ecNone);
  EXPECT_EQ(stored("INBOX"), 2u);
  // The same after a lost answer: whoever writes next ends it as far as that goes.
  ASSERT_EQ(set(PidTagSubject, "newer"), ecNone);
  backend.set_down("append answer");
  EXPECT_NE(save(), ecNone);
  backend.set_down("append answer", false);
  restart();
  settle(*client, inbox);
  Ask<wire::RopCreateMessage> make{{3, 0x0FFF, Id(own_replid, special_id(inbox)), false}, 0};
  ASSERT_EQ(client->execute(make).value(), ecNone);
  ASSERT_EQ(set(PidTagSubject, "another"), ecNone);
  EXPECT_EQ(save(), ecNone);
  std::set<std::string> subjects;
  for (const auto& row : rows(inbox, {PidTagSubject})) subjects.insert(row[0]);
  EXPECT_EQ(subjects, (std::set<std::string>{"old", "new", "newer", "another"}));
}

// [MS-OXCDATA] 2.4: what is too big will stay so, what found no room may find some.
TEST_F(Interruptions, WhatIsTooBigIsNotToldAsAFullMailbox) {
  open();
  Ask<wire::RopCreateMessage> make{{3, 0x0FFF, Id(own_replid, special_id(inbox)), false}, 0};
  ASSERT_EQ(client->execute(make).value(), ecNone);
  ASSERT_EQ(set(PidTagSubject, "big"), ecNone);
  backend.refuse("room");
  EXPECT_EQ(save(), ecQuotaExceeded);
  backend.refuse("room", false);
  ASSERT_EQ(client->execute(Ask<wire::RopCreateAttachment>{{4}, 3}).value(), ecNone);
  // MIME has no place for it, and beside a message there is less than so much.
  Ask<wire::RopOpenStream> open_stream{{5, PropertyTag(0x3FE3, PropertyType::PtypBinary), wire::RopOpenStream::Create}, 4};
  ASSERT_EQ(client->execute(open_stream).value(), ecNone);
  const std::string piece(30'000, 'x');
  for (std::size_t written = 0; written < (std::size_t{17} << 20); written += piece.size())
    ASSERT_EQ(client->execute(Ask<wire::RopWriteStream>{{as_view(piece)}, 5}).value(), ecNone);
  ASSERT_EQ(client->execute(Ask<wire::RopCommitStream>{{}, 5}).value(), ecNone);
  ASSERT_EQ(client->execute(Ask<wire::RopSaveChangesAttachment>{{4, 0x02}, 3}).value(), ecNone);
  EXPECT_EQ(save(), ecTooBig);
  EXPECT_EQ(stored("INBOX"), 0u);
}

TEST_F(Interruptions, TwoWhoChangeDifferentThingsBesideAMessageLoseNeither) {
  open();
  add_noted("shared");
  auto other = connect();
  ASSERT_EQ(other->logon().value(), ecNone);
  ASSERT_EQ(other->open_message(inbox).value(), ecNone);
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  const PropertyTag one(0x3FE4, PropertyType::PtypString), two(0x3FE5, PropertyType::PtypString);
  const auto set_by = [](Client& who, PropertyTag tag, std::string_view text) {
    const TaggedValue values[] = {{tag, Value::string(who.arena, text)}};
    return who.execute(Ask<wire::RopSetProperties>{{values}, 3}).value();
  };
  // Both have begun before either saves.
  ASSERT_EQ(set_by(*client, one, "by one"), ecNone);
  const PropertyTag gone[] = {PidTagComment};
  ASSERT_EQ(client->execute(Ask<wire::RopDeleteProperties>{{gone}, 3}).value(), ecNone);
  ASSERT_EQ(set_by(*other, two, "by the other"), ecNone);
  ASSERT_EQ(save(), ecNone);
  ASSERT_EQ(other->execute(Ask<wire::RopSaveChangesMessage>{{3, 0x02}, 3}).value(), ecNone);
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  const auto kept = client->properties({one, two, PidTagComment}, 3);
  EXPECT_EQ(kept[0], "by one");
  EXPECT_EQ(kept[1], "by the other");
  EXPECT_TRUE(kept[2].starts_with("!ecNotFound")) << kept[2];
}

TEST_F(Interruptions, WhoHasEditedAMessageKeepsWhatOthersPutBesideItSince) {
  open();
  add_noted("shared");
  ASSERT_EQ(set(PidTagSubject, "edited"), ecNone);
  ASSERT_EQ(save(), ecNone);
  const PropertyTag one(0x3FE4, PropertyType::PtypString), two(0x3FE5, PropertyType::PtypString);
  auto other = connect();
  ASSERT_EQ(other->logon().value(), ecNone);
  ASSERT_EQ(other->open_message(inbox).value(), ecNone);
  const TaggedValue values[] = {{two, Value::string(other->arena, "by the other")}};
  ASSERT_EQ(other->execute(Ask<wire::RopSetProperties>{{values}, 3}).value(), ecNone);
  ASSERT_EQ(other->execute(Ask<wire::RopSaveChangesMessage>{{3, 0x02}, 3}).value(), ecNone);
  ASSERT_EQ(set(one, "by one"), ecNone);
  ASSERT_EQ(save(), ecNone);
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  EXPECT_EQ(client->properties({PidTagSubject, PidTagComment, one, two}, 3),
            (std::vector<std::string>{"edited", "beside", "by one", "by the other"}));
}

TEST_F(Interruptions, AFolderThatOthersRenamedIsTheSameWithAllThatStandsBeside) {
  backend.add("Projects/Bridge", "plans");
  open();
  const auto id_of = [&](const char* name) {
    const auto tree = tree_of(*client);
    for (const auto& folder : tree->all())
      if (folder.name == name) return folder.id;
    return mapi::GlobalCounter{0};
  };
  const auto projects = id_of("Projects"), bridge = id_of("Bridge");
  ASSERT_NE(bridge, 0u);
  const auto in_folder = [&](mapi::GlobalCounter id, std::uint8_t flags = 0) -> std::vector<std::vector<std::string>> {
    if (client->open_folder(Id(own_replid, id)) != ecNone || !client->contents(flags)) return {{"?"}};
    client->columns({PidTagSubject, PidTagComment, PidTagMid});
    return client->rows();
  };
  // A note beside the message, one on the folder, and a hidden message.
  const auto seen = in_folder(bridge);
  ASSERT_EQ(seen.size(), 1u);
  Ask<wire::RopOpenMessage> open_message{{3, 0x0FFF, Id(own_replid, bridge), wire::RopOpenMessage::BestAccess, Id(std::stoull(seen[0][2]))}, 0};
  ASSERT_EQ(client->execute(open_message).value(), ecNone);
  ASSERT_EQ(set(PidTagComment, "beside"), ecNone);
  ASSERT_EQ(save(), ecNone);
  const TaggedValue comment[] = {{PidTagComment, Value::string(client->arena, "of the folder")}};
  ASSERT_EQ(client->execute(Ask<wire::RopSetProperties>{{comment}, 1}).value(), ecNone);
  Ask<wire::RopCreateMessage> make{{3, 0x0FFF, Id(own_replid, bridge), true}, 0};
  ASSERT_EQ(client->execute(make).value(), ecNone);
  ASSERT_EQ(set(PidTagSubject, "view"), ecNone);
  ASSERT_EQ(save(), ecNone);
  const auto before = in_folder(bridge);
  // What is above it is renamed: nothing is in there, so it is known by what is below it only.
  backend.rename("Projects", "Works");
  backend.set_down("recognize");
  settle(*client, inbox);
  EXPECT_EQ(id_of("Bridge"), bridge) << "not knowing is no reason to forget";
  backend.set_down("recognize", false);
  settle(*client, inbox);
  EXPECT_EQ(id_of("Works"), projects);
  EXPECT_EQ(id_of("Projects"), 0u);
  ASSERT_EQ(id_of("Bridge"), bridge);
  EXPECT_EQ(in_folder(bridge), before);
  EXPECT_EQ(before[0][1], "beside");
  EXPECT_EQ(in_folder(bridge, wire::RopGetContentsTable::Associated).size(), 1u);
  EXPECT_EQ(client->properties({PidTagComment}, 1), std::vector<std::string>{"of the folder"});
  // The folder itself, into another place, over a restart.
  restart();
  backend.rename("Works/Bridge", "Tunnel");
  settle(*client, inbox);
  EXPECT_EQ(id_of("Tunnel"), bridge);
  EXPECT_EQ(tree_of(*client)->find(bridge)->parent, special_id(ipm_subtree));
  EXPECT_EQ(in_folder(bridge), before);
  // One that is really gone is gone, whatever else came.
  {
    std::lock_guard lock(backend.mutex);
    backend.folders.erase("Tunnel");
  }
  backend.add_folder("Canal");
  settle(*client, inbox);
  EXPECT_EQ(tree_of(*client)->find(bridge), nullptr);
  EXPECT_NE(id_of("Canal"), bridge);
}

TEST_F(Interruptions, WhatStandsBesideAMessageFollowsItWhereOthersMoveIt) {
  open();
  add_noted("filed by phone", state::flag_seen);
  settle(*client, sent_items);
  {
    // Another client moves it; which of the folders is looked at first is chance.
    std::lock_guard lock(backend.mutex);
    auto& from = backend.folders["INBOX"];
    auto& to = backend.folders["Sent"];
    to.messages[to.next++] = from.messages.begin()->second;
    from.messages.clear();
    ++from.change;
    ++to.change;
  }
  EXPECT_EQ(rows(sent_items, {PidTagSubject, PidTagComment}), (Rows{{"filed by phone", "beside"}}));
  EXPECT_TRUE(rows(inbox, {PidTagSubject}).empty());
  {
    std::lock_guard lock(backend.mutex);
    auto& from = backend.folders["Sent"];
    auto& to = backend.folders["INBOX"];
    to.messages[to.next++] = from.messages.begin()->second;
    from.messages.clear();
    ++from.change;
    ++to.change;
  }
  EXPECT_TRUE(rows(sent_items, {PidTagSubject}).empty());
  restart();
  EXPECT_EQ(rows(inbox, {PidTagSubject, PidTagComment}), (Rows{{"filed by phone", "beside"}}));
}

}  // namespace
}  // namespace mapigate::mailbox::testing
