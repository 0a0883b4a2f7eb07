#include "mailbox/categories.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "mailbox/mailbox.h"

namespace mapigate::mailbox {

namespace {

constexpr std::pair<std::string_view, std::string_view> labels[] = {
    {"$label1", "Important"}, {"$label2", "Work"}, {"$label3", "Personal"}, {"$label4", "To Do"}, {"$label5", "Later"}};

// RFC 3501 9, atom-specials, and what stands for itself only when it is written in hex.
bool plain(char c) {
  return c > 0x20 && c < 0x7F && std::string_view("(){%*\"\\]_=").find(c) == std::string_view::npos;
}
int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::vector<std::string> words_of(std::string_view keywords) {
  std::vector<std::string> out;
  while (!keywords.empty()) {
    const auto end = std::min(keywords.find(' '), keywords.size());
    if (end > 0) out.emplace_back(keywords.substr(0, end));
    keywords.remove_prefix(std::min(end + 1, keywords.size()));
  }
  return out;
}

bool holds(const std::vector<std::string>& list, std::string_view one) {
  return std::any_of(list.begin(), list.end(), [&](const auto& other) { return fold(other) == fold(one); });
}

std::vector<std::string> strings_in(const mapi::PropertyBag& bag, mapi::PropertyTag tag) {
  std::vector<std::string> out;
  const auto* value = bag.find(tag);
  if (const auto* list = value ? value->get<std::span<const Utf16>>() : nullptr)
    for (const auto& one : *list) out.push_back(to_utf8(one));
  return out;
}

}  // namespace

std::string category_of(std::string_view keyword) {
  for (const auto& [label, name] : labels)
    if (equal_ignoring_ascii_case(label, keyword)) return std::string(name);
  if (keyword.empty() || keyword[0] == '$' || keyword[0] == '\\') return {};
  std::string out;
  for (std::size_t i = 0; i < keyword.size(); ++i) {
    const char c = keyword[i];
    const int high = c == '=' && i + 2 < keyword.size() ? hex_digit(keyword[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(keyword[i + 2]) : -1;
    if (low >= 0) {
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += c == '_' ? ' ' : c;
    }
  }
  Arena arena(256);
  out = to_utf8(to_utf16(arena, out));
  return std::string(trim(out));
}

std::string keyword_of(std::string_view category) {
  const auto name = trim(category);
  for (const auto& [label, known] : labels)
    if (known == name) return std::string(label);
  std::string out;
  for (const char c : name) {
    if (c == ' ') out += '_';
    else if (plain(c) && !(c == '$' && out.empty())) out += c;
    else out += fmt::format("={:02X}", static_cast<unsigned char>(c));
  }
  return out.size() > longest_keyword ? std::string() : out;
}

std::vector<std::string> categories_of(std::string_view keywords) {
  std::vector<std::string> out;
  for (const auto& word : words_of(keywords))
    if (auto name = category_of(word); !name.empty() && !holds(out, name)) out.push_back(std::move(name));
  return out;
}

KeywordChange keyword_change(std::string_view present, const std::vector<std::string>& categories) {
  KeywordChange out;
  std::vector<std::string> after, have;
  for (const auto& word : words_of(present)) {
    const auto name = category_of(word);
    const bool stays = name.empty() || holds(categories, name);
    (stays ? after : out.remove).push_back(word);
    if (stays && !name.empty()) have.push_back(name);
  }
  for (const auto& name : categories) {
    auto word = keyword_of(name);
    if (word.empty() || holds(have, name) || holds(out.add, word)) continue;
    after.push_back(word);
    out.add.push_back(std::move(word));
  }
  std::sort(after.begin(), after.end());
  for (const auto& word : after) out.result += out.result.empty() ? word : " " + word;
  return out;
}

std::vector<std::string> merge_categories(std::vector<std::string> categories, std::string_view before, std::string_view now) {
  const auto old_names = categories_of(before), new_names = categories_of(now);
  std::erase_if(categories, [&](const auto& name) { return holds(old_names, name) && !holds(new_names, name); });
  for (const auto& name : new_names)
    if (!holds(categories, name)) categories.push_back(name);
  return categories;
}

// -- of a mailbox

Task<Result<mapi::PropertyTag>> Mailbox::category_tag() {
  if (category_tag_) co_return *category_tag_;
  auto look_up = [](state::MailboxState& s) {
    const mapi::PropertyName name{mapi::PS_PUBLIC_STRINGS, {}, "Keywords"};
    return s.named_property_ids(std::span(&name, 1), true);
  };
  auto ids = co_await with_state(look_up);
  if (!ids) co_return ids.error();
  if (ids->empty() || ids->front() == 0) co_return error(Errc::limit, "no id is left for a named property");
  category_tag_ = mapi::PropertyTag(ids->front(), mapi::PropertyType::PtypMultipleString);
  co_return *category_tag_;
}

// Of what a refresh found: keywords become categories.
Task<Status> Mailbox::take_keywords(state::FolderDelta* delta) {
  const bool any = std::any_of(delta->added.begin(), delta->added.end(), [](const auto& m) { return !m.keywords.empty(); }) ||
                   std::any_of(delta->flags.begin(), delta->flags.end(), [](const auto& f) { return f.keywords.has_value(); });
  if (!any) co_return Status{};
  auto tag = co_await category_tag();
  if (!tag) co_return tag.error();
  for (auto& message : delta->added) {
    const auto names = categories_of(message.keywords);
    if (names.empty()) continue;
    message.extras.set_strings(*tag, names);
    message.merge_extras = true;
  }
  std::map<GlobalCounter, std::string> changed_words;
  std::vector<GlobalCounter> ids;
  for (const auto& change : delta->flags) {
    if (!change.keywords) continue;
    changed_words[change.id] = *change.keywords;
    ids.push_back(change.id);
  }
  if (ids.empty()) co_return Status{};
  auto rows = co_await rows_of(std::move(ids));
  if (!rows) co_return rows.error();
  for (const auto& row : *rows) {
    const auto before = strings_in(row.extras, *tag);
    const auto names = merge_categories(before, row.keywords, changed_words[row.id]);
    if (names == before) continue;
    auto extras = row.extras.clone();
    if (names.empty()) extras.remove(*tag);
    else extras.set_strings(*tag, names);
    delta->extras.push_back({row.id, std::move(extras)});
  }
  co_return Status{};
}

// The categories in `extras`, to the backend. What it refuses stays beside the message alone.
Task<Result<std::optional<state::FlagChange>>> Mailbox::put_keywords(GlobalCounter folder_id, GlobalCounter id,
                                                                     const mapi::PropertyBag* extras) {
  using Out = std::optional<state::FlagChange>;
  const auto* found = tree_->find(folder_id);
  if (!found || is_local(*found)) co_return Out();
  const Folder folder = *found;
  auto row = co_await message(id);
  if (!row) co_return row.error();
  auto tag = co_await category_tag();
  if (!tag) co_return tag.error();
  const auto wanted = strings_in(*extras, *tag);
  if (row->folder != folder_id || wanted == strings_in(row->extras, *tag)) co_return Out();
  const auto change = keyword_change(row->keywords, wanted);
  if (change.empty()) co_return Out();
  auto to = co_await provider_of(folder);
  if (!to) co_return to.error();
  auto keep = *to;
  std::vector<std::uint64_t> keys{row->remote_key};
  auto done = co_await keep->set_keywords(folder, keys, change.add, change.remove);
  if (done) co_return Out(state::FlagChange{id, row->flags, change.result});
  if (done.error().retryable()) co_return std::move(done.error()).within("categories");
  log::info("mailbox: categories of message {:x} stay here: {}", id, done.error().message);
  co_return Out();
}

// A message that was stored anew has none of the keywords it had.
Task<Status> Mailbox::renew_keywords(Folder folder, GlobalCounter id, std::string before) {
  auto row = co_await message(id);
  if (!row) co_return row.error();
  auto tag = co_await category_tag();
  if (!tag) co_return tag.error();
  std::string others;
  for (const auto& word : words_of(before))
    if (category_of(word).empty()) others += others.empty() ? word : " " + word;
  auto change = keyword_change(others, strings_in(row->extras, *tag));
  for (auto& word : words_of(others)) change.add.push_back(std::move(word));
  if (change.add.empty()) co_return Status{};
  auto to = co_await provider_of(folder);
  if (!to) co_return to.error();
  auto keep = *to;
  std::vector<std::uint64_t> keys{row->remote_key};
  auto done = co_await keep->set_keywords(folder, keys, change.add, {});
  if (!done) {
    log::info("mailbox: categories of message {:x} stay here: {}", id, done.error().message);
    co_return Status{};
  }
  state::FolderDelta delta;
  delta.flags.push_back({id, row->flags, change.result});
  co_return co_await apply_locked(folder.id, std::move(delta), false);
}

}  // namespace mapigate::mailbox
