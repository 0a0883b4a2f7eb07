// What the index does not hold. Backends are asked for texts, bodies and whole headers; what lives in the state store is read. For
// conditions on attachments ([MS-OXCDATA] 2.12.10) messages are read, those that have some and whose other properties leave it open.
#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "mailbox/message_content.h"
#include "mailbox/message_edit.h"
#include "mailbox/object_properties.h"

namespace mapigate::mailbox {

namespace {
// With fewer messages in question the backend is told which.
constexpr std::size_t most_named = 500;
// For one table no more messages are read than what is kept of them has room for.
constexpr std::size_t most_read = 10'000;

mapi::PropertyBag bag_of(const PropertySource& source) {
  mapi::PropertyBag bag;
  Arena arena(1024);
  auto tags = source.list();
  const auto columns = attachment_columns();
  tags.insert(tags.end(), columns.begin(), columns.end());
  for (const auto tag : tags) {
    const auto value = source.get(tag, arena);
    if (value && value->type != mapi::PropertyType::PtypErrorCode) bag.set(tag.with(value->type), *value);
  }
  return bag;
}

bool is_gone_or_broken(const Error& error) {
  return error.code == Errc::not_found || error.code == Errc::malformed || error.code == Errc::limit;
}
}  // namespace

Task<Result<TextMatches>> Mailbox::find_texts(GlobalCounter contents, const mapi::Restriction* restriction,
                                              std::vector<GlobalCounter> among) {
  auto asked = among;
  auto out = co_await find_bodies(contents, restriction, std::move(asked));
  if (!out) co_return out;
  auto open = co_await undecided(contents, restriction, &*out, std::move(among));
  if (!open) co_return open.error();
  if (open->size() > most_read) co_return error(Errc::limit, "attachments of {} messages are asked for", open->size());
  auto read = co_await read_attachments(std::move(*open), restriction, &*out, Clock::now() + context_.options.first_index_wait);
  if (!read) co_return read.error();
  co_return out;
}

Task<Result<std::vector<state::Message>>> Mailbox::undecided(GlobalCounter contents, const mapi::Restriction* restriction,
                                                             const TextMatches* texts, std::vector<GlobalCounter> among) {
  using Messages = std::vector<state::Message>;
  if (attachment_leaves(restriction).empty()) co_return Messages();
  auto store = store_;
  auto look = [contents, store, restriction, texts, &among](state::MailboxState& s) -> Result<Messages> {
    Messages out;
    DisplayRecipients recipients;
    Matcher matcher(counted(restriction).restriction, &recipients);
    matcher.use(texts);
    const auto take = [&](state::Message& message) {
      // What finds its content again; the rest may be much.
      state::Message place;
      place.id = message.id;
      place.folder = message.folder;
      place.remote_key = message.remote_key;
      place.received = message.received;
      if (matcher.undecided(MessageSource(MessageView{store, std::move(message)}))) out.push_back(std::move(place));
      return true;
    };
    if (among.empty()) {
      auto done = s.each_message(contents, take);
      if (!done) return done.error();
    } else {
      auto messages = s.messages(among);
      if (!messages) return messages.error();
      for (auto& message : *messages) take(message);
    }
    return out;
  };
  co_return co_await with_state(look);
}

Task<Status> Mailbox::read_attachments(std::vector<state::Message> messages, const mapi::Restriction* restriction, TextMatches* texts,
                                       Clock::time_point until) {
  const auto leaves = attachment_leaves(restriction);
  for (auto& message : messages) {
    const auto id = message.id;
    if (Clock::now() > until) co_return error(Errc::timeout, "reading what is attached to {} messages", messages.size());
    auto attached = co_await attachments_of(std::move(message));
    if (!attached) {
      // A message that is gone or broken is left out (row S5).
      if (!is_gone_or_broken(attached.error())) co_return attached.error();
      log::info("mailbox: what is attached to message {:x}: {}", id, attached.error().message);
      continue;
    }
    for (const auto* leaf : leaves) {
      if (leaf->children.empty()) continue;
      Matcher matcher(&leaf->children[0]);
      const auto fits = [&matcher](const auto& bag) { return matcher.matches(BagSource(bag)); };
      auto& found = (*texts)[leaf];
      if (std::any_of((*attached)->begin(), (*attached)->end(), fits)) found.insert(id);
    }
  }
  co_return Status{};
}

Task<Result<Mailbox::Attachments>> Mailbox::attachments_of(state::Message message) {
  const auto id = message.id, in = message.folder;
  const auto remote_key = message.remote_key;
  const auto* row = tree_->find(state::folder_of(in));
  if (!row) co_return error(Errc::not_found, "the folder is gone");
  if (is_local(*row) || state::is_associated(in)) {
    auto data = co_await stored_data(id);
    if (!data) co_return data.error();
    auto held = *data;
    if (!held) co_return error(Errc::not_found, "the message is gone");
    std::vector<mapi::PropertyBag> bags;
    for (const auto& one : held->attachments) bags.push_back(bag_of(AttachmentDataSource(held, &one, false)));
    co_return std::make_shared<const std::vector<mapi::PropertyBag>>(std::move(bags));
  }
  if (const auto known = attachments_.find(id);
      known != attachments_.end() && known->second.folder == in && known->second.remote_key == remote_key)
    co_return known->second.attachments;
  auto content = co_await this->content(std::move(message), false);
  if (!content) co_return content.error();
  auto held = *content;
  auto take = [held]() -> Result<Attachments> {
    std::vector<mapi::PropertyBag> bags;
    for (std::size_t i = 0; i < held->attachments().size(); ++i) bags.push_back(bag_of(AttachmentSource(held, i, false)));
    return std::make_shared<const std::vector<mapi::PropertyBag>>(std::move(bags));
  };
  auto made = co_await io::run_blocking(context_.runtime, take);
  if (!made) co_return made;
  std::size_t cost = 200;
  for (const auto& bag : **made)
    for (const auto& [tag, value] : bag) cost += wire_size(value) + sizeof(mapi::TaggedValue);
  auto& slot = attachments_[id];
  if (slot.attachments) attachments_cost_ -= slot.cost;
  else attachments_order_.push_back(id);
  slot = {in, remote_key, cost, *made};
  attachments_cost_ += cost;
  while (attachments_cost_ > context_.options.content_cache && attachments_order_.size() > 1) {
    const auto oldest = attachments_.find(attachments_order_.front());
    attachments_order_.pop_front();
    attachments_cost_ -= oldest->second.cost;
    attachments_.erase(oldest);
  }
  co_return made;
}

Task<Result<TextMatches>> Mailbox::find_bodies(GlobalCounter contents, const mapi::Restriction* restriction,
                                               std::vector<GlobalCounter> among) {
  TextMatches out;
  auto leaves = text_leaves(restriction);
  if (leaves.empty()) co_return out;
  std::vector<GlobalCounter> folders{contents};
  if (state::is_links(contents)) {
    auto list = [contents](state::MailboxState& s) { return s.linked_folders(contents); };
    auto linked = co_await with_state(list);
    if (!linked) co_return linked.error();
    folders = std::move(*linked);
  }
  for (auto& leaf : leaves) {
    auto& found = out[leaf.leaf];
    for (const auto folder : folders) {
      auto query = leaf.query;
      auto ids = co_await find_text(folder, std::move(query), among);
      if (!ids) co_return ids.error();
      found.insert(ids->begin(), ids->end());
    }
  }
  co_return out;
}

Task<Result<std::vector<GlobalCounter>>> Mailbox::find_text(GlobalCounter id, TextQuery query, std::vector<GlobalCounter> among) {
  std::vector<GlobalCounter> out;
  const auto* row = tree_->find(state::folder_of(id));
  if (!row || query.text.empty()) co_return out;
  Folder folder = *row;
  auto read = [id](state::MailboxState& s) { return s.message_keys(id); };
  auto keys = co_await with_state(read);
  if (!keys) co_return keys.error();
  std::sort(among.begin(), among.end());
  if (!among.empty()) std::erase_if(*keys, [&](const auto& key) { return !std::binary_search(among.begin(), among.end(), key.id); });
  if (keys->empty()) co_return out;
  if (is_local(folder) || state::is_associated(id)) {
    const auto wanted = fold(query.text);
    for (const auto& key : *keys) {
      auto message = co_await this->message(key.id);
      if (!message) continue;
      auto content = co_await this->content(std::move(*message));
      if (!content) continue;
      auto held = *content;
      const bool anything = query.where == TextQuery::Where::anything;
      auto look = [held, anything, &wanted]() -> Result<bool> {
        if (fold(held->text()).find(wanted) != std::string::npos) return true;
        return anything && fold(as_text(held->source().view())).find(wanted) != std::string::npos;
      };
      auto there = co_await io::run_blocking(context_.runtime, look);
      if (there && *there) out.push_back(key.id);
    }
    co_return out;
  }
  auto from = provider(folder.provider);
  if (!from) co_return from.error();
  auto keep = providers_[folder.provider];
  std::vector<std::uint64_t> named;
  if (!among.empty() && keys->size() <= most_named)
    for (const auto& key : *keys) named.push_back(key.remote_key);
  auto ask = keep->search(folder, std::move(query), std::move(named));
  auto found = co_await io::with_deadline(context_.options.backend_wait, std::move(ask));
  if (!found) co_return std::move(found.error()).within("searching");
  std::sort(found->begin(), found->end());
  for (const auto& key : *keys)
    if (std::binary_search(found->begin(), found->end(), key.remote_key)) out.push_back(key.id);
  co_return out;
}

}  // namespace mapigate::mailbox
