#include "directory/templates.h"

#include <gtest/gtest.h>

#include <map>

#include "base/cursor.h"

namespace mapigate::directory {
namespace {

std::vector<std::uint32_t> words_of(View bytes) {
  std::vector<std::uint32_t> out;
  for (Cursor cursor(bytes); cursor.left() >= 4;) out.push_back(cursor.scalar<std::uint32_t>());
  return out;
}

// As a client does ([MS-OXOABKT] 2.2.2.2): the address, or none where the script says Error or leads nowhere.
std::optional<std::string> run(const std::vector<std::uint32_t>& script, const std::map<std::uint32_t, std::string>& fields) {
  std::string address;
  std::size_t steps = 0;
  for (std::size_t at = 1; at < script.size() && ++steps < 100;) {
    switch (script[at]) {
      case 0: return address;
      case 2: address += fields.at(script[at + 1]), at += 2; break;
      case 4: at = fields.contains(script[at + 1]) ? at + 3 : 1 + script[at + 2] / 4; break;
      default: return {};
    }
  }
  return {};
}

TEST(CreationTemplates, AreThereInEachLanguage) {
  ASSERT_EQ(creation_templates(0x409).size(), 1u);
  EXPECT_EQ(creation_templates(0x409)[0].address_type, "SMTP");
  EXPECT_EQ(creation_templates(0x40C)[0].display_name, "Adresse Internet");
  EXPECT_NE(creation_templates(0x40C)[0].dn, creation_templates(0x409)[0].dn);
  EXPECT_EQ(creation_templates(0x41D)[0].dn, creation_templates(0x409)[0].dn);  // no Swedish: English
  EXPECT_TRUE(creation_templates(0).empty());
  EXPECT_FALSE(creation_dialog("/o=mapigate/cn=nothing", 1252).has_value());
}

TEST(CreationTemplates, MakeAnAddressOfWhatIsFilledIn) {
  for (const std::uint32_t locale : {0x409u, 0x407u, 0x40Cu}) {
    const auto dialog = creation_dialog(creation_templates(locale)[0].dn, 1252);
    ASSERT_TRUE(dialog.has_value());
    const auto script = words_of(dialog->script);
    ASSERT_FALSE(script.empty());
    EXPECT_EQ(script[0], script.size() - 1);
    // The last field to be filled in is the address.
    std::uint32_t field = 0;
    Cursor cursor(dialog->data);
    cursor.skip(4);
    const auto rows = cursor.scalar<std::uint32_t>();
    for (std::uint32_t i = 0; i < rows; ++i) {
      cursor.skip(16);
      const auto type = cursor.scalar<std::uint32_t>(), flags = cursor.scalar<std::uint32_t>(), tag = cursor.scalar<std::uint32_t>();
      cursor.skip(8);
      if (type != 1) continue;
      EXPECT_EQ(flags & 0x06, 0x06u);  // editable, required
      field = tag;
    }
    EXPECT_EQ(run(script, {{field, "someone@elsewhere.test"}}), "someone@elsewhere.test");
    EXPECT_EQ(run(script, {}), std::nullopt);
  }
}

}  // namespace
}  // namespace mapigate::directory
