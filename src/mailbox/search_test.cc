// Search folders: filled, kept current, found again after a restart.
#include "mailbox/test_support.h"

namespace mapigate::mailbox::testing {
namespace {

using namespace mapi;  // PidTag…
using enum FolderRole;
using List = std::vector<std::string>;

constexpr std::uint32_t stop = 0x01, restart = 0x02, recursive = 0x04, shallow = 0x08, once = 0x40000;
constexpr std::uint32_t running = 0x01, complete = 0x1000, partial = 0x2000, is_static = 0x10000;

class SearchTest : public EngineTest {
 protected:
  void start() {
    client = connect();
    client->logon();
    folder = make("Found", 5);
  }
  Id make(std::string_view name, std::uint8_t handle) {
    EXPECT_EQ(client->open_folder(finder), ecNone);
    Ask<wire::RopCreateFolder> make;
    make.handle = 1;
    make.body.FolderType = wire::RopCreateFolder::Search;
    make.body.UseUnicodeStrings = true;
    make.body.OpenExisting = true;
    make.body.OutputHandleIndex = handle;
    make.body.DisplayName.unicode = to_utf16(client->arena, name);
    make.body.Comment.unicode = to_utf16(client->arena, "");
    return client->execute(make).get<wire::RopCreateFolder>().FolderId;
  }
  Restriction text(PropertyTag tag, std::string_view pattern) {
    Restriction r;
    r.type = RestrictType::ContentRestriction;
    r.tag = tag;
    r.value = {tag, Value::string(client->arena, pattern)};
    r.FuzzyLevelLow = FL_SUBSTRING;
    r.FuzzyLevelHigh = FL_IGNORECASE;
    return r;
  }
  Restriction group(RestrictType type, std::vector<Restriction> children, std::uint32_t number = 0) {
    Restriction r;
    r.type = type;
    r.children = client->arena.copy(std::span<const Restriction>(children));
    r.number = number;
    return r;
  }
  Restriction attached(const Restriction& what) { return group(RestrictType::SubObjectRestriction, {what}, PidTagMessageAttachments.value); }
  void add_with(const std::string& subject, const std::string& file, const std::string& type) {
    backend.add("INBOX", subject, 0,
                fmt::format("--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n--b\r\nContent-Type: {0}; name=\"{1}\"\r\n"
                            "Content-Disposition: attachment; filename=\"{1}\"\r\nContent-ID: <{1}@example.test>\r\n\r\ndata\r\n--b--\r\n",
                            type, file),
                "Content-Type: multipart/mixed; boundary=b\r\n");
  }
  ErrorCode search(const Restriction* restriction, std::vector<FolderRole> roles, std::uint32_t flags) {
    std::vector<Id> ids;
    for (const auto role : roles) ids.emplace_back(own_replid, special_id(role));
    return search_in(restriction, ids, flags);
  }
  ErrorCode search_in(const Restriction* restriction, std::vector<Id> ids, std::uint32_t flags, std::uint8_t handle = 5) {
    Ask<wire::RopSetSearchCriteria> ask;
    ask.handle = handle;
    ask.body.RestrictionData = restriction;
    ask.body.FolderIds = ids;
    ask.body.SearchFlags = flags;
    return client->execute(ask).value();
  }
  std::uint32_t state(std::uint8_t handle = 5) {
    Ask<wire::RopGetSearchCriteria> ask{{true, true, true}, handle};
    const auto answer = client->execute(ask);
    return answer.value() == ecNone ? answer.get<wire::RopGetSearchCriteria>().SearchFlags : 0;
  }
  void finish(std::uint8_t handle = 5) {
    for (int i = 0; i < 3000 && (state(handle) & running) != 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(state(handle) & running, 0u);
  }
  List found(std::uint8_t handle = 5) {
    Ask<wire::RopGetContentsTable> ask;
    ask.handle = handle;
    ask.body.OutputHandleIndex = 2;
    ask.body.TableFlags = wire::RopGetContentsTable::NoNotifications;
    if (const auto code = client->execute(ask).value(); code != ecNone) return {to_string(code)};
    client->columns({PidTagSubject});
    List out;
    for (const auto& row : client->rows()) out.push_back(row[0]);
    client->execute(Ask<wire::RopRelease>{{}, 2});
    return out;
  }
  // Until the folder shows exactly this.
  List found_at_last(const List& wanted, std::uint8_t handle = 5) {
    List last;
    for (int i = 0; i < 2000; ++i) {
      last = found(handle);
      if (last == wanted) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return last;
  }
  std::unique_ptr<Client> client;
  Id folder;
};

TEST_F(SearchTest, FindsAcrossFoldersAndStaysCurrent) {
  backend.add("INBOX", "bridge one");
  backend.add("INBOX", "lunch");
  backend.add("Sent", "RE: bridge two");
  start();
  EXPECT_EQ(state(), 0u);
  const auto bridge = text(PidTagSubject, "bridge");
  Ask<wire::RopRegisterNotification> watch;
  watch.body.OutputHandleIndex = 6;
  watch.body.NotificationTypes = wire::notification::SearchComplete;
  watch.body.FolderId = folder;
  ASSERT_EQ(client->execute(watch).value(), ecNone);
  ASSERT_EQ(search(&bridge, {inbox, sent_items}, restart | shallow), ecNone);
  ASSERT_TRUE(client->wait(std::chrono::seconds(10)));
  const auto told = client->execute(Ask<wire::RopGetSearchCriteria>{{true, true, true}, 5});
  bool told_complete = false;
  for (const auto& response : told.buffer.rops)
    if (const auto* note = response.id == RopId::RopNotify ? response.as<wire::RopNotify>() : nullptr)
      told_complete |= note->NotificationData.is(wire::notification::SearchComplete) && note->NotificationData.FolderId == folder;
  EXPECT_TRUE(told_complete);
  EXPECT_EQ(state() & (running | complete | is_static), complete);
  const auto& criteria = told.get<wire::RopGetSearchCriteria>();
  ASSERT_NE(criteria.RestrictionData, nullptr);
  EXPECT_EQ(criteria.FolderIds.size(), 2u);
  auto shown = found();
  std::sort(shown.begin(), shown.end());
  EXPECT_EQ(shown, (List{"RE: bridge two", "bridge one"}));

  // It follows what comes, goes and changes.
  backend.add("INBOX", "Bridge three");
  settle(*client, inbox);
  EXPECT_EQ(found_at_last({"Bridge three", "bridge one", "RE: bridge two"}).size(), 3u);
  {
    std::lock_guard lock(backend.mutex);
    backend.folders["INBOX"].messages.erase(1);
    ++backend.folders["INBOX"].change;
  }
  settle(*client, inbox);
  EXPECT_EQ(found_at_last({"Bridge three", "RE: bridge two"}), (List{"Bridge three", "RE: bridge two"}));
  EXPECT_EQ(client->properties({PidTagContentCount, PidTagFolderType}, 5), (List{"2", "2"}));

  // Row S12: the same again does not begin anew.
  ASSERT_EQ(search(&bridge, {inbox, sent_items}, restart | shallow), ecNone);
  EXPECT_EQ(state() & complete, complete);
  EXPECT_EQ(search(nullptr, {}, stop), ecNone);  // no effect on a dynamic one that is complete
  backend.add("Sent", "bridge four");
  settle(*client, sent_items);
  EXPECT_EQ(found_at_last({"Bridge three", "bridge four", "RE: bridge two"}).size(), 3u);
}

TEST_F(SearchTest, RestartsWhatWasToStop) {  // [MS-OXCFOLD] 3.2.5.4
  backend.add("INBOX", "bridge one");
  start();
  Ask<wire::RopRegisterNotification> watch;
  watch.body.OutputHandleIndex = 6;
  watch.body.NotificationTypes = wire::notification::SearchComplete;
  watch.body.FolderId = folder;
  ASSERT_EQ(client->execute(watch).value(), ecNone);
  // Whether a search was completed since the last time.
  const auto completed = [&] {
    const auto told = client->execute(Ask<wire::RopGetSearchCriteria>{{true, true, true}, 5});
    return std::any_of(told.buffer.rops.begin(), told.buffer.rops.end(), [](const auto& one) { return one.id == RopId::RopNotify; });
  };
  const auto completed_at_last = [&] {
    for (int i = 0; i < 1000; ++i) {
      if (completed()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  };
  const auto bridge = text(PidTagSubject, "bridge");
  ASSERT_EQ(search(&bridge, {inbox}, restart), ecNone);
  EXPECT_TRUE(completed_at_last());
  ASSERT_EQ(search(nullptr, {}, stop), ecNone);
  EXPECT_EQ(state() & (running | complete), complete);
  ASSERT_EQ(search(nullptr, {}, restart), ecNone);
  EXPECT_TRUE(completed_at_last());
  EXPECT_EQ(found_at_last({"bridge one"}), List{"bridge one"});
  // Once.
  ASSERT_EQ(search(nullptr, {}, restart), ecNone);
  EXPECT_EQ(state() & (running | complete), complete);
}

TEST_F(SearchTest, WhatCameSinceTheLastLookIsSearched) {
  use([](EngineOptions& o) { o.refresh_interval = std::chrono::hours(1); });
  backend.add("INBOX", "an old whale");
  start();
  client->message_ids(inbox);  // indexed
  backend.add("INBOX", "a new whale");
  const auto whale = text(PidTagSubject, "whale");
  ASSERT_EQ(search(&whale, {inbox}, restart), ecNone);
  finish();
  auto shown = found();
  std::sort(shown.begin(), shown.end());
  EXPECT_EQ(shown, (List{"a new whale", "an old whale"}));
}

TEST_F(SearchTest, MessagesAreTheOnesOfTheirFolders) {
  backend.add("INBOX", "mine");
  start();
  const auto mine = text(PidTagSubject, "mine");
  ASSERT_EQ(search(&mine, {inbox}, restart), ecNone);
  finish();
  Ask<wire::RopGetContentsTable> table;
  table.handle = 5;
  table.body.OutputHandleIndex = 2;
  ASSERT_EQ(client->execute(table).value(), ecNone);
  client->columns({PidTagMid, PidTagParentFolderId});
  const auto rows = client->rows();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0][1], std::to_string(Id(own_replid, special_id(inbox)).value));
  const Id message(std::stoull(rows[0][0]));
  for (const auto& in : {folder, Id(own_replid, special_id(inbox))}) {
    Ask<wire::RopOpenMessage> open;
    open.body.FolderId = in;
    open.body.MessageId = message;
    open.body.OutputHandleIndex = 3;
    EXPECT_EQ(client->execute(open).value(), ecNone);
  }
  Ask<wire::RopDeleteMessages> remove;
  remove.handle = 5;
  std::vector<Id> ids{message};
  remove.body.MessageIds = ids;
  EXPECT_EQ(client->execute(remove).value(), ecNone);
  EXPECT_EQ(found_at_last({}), List{});
  EXPECT_TRUE(client->message_ids(inbox).empty());
  // Nothing is stored in a search folder, and it is not emptied.
  Ask<wire::RopCreateMessage> make;
  make.body.FolderId = folder;
  make.body.OutputHandleIndex = 3;
  EXPECT_EQ(client->execute(make).value(), ecAccessDenied);
  EXPECT_EQ(client->execute(Ask<wire::RopEmptyFolder>{{}, 5}).value(), ecNotSupported);
}

TEST_F(SearchTest, BodiesAreAskedOfTheBackend) {
  backend.add("INBOX", "a", 0, "the secret word\r\n");
  backend.add("INBOX", "b", 0, "nothing\r\n");
  start();
  const auto secret = text(PidTagBody, "SECRET");
  ASSERT_EQ(search(&secret, {inbox}, restart), ecNone);
  finish();
  EXPECT_EQ(found(), List{"a"});
  backend.add("INBOX", "c", 0, "a secret, too\r\n");
  backend.add("INBOX", "d", 0, "not\r\n");
  settle(*client, inbox);
  EXPECT_EQ(found_at_last({"c", "a"}), (List{"c", "a"}));
}

TEST_F(SearchTest, StaticOnesStayAsTheyAre) {
  backend.add("INBOX", "x1");
  start();
  const auto x = text(PidTagSubject, "x");
  ASSERT_EQ(search(&x, {inbox}, restart | once), ecNone);
  finish();
  EXPECT_EQ(state() & (complete | is_static), complete | is_static);
  backend.add("INBOX", "x2");
  settle(*client, inbox);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_EQ(found(), List{"x1"});
  ASSERT_EQ(search(&x, {inbox}, restart | once), ecNone);
  EXPECT_EQ(found_at_last({"x2", "x1"}), (List{"x2", "x1"}));
}

TEST_F(SearchTest, SubfoldersComeAndGo) {
  backend.add("Projects", "bridge top");
  backend.add("Projects/Bridge", "bridge inner");
  start();
  const auto bridge = text(PidTagSubject, "bridge");
  ASSERT_EQ(search(&bridge, {ipm_subtree}, restart | recursive), ecNone);
  finish();
  EXPECT_EQ(found().size(), 2u);
  backend.add_folder("New");
  backend.add("New", "bridge new");
  settle(*client, inbox);
  for (int i = 0; i < 3000 && found().size() != 3; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(found().size(), 3u);
  {
    std::lock_guard lock(backend.mutex);
    backend.folders.erase("Projects/Bridge");
  }
  settle(*client, inbox);
  for (int i = 0; i < 3000 && found().size() != 2; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(found().size(), 2u);
}

TEST_F(SearchTest, ItIsThereAfterARestart) {
  backend.add("INBOX", "keep 1");
  start();
  const auto keep = text(PidTagSubject, "keep");
  ASSERT_EQ(search(&keep, {inbox}, restart), ecNone);
  finish();
  client.reset();
  // What the last life of the mailbox was at ends first: two at once would both read the backend.
  ASSERT_TRUE(eventually([&] { return engine->mailboxes() == 0; }));
  make_engine();
  backend.add("INBOX", "keep 2");
  start();
  EXPECT_EQ(state() & complete, complete);
  EXPECT_EQ(found(), List{"keep 1"});
  settle(*client, inbox);
  EXPECT_EQ(found_at_last({"keep 2", "keep 1"}), (List{"keep 2", "keep 1"}));
  // Deleted, only the links go.
  Ask<wire::RopDeleteFolder> remove;
  remove.handle = 1;
  remove.body.FolderId = folder;
  remove.body.DeleteFolderFlags = wire::RopDeleteFolder::DEL_MESSAGES | wire::RopDeleteFolder::DEL_FOLDERS;
  EXPECT_EQ(client->execute(remove).value(), ecNone);
  EXPECT_EQ(client->message_ids(inbox).size(), 2u);
}

TEST_F(SearchTest, WhatCannotBeSaid) {
  start();
  const auto x = text(PidTagSubject, "x");
  EXPECT_EQ(search(nullptr, {inbox}, restart), ecNotInitialized);
  EXPECT_EQ(search(&x, {}, restart), ecNotInitialized);
  EXPECT_EQ(client->execute(Ask<wire::RopGetSearchCriteria>{{true, true, true}, 5}).value(), ecNotInitialized);
  EXPECT_EQ(search(&x, {inbox}, restart | stop), ecInvalidParam);
  EXPECT_EQ(search(&x, {inbox}, recursive | shallow), ecInvalidParam);
  EXPECT_EQ(search(&x, {inbox}, 0x80000000), ecInvalidParam);
  Ask<wire::RopSetSearchCriteria> itself;
  itself.handle = 5;
  itself.body.RestrictionData = &x;
  std::vector<Id> ids{folder};
  itself.body.FolderIds = ids;
  EXPECT_EQ(client->execute(itself).value(), ecSearchFolderScopeViolation);
  client->open_folder(inbox);
  itself.handle = 1;
  EXPECT_EQ(client->execute(itself).value(), ecNotSearchFolder);
  // A folder that cannot be read makes the result partial, and is looked through when it can.
  backend.add("Sent", "x");
  backend.set_down("refresh");
  ASSERT_EQ(search(&x, {sent_items}, restart), ecNone);
  finish();
  EXPECT_EQ(state() & (complete | partial), partial);
  backend.set_down("refresh", false);
  settle(*client, sent_items);
  EXPECT_EQ(found_at_last({"x"}), List{"x"});
  EXPECT_EQ(state() & (complete | partial), complete);
}

TEST_F(SearchTest, TheStoreTellsThatItHasSearches) {  // [MS-OXCSTOR] 2.2.1.5.2
  start();
  constexpr std::uint32_t STORE_HAS_SEARCHES = 0x01000000;
  const auto told = [&] {
    const auto of_store = client->execute(Ask<wire::RopGetStoreState>{}).get<wire::RopGetStoreState>().StoreState;
    EXPECT_EQ(number_of(client->property(PidTagStoreState, 0)), of_store);
    return of_store;
  };
  EXPECT_EQ(told(), 0u);
  const auto restriction = text(PidTagSubject, "x");
  ASSERT_EQ(search(&restriction, {inbox}, restart), ecNone);
  EXPECT_EQ(told(), STORE_HAS_SEARCHES);
  finish();
  EXPECT_EQ(told(), STORE_HAS_SEARCHES);
  Ask<wire::RopDeleteFolder> remove{{0x01, folder}, 1};
  ASSERT_EQ(client->execute(remove).value(), ecNone);
  EXPECT_EQ(told(), 0u);
}

TEST_F(SearchTest, SearchFoldersSearchOthers) {
  backend.add("INBOX", "bridge one");
  backend.add("INBOX", "bridge two");
  backend.add("INBOX", "two");
  backend.add("Sent", "bridge two sent");
  start();
  const auto outer = make("Outer", 6), third = make("Third", 7);
  const Id in_inbox(own_replid, special_id(inbox)), in_sent(own_replid, special_id(sent_items));
  const auto bridge = text(PidTagSubject, "bridge"), two = text(PidTagSubject, "two");
  ASSERT_EQ(search(&bridge, {inbox}, restart), ecNone);
  ASSERT_EQ(search_in(&two, {folder}, restart, 6), ecNone);
  finish(6);
  EXPECT_EQ(state() & running, 0u);  // it is through when those are that it searches
  EXPECT_EQ(state(6) & complete, complete);
  EXPECT_EQ(found(6), List{"bridge two"});

  // What comes to the one, changes there and leaves it is told on; the other's own folders stay.
  backend.add("INBOX", "bridge two, too");
  settle(*client, inbox);
  EXPECT_EQ(found_at_last({"bridge two, too", "bridge two"}, 6), (List{"bridge two, too", "bridge two"}));
  {
    std::lock_guard lock(backend.mutex);
    backend.folders["INBOX"].messages.erase(2);
    ++backend.folders["INBOX"].change;
  }
  settle(*client, inbox);
  EXPECT_EQ(found_at_last({"bridge two, too"}, 6), List{"bridge two, too"});
  ASSERT_EQ(search_in(&two, {folder, in_sent}, restart, 6), ecNone);
  finish(6);
  EXPECT_EQ(found_at_last({"bridge two, too", "bridge two sent"}, 6).size(), 2u);
  const auto lunch = text(PidTagSubject, "lunch");
  ASSERT_EQ(search(&lunch, {inbox}, restart), ecNone);
  EXPECT_EQ(found_at_last({"bridge two sent"}, 6), List{"bridge two sent"});
  ASSERT_EQ(search(&bridge, {inbox}, restart), ecNone);
  EXPECT_EQ(found_at_last({"bridge two, too", "bridge two sent"}, 6).size(), 2u);

  // None searches its own findings, however far round ([MS-OXCFOLD] 3.2.5.4).
  ASSERT_EQ(search_in(&two, {outer}, restart | once, 7), ecNone);
  finish(7);
  EXPECT_EQ(found(7).size(), 2u);
  EXPECT_EQ(search_in(&bridge, {in_inbox, third}, restart), ecSearchFolderScopeViolation);
  EXPECT_EQ(search_in(&two, {in_sent, third}, restart, 6), ecSearchFolderScopeViolation);
  EXPECT_EQ(search_in(&two, {third}, restart, 7), ecSearchFolderScopeViolation);
  EXPECT_EQ(state() & complete, complete);  // what was refused changed nothing
  // Folders of other mailboxes are not in this one.
  EXPECT_EQ(search_in(&two, {Id(std::uint16_t{7}, special_id(inbox))}, restart, 7), ecNotFound);

  // After a restart they follow on, also that one of them went.
  client.reset();
  ASSERT_TRUE(eventually([&] { return engine->mailboxes() == 0; }));
  make_engine();
  backend.add("INBOX", "bridge two again");
  start();
  make("Outer", 6);
  settle(*client, inbox);
  EXPECT_EQ(found_at_last({"bridge two again", "bridge two, too", "bridge two sent"}, 6).size(), 3u);
  Ask<wire::RopDeleteFolder> remove{{0x01, folder}, 1};
  ASSERT_EQ(client->execute(remove).value(), ecNone);
  EXPECT_EQ(found_at_last({"bridge two sent"}, 6), List{"bridge two sent"});
  EXPECT_EQ(client->execute(Ask<wire::RopGetSearchCriteria>{{true, true, true}, 6}).get<wire::RopGetSearchCriteria>().FolderIds.size(), 1u);
}

TEST_F(SearchTest, AttachmentsAreLookedInto) {  // [MS-OXCDATA] 2.12.10
  add_with("report", "Plan.pdf", "application/pdf");
  add_with("photo", "tree.jpg", "image/jpeg");
  backend.add("INBOX", "plan without");
  start();
  const auto plan = group(RestrictType::CommentRestriction, {attached(text(PidTagAttachLongFilename, "plan"))});
  ASSERT_EQ(search(&plan, {inbox}, restart), ecNone);
  finish();
  EXPECT_EQ(state() & (complete | partial), complete);
  EXPECT_EQ(found(), List{"report"});
  EXPECT_EQ(backend.count("content"), 2);  // not of the one that has none
  add_with("new", "the plan.doc", "application/msword");
  settle(*client, inbox);
  EXPECT_EQ(found_at_last({"new", "report"}), (List{"new", "report"}));
  EXPECT_EQ(backend.count("content"), 3);

  // In tables; what was read is known.
  ASSERT_EQ(client->open_folder(inbox), ecNone);
  ASSERT_TRUE(client->contents().has_value());
  client->columns({PidTagSubject});
  const auto shown = [&](const Restriction& what) {
    Ask<wire::RopRestrict> ask;
    ask.handle = 2;
    ask.body.RestrictionData = &what;
    if (const auto code = client->execute(ask).value(); code != ecNone) return List{to_string(code)};
    List out;
    for (const auto& row : client->rows()) out.push_back(row[0]);
    return out;
  };
  EXPECT_EQ(shown(attached(text(PidTagAttachMimeTag, "image/"))), List{"photo"});
  EXPECT_EQ(shown(attached(text(PidTagAttachExtension, ".doc"))), List{"new"});
  EXPECT_EQ(shown(attached(text(PidTagAttachFilename, "jpg"))), List{"photo"});
  EXPECT_EQ(shown(attached(text(PidTagDisplayName, "plan.pdf"))), List{"report"});
  EXPECT_EQ(shown(attached(text(PidTagAttachContentId, "tree.jpg@"))), List{"photo"});
  Restriction large;
  large.type = RestrictType::PropertyRestriction;
  large.tag = PidTagAttachSize;
  large.relop = RelationalOperator::GreaterThan;
  large.value = {PidTagAttachSize, Value::integer32(0)};
  EXPECT_EQ(shown(attached(large)), (List{"new", "photo", "report"}));
  EXPECT_EQ(shown(group(RestrictType::NotRestriction, {attached(text(PidTagAttachExtension, "pdf"))})), (List{"new", "plan without", "photo"}));
  EXPECT_EQ(backend.count("content"), 3);
  // Only those are read of which nothing else tells.
  add_with("unlike", "plan.txt", "text/plain");
  add_with("like", "plan.txt", "text/plain");
  settle(*client, inbox);
  found_at_last({"like", "unlike", "new", "report"});
  const auto before = backend.count("content");
  client.reset();
  ASSERT_TRUE(eventually([&] { return engine->mailboxes() == 0; }));
  make_engine();
  client = connect();
  client->logon();
  ASSERT_EQ(client->open_folder(inbox), ecNone);
  ASSERT_TRUE(client->contents().has_value());
  client->columns({PidTagSubject});
  const auto like = text(PidTagSubject, "like");
  const auto both = group(RestrictType::AndRestriction, {like, attached(text(PidTagAttachFilename, "plan"))});
  EXPECT_EQ(shown(both), (List{"like", "unlike"}));
  EXPECT_EQ(backend.count("content"), before + 2);
  Ask<wire::RopRestrict> all;
  all.handle = 2;
  ASSERT_EQ(client->execute(all).value(), ecNone);
  Ask<wire::RopFindRow> find;
  find.handle = 2;
  const auto photo = attached(text(PidTagAttachFilename, "tree"));
  find.body.RestrictionData = &photo;
  const auto row = client->execute(find);
  ASSERT_EQ(row.value(), ecNone);
  EXPECT_TRUE(row.get<wire::RopFindRow>().HasRowData);
  // What is in them is not looked into, and what is attached to what is attached neither.
  Restriction data;
  data.type = RestrictType::ExistRestriction;
  data.tag = PidTagAttachDataBinary;
  EXPECT_EQ(shown(attached(data)), List{to_string(ecTooComplex)});
  EXPECT_EQ(shown(attached(attached(text(PidTagAttachFilename, "x")))), List{to_string(ecTooComplex)});
}

TEST_F(SearchTest, AttachmentsThatCannotBeReadAreNoEmptyResult) {
  add_with("report", "plan.pdf", "application/pdf");
  start();
  backend.set_down("content");
  const auto plan = attached(text(PidTagAttachLongFilename, "plan"));
  ASSERT_EQ(search(&plan, {inbox}, restart), ecNone);
  finish();
  EXPECT_EQ(state() & (complete | partial), partial);
  ASSERT_EQ(client->open_folder(inbox), ecNone);
  ASSERT_TRUE(client->contents().has_value());
  client->columns({PidTagSubject});
  Ask<wire::RopRestrict> ask;
  ask.handle = 2;
  ask.body.RestrictionData = &plan;
  EXPECT_EQ(client->execute(ask).value(), ecNetwork);
  EXPECT_EQ(client->rows().size(), 1u);  // as it was
  backend.set_down("content", false);
  EXPECT_EQ(client->execute(ask).value(), ecNone);
  EXPECT_EQ(client->rows().size(), 1u);
  backend.add("INBOX", "news");
  settle(*client, inbox);
  EXPECT_EQ(found_at_last({"report"}), List{"report"});
  EXPECT_EQ(state() & (complete | partial), complete);
  // One that comes while the backend is down is found when it can be read.
  backend.set_down("content");
  add_with("later", "plan.doc", "application/msword");
  settle(*client, inbox);
  EXPECT_TRUE(eventually([&] { return (state() & partial) != 0; }));
  backend.set_down("content", false);
  backend.add("INBOX", "more news");
  settle(*client, inbox);
  EXPECT_EQ(found_at_last({"later", "report"}), (List{"later", "report"}));
}

TEST_F(SearchTest, CountsLimitAllFindings) {  // [MS-OXCDATA] 2.12.12
  for (int i = 1; i <= 3; ++i) {
    backend.add("INBOX", fmt::format("x{}", i));
    backend.add("Sent", fmt::format("x{}", i + 3));
  }
  start();
  const auto four = group(RestrictType::CountRestriction, {text(PidTagSubject, "x")}, 4);
  ASSERT_EQ(search(&four, {inbox, sent_items}, restart), ecNone);
  finish();
  EXPECT_EQ(found().size(), 4u);
  backend.add("INBOX", "x7");
  settle(*client, inbox);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_EQ(found().size(), 4u);
  // In a table, the first in its order.
  ASSERT_EQ(client->open_folder(inbox), ecNone);
  ASSERT_TRUE(client->contents().has_value());
  client->columns({PidTagSubject});
  const auto one = group(RestrictType::CommentRestriction, {group(RestrictType::CountRestriction, {text(PidTagSubject, "x")}, 1)});
  Ask<wire::RopRestrict> ask;
  ask.handle = 2;
  ask.body.RestrictionData = &one;
  ASSERT_EQ(client->execute(ask).value(), ecNone);
  const auto rows = client->rows();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0][0], "x7");
}

TEST_F(SearchTest, CriteriaComeBackAsTheyWereSet) {  // [MS-OXCFOLD] 2.2.1.5
  backend.add("INBOX", "a", 0, "the secret word\r\n");
  start();
  const auto told = [&](bool restriction, bool folders) {
    return client->execute(Ask<wire::RopGetSearchCriteria>{{true, restriction, folders}, 5});
  };
  const auto subject = text(PidTagSubject, "a"), body = text(PidTagBody, "secret");
  ASSERT_EQ(search(&subject, {sent_items, inbox, sent_items}, restart), ecNone);
  const auto answer = told(true, true), without = told(false, true), alone = told(true, false);
  const auto& all = answer.get<wire::RopGetSearchCriteria>();
  ASSERT_EQ(all.FolderIds.size(), 2u);
  EXPECT_EQ(all.FolderIds[0].counter(), special_id(sent_items));
  EXPECT_EQ(all.FolderIds[1].counter(), special_id(inbox));
  EXPECT_EQ(without.get<wire::RopGetSearchCriteria>().RestrictionData, nullptr);
  EXPECT_TRUE(alone.get<wire::RopGetSearchCriteria>().FolderIds.empty());
  constexpr std::uint32_t ways = 0x0F000000, ci_totally = 0x01000000, ci_with_twir_residual = 0x02000000, twir_totally = 0x08000000;
  EXPECT_EQ(state() & ways, twir_totally);
  const auto both = group(RestrictType::AndRestriction, {subject, body});
  ASSERT_EQ(search(&both, {}, restart), ecNone);  // in the same folders as before
  EXPECT_EQ(state() & ways, ci_with_twir_residual);
  ASSERT_EQ(search(&body, {inbox}, restart), ecNone);
  EXPECT_EQ(state() & ways, ci_totally);
  finish();
  // The same folders in another order are nothing new (row S12).
  ASSERT_EQ(search(&body, {inbox, sent_items}, restart), ecNone);
  finish();
  ASSERT_EQ(search(&body, {sent_items, inbox}, restart), ecNone);
  EXPECT_EQ(state() & complete, complete);
}

TEST_F(SearchTest, WhatWasStoppedStaysSo) {
  backend.add("INBOX", "x");
  start();
  backend.slow = std::chrono::seconds(1);
  const auto x = text(PidTagSubject, "x");
  ASSERT_EQ(search(&x, {inbox}, restart), ecNone);
  EXPECT_EQ(state() & running, running);
  ASSERT_EQ(search(nullptr, {}, stop), ecNone);
  EXPECT_EQ(state() & (running | complete), 0u);
  client.reset();
  ASSERT_TRUE(eventually([&] { return engine->mailboxes() == 0; }));
  backend.slow = {};
  make_engine();
  start();
  settle(*client, inbox);
  EXPECT_EQ(state() & (running | complete), 0u);
  EXPECT_EQ(found(), List{});
  ASSERT_EQ(search(nullptr, {}, restart), ecNone);
  finish();
  EXPECT_EQ(found(), List{"x"});
}

}  // namespace
}  // namespace mapigate::mailbox::testing
