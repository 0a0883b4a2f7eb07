// Where the outbox leaves word for the next start.
#pragma once

namespace mapigate::mailbox {

// Below the state folder: a file for each mailbox whose outbox is not empty.
inline constexpr char outbox_folder[] = "outbox";

}  // namespace mapigate::mailbox
