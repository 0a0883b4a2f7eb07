// Restrictions, sort orders and rule actions ([MS-OXCDATA] 2.12 and 2.13, [MS-OXORULE] 2.2.5).
#pragma once

#include "mapi/value.h"

namespace mapigate::mapi {

enum class RestrictType : std::uint8_t {
  AndRestriction = 0x00,
  OrRestriction = 0x01,
  NotRestriction = 0x02,
  ContentRestriction = 0x03,
  PropertyRestriction = 0x04,
  ComparePropertiesRestriction = 0x05,
  BitMaskRestriction = 0x06,
  SizeRestriction = 0x07,
  ExistRestriction = 0x08,
  SubObjectRestriction = 0x09,
  CommentRestriction = 0x0A,
  CountRestriction = 0x0B,
};

enum class RelationalOperator : std::uint8_t {
  LessThan = 0x00,
  LessThanOrEqual = 0x01,
  GreaterThan = 0x02,
  GreaterThanOrEqual = 0x03,
  Equal = 0x04,
  NotEqual = 0x05,
  RegularExpression = 0x06,
  MemberOfDistributionList = 0x64,
};

// FuzzyLevelLow and FuzzyLevelHigh of a ContentRestriction.
inline constexpr std::uint16_t FL_FULLSTRING = 0x0000, FL_SUBSTRING = 0x0001, FL_PREFIX = 0x0002;
inline constexpr std::uint16_t FL_IGNORECASE = 0x0001, FL_IGNORENONSPACE = 0x0002, FL_LOOSE = 0x0004;

// Deeper trees are refused as malformed: evaluation recurses.
inline constexpr unsigned max_restriction_depth = 64;

// One node of the tree; which members count is up to RestrictType.
struct Restriction {
  RestrictType type = RestrictType::AndRestriction;
  std::span<const Restriction> children;  // And, Or: all; Not, SubObject, Count: one; Comment: none or one
  RelationalOperator relop = RelationalOperator::Equal;  // Property, CompareProperties, Size
  bool bits_must_be_set = false;          // BitMask: BMR_NEZ (true) or BMR_EQZ
  std::uint16_t FuzzyLevelLow = 0;        // Content
  std::uint16_t FuzzyLevelHigh = 0;       // Content
  PropertyTag tag;                        // Content, Property, BitMask, Size, Exist; CompareProperties: the first
  PropertyTag tag2;                       // CompareProperties: the second
  TaggedValue value;                      // Content, Property
  std::uint32_t number = 0;               // BitMask: mask; Size: size; Count: count; SubObject: the subobject's tag
  std::span<const TaggedValue> values;    // Comment
};

struct SortOrder {
  enum : std::uint8_t { Ascending = 0, Descending = 1, MaximumCategory = 4 };
  PropertyTag tag;
  std::uint8_t Order = Ascending;
  static void fields(auto& s, auto& v) {
    v("PropertyTag", s.tag);
    v("Order", s.Order);
  }
};

// One ActionBlock. ActionData stays as bytes here: what it holds depends on
// ActionType and on whether the rule is standard or extended.
struct RuleAction {
  std::uint8_t ActionType = 0;
  std::uint32_t ActionFlavor = 0;
  std::uint32_t ActionFlags = 0;
  View ActionData;
};
struct RuleActions {
  std::span<const RuleAction> actions;
};

Restriction copy(Arena& arena, const Restriction& restriction);

}  // namespace mapigate::mapi
