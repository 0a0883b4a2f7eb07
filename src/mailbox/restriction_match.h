// Evaluates restrictions ([MS-OXCDATA] 2.12) against anything with properties.
#pragma once

#include <map>
#include <memory>
#include <unordered_set>

#include "mailbox/property_source.h"
#include "mapi/ids.h"
#include "mapi/restriction.h"

namespace mapigate::mailbox {

// What a SubObjectRestriction on recipients looks into. A source without such rows makes the restriction ecTooComplex.
class SubObjects {
 public:
  virtual ~SubObjects() = default;
  // nullopt: these cannot be had here.
  virtual std::optional<std::vector<std::unique_ptr<PropertySource>>> rows(const PropertySource& of,
                                                                           mapi::PropertyTag subobject) const = 0;
};

// Where the text of a ContentRestriction is to be looked for that no index row holds.
struct TextQuery {
  enum class Where : std::uint8_t { body, anything } where = Where::body;  // anything: header fields, too
  std::string text;
  bool fuzzy = false;  // FL_LOOSE: the backend may match as it sees fit
};
struct TextLeaf {
  const mapi::Restriction* leaf;
  TextQuery query;
};
std::vector<TextLeaf> text_leaves(const mapi::Restriction* restriction);
// SubObjectRestrictions on attachments, which no index row holds either: messages are read for them.
std::vector<const mapi::Restriction*> attachment_leaves(const mapi::Restriction* restriction);
// What came of asking for both: ids of messages.
using TextMatches = std::map<const mapi::Restriction*, std::unordered_set<mapi::GlobalCounter>>;

// ecNone when every node can be evaluated against rows, else why not: ecTooComplex, ecInvalidParam.
// `content_free`: nobody can be asked for texts outside of the rows, so that a restriction on bodies or attachments is too complex.
mapi::ErrorCode check(const mapi::Restriction& restriction, bool content_free, bool has_subobjects);

// A CountRestriction at the root, with or without comments, limits all findings together and not only those of one evaluation: what
// is counted, and how many of it are wanted.
struct Counted {
  const mapi::Restriction* restriction = nullptr;  // null: everything
  std::size_t most = SIZE_MAX;
};
Counted counted(const mapi::Restriction* restriction);

// One evaluation over many rows: CountRestriction counts through it.
class Matcher {
 public:
  // Both must outlive the matcher; null matches everything.
  explicit Matcher(const mapi::Restriction* restriction, const SubObjects* subobjects = nullptr, unsigned code_page = 1252)
      : restriction_(restriction), subobjects_(subobjects), code_page_(code_page) {}
  // Must outlive the matcher. Without it no text outside of the rows matches, and no attachment.
  void use(const TextMatches* texts) { texts_ = texts; }
  bool matches(const PropertySource& source) { return evaluate(source).value_or(false); }
  // Its attachments tell, which nobody has looked at yet.
  bool undecided(const PropertySource& source) { return !evaluate(source); }

 private:
  std::optional<bool> evaluate(const PropertySource& source);
  // nullopt: undecided.
  std::optional<bool> match(const mapi::Restriction& node, const PropertySource& source, Arena& arena, unsigned depth);
  const mapi::Restriction* restriction_;
  const SubObjects* subobjects_;
  unsigned code_page_;
  const TextMatches* texts_ = nullptr;
  std::vector<std::pair<const mapi::Restriction*, std::uint32_t>> counts_;
};

}  // namespace mapigate::mailbox
