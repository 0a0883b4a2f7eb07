#include "rewrite.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "mapi/properties.h"
#include "wire/nspi/all_bodies.h"
#include "wire/rop/logon_rops.h"

namespace mapigate::relay {

namespace nspi = wire::nspi;
using chain::Operation;
using wire::CountWidth;

namespace {

// Where the name of the server stands in a DN ([MS-OXOAB] 2.2.1): behind "/cn=Servers/cn=", up to the next slash.
std::optional<std::pair<std::size_t, std::size_t>> server_in(std::string_view dn) {
  constexpr std::string_view before = "/cn=servers/cn=";
  const auto at = lower_ascii(dn).find(before);
  if (at == std::string::npos) return {};
  const auto start = at + before.size();
  const auto end = std::min(dn.find('/', start), dn.size());
  if (end == start) return {};
  return std::pair(start, end - start);
}

std::string replaced(std::string_view text, std::size_t at, std::size_t size, std::string_view with) {
  return std::string(text.substr(0, at)).append(with).append(text.substr(at + size));
}

}  // namespace

Rewriter::Rewriter(std::string server_name, std::string external_url)
    : server_name_(std::move(server_name)), external_url_(std::move(external_url)) {}

std::optional<std::string> Rewriter::with_own_server(std::string_view dn) {
  const auto place = server_in(dn);
  if (!place) return {};
  const auto name = dn.substr(place->first, place->second);
  if (equal_ignoring_ascii_case(name, server_name_)) return {};
  {
    const std::lock_guard lock(mutex_);
    upstream_server_ = name;
  }
  return replaced(dn, place->first, place->second, server_name_);
}

std::optional<std::string> Rewriter::with_upstream_server(std::string_view dn) const {
  const auto place = server_in(dn);
  if (!place || !equal_ignoring_ascii_case(dn.substr(place->first, place->second), server_name_)) return {};
  const std::lock_guard lock(mutex_);
  if (upstream_server_.empty()) return {};
  return replaced(dn, place->first, place->second, upstream_server_);
}

std::optional<std::string> Rewriter::with_own_address(std::string_view address) const {
  const auto colon = address.find(':');
  if (colon == std::string_view::npos || equal_ignoring_ascii_case(address.substr(colon + 1), server_name_)) return {};
  return replaced(address, colon + 1, address.size() - colon - 1, server_name_);
}

std::optional<std::string> Rewriter::with_own_url(std::string_view url) const {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos || external_url_.empty()) return {};
  const auto path = std::min(url.find('/', scheme + 3), url.size());
  if (equal_ignoring_ascii_case(url.substr(0, path), external_url_)) return {};
  return external_url_ + std::string(url.substr(path));
}

bool Rewriter::rewrite_value(Arena& arena, std::uint16_t id, mapi::Value& value) {
  if (id == mapi::PidTagAddressBookHomeMessageDatabase.id()) {
    const auto changed = with_own_server(mapi::text_of(value));
    if (!changed) return false;
    value = value.type == mapi::PropertyType::PtypString ? mapi::Value::string(arena, *changed)
                                                         : mapi::Value::string8(as_text(arena.copy(as_view(*changed))));
    return true;
  }
  if (id != mapi::PidTagAddressBookNetworkAddress.id()) return false;
  bool any = false;
  if (const auto* wide = value.get<std::span<const Utf16>>()) {
    const auto texts = arena.make_span<Utf16>(wide->size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const auto changed = with_own_address(to_utf8((*wide)[i]));
      texts[i] = changed ? to_utf16(arena, *changed) : (*wide)[i];
      any = any || changed;
    }
    if (any) value.data = std::span<const Utf16>(texts);
  } else if (const auto* narrow = value.get<std::span<const mapi::String8>>()) {
    const auto texts = arena.make_span<mapi::String8>(narrow->size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const auto changed = with_own_address((*narrow)[i].text);
      texts[i] = changed ? mapi::String8{as_text(arena.copy(as_view(*changed)))} : (*narrow)[i];
      any = any || changed;
    }
    if (any) value.data = std::span<const mapi::String8>(texts);
  }
  return any;
}

namespace {

template <class Body>
void replace(chain::Call& call, const Body& body) {
  Bytes bytes;
  if (!wire::encode("reply", body, bytes, CountWidth::address_book)) return;
  chain::Reply reply;
  reply.body = std::move(bytes);
  call.set_reply(std::move(reply));
}

}  // namespace

template <class Body>
bool Rewriter::rewrite_rows(chain::Call& call) {
  auto& arena = call.arena();
  const auto bytes = call.reply_body();
  if (!bytes) return false;
  auto body = wire::decode<typename Body::Response>("reply", *bytes, arena, CountWidth::address_book);
  if (!body) return false;
  bool any = false;
  if constexpr (requires { body->ColumnsAndRows; }) {
    if (!body->ColumnsAndRows) return false;
    auto& rows = body->ColumnsAndRows.value;
    const auto tags = rows.Columns.PropertyTags;
    const bool concerned = std::any_of(tags.begin(), tags.end(), [](auto tag) {
      return tag.id() == mapi::PidTagAddressBookNetworkAddress.id() || tag.id() == mapi::PidTagAddressBookHomeMessageDatabase.id();
    });
    if (!concerned) return false;
    const auto copies = arena.make_span<wire::PropertyRow>(rows.RowData.size());
    for (std::size_t r = 0; r < copies.size(); ++r) {
      const auto values = arena.make_span<mapi::Value>(rows.RowData[r].values.size());
      std::copy(rows.RowData[r].values.begin(), rows.RowData[r].values.end(), values.begin());
      for (std::size_t i = 0; i < values.size() && i < tags.size(); ++i) any |= rewrite_value(arena, tags[i].id(), values[i]);
      copies[r] = {rows.RowData[r].Flag, values};
    }
    rows.RowData = copies;
  } else {
    if (!body->PropertyValues) return false;
    const auto from = body->PropertyValues->PropertyValues;
    const auto values = arena.make_span<mapi::TaggedValue>(from.size());
    std::copy(from.begin(), from.end(), values.begin());
    for (auto& one : values) any |= rewrite_value(arena, one.tag.id(), one.value);
    body->PropertyValues.value.PropertyValues = values;
  }
  if (any) replace(call, *body);
  return any;
}

void Rewriter::redirect(chain::Call& call) {
  const auto asked = call.execute();
  if (!asked) return;
  const auto& rops = (*asked)->requests.rops;
  if (std::none_of(rops.begin(), rops.end(), [](const auto& one) { return one.id == wire::RopId::RopLogon; })) return;
  const auto answered = call.responses();
  if (!answered) return;
  for (auto& one : (*answered)->rops) {
    if (one.id != wire::RopId::RopLogon || one.ReturnValue != mapi::ecWrongServer) continue;
    auto* body = one.template as<wire::RopLogon>();
    if (body == nullptr) continue;
    const auto name = as_text(body->ServerName);
    const auto changed = with_own_server(name.substr(0, name.find('\0')));
    if (!changed || changed->size() > 254) continue;
    log::info("{}: the upstream redirects the mailbox to {}", call.session().identity().user, name.substr(0, name.find('\0')));
    body->ServerName = call.arena().copy(as_view(*changed + '\0'));
    one.raw = {};
    call.mark_reply_edited();
  }
}

void Rewriter::reply(chain::Call& call) {
  if (!call.has_reply() || call.reply().response_code != 0) return;
  switch (call.operation()) {
    case Operation::QueryRows: rewrite_rows<nspi::QueryRows>(call); break;
    case Operation::SeekEntries: rewrite_rows<nspi::SeekEntries>(call); break;
    case Operation::GetMatches: rewrite_rows<nspi::GetMatches>(call); break;
    case Operation::ResolveNames: rewrite_rows<nspi::ResolveNames>(call); break;
    case Operation::GetProps: rewrite_rows<nspi::GetProps>(call); break;
    case Operation::GetMailboxUrl:
    case Operation::GetAddressBookUrl: {
      const auto bytes = call.reply_body();
      if (!bytes) return;
      auto body = wire::decode<nspi::UrlResponse>("reply", *bytes, call.arena(), CountWidth::address_book);
      if (!body) return;
      const auto changed = with_own_url(to_utf8(body->ServerUrl));
      if (!changed) return;
      body->ServerUrl = to_utf16(call.arena(), *changed);
      replace(call, *body);
      break;
    }
    case Operation::Execute: redirect(call); break;
    default: break;
  }
}

void Rewriter::request(chain::Call& call) {
  auto& arena = call.arena();
  const auto bytes = call.body();
  if (!bytes) return;
  Bytes changed_body;
  if (call.operation() == Operation::DNToMId) {
    auto body = wire::decode<nspi::DNToMId::Request>("request", *bytes, arena, CountWidth::address_book);
    if (!body || !body->Names) return;
    const auto names = arena.make_span<nspi::DnString>(body->Names->size());
    bool any = false;
    for (std::size_t i = 0; i < names.size(); ++i) {
      names[i] = (*body->Names)[i];
      if (const auto changed = with_upstream_server(names[i].Name)) {
        names[i].Name = as_text(arena.copy(as_view(*changed)));
        any = true;
      }
    }
    if (!any) return;
    body->Names.value = names;
    if (wire::encode("request", *body, changed_body, CountWidth::address_book)) call.set_body(std::move(changed_body));
  } else if (call.operation() == Operation::GetMailboxUrl) {
    auto body = wire::decode<nspi::GetMailboxUrl::Request>("request", *bytes, arena, CountWidth::address_book);
    if (!body) return;
    const auto changed = with_upstream_server(to_utf8(body->ServerDn));
    if (!changed) return;
    body->ServerDn = to_utf16(arena, *changed);
    if (wire::encode("request", *body, changed_body, CountWidth::address_book)) call.set_body(std::move(changed_body));
  }
}

}  // namespace mapigate::relay
