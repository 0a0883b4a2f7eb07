// Conditions and actions of rules ([MS-OXORULE] 2.2.4 and 2.2.5). Standard rules (RopModifyRules) have counts
// of 16 bits; the messages of extended rules have 32 and name their named properties first.
#pragma once

#include "wire/blobs/entry_ids.h"
#include "wire/blobs/values.h"
#include "wire/property_name.h"

namespace mapigate::wire::blobs {

enum class RuleForm : std::uint8_t { standard, extended };

// 2.2.4.2 "NamedPropertyInformation": what the ids of named properties behind it mean.
struct NamedPropertyInformation {
  std::span<const std::uint16_t> PropId{};
  std::span<const PropertyName> NamedProperty{};
  static void fields(auto& s, auto& v) {
    const auto n = v.template count<std::uint16_t>("NoOfNamedProps", s.PropId.size());
    if (n == 0) return;
    v.list("PropId", s.PropId, n);
    v.template sized<std::uint32_t>("NamedPropertiesSize", [&](auto& v) { v.list("NamedProperty", s.NamedProperty, n); });
  }
};

// 2.2.4.1.10 "PidTagExtendedRuleMessageCondition".
struct ExtendedRuleCondition {
  static constexpr const char* name = "ExtendedRuleCondition";
  static constexpr CountWidth width = CountWidth::wide;
  blobs::NamedPropertyInformation NamedPropertyInformation{};
  const mapi::Restriction* restriction = nullptr;
  static void fields(auto& s, auto& v) {
    v("NamedPropertyInformation", s.NamedPropertyInformation);
    v.restriction("Restriction", s.restriction);
  }
};
// The condition of a rule that Outlook keeps as a message of its own (PidTagRuleMessage… of client-side rules):
// as above with narrower counts.
struct RuleCondition {
  static constexpr const char* name = "RuleCondition";
  static constexpr CountWidth width = CountWidth::wide;
  blobs::NamedPropertyInformation NamedPropertyInformation{};
  const mapi::Restriction* restriction = nullptr;
  static void fields(auto& s, auto& v) {
    v("NamedPropertyInformation", s.NamedPropertyInformation);
    restriction_in(v, "Restriction", s.restriction, RestrictionForm::rule);
  }
};

// A count or size that is wide in extended rules.
template <class V>
std::size_t rule_count(V& v, const char* name, std::size_t n, RuleForm form) {
  if (form == RuleForm::extended) return v.template count<std::uint32_t>(name, n);
  return v.template count<std::uint16_t>(name, n);
}
void rule_sized(auto& v, const char* name, RuleForm form, auto visit) {
  if (form == RuleForm::extended) v.template sized<std::uint32_t>(name, visit);
  else v.template sized<std::uint16_t>(name, visit);
}

// 2.2.5.1.2.1 "OP_MOVE and OP_COPY" of standard rules, when the folder is in the same store.
struct ServerEid {
  std::uint8_t Ours = 1;
  mapi::Id FolderId{};
  mapi::Id MessageId{};
  std::uint32_t Instance = 0;
  static void fields(auto& s, auto& v) {
    v("Ours", s.Ours);
    v("FolderId", s.FolderId);
    v("MessageId", s.MessageId);
    v("Instance", s.Instance);
  }
};

// 2.2.5.1.2.4.1 "RecipientBlockData".
struct RecipientBlock {
  static constexpr std::size_t minimum_size = 3;
  std::uint8_t Reserved = 1;
  std::span<const mapi::TaggedValue> PropertyValues{};
  static void fields(auto& s, auto& v, RuleForm form) {
    v("Reserved", s.Reserved);
    const auto n = rule_count(v, "NoOfProperties", s.PropertyValues.size(), form);
    v.tagged_list("PropertyValues", s.PropertyValues, n);
  }
};

// 2.2.5.1.
struct ActionBlock {
  static constexpr std::size_t minimum_size = 11;
  enum : std::uint8_t {
    OP_MOVE = 0x01, OP_COPY = 0x02, OP_REPLY = 0x03, OP_OOF_REPLY = 0x04, OP_DEFER_ACTION = 0x05, OP_BOUNCE = 0x06,
    OP_FORWARD = 0x07, OP_DELEGATE = 0x08, OP_TAG = 0x09, OP_DELETE = 0x0A, OP_MARK_AS_READ = 0x0B,
  };
  std::uint8_t ActionType = 0;
  std::uint32_t ActionFlavor = 0;
  std::uint32_t ActionFlags = 0;
  // OP_MOVE, OP_COPY. StoreEID is a store's entry id, or what a server made of it.
  std::uint8_t FolderInThisStore = 1;
  View StoreEID{};
  ServerEid Folder{};          // standard and FolderInThisStore
  blobs::EntryId FolderEID{};  // else
  // OP_REPLY, OP_OOF_REPLY
  mapi::Id ReplyTemplateFID{};            // standard
  mapi::Id ReplyTemplateMID{};            // standard
  blobs::EntryId ReplyTemplateMessageEID{};  // extended
  mapi::Guid ReplyTemplateGUID{};
  std::uint32_t BounceCode = 0;
  std::span<const blobs::RecipientBlock> RecipientBlocks{};  // OP_FORWARD, OP_DELEGATE
  mapi::TaggedValue TaggedPropertyValue{};                   // OP_TAG
  View ActionData{};                                         // OP_DEFER_ACTION, and types that are not known

  static void fields(auto& s, auto& v, RuleForm form) {
    rule_sized(v, "ActionLength", form, [&](auto& v) {
      v("ActionType", s.ActionType);
      v("ActionFlavor", s.ActionFlavor);
      v("ActionFlags", s.ActionFlags);
      data(s, v, form);
    });
  }
  // ActionData, for callers that have the head of the block already.
  static void data(auto& s, auto& v, RuleForm form) {
    switch (s.ActionType) {
      case OP_MOVE: case OP_COPY: move(s, v, form); break;
      case OP_REPLY: case OP_OOF_REPLY:
        if (form == RuleForm::standard) {
          v("ReplyTemplateFID", s.ReplyTemplateFID);
          v("ReplyTemplateMID", s.ReplyTemplateMID);
        } else {
          sized_entry_id<std::uint32_t>(v, "MessageEIDSize", "ReplyTemplateMessageEID", s.ReplyTemplateMessageEID);
        }
        v("ReplyTemplateGUID", s.ReplyTemplateGUID);
        break;
      case OP_BOUNCE: v("BounceCode", s.BounceCode); break;
      case OP_FORWARD: case OP_DELEGATE: {
        const auto n = rule_count(v, "RecipientCount", s.RecipientBlocks.size(), form);
        v.list_in("RecipientBlocks", s.RecipientBlocks, n, form);
        break;
      }
      case OP_TAG: v.tagged("TaggedPropertyValue", s.TaggedPropertyValue); break;
      case OP_DELETE: case OP_MARK_AS_READ: break;
      default: v.rest("ActionData", s.ActionData); break;
    }
  }

 private:
  static void move(auto& s, auto& v, RuleForm form) {
    if (form == RuleForm::standard) v("FolderInThisStore", s.FolderInThisStore);
    const auto store = rule_count(v, "StoreEIDSize", s.StoreEID.size(), form);
    v.bytes("StoreEID", s.StoreEID, store);
    rule_sized(v, "FolderEIDSize", form, [&](auto& v) {
      if (form == RuleForm::standard && s.FolderInThisStore != 0) v("FolderEID", s.Folder);
      else v("FolderEID", s.FolderEID);
    });
  }
};

// PidTagRuleActions, as RopModifyRules and RopGetRulesTable carry it.
struct RuleActions {
  static constexpr const char* name = "RuleActions";
  std::span<const blobs::ActionBlock> ActionBlock{};
  static void fields(auto& s, auto& v) {
    const auto n = v.template count<std::uint16_t>("NoOfActions", s.ActionBlock.size());
    v.list_in("ActionBlock", s.ActionBlock, n, RuleForm::standard);
  }
};
// 2.2.4.1.9 "PidTagExtendedRuleMessageActions".
struct ExtendedRuleActions {
  static constexpr const char* name = "ExtendedRuleActions";
  static constexpr CountWidth width = CountWidth::wide;
  blobs::NamedPropertyInformation NamedPropertyInformation{};
  std::uint32_t RuleVersion = 1;
  std::span<const blobs::ActionBlock> ActionBlock{};
  static void fields(auto& s, auto& v) {
    v("NamedPropertyInformation", s.NamedPropertyInformation);
    v("RuleVersion", s.RuleVersion);
    const auto n = v.template count<std::uint32_t>("NoOfActions", s.ActionBlock.size());
    v.list_in("ActionBlock", s.ActionBlock, n, RuleForm::extended);
  }
};

// Takes the data of one action of a standard rule apart, and puts it together again. The result borrows
// from `action` and `arena`.
Result<ActionBlock> action_block(const mapi::RuleAction& action, Arena& arena, RuleForm form = RuleForm::standard);
Result<mapi::RuleAction> rule_action(const ActionBlock& block, Arena& arena, RuleForm form = RuleForm::standard);

}  // namespace mapigate::wire::blobs
