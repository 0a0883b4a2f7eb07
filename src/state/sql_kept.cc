// What stands beside messages goes with them when other clients move, copy, lose or put them back: it is found by what the
// message itself tells. That of vanished messages is kept for a while.
#include <openssl/sha.h>

#include "base/text.h"
#include "base/time.h"
#include "state/sql_state.h"
#include "wire/property_bag_codec.h"

namespace mapigate::state {

namespace {

constexpr std::int64_t kept_for = 30 * 24 * 3600;  // seconds
constexpr std::uint64_t most_kept = 20'000;        // messages of one mailbox

// From where and when it was deleted ([MS-OXCFOLD] 2.2.1.14): of the one place only.
constexpr mapi::PropertyTag of_the_place[] = {mapi::PidTagDeletedOn, {0x348A, mapi::PropertyType::PtypBinary}};

}  // namespace

Bytes content_key(const mapi::PropertyBag& properties, FileTime received, std::uint64_t size) {
  if (received.ticks == 0 || size == 0) return {};
  const auto message_id = properties.string(mapi::PidTagInternetMessageId);
  // Clients that edit a message store another with the same Message-ID and date, and now and then of the same size.
  const auto text = fmt::format("{} {} {} {}\n{}\n{}", size, received.ticks, properties.time(mapi::PidTagClientSubmitTime).ticks,
                                trim(message_id), properties.string(mapi::PidTagSubject),
                                properties.string(properties.contains(said_sender) ? said_sender : mapi::PidTagSentRepresentingName));
  Bytes out(SHA256_DIGEST_LENGTH);
  SHA256(as_view(text).data(), text.size(), out.data());
  out.resize(16);
  return out;
}

Status SqlState::keep_extras(GlobalCounter message) {
  auto select = database_->query(
      "SELECT m.received, m.size, m.properties, e.properties FROM messages m JOIN extra_properties e ON e.object = m.id WHERE m.id = ?");
  select << message;
  if (!select.row()) return select.reset();
  const auto received = FileTime{select.number(0)};
  const auto size = select.number(1);
  auto properties = wire::parse_property_bag(select.blob(2));
  auto extras = wire::parse_property_bag(select.blob(3));
  auto status = select.reset();
  if (!status) return status;
  if (!properties || !extras || extras->empty()) return {};
  const auto content = content_key(*properties, received, size);
  if (content.empty()) return {};
  for (const auto tag : of_the_place) extras->remove(tag);
  status = (database_->query("DELETE FROM kept_properties WHERE content_key = ?") << View(content)).run();
  if (!status) return status;
  const auto bytes = wire::serialize(*extras);
  return (database_->query("INSERT INTO kept_properties (content_key, properties, kept) VALUES (?, ?, ?)")
          << View(content) << View(bytes) << static_cast<std::uint64_t>(to_unix(now())))
      .run();
}

Status SqlState::prune_kept() {
  auto status =
      (database_->query("DELETE FROM kept_properties WHERE kept < ?") << static_cast<std::uint64_t>(to_unix(now()) - kept_for)).run();
  if (!status) return status;
  return (database_->query("DELETE FROM kept_properties WHERE id <= (SELECT max(id) - ? FROM kept_properties)") << most_kept).run();
}

Result<bool> SqlState::any_kept() {
  auto count = database_->number(
      "SELECT (SELECT count(*) FROM (SELECT 1 FROM kept_properties LIMIT 1) a) + "
      "(SELECT count(*) FROM (SELECT 1 FROM extra_properties WHERE content_key IS NOT NULL LIMIT 1) b)");
  if (!count) return count.error();
  return *count != 0;
}

Result<mapi::PropertyBag> SqlState::kept_extras(const Bytes& content) {
  mapi::PropertyBag out;
  if (content.empty()) return out;
  // Those of a message that is there are newer.
  for (const char* sql : {"SELECT properties FROM extra_properties WHERE content_key = ? LIMIT 1",
                          "SELECT properties FROM kept_properties WHERE content_key = ? LIMIT 1"}) {
    auto select = database_->query(sql);
    select << View(content);
    const bool found = select.row();
    if (found) {
      auto parsed = wire::parse_property_bag(select.blob(0));
      if (parsed) out = std::move(*parsed);
    }
    auto status = select.reset();
    if (!status) return status.error();
    if (found) break;
  }
  for (const auto tag : of_the_place) out.remove(tag);
  return out;
}

}  // namespace mapigate::state
