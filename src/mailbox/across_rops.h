// ROPs with two objects that are in two mailboxes of a session. What goes over is packed in one and unpacked in the other
// (mailbox_across.cc), each on its own executor.
#pragma once

#include <set>

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
// What has gone over of a copy that stopped halfway, as the folder remembers it that is copied (FolderObject): the next try goes on
// there, and nothing is doubled.
struct Carried {
  Carried(std::string whose, GlobalCounter folder) : user(std::move(whose)), into(folder) {}
  std::string user;
  GlobalCounter into;
  std::map<GlobalCounter, GlobalCounter> messages;  // by their ids here: those that the other mailbox has reserved
  std::set<GlobalCounter> folders;                  // here, of those that were begun
};
// Into the folder that the handle stands for. mapi::ecDuplicateName: it has a folder of such a name already; then nothing has gone.
Task<ErrorCode> contents_to_other(RopCall& call, std::shared_ptr<FolderObject> from, OtherHandle to, FolderParts parts);

// Moves of folders that were cut off go on, message by message.
Task<> carry_on(std::shared_ptr<Mailbox> from);

}  // namespace mapigate::mailbox
