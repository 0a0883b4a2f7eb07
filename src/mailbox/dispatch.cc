#include <array>

#include "mailbox/rop_call.h"

namespace mapigate::mailbox {

RawHandler find_handler(wire::RopId id) {
  static const auto table = [] {
    std::array<RawHandler, 256> handlers{};
    for (const auto list :
         {logon_handlers(), per_user_handlers(), folder_handlers(), folder_change_handlers(), permission_handlers(), rule_handlers(), table_handlers(), category_handlers(),
          search_handlers(), message_handlers(), recipient_handlers(), attachment_handlers(), property_handlers(),
          property_writing_handlers(), copying_handlers(),
          named_property_handlers(), stream_handlers(), transport_handlers(), notification_handlers(),
          fast_transfer_handlers(), synchronization_handlers()})
      for (const auto& entry : list) handlers[static_cast<std::size_t>(entry.id)] = entry.handle;
    return handlers;
  }();
  return table[static_cast<std::size_t>(id)];
}

}  // namespace mapigate::mailbox
