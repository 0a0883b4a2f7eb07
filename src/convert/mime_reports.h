// Delivery and disposition notifications as report objects ([MS-OXCMAIL] 2.2.3.7).
#pragma once

#include <optional>

#include "convert/mime_structure.h"

namespace mapigate::convert {

struct Report {
  std::string message_class;
  mapi::PropertyBag properties;
  std::vector<Recipient> recipients;  // whom it is about; empty when it does not say
  const Entity* part = nullptr;       // what was read; no attachment any more
};

// None when `root` is no report, or none of these kinds.
std::optional<Report> read_report(const Entity& root);

}  // namespace mapigate::convert
