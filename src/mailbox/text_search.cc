// Texts that the index does not hold: bodies and whole headers. Backends are asked for them; what lives in the state
// store is read.
#include <algorithm>

#include "base/text.h"
#include "mailbox/mailbox.h"

namespace mapigate::mailbox {

namespace {
// With fewer messages in question the backend is told which.
constexpr std::size_t most_named = 500;
}  // namespace

Task<Result<TextMatches>> Mailbox::find_texts(GlobalCounter contents, const mapi::Restriction* restriction,
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
