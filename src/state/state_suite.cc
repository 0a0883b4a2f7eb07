#include "state/state_suite.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <set>

#include "base/text.h"

namespace mapigate::state {

namespace {

using mapi::PropertyBag;
using mapi::PropertyName;

template <class T>
T take(Result<T> result) {
  EXPECT_TRUE(result.has_value()) << (result ? "" : result.error().message);
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}
void take(const Status& status) { ASSERT_TRUE(status.has_value()) << status.error().message; }

FolderDelta delta_of(std::uint64_t first, std::uint64_t last, std::uint32_t flags = 0) {
  FolderDelta delta;
  for (auto key = first; key <= last; ++key) delta.added.push_back(sample_message(key, flags));
  return delta;
}

double milliseconds(const std::function<void()>& work, int rounds = 15) {
  double best = 1e9;
  for (int i = 0; i < rounds; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    best = std::min(
        best, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

}  // namespace

Message sample_message(std::uint64_t key, std::uint32_t flags) {
  Message message;
  message.remote_key = key;
  message.flags = flags;
  message.received = from_unix(1'700'000'000 + static_cast<std::int64_t>(key * 7919 % 100'000));
  message.size = 1000 + key * 31 % 5000;
  message.properties.set_string(mapi::PidTagSubject, fmt::format("RE: Subject {}", key * 17 % 1000));
  message.properties.set_string(mapi::PidTagNormalizedSubject, fmt::format("Subject {}", key * 17 % 1000));
  message.properties.set_string(mapi::PidTagSentRepresentingName, fmt::format("Sénder {}", key % 50));
  message.properties.set_string(mapi::PidTagInternetMessageId, fmt::format("<{}@example.test>", key));
  message.properties.set_time(mapi::PidTagMessageDeliveryTime, message.received);
  message.properties.set_binary(mapi::PidTagConversationIndex, as_view("0123456789012345678901"));
  return message;
}

void StateSuite::SetUp() {
  if (GetParam().available && !GetParam().available()) GTEST_SKIP() << GetParam().name << " is not installed";
  char pattern[] = "/tmp/mapigate-state-XXXXXX";
  ASSERT_NE(::mkdtemp(pattern), nullptr);
  folder_ = pattern;
  reopen();
}
void StateSuite::TearDown() {
  state_.reset();
  store_.reset();
  if (!folder_.empty()) std::filesystem::remove_all(folder_);
}
void StateSuite::reopen() {
  state_.reset();
  store_ = take(GetParam().open(folder_));
  state_ = open("alice@example.test");
}
std::unique_ptr<MailboxState> StateSuite::open(const std::string& user) { return take(store_->open(user)); }
Folder StateSuite::make_folder(const std::string& name) {
  Folder folder;
  folder.parent = 1;
  folder.name = name;
  return take(state_->put_folder(std::move(folder)));
}

TEST_P(StateSuite, IdentityStaysAndDiffersBetweenMailboxes) {
  const auto mailbox = state_->mailbox_guid();
  const auto replica = state_->replica_guid();
  EXPECT_NE(mailbox, mapi::Guid());
  EXPECT_NE(mailbox, replica);
  auto bob = open("bob@example.test");
  EXPECT_NE(bob->mailbox_guid(), mailbox);
  bob.reset();
  reopen();
  EXPECT_EQ(state_->mailbox_guid(), mailbox);
  EXPECT_EQ(state_->replica_guid(), replica);
}

TEST_P(StateSuite, CountersAreNeverGivenOutTwice) {
  std::set<GlobalCounter> seen;
  auto note = [&](GlobalCounter first, std::uint64_t count) {
    EXPECT_GE(first, first_given_counter);
    EXPECT_LE(first + count - 1, mapi::max_global_counter);
    auto next = seen.lower_bound(first);
    EXPECT_TRUE(next == seen.end() || *next >= first + count) << first;
    EXPECT_TRUE(seen.empty() || next == seen.begin() || *std::prev(next) < first);
    seen.insert(first);
    seen.insert(first + count - 1);
  };
  auto second = open("alice@example.test");  // a session that ends late
  for (int i = 0; i < 3; ++i) {
    note(take(state_->reserve_ids(1)), 1);
    note(take(state_->reserve_ids(65'536)), 65'536);
    note(take(second->reserve_ids(3)), 3);
    auto folder = make_folder("F");
    note(folder.id, 1);
    note(folder.change_number, 1);
    reopen();
  }
  EXPECT_FALSE(state_->reserve_ids(0).has_value());
}

TEST_P(StateSuite, FoldersComeBackAsTheyWerePut) {
  Folder folder;
  folder.id = 4;  // an id of the engine's choice
  folder.parent = 1;
  folder.role = FolderRole::inbox;
  folder.provider = "imap";
  folder.remote_id = std::string("IN\0BOX\xff", 7);
  folder.name = "Пошта 'x\"";
  folder.container_class = "IPF.Note";
  folder.selectable = false;
  folder.cursor = std::string("a\0b", 3);
  const auto put = take(state_->put_folder(folder));
  EXPECT_EQ(put.id, 4u);
  EXPECT_NE(put.change_number, 0u);
  EXPECT_NE(put.created.ticks, 0u);
  reopen();
  auto rows = take(state_->folders());
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].remote_id, folder.remote_id);
  EXPECT_EQ(rows[0].name, folder.name);
  EXPECT_EQ(rows[0].role, FolderRole::inbox);
  EXPECT_EQ(rows[0].provider, "imap");
  EXPECT_EQ(rows[0].cursor, folder.cursor);
  EXPECT_FALSE(rows[0].selectable);
  EXPECT_EQ(rows[0].change_number, put.change_number);
  EXPECT_EQ(rows[0].created, put.created);

  rows[0].name = "Inbox";
  rows[0].cursor = "stale";
  rows[0].total = 77;
  const auto renamed = take(state_->put_folder(rows[0]));
  EXPECT_GT(renamed.change_number, put.change_number);
  rows = take(state_->folders());
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].name, "Inbox");
  EXPECT_EQ(rows[0].cursor, folder.cursor) << "the cursor is apply()'s";
  EXPECT_EQ(rows[0].total, 0u);
}

TEST_P(StateSuite, ApplyKeepsRowsAndTotals) {
  const auto folder = make_folder("F");
  auto delta = delta_of(1, 10);
  delta.added[0].flags = flag_seen | flag_answered;
  delta.cursor = "c1";
  std::uint64_t bytes = 0;
  for (const auto& message : delta.added) bytes += message.size;
  const auto applied = take(state_->apply(folder.id, std::move(delta)));
  ASSERT_EQ(applied.added.size(), 10u);
  EXPECT_TRUE(applied.changed.empty());
  reopen();
  auto row = take(state_->folders())[0];
  EXPECT_EQ(row.total, 10u);
  EXPECT_EQ(row.unread, 9u);
  EXPECT_EQ(row.size, bytes);
  EXPECT_EQ(row.cursor, "c1");
  EXPECT_FALSE(row.indexed);

  auto first = take(state_->message(applied.added[0]));
  ASSERT_TRUE(first.has_value());
  const auto expected = sample_message(1, flag_seen | flag_answered);
  EXPECT_EQ(first->remote_key, 1u);
  EXPECT_EQ(first->folder, folder.id);
  EXPECT_EQ(first->flags, expected.flags);
  EXPECT_EQ(first->received, expected.received);
  EXPECT_EQ(first->size, expected.size);
  EXPECT_EQ(first->properties.size(), expected.properties.size());
  EXPECT_EQ(first->properties.string(mapi::PidTagSentRepresentingName), "Sénder 1");
  EXPECT_TRUE(
      equal(first->properties.binary(mapi::PidTagConversationIndex), as_view("0123456789012345678901")));

  FolderDelta changes;
  changes.flags = {
      {applied.added[1], flag_seen}, {applied.added[0], flag_seen | flag_answered}, {999'999, 0}};
  changes.removed = {applied.added[9], 888'888};
  changes.complete = true;
  const auto changed = take(state_->apply(folder.id, std::move(changes)));
  EXPECT_EQ(changed.changed, std::vector<GlobalCounter>{applied.added[1]}) << "unchanged flags are no change";
  row = take(state_->folders())[0];
  EXPECT_EQ(row.total, 9u);
  EXPECT_EQ(row.unread, 7u);
  EXPECT_EQ(row.size, bytes - sample_message(10).size);
  EXPECT_EQ(row.cursor, "c1");
  EXPECT_TRUE(row.indexed);
  EXPECT_FALSE(take(state_->message(applied.added[9])).has_value());
  auto second = take(state_->message(applied.added[1]));
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->flags, static_cast<std::uint32_t>(flag_seen));
}

TEST_P(StateSuite, ChangesAreToldSinceTheNumbersSeen) {
  const auto folder = make_folder("F");
  const auto applied = take(state_->apply(folder.id, delta_of(1, 5)));
  auto all = take(state_->changes(folder.id, 0, 0));
  ASSERT_EQ(all.changed.size(), 5u);
  EXPECT_EQ(all.changed[0].id, applied.added[0]);
  EXPECT_EQ(all.latest, state_->latest_change());
  EXPECT_GE(all.latest, all.changed.back().change_number);
  EXPECT_TRUE(all.removed.empty() && all.read.empty());
  const auto seen = all.latest;

  auto none = take(state_->changes(folder.id, seen, seen));
  EXPECT_TRUE(none.changed.empty() && none.removed.empty() && none.read.empty());

  const auto before = take(state_->message(applied.added[1]))->change_number;
  FolderDelta delta;
  delta.flags = {{applied.added[1], flag_seen}, {applied.added[2], flag_flagged}};
  delta.removed = {applied.added[4]};
  take(state_->apply(folder.id, std::move(delta)));
  const auto later = take(state_->changes(folder.id, seen, seen));
  ASSERT_EQ(later.changed.size(), 1u) << "being read is no change of the message";
  EXPECT_EQ(later.changed[0].id, applied.added[2]);
  ASSERT_EQ(later.read.size(), 1u);
  EXPECT_EQ(later.read[0].id, applied.added[1]);
  EXPECT_TRUE(later.read[0].seen);
  EXPECT_EQ(later.removed, std::vector<GlobalCounter>{applied.added[4]});
  EXPECT_EQ(take(state_->message(applied.added[1]))->change_number, before);
  EXPECT_TRUE(take(state_->changes(folder.id, later.latest, later.latest)).changed.empty());
  EXPECT_TRUE(take(state_->changes(make_folder("G").id, 0, 0)).removed.empty());
}

TEST_P(StateSuite, AnUnknownFolderTakesNothing) {
  auto result = state_->apply(4711, delta_of(1, 3));
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, Errc::not_found);
  EXPECT_TRUE(take(state_->message_keys(4711)).empty());
  EXPECT_EQ(take(state_->newest_key(4711)), 0u);
}

TEST_P(StateSuite, AnAddedMessageThatIsThereIsReplaced) {
  const auto folder = make_folder("F");
  const auto applied = take(state_->apply(folder.id, delta_of(1, 3)));
  auto again = delta_of(2, 2, flag_seen);
  again.added[0].size = 5;
  const auto second = take(state_->apply(folder.id, std::move(again)));
  EXPECT_EQ(second.added, std::vector<GlobalCounter>{applied.added[1]});
  EXPECT_EQ(second.changed, second.added);
  const auto row = take(state_->folders())[0];
  EXPECT_EQ(row.total, 3u);
  EXPECT_EQ(row.unread, 2u);
  EXPECT_EQ(row.size, sample_message(1).size + sample_message(3).size + 5);
}

TEST_P(StateSuite, RekeyedMessagesKeepTheirIds) {
  const auto folder = make_folder("F");
  const auto applied = take(state_->apply(folder.id, delta_of(1, 4)));
  const auto before = take(state_->message(applied.added[0]));
  FolderDelta delta;  // 1 and 2 change places, 3 goes, 4 becomes 3
  delta.rekeyed = {{applied.added[0], 2}, {applied.added[1], 1}, {applied.added[3], 3}};
  delta.removed = {applied.added[2]};
  take(state_->apply(folder.id, std::move(delta)));
  const auto keys = take(state_->message_keys(folder.id));
  ASSERT_EQ(keys.size(), 3u);
  EXPECT_EQ(keys[0].id, applied.added[1]);
  EXPECT_EQ(keys[1].id, applied.added[0]);
  EXPECT_EQ(keys[2].id, applied.added[3]);
  EXPECT_EQ(keys[2].remote_key, 3u);
  EXPECT_EQ(take(state_->newest_key(folder.id)), 3u);
  EXPECT_EQ(take(state_->message(applied.added[0]))->change_number, before->change_number);

  FolderDelta twice;
  twice.rekeyed = {{applied.added[0], 1}};
  twice.removed = {applied.added[3]};
  const auto refused = state_->apply(folder.id, std::move(twice));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Errc::conflict);
  EXPECT_EQ(take(state_->message_keys(folder.id)).size(), 3u) << "a refused delta leaves nothing behind";
}

TEST_P(StateSuite, OrdersFollowTheirKey) {
  const auto folder = make_folder("F");
  const auto other = make_folder("G");
  take(state_->apply(other.id, delta_of(1, 20)));
  std::map<GlobalCounter, Message> rows;
  auto delta = delta_of(1, 300);
  const char* subjects[] = {"zebra", "Äpfel", "apple", "Zebra", "", "ébène", "Банан", "apple pie"};
  for (std::size_t i = 0; i < delta.added.size(); ++i) {
    delta.added[i].properties.set_string(mapi::PidTagNormalizedSubject, subjects[i % std::size(subjects)]);
    if (i % 3 == 0) delta.added[i].flags = flag_seen;
  }
  const auto applied = take(state_->apply(folder.id, std::move(delta)));
  for (const auto id : applied.added) rows.emplace(id, std::move(*take(state_->message(id))));

  using Less = std::function<int(const Message&, const Message&)>;
  auto compare = [](auto a, auto b) { return a < b ? -1 : a > b ? 1 : 0; };
  const std::map<SortKey, Less> orders = {
      {SortKey::id, [](auto&, auto&) { return 0; }},
      {SortKey::received, [&](auto& a, auto& b) { return compare(a.received.ticks, b.received.ticks); }},
      {SortKey::size, [&](auto& a, auto& b) { return compare(a.size, b.size); }},
      {SortKey::subject,
       [](auto& a, auto& b) {
         return collate(a.properties.string(mapi::PidTagNormalizedSubject),
                        b.properties.string(mapi::PidTagNormalizedSubject));
       }},
      {SortKey::sender,
       [](auto& a, auto& b) {
         return collate(a.properties.string(mapi::PidTagSentRepresentingName),
                        b.properties.string(mapi::PidTagSentRepresentingName));
       }},
      {SortKey::unread,
       [&](auto& a, auto& b) { return compare(!(a.flags & flag_seen), !(b.flags & flag_seen)); }},
  };
  for (const auto& [key, order] : orders) {
    for (const bool descending : {false, true}) {
      auto expected = applied.added;
      std::sort(expected.begin(), expected.end(), [&](auto a, auto b) {
        const int n = order(rows.at(a), rows.at(b));
        return descending ? (n != 0 ? n > 0 : a > b) : (n != 0 ? n < 0 : a < b);
      });
      EXPECT_EQ(take(state_->message_ids(folder.id, {key, descending})), expected)
          << "key " << int(key) << " descending " << descending;
    }
  }
  // A flag change moves the message in the order by unread, and only there.
  FolderDelta change;
  change.flags = {{applied.added[0], 0}};
  take(state_->apply(folder.id, std::move(change)));
  const auto unread = take(state_->message_ids(folder.id, {SortKey::unread, false}));
  EXPECT_EQ(unread.size(), 300u);
  EXPECT_EQ(unread[99], applied.added[0]) << "the first of the unread";
}

TEST_P(StateSuite, MessagesComeInTheOrderAskedFor) {
  const auto folder = make_folder("F");
  const auto ids = take(state_->apply(folder.id, delta_of(1, 5))).added;
  const std::vector<GlobalCounter> asked = {ids[3], 77, ids[0], ids[4]};
  const auto rows = take(state_->messages(asked));
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].id, ids[3]);
  EXPECT_EQ(rows[1].id, ids[0]);
  EXPECT_EQ(rows[2].id, ids[4]);
  std::set<GlobalCounter> seen;
  take(state_->each_message(folder.id, [&](const Message& message) {
    seen.insert(message.id);
    return seen.size() < 3;
  }));
  EXPECT_EQ(seen.size(), 3u);
}

TEST_P(StateSuite, ExtraPropertiesGoWithTheirObject) {
  const auto folder = make_folder("F");
  const auto ids = take(state_->apply(folder.id, delta_of(1, 3))).added;
  PropertyBag bag;
  bag.set_strings(mapi::PropertyTag(0x8001, mapi::PropertyType::PtypMultipleString), {"Red", "Blue"});
  bag.set_integer(mapi::PidTagFlagStatus, 2);
  take(state_->set_extra_properties(ids[0], bag));
  take(state_->set_extra_properties(ids[1], bag));
  take(state_->set_extra_properties(ids[2], bag));
  take(state_->set_extra_properties(folder.id, bag));
  reopen();
  EXPECT_EQ(take(state_->extra_properties(ids[0])).number(mapi::PidTagFlagStatus), 2);
  EXPECT_TRUE(take(state_->extra_properties(12'345)).empty());
  take(state_->set_extra_properties(ids[1], PropertyBag()));
  EXPECT_TRUE(take(state_->extra_properties(ids[1])).empty());
  FolderDelta removal;
  removal.removed = {ids[0]};
  take(state_->apply(folder.id, std::move(removal)));
  EXPECT_TRUE(take(state_->extra_properties(ids[0])).empty());
  const auto other = make_folder("Other").id;
  const auto keys_of = [](GlobalCounter id) { return std::vector{rules_key(id), permissions_key(id), search_key(id)}; };
  for (const auto of : {folder.id, other})
    for (const auto& key : keys_of(of)) take(state_->set_value(key, "of a folder"));
  take(state_->remove_folder(folder.id));
  for (const auto& key : keys_of(folder.id)) EXPECT_FALSE(take(state_->value(key))) << key;
  for (const auto& key : keys_of(other)) EXPECT_TRUE(take(state_->value(key))) << key;
  take(state_->remove_folder(other));
  EXPECT_TRUE(take(state_->extra_properties(ids[2])).empty());
  EXPECT_TRUE(take(state_->extra_properties(folder.id)).empty());
  EXPECT_TRUE(take(state_->folders()).empty());
  EXPECT_FALSE(take(state_->message(ids[1])).has_value());
  EXPECT_EQ(state_->remove_folder(folder.id).error().code, Errc::not_found);
}

TEST_P(StateSuite, WhatStandsBesideMessagesFollowsThem) {
  const auto from = make_folder("From").id, to = make_folder("To").id;
  const auto note = [](std::int32_t number) {
    PropertyBag bag;
    bag.set_integer(mapi::PidTagFlagStatus, number);
    bag.set_time(mapi::PidTagDeletedOn, from_unix(1'700'000'000));
    return bag;
  };
  const auto flag = [&](GlobalCounter folder, std::uint64_t key) {
    for (const auto& row : take(state_->message_keys(folder)))
      if (row.remote_key == key) return (*state_->message(row.id))->extras.number(mapi::PidTagFlagStatus);
    return std::int64_t{-1};
  };
  const auto came = [&](std::uint64_t sample, std::uint64_t key) {
    FolderDelta delta;
    delta.added.push_back(sample_message(sample));
    delta.added[0].remote_key = key;
    take(state_->apply(to, std::move(delta)));
  };
  auto ids = take(state_->apply(from, delta_of(1, 6))).added;
  FolderDelta notes;
  for (std::int32_t i = 0; i < 6; ++i) notes.extras.push_back({ids[static_cast<std::size_t>(i)], note(i + 1)});
  take(state_->apply(from, std::move(notes)));
  // Copied by somebody else, or moved and seen in its new place first.
  came(1, 101);
  EXPECT_EQ(flag(to, 101), 1);
  EXPECT_EQ(flag(from, 1), 1);
  // Moved and seen to be gone first; over a restart.
  FolderDelta moved;
  moved.removed = {ids[1], ids[2]};
  moved.vanished = true;
  take(state_->apply(from, std::move(moved)));
  reopen();
  came(2, 102);
  EXPECT_EQ(flag(to, 102), 2);
  // With it comes what the backend has of its own, and not from where it was deleted.
  FolderDelta with_keywords;
  with_keywords.added.push_back(sample_message(3));
  with_keywords.added[0].remote_key = 103;
  with_keywords.added[0].extras.set_string(mapi::PidTagComment, "of the backend");
  with_keywords.added[0].merge_extras = true;
  const auto third = take(state_->apply(to, std::move(with_keywords))).added[0];
  EXPECT_EQ(flag(to, 103), 3);
  EXPECT_EQ(take(state_->extra_properties(third)).string(mapi::PidTagComment), "of the backend");
  EXPECT_FALSE(take(state_->extra_properties(third)).contains(mapi::PidTagDeletedOn));
  // A message that the user deleted leaves nothing; nor does one match that differs in anything.
  FolderDelta deleted;
  deleted.removed = {ids[3]};
  take(state_->apply(from, std::move(deleted)));
  came(4, 104);
  EXPECT_EQ(flag(to, 104), 0);
  for (int what = 0; what < 4; ++what) {
    FolderDelta other;
    other.added.push_back(sample_message(5));
    auto& message = other.added[0];
    message.remote_key = 200 + static_cast<std::uint64_t>(what);
    if (what == 0) message.size += 1;
    if (what == 1) message.received.ticks += 10'000'000;
    if (what == 2) message.properties.set_string(mapi::PidTagInternetMessageId, "<other@example.test>");
    if (what == 3) message.properties.set_string(mapi::PidTagSubject, "edited");
    take(state_->apply(to, std::move(other)));
    EXPECT_EQ(flag(to, 200 + static_cast<std::uint64_t>(what)), 0) << what;
  }
  // A folder that vanished.
  take(state_->remove_folder(from, true));
  came(6, 106);
  EXPECT_EQ(flag(to, 106), 6);
}

TEST_P(StateSuite, WrittenMessagesKeepIdExtrasAndContent) {
  const auto folder = make_folder("Drafts").id;
  const auto id = *state_->reserve_ids(1);
  const auto entry = *state_->add_journal("write", "head", as_view("payload"));
  reopen();
  ASSERT_EQ(state_->journal("write")->size(), 1u);
  EXPECT_EQ(state_->journal("write")->front().head, "head");
  EXPECT_TRUE(state_->journal("other")->empty());
  EXPECT_EQ(as_text(**state_->journal_payload(entry)), "payload");
  ASSERT_TRUE(state_->update_journal(entry, "later"));
  EXPECT_EQ(state_->journal("write")->front().head, "later");

  FolderDelta delta;
  delta.added.push_back(sample_message(7));
  delta.added[0].id = id;
  delta.added[0].extras.set_integer(mapi::PidTagFlagStatus, 1);
  delta.contents.push_back({id, to_bytes(as_view("bytes"))});
  delta.journal_done = entry;
  auto applied = state_->apply(folder, std::move(delta));
  ASSERT_TRUE(applied) << applied.error().message;
  EXPECT_EQ(applied->added, std::vector<GlobalCounter>{id});
  reopen();
  EXPECT_TRUE(state_->journal("write")->empty());
  EXPECT_FALSE(*state_->journal_payload(entry));
  EXPECT_EQ(as_text(**state_->content(id)), "bytes");
  EXPECT_EQ((*state_->message(id))->extras.number(mapi::PidTagFlagStatus), 1);

  // The same message under another key: one row, its extras stay until they are changed.
  const auto before = (*state_->message(id))->change_number;
  FolderDelta again;
  again.added.push_back(sample_message(9));
  again.added[0].id = id;
  ASSERT_TRUE(state_->apply(folder, std::move(again)));
  ASSERT_EQ(state_->message_keys(folder)->size(), 1u);
  EXPECT_EQ(state_->message_keys(folder)->front().remote_key, 9u);
  EXPECT_EQ((*state_->message(id))->extras.number(mapi::PidTagFlagStatus), 1);
  EXPECT_GT((*state_->message(id))->change_number, before);
  FolderDelta extras;
  mapi::PropertyBag bag;
  bag.set_string(mapi::PidTagComment, "note");
  extras.extras.push_back({id, std::move(bag)});
  extras.extras.push_back({id + 1'000'000, mapi::PropertyBag()});
  const auto changed = state_->apply(folder, std::move(extras));
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed->changed, std::vector<GlobalCounter>{id});
  EXPECT_EQ((*state_->message(id))->extras.string(mapi::PidTagComment), "note");
  FolderDelta removed;
  removed.removed.push_back(id);
  ASSERT_TRUE(state_->apply(folder, std::move(removed)));
  EXPECT_FALSE(*state_->content(id));
}

TEST_P(StateSuite, AssociatedMessagesStandBesideTheFolder) {
  const auto folder = make_folder("Inbox").id;
  FolderDelta delta;
  delta.added.push_back(sample_message(1));
  ASSERT_TRUE(state_->apply(associated_of(folder), std::move(delta)));
  EXPECT_TRUE(state_->message_keys(folder)->empty());
  EXPECT_EQ(state_->message_keys(associated_of(folder))->size(), 1u);
  const auto row = state_->folders()->front();
  EXPECT_EQ(row.total, 0u);
  EXPECT_EQ(row.associated, 1u);
  EXPECT_FALSE(state_->apply(associated_of(folder + 999), FolderDelta()));
  ASSERT_TRUE(state_->remove_folder(folder));
  EXPECT_TRUE(state_->message_keys(associated_of(folder))->empty());
}

TEST_P(StateSuite, KeywordsAreKeptAndCompared) {
  const auto folder = make_folder("Inbox").id;
  FolderDelta delta;
  delta.added.push_back(sample_message(1));
  delta.added.back().keywords = "a b";
  delta.added.push_back(sample_message(2));
  const auto added = state_->apply(folder, std::move(delta));
  ASSERT_TRUE(added);
  const auto id = added->added[0];
  EXPECT_EQ((*state_->message(id))->keywords, "a b");
  auto keys = *state_->message_keys(folder);
  EXPECT_EQ(keys[0].keywords, keyword_hash("a b"));
  EXPECT_EQ(keys[1].keywords, 0u);
  const auto flags = keys[0].flags;
  const auto before = (*state_->message(id))->change_number;
  FolderDelta same;
  same.flags.push_back({id, flags, "a b"});
  EXPECT_TRUE(state_->apply(folder, std::move(same))->changed.empty());
  // With and without a change of flags; a change of flags alone says nothing of keywords.
  for (const auto& [set, words] : {std::pair(flags, "c"), std::pair(flags ^ flag_seen, "d")}) {
    FolderDelta change;
    change.flags.push_back({id, set, words});
    EXPECT_EQ(state_->apply(folder, std::move(change))->changed, std::vector<GlobalCounter>{id});
    EXPECT_EQ((*state_->message(id))->keywords, words);
  }
  FolderDelta plain;
  plain.flags.push_back({id, flags | flag_flagged});
  ASSERT_TRUE(state_->apply(folder, std::move(plain)));
  EXPECT_EQ((*state_->message(id))->keywords, "d");
  EXPECT_GT((*state_->message(id))->change_number, before);
  // What joins, and what takes the place of, the properties beside a message that is there already.
  FolderDelta again;
  again.added.push_back(sample_message(1));
  again.added.back().extras.set_string(mapi::PidTagComment, "first");
  ASSERT_TRUE(state_->apply(folder, std::move(again)));
  FolderDelta joining;
  joining.added.push_back(sample_message(1));
  joining.added.back().extras.set_string(mapi::PidTagSubject, "second");
  joining.added.back().merge_extras = true;
  ASSERT_TRUE(state_->apply(folder, std::move(joining)));
  EXPECT_EQ((*state_->message(id))->extras.string(mapi::PidTagComment), "first");
}

TEST_P(StateSuite, NamedPropertiesGetLastingIds) {
  const std::vector<PropertyName> names = {{mapi::PSETID_Common, 0x8530, {}},
                                           {mapi::PS_PUBLIC_STRINGS, std::nullopt, "Keywords"},
                                           {mapi::PS_PUBLIC_STRINGS, std::nullopt, "keywords"},
                                           {mapi::PSETID_Common, 0xFFFFFFFF, {}}};
  EXPECT_EQ(take(state_->named_property_ids(names, false)), (std::vector<std::uint16_t>{0, 0, 0, 0}));
  const auto ids = take(state_->named_property_ids(names, true));
  EXPECT_EQ(std::set<std::uint16_t>(ids.begin(), ids.end()).size(), 4u);
  EXPECT_GE(*std::min_element(ids.begin(), ids.end()), 0x8001);
  reopen();
  EXPECT_EQ(take(state_->named_property_ids(names, true)), ids);
  const std::vector<std::uint16_t> asked = {ids[3], 0xFFF0, ids[1]};
  const auto found = take(state_->named_properties(asked));
  EXPECT_EQ(found[0], names[3]);
  EXPECT_FALSE(found[1].has_value());
  EXPECT_EQ(found[2], names[1]);
  EXPECT_EQ(take(state_->all_named_properties()).size(), 4u);
}

TEST_P(StateSuite, NamedPropertiesRunOutWithoutHarm) {
  std::vector<PropertyName> names;
  for (std::uint32_t lid = 0; lid < 33'000; ++lid) names.push_back({mapi::PSETID_Task, lid, {}});
  const auto ids = take(state_->named_property_ids(names, true));
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 0), 33'000 - (0xFFFE - 0x8000));
  EXPECT_EQ(*std::max_element(ids.begin(), ids.end()), 0xFFFE);
  EXPECT_EQ(take(state_->named_property_ids(std::span(names).first(1), true))[0], ids[0]);
}

TEST_P(StateSuite, ValuesAreKept) {
  EXPECT_FALSE(take(state_->value("k")).has_value());
  take(state_->set_value("k", std::string("v\0w", 3)));
  take(state_->set_value("e", ""));
  reopen();
  EXPECT_EQ(take(state_->value("k")), std::string("v\0w", 3));
  EXPECT_EQ(take(state_->value("e")), "");
}

// Against reading the whole folder, which is what a missing index would cost.
TEST_P(StateSuite, LargeFoldersAnswerAtOnce) {
  const auto folder = make_folder("F");
  for (std::uint64_t first = 1; first < 20'000; first += 500) take(state_->apply(folder.id, delta_of(first, first + 499)));
  std::size_t seen = 0;
  auto count = [&seen](const Message&) { return ++seen != 0; };
  const double all = milliseconds([&] { take(state_->each_message(folder.id, count)); }, 1);
  EXPECT_EQ(seen, 20'000u);
  std::vector<GlobalCounter> ids;
  for (const auto key :
       {SortKey::id, SortKey::received, SortKey::size, SortKey::subject, SortKey::sender, SortKey::unread}) {
    const double time = milliseconds([&] { ids = take(state_->message_ids(folder.id, {key, true})); });
    EXPECT_EQ(ids.size(), 20'000u);
    EXPECT_LT(time, all / 2) << "order " << int(key);
  }
  std::vector<Message> rows;
  const double read = milliseconds([&] { rows = take(state_->messages(std::span(ids).subspan(7000, 50))); });
  EXPECT_EQ(rows.size(), 50u);
  EXPECT_LT(read, all / 10);
}

// A child applies deltas and reports each that returned; it is killed in the middle. What it reported
// is there, and nothing is there by half.
TEST_P(StateSuite, AKillLosesNothingThatWasReported) {
  const auto folder = make_folder("F");
  state_.reset();
  store_.reset();
  constexpr std::uint64_t batch = 20;
  std::uint64_t reported = 0;
  for (int round = 0; round < 12; ++round) {
    int report[2];
    ASSERT_EQ(::pipe2(report, O_CLOEXEC), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto store = GetParam().open(folder_);
      if (!store) ::_exit(1);
      auto state = (*store)->open("alice@example.test");
      if (!state) ::_exit(2);
      auto keys = (*state)->message_keys(folder.id);
      if (!keys) ::_exit(3);
      for (std::uint64_t n = keys->empty() ? 0 : keys->back().remote_key / batch;; ++n) {
        auto delta = delta_of(n * batch + 1, (n + 1) * batch);
        delta.cursor = fmt::format("{}", n + 1);
        auto applied = (*state)->apply(folder.id, std::move(delta));
        if (!applied) ::_exit(4);
        if (!(*state)->set_value("written", fmt::format("{}", n + 1))) ::_exit(5);
        if (::write(report[1], &n, sizeof n) != sizeof n) ::_exit(6);
      }
    }
    ::close(report[1]);
    std::uint64_t n = 0;
    int count = 0;
    while (count < 3 + round && ::read(report[0], &n, sizeof n) == sizeof n) ++count, reported = n + 1;
    ::usleep(static_cast<useconds_t>(round * 700));
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself with " << WEXITSTATUS(status);
    while (::read(report[0], &n, sizeof n) == sizeof n) reported = n + 1;
    ::close(report[0]);

    reopen();
    const auto keys = take(state_->message_keys(folder.id));
    ASSERT_EQ(keys.size() % batch, 0u) << "half a delta";
    ASSERT_GE(keys.size(), reported * batch);
    ASSERT_LE(keys.size(), (reported + 1) * batch);
    const auto row = take(state_->folders())[0];
    EXPECT_EQ(row.total, keys.size());
    EXPECT_EQ(row.cursor, fmt::format("{}", keys.size() / batch));
    std::set<GlobalCounter> ids;
    for (const auto& key : keys) ids.insert(key.id);
    EXPECT_EQ(ids.size(), keys.size());
    EXPECT_GE(std::stoull(take(state_->value("written")).value_or("0")), reported);
    for (const auto& key : {keys.front(), keys.back()})
      EXPECT_TRUE(take(state_->message(key.id)).has_value());
    EXPECT_GT(take(state_->reserve_ids(1)), *ids.rbegin());
    state_.reset();
    store_.reset();
  }
  EXPECT_GT(reported, 30u);
  reopen();
}

}  // namespace mapigate::state
