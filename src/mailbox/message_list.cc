#include "mailbox/message_list.h"

#include <algorithm>
#include <unordered_set>

#include "mailbox/object_properties.h"

namespace mapigate::mailbox {

using mapi::GlobalCounter;
using mapi::PropertyTag;

namespace {

// What the state store sorts by itself, from its own columns.
std::optional<state::SortKey> native_key(PropertyTag tag) {
  const auto is = [&](PropertyTag other) { return tag.id() == other.id(); };
  if (is(mapi::PidTagMessageDeliveryTime)) return state::SortKey::received;
  if (is(mapi::PidTagMessageSize)) return state::SortKey::size;
  if (is(mapi::PidTagNormalizedSubject)) return state::SortKey::subject;
  if (is(mapi::PidTagSentRepresentingName)) return state::SortKey::sender;
  if (is(mapi::PidTagRead)) return state::SortKey::unread;
  if (is(mapi::PidTagMid)) return state::SortKey::id;
  return std::nullopt;
}

bool descending(const mapi::SortOrder& order) { return order.Order == mapi::SortOrder::Descending; }

class NamedRecipient final : public PropertySource {
 public:
  NamedRecipient(std::string name, std::int32_t type) {
    bag_.set_string(mapi::PidTagDisplayName, name);
    if (name.find('@') != std::string::npos) {
      bag_.set_string(mapi::PidTagEmailAddress, name);
      bag_.set_string(mapi::PidTagSmtpAddress, name);
    }
    bag_.set_integer(mapi::PidTagRecipientType, type);
  }
  std::optional<mapi::Value> get(PropertyTag tag, Arena&) const override { return find_in(bag_, tag); }
  std::vector<PropertyTag> list() const override { return BagSource(bag_).list(); }

 private:
  mapi::PropertyBag bag_;
};

}  // namespace

void append_key(std::string& out, std::string_view key, bool down) {
  const auto first = out.size();
  for (const char c : key) {
    out += c;
    if (c == '\0') out += '\x01';
  }
  out.append(2, '\0');
  if (!down) return;
  for (auto i = first; i < out.size(); ++i) out[i] = static_cast<char>(~out[i]);
}

std::shared_ptr<const ListOrder> ListOrder::make(std::span<const mapi::SortOrder> sort, const mapi::Restriction* restriction,
                                                 const Categories& categories) {
  auto order = std::make_shared<ListOrder>();
  order->asked.assign(sort.begin(), sort.end());
  order->categories = categories.count;
  order->expanded = categories.expanded;
  order->instances = categories.instances;
  for (const auto& one : sort) {
    order->key += fmt::format("{:08x}{}", one.tag.value, one.Order);
    if (one.Order == mapi::SortOrder::MaximumCategory) order->maximum = one.tag;
    else order->sort.push_back(one);
  }
  order->key += fmt::format("/{}/{}/{:x}", categories.count, categories.expanded, categories.instances ? categories.instances->id() : 0);
  if (restriction) {
    order->restriction = order->arena.make<mapi::Restriction>(mapi::copy(order->arena, *restriction));
    Bytes bytes;
    Output output(bytes);
    wire::FieldWriter writer(output, wire::CountWidth::wide);
    writer.restriction("restriction", order->restriction);
    order->key += "|" + std::string(as_text(writer.output().view()));
  }
  return order;
}

std::optional<std::vector<std::unique_ptr<PropertySource>>> DisplayRecipients::rows(const PropertySource& of,
                                                                                    PropertyTag subobject) const {
  if (subobject.id() != mapi::PidTagMessageRecipients.id()) return std::nullopt;
  std::vector<std::unique_ptr<PropertySource>> out;
  Arena arena(512);
  const std::pair<PropertyTag, std::int32_t> lists[] = {
      {mapi::PidTagDisplayTo, 1}, {mapi::PidTagDisplayCc, 2}, {mapi::PidTagDisplayBcc, 3}};
  for (const auto& [tag, type] : lists) {
    const auto value = of.get(tag, arena);
    if (!value) continue;
    const auto text = mapi::text_of(*value);
    for (std::size_t at = 0; at < text.size();) {
      auto end = text.find(';', at);
      if (end == std::string::npos) end = text.size();
      const auto name = trim(std::string_view(text).substr(at, end - at));
      if (!name.empty()) out.push_back(std::make_unique<NamedRecipient>(std::string(name), type));
      at = end + 1;
    }
  }
  return out;
}

Status each_match(state::MailboxState& state, std::shared_ptr<const StoreIdentity> store, GlobalCounter folder,
                  const mapi::Restriction* restriction, const TextMatches* matches,
                  const std::function<bool(const MessageSource&)>& each) {
  DisplayRecipients recipients;
  Matcher matcher(counted(restriction).restriction, &recipients);
  matcher.use(matches);
  return state.each_message(folder, [&](state::Message& message) {
    const MessageSource source(MessageView{store, std::move(message)});
    return !matcher.matches(source) || each(source);
  });
}

Result<MessageList> build_list(state::MailboxState& state, std::shared_ptr<const StoreIdentity> store, GlobalCounter folder,
                               const ListOrder& order, std::size_t max_rows, const TextMatches* matches) {
  const auto native = order.sort.empty() ? std::optional(state::SortKey::received)
                      : order.sort.size() == 1 ? native_key(order.sort[0].tag)
                                               : std::nullopt;
  const bool down = order.sort.empty() || descending(order.sort[0]);
  auto ids = std::make_shared<std::vector<GlobalCounter>>();
  if (native) {
    auto sorted = state.message_ids(folder, {*native, down});
    if (!sorted) return sorted.error();
    if (sorted->size() > max_rows) return error(Errc::limit, "folder with {} messages", sorted->size());
    *ids = std::move(*sorted);
    if (!order.restriction) return MessageList(ids);
  }
  // The rest looks at every row of the folder once.
  std::unordered_set<GlobalCounter> wanted;
  std::vector<std::pair<std::string, GlobalCounter>> keyed;
  bool too_many = false;
  const auto scanned = each_match(state, store, folder, order.restriction, matches, [&](const MessageSource& source) {
    const auto id = source.message().id;
    if (native) {
      wanted.insert(id);
      return true;
    }
    too_many = keyed.size() >= max_rows;
    if (too_many) return false;
    std::string key;
    Arena arena(512);
    for (const auto& one : order.sort) {
      const auto value = source.get(one.tag, arena);
      append_key(key, value ? sort_key(*value) : std::string(), descending(one));
    }
    keyed.emplace_back(std::move(key), id);
    return true;
  });
  if (!scanned) return scanned.error();
  if (too_many) return error(Errc::limit, "more than {} messages in a table", max_rows);
  if (native) {
    std::erase_if(*ids, [&](auto id) { return !wanted.contains(id); });
  } else {
    std::sort(keyed.begin(), keyed.end());
    ids->reserve(keyed.size());
    for (const auto& [key, id] : keyed) ids->push_back(id);
  }
  if (const auto most = counted(order.restriction).most; ids->size() > most) ids->resize(most);
  ids->shrink_to_fit();
  return MessageList(ids);
}

}  // namespace mapigate::mailbox
