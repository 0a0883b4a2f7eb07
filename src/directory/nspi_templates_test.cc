// The templates of dialogs and of addresses, as NSPI tells them.
#include "directory/test_support.h"

namespace mapigate::directory::testing {
namespace {

// [MS-OXOABKT] 3.1.4.1: how a client comes from the table to the dialog and to the script that makes an address.
TEST_F(DirectoryTest, AddressesAreMadeByATemplate) {
  nspi::GetSpecialTable::Request request;
  request.State = stat;
  request.Flags = nspi::NspiAddressCreationTemplates | nspi::NspiUnicodeStrings;  // the second does not count beside the first
  const auto reply = ask(request);
  ASSERT_EQ(reply.ErrorCode, mapi::ecNone);
  ASSERT_EQ(reply.Rows->size(), 1u);
  const auto& row = (*reply.Rows)[0].PropertyValues;
  ASSERT_EQ(row.size(), 7u);
  EXPECT_EQ(mapi::text_of(row[0].value), "SMTP");
  EXPECT_EQ(row[1].tag, mapi::PidTagDisplayName.with(PropertyType::PtypString8));
  EXPECT_EQ(mapi::number_of(row[2].value), 6);
  EXPECT_EQ(row[6].tag, mapi::PidTagInstanceKey);
  const auto entry_id = wire::decode<nspi::PermanentEntryID>("id", *row[3].value.get<View>(), arena, wire::CountWidth::narrow);
  ASSERT_TRUE(entry_id.has_value());
  EXPECT_EQ(entry_id->DisplayTypeString, DisplayType::DT_ADDRESS_TEMPLATE);

  nspi::GetTemplateInfo::Request dialog;
  dialog.Flags = nspi::TI_TEMPLATE | nspi::TI_SCRIPT;
  dialog.CodePage = 1252;
  dialog.LocaleId = 0x407;  // which does not count where there is a DN
  dialog.TemplateDn = entry_id->DistinguishedName;
  const auto made = ask(dialog);
  ASSERT_EQ(made.ErrorCode, mapi::ecNone);
  ASSERT_EQ(made.Row->PropertyValues.size(), 2u);
  // English, as the DN says; what is in them: templates_test.cc.
  EXPECT_NE(as_text(*made.Row->PropertyValues[0].value.get<View>()).find("&E-mail address:"), std::string_view::npos);
  EXPECT_EQ(made.Row->PropertyValues[1].value.get<View>()->size(), 32u);

  auto elsewhere = stat;
  elsewhere.TemplateLocale = 0;
  request.State = elsewhere;  // no locale, no table; and no error ([MS-OXNSPI] 3.1.4.1.3)
  EXPECT_EQ(ask(request).ErrorCode, mapi::ecNone);
  EXPECT_TRUE(ask(request).Rows->empty());
}

TEST_F(DirectoryTest, TemplatesAreRowsAndTheirStrings) {
  nspi::GetTemplateInfo::Request request;
  request.Flags = nspi::TI_TEMPLATE;
  request.CodePage = 1252;
  request.LocaleId = english;
  const auto reply = ask(request);
  ASSERT_EQ(reply.ErrorCode, mapi::ecNone);
  ASSERT_EQ(reply.Row->PropertyValues.size(), 1u);
  const auto data = *reply.Row->PropertyValues[0].value.get<View>();
  Cursor cursor(data);
  EXPECT_EQ(cursor.scalar<std::uint32_t>(), 1u);
  const auto rows = cursor.scalar<std::uint32_t>();
  for (std::uint32_t row = 0; row < rows; ++row) {
    cursor.skip(32);
    const auto at = cursor.scalar<std::uint32_t>();
    ASSERT_LT(at, data.size());
    EXPECT_NE(std::memchr(data.data() + at, 0, data.size() - at), nullptr);
  }
  EXPECT_EQ(cursor.offset(), 8 + 36 * rows);
  request.CodePage = nspi::CP_WINUNICODE;
  EXPECT_EQ(ask(request).ErrorCode, nspi::InvalidCodepage);
  request.CodePage = 1252;
  request.DisplayType = 0x200;
  EXPECT_EQ(ask(request).ErrorCode, nspi::InvalidLocale);
}

// [MS-OXNSPI] 3.1.4.1.18, constraints 5 and 6.
TEST_F(DirectoryTest, TemplatesHaveALanguageAScriptAndNames) {
  const auto template_of = [&](const nspi::GetTemplateInfo::Request& request) {
    const auto reply = ask(request);
    if (reply.ErrorCode != mapi::ecNone || reply.Row->PropertyValues.size() != 1) return std::string();
    return std::string(as_text(*reply.Row->PropertyValues[0].value.get<View>()));
  };
  nspi::GetTemplateInfo::Request request;
  request.Flags = nspi::TI_TEMPLATE;
  request.CodePage = 1252;
  request.LocaleId = english;
  EXPECT_NE(template_of(request).find("&Department:"), std::string::npos);
  request.LocaleId = 0xC07;  // of Austria
  const auto german = template_of(request);
  EXPECT_NE(german.find("A&bteilung:"), std::string::npos);
  EXPECT_NE(german.find("&Stra\xDF" "e:"), std::string::npos);
  request.LocaleId = 0x40C;
  EXPECT_NE(template_of(request).find("&Soci\xE9t\xE9 :"), std::string::npos);
  const auto staff = mapi::user_dn("staff@example.test");
  request.TemplateDn = std::string_view(staff);  // a group, whatever the type says
  const auto group = template_of(request);
  EXPECT_NE(group.find("&Display name:"), std::string::npos);
  EXPECT_EQ(group.find("&Department:"), std::string::npos);
  request.DisplayType = 0x200;
  request.LocaleId = english;
  EXPECT_EQ(template_of(request), group);
  request.Flags = nspi::TI_SCRIPT;
  const auto reply = ask(request);
  ASSERT_EQ(reply.ErrorCode, mapi::ecNone);
  ASSERT_EQ(reply.Row->PropertyValues.size(), 1u);
  EXPECT_EQ(reply.Row->PropertyValues[0].tag.value, 0x00040102u);  // PidTagScriptData
  const auto nobody = mapi::user_dn("nobody@example.test");
  request.TemplateDn = std::string_view(nobody);
  EXPECT_EQ(ask(request).ErrorCode, nspi::InvalidLocale);
}

}  // namespace
}  // namespace mapigate::directory::testing
