#include "mailbox/restriction_match.h"

#include <algorithm>

#include "mapi/properties.h"

namespace mapigate::mailbox {

using mapi::PropertyTag;
using mapi::PropertyType;
using mapi::RelationalOperator;
using mapi::Restriction;
using mapi::RestrictType;
using mapi::Value;

namespace {

bool is_content(PropertyTag tag) {
  for (const auto body : {mapi::PidTagBody, mapi::PidTagHtml, mapi::PidTagRtfCompressed, mapi::PidTagTransportMessageHeaders})
    if (body.id() == tag.id()) return true;
  return false;
}

bool holds(RelationalOperator op, int order) {
  switch (op) {
    case RelationalOperator::LessThan: return order < 0;
    case RelationalOperator::LessThanOrEqual: return order <= 0;
    case RelationalOperator::GreaterThan: return order > 0;
    case RelationalOperator::GreaterThanOrEqual: return order >= 0;
    case RelationalOperator::Equal: return order == 0;
    case RelationalOperator::NotEqual: return order != 0;
    default: return false;
  }
}

bool text_matches(std::string text, std::string pattern, std::uint16_t low, std::uint16_t high) {
  if (high & (mapi::FL_IGNORECASE | mapi::FL_IGNORENONSPACE | mapi::FL_LOOSE)) {
    const bool loose = (high & (mapi::FL_IGNORENONSPACE | mapi::FL_LOOSE)) != 0;
    text = fold(text, loose);
    pattern = fold(pattern, loose);
  }
  switch (low & 0x3) {
    case mapi::FL_SUBSTRING: return text.find(pattern) != std::string::npos;
    case mapi::FL_PREFIX: return text.starts_with(pattern);
    default: return text == pattern;
  }
}
bool bytes_match(View bytes, View pattern, std::uint16_t low) {
  switch (low & 0x3) {
    case mapi::FL_SUBSTRING: return std::search(bytes.begin(), bytes.end(), pattern.begin(), pattern.end()) != bytes.end() || pattern.empty();
    case mapi::FL_PREFIX: return bytes.size() >= pattern.size() && equal(bytes.first(pattern.size()), pattern);
    default: return equal(bytes, pattern);
  }
}

}  // namespace

namespace {
bool is_attachments(const Restriction& node) {
  return node.type == RestrictType::SubObjectRestriction && PropertyTag(node.number).id() == mapi::PidTagMessageAttachments.id();
}
void collect(const Restriction& node, std::vector<TextLeaf>& out) {
  if (node.type == RestrictType::ContentRestriction && is_content(node.tag)) {
    TextQuery query;
    query.where = node.tag.id() == mapi::PidTagTransportMessageHeaders.id() ? TextQuery::Where::anything : TextQuery::Where::body;
    query.text = mapi::text_of(node.value.value);
    if (const auto* bytes = node.value.value.get<View>()) query.text = std::string(as_text(*bytes));
    query.fuzzy = (node.FuzzyLevelHigh & mapi::FL_LOOSE) != 0;
    out.push_back({&node, std::move(query)});
  }
  // What subobjects have in them is their own.
  if (node.type == RestrictType::SubObjectRestriction) return;
  for (const auto& child : node.children) collect(child, out);
}
void collect(const Restriction& node, std::vector<const Restriction*>& out) {
  if (is_attachments(node)) out.push_back(&node);
  else for (const auto& child : node.children) collect(child, out);
}
}  // namespace

std::vector<TextLeaf> text_leaves(const Restriction* restriction) {
  std::vector<TextLeaf> out;
  if (restriction) collect(*restriction, out);
  return out;
}

std::vector<const Restriction*> attachment_leaves(const Restriction* restriction) {
  std::vector<const Restriction*> out;
  if (restriction) collect(*restriction, out);
  return out;
}

Counted counted(const Restriction* restriction) {
  Counted out{restriction};
  const auto* node = restriction;
  while (node && node->type == RestrictType::CommentRestriction && !node->children.empty()) node = &node->children[0];
  if (node && node->type == RestrictType::CountRestriction && !node->children.empty()) out = {&node->children[0], node->number};
  return out;
}

mapi::ErrorCode check(const Restriction& node, bool content_free, bool has_subobjects) {
  // The data of attachments is not looked into.
  for (const auto tag : {node.tag, node.tag2})
    if (tag.id() == mapi::PidTagAttachDataBinary.id()) return mapi::ecTooComplex;
  switch (node.type) {
    case RestrictType::ContentRestriction:
      if (content_free && is_content(node.tag)) return mapi::ecTooComplex;
      return mapi::ecNone;
    case RestrictType::PropertyRestriction:
    case RestrictType::BitMaskRestriction:
    case RestrictType::SizeRestriction:
    case RestrictType::ComparePropertiesRestriction:
      if (is_content(node.tag) || is_content(node.tag2)) return mapi::ecTooComplex;
      if (node.relop == RelationalOperator::RegularExpression || node.relop == RelationalOperator::MemberOfDistributionList)
        return mapi::ecTooComplex;
      return mapi::ecNone;
    case RestrictType::SubObjectRestriction:
      if (!has_subobjects) return mapi::ecTooComplex;
      if (is_attachments(node) ? content_free : PropertyTag(node.number).id() != mapi::PidTagMessageRecipients.id()) return mapi::ecTooComplex;
      break;
    default: break;
  }
  // Recipients and attachments have no subobjects of their own here, and no bodies to ask for.
  const bool below = node.type == RestrictType::SubObjectRestriction;
  for (const auto& child : node.children)
    if (const auto code = check(child, content_free && !below, has_subobjects && !below); code != mapi::ecNone) return code;
  return mapi::ecNone;
}

std::optional<bool> Matcher::evaluate(const PropertySource& source) {
  if (!restriction_) return true;
  Arena arena(512);
  return match(*restriction_, source, arena, 0);
}

std::optional<bool> Matcher::match(const Restriction& node, const PropertySource& source, Arena& arena, unsigned depth) {
  if (depth > mapi::max_restriction_depth) return false;
  const auto child = [&](const Restriction& r) { return match(r, source, arena, depth + 1); };
  // The first child that is this decides, else one that is undecided does.
  const auto any = [&](bool decides) -> std::optional<bool> {
    std::optional<bool> out = !decides;
    for (const auto& r : node.children) {
      const auto one = child(r);
      if (one == decides) return decides;
      if (!one) out.reset();
    }
    return out;
  };
  // What was asked for outside of the rows.
  const auto asked = [&]() -> std::optional<bool> {
    if (!texts_) return std::nullopt;
    const auto found = texts_->find(&node);
    if (found == texts_->end()) return std::nullopt;
    const auto id = source.get(mapi::PidTagMid, arena);
    return id && found->second.contains(mapi::Id{static_cast<std::uint64_t>(mapi::number_of(*id))}.counter());
  };
  switch (node.type) {
    case RestrictType::AndRestriction: return any(false);
    case RestrictType::OrRestriction: return any(true);
    case RestrictType::NotRestriction: {
      if (node.children.empty()) return false;
      const auto one = child(node.children[0]);
      return one ? std::optional(!*one) : std::nullopt;
    }
    case RestrictType::CommentRestriction: return node.children.empty() ? std::optional(true) : child(node.children[0]);
    case RestrictType::ContentRestriction: {
      if (const auto known = asked()) return known;
      const auto value = source.get(node.tag, arena);
      if (!value) return false;
      for (const auto& element : elements(*value)) {
        if (const auto *bytes = element.get<View>(), *pattern = node.value.value.get<View>(); bytes && pattern) {
          if (bytes_match(*bytes, *pattern, node.FuzzyLevelLow)) return true;
        } else if (element.get<Utf16>() || element.get<mapi::String8>()) {
          for (const auto& wanted : elements(node.value.value))
            if (text_matches(mapi::text_of(element, code_page_), mapi::text_of(wanted, code_page_), node.FuzzyLevelLow,
                             node.FuzzyLevelHigh))
              return true;
        }
      }
      return false;
    }
    case RestrictType::PropertyRestriction: {
      const auto value = source.get(node.tag, arena);
      if (!value) return false;
      // An equal multiple value, or one element that holds.
      for (const auto& element : elements(*value))
        for (const auto& wanted : elements(node.value.value))
          if (const auto order = compare(element, wanted); order && holds(node.relop, *order)) return true;
      return false;
    }
    case RestrictType::ComparePropertiesRestriction: {
      const auto a = source.get(node.tag, arena), b = source.get(node.tag2, arena);
      if (!a || !b) return false;
      const auto order = compare(*a, *b);
      return order && holds(node.relop, *order);
    }
    case RestrictType::BitMaskRestriction: {
      const auto value = source.get(node.tag, arena);
      if (!value || value->type != PropertyType::PtypInteger32) return false;
      return ((static_cast<std::uint32_t>(mapi::number_of(*value)) & node.number) != 0) == node.bits_must_be_set;
    }
    case RestrictType::SizeRestriction: {
      const auto value = source.get(node.tag, arena);
      if (!value) return false;
      std::size_t size = 0;
      if (const auto* bytes = value->get<View>()) size = bytes->size();
      else size = wire_size(*value);
      const auto order = size < node.number ? -1 : size > node.number ? 1 : 0;
      return holds(node.relop, order);
    }
    case RestrictType::ExistRestriction: return is_content(node.tag) || source.get(node.tag, arena).has_value();
    case RestrictType::SubObjectRestriction: {
      if (!subobjects_ || node.children.empty()) return false;
      if (is_attachments(node)) {
        if (const auto known = asked()) return known;
        const auto some = source.get(mapi::PidTagHasAttachments, arena);
        return some && mapi::number_of(*some) != 0 ? std::nullopt : std::optional(false);
      }
      const auto rows = subobjects_->rows(source, PropertyTag(node.number));
      if (!rows) return false;
      return std::any_of(rows->begin(), rows->end(),
                         [&](const auto& row) { return match(node.children[0], *row, arena, depth + 1) == true; });
    }
    case RestrictType::CountRestriction: {
      if (node.children.empty()) return false;
      auto at = std::find_if(counts_.begin(), counts_.end(), [&](const auto& c) { return c.first == &node; });
      if (at == counts_.end()) at = counts_.insert(at, {&node, 0});
      if (at->second >= node.number) return false;
      const auto index = at - counts_.begin();
      const auto one = child(node.children[0]);  // may count, too
      if (one == true) ++counts_[static_cast<std::size_t>(index)].second;
      return one;
    }
  }
  return false;
}

}  // namespace mapigate::mailbox
