// Which parts of a message are its body and which its attachments ([MS-OXCMAIL] 2.2.3.3 and 2.2.3.4).
#pragma once

#include <string>

#include "convert/mime_structure.h"

namespace mapigate::convert {

// One stretch of the body, in one or two renderings.
struct Segment {
  const Entity* plain = nullptr;
  const Entity* html = nullptr;
};

struct AttachedPart {
  const Entity* entity;
  bool related = false;      // stood in a multipart/related beside its root
  bool alternative = false;  // another rendering of the body (a calendar, enriched text)
};

struct Content {
  std::vector<Segment> body;
  std::string stand_in, stand_in_html;  // UTF-8: the bodies of a message that has no part for one
  std::vector<AttachedPart> attachments;
  bool has_html() const;
  const Entity* opaque = nullptr;    // signed or encrypted as a whole: becomes the only attachment
  bool signed_files = false;         // of what is signed: there are files in it
  const Entity* calendar = nullptr;  // the first text/calendar part that is no mere attachment
  const Entity* unfinished = nullptr;  // of which only the beginning is there
};

// Borrows from `root`.
Content sort_parts(const Entity& root);

}  // namespace mapigate::convert
