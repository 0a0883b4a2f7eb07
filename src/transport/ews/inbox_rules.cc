#include "transport/ews/inbox_rules.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/text.h"
#include "mailbox/folder_tree.h"
#include "mapi/properties.h"
#include "mapi/restriction.h"
#include "wire/blobs/rules.h"
#include "wire/ews/xml.h"

namespace mapigate::transport::ews {

namespace {

using namespace wire::ews;
using mapi::Restriction;
using mapi::RestrictType;
using wire::blobs::ActionBlock;

// [MS-OXORULE] 2.2.1.3.1.3.
constexpr std::int64_t ST_ENABLED = 0x01, ST_ERROR = 0x02, ST_EXIT_LEVEL = 0x10, ST_RULE_PARSE_ERROR = 0x40;
// [MS-OXORULE] 2.2.5.1.1: flavors of OP_FORWARD.
constexpr std::uint32_t forward_as_it_is = 0, forward_redirected = 0x03, forward_attached = 0x04, forward_by_sms = 0x08;
constexpr std::int64_t mfHasAttach = 0x10;
constexpr std::size_t most_strings = 1000;  // of one predicate

struct Address {
  std::string name, address, type = "SMTP";
};

// What a predicate or an action is about; which of these counts is up to its element.
struct Argument {
  std::vector<std::string> strings;
  std::vector<Address> addresses;
  std::string text;
  std::optional<std::string> low, high;  // of a range
};

// Elements of [MS-OXWSRULES] "t:RulePredicatesType" in the order of its sequence.
enum class Predicate {
  ContainsBodyStrings, ContainsHeaderStrings, ContainsRecipientStrings, ContainsSenderStrings, ContainsSubjectOrBodyStrings,
  ContainsSubjectStrings, FromAddresses, HasAttachments, Importance, ItemClasses, NotSentToMe, SentCcMe, SentOnlyToMe, SentToAddresses,
  SentToMe, SentToOrCcMe, Sensitivity, WithinDateRange, WithinSizeRange,
};
constexpr const char* predicate_names[] = {
    "t:ContainsBodyStrings", "t:ContainsHeaderStrings", "t:ContainsRecipientStrings", "t:ContainsSenderStrings",
    "t:ContainsSubjectOrBodyStrings", "t:ContainsSubjectStrings", "t:FromAddresses", "t:HasAttachments", "t:Importance", "t:ItemClasses",
    "t:NotSentToMe", "t:SentCcMe", "t:SentOnlyToMe", "t:SentToAddresses", "t:SentToMe", "t:SentToOrCcMe", "t:Sensitivity",
    "t:WithinDateRange", "t:WithinSizeRange"};
using Predicates = std::map<Predicate, Argument>;

// And those of "t:RuleActionsType".
enum class Action {
  CopyToFolder, Delete, ForwardAsAttachmentToRecipients, ForwardToRecipients, MarkImportance, MarkAsRead, MoveToFolder, PermanentDelete,
  RedirectToRecipients, SendSMSAlertToRecipients, ServerReplyWithMessage, StopProcessingRules,
};
constexpr const char* action_names[] = {
    "t:CopyToFolder", "t:Delete", "t:ForwardAsAttachmentToRecipients", "t:ForwardToRecipients", "t:MarkImportance", "t:MarkAsRead",
    "t:MoveToFolder", "t:PermanentDelete", "t:RedirectToRecipients", "t:SendSMSAlertToRecipients", "t:ServerReplyWithMessage",
    "t:StopProcessingRules"};
using Actions = std::map<Action, Argument>;

const char* importance(std::int64_t number) { return number == 0 ? "Low" : number == 1 ? "Normal" : number == 2 ? "High" : nullptr; }
const char* sensitivity(std::int64_t number) {
  constexpr const char* names[] = {"Normal", "Personal", "Private", "Confidential"};
  return number >= 0 && number < 4 ? names[number] : nullptr;
}

bool is(mapi::PropertyTag tag, std::initializer_list<mapi::PropertyTag> names) {
  return std::any_of(names.begin(), names.end(), [&](auto name) { return name.id() == tag.id(); });
}

// A string, or the bytes of a search key without their end.
std::string words_of(const mapi::Value& value) {
  const auto* bytes = value.get<View>();
  auto out = bytes ? std::string(as_text(*bytes)) : mapi::text_of(value);
  return out.substr(0, out.find('\0'));
}

struct Term {
  Predicate predicate;
  Argument argument;
};

std::optional<Term> flag(Predicate predicate) { return Term{predicate, {.strings = {}, .addresses = {}, .text = "true", .low = {}, .high = {}}}; }
std::optional<Term> words(Predicate predicate, std::string text) {
  if (trim(text).empty()) return {};
  return Term{predicate, {.strings = {std::move(text)}, .addresses = {}, .text = {}, .low = {}, .high = {}}};
}
std::optional<Term> choice(Predicate predicate, const char* text) {
  if (text == nullptr) return {};
  return Term{predicate, {.strings = {}, .addresses = {}, .text = text, .low = {}, .high = {}}};
}

class Reader {
 public:
  explicit Reader(const directory::Snapshot* book) : book_(book) {}

  // False when the web services cannot say it.
  bool read(const Restriction& condition) {
    if (!read_all(condition)) return false;
    if (!alone_in_to_ && !nobody_in_cc_) return true;
    // To me, nobody else there and nobody in copy: only together they have a name.
    if (!alone_in_to_ || !nobody_in_cc_ || conditions.erase(Predicate::SentToMe) == 0) return false;
    return put(conditions, flag(Predicate::SentOnlyToMe));
  }
  Address resolved(Address one) const {
    if (!book_) return one;
    const auto found = one.type == "EX" ? book_->find_dn(one.address) : book_->find_address(one.address);
    if (!found) return one;
    const auto entry = book_->entry(*found);
    if (!entry.address.empty()) one.address = entry.address, one.type = "SMTP";
    one.name = entry.display_name;
    return one;
  }

  Predicates conditions, exceptions;

 private:
  bool read_all(const Restriction& r) {
    if (r.type == RestrictType::AndRestriction)
      return std::all_of(r.children.begin(), r.children.end(), [&](const auto& one) { return read_all(one); });
    if (r.type == RestrictType::NotRestriction && r.children.size() == 1) return read_exception(r.children[0]);
    if (r.type == RestrictType::ExistRestriction) return is(r.tag, {mapi::PidTagMessageClass});  // every message
    if (r.type == RestrictType::PropertyRestriction && is(r.tag, {mapi::PidTagDisplayCc}) && r.relop == mapi::RelationalOperator::Equal &&
        words_of(r.value.value).empty())
      return nobody_in_cc_ = true;
    return put(conditions, term(r));
  }
  bool read_exception(const Restriction& r) {
    if (r.type == RestrictType::ContentRestriction && is(r.tag, {mapi::PidTagDisplayTo}) && words_of(r.value.value) == ";")
      return alone_in_to_ = true;
    auto one = term(r);
    if (one || r.type != RestrictType::OrRestriction) return put(exceptions, std::move(one));
    return std::all_of(r.children.begin(), r.children.end(), [&](const auto& each) { return read_exception(each); });
  }

  // Each predicate can stand once, but for both ends of a range.
  static bool put(Predicates& to, std::optional<Term> one) {
    if (!one) return false;
    auto [known, fresh] = to.try_emplace(one->predicate, one->argument);
    if (fresh) return true;
    auto& range = known->second;
    if (one->argument.low && !range.low) range.low = std::move(one->argument.low);
    else if (one->argument.high && !range.high) range.high = std::move(one->argument.high);
    else return false;
    return true;
  }

  std::optional<Term> term(const Restriction& r) const {
    switch (r.type) {
      case RestrictType::CommentRestriction:
      case RestrictType::AndRestriction: return r.children.size() == 1 ? term(r.children[0]) : std::nullopt;
      case RestrictType::OrRestriction: return any_of(r, false);
      case RestrictType::ContentRestriction: return content(r);
      case RestrictType::PropertyRestriction: return property(r);
      case RestrictType::BitMaskRestriction:
        if (is(r.tag, {mapi::PidTagMessageFlags}) && r.number == mfHasAttach && r.bits_must_be_set) return flag(Predicate::HasAttachments);
        return {};
      case RestrictType::SubObjectRestriction:
        if (r.children.size() != 1 || (r.number >> 16) != mapi::PidTagMessageRecipients.id()) return {};
        return recipient(r.children[0]);
      default: return {};
    }
  }

  // Alternatives of one kind become one list; a subject or a body with the same words is a kind of its own.
  std::optional<Term> any_of(const Restriction& r, bool recipients) const {
    Predicates found;
    for (const auto& child : r.children) {
      auto one = recipients ? recipient(child) : term(child);
      if (!one || !one->argument.text.empty() || one->argument.low || one->argument.high) return {};
      auto& all = found[one->predicate];
      std::move(one->argument.strings.begin(), one->argument.strings.end(), std::back_inserter(all.strings));
      std::move(one->argument.addresses.begin(), one->argument.addresses.end(), std::back_inserter(all.addresses));
      if (all.strings.size() + all.addresses.size() > most_strings) return {};
    }
    if (found.size() == 1) return Term{found.begin()->first, std::move(found.begin()->second)};
    const auto body = found.find(Predicate::ContainsBodyStrings), subject = found.find(Predicate::ContainsSubjectStrings);
    if (found.size() != 2 || body == found.end() || subject == found.end() || body->second.strings != subject->second.strings) return {};
    return Term{Predicate::ContainsSubjectOrBodyStrings, std::move(subject->second)};
  }

  std::optional<Term> content(const Restriction& r) const {
    if (is(r.tag, {mapi::PidTagMessageClass})) return words(Predicate::ItemClasses, words_of(r.value.value));
    if (r.FuzzyLevelLow != mapi::FL_SUBSTRING) return {};
    const auto text = words_of(r.value.value);
    if (is(r.tag, {mapi::PidTagSubject, mapi::PidTagNormalizedSubject})) return words(Predicate::ContainsSubjectStrings, text);
    if (is(r.tag, {mapi::PidTagBody})) return words(Predicate::ContainsBodyStrings, text);
    if (is(r.tag, {mapi::PidTagTransportMessageHeaders})) return words(Predicate::ContainsHeaderStrings, text);
    if (is(r.tag, {mapi::PidTagSenderSearchKey, mapi::PidTagSentRepresentingSearchKey, mapi::PidTagSenderEmailAddress, mapi::PidTagSenderSmtpAddress}))
      return words(Predicate::ContainsSenderStrings, text);
    return {};
  }

  std::optional<Term> property(const Restriction& r) const {
    using enum mapi::RelationalOperator;
    const auto number = mapi::number_of(r.value.value);
    if (is(r.tag, {mapi::PidTagMessageSize})) return range(Predicate::WithinSizeRange, r.relop, std::to_string(number / 1024));  // KiB
    if (is(r.tag, {mapi::PidTagMessageDeliveryTime})) {
      const auto* time = r.value.value.get<FileTime>();
      return time ? range(Predicate::WithinDateRange, r.relop, format_utc(to_unix(*time))) : std::nullopt;
    }
    if (r.relop != Equal) return {};
    if (is(r.tag, {mapi::PidTagMessageToMe})) return flag(number != 0 ? Predicate::SentToMe : Predicate::NotSentToMe);
    if (is(r.tag, {mapi::PidTagMessageCcMe}) && number != 0) return flag(Predicate::SentCcMe);
    if (is(r.tag, {mapi::PidTagMessageRecipientMe}) && number != 0) return flag(Predicate::SentToOrCcMe);
    if (is(r.tag, {mapi::PidTagHasAttachments}) && number != 0) return flag(Predicate::HasAttachments);
    if (is(r.tag, {mapi::PidTagImportance})) return choice(Predicate::Importance, importance(number));
    if (is(r.tag, {mapi::PidTagSensitivity})) return choice(Predicate::Sensitivity, sensitivity(number));
    if (is(r.tag, {mapi::PidTagMessageClass})) return words(Predicate::ItemClasses, words_of(r.value.value));
    if (is(r.tag, {mapi::PidTagSenderSearchKey, mapi::PidTagSentRepresentingSearchKey})) return person(Predicate::FromAddresses, r);
    return {};
  }

  static std::optional<Term> range(Predicate predicate, mapi::RelationalOperator relop, std::string end) {
    using enum mapi::RelationalOperator;
    Term out{predicate, {}};
    if (relop == GreaterThan || relop == GreaterThanOrEqual) out.argument.low = std::move(end);
    else if (relop == LessThan || relop == LessThanOrEqual) out.argument.high = std::move(end);
    else return {};
    return out;
  }

  // What is asked of a message's recipients.
  std::optional<Term> recipient(const Restriction& r) const {
    switch (r.type) {
      case RestrictType::CommentRestriction: return r.children.size() == 1 ? recipient(r.children[0]) : std::nullopt;
      case RestrictType::OrRestriction: return any_of(r, true);
      case RestrictType::PropertyRestriction:
        if (r.relop != mapi::RelationalOperator::Equal || !is(r.tag, {mapi::PidTagSearchKey})) return {};
        return person(Predicate::SentToAddresses, r);
      case RestrictType::ContentRestriction:
        if (r.FuzzyLevelLow != mapi::FL_SUBSTRING || !is(r.tag, {mapi::PidTagSearchKey, mapi::PidTagEmailAddress, mapi::PidTagSmtpAddress})) return {};
        return words(Predicate::ContainsRecipientStrings, words_of(r.value.value));
      default: return {};
    }
  }

  // By a search key: "SMTP:BOB@EXAMPLE.TEST".
  std::optional<Term> person(Predicate predicate, const Restriction& r) const {
    const auto key = words_of(r.value.value);
    const auto colon = key.find(':');
    if (colon == std::string::npos || colon + 1 == key.size()) return {};
    Address one{{}, key.substr(colon + 1), key.substr(0, colon)};
    if (one.type == "SMTP") one.address = lower_ascii(one.address);
    Term out{predicate, {}};
    out.argument.addresses.push_back(resolved(std::move(one)));
    return out;
  }

  const directory::Snapshot* book_;
  bool alone_in_to_ = false, nobody_in_cc_ = false;
};

std::optional<Address> address_of(const wire::blobs::RecipientBlock& block) {
  Address out;
  std::string smtp;
  for (const auto& [tag, value] : block.PropertyValues) {
    if (is(tag, {mapi::PidTagDisplayName})) out.name = mapi::text_of(value);
    if (is(tag, {mapi::PidTagEmailAddress})) out.address = mapi::text_of(value);
    if (is(tag, {mapi::PidTagAddressType})) out.type = mapi::text_of(value);
    if (is(tag, {mapi::PidTagSmtpAddress})) smtp = mapi::text_of(value);
  }
  if (!smtp.empty()) out.address = smtp, out.type = "SMTP";
  if (out.address.empty()) return {};
  return out;
}

std::optional<Action> forwarding(std::uint32_t flavor) {
  switch (flavor) {
    case forward_as_it_is: return Action::ForwardToRecipients;
    case forward_redirected: return Action::RedirectToRecipients;
    case forward_attached: return Action::ForwardAsAttachmentToRecipients;
    case forward_by_sms: return Action::SendSMSAlertToRecipients;
    default: return {};
  }
}

// False when the web services cannot say it.
bool read_action(const ActionBlock& block, const mailbox::StoreIdentity& store, const Reader& reader, Actions& to) {
  Argument argument;
  Action action{};
  switch (block.ActionType) {
    case ActionBlock::OP_MOVE:
    case ActionBlock::OP_COPY: {
      if (block.FolderInThisStore == 0) return false;
      const auto folder = block.Folder.FolderId.counter();
      const bool copies = block.ActionType == ActionBlock::OP_COPY;
      // Outlook's "delete it"; what is deleted for good has an action of its own.
      const bool deletes = !copies && folder == mailbox::special_id(state::FolderRole::deleted_items);
      action = copies ? Action::CopyToFolder : deletes ? Action::Delete : Action::MoveToFolder;
      argument.text = deletes ? "true" : to_base64(store.folder_entry_id(folder));
      break;
    }
    case ActionBlock::OP_REPLY:
      action = Action::ServerReplyWithMessage;
      argument.text = to_base64(store.message_entry_id(block.ReplyTemplateFID.counter(), block.ReplyTemplateMID.counter()));
      break;
    case ActionBlock::OP_FORWARD: {
      const auto how = forwarding(block.ActionFlavor);
      if (!how || block.RecipientBlocks.empty()) return false;
      action = *how;
      for (const auto& one : block.RecipientBlocks) {
        auto address = address_of(one);
        if (!address) return false;
        argument.addresses.push_back(reader.resolved(std::move(*address)));
      }
      break;
    }
    case ActionBlock::OP_TAG: {
      const auto& [tag, value] = block.TaggedPropertyValue;
      const auto* name = is(tag, {mapi::PidTagImportance}) ? importance(mapi::number_of(value)) : nullptr;
      if (!name) return false;
      action = Action::MarkImportance;
      argument.text = name;
      break;
    }
    case ActionBlock::OP_DELETE: action = Action::PermanentDelete, argument.text = "true"; break;
    case ActionBlock::OP_MARK_AS_READ: action = Action::MarkAsRead, argument.text = "true"; break;
    default: return false;
  }
  return to.try_emplace(action, std::move(argument)).second;
}

void write_addresses(pugi::xml_node node, const std::vector<Address>& addresses) {
  for (const auto& one : addresses) {
    auto address = node.append_child("t:Address");
    add(address, "t:Name", one.name.empty() ? one.address : one.name);
    add(address, "t:EmailAddress", one.address);
    add(address, "t:RoutingType", one.type);
  }
}

void write_predicates(pugi::xml_node rule, const char* name, const Predicates& predicates) {
  if (predicates.empty()) return;
  auto list = rule.append_child(name);
  for (const auto& [predicate, argument] : predicates) {
    auto node = list.append_child(predicate_names[static_cast<std::size_t>(predicate)]);
    const bool dates = predicate == Predicate::WithinDateRange;
    if (argument.low) add(node, dates ? "t:StartDateTime" : "t:MinimumSize", *argument.low);
    if (argument.high) add(node, dates ? "t:EndDateTime" : "t:MaximumSize", *argument.high);
    for (const auto& text : argument.strings) add(node, "t:String", text);
    write_addresses(node, argument.addresses);
    if (!argument.text.empty()) node.text() = argument.text.c_str();
  }
}

void write_actions(pugi::xml_node rule, const Actions& actions) {
  auto list = rule.append_child("t:Actions");
  for (const auto& [action, argument] : actions) {
    auto node = list.append_child(action_names[static_cast<std::size_t>(action)]);
    if (action == Action::CopyToFolder || action == Action::MoveToFolder) node.append_child("t:FolderId").append_attribute("Id") = argument.text.c_str();
    else if (action == Action::ServerReplyWithMessage) node.append_attribute("Id") = argument.text.c_str();
    else if (argument.addresses.empty()) node.text() = argument.text.c_str();
    write_addresses(node, argument.addresses);
  }
}

bool read_actions(const mapi::PropertyBag& rule, const mailbox::StoreIdentity& store, const Reader& reader, Actions& to) {
  const auto* value = rule.find(mapi::PidTagRuleActions);
  const auto* actions = value ? value->get<const mapi::RuleActions*>() : nullptr;
  if (!actions || !*actions) return false;
  Arena arena;
  for (const auto& one : (*actions)->actions) {
    const auto block = wire::blobs::action_block(one, arena);
    if (!block || !read_action(*block, store, reader, to)) return false;
  }
  if (rule.number(mapi::PidTagRuleState) & ST_EXIT_LEVEL) to[Action::StopProcessingRules].text = "true";
  return !to.empty();
}

}  // namespace

bool is_users_rule(const mapi::PropertyBag& rule) {
  const auto provider = rule.string(mapi::PidTagRuleProvider);
  return provider.starts_with("RuleOrganizer") || provider.starts_with("ExchangeMailboxRules");
}

void write_rule(pugi::xml_node rules, const mapi::PropertyBag& rule, int priority, const mailbox::StoreIdentity& store,
                const directory::Snapshot* book) {
  auto node = rules.append_child("t:Rule");
  Bytes id;
  Output(id).scalar(static_cast<std::uint64_t>(rule.number(mapi::PidTagRuleId)));
  add(node, "t:RuleId", to_base64(id));
  const auto name = rule.string(mapi::PidTagRuleName);
  add(node, "t:DisplayName", trim(name).empty() ? fmt::format("Rule {}", priority) : name);
  add(node, "t:Priority", priority);
  const auto state = rule.number(mapi::PidTagRuleState);
  add(node, "t:IsEnabled", (state & ST_ENABLED) != 0);
  Reader reader(book);
  Actions actions;
  const auto* value = rule.find(mapi::PidTagRuleCondition);
  const auto* condition = value ? value->get<const Restriction*>() : nullptr;
  const bool supported = condition && *condition && reader.read(**condition) && read_actions(rule, store, reader, actions);
  if (!supported) add(node, "t:IsNotSupported", true);
  if (state & (ST_ERROR | ST_RULE_PARSE_ERROR)) add(node, "t:IsInError", true);
  if (!supported) return;
  write_predicates(node, "t:Conditions", reader.conditions);
  write_predicates(node, "t:Exceptions", reader.exceptions);
  write_actions(node, actions);
}

}  // namespace mapigate::transport::ews
