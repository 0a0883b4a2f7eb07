#include "directory/delegates.h"

#include <algorithm>

#include "base/text.h"

namespace mapigate::directory {

namespace {

// Groups that hold `user`, directly or through others, and the user.
std::vector<Index> circles_of(const Snapshot& book, Index user) {
  std::vector<Index> out{user};
  for (std::size_t i = 0; i < out.size(); ++i)
    for (const auto group : book.object(out[i]).member_of)
      if (std::find(out.begin(), out.end(), group) == out.end()) out.push_back(group);
  return out;
}

// Whether `user` is among these or in a group that is.
bool is_among(const Snapshot& book, Indexes open, Index user) {
  std::vector<bool> seen(book.size());
  while (!open.empty()) {
    const auto one = open.back();
    open.pop_back();
    if (one == user) return true;
    if (seen[one]) continue;
    seen[one] = true;
    const auto& members = book.object(one).members;
    open.insert(open.end(), members.begin(), members.end());
  }
  return false;
}

}  // namespace

bool has_mailbox(const Entry& entry) {
  return !entry.address.empty() && entry.kind != EntryKind::group && entry.kind != EntryKind::contact;
}

bool may_act_for(const Snapshot& book, const Object& object, Index user) {
  if (!has_mailbox(object.entry)) return false;
  auto named = object.delegates;
  named.insert(named.end(), object.full_access.begin(), object.full_access.end());
  return is_among(book, std::move(named), user);
}

bool may_send_for(const Snapshot& book, Index object, Index user) {
  if (object == user) return true;
  return book.kind(object) != EntryKind::contact && is_among(book, book.object(object).delegates, user);
}

bool may_open(const Snapshot& book, std::string_view user, std::string_view owner) {
  const auto self = book.find_address(user), other = book.find_address(owner);
  if (!self || !other || *self == *other) return false;
  const auto object = book.object(*other);
  return lower_ascii(object.entry.address) == owner && has_mailbox(object.entry) && is_among(book, object.full_access, *self);
}

std::vector<Index> mailboxes_open_to(const Snapshot& book, Index user) {
  std::vector<Index> found;
  for (const auto one : circles_of(book, user))
    for (const auto mailbox : book.object(one).full_access_to)
      if (mailbox != user && std::find(found.begin(), found.end(), mailbox) == found.end()) found.push_back(mailbox);
  std::erase_if(found, [&](const auto mailbox) { return !has_mailbox(book.object(mailbox).entry); });
  return found;
}

}  // namespace mapigate::directory
