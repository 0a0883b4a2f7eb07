#include "wire/rop/trackers.h"

#include "wire/rop/logon_rops.h"
#include "wire/rop/table_rops.h"

namespace mapigate::wire {

namespace {

// Where a handle was opened in this very buffer, only the response's table has it.
std::uint32_t handle_at(const RopRequestBuffer& requests, const RopResponseBuffer& responses, std::uint8_t index) {
  if (index < requests.handles.size() && requests.handles[index] != no_handle) return requests.handles[index];
  return index < responses.handles.size() ? responses.handles[index] : no_handle;
}

}  // namespace

void ColumnTracker::watch(const RopRequestBuffer& requests, const RopResponseBuffer& responses) {
  std::vector<bool> succeeded(requests.rops.size());
  for (const auto& response : responses.rops) {
    const auto index = static_cast<std::size_t>(response.request);
    if (response.request >= 0 && index < succeeded.size())
      succeeded[index] = response.ReturnValue == mapi::ecNone && response.id == requests.rops[index].id;
  }
  for (std::size_t i = 0; i < requests.rops.size(); ++i) {
    const auto& request = requests.rops[i];
    if (request.id == RopId::RopRelease) {
      forget(handle_at(requests, responses, request.HandleIndex));
    } else if (succeeded[i]) {
      if (const auto opened = request.codec->output_handle_index(request); opened && *opened < responses.handles.size())
        forget(responses.handles[*opened]);
      if (const auto* columns = request.as<RopSetColumns>())
        set(handle_at(requests, responses, request.HandleIndex), columns->PropertyTags);
      if (request.id == RopId::RopResetTable) forget(handle_at(requests, responses, request.HandleIndex));
    }
  }
}

void ColumnTracker::set(std::uint32_t handle, Columns columns) {
  if (handle == no_handle || max_tables_ == 0) return;
  forget(handle);
  if (tables_.size() >= max_tables_) forget(oldest_first_.front());
  oldest_first_.push_back(handle);
  tables_.emplace(handle, Table{{columns.begin(), columns.end()}, std::prev(oldest_first_.end())});
}

void ColumnTracker::forget(std::uint32_t handle) {
  const auto found = tables_.find(handle);
  if (found == tables_.end()) return;
  oldest_first_.erase(found->second.age);
  tables_.erase(found);
}

std::optional<Columns> ColumnTracker::columns_of(std::uint32_t handle) const {
  const auto found = tables_.find(handle);
  if (found == tables_.end()) return {};
  return Columns(found->second.columns);
}

void LogonTracker::watch(const RopRequestBuffer& requests, const RopResponseBuffer& responses) {
  for (const auto& response : responses.rops) {
    const auto* logon = response.as<RopLogon>();
    const auto index = static_cast<std::size_t>(response.request);
    if (logon == nullptr || response.ReturnValue != mapi::ecNone || response.request < 0) continue;
    if (index < requests.rops.size())
      public_[requests.rops[index].LogonId] = (logon->LogonFlags & RopLogon::Private) == 0;
  }
}

}  // namespace mapigate::wire
