#include "mailbox/stream_locks.h"

#include <algorithm>

namespace mapigate::mailbox {

namespace {

constexpr std::size_t most_locks = 1000;  // in a mailbox

bool overlap(StreamRegion a, StreamRegion b) {
  if (a.size == 0 || b.size == 0) return false;
  return a.offset <= b.offset ? b.offset - a.offset < a.size : a.offset - b.offset < b.size;
}

}  // namespace

StreamLocks::Outcome StreamLocks::lock(const StreamValue& value, StreamRegion region, bool others_read, const OpenMailbox* session,
                                       std::weak_ptr<const Object> stream, Duration lasts) {
  const auto time = Clock::now();
  std::erase_if(locks_, [](const auto& one) { return one.stream.expired(); });
  const auto there = [&](const auto& one) { return one.value == value && overlap(one.region, region); };
  const auto held = [&](const auto& one) { return there(one) && one.until > time; };
  if (std::any_of(locks_.begin(), locks_.end(), held)) return Outcome::held;
  std::erase_if(locks_, [&](const auto& one) { return one.session == session && there(one); });
  if (locks_.size() >= most_locks) return Outcome::too_many;
  locks_.push_back({value, region, others_read, session, std::move(stream), time + lasts});
  return Outcome::granted;
}

void StreamLocks::unlock(const StreamValue& value, StreamRegion region, const OpenMailbox* session) {
  std::erase_if(locks_, [&](const auto& one) {
    return one.stream.expired() || (one.session == session && one.value == value && overlap(one.region, region));
  });
}

const StreamLocks::Lock* StreamLocks::held_by_others(const StreamValue& value, StreamRegion region, const OpenMailbox* session,
                                                     bool reading) const {
  const auto time = Clock::now();
  for (const auto& one : locks_) {
    if (one.until <= time || one.stream.expired() || one.session == session || (reading && one.others_read)) continue;
    if (one.value == value && overlap(one.region, region)) return &one;
  }
  return nullptr;
}

bool StreamLocks::expired(const StreamValue& value, StreamRegion region, const OpenMailbox* session) const {
  const auto time = Clock::now();
  return std::any_of(locks_.begin(), locks_.end(), [&](const auto& one) {
    return one.session == session && one.until <= time && !one.stream.expired() && one.value == value && overlap(one.region, region);
  });
}

bool StreamLocks::may_read(const StreamValue& value, StreamRegion region, const OpenMailbox* session) const {
  return held_by_others(value, region, session, true) == nullptr;
}
bool StreamLocks::may_write(const StreamValue& value, StreamRegion region, const OpenMailbox* session) const {
  return held_by_others(value, region, session, false) == nullptr;
}

}  // namespace mapigate::mailbox
