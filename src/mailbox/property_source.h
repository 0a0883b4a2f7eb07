// Properties as the engine serves them: objects tell values under their own types;
// here they become the cells a client asked for.
#pragma once

#include <optional>
#include <vector>

#include "mapi/errors.h"
#include "mapi/property_bag.h"
#include "mapi/value.h"
#include "wire/fields.h"

namespace mapigate::state {
struct Message;
}

namespace mapigate::mailbox {

// Anything with properties. Must not change while it is read; reading happens on one
// thread at a time but not always on the executor.
class PropertySource {
 public:
  virtual ~PropertySource() = default;
  // By property id; the value comes under the property's own type, whatever type `tag` asks for. What it
  // points to lives in `arena` or as long as the source.
  virtual std::optional<mapi::Value> get(mapi::PropertyTag tag, Arena& arena) const = 0;
  // The tags of all properties, each once, under their own types.
  virtual std::vector<mapi::PropertyTag> list() const = 0;
  // The message whose properties it shows as the index knows them, to put what is looked up elsewhere beside them; else null.
  virtual state::Message* index_row() { return nullptr; }
};

// Borrows a bag.
class BagSource final : public PropertySource {
 public:
  explicit BagSource(const mapi::PropertyBag& bag) : bag_(bag) {}
  std::optional<mapi::Value> get(mapi::PropertyTag tag, Arena& arena) const override;
  std::vector<mapi::PropertyTag> list() const override;

 private:
  const mapi::PropertyBag& bag_;
};
std::optional<mapi::Value> find_in(const mapi::PropertyBag& bag, mapi::PropertyTag tag);

struct CellOptions {
  unsigned code_page = 1252;
  bool unicode = true;               // which string type PtypUnspecified gives
  std::size_t max_text = SIZE_MAX;   // characters; longer strings are cut, as in table cells
  std::size_t max_binary = SIZE_MAX;  // bytes; the same for binary values
  std::size_t max_value = SIZE_MAX;  // bytes; larger values become ecMemory ("not enough memory": open a stream)
};

// The value as `asked` wants it: string types convert into each other, PtypUnspecified takes the
// property's own type. Everything that cannot be had is a PtypErrorCode value; what does not
// exist is ecNotFound and no other code (row S8), and so is a multiple value without elements (row S3).
mapi::Value cell(const PropertySource& source, mapi::PropertyTag asked, Arena& arena, const CellOptions& options);
// The same from a value already at hand.
mapi::Value convert(const mapi::Value& value, mapi::PropertyTag asked, Arena& arena, const CellOptions& options);

// A row of these columns; flagged when a cell is missing or its type is not that of its column. All of it
// lives in the arena: rows are encoded after their sources are gone.
wire::PropertyRow make_row(const PropertySource& source, wire::Columns columns, Arena& arena, const CellOptions& options);
std::size_t wire_size(const wire::PropertyRow& row, wire::Columns columns);
std::size_t wire_size(const mapi::Value& value);

// Each element of a multiple value as a value of its own; a single one as it is.
std::vector<mapi::Value> elements(const mapi::Value& value);

// Order of two values of one type; nullopt when they cannot be compared. Strings by collation,
// without case.
std::optional<int> compare(const mapi::Value& a, const mapi::Value& b);
// A byte string that sorts with memcmp as compare() orders values.
std::string sort_key(const mapi::Value& value);

// Binaries and strings of the engine's own making, put into the arena.
inline mapi::Value binary_value(Arena& arena, View bytes) { return mapi::Value::binary(arena.copy(bytes)); }

}  // namespace mapigate::mailbox
