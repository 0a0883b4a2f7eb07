// Notifications with every combination of flags, and recipient rows with every combination of theirs: which fields there
// are is said once more here, field by field as [MS-OXCNOTIF] 2.2.1.4.1.2 and [MS-OXCDATA] 2.8.3.2 say it.
#include <algorithm>

#include "mapi/properties.h"
#include "wire/dump.h"
#include "wire/rop/test_examples.h"

namespace mapigate::wire {
namespace {

// Collects the bytes of a structure and the names of its fields.
struct Layout {
  std::string hex;
  std::vector<std::string> names;
  std::uint8_t next = 0x10;  // each byte differs from those before
  void field(const char* name, std::size_t size) {
    names.emplace_back(name);
    for (std::size_t i = 0; i < size; ++i) hex += fmt::format("{:02x}", next++ | 1U);
  }
  void field(const char* name, std::string_view bytes) {
    names.emplace_back(name);
    hex += bytes;
  }
};

// The names of the fields behind `from`, without those within them.
std::vector<std::string> names_behind(const std::string& dump, std::string_view from) {
  std::vector<std::string> out;
  std::size_t indent = 0;
  bool found = false;
  for (std::size_t at = 0; at < dump.size();) {
    const auto end = dump.find('\n', at);
    const auto line = std::string_view(dump).substr(at, end - at);
    const auto spaces = line.find_first_not_of(' ');
    const auto name = line.substr(spaces, line.find(':') - spaces);
    if (found && spaces == indent) out.emplace_back(name);
    if (!found && name == from) found = true, indent = spaces;
    at = end + 1;
  }
  return out;
}

struct Notification {
  std::uint16_t type;
  std::uint16_t flags;
  std::uint16_t event = 0;  // of a table
  std::uint16_t tags = 0;
  bool unicode = false;
};

Layout layout_of(const Notification& n) {
  constexpr std::uint16_t T = 0x1000, U = 0x2000, S = 0x4000, M = 0x8000;
  const auto one_of = [&](std::initializer_list<unsigned> types) { return std::find(types.begin(), types.end(), n.type) != types.end(); };
  const auto event_of = [&](std::initializer_list<unsigned> events) {
    return n.type == 0x0100 && std::find(events.begin(), events.end(), n.event) != events.end();
  };
  const auto number = [](std::uint16_t value) { return fmt::format("{:02x}{:02x}", value & 0xFF, value >> 8); };
  const bool m = (n.flags & M) != 0, s = (n.flags & S) != 0;
  Layout out;
  if (n.type == 0x0100) out.field("TableEventType", number(n.event));
  if (event_of({3, 4, 5})) out.field("TableRowFolderID", 8);
  if (event_of({3, 4, 5}) && m) out.field("TableRowMessageID", 8);
  if (event_of({3, 4, 5}) && m) out.field("TableRowInstance", 4);
  if (event_of({3, 5})) out.field("InsertAfterTableRowFolderID", 8);
  if (event_of({3, 5}) && m) out.field("InsertAfterTableRowID", 8);
  if (event_of({3, 5}) && m) out.field("InsertAfterTableRowInstance", 4);
  if (event_of({3, 5})) out.field("TableRowData", "0500 0007000000");
  if (!one_of({0x0100, 0x0400})) out.field("FolderId", 8);
  if (!one_of({0x0100, 0x0400}) && m) out.field("MessageId", 8);
  if (one_of({0x04, 0x08, 0x20, 0x40}) && ((s && m) || (!s && !m))) out.field("ParentFolderId", 8);
  if (one_of({0x20, 0x40})) out.field("OldFolderId", 8);
  if (one_of({0x20, 0x40}) && m) out.field("OldMessageId", 8);
  if (one_of({0x20, 0x40}) && !m) out.field("OldParentFolderId", 8);
  if (one_of({0x04, 0x10})) {
    out.field("TagCount", number(n.tags));
    if (n.tags != 0xFFFF) out.field("Tags", n.tags == 0 ? "" : "1f003700 0300080e");
  }
  if ((n.flags & T) != 0) out.field("TotalMessageCount", 4);
  if ((n.flags & U) != 0) out.field("UnreadMessageCount", 4);
  if (n.type == 0x0002) {
    out.field("MessageFlags", 4);
    out.field("UnicodeFlag", n.unicode ? "01" : "00");
    out.field("MessageClass", n.unicode ? "490050004d000000" : "49504d00");
  }
  return out;
}

TEST_F(Examples, NotificationsOfEveryKind) {
  std::vector<Notification> all;
  for (unsigned bits = 0; bits < 16; ++bits) {
    const auto flags = static_cast<std::uint16_t>(bits << 12);
    for (const std::uint16_t type : {0x0008, 0x0020, 0x0040, 0x0080, 0x0400}) all.push_back({type, flags});
    for (const std::uint16_t type : {0x0004, 0x0010})
      for (const std::uint16_t tags : {0, 2, 0xFFFF}) all.push_back({type, flags, 0, tags});
    for (const std::uint16_t event : {1, 2, 3, 4, 5, 6, 7, 8, 9}) all.push_back({0x0100, flags, event});
    for (const bool unicode : {false, true}) all.push_back({0x0002, flags, 0, 0, unicode});
  }
  for (const auto& n : all) {
    const auto flags = static_cast<unsigned>(n.flags | n.type);
    SCOPED_TRACE(fmt::format("NotificationFlags {:04x}, event {}, {} tags", flags, n.event, n.tags));
    const auto layout = layout_of(n);
    const auto* body = response<RopNotify>("2a 11000000 01" + fmt::format("{:02x}{:02x}", flags & 0xFF, flags >> 8) + layout.hex);
    ASSERT_NE(body, nullptr);
    TextSink sink;
    describe(sink, response_, {});
    EXPECT_EQ(names_behind(sink.take(), "NotificationFlags"), layout.names);
  }
}

// Each type of address with each combination of the flags that bring a field of their own.
TEST_F(Examples, RecipientsOfEveryKind) {
  constexpr std::uint16_t E = 0x0008, D = 0x0010, T = 0x0020, S = 0x0040, R = 0x0080, N = 0x0100, U = 0x0200, I = 0x0400, O = 0x8000;
  for (unsigned type = 0; type < 8; ++type) {
    for (unsigned bits = 0; bits < 128; ++bits) {
      std::uint16_t flags = static_cast<std::uint16_t>(type);
      constexpr std::uint16_t by_bit[] = {E, D, T, U, I, O, S | R | N};
      for (unsigned i = 0; i < std::size(by_bit); ++i)
        if ((bits >> i & 1U) != 0) flags |= by_bit[i];
      SCOPED_TRACE(fmt::format("RecipientFlags {:04x}", flags));
      const auto text = [&](char c) {
        return (flags & U) != 0 ? fmt::format("{:02x}000000", static_cast<unsigned>(c)) : fmt::format("{:02x}00", static_cast<unsigned>(c));
      };
      Layout row;
      if (type == 1) row.field("AddressPrefixUsed", "05"), row.field("DisplayType", "06"), row.field("X500DN", "2f6f00");
      if (type == 6 || type == 7) row.field("EntryID", "0200abcd"), row.field("SearchKey", "0100ef");
      if (type == 0 && (flags & O) != 0) row.field("AddressType", "534d545000");
      if ((flags & E) != 0) row.field("EmailAddress", text('e'));
      if ((flags & D) != 0) row.field("DisplayName", text('d'));
      if ((flags & I) != 0) row.field("SimpleDisplayName", text('i'));
      if ((flags & T) != 0) row.field("TransmittableDisplayName", text('t'));
      row.field("RecipientColumnCount", "0100");
      row.field("RecipientProperties", "0006000000");
      const auto bytes = bytes_of(fmt::format("{:02x}{:02x}", flags & 0xFF, flags >> 8) + row.hex);
      const auto size = static_cast<unsigned>(bytes.size());
      const auto* body = request<RopModifyRecipients>("0e 0102 0100 0300fe0f 0100 07000000 02" +
                                                      fmt::format("{:02x}{:02x}", size & 0xFF, size >> 8) + to_hex(bytes));
      ASSERT_NE(body, nullptr);
      ASSERT_EQ(body->RecipientRows.size(), 1u);
      EXPECT_EQ(mapi::number_of(body->RecipientRows[0].RecipientRow.RecipientProperties.values[0]), 6);
      TextSink sink;
      describe(sink, rop_);
      EXPECT_EQ(names_behind(sink.take(), "RecipientFlags"), row.names);
    }
  }
}

}  // namespace
}  // namespace mapigate::wire
