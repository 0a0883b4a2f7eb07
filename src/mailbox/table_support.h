// What the handlers of table ROPs share.
#pragma once

#include "mailbox/rop_call.h"

namespace mapigate::mailbox {

// How values become cells of a table.
CellOptions cell_options(const OpenMailbox& session);
// Rules are read whole: what is cut off would be lost when a client writes them back.
CellOptions cell_options(const OpenMailbox& session, const TableObject& table);
// Brings the rows up to date. Cursor and bookmarks stay at their rows, wherever these are now.
Task<ErrorCode> load(Mailbox& mailbox, std::shared_ptr<TableObject> table);
// The same for a ROP that looks at rows: from then on the client is told of changes.
Task<ErrorCode> view(RopCall& call, std::shared_ptr<TableObject> table);
// A handle for the row at `at`; nothing when there are too many.
std::optional<Bytes> add_bookmark(TableObject& table, std::size_t at);

}  // namespace mapigate::mailbox
