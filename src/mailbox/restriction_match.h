// Evaluates restrictions ([MS-OXCDATA] 2.12) against anything with properties.
#pragma once

#include <memory>

#include "mailbox/property_source.h"
#include "mapi/restriction.h"

namespace mapigate::mailbox {

// What a SubObjectRestriction looks into. A source without such rows makes the restriction ecTooComplex.
class SubObjects {
 public:
  virtual ~SubObjects() = default;
  // nullopt: these cannot be had here. `subobject` is PidTagMessageRecipients or PidTagMessageAttachments.
  virtual std::optional<std::vector<std::unique_ptr<PropertySource>>> rows(const PropertySource& of,
                                                                           mapi::PropertyTag subobject) const = 0;
};

// ecNone when every node can be evaluated against rows, else why not: ecTooComplex, ecInvalidParam.
// `content_free`: the rows know nothing of bodies, so that a restriction on them is too complex.
mapi::ErrorCode check(const mapi::Restriction& restriction, bool content_free, bool has_subobjects);

// One evaluation over many rows: CountRestriction counts through it.
class Matcher {
 public:
  // Both must outlive the matcher; null matches everything.
  explicit Matcher(const mapi::Restriction* restriction, const SubObjects* subobjects = nullptr, unsigned code_page = 1252)
      : restriction_(restriction), subobjects_(subobjects), code_page_(code_page) {}
  bool matches(const PropertySource& source);

 private:
  bool match(const mapi::Restriction& node, const PropertySource& source, Arena& arena, unsigned depth);
  const mapi::Restriction* restriction_;
  const SubObjects* subobjects_;
  unsigned code_page_;
  std::vector<std::pair<const mapi::Restriction*, std::uint32_t>> counts_;
};

}  // namespace mapigate::mailbox
