// Ids of named properties ([MS-OXCPRPT] 3.2.5.9 to 3.2.5.11). One numbering a mailbox, kept for ever.
#include <algorithm>

#include "base/text.h"
#include "mailbox/rop_call.h"

namespace mapigate::mailbox {

namespace {

using mapi::PropertyName;

// [MS-OXCPRPT] 2.2.9, 2.2.12 and 2.2.13: valid on these.
bool has_properties(const std::shared_ptr<Object>& object) {
  if (!object) return false;
  const auto kind = object->kind;
  return kind == Object::Kind::logon || kind == Object::Kind::folder || kind == Object::Kind::message || kind == Object::Kind::attachment;
}

Task<ErrorCode> get_property_ids_from_names(RopCall& call, const wire::RopGetPropertyIdsFromNames::Request& request,
                                            wire::RopGetPropertyIdsFromNames::Response& response) {
  const auto object = call.find();
  if (!has_properties(object)) co_return mapi::ecNotSupported;
  const bool create = (request.Flags & wire::RopGetPropertyIdsFromNames::Create) != 0;
  if (request.PropertyNames.empty() && object->kind == Object::Kind::logon) {
    // No name asks the store for all ids there are.
    auto read = [](state::MailboxState& s) { return s.all_named_properties(); };
    auto all = co_await call.mailbox.with_state(read);
    if (!all) co_return mapi::to_error_code(all.error());
    auto ids = call.arena.make_span<std::uint16_t>(all->size());
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = (*all)[i].first;
    response.PropertyIds = ids;
    co_return mapi::ecNone;
  }
  auto out = call.arena.make_span<std::uint16_t>(request.PropertyNames.size());
  std::vector<PropertyName> names;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < out.size(); ++i) {
    auto name = wire::from_wire(request.PropertyNames[i]);
    if (!name) continue;
    if (name->set == mapi::PS_MAPI) {
      // PS_MAPI names are the ids below 0x8000 themselves.
      if (name->lid && *name->lid < 0x8000) out[i] = static_cast<std::uint16_t>(*name->lid);
      continue;
    }
    if (name->set == mapi::PS_INTERNET_HEADERS && !name->lid) name->name = lower_ascii(name->name);
    names.push_back(std::move(*name));
    places.push_back(i);
  }
  if (!names.empty()) {
    auto look_up = [&names, create](state::MailboxState& s) { return s.named_property_ids(names, create); };
    auto ids = co_await call.mailbox.with_state(look_up);
    if (!ids) co_return mapi::to_error_code(ids.error());
    // Nothing keeps a name from an id but that there is none left.
    if (create && std::find(ids->begin(), ids->end(), 0) != ids->end()) co_return mapi::ecMemory;
    for (std::size_t i = 0; i < places.size() && i < ids->size(); ++i) out[places[i]] = (*ids)[i];
  }
  response.PropertyIds = out;
  co_return std::find(out.begin(), out.end(), 0) == out.end() ? mapi::ecNone : mapi::ecWarnWithErrors;
}

Task<ErrorCode> get_names_from_property_ids(RopCall& call, const wire::RopGetNamesFromPropertyIds::Request& request,
                                            wire::RopGetNamesFromPropertyIds::Response& response) {
  if (!has_properties(call.find())) co_return mapi::ecNotSupported;
  std::vector<std::uint16_t> ids(request.PropertyIds.begin(), request.PropertyIds.end());
  auto look_up = [&ids](state::MailboxState& s) { return s.named_properties(ids); };
  auto names = co_await call.mailbox.with_state(look_up);
  if (!names) co_return mapi::to_error_code(names.error());
  auto out = call.arena.make_span<wire::PropertyName>(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0x8000) out[i] = wire::to_wire(call.arena, PropertyName{mapi::PS_MAPI, ids[i], {}});
    else if (i < names->size() && (*names)[i]) out[i] = wire::to_wire(call.arena, *(*names)[i]);
  }
  response.PropertyNames = out;
  co_return mapi::ecNone;
}

Task<ErrorCode> query_named_properties(RopCall& call, const wire::RopQueryNamedProperties::Request& request,
                                       wire::RopQueryNamedProperties::Response& response) {
  if (!has_properties(call.find())) co_return mapi::ecNotSupported;
  auto read = [](state::MailboxState& s) { return s.all_named_properties(); };
  auto all = co_await call.mailbox.with_state(read);
  if (!all) co_return mapi::to_error_code(all.error());
  std::vector<std::uint16_t> ids;
  std::vector<wire::PropertyName> names;
  for (const auto& [id, name] : *all) {
    if (request.HasGuid && name.set != request.PropertyGuid) continue;
    if (name.lid && (request.QueryFlags & wire::RopQueryNamedProperties::NoIds)) continue;
    if (!name.lid && (request.QueryFlags & wire::RopQueryNamedProperties::NoStrings)) continue;
    ids.push_back(id);
    names.push_back(wire::to_wire(call.arena, name));
  }
  response.PropertyIds = call.arena.copy(std::span<const std::uint16_t>(ids));
  response.PropertyNames = call.arena.copy(std::span<const wire::PropertyName>(names));
  co_return mapi::ecNone;
}

}  // namespace

HandlerList named_property_handlers() {
  static constexpr HandlerEntry list[] = {
      on<wire::RopGetPropertyIdsFromNames, get_property_ids_from_names>(),
      on<wire::RopGetNamesFromPropertyIds, get_names_from_property_ids>(),
      on<wire::RopQueryNamedProperties, query_named_properties>(),
  };
  return list;
}

}  // namespace mapigate::mailbox
