// Structures on their way through tables of Lua.
#include "chain/lua_node.h"

#include <gtest/gtest.h>

#include "mapi/errors.h"
#include "mapi/properties.h"

namespace mapigate::chain {
namespace {

// A row with a cell of every sort: what a script did not touch is written as it was.
TEST(LuaNode, RowsKeepWhatIsAbsent) {
  Arena arena;
  constexpr auto instance = static_cast<mapi::PropertyType>(0x301F);  // one of several texts, as categories are
  const mapi::PropertyTag columns[] = {mapi::PidTagMessageSize, mapi::PidTagSubject, mapi::PropertyTag(0x8005, instance),
                                       mapi::PidTagImportance, mapi::PidTagChangeKey, mapi::PidTagBody};
  const mapi::Value cells[] = {mapi::Value::integer32(7), {}, mapi::Value::string(arena, "Blue"),
                               mapi::Value::error(mapi::ecNotFound), {}, mapi::Value::string(arena, "")};
  const wire::PropertyRow row{1, cells};
  const auto bytes_of = [&](const wire::PropertyRow& one) {
    Bytes out;
    Output output(out);
    wire::FieldWriter writer(output);
    writer.row("RowData", one, columns);
    EXPECT_TRUE(writer.ok()) << writer.problem();
    return to_hex(out, ' ');
  };

  auto table = Node::table();
  NodeSink sink(table);
  wire::FieldDescriber(sink).row("RowData", row, columns);
  const auto* values = table.find("RowData")->find("Values");
  ASSERT_NE(values, nullptr);
  ASSERT_EQ(values->items.size(), std::size(columns));
  EXPECT_NE(values->items[1].find("tag"), nullptr);
  EXPECT_EQ(values->items[1].find("value"), nullptr);
  EXPECT_NE(values->items[5].find("value"), nullptr);

  NodeSource source(table);
  wire::PropertyRow again;
  wire::FieldBuilder(source, arena).row("RowData", again, columns);
  EXPECT_EQ(source.problem(), "");
  EXPECT_EQ(bytes_of(again), bytes_of(row));
}

}  // namespace
}  // namespace mapigate::chain
