// ROPs with two objects that are in two mailboxes of a session. What goes over is packed in one and unpacked in the other
// (mailbox_across.cc), each on its own executor.
#pragma once

#include "mailbox/rop_call.h"

namespace mapigate::mailbox {

// A handle of another open mailbox of the session (RopCall::other_with).
struct OtherHandle {
  OpenMailbox* session;
  std::uint32_t handle;
};

// Each message is stored there before it is removed here. Those that are gone are passed over, as within a mailbox. `partial`: some
// went over, and some did not.
Task<ErrorCode> messages_to_other(RopCall& call, GlobalCounter from, OtherHandle to, std::vector<GlobalCounter> ids, bool copy, bool* partial);

// A folder, as a new child of the one that the handle stands for; `recursive`: with what is below it. One that is moved goes here
// when nothing is left in it.
Task<ErrorCode> folder_to_other(RopCall& call, GlobalCounter folder, OtherHandle to, std::string name, bool recursive, bool move, bool* partial);

// What of the contents of a folder a copy of it takes along.
struct FolderParts {
  bool messages = false, associated = false, folders = false;
};

// Moves of folders that were cut off go on, message by message.
Task<> carry_on(std::shared_ptr<Mailbox> from);

}  // namespace mapigate::mailbox
