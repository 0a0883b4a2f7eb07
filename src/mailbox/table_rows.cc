#include "mailbox/table_rows.h"

#include <algorithm>

#include "mailbox/message_edit.h"

namespace mapigate::mailbox {

namespace {
state::Message copy_of(const state::Message& message) {
  state::Message out;
  out.id = message.id;
  out.folder = message.folder;
  out.remote_key = message.remote_key;
  out.change_number = message.change_number;
  out.flags = message.flags;
  out.received = message.received;
  out.size = message.size;
  out.keywords = message.keywords;
  out.properties = message.properties.clone();
  out.extras = message.extras.clone();
  return out;
}
}  // namespace

std::size_t ContentsRows::size() const {
  if (grouped_) return view_.size();
  return list_ ? list_->size() : 0;
}

Task<Result<bool>> ContentsRows::load(Mailbox& mailbox, std::shared_ptr<const ListOrder> order) {
  const auto version = mailbox.version(folder_);
  const bool same_order = order_ && order->key == order_->key;
  if (loaded_ && version == version_ && same_order) co_return false;
  if (!mailbox.tree()->find(state::folder_of(folder_))) co_return error(Errc::not_found, "the folder is gone");
  if (order->grouped()) {
    auto groups = co_await mailbox.row_groups(folder_, order);
    if (!groups) co_return groups.error();
    if (!same_order) view_ = GroupedView();
    view_.show(std::move(*groups), order->expanded);
    list_.reset();
  } else {
    auto list = co_await mailbox.message_list(folder_, order);
    if (!list) co_return list.error();
    list_ = std::move(*list);
    view_ = GroupedView();
  }
  grouped_ = order->grouped();
  version_ = version;
  order_ = std::move(order);
  loaded_ = true;
  co_return true;
}

Task<Result<RowSources>> read_messages(Mailbox& mailbox, std::vector<GlobalCounter> ids) {
  auto load = [&ids](state::MailboxState& s) { return s.messages(ids); };
  auto messages = co_await mailbox.with_state(load);
  if (!messages) co_return messages.error();
  auto store = mailbox.identity();
  RowSources out(ids.size());
  std::size_t at = 0;  // messages come in the order of the ids
  for (std::size_t i = 0; i < ids.size() && at < messages->size(); ++i)
    if ((*messages)[at].id == ids[i]) out[i] = std::make_unique<MessageSource>(MessageView{store, std::move((*messages)[at++])});
  co_return out;
}

Task<Result<RowSources>> ContentsRows::read(Mailbox& mailbox, std::size_t first, std::size_t count) {
  if (first >= size()) co_return RowSources();
  const auto n = std::min(count, size() - first);
  if (grouped_) co_return co_await read_grouped(mailbox, first, n);
  std::vector<GlobalCounter> ids(list_->begin() + static_cast<std::ptrdiff_t>(first),
                                 list_->begin() + static_cast<std::ptrdiff_t>(first + n));
  co_return co_await read_messages(mailbox, std::move(ids));
}

Task<Result<RowSources>> ContentsRows::read_grouped(Mailbox& mailbox, std::size_t first, std::size_t count) {
  // The messages that each row needs: its own, or those that a header takes its values from.
  const auto& leaves = view_.groups().leaves;
  std::vector<GlobalCounter> ids;
  for (auto row = first; row < first + count; ++row) {
    if (!view_.is_header(row)) {
      ids.push_back(view_.leaf(row).id);
      continue;
    }
    ids.push_back(leaves[view_.category(row).first].id);
    if (order_->maximum) ids.push_back(leaves[view_.category(row).greatest].id);
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  auto load = [&ids](state::MailboxState& s) { return s.messages(ids); };
  auto messages = co_await mailbox.with_state(load);
  if (!messages) co_return messages.error();
  auto store = mailbox.identity();
  const auto source = [&](GlobalCounter id) -> std::unique_ptr<PropertySource> {
    const auto at = std::lower_bound(messages->begin(), messages->end(), id, [](const auto& m, auto x) { return m.id < x; });
    if (at == messages->end() || at->id != id) return nullptr;
    return std::make_unique<MessageSource>(MessageView{store, copy_of(*at)});
  };
  RowSources out;
  for (auto row = first; row < first + count; ++row) {
    if (!view_.is_header(row)) {
      const auto& leaf = view_.leaf(row);
      auto message = source(leaf.id);
      out.push_back(message ? leaf_source(std::move(message), order_, leaf.instance) : nullptr);
      continue;
    }
    const auto& category = view_.category(row);
    const auto& sample = leaves[category.first];
    auto message = source(sample.id);
    auto greatest = order_->maximum ? source(leaves[category.greatest].id) : nullptr;
    out.push_back(message ? header_source(std::move(message), std::move(greatest), order_, category, sample.instance,
                                          view_.is_expanded(category))
                          : nullptr);
  }
  co_return out;
}

Task<Result<std::optional<std::vector<std::uint64_t>>>> ContentsRows::changed(Mailbox& mailbox) {
  constexpr std::size_t most = 100;
  using Rows = std::optional<std::vector<std::uint64_t>>;
  const auto folder = folder_, since = told_;
  GlobalCounter latest = 0;
  auto look = [folder, since, &latest](state::MailboxState& s) -> Result<Rows> {
    latest = s.latest_change();
    if (since == 0) return Rows();
    auto changes = s.changes(folder, since, since);
    if (!changes) return changes.error();
    if (changes->changed.size() + changes->read.size() > most) return Rows();
    Rows out{std::in_place};
    for (const auto& one : changes->changed) out->push_back(one.id);
    for (const auto& one : changes->read) out->push_back(one.id);
    return out;
  };
  auto rows = co_await mailbox.with_state(look);
  if (rows) told_ = latest;
  // A message of categories may have several rows, and its headers show it, too.
  if (rows && grouped_) co_return Rows();
  co_return rows;
}

Task<Result<TextMatches>> ContentsRows::find_texts(Mailbox& mailbox, const mapi::Restriction* restriction) {
  co_return co_await mailbox.find_texts(folder_, restriction);
}

Task<Result<bool>> MemoryRows::load(Mailbox& mailbox, std::shared_ptr<const ListOrder> order) {
  const auto current = version(mailbox);
  if (loaded_ && current == version_ && made_for_ && made_for_->key == order->key) co_return false;
  auto rows = co_await all(mailbox);
  if (!rows) co_return rows.error();
  const auto wanted = counted(order->restriction);
  Matcher matcher(wanted.restriction, subobjects());
  struct Kept {
    std::vector<std::string> keys;
    std::uint64_t identity;
    std::size_t position;  // rows with the same keys stay in their order
  };
  std::vector<Kept> kept;
  for (const auto& row : *rows) {
    if (!matcher.matches(*row.source)) continue;
    std::vector<std::string> keys;
    Arena arena(512);
    for (const auto& one : order->sort) {
      const auto value = row.source->get(one.tag, arena);
      keys.push_back(value ? sort_key(*value) : std::string());
    }
    kept.push_back({std::move(keys), row.identity, kept.size()});
  }
  const auto& sort = order->sort;
  std::sort(kept.begin(), kept.end(), [&sort](const Kept& a, const Kept& b) {
    for (std::size_t i = 0; i < sort.size(); ++i) {
      if (a.keys[i] == b.keys[i]) continue;
      return (a.keys[i] < b.keys[i]) == (sort[i].Order != mapi::SortOrder::Descending);
    }
    return a.position < b.position;
  });
  order_.clear();
  if (kept.size() > wanted.most) kept.resize(wanted.most);
  for (const auto& row : kept) order_.push_back(row.identity);
  order_.shrink_to_fit();
  version_ = current;
  made_for_ = std::move(order);
  loaded_ = true;
  co_return true;
}

Task<Result<RowSources>> MemoryRows::read(Mailbox& mailbox, std::size_t first, std::size_t count) {
  RowSources out;
  if (first >= order_.size()) co_return out;
  auto rows = co_await all(mailbox);
  if (!rows) co_return rows.error();
  const auto end = first + std::min(count, order_.size() - first);
  for (auto i = first; i < end; ++i) {
    auto& slot = out.emplace_back();
    for (auto& row : *rows) {
      if (!row.source || row.identity != order_[i]) continue;
      slot = std::move(row.source);
      break;
    }
  }
  co_return out;
}

Task<Result<std::vector<MemoryRows::Row>>> HierarchyRows::all(Mailbox& mailbox) {
  std::vector<Row> rows;
  auto tree = mailbox.tree();
  if (!tree->find(folder_)) co_return error(Errc::not_found, "the folder is gone");
  std::vector<std::pair<const Folder*, unsigned>> below;
  if (deep_) {
    below = tree->descendants(folder_);
  } else {
    for (const auto* folder : tree->children(folder_)) below.emplace_back(folder, 1);
  }
  for (const auto& [folder, depth] : below)
    rows.push_back({folder->id, std::make_unique<FolderSource>(FolderView{mailbox.identity(), tree, folder, depth - 1, mailbox.folder_extras(folder->id)})});
  co_return rows;
}

Task<Result<std::optional<std::vector<std::uint64_t>>>> HierarchyRows::changed(Mailbox& mailbox) {
  using Rows = std::optional<std::vector<std::uint64_t>>;
  const auto tree = mailbox.tree();
  std::map<GlobalCounter, std::array<std::uint64_t, 4>> now;
  for (const auto& folder : tree->all())
    now[folder.id] = {folder.change_number, folder.total, folder.unread, tree->has_visible_children(folder.id)};
  Rows out{std::in_place};
  for (const auto& [id, row] : now)
    if (const auto known = told_.find(id); known != told_.end() && known->second != row) out->push_back(id);
  told_ = std::move(now);
  co_return out;
}

namespace {
// An attachment as a row: what tells rows apart, and of which kind they are, is asked of tables alone.
class AttachmentRow final : public PropertySource {
 public:
  AttachmentRow(std::unique_ptr<PropertySource> attachment, std::uint32_t number) : attachment_(std::move(attachment)), number_(number) {}
  std::optional<mapi::Value> get(mapi::PropertyTag tag, Arena& arena) const override {
    constexpr std::int32_t leaf_row = 1;  // TBL_LEAF_ROW ([MS-OXCTABL] 2.2.1.3)
    if (tag.id() == mapi::PidTagInstanceKey.id()) return attachment_key(number_, arena);
    if (tag.id() == mapi::PidTagRowType.id()) return mapi::Value::integer32(leaf_row);
    return attachment_->get(tag, arena);
  }
  std::vector<mapi::PropertyTag> list() const override { return attachment_->list(); }

 private:
  std::unique_ptr<PropertySource> attachment_;
  std::uint32_t number_;
};
}  // namespace

Task<Result<std::vector<MemoryRows::Row>>> AttachmentRows::all(Mailbox& mailbox) {
  auto message = message_;
  std::vector<Row> rows;
  const auto add = [&rows](std::uint32_t number, std::unique_ptr<PropertySource> attachment) {
    rows.push_back({number, std::make_unique<AttachmentRow>(std::move(attachment), number)});
  };
  if (auto data = message->data) {
    for (const auto& attachment : data->attachments) add(attachment.number, std::make_unique<AttachmentDataSource>(data, &attachment, false));
    co_return rows;
  }
  auto content = co_await content_of(mailbox, message);
  if (!content) co_return content.error();
  for (std::size_t i = 0; i < (*content)->attachments().size(); ++i)
    add(static_cast<std::uint32_t>((*content)->attachments()[i].properties.number(mapi::PidTagAttachNumber)),
        std::make_unique<AttachmentSource>(*content, i, false));
  co_return rows;
}
// Attachments that were added and taken away are told by the numbers there are.
std::uint64_t AttachmentRows::version(Mailbox&) const {
  if (!message_->data) return 1;
  std::uint64_t sum = 2;
  for (const auto& attachment : message_->data->attachments) sum = sum * 31 + attachment.number + 1;
  return sum;
}
std::vector<mapi::PropertyTag> AttachmentRows::all_columns() const { return attachment_columns(); }

Task<Result<std::vector<MemoryRows::Row>>> FixedRows::all(Mailbox&) {
  std::vector<Row> rows;
  for (std::size_t i = 0; i < rows_.size(); ++i) rows.push_back({i, std::make_unique<BagSource>(rows_[i])});
  co_return rows;
}

}  // namespace mapigate::mailbox
