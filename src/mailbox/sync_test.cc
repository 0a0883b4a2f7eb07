// Synchronisation and FastTransfer downloads, as a client sees them: streams are read with the grammar of
// [MS-OXCFXICS], so every one of them is checked against it.
#include "mailbox/sync_state.h"
#include "mailbox/test_support.h"
#include "wire/fxics/syntax.h"

namespace mapigate::mailbox::testing {
namespace {

using namespace mapi;  // PidTag…
namespace fxics = wire::fxics;
using enum FolderRole;

// An element with its properties and the elements in it.
struct Node {
  fxics::Element element{};
  PropertyBag properties;
  std::vector<PropertyTag> order;
  std::vector<std::unique_ptr<Node>> children;
  std::map<PropertyName, std::string> named;
  std::vector<const Node*> all(fxics::Element wanted) const {
    std::vector<const Node*> out;
    for (const auto& child : children)
      if (child->element == wanted) out.push_back(child.get());
    return out;
  }
};

class TreeSink final : public fxics::NoSink {
 public:
  Node root;
  TreeSink() { open_.push_back(&root); }
  Status begin_element(fxics::Element element) override {
    auto node = std::make_unique<Node>();
    node->element = element;
    auto* to = node.get();
    open_.back()->children.push_back(std::move(node));
    open_.push_back(to);
    return {};
  }
  Status end_element(fxics::Element) override {
    open_.pop_back();
    return {};
  }
  Status property(const fxics::PropDef& definition, std::uint32_t) override {
    definition_ = definition;
    open_.back()->order.push_back(definition.tag);
    return {};
  }
  Status fixed(View bytes) override {
    put(bytes);
    return {};
  }
  Status begin_value(std::uint32_t) override {
    value_.clear();
    return {};
  }
  Status piece(View bytes) override {
    value_.insert(value_.end(), bytes.begin(), bytes.end());
    return {};
  }
  Status end_value() override {
    put(value_);
    return {};
  }

 private:
  void put(View bytes) {
    const auto value = *fxics::decode_value(definition_, bytes);
    if (definition_.name) open_.back()->named[*definition_.name] = text_of(value);
    else open_.back()->properties.set(definition_.tag.with(value.type), value);
  }
  std::vector<Node*> open_;
  fxics::PropDef definition_;
  Bytes value_;
};

class SyncTest : public EngineTest {
 protected:
  // Reads the download of handle `index` to its end and takes it apart.
  std::unique_ptr<Node> download(std::uint8_t index, fxics::Element root, std::uint16_t size = 0x7000) {
    TreeSink sink;
    fxics::SyntaxReader reader(sink, root);
    buffers = 0;
    for (int i = 0; i < 100'000; ++i) {
      const auto replies = client->execute(Ask<wire::RopFastTransferSourceGetBuffer>{{size, 0}, index});
      last_error = replies.value();
      if (last_error != ecNone) return nullptr;
      const auto& response = replies.get<wire::RopFastTransferSourceGetBuffer>();
      EXPECT_LE(response.TransferBuffer.size(), size);
      ++buffers;
      const auto fed = reader.feed(response.TransferBuffer);
      EXPECT_TRUE(fed) << fed.error().message;
      if (!fed) return nullptr;
      if (response.TransferStatus == wire::RopFastTransferSourceGetBuffer::Done) break;
      EXPECT_EQ(response.TransferStatus, wire::RopFastTransferSourceGetBuffer::Partial);
    }
    const auto finished = reader.finish();
    EXPECT_TRUE(finished) << finished.error().message;
    if (!finished || sink.root.children.empty()) return nullptr;
    return std::move(sink.root.children.front());
  }

  static constexpr std::uint16_t usual_flags = 0xA139;  // row P12
  // Configures on folder handle 1 as handle 5, uploads `state` and downloads.
  std::unique_ptr<Node> sync(bool contents, const SyncState& state, std::uint16_t flags = usual_flags, std::vector<PropertyTag> tags = {},
                             std::uint32_t extra = 0x0D, const Restriction* restriction = nullptr) {
    Ask<wire::RopSynchronizationConfigure> configure;
    configure.handle = 1;
    configure.body.OutputHandleIndex = 5;
    configure.body.SynchronizationType = contents ? 1 : 2;
    configure.body.SynchronizationFlags = flags;
    configure.body.SynchronizationExtraFlags = extra;
    configure.body.PropertyTags = client->arena.copy(std::span<const PropertyTag>(tags));
    configure.body.RestrictionData = restriction;
    last_error = client->execute(configure).value();
    if (last_error != ecNone) return nullptr;
    auto copy = state;
    for (const auto tag : {fxics::MetaTagIdsetGiven, fxics::MetaTagCnsetSeen, fxics::MetaTagCnsetSeenFAI, fxics::MetaTagCnsetRead}) {
      const auto bytes = fxics::write_idset(*copy.find(tag));
      if (bytes.empty()) continue;
      const auto half = bytes.size() / 2;
      Ask<wire::RopSynchronizationUploadStateStreamBegin> begin{{tag, static_cast<std::uint32_t>(bytes.size())}, 5};
      Ask<wire::RopSynchronizationUploadStateStreamContinue> first{{View(bytes).first(half)}, 5}, second{{View(bytes).subspan(half)}, 5};
      const auto replies = client->execute(begin, first, second, Ask<wire::RopSynchronizationUploadStateStreamEnd>{{}, 5});
      for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(replies.value(i), ecNone) << i;
    }
    return download(5, contents ? fxics::Element::contentsSync : fxics::Element::hierarchySync);
  }
  static SyncState state_of(const Node& from) {
    SyncState out;
    const auto& state = from.element == fxics::Element::state ? from : *from.all(fxics::Element::state).at(0);
    for (const auto& value : state.properties) {
      auto* to = out.find(value.tag.with(value.tag.id() == fxics::MetaTagIdsetGiven.id() ? PropertyType::PtypInteger32 : PropertyType::PtypBinary));
      EXPECT_NE(to, nullptr);
      if (to) *to = *fxics::read_idset<Guid>(*value.value.get<View>());
    }
    return out;
  }
  static std::vector<std::string> subjects(const Node& sync) {
    std::vector<std::string> out;
    for (const auto* change : sync.all(fxics::Element::messageChangeFull)) out.push_back(change->properties.string(PidTagSubject));
    return out;
  }
  void log_on(FolderRole role = inbox) {
    client = connect();
    client->logon();
    ASSERT_EQ(client->open_folder(role), ecNone);
  }

  std::unique_ptr<Client> client;
  ErrorCode last_error = ecNone;
  int buffers = 0;
};

TEST_F(SyncTest, HierarchyComesParentsFirstAndThenOnlyWhatChanged) {
  log_on(ipm_subtree);
  const auto first = sync(false, {});
  ASSERT_TRUE(first);
  std::map<Bytes, std::string> names;  // by source key
  std::size_t direct = 0;
  for (const auto* change : first->all(fxics::Element::folderChange)) {
    // These six, in this order, then the ids that Eid asks for.
    const std::vector<PropertyTag> expected = {PidTagParentSourceKey, PidTagSourceKey, PidTagLastModificationTime, PidTagChangeKey,
                                               PidTagPredecessorChangeList, PidTagDisplayName, PidTagFolderId, PidTagParentFolderId};
    ASSERT_GE(change->order.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(change->order[i], expected[i]);
    EXPECT_EQ(std::count(change->order.begin(), change->order.end(), PidTagDisplayName), 1);
    const auto parent = to_bytes(change->properties.binary(PidTagParentSourceKey));
    EXPECT_TRUE(parent.empty() || names.contains(parent)) << "a child before its parent";
    direct += parent.empty();  // row F4
    names[to_bytes(change->properties.binary(PidTagSourceKey))] = change->properties.string(PidTagDisplayName);
    for (const auto tag : {PidTagAttributeHidden, PidTagAttributeSystem, PidTagAttributeReadOnly, PropertyTag(0x0E580102)})
      EXPECT_TRUE(change->properties.contains(tag)) << mapi::to_string(tag);
  }
  EXPECT_GE(names.size(), 5u);
  EXPECT_LT(direct, names.size());  // Projects/Bridge is not directly below
  const auto state = state_of(*first);
  EXPECT_EQ(state.given.size(), names.size());

  const auto second = sync(false, state);
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->all(fxics::Element::folderChange).empty());
  EXPECT_TRUE(second->all(fxics::Element::deletions).empty());
}

TEST_F(SyncTest, HierarchyBringsWhatClientsSetOnFolders) {
  log_on(inbox);
  const PropertyTag flags(0x36DA0102), named(0x8001, PropertyType::PtypInteger32);  // PidTagExtendedFolderFlags
  const auto set = [&](const std::string& comment) {
    const TaggedValue values[] = {{PidTagComment, Value::string(client->arena, comment)}, {flags, Value::binary(as_view("abc"))},
                                  {named, Value::integer32(1)}};
    EXPECT_EQ(client->execute(Ask<wire::RopSetProperties>{{values}, 1}).value(), ecNone);
  };
  const auto changes = [&](const SyncState& state) {
    EXPECT_EQ(client->open_folder(ipm_subtree), ecNone);
    auto done = sync(false, state);
    EXPECT_EQ(client->open_folder(inbox), ecNone);
    return done;
  };
  set("mine");
  const auto first = changes({});
  ASSERT_TRUE(first);
  std::size_t found = 0;
  for (const auto* change : first->all(fxics::Element::folderChange)) {
    if (change->properties.string(PidTagDisplayName) != "Inbox") continue;
    ++found;
    EXPECT_EQ(change->properties.string(PidTagComment), "mine");
    EXPECT_EQ(as_text(change->properties.binary(flags)), "abc");
    for (const auto tag : change->order) EXPECT_FALSE(tag.named()) << to_string(tag);  // row F3
  }
  EXPECT_EQ(found, 1u);
  set("changed");
  const auto second = changes(state_of(*first));
  ASSERT_TRUE(second);
  const auto again = second->all(fxics::Element::folderChange);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0]->properties.string(PidTagComment), "changed");
}

TEST_F(SyncTest, ContentsComeOnceThenOnlyWhatIsNew) {
  backend.add("INBOX", "one");
  backend.add("INBOX", "two", state::flag_seen);
  log_on();
  const auto first = sync(true, {});
  ASSERT_TRUE(first);
  EXPECT_EQ(subjects(*first), (std::vector<std::string>{"two", "one"})) << "newest first";
  ASSERT_EQ(first->all(fxics::Element::progressTotal).size(), 1u);
  EXPECT_EQ(first->all(fxics::Element::progressPerMessage).size(), 2u);
  for (const auto* change : first->all(fxics::Element::messageChangeFull)) {
    const std::vector<PropertyTag> header = {PidTagSourceKey, PidTagLastModificationTime, PidTagChangeKey, PidTagPredecessorChangeList,
                                             PidTagAssociated, PidTagMid, PidTagChangeNumber};
    for (std::size_t i = 0; i < header.size(); ++i) EXPECT_EQ(change->order.at(i), header[i]);
    // Rows S2 and P11: not part of the content.
    for (const auto tag : {PidTagRead, PidTagMessageStatus, PidTagInstanceKey, PidTagParentEntryId, PidTagEntryId, PidTagMessageSize})
      EXPECT_FALSE(change->properties.contains(tag)) << mapi::to_string(tag);
    for (const auto tag : change->order) EXPECT_EQ(std::count(change->order.begin(), change->order.end(), tag) > 1, tag == fxics::MetaTagFXDelProp) << mapi::to_string(tag);
    EXPECT_TRUE(change->properties.contains(PidTagMessageFlags));
    EXPECT_TRUE(change->properties.contains(PidTagRtfInSync));  // row S9
    EXPECT_EQ(trim(change->properties.string(PidTagBody)), "Hello.");
    EXPECT_FALSE(change->properties.contains(PidTagRtfCompressed)) << "BestBody";
    const auto recipients = change->all(fxics::Element::recipient);
    ASSERT_EQ(recipients.size(), 3u);
    for (const auto* recipient : recipients) {  // row S4
      for (const auto tag : {PidTagRowid, PidTagRecipientType, PidTagDisplayName, PidTagAddressType, PidTagEmailAddress})
        EXPECT_TRUE(recipient->properties.contains(tag)) << mapi::to_string(tag);
      EXPECT_FALSE(recipient->properties.binary(PidTagEntryId).empty());
    }
  }
  auto state = state_of(*first);
  EXPECT_EQ(state.given.size(), 2u);
  EXPECT_FALSE(state.seen.empty() || state.seen_fai.empty() || state.read.empty());

  auto second = sync(true, state);
  ASSERT_TRUE(second);
  EXPECT_TRUE(subjects(*second).empty());
  EXPECT_EQ(buffers, 1);

  backend.add("INBOX", "three");
  settle(*client, inbox);
  second = sync(true, state_of(*second));
  ASSERT_TRUE(second);
  EXPECT_EQ(subjects(*second), std::vector<std::string>{"three"});
  EXPECT_EQ(state_of(*second).given.size(), 3u);

  // With an empty state everything comes again, over a new engine with the same store too.
  state = state_of(*second);
  client.reset();
  make_engine();
  log_on();
  EXPECT_TRUE(subjects(*sync(true, state)).empty());
  EXPECT_EQ(subjects(*sync(true, {})).size(), 3u);
}

TEST_F(SyncTest, HiddenMessagesComeWithTheirFlag) {
  backend.add("INBOX", "one");
  log_on();
  Ask<wire::RopCreateMessage> make{{3, 0x0FFF, Id(own_replid, special_id(inbox)), true}, 0};
  ASSERT_EQ(client->execute(make).value(), ecNone);
  const TaggedValue values[] = {{PidTagSubject, Value::string(client->arena, "hidden")}};
  ASSERT_EQ(client->execute(Ask<wire::RopSetProperties>{{values}, 3}).value(), ecNone);
  const auto saved = client->execute(Ask<wire::RopSaveChangesMessage>{{3, 0x02}, 3});
  ASSERT_EQ(saved.value(), ecNone);
  const auto id = saved.get<wire::RopSaveChangesMessage>().MessageId;

  const auto others = sync(true, {}, usual_flags & ~0x0010);
  ASSERT_TRUE(others);
  EXPECT_EQ(subjects(*others), std::vector<std::string>{"one"});
  EXPECT_TRUE(state_of(*others).seen_fai.empty());
  const auto alone = sync(true, {}, usual_flags & ~0x0020);
  ASSERT_TRUE(alone);
  EXPECT_EQ(subjects(*alone), std::vector<std::string>{"hidden"});
  EXPECT_EQ(subjects(*sync(true, state_of(*alone))), std::vector<std::string>{"one"});
  const auto both = sync(true, state_of(*others));
  ASSERT_TRUE(both);
  EXPECT_EQ(subjects(*both), std::vector<std::string>{"hidden"});
  EXPECT_EQ(both->all(fxics::Element::messageChangeFull)[0]->properties.number(PidTagMessageFlags) & 0x40, 0x40);
  const auto state = state_of(*both);
  EXPECT_EQ(state.given.size(), 2u);
  const auto again = sync(true, state);
  ASSERT_TRUE(again);
  EXPECT_TRUE(subjects(*again).empty() && again->all(fxics::Element::deletions).empty());
  // With an empty state again, and what leaves is deleted.
  EXPECT_EQ(subjects(*sync(true, {})), (std::vector<std::string>{"one", "hidden"}));
  const Id ids[] = {id};
  Ask<wire::RopHardDeleteMessages> remove;
  remove.handle = 1;
  remove.body.MessageIds = ids;
  ASSERT_EQ(client->execute(remove).value(), ecNone);
  const auto after = sync(true, state);
  ASSERT_TRUE(after);
  ASSERT_EQ(after->all(fxics::Element::deletions).size(), 1u);
  EXPECT_EQ(state_of(*after).given.size(), 1u);
}

TEST_F(SyncTest, DeletionsAndReadStatesComeAsSets) {
  for (const auto* subject : {"one", "two", "three", "four"}) backend.add("INBOX", subject);
  log_on();
  const auto first = sync(true, {});
  ASSERT_TRUE(first);
  std::map<std::string, GlobalCounter> ids;
  for (const auto* change : first->all(fxics::Element::messageChangeFull))
    ids[change->properties.string(PidTagSubject)] = Id(static_cast<std::uint64_t>(change->properties.number(PidTagMid))).counter();
  {
    std::lock_guard lock(backend.mutex);
    auto& folder = backend.folders["INBOX"];
    folder.messages.erase(1);
    folder.messages[2].flags = state::flag_seen;
    folder.messages[3].flags = state::flag_flagged;
    ++folder.change;
  }
  settle(*client, inbox);
  const auto second = sync(true, state_of(*first));
  ASSERT_TRUE(second);
  EXPECT_EQ(subjects(*second), std::vector<std::string>{"three"}) << "reading is no change of the message";
  const auto set = [](const Node& node, PropertyTag tag) { return *fxics::read_idset<std::uint16_t>(node.properties.binary(tag)); };
  ASSERT_EQ(second->all(fxics::Element::deletions).size(), 1u);
  const auto deleted = set(*second->all(fxics::Element::deletions)[0], fxics::MetaTagIdsetDeleted);
  EXPECT_EQ(deleted.size(), 1u);
  EXPECT_TRUE(deleted.contains(own_replid, ids["one"]));
  ASSERT_EQ(second->all(fxics::Element::readStateChanges).size(), 1u);
  const auto read = set(*second->all(fxics::Element::readStateChanges)[0], fxics::MetaTagIdsetRead);
  EXPECT_EQ(read.size(), 1u);
  EXPECT_TRUE(read.contains(own_replid, ids["two"]));
  EXPECT_FALSE(second->all(fxics::Element::readStateChanges)[0]->properties.contains(fxics::MetaTagIdsetUnread));
  const auto state = state_of(*second);
  EXPECT_EQ(state.given.size(), 3u);

  const auto third = sync(true, state);
  ASSERT_TRUE(third);
  EXPECT_TRUE(subjects(*third).empty() && third->all(fxics::Element::deletions).empty() && third->all(fxics::Element::readStateChanges).empty());
  // A client that claims a message that never was is told to delete it; NoDeletions keeps quiet.
  auto odd = state;
  odd.given.insert(client->session->mailbox().identity()->replica, 0x999999);
  EXPECT_EQ(sync(true, odd)->all(fxics::Element::deletions).size(), 1u);
  EXPECT_TRUE(sync(true, odd, usual_flags | 0x0002)->all(fxics::Element::deletions).empty());
}

TEST_F(SyncTest, RestrictionsAndPropertyLists) {
  backend.add("INBOX", "keep");
  backend.add("INBOX", "drop");
  backend.add("INBOX", "html", 0, "<html><body>Rich</body></html>\r\n", "Content-Type: text/html; charset=utf-8\r\n");
  log_on();
  Restriction restriction;
  restriction.type = RestrictType::ContentRestriction;
  restriction.tag = PidTagSubject;
  restriction.FuzzyLevelLow = 1;  // substring
  restriction.value = {PidTagSubject, Value::string(client->arena, "keep")};
  const auto restricted = sync(true, {}, usual_flags, {}, 0x0D, &restriction);
  ASSERT_TRUE(restricted) << mapi::to_string(last_error);
  EXPECT_EQ(subjects(*restricted), std::vector<std::string>{"keep"});
  // What the client has and does not ask for any more leaves its scope.
  auto all = sync(true, {});
  const auto left = sync(true, state_of(*all), usual_flags, {}, 0x0D, &restriction);
  ASSERT_EQ(left->all(fxics::Element::deletions).size(), 1u);
  EXPECT_EQ(fxics::read_idset<std::uint16_t>(left->all(fxics::Element::deletions)[0]->properties.binary(fxics::MetaTagIdsetNoLongerInScope))->size(), 2u);

  const auto specified = sync(true, {}, usual_flags | 0x0080, {PidTagSubject});
  for (const auto* change : specified->all(fxics::Element::messageChangeFull)) {
    EXPECT_TRUE(change->properties.contains(PidTagSubject));
    EXPECT_FALSE(change->properties.contains(PidTagBody));
    EXPECT_TRUE(change->all(fxics::Element::recipient).empty());
  }
  // Row S1: leaving out the plain text alone leaves out nothing.
  const auto without = sync(true, {}, usual_flags, {PidTagBody, PidTagImportance});
  for (const auto* change : without->all(fxics::Element::messageChangeFull)) {
    const bool html = change->properties.string(PidTagSubject) == "html";
    EXPECT_EQ(change->properties.contains(PidTagBody), !html);
    EXPECT_EQ(change->properties.contains(PidTagHtml), html);
    EXPECT_FALSE(change->properties.contains(PidTagImportance));
  }
  const auto rtf = sync(true, {}, usual_flags & ~0x2000);
  for (const auto* change : rtf->all(fxics::Element::messageChangeFull)) EXPECT_TRUE(change->properties.contains(PidTagRtfCompressed));
}

TEST_F(SyncTest, AttachmentsStreamInSmallBuffers) {
  std::string big;
  for (int i = 0; i < 4000; ++i) big += "0123456789abcdefghijklmnopqrstuvwxyz line of the attachment\r\n";
  backend.add("INBOX", "parts", 0,
              "preamble\r\n--b\r\nContent-Type: text/plain\r\n\r\nHallo\r\n"
              "--b\r\nContent-Type: application/octet-stream; name=big.bin\r\nContent-Disposition: attachment; filename=big.bin\r\n\r\n" + big +
                  "\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: eve@example.test\r\nTo: mallory@example.test\r\nSubject: RE: Inner\r\n\r\nInner body\r\n"
                  "\r\n--b--\r\n",
              "Content-Type: multipart/mixed; boundary=b\r\n");
  log_on();
  const auto all = sync(true, {});
  ASSERT_TRUE(all);
  EXPECT_GT(buffers, 5);
  const auto* change = all->all(fxics::Element::messageChangeFull).at(0);
  const auto attachments = change->all(fxics::Element::attachment);
  ASSERT_EQ(attachments.size(), 2u);
  EXPECT_EQ(attachments[0]->order.at(0), PidTagAttachNumber);
  const auto data = attachments[0]->properties.binary(PidTagAttachDataBinary);
  EXPECT_EQ(data.size(), big.size());
  EXPECT_TRUE(as_text(data) == big);
  const auto embedded = attachments[1]->all(fxics::Element::embeddedMessage);
  ASSERT_EQ(embedded.size(), 1u);
  EXPECT_EQ(embedded[0]->properties.string(PidTagSubject), "RE: Inner");
  EXPECT_EQ(embedded[0]->all(fxics::Element::recipient).size(), 1u);

  // The same message copied by itself, in buffers of 1,000 bytes; then an attachment alone.
  ASSERT_EQ(client->open_message(inbox, 0).value(), ecNone);
  Ask<wire::RopFastTransferSourceCopyTo> copy;
  copy.handle = 3;
  copy.body.OutputHandleIndex = 6;
  copy.body.SendOptions = 1;
  copy.body.CopyFlags = 0x2000;
  ASSERT_EQ(client->execute(copy).value(), ecNone);
  const auto message = download(6, fxics::Element::messageContent, 1000);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->all(fxics::Element::attachment).size(), 2u);
  EXPECT_EQ(trim(message->properties.string(PidTagBody)), "Hallo");

  ASSERT_EQ(client->execute(Ask<wire::RopOpenAttachment>{{7, 0, 0}, 3}).value(), ecNone);
  copy.handle = 7;
  copy.body.OutputHandleIndex = 8;
  ASSERT_EQ(client->execute(copy).value(), ecNone);
  const auto attachment = download(8, fxics::Element::attachmentContent);
  ASSERT_TRUE(attachment);
  EXPECT_EQ(attachment->properties.binary(PidTagAttachDataBinary).size(), big.size());
}

TEST_F(SyncTest, UnknownFlagsOfDownloadsAreRefused) {  // [MS-OXCFXICS] 3.2.5.8.1 and 3.2.5.9.1.1
  backend.add("INBOX", "one");
  log_on();
  const auto ids = client->message_ids(inbox);
  Ask<wire::RopFastTransferSourceCopyTo> copy_to;
  Ask<wire::RopFastTransferSourceCopyProperties> copy_properties;
  Ask<wire::RopFastTransferSourceCopyMessages> copy_messages;
  Ask<wire::RopFastTransferSourceCopyFolder> copy_folder;
  Ask<wire::RopSynchronizationConfigure> configure;
  copy_messages.body.MessageIds = ids;
  const auto tried = [&](auto& ask, std::uint32_t copy_flags, std::uint8_t send_options) {
    ask.handle = 1;
    ask.body.OutputHandleIndex = 5;
    ask.body.SendOptions = send_options;
    if constexpr (requires { ask.body.CopyFlags; }) ask.body.CopyFlags = static_cast<decltype(ask.body.CopyFlags)>(copy_flags);
    return client->execute(ask).value();
  };
  // Those that mean something, and those that are only called unused or reserved.
  EXPECT_EQ(tried(copy_to, 0x260F, 0x7F), ecNone);
  EXPECT_EQ(tried(copy_properties, 0x0F, 0x7F), ecNone);
  EXPECT_EQ(tried(copy_messages, 0x3F, 0x7F), ecNone);
  EXPECT_EQ(tried(copy_folder, 0x1F, 0x7F), ecNone);
  EXPECT_EQ(tried(configure, 0, 0x7F), ecNone);
  EXPECT_EQ(tried(copy_to, 0x10000000, 0x01), ecInvalidParam);
  EXPECT_EQ(tried(copy_properties, 0x40, 0x01), ecInvalidParam);
  EXPECT_EQ(tried(copy_messages, 0x40, 0x01), ecInvalidParam);
  EXPECT_EQ(tried(copy_folder, 0x20, 0x01), ecInvalidParam);
  EXPECT_EQ(tried(copy_to, 0, 0x80), ecInvalidParam);
  EXPECT_EQ(tried(copy_properties, 0, 0x80), ecInvalidParam);
  EXPECT_EQ(tried(copy_messages, 0, 0x80), ecInvalidParam);
  EXPECT_EQ(tried(copy_folder, 0, 0x80), ecInvalidParam);
  EXPECT_EQ(tried(configure, 0, 0x80), ecInvalidParam);
  configure.body.SynchronizationFlags = SyncContext::Reserved;
  EXPECT_EQ(tried(configure, 0, 0x01), ecRpcFormat);
  configure.body.SynchronizationFlags = usual_flags;
  EXPECT_EQ(tried(configure, 0, 0x01), ecNone);
}

TEST_F(SyncTest, NamedPropertiesGoWithTheirNames) {
  backend.add("INBOX", "plan");
  log_on();
  const PropertyName colour{PS_PUBLIC_STRINGS, {}, "colour"};
  const std::vector<wire::PropertyName> list{wire::to_wire(client->arena, colour)};
  Ask<wire::RopGetPropertyIdsFromNames> names{{wire::RopGetPropertyIdsFromNames::Create, list}, 0};
  const auto id = client->execute(names).get<wire::RopGetPropertyIdsFromNames>().PropertyIds[0];
  Ask<wire::RopFastTransferSourceCopyTo> copy;
  copy.handle = 3;
  copy.body.OutputHandleIndex = 6;
  copy.body.SendOptions = 1;
  const TaggedValue values[] = {{PropertyTag(id, PropertyType::PtypString), Value::string(client->arena, "blue")}};
  ASSERT_EQ(client->open_message(inbox, 0).value(), ecNone);
  ASSERT_EQ(client->execute(Ask<wire::RopSetProperties>{{values}, 3}).value(), ecNone);
  ASSERT_EQ(client->execute(Ask<wire::RopSaveChangesMessage>{{3, 0x02}, 3}).value(), ecNone);
  ASSERT_EQ(client->open_message(inbox, 0).value(), ecNone);
  ASSERT_EQ(client->execute(copy).value(), ecNone);
  const auto message = download(6, fxics::Element::messageContent);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->named[colour], "blue");

  // A hidden message, which lives beside the backend: its class, and what is too large for a column.
  Ask<wire::RopCreateMessage> make{{3, 0x0FFF, Id(own_replid, special_id(inbox)), true}, 0};
  ASSERT_EQ(client->execute(make).value(), ecNone);
  const Bytes large(5000, 7);
  const TaggedValue hidden[] = {{PidTagMessageClass, Value::string(client->arena, "IPM.Configuration.Test")},
                                {PidTagRoamingDictionary, Value::binary(large)},
                                {PropertyTag(id, PropertyType::PtypString), Value::string(client->arena, "red")}};
  ASSERT_EQ(client->execute(Ask<wire::RopSetProperties>{{hidden}, 3}).value(), ecNone);
  ASSERT_EQ(client->execute(Ask<wire::RopSaveChangesMessage>{{3, 0x02}, 3}).value(), ecNone);
  ASSERT_EQ(client->execute(copy).value(), ecNone);
  const auto kept = download(6, fxics::Element::messageContent);
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->properties.string(PidTagMessageClass), "IPM.Configuration.Test");
  EXPECT_EQ(kept->properties.binary(PidTagRoamingDictionary).size(), large.size());
  EXPECT_EQ(kept->named[colour], "red");
}

TEST_F(SyncTest, CopiesOfFoldersAndMessages) {
  backend.add("Projects", "plan");
  backend.add("Projects/Bridge", "steel");
  log_on();
  const auto tree = tree_of(*client);
  const auto* projects = tree->by_remote("fake", "Projects");
  if (!projects)
    for (const auto& one : tree->all())
      if (one.remote_id == "Projects") projects = tree->find(one.id);
  ASSERT_NE(projects, nullptr);
  const auto id = Id(own_replid, projects->id);
  ASSERT_EQ(client->open_folder(id, 1), ecNone);

  Ask<wire::RopFastTransferSourceCopyFolder> copy{{6, 0x10, 1}, 1};
  ASSERT_EQ(client->execute(copy).value(), ecNone);
  const auto top = download(6, fxics::Element::topFolder);
  ASSERT_TRUE(top) << mapi::to_string(last_error);
  ASSERT_EQ(top->all(fxics::Element::message).size(), 1u);
  EXPECT_EQ(top->all(fxics::Element::message)[0]->properties.string(PidTagSubject), "plan");
  EXPECT_EQ(top->all(fxics::Element::message)[0]->order.at(0), PidTagMid);
  const auto below = top->all(fxics::Element::subFolder);
  ASSERT_EQ(below.size(), 1u);
  EXPECT_EQ(below[0]->order.at(0), PidTagFolderId);
  EXPECT_EQ(below[0]->properties.string(PidTagDisplayName), "Bridge");
  ASSERT_EQ(below[0]->all(fxics::Element::message).size(), 1u);

  Ask<wire::RopFastTransferSourceCopyTo> content;
  content.handle = 1;
  content.body.OutputHandleIndex = 7;
  content.body.SendOptions = 1;
  const PropertyTag no_folders[] = {PidTagContainerHierarchy};
  content.body.PropertyTags = no_folders;
  ASSERT_EQ(client->execute(content).value(), ecNone);
  const auto folder = download(7, fxics::Element::folderContent);
  ASSERT_TRUE(folder);
  EXPECT_EQ(folder->all(fxics::Element::message).size(), 1u);
  EXPECT_TRUE(folder->all(fxics::Element::subFolder).empty());

  // Hidden ones come first, and go where the others are left out.
  Ask<wire::RopCreateMessage> make{{3, 0x0FFF, id, true}, 0};
  ASSERT_EQ(client->execute(make).value(), ecNone);
  const TaggedValue hidden[] = {{PidTagMessageClass, Value::string(client->arena, "IPM.Configuration.Test")}};
  ASSERT_EQ(client->execute(Ask<wire::RopSetProperties>{{hidden}, 3}).value(), ecNone);
  const auto saved = client->execute(Ask<wire::RopSaveChangesMessage>{{3, 0x02}, 3});
  ASSERT_EQ(saved.value(), ecNone);
  const auto classes = [&](std::uint8_t handle, fxics::Element root) {
    std::vector<std::string> out;
    if (const auto copied = download(handle, root))
      for (const auto* message : copied->all(fxics::Element::message)) out.push_back(message->properties.string(PidTagMessageClass));
    return out;
  };
  ASSERT_EQ(client->execute(copy).value(), ecNone);
  EXPECT_EQ(classes(6, fxics::Element::topFolder), (std::vector<std::string>{"IPM.Configuration.Test", "IPM.Note"}));
  const PropertyTag left_out[] = {PidTagContainerHierarchy, PidTagContainerContents};
  content.body.PropertyTags = left_out;
  ASSERT_EQ(client->execute(content).value(), ecNone);
  EXPECT_EQ(classes(7, fxics::Element::folderContent), std::vector<std::string>{"IPM.Configuration.Test"});
  const Id one_hidden[] = {saved.get<wire::RopSaveChangesMessage>().MessageId};
  ASSERT_EQ(client->execute(Ask<wire::RopFastTransferSourceCopyMessages>{{8, one_hidden, 0, 1}, 1}).value(), ecNone);
  EXPECT_EQ(classes(8, fxics::Element::messageList), std::vector<std::string>{"IPM.Configuration.Test"});

  ASSERT_TRUE(client->contents());
  client->columns({PidTagMid});
  const auto mid = Id(static_cast<std::uint64_t>(std::stoll(client->rows().at(0).at(0))));
  const Id ids[] = {mid};
  Ask<wire::RopFastTransferSourceCopyMessages> messages{{8, ids, 0x20, 1}, 1};
  ASSERT_EQ(client->execute(messages).value(), ecNone);
  const auto list = download(8, fxics::Element::messageList);
  ASSERT_TRUE(list);
  ASSERT_EQ(list->all(fxics::Element::message).size(), 1u);
  EXPECT_EQ(list->all(fxics::Element::message)[0]->properties.binary(PidTagSourceKey).size(), 22u);
  EXPECT_EQ(list->all(fxics::Element::message)[0]->order.at(0), PidTagMid);
  EXPECT_EQ(list->all(fxics::Element::message)[0]->properties.number(PidTagMid), static_cast<std::int64_t>(mid.value));
  const Id nowhere[] = {Id(own_replid, 0x77777)};
  messages.body.MessageIds = nowhere;
  EXPECT_EQ(client->execute(messages).value(), ecNotFound);
}

TEST_F(SyncTest, StatesAreGivenBack) {
  backend.add("INBOX", "one");
  log_on();
  ASSERT_TRUE(sync(true, {}));
  const auto ask = [&] {
    EXPECT_EQ(client->execute(Ask<wire::RopSynchronizationGetTransferState>{{6}, 5}).value(), ecNone);
    return state_of(*download(6, fxics::Element::state));
  };
  const auto final_state = ask();
  EXPECT_EQ(final_state.given.size(), 1u);
  EXPECT_TRUE(subjects(*sync(true, final_state)).empty());
  // Before the download the state is the one that was uploaded.
  Ask<wire::RopSynchronizationConfigure> configure;
  configure.handle = 1;
  configure.body = {5, 1, 0, usual_flags, nullptr, 0, {}};
  ASSERT_EQ(client->execute(configure).value(), ecNone);
  EXPECT_TRUE(ask().seen.empty());
  // What is no state, or no set, is refused.
  EXPECT_EQ(client->execute(Ask<wire::RopSynchronizationUploadStateStreamBegin>{{PidTagSubject, 1}, 5}).value(), ecInvalidParam);
  EXPECT_EQ(client->execute(Ask<wire::RopSynchronizationUploadStateStreamContinue>{{}, 5}).value(), ecError);
  const std::uint8_t junk[] = {1, 2, 3};
  const auto replies = client->execute(Ask<wire::RopSynchronizationUploadStateStreamBegin>{{fxics::MetaTagCnsetSeen, 3}, 5},
                                       Ask<wire::RopSynchronizationUploadStateStreamContinue>{{junk}, 5},
                                       Ask<wire::RopSynchronizationUploadStateStreamEnd>{{}, 5});
  EXPECT_EQ(replies.value(2), ecRpcFormat);
}

TEST_F(SyncTest, ABackendThatIsDownIsRetryableAndLosesNothing) {
  for (int i = 0; i < 3; ++i) backend.add("INBOX", fmt::format("message {}", i));
  log_on();
  settle(*client, inbox);
  backend.set_down("content");
  EXPECT_FALSE(sync(true, {}));
  EXPECT_EQ(last_error, ecNetwork);
  backend.set_down("content", false);
  // The same download goes on where it stopped.
  const auto all = download(5, fxics::Element::contentsSync);
  ASSERT_TRUE(all);
  EXPECT_EQ(subjects(*all).size(), 3u);
  EXPECT_TRUE(subjects(*sync(true, state_of(*all))).empty());
}

}  // namespace
}  // namespace mapigate::mailbox::testing
