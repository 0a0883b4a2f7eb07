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
}  // namespace

std::vector<TextLeaf> text_leaves(const Restriction* restriction) {
  std::vector<TextLeaf> out;
  if (restriction) collect(*restriction, out);
  return out;
}

mapi::ErrorCode check(const Restriction& node, bool content_free, bool has_subobjects) {
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
      if (!has_subobjects || PropertyTag(node.number).id() != mapi::PidTagMessageRecipients.id()) return mapi::ecTooComplex;
      break;
    default: break;
  }
  for (const auto& child : node.children)
    if (const auto code = check(child, content_free && node.type != RestrictType::SubObjectRestriction, has_subobjects);
        code != mapi::ecNone)
      return code;
  return mapi::ecNone;
}

bool Matcher::matches(const PropertySource& source) {
  if (!restriction_) return true;
  Arena arena(512);
  return match(*restriction_, source, arena, 0);
}

bool Matcher::match(const Restriction& node, const PropertySource& source, Arena& arena, unsigned depth) {
  if (depth > mapi::max_restriction_depth) return false;
  const auto child = [&](const Restriction& r) { return match(r, source, arena, depth + 1); };
  switch (node.type) {
    case RestrictType::AndRestriction: return std::all_of(node.children.begin(), node.children.end(), child);
    case RestrictType::OrRestriction: return std::any_of(node.children.begin(), node.children.end(), child);
    case RestrictType::NotRestriction: return !node.children.empty() && !child(node.children[0]);
    case RestrictType::CommentRestriction: return node.children.empty() || child(node.children[0]);
    case RestrictType::ContentRestriction: {
      if (texts_) {
        if (const auto found = texts_->find(&node); found != texts_->end()) {
          const auto id = source.get(mapi::PidTagMid, arena);
          return id && found->second.contains(mapi::Id{static_cast<std::uint64_t>(mapi::number_of(*id))}.counter());
        }
      }
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
      const auto rows = subobjects_->rows(source, PropertyTag(node.number));
      if (!rows) return false;
      return std::any_of(rows->begin(), rows->end(),
                         [&](const auto& row) { return match(node.children[0], *row, arena, depth + 1); });
    }
    case RestrictType::CountRestriction: {
      if (node.children.empty() || !child(node.children[0])) return false;
      auto at = std::find_if(counts_.begin(), counts_.end(), [&](const auto& c) { return c.first == &node; });
      if (at == counts_.end()) at = counts_.insert(at, {&node, 0});
      if (at->second >= node.number) return false;
      ++at->second;
      return true;
    }
  }
  return false;
}

}  // namespace mapigate::mailbox
