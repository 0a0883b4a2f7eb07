#include "mailbox/row_groups.h"

#include <algorithm>
#include <numeric>

#include "mailbox/object_properties.h"

namespace mapigate::mailbox {

using mapi::GlobalCounter;
using mapi::PropertyTag;
using mapi::Value;

namespace {

// One row before rows have an order.
struct Item {
  GlobalCounter id;
  std::uint32_t instance;
  bool unread;
  std::string key;       // of all sort columns, one after the other
  std::string greatest;  // of ListOrder::maximum
};

// Where a value stands: that of one instance, or the whole.
std::optional<Value> value_of(const PropertySource& source, PropertyTag tag, const ListOrder& order, std::uint32_t instance,
                              Arena& arena) {
  auto value = source.get(tag, arena);
  if (!value || !order.instances || order.instances->id() != tag.id()) return value;
  const auto all = elements(*value);
  if (instance >= all.size()) return std::nullopt;
  return all[instance];
}

std::size_t instances_of(const PropertySource& source, const ListOrder& order, Arena& arena) {
  if (!order.instances) return 1;
  const auto value = source.get(*order.instances, arena);
  return value ? std::max<std::size_t>(elements(*value).size(), 1) : 1;
}

// 48 bits above a replica number that no message id has.
std::uint64_t category_id(std::string_view key, std::uint32_t depth) {
  std::uint64_t hash = 0xCBF29CE484222325 + depth;
  for (const char c : key) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001B3;
  hash ^= hash >> 48;
  const auto number = hash & mapi::max_global_counter;
  return (number == 0 ? 1 : number) << 16;
}

class Grouping {
 public:
  Grouping(const ListOrder& order) : order_(order), levels_(order.categories) {}

  void add(const MessageSource& source) {
    Arena arena(512);
    const auto count = instances_of(source, order_, arena);
    for (std::uint32_t instance = 0; instance < count; ++instance) {
      Item item{source.message().id, instance, (source.message().flags & state::flag_seen) == 0, {}, {}};
      for (std::size_t i = 0; i < order_.sort.size(); ++i) {
        const auto value = value_of(source, order_.sort[i].tag, order_, instance, arena);
        append_key(item.key, value ? sort_key(*value) : std::string(), order_.sort[i].Order == mapi::SortOrder::Descending);
        if (i < levels_) ends_.push_back(static_cast<std::uint32_t>(item.key.size()));
      }
      if (order_.maximum)
        if (const auto value = source.get(*order_.maximum, arena)) item.greatest = sort_key(*value);
      items_.push_back(std::move(item));
    }
  }
  std::size_t size() const { return items_.size(); }

  std::shared_ptr<const RowGroups> finish() {
    sequence_.resize(items_.size());
    std::iota(sequence_.begin(), sequence_.end(), 0u);
    std::sort(sequence_.begin(), sequence_.end(), [&](auto a, auto b) {
      const auto order = items_[a].key.compare(items_[b].key);
      if (order != 0) return order < 0;
      return std::pair(items_[a].id, items_[a].instance) < std::pair(items_[b].id, items_[b].instance);
    });
    if (order_.maximum && levels_ > 0) order_by_maximum();
    lay_out();
    return out_;
  }

 private:
  std::string_view prefix(std::uint32_t item, std::size_t level) const {
    return std::string_view(items_[item].key).substr(0, ends_[item * levels_ + level]);
  }

  // The innermost categories, beside each other, by the greatest value in them.
  void order_by_maximum() {
    struct Group {
      std::size_t first, last;
      std::string_view greatest;
    };
    const bool down = order_.sort[levels_ - 1].Order == mapi::SortOrder::Descending;
    std::vector<std::uint32_t> sorted;
    std::vector<Group> siblings;
    const auto flush = [&] {
      std::sort(siblings.begin(), siblings.end(), [&](const Group& a, const Group& b) {
        if (a.greatest != b.greatest) return (a.greatest < b.greatest) != down;
        return a.first < b.first;
      });
      for (const auto& group : siblings)
        sorted.insert(sorted.end(), sequence_.begin() + static_cast<std::ptrdiff_t>(group.first),
                      sequence_.begin() + static_cast<std::ptrdiff_t>(group.last));
      siblings.clear();
    };
    for (std::size_t i = 0; i < sequence_.size();) {
      const auto item = sequence_[i];
      if (!siblings.empty() && levels_ > 1 && prefix(sequence_[siblings[0].first], levels_ - 2) != prefix(item, levels_ - 2)) flush();
      Group group{i, i, {}};
      const auto mine = prefix(item, levels_ - 1);
      for (; group.last < sequence_.size() && prefix(sequence_[group.last], levels_ - 1) == mine; ++group.last)
        group.greatest = std::max(group.greatest, std::string_view(items_[sequence_[group.last]].greatest));
      siblings.push_back(group);
      i = group.last;
    }
    flush();
    sequence_ = std::move(sorted);
  }

  void lay_out() {
    std::set<std::uint64_t> ids;
    std::vector<std::uint32_t> open;  // categories around the present row, outermost first
    const auto close = [&](std::size_t down_to, std::uint32_t at) {
      while (open.size() > down_to) {
        auto& category = out_->categories[open.back()];
        category.last = at;
        category.after = static_cast<std::uint32_t>(out_->categories.size());
        open.pop_back();
      }
    };
    for (std::uint32_t at = 0; at < sequence_.size(); ++at) {
      const auto item = sequence_[at];
      std::size_t same = 0;
      while (same < open.size() && prefix(sequence_[at - 1], same) == prefix(item, same)) ++same;
      close(same, at);
      for (auto level = same; level < levels_; ++level) {
        auto id = category_id(prefix(item, level), static_cast<std::uint32_t>(level));
        while (!ids.insert(id).second) id += std::uint64_t{1} << 16;
        open.push_back(static_cast<std::uint32_t>(out_->categories.size()));
        out_->categories.push_back({id, static_cast<std::uint32_t>(level), 0, at, at, 0, at});
      }
      for (const auto index : open) {
        auto& category = out_->categories[index];
        category.unread += items_[item].unread;
        if (items_[sequence_[category.greatest]].greatest < items_[item].greatest) category.greatest = at;
      }
      out_->leaves.push_back({items_[item].id, items_[item].instance});
    }
    close(0, static_cast<std::uint32_t>(sequence_.size()));
  }

  const ListOrder& order_;
  std::size_t levels_;
  std::vector<Item> items_;
  std::vector<std::uint32_t> ends_;  // of the key of each category, `levels_` an item
  std::vector<std::uint32_t> sequence_;
  std::shared_ptr<RowGroups> out_ = std::make_shared<RowGroups>();
};

}  // namespace

Result<std::shared_ptr<const RowGroups>> build_groups(state::MailboxState& state, std::shared_ptr<const StoreIdentity> store,
                                                      GlobalCounter folder, const ListOrder& order, std::size_t max_rows,
                                                      const TextMatches* matches) {
  Grouping grouping(order);
  const auto most = counted(order.restriction).most;
  std::size_t count = 0;
  auto scanned = each_match(state, store, folder, order.restriction, matches, [&](const MessageSource& source) {
    if (++count > most) return false;
    grouping.add(source);
    return grouping.size() <= max_rows;
  });
  if (!scanned) return scanned.error();
  if (grouping.size() > max_rows) return error(Errc::limit, "more than {} rows in a table", max_rows);
  return grouping.finish();
}

void GroupedView::show(std::shared_ptr<const RowGroups> groups, std::uint16_t expanded) {
  groups_ = std::move(groups);
  expanded_ = expanded;
  lay_out();
}

std::uint64_t GroupedView::identity(std::size_t row) const {
  if (is_header(row)) return std::uint64_t{1} << 63 | category(row).id >> 16;
  return leaf(row).id | static_cast<std::uint64_t>(leaf(row).instance & 0x7FFF) << 48;
}

bool GroupedView::is_expanded(const RowGroups::Category& category) const {
  return (category.depth < expanded_) != toggled_.contains(category.id);
}

std::optional<std::size_t> GroupedView::header(std::uint64_t id) const {
  for (std::size_t row = 0; row < rows_.size(); ++row)
    if (is_header(row) && category(row).id == id) return row;
  return std::nullopt;
}
bool GroupedView::knows(std::uint64_t id) const {
  return std::any_of(groups_->categories.begin(), groups_->categories.end(), [&](const auto& c) { return c.id == id; });
}

void GroupedView::set_expanded(std::uint64_t id, bool expanded) {
  for (const auto& category : groups_->categories) {
    if (category.id != id || is_expanded(category) == expanded) continue;
    if (!toggled_.erase(id)) toggled_.insert(id);
    break;
  }
  lay_out();
}
void GroupedView::set_toggled(std::set<std::uint64_t> ids) {
  toggled_ = std::move(ids);
  lay_out();
}

void GroupedView::lay_out() {
  rows_.clear();
  const auto put_leaves = [&](std::uint32_t first, std::uint32_t last) {
    for (auto leaf = first; leaf < last; ++leaf) rows_.push_back(leaf);
  };
  const auto& categories = groups_->categories;
  if (categories.empty()) put_leaves(0, static_cast<std::uint32_t>(groups_->leaves.size()));
  for (std::uint32_t i = 0; i < categories.size();) {
    rows_.push_back(header_bit | i);
    if (!is_expanded(categories[i])) {
      i = categories[i].after;
      continue;
    }
    if (categories[i].after == i + 1) put_leaves(categories[i].first, categories[i].last);
    ++i;
  }
  rows_.shrink_to_fit();
}

namespace {

class LeafSource final : public PropertySource {
 public:
  LeafSource(std::unique_ptr<PropertySource> message, std::shared_ptr<const ListOrder> order, std::uint32_t instance)
      : message_(std::move(message)), order_(std::move(order)), instance_(instance) {}
  std::optional<Value> get(PropertyTag tag, Arena& arena) const override {
    if (tag.id() == mapi::PidTagDepth.id()) return Value::integer32(order_->categories);
    if (tag.id() == mapi::PidTagInstanceNum.id()) return Value::integer32(static_cast<std::int32_t>(instance_));
    const bool one = (static_cast<std::uint16_t>(tag.type()) & mapi::multivalue_instance_flag) != 0;
    if (one) return value_of(*message_, tag, *order_, instance_, arena);
    auto value = message_->get(tag, arena);
    // The instances of a message differ in their keys.
    if (tag.id() == mapi::PidTagInstanceKey.id() && instance_ != 0 && value && value->get<View>()) {
      auto key = to_bytes(*value->get<View>());
      Output(key).scalar(instance_);
      return binary_value(arena, key);
    }
    return value;
  }
  std::vector<PropertyTag> list() const override { return message_->list(); }
  state::Message* index_row() override { return message_->index_row(); }

 private:
  std::unique_ptr<PropertySource> message_;
  std::shared_ptr<const ListOrder> order_;
  std::uint32_t instance_;
};

class HeaderSource final : public PropertySource {
 public:
  HeaderSource(std::unique_ptr<PropertySource> message, std::unique_ptr<PropertySource> greatest,
               std::shared_ptr<const ListOrder> order, const RowGroups::Category& category, std::uint32_t instance, bool expanded)
      : message_(std::move(message)),
        greatest_(std::move(greatest)),
        order_(std::move(order)),
        category_(category),
        instance_(instance),
        expanded_(expanded) {}
  std::optional<Value> get(PropertyTag tag, Arena& arena) const override {
    const auto is = [&](PropertyTag other) { return tag.id() == other.id(); };
    if (is(mapi::PidTagInstID)) return Value::integer64(static_cast<std::int64_t>(category_.id));
    if (is(mapi::PidTagInstanceNum)) return Value::integer32(0);
    // TBL_EXPANDED_CATEGORY, TBL_COLLAPSED_CATEGORY; there is no category without rows.
    if (is(mapi::PidTagRowType)) return Value::integer32(expanded_ ? 3 : 4);
    if (is(mapi::PidTagDepth)) return Value::integer32(static_cast<std::int32_t>(category_.depth));
    if (is(mapi::PidTagContentCount)) return Value::integer32(static_cast<std::int32_t>(category_.last - category_.first));
    if (is(mapi::PidTagContentUnreadCount)) return Value::integer32(static_cast<std::int32_t>(category_.unread));
    if (is(mapi::PidTagInstanceKey)) {
      Bytes key;
      Output(key).scalar(category_.id);
      return binary_value(arena, key);
    }
    for (std::size_t i = 0; i <= category_.depth && i < order_->sort.size(); ++i)
      if (is(order_->sort[i].tag)) return value_of(*message_, tag, *order_, instance_, arena);
    if (order_->maximum && is(*order_->maximum) && greatest_) return greatest_->get(tag, arena);
    return std::nullopt;
  }
  std::vector<PropertyTag> list() const override {
    std::vector<PropertyTag> tags{mapi::PidTagInstID, mapi::PidTagInstanceNum, mapi::PidTagRowType, mapi::PidTagDepth,
                                  mapi::PidTagContentCount, mapi::PidTagContentUnreadCount, mapi::PidTagInstanceKey};
    for (std::size_t i = 0; i <= category_.depth && i < order_->sort.size(); ++i) tags.push_back(order_->sort[i].tag);
    return tags;
  }

 private:
  std::unique_ptr<PropertySource> message_, greatest_;
  std::shared_ptr<const ListOrder> order_;
  RowGroups::Category category_;
  std::uint32_t instance_;
  bool expanded_;
};

}  // namespace

std::unique_ptr<PropertySource> leaf_source(std::unique_ptr<PropertySource> message, std::shared_ptr<const ListOrder> order,
                                            std::uint32_t instance) {
  return std::make_unique<LeafSource>(std::move(message), std::move(order), instance);
}
std::unique_ptr<PropertySource> header_source(std::unique_ptr<PropertySource> message, std::unique_ptr<PropertySource> greatest,
                                              std::shared_ptr<const ListOrder> order, const RowGroups::Category& category,
                                              std::uint32_t instance, bool expanded) {
  return std::make_unique<HeaderSource>(std::move(message), std::move(greatest), std::move(order), category, instance, expanded);
}

}  // namespace mapigate::mailbox
