// What the ROPs that write properties share with those of attachments, streams and folders.
#pragma once

#include "mailbox/rop_call.h"

namespace mapigate::mailbox {

// Makes `edit` of an attachment that exists.
Task<Status> edit_attachment(Mailbox& mailbox, std::shared_ptr<AttachmentObject> attachment);

// Puts what was written into the property (stream.cc).
Task<ErrorCode> commit(RopCall& call, std::shared_ptr<StreamObject> stream);

// Of a folder or the store (folder_changes.cc): takes effect at once.
Task<ErrorCode> set_on_container(RopCall& call, std::shared_ptr<Object> object, std::span<const mapi::TaggedValue> values,
                                 std::vector<wire::PropertyProblem>& problems);
Task<ErrorCode> delete_on_container(RopCall& call, std::shared_ptr<Object> object, std::span<const mapi::PropertyTag> tags,
                                    std::vector<wire::PropertyProblem>& problems);

// A folder with all below it, as a new child of `to` (folder_changes.cc).
Task<Result<GlobalCounter>> copy_folder_tree(Mailbox* mailbox, GlobalCounter id, GlobalCounter to, std::string name);

}  // namespace mapigate::mailbox
