// NSPI and its tables. [MS-OXNSPI] 3.1.4.
#include "directory/test_support.h"

namespace mapigate::directory::testing {
namespace {

using Names = std::vector<std::string>;

TEST_F(DirectoryTest, IdsStayForEverAndAreNotGivenOutAgain) {
  const auto alice = id("alice@example.test"), zoe = id("zoe@example.test");
  EXPECT_GE(alice, MinimalEntryID::first_object);
  auto later = people();
  later.erase(later.begin());                                        // Alice goes
  later.insert(later.begin(), person("New One", "new@example.test"));  // and somebody comes
  ids.reset();
  ids = *IdTable::open((folder / "ids").string());
  snapshot = *Snapshot::build(later, *ids);
  EXPECT_EQ(id("zoe@example.test"), zoe);
  EXPECT_FALSE(snapshot->find(alice));
  EXPECT_GT(id("new@example.test"), zoe);
  snapshot = *Snapshot::build(people(), *ids);
  EXPECT_EQ(id("alice@example.test"), alice);
}

TEST_F(DirectoryTest, SortsByTheLocaleOfTheClient) {
  const auto& gal = snapshot->containers().front();
  EXPECT_EQ(names(*snapshot->table(gal, SortType::SortTypeDisplayName, english)),
            (Names{"Alice Adams", "Ärlig Åberg", "Big Room", "Bob Breuer", "Bob Brown", "Staff", "Zoë Zimmer"}));
  EXPECT_EQ(names(*snapshot->table(gal, SortType::SortTypeDisplayName, swedish)).back(), "Ärlig Åberg");  // Ä follows Z there
}

TEST_F(DirectoryTest, SortsByPhoneticName) {
  auto entries = people();
  entries[0].texts.emplace_back(mapi::PidTagAddressBookPhoneticDisplayName, "zzz");
  snapshot = *Snapshot::build(entries, *ids);
  EXPECT_EQ(names(*snapshot->table(snapshot->containers().front(), SortType::SortTypePhoneticDisplayName, english)).back(), "Alice Adams");
}

TEST_F(DirectoryTest, ContainersFollowKindsAndPaths) {
  Names containers;
  for (const auto& c : snapshot->containers()) containers.push_back(std::to_string(c.depth) + c.name);
  EXPECT_EQ(containers, (Names{"0Global Address List", "0All Users", "0All Groups", "0All Rooms", "0Sales", "1North"}));
  const auto& sales = snapshot->containers()[4];
  EXPECT_TRUE(sales.has_children);
  EXPECT_EQ(names(*snapshot->table(sales, SortType::SortTypeDisplayName, english)), Names{"Bob Brown"});
  EXPECT_EQ(snapshot->containers()[5].parent, 4u);
}

TEST_F(DirectoryTest, ResolvesNames) {
  const auto found = [&](std::string_view text) { return names(snapshot->resolve(text)); };
  EXPECT_EQ(found("alice@example.test"), Names{"Alice Adams"});
  EXPECT_EQ(found("SMTP:A.Adams@Example.Test"), Names{"Alice Adams"});
  EXPECT_EQ(found("ali"), Names{"Alice Adams"});
  EXPECT_EQ(found("adams, alice"), Names{"Alice Adams"});
  EXPECT_EQ(found("bob"), (Names{"Bob Brown", "Bob Breuer"}));
  EXPECT_EQ(found("bob bro"), Names{"Bob Brown"});
  EXPECT_EQ(found("=Bob"), Names{});
  EXPECT_EQ(found("BB"), Names{"Bob Brown"});  // the account in full
  EXPECT_EQ(found("arlig"), Names{"Ärlig Åberg"});
  EXPECT_EQ(found(mapi::user_dn("zoe@example.test")), Names{"Zoë Zimmer"});
  EXPECT_EQ(found("/O=OLD/ou=First/cn=Recipients/cn=AADAMS"), Names{"Alice Adams"});
  EXPECT_EQ(found(""), Names{});
  EXPECT_EQ(found("  "), Names{});
  EXPECT_EQ(found("lice"), Names{});
  EXPECT_EQ(found("secret"), Names{});                          // hidden: by the address only
  EXPECT_EQ(found("agent@example.test"), Names{"Secret Agent"});
}

TEST_F(DirectoryTest, ResolveNamesTellsEachOutcomeAndTheRowsOfThoseResolved) {  // row N2
  nspi::ResolveNames::Request request;
  request.State = stat;
  const nspi::UnicodeString texts[] = {{to_utf16(arena, "bob")}, {to_utf16(arena, "ärl")}, {to_utf16(arena, "nemo")}, {}};
  request.Names = std::span<const nspi::UnicodeString>(texts);
  const PropertyTag columns[] = {mapi::PidTagDisplayName, mapi::PidTagEntryId};
  request.PropertyTags = nspi::LargePropertyTagArray{columns};
  const auto reply = ask(request);
  ASSERT_EQ(reply.ErrorCode, mapi::ecNone);
  ASSERT_EQ(reply.MinimalIds->size(), 4u);
  EXPECT_EQ((*reply.MinimalIds)[0], MinimalEntryID::MID_AMBIGUOUS);
  EXPECT_EQ((*reply.MinimalIds)[1], MinimalEntryID::MID_RESOLVED);
  EXPECT_EQ((*reply.MinimalIds)[2], MinimalEntryID::MID_UNRESOLVED);
  EXPECT_EQ((*reply.MinimalIds)[3], MinimalEntryID::MID_UNRESOLVED);
  EXPECT_EQ(first_cells(*reply.ColumnsAndRows), Names{"Ärlig Åberg"});
  // Row N3: a permanent id.
  const auto entry_id = *reply.ColumnsAndRows->RowData[0].values[1].get<View>();
  const auto permanent = wire::decode<nspi::PermanentEntryID>("id", entry_id, arena, wire::CountWidth::narrow);
  ASSERT_TRUE(permanent.has_value());
  EXPECT_EQ(permanent->DistinguishedName, mapi::user_dn("arlig@example.test"));
}

TEST_F(DirectoryTest, UpdateStatMovesAbsolutelyAndByFractions) {
  nspi::UpdateStat::Request request;
  request.DeltaRequested = 1;
  const auto go = [&](MinimalEntryID from, std::int32_t delta, std::uint32_t numerator = 0, std::uint32_t denominator = 0) {
    auto s = stat;
    s.CurrentRec = from;
    s.Delta = delta;
    s.NumPos = numerator;
    s.TotalRecs = denominator;
    request.State = s;
    return ask(request);
  };
  auto reply = go(MinimalEntryID::MID_BEGINNING_OF_TABLE, 2);
  ASSERT_EQ(reply.ErrorCode, mapi::ecNone);
  EXPECT_EQ(reply.State->CurrentRec, id("room@example.test"));
  EXPECT_EQ(reply.State->NumPos, 2u);
  EXPECT_EQ(reply.State->TotalRecs, 7u);
  EXPECT_EQ(reply.State->Delta, 0);
  EXPECT_EQ(*reply.Delta, 2);
  reply = go(MinimalEntryID::MID_END_OF_TABLE, -1);
  EXPECT_EQ(reply.State->CurrentRec, id("zoe@example.test"));
  reply = go(id("zoe@example.test"), 5);  // beyond the end
  EXPECT_EQ(reply.State->CurrentRec, MinimalEntryID::MID_END_OF_TABLE);
  EXPECT_EQ(*reply.Delta, 1);
  reply = go(id("bob@example.test"), -100);
  EXPECT_EQ(reply.State->CurrentRec, id("alice@example.test"));
  EXPECT_EQ(*reply.Delta, -4);
  reply = go(MinimalEntryID::MID_CURRENT, 0, 1, 2);  // the middle of seven
  EXPECT_EQ(reply.State->NumPos, 3u);
  EXPECT_EQ(go(id("agent@example.test"), 0).ErrorCode, mapi::ecNotFound);  // not in the table
  stat.ContainerID = 0x7777;
  EXPECT_EQ(go(MinimalEntryID::MID_BEGINNING_OF_TABLE, 0).ErrorCode, mapi::ecInvalidBookmark);
  stat.ContainerID = 0;
  stat.CodePage = nspi::CP_WINUNICODE;
  EXPECT_NE(go(MinimalEntryID::MID_BEGINNING_OF_TABLE, 0).ErrorCode, mapi::ecNone);
}

TEST_F(DirectoryTest, QueryRowsGoesOnWhereItEnded) {
  nspi::QueryRows::Request request;
  request.State = stat;
  request.RowCount = 4;
  const PropertyTag columns[] = {mapi::PidTagDisplayName};
  request.Columns = nspi::LargePropertyTagArray{columns};
  auto reply = ask(request);
  EXPECT_EQ(first_cells(*reply.ColumnsAndRows), (Names{"Alice Adams", "Ärlig Åberg", "Big Room", "Bob Breuer"}));
  EXPECT_EQ(reply.State->CurrentRec, id("bob@example.test"));
  request.State = *reply.State;
  reply = ask(request);
  EXPECT_EQ(first_cells(*reply.ColumnsAndRows), (Names{"Bob Brown", "Staff", "Zoë Zimmer"}));  // row N1: no more than there are
  EXPECT_EQ(reply.State->CurrentRec, MinimalEntryID::MID_END_OF_TABLE);
  EXPECT_EQ(reply.State->NumPos, 7u);
  request.State = *reply.State;
  reply = ask(request);
  EXPECT_EQ(reply.ErrorCode, mapi::ecNone);
  EXPECT_TRUE(reply.ColumnsAndRows->RowData.empty());
  request.RowCount = 0;
  EXPECT_EQ(ask(request).ErrorCode, mapi::ecInvalidParam);
}

TEST_F(DirectoryTest, QueryRowsOfAnExplicitTableKeepsItsOrder) {
  nspi::QueryRows::Request request;
  request.State = stat;
  request.RowCount = 10;
  const MinimalEntryID table[] = {id("zoe@example.test"), MinimalEntryID{0x7000}, id("agent@example.test")};
  request.ExplicitTable = table;
  const auto reply = ask(request);
  ASSERT_EQ(reply.ErrorCode, mapi::ecNone);
  const auto& rows = *reply.ColumnsAndRows;
  ASSERT_EQ(rows.RowData.size(), 3u);
  // [MS-OXNSPI] 3.1.4.1.8: the columns when the client names none.
  ASSERT_EQ(rows.Columns.PropertyTags.size(), 7u);
  EXPECT_EQ(rows.Columns.PropertyTags[0], mapi::PidTagAddressBookContainerId);
  EXPECT_EQ(rows.Columns.PropertyTags[3], mapi::PidTagDisplayName.with(PropertyType::PtypString8));
  EXPECT_EQ(rows.RowData[0].values[3].get<mapi::String8>()->text, "Zo\xEB Zimmer");
  EXPECT_EQ(rows.RowData[1].Flag, 1);
  for (const auto& cell : rows.RowData[1].values) EXPECT_EQ(cell.type, PropertyType::PtypErrorCode);
  EXPECT_EQ(rows.RowData[2].values[3].get<mapi::String8>()->text, "Secret Agent");
}

TEST_F(DirectoryTest, SeekEntriesFindsTheFirstThatIsNotBefore) {
  nspi::SeekEntries::Request request;
  request.State = stat;
  request.Target = mapi::TaggedValue{mapi::PidTagDisplayName, Value::string(arena, "bo")};
  const PropertyTag columns[] = {mapi::PidTagDisplayName, mapi::PidTagEntryId};
  request.Columns = nspi::LargePropertyTagArray{columns};
  auto reply = ask(request);
  ASSERT_EQ(reply.ErrorCode, mapi::ecNone);
  EXPECT_EQ(reply.State->CurrentRec, id("breuer@example.test"));
  EXPECT_EQ(reply.State->NumPos, 3u);
  EXPECT_EQ(reply.State->TotalRecs, 7u);
  EXPECT_EQ(first_cells(*reply.ColumnsAndRows).front(), "Bob Breuer");
  EXPECT_EQ((*reply.ColumnsAndRows->RowData[0].values[1].get<View>())[0], 0x87);  // fEphID
  const MinimalEntryID table[] = {id("alice@example.test"), id("staff@example.test")};
  request.ExplicitTable = nspi::MinimalIdList(table);
  reply = ask(request);
  EXPECT_EQ(reply.State->NumPos, 1u);
  EXPECT_EQ(reply.State->TotalRecs, 2u);
  EXPECT_EQ(first_cells(*reply.ColumnsAndRows), Names{"Staff"});
  request.Target = mapi::TaggedValue{mapi::PidTagDisplayName, Value::string(arena, "zz")};
  EXPECT_EQ(ask(request).ErrorCode, mapi::ecNotFound);
  request.Target = mapi::TaggedValue{mapi::PidTagTitle, Value::string(arena, "a")};
  EXPECT_EQ(ask(request).ErrorCode, mapi::ecError);
}

TEST_F(DirectoryTest, GetMatchesEvaluatesRestrictions) {
  auto reply = match(compare(mapi::PidTagAnr, Value::string(arena, "bob")));
  ASSERT_EQ(reply.ErrorCode, mapi::ecNone);
  EXPECT_EQ(names(*reply.MinimalIds), (Names{"Bob Breuer", "Bob Brown"}));
  EXPECT_FALSE(reply.ColumnsAndRows);
  const Restriction both[] = {compare(mapi::PidTagAnr, Value::string(arena, "bob")),
                              compare(mapi::PidTagSmtpAddress, Value::string(arena, "BOB@example.test"))};
  Restriction combined;
  combined.type = RestrictType::AndRestriction;
  combined.children = both;
  EXPECT_EQ(names(*match(combined).MinimalIds), Names{"Bob Brown"});
  // A name that need not fit leaves out nobody.
  const Restriction either[] = {compare(mapi::PidTagAnr, Value::string(arena, "bob")),
                                compare(mapi::PidTagSmtpAddress, Value::string(arena, "zoe@example.test"))};
  combined.type = RestrictType::OrRestriction;
  combined.children = either;
  EXPECT_EQ(names(*match(combined).MinimalIds), (Names{"Bob Breuer", "Bob Brown", "Zoë Zimmer"}));
  Restriction nested;
  nested.type = RestrictType::AndRestriction;
  nested.children = {&combined, 1};
  EXPECT_EQ(match(nested).MinimalIds->size(), 3u);
  Restriction none;
  none.type = RestrictType::NotRestriction;
  none.children = {&either[0], 1};
  EXPECT_EQ(match(none).MinimalIds->size(), 5u);
  Restriction title;
  title.type = RestrictType::ExistRestriction;
  title.tag = mapi::PidTagTitle;
  EXPECT_EQ(names(*match(title).MinimalIds), Names{"Alice Adams"});
  Restriction others;
  others.type = RestrictType::NotRestriction;
  others.children = {&title, 1};
  EXPECT_EQ(match(others).MinimalIds->size(), 6u);
  EXPECT_EQ(match(others, 5).ErrorCode, mapi::ecTableTooBig);
  const auto rooms = compare(mapi::PidTagDisplayTypeEx, Value::integer32(0x40000007));
  EXPECT_EQ(names(*match(rooms).MinimalIds), Names{"Big Room"});
}

TEST_F(DirectoryTest, GetMatchesRefusesWhatCostsTooMuch) {
  std::vector<Restriction> many(600, compare(mapi::PidTagTitle, Value::string(arena, "x")));
  Restriction wide;
  wide.type = RestrictType::OrRestriction;
  wide.children = many;
  EXPECT_EQ(match(wide).ErrorCode, mapi::ecTooComplex);
  EXPECT_EQ(match(compare(mapi::PidTagTitle, Value::string(arena, "x"), mapi::RelationalOperator::RegularExpression)).ErrorCode,
            mapi::ecTooComplex);
}

TEST_F(DirectoryTest, GetMatchesFollowsLinks) {  // row N2
  nspi::GetMatches::Request request;
  request.RowCount = 100;
  const auto follow = [&](std::string_view from, PropertyTag property) {
    auto s = stat;
    s.CurrentRec = id(from);
    s.ContainerID = property.value;
    s.SortType = SortType::SortTypeDisplayName_RO;
    request.State = s;
    return ask(request);
  };
  const auto reply = follow("staff@example.test", mapi::PidTagAddressBookMember);
  ASSERT_EQ(reply.ErrorCode, mapi::ecNone);
  EXPECT_EQ(names(*reply.MinimalIds), (Names{"Alice Adams", "Zoë Zimmer"}));  // not the hidden one
  EXPECT_EQ(reply.State->ContainerID, static_cast<std::uint32_t>(id("staff@example.test")));
  EXPECT_EQ(names(*follow("bob@example.test", mapi::PidTagAddressBookReports).MinimalIds), Names{"Alice Adams"});
  EXPECT_EQ(names(*follow("alice@example.test", mapi::PidTagAddressBookManager).MinimalIds), Names{"Bob Brown"});
  EXPECT_EQ(names(*follow("zoe@example.test", mapi::PidTagAddressBookIsMemberOfDistributionList).MinimalIds), Names{"Staff"});
  EXPECT_EQ(names(*follow("staff@example.test", mapi::PidTagAddressBookOwner).MinimalIds), Names{"Bob Brown"});
  EXPECT_TRUE(follow("bob@example.test", mapi::PidTagAddressBookManager).MinimalIds->empty());
  EXPECT_EQ(follow("bob@example.test", PropertyTag(mapi::PidTagTitle.id(), PropertyType::PtypObject)).ErrorCode, mapi::ecNotSupported);
  EXPECT_EQ(names(*follow("bob@example.test", PropertyTag(0)).MinimalIds), Names{"Bob Brown"});  // no property: the object
  stat.CurrentRec = MinimalEntryID{0x7000};
  request.State = stat;
  EXPECT_EQ(ask(request).ErrorCode, mapi::ecError);
  // No property, but ids of the client's own.
  const MinimalEntryID own[] = {id("zoe@example.test"), MinimalEntryID{0x7000}, id("alice@example.test")};
  request.MinimalIds = nspi::MinimalIdList(own);
  EXPECT_EQ(names(*follow("alice@example.test", PropertyTag(0)).MinimalIds), (Names{"Alice Adams", "Zoë Zimmer"}));
}

TEST_F(DirectoryTest, ResortRestrictionDropsUnknownIds) {
  nspi::ResortRestriction::Request request;
  auto s = stat;
  s.CurrentRec = id("zoe@example.test");
  request.State = s;
  const MinimalEntryID table[] = {id("zoe@example.test"), MinimalEntryID{0x7000}, id("alice@example.test")};
  request.MinimalIds = nspi::MinimalIdList(table);
  const auto reply = ask(request);
  EXPECT_EQ(names(*reply.MinimalIds), (Names{"Alice Adams", "Zoë Zimmer"}));
  EXPECT_EQ(reply.State->NumPos, 1u);
  EXPECT_EQ(reply.State->TotalRecs, 2u);
}

TEST_F(DirectoryTest, CompareMIdsTellsTheOrder) {
  nspi::CompareMIds::Request request;
  request.State = stat;
  request.MinimalId1 = id("alice@example.test");
  request.MinimalId2 = id("zoe@example.test");
  EXPECT_LT(ask(request).Result, 0);
  std::swap(request.MinimalId1, request.MinimalId2);
  EXPECT_GT(ask(request).Result, 0);
  request.MinimalId1 = request.MinimalId2;
  EXPECT_EQ(ask(request).Result, 0);
  request.MinimalId1 = id("agent@example.test");
  EXPECT_EQ(ask(request).ErrorCode, mapi::ecError);
}

TEST_F(DirectoryTest, DnsBecomeIds) {
  nspi::DNToMId::Request request;
  const auto dn = mapi::user_dn("alice@example.test");
  const nspi::DnString dns[] = {{"/o=nowhere"}, {dn}, {"/o=old/ou=first/cn=recipients/cn=aadams"}};
  request.Names = std::span<const nspi::DnString>(dns);
  const auto reply = ask(request);
  ASSERT_EQ(reply.MinimalIds->size(), 3u);
  EXPECT_EQ((*reply.MinimalIds)[0], MinimalEntryID{});
  EXPECT_EQ((*reply.MinimalIds)[1], id("alice@example.test"));
  EXPECT_EQ((*reply.MinimalIds)[2], id("alice@example.test"));
}

TEST_F(DirectoryTest, GetPropsConvertsStringsAndFlagsWhatIsMissing) {
  nspi::GetProps::Request request;
  auto s = stat;
  s.CurrentRec = id("alice@example.test");
  request.State = s;
  const PropertyTag tags[] = {mapi::PidTagDepartmentName.with(PropertyType::PtypString8), mapi::PidTagDepartmentName,
                              mapi::PidTagMobileTelephoneNumber, mapi::PidTagAddressBookProxyAddresses, mapi::PidTagEntryId};
  request.PropertyTags = nspi::LargePropertyTagArray{tags};
  request.Flags = nspi::fEphID;
  auto reply = ask(request);
  EXPECT_EQ(reply.ErrorCode, mapi::ecWarnWithErrors);
  const auto& values = reply.PropertyValues->PropertyValues;
  ASSERT_EQ(values.size(), 5u);
  EXPECT_EQ(values[0].value.get<mapi::String8>()->text, "K\xFC" "che");
  EXPECT_EQ(mapi::text_of(values[1].value), "Küche");
  EXPECT_EQ(values[2].tag, mapi::PidTagMobileTelephoneNumber.with(PropertyType::PtypErrorCode));
  EXPECT_EQ(values[2].value.get<mapi::ErrorValue>()->code, static_cast<std::uint32_t>(mapi::ecNotFound));
  const auto proxies = *values[3].value.get<std::span<const Utf16>>();
  ASSERT_EQ(proxies.size(), 3u);
  EXPECT_EQ(to_utf8(proxies[0]), "SMTP:alice@example.test");
  EXPECT_EQ(to_utf8(proxies[1]), "smtp:a.adams@example.test");
  const auto entry_id = wire::decode<nspi::EphemeralEntryID>("id", *values[4].value.get<View>(), arena, wire::CountWidth::narrow);
  ASSERT_TRUE(entry_id.has_value());
  EXPECT_EQ(entry_id->MId, s.CurrentRec);
  EXPECT_EQ(entry_id->ProviderUID, server.guid);
  s.CodePage = nspi::CP_WINUNICODE;
  request.State = s;
  EXPECT_EQ(ask(request).ErrorCode, mapi::ecNotSupported);
}

TEST_F(DirectoryTest, MailTipsAreSaidToBeForEveryLanguage) {  // [MS-OXOABK] 2.2.3.26
  nspi::GetProps::Request request;
  auto s = stat;
  s.CurrentRec = id("zoe@example.test");
  request.State = s;
  request.Flags = nspi::fSkipObjects;
  const auto all = ask(request).PropertyValues->PropertyValues;
  const auto is_tip = [](const auto& one) { return one.tag.id() == mapi::PidTagAddressBookSenderHintTranslations.id(); };
  ASSERT_EQ(std::count_if(all.begin(), all.end(), is_tip), 1);
  const auto& tip = std::find_if(all.begin(), all.end(), is_tip)->value;
  ASSERT_TRUE(tip.get<std::span<const mapi::String8>>());
  ASSERT_EQ(tip.get<std::span<const mapi::String8>>()->size(), 1u);
  EXPECT_EQ((*tip.get<std::span<const mapi::String8>>())[0].text, "default:Ring first: 12");
}

TEST_F(DirectoryTest, GetPropListNamesWhatGetPropsGives) {
  nspi::GetPropList::Request list;
  list.MinimalId = id("staff@example.test");
  list.CodePage = 1252;
  const auto all = ask(list);
  const auto has = [](const auto& tags, PropertyTag tag) { return std::find(tags.begin(), tags.end(), tag) != tags.end(); };
  EXPECT_TRUE(has(all.PropertyTags->PropertyTags, mapi::PidTagAddressBookMember));
  EXPECT_TRUE(has(all.PropertyTags->PropertyTags, mapi::PidTagDisplayName.with(PropertyType::PtypString8)));
  list.Flags = nspi::fSkipObjects;
  const auto skipped = ask(list);
  EXPECT_FALSE(has(skipped.PropertyTags->PropertyTags, mapi::PidTagAddressBookMember));
  auto none = list;  // no object: all there are
  none.MinimalId = {};
  EXPECT_EQ(ask(none).PropertyTags->PropertyTags.size(), ask(nspi::QueryColumns::Request{}).Columns->PropertyTags.size());
  // [MS-OXNSPI] 3.1.4.2 "Required Properties".
  for (const auto tag : {mapi::PidTagObjectType, mapi::PidTagInitialDetailsPane, mapi::PidTagAddressBookDisplayNamePrintable,
                         mapi::PidTagAddressBookContainerId, mapi::PidTagEntryId, mapi::PidTagInstanceKey, mapi::PidTagSearchKey,
                         mapi::PidTagRecordKey, mapi::PidTagAddressType, mapi::PidTagEmailAddress, mapi::PidTagDisplayType,
                         mapi::PidTagTemplateid, mapi::PidTagTransmittableDisplayName, mapi::PidTagDisplayName,
                         mapi::PidTagMappingSignature, mapi::PidTagAddressBookObjectDistinguishedName, mapi::PidTagContainerFlags}) {
    const auto same = std::any_of(skipped.PropertyTags->PropertyTags.begin(), skipped.PropertyTags->PropertyTags.end(),
                                  [&](auto t) { return t.id() == tag.id(); });
    EXPECT_TRUE(same) << std::hex << tag.value;
  }
  nspi::GetProps::Request get;
  stat.CurrentRec = list.MinimalId;
  get.State = stat;
  get.Flags = nspi::fSkipObjects;
  const auto got = ask(get);
  EXPECT_EQ(got.ErrorCode, mapi::ecNone);
  EXPECT_EQ(got.PropertyValues->PropertyValues.size(), skipped.PropertyTags->PropertyTags.size());
  // Unicode has no 8-bit strings: neither types nor values.
  stat.CodePage = nspi::CP_WINUNICODE;
  get.State = stat;
  const auto wide = ask(get);
  EXPECT_EQ(wide.ErrorCode, mapi::ecNone);
  ASSERT_EQ(wide.PropertyValues->PropertyValues.size(), got.PropertyValues->PropertyValues.size());
  for (const auto& [tag, value] : wide.PropertyValues->PropertyValues) {
    EXPECT_NE(mapi::element_type(tag.type()), PropertyType::PtypString8) << std::hex << tag.value;
    EXPECT_EQ(tag.type(), value.type) << std::hex << tag.value;
  }
  Bytes bytes;
  ASSERT_TRUE(wire::encode("reply", wide, bytes, wire::CountWidth::address_book));
  EXPECT_TRUE(wire::decode<nspi::GetProps::Response>("reply", bytes, arena, wire::CountWidth::address_book));
}

TEST_F(DirectoryTest, TheHierarchyHasTheColumnsOfTheSpecification) {
  nspi::GetSpecialTable::Request request;
  request.State = stat;
  request.Flags = nspi::NspiUnicodeStrings;
  const auto reply = ask(request);
  ASSERT_EQ(reply.Rows->size(), snapshot->containers().size());
  const auto& gal = (*reply.Rows)[0].PropertyValues;
  ASSERT_EQ(gal.size(), 6u);
  EXPECT_EQ(gal[0].tag, mapi::PidTagEntryId);
  EXPECT_EQ(gal[3].tag, mapi::PidTagAddressBookContainerId);
  EXPECT_EQ(mapi::number_of(gal[3].value), 0);
  EXPECT_EQ(mapi::text_of(gal[4].value), "Global Address List");
  const auto entry_id = wire::decode<nspi::PermanentEntryID>("id", *gal[0].value.get<View>(), arena, wire::CountWidth::narrow);
  ASSERT_TRUE(entry_id.has_value());
  EXPECT_EQ(entry_id->DistinguishedName, "/");
  EXPECT_EQ(entry_id->DisplayTypeString, DisplayType::DT_CONTAINER);
  const auto& north = (*reply.Rows)[5].PropertyValues;
  ASSERT_EQ(north.size(), 7u);
  EXPECT_EQ(north[6].tag, mapi::PidTagAddressBookParentEntryId);
  EXPECT_TRUE(equal(*north[6].value.get<View>(), *(*reply.Rows)[4].PropertyValues[0].value.get<View>()));
  request.Version = *reply.Version;
  EXPECT_TRUE(ask(request).Rows->empty());
  request.Version = 0u;
  request.Flags = 0;
  EXPECT_EQ((*ask(request).Rows)[0].PropertyValues[4].tag, mapi::PidTagDisplayName.with(PropertyType::PtypString8));
}

TEST_F(DirectoryTest, ChangesAreRefusedInTheSpecificationsWords) {
  nspi::ModProps::Request change;
  auto s = stat;
  s.CurrentRec = id("alice@example.test");
  change.State = s;
  EXPECT_EQ(ask(change).ErrorCode, mapi::ecInvalidParam);
  change.PropertiesToRemove = nspi::LargePropertyTagArray{};
  EXPECT_EQ(ask(change).ErrorCode, mapi::ecAccessDenied);
  s.CurrentRec = id("staff@example.test");
  change.State = s;
  EXPECT_EQ(ask(change).ErrorCode, mapi::ecInvalidObject);
  nspi::ModLinkAtt::Request link;
  link.PropertyTag = mapi::PidTagAddressBookMember;
  link.MinimalId = id("staff@example.test");
  EXPECT_EQ(ask(link).ErrorCode, mapi::ecAccessDenied);
  link.MinimalId = MinimalEntryID{0x7000};
  EXPECT_EQ(ask(link).ErrorCode, mapi::ecInvalidParam);
  link.PropertyTag = mapi::PidTagTitle;
  EXPECT_EQ(ask(link).ErrorCode, mapi::ecNotFound);
}

TEST_F(DirectoryTest, BodiesInBodiesOut) {
  const auto run = [&](chain::Operation operation, std::string_view hex) {
    Bytes body;
    EXPECT_TRUE(from_hex(hex, body));
    return answer(operation, body, *snapshot, server, "alice@example.test", arena);
  };
  const auto bound = run(chain::Operation::Bind, "00000000 00 00000000");
  ASSERT_TRUE(bound.has_value());
  EXPECT_EQ(to_hex(*bound), "0000000000000000" "07000000000000000000000000000000" "00000000");
  EXPECT_EQ(run(chain::Operation::Bind, "00000000").error().code, Errc::malformed);
  EXPECT_EQ(run(chain::Operation::Execute, "").error().code, Errc::unsupported);
  // One terminator, and the two of a conformance test.
  for (const auto* body : {"00000000 2f000000 00000000", "00000000 2f0000000000 00000000"}) {
    const auto url = run(chain::Operation::GetMailboxUrl, body);
    ASSERT_TRUE(url.has_value());
    const auto reply = wire::decode<nspi::UrlResponse>("url", *url, arena, wire::CountWidth::address_book);
    EXPECT_EQ(to_utf8(reply->ServerUrl), "https://mail.example.test/mapi/emsmdb/?MailboxId=alice@example.test");
  }
}

TEST_F(DirectoryTest, WhoMayChangeWhat) {
  std::vector<std::pair<std::string, std::vector<Change>>> asked;
  Status outcome;
  const auto edit = [&](const Entry& entry, const std::vector<Change>& changes) {
    asked.emplace_back(entry.display_name, changes);
    return outcome;
  };
  const auto as = [&](std::string_view user, const auto& request) { return Nspi(*snapshot, server, user, arena, edit).answer(request).ErrorCode; };
  nspi::ModProps::Request props;
  stat.CurrentRec = id("alice@example.test");
  props.State = stat;
  const PropertyTag gone[] = {mapi::PidTagTitle, mapi::PidTagUserX509Certificate};
  props.PropertiesToRemove = nspi::LargePropertyTagArray{gone};
  const mapi::TaggedValue values[] = {{mapi::PidTagTitle, Value::string(arena, "Köchin")}};
  props.PropertyValues = nspi::AddressBookPropertyValueList{values};
  EXPECT_EQ(as("alice@example.test", props), mapi::ecNone);
  ASSERT_EQ(asked.size(), 1u);
  ASSERT_EQ(asked[0].second.size(), 2u);
  EXPECT_EQ(asked[0].second[0].attribute, "title");
  EXPECT_EQ(asked[0].second[0].values, std::vector<std::string>{"Köchin"});
  EXPECT_EQ(asked[0].second[1].attribute, "certificates");
  EXPECT_TRUE(asked[0].second[1].values.empty());
  EXPECT_EQ(as("bob@example.test", props), mapi::ecAccessDenied);
  outcome = error(Errc::denied, "no");
  EXPECT_EQ(as("alice@example.test", props), mapi::ecAccessDenied);
  outcome = error(Errc::unavailable, "away");
  EXPECT_EQ(as("alice@example.test", props), mapi::ecError);
  outcome = {};
  const PropertyTag fixed[] = {mapi::PidTagSmtpAddress};
  props.PropertiesToRemove = nspi::LargePropertyTagArray{fixed};
  EXPECT_EQ(as("alice@example.test", props), mapi::ecAccessDenied);

  asked.clear();
  const auto zoe = permanent_entry_id(DisplayType::DT_MAILUSER, snapshot->object(*snapshot->find_address("zoe@example.test")).dn);
  const auto breuer = ephemeral_entry_id(server.guid, DisplayType::DT_MAILUSER, id("breuer@example.test"));
  const nspi::EntryId both[] = {{zoe}, {breuer}};
  nspi::ModLinkAtt::Request link;
  link.Flags = nspi::fDelete;
  link.PropertyTag = mapi::PidTagAddressBookMember;
  link.MinimalId = id("staff@example.test");
  link.EntryIds = std::span<const nspi::EntryId>(both);
  EXPECT_EQ(as("bob@example.test", link), mapi::ecNone);  // owns the group
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].second[0].how, Change::How::remove);
  EXPECT_EQ(asked[0].second[0].values, (std::vector<std::string>{"zoe@example.test", "breuer@example.test"}));
  EXPECT_EQ(as("alice@example.test", link), mapi::ecAccessDenied);
  link.PropertyTag = mapi::PidTagAddressBookPublicDelegates;
  EXPECT_EQ(as("bob@example.test", link), mapi::ecAccessDenied);
  link.MinimalId = id("bob@example.test");
  EXPECT_EQ(as("bob@example.test", link), mapi::ecNone);
  const nspi::EntryId odd[] = {{View(zoe).first(10)}};
  link.EntryIds = std::span<const nspi::EntryId>(odd);
  EXPECT_EQ(as("bob@example.test", link), mapi::ecInvalidParam);
}

TEST_F(DirectoryTest, PlacesInTables) {
  const auto table = snapshot->table(snapshot->containers().front(), SortType::SortTypeDisplayName, swedish);
  for (std::size_t i = 0; i < table->size(); ++i)
    EXPECT_EQ(snapshot->place(*table, (*table)[i], SortType::SortTypeDisplayName, swedish), i);
  EXPECT_FALSE(snapshot->place(*table, *snapshot->find_address("agent@example.test"), SortType::SortTypeDisplayName, swedish));
}

}  // namespace
}  // namespace mapigate::directory::testing
