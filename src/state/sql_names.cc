// Ids of named properties ([MS-OXCPRPT] 3.2.5.9: 0x8001 and up, never reused).
#include "state/sql_state.h"

namespace mapigate::state {

namespace {

constexpr std::uint64_t first_named_id = 0x8001;
constexpr std::uint64_t last_named_id = 0xFFFE;  // 0xFFFF is no property id
// Names by string have no LID; no real one reaches 2^32.
constexpr std::uint64_t no_lid = std::uint64_t{1} << 32;

std::uint64_t lid_of(const mapi::PropertyName& name) { return name.lid ? *name.lid : no_lid; }
std::string_view text_of(const mapi::PropertyName& name) {
  return name.lid ? std::string_view() : std::string_view(name.name);
}

std::optional<mapi::PropertyName> read_name(const Query& row, int first) {
  mapi::PropertyName name;
  const auto set = row.blob(first);
  if (set.size() != name.set.bytes.size()) return std::nullopt;
  std::copy(set.begin(), set.end(), name.set.bytes.begin());
  if (row.number(first + 1) != no_lid)
    name.lid = static_cast<std::uint32_t>(row.number(first + 1));
  else
    name.name = row.text(first + 2);
  return name;
}

}  // namespace

Result<std::vector<std::uint16_t>> SqlState::named_property_ids(std::span<const mapi::PropertyName> names,
                                                                   bool create) {
  std::vector<std::uint16_t> out(names.size(), 0);
  bool missing = false;
  auto look = [&]() -> Status {
    auto select =
        database_->query("SELECT id FROM named_properties WHERE property_set = ? AND lid = ? AND name = ?");
    missing = false;
    for (std::size_t i = 0; i < names.size(); ++i) {
      select << View(names[i].set.bytes) << lid_of(names[i]) << text_of(names[i]);
      out[i] = select.row() ? static_cast<std::uint16_t>(select.number(0)) : 0;
      missing |= out[i] == 0;
      auto status = select.reset();
      if (!status) return status;
    }
    return {};
  };
  auto looked = look();
  if (!looked) return looked.error();
  if (!missing || !create) return out;

  Transaction transaction(*database_);
  auto begun = transaction.begin(Durability::full);
  if (!begun) return begun.error();
  auto last = database_->number("SELECT max(id) FROM named_properties");
  if (!last) return last.error();
  auto next = std::max(*last + 1, first_named_id);
  {
    auto insert = database_->query(
        "INSERT INTO named_properties (id, property_set, lid, name) VALUES (?, ?, ?, ?) ON CONFLICT DO "
        "NOTHING "
        "RETURNING id");
    for (std::size_t i = 0; i < names.size() && next <= last_named_id; ++i) {
      if (out[i] != 0) continue;
      insert << next << View(names[i].set.bytes) << lid_of(names[i]) << text_of(names[i]);
      if (insert.row()) ++next;
      auto status = insert.reset();
      if (!status) return status.error();
    }
  }
  looked = look();
  if (!looked) return looked.error();
  auto done = transaction.commit();
  if (!done) return done.error();
  return out;
}

Result<std::vector<std::optional<mapi::PropertyName>>> SqlState::named_properties(
    std::span<const std::uint16_t> ids) {
  std::vector<std::optional<mapi::PropertyName>> out(ids.size());
  auto select = database_->query("SELECT property_set, lid, name FROM named_properties WHERE id = ?");
  for (std::size_t i = 0; i < ids.size(); ++i) {
    select << static_cast<std::uint64_t>(ids[i]);
    if (select.row()) out[i] = read_name(select, 0);
    auto status = select.reset();
    if (!status) return status.error();
  }
  return out;
}

Result<std::vector<std::pair<std::uint16_t, mapi::PropertyName>>> SqlState::all_named_properties() {
  std::vector<std::pair<std::uint16_t, mapi::PropertyName>> out;
  auto select = database_->query("SELECT id, property_set, lid, name FROM named_properties ORDER BY id");
  while (select.row()) {
    auto name = read_name(select, 1);
    if (name) out.emplace_back(static_cast<std::uint16_t>(select.number(0)), std::move(*name));
  }
  auto status = select.status();
  if (!status) return status.error();
  return out;
}

}  // namespace mapigate::state
