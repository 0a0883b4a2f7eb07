// Rules of folders ([MS-OXORULE] 2.2.1 to 2.2.3, 3.2.5). They are kept for the clients that made them: listed, changed and
// removed. Nothing carries them out here.
#include <algorithm>
#include <sstream>

#include "base/text.h"
#include "mailbox/inbox_rules.h"
#include "mailbox/message_edit.h"
#include "mailbox/rop_call.h"
#include "mapi/restriction.h"
#include "wire/property_bag_codec.h"

namespace mapigate::mailbox {

namespace {

using Rules = std::vector<mapi::PropertyBag>;

// [MS-OXORULE] 2.2.1.3.1; what else comes with a rule is not kept. Also the columns of the table.
constexpr mapi::PropertyTag rule_tags[] = {
    mapi::PidTagRuleId, mapi::PidTagRuleSequence, mapi::PidTagRuleState, mapi::PidTagRuleName, mapi::PidTagRuleProvider,
    mapi::PidTagRuleLevel, mapi::PidTagRuleUserFlags, mapi::PidTagRuleProviderData, mapi::PidTagRuleCondition, mapi::PidTagRuleActions};
// A rule has to fit into the row of a table that a client reads.
constexpr std::size_t most_of_one_rule = 0x6000;
constexpr std::size_t most_deferred_messages = 10'000;

// A line in hexadecimal for each rule, in the order in which they were made.
Result<Rules> read_rules(state::MailboxState& s, GlobalCounter folder) {
  auto text = s.value(state::rules_key(folder));
  if (!text) return text.error();
  Rules out;
  std::istringstream lines(text->value_or(std::string()));
  for (std::string line; std::getline(lines, line);) {
    Bytes bytes;
    if (!from_hex(line, bytes)) return error(Errc::malformed, "the rules of a folder are damaged");
    auto bag = wire::parse_property_bag(bytes);
    if (!bag) return std::move(bag.error()).within("rules of a folder");
    out.push_back(std::move(*bag));
  }
  return out;
}

// Takes the values over, strings in Unicode. Values of a type that the property does not have are no rule.
ErrorCode take_values(mapi::PropertyBag& rule, std::span<const mapi::TaggedValue> values, unsigned code_page) {
  Arena arena;
  for (const auto& one : values) {
    const auto* known = std::find_if(std::begin(rule_tags), std::end(rule_tags), [&](auto tag) { return tag.id() == one.tag.id(); });
    if (known == std::end(rule_tags) || *known == mapi::PidTagRuleId) continue;  // the id is ours to give
    auto tag = one.tag;
    const auto value = normal_value(tag, one.value, arena, code_page);
    if (tag != *known) return mapi::ecInvalidParam;
    if (const auto* actions = value.get<const mapi::RuleActions*>(); actions && (!*actions || (*actions)->actions.empty()))
      return mapi::ecInvalidParam;  // [MS-OXORULE] 2.2.5: at least one
    rule.set(tag, value);
  }
  return wire::serialize(rule).size() > most_of_one_rule ? mapi::ecMemory : mapi::ecNone;
}

Result<ErrorCode> add_rule(state::MailboxState& s, Rules& rules, std::span<const mapi::TaggedValue> values, unsigned code_page) {
  mapi::PropertyBag rule;
  for (const auto tag : {mapi::PidTagRuleSequence, mapi::PidTagRuleState, mapi::PidTagRuleLevel, mapi::PidTagRuleUserFlags})
    rule.set_integer(tag, 0);
  rule.set_string(mapi::PidTagRuleName, "");
  if (const auto code = take_values(rule, values, code_page); code != mapi::ecNone) return code;
  for (const auto tag : {mapi::PidTagRuleProvider, mapi::PidTagRuleCondition, mapi::PidTagRuleActions})
    if (!rule.contains(tag)) return mapi::ecInvalidParam;  // [MS-OXORULE] 3.1.4.2.1
  auto number = s.reserve_ids(1);
  if (!number) return number.error();
  rule.set(mapi::PidTagRuleId, mapi::Value::integer64(static_cast<std::int64_t>(mapi::Id(own_replid, *number).value)));
  rules.push_back(std::move(rule));
  return mapi::ecNone;
}

Result<ErrorCode> change_rule(state::MailboxState& s, Rules& rules, const wire::RuleData& change, unsigned code_page) {
  if (change.RuleDataFlags == wire::RuleData::ROW_ADD) return add_rule(s, rules, change.PropertyValues, code_page);
  if (change.RuleDataFlags != wire::RuleData::ROW_MODIFY && change.RuleDataFlags != wire::RuleData::ROW_REMOVE)
    return mapi::ecInvalidParam;
  const auto id = std::find_if(change.PropertyValues.begin(), change.PropertyValues.end(),
                               [](const auto& one) { return one.tag == mapi::PidTagRuleId; });
  if (id == change.PropertyValues.end()) return mapi::ecInvalidParam;
  const auto number = mapi::number_of(id->value);
  const auto rule = std::find_if(rules.begin(), rules.end(), [&](const auto& one) { return one.number(mapi::PidTagRuleId) == number; });
  if (rule == rules.end()) return mapi::ecNotFound;
  if (change.RuleDataFlags == wire::RuleData::ROW_REMOVE) {
    rules.erase(rule);
    return mapi::ecNone;
  }
  return take_values(*rule, change.PropertyValues, code_page);
}

// In the order in which they are meant to be looked at; ids grow.
void sort_rules(Rules& rules) {
  const auto place = [](const mapi::PropertyBag& rule) {
    return std::pair(rule.number(mapi::PidTagRuleSequence), mapi::Id(static_cast<std::uint64_t>(rule.number(mapi::PidTagRuleId))).counter());
  };
  std::sort(rules.begin(), rules.end(), [&](const auto& a, const auto& b) { return place(a) < place(b); });
}

struct Outcome {
  ErrorCode code = mapi::ecNone;
  bool any = false;  // the folder has rules now
};

// All changes or none, and none where the folder went meanwhile: its rules would stay for ever. [MS-OXORULE] 3.2.5.2 would have changes beyond the limit stored, so that nothing limits them.
Result<Outcome> modify(state::MailboxState& s, GlobalCounter folder, const wire::RopModifyRules::Request& request, unsigned code_page,
                       std::size_t limit) {
  auto there = holds_folder(s, folder);
  if (!there) return there.error();
  if (!*there) return Outcome{mapi::ecNotFound, false};
  auto rules = read_rules(s, folder);
  if (!rules) return rules.error();
  if (request.ModifyRulesFlags & wire::RopModifyRules::ReplaceRules) rules->clear();
  for (const auto& change : request.RulesData) {
    auto code = change_rule(s, *rules, change, code_page);
    if (!code) return code.error();
    if (*code != mapi::ecNone) return Outcome{*code, false};
  }
  std::string text;
  std::size_t size = 0;
  for (const auto& rule : *rules) {
    const auto bytes = wire::serialize(rule);
    size += bytes.size();
    if (size > limit) return Outcome{mapi::ecMemory, false};
    text += to_hex(bytes) + '\n';
  }
  if (auto written = s.set_value(state::rules_key(folder), text); !written) return written.error();
  return Outcome{mapi::ecNone, !rules->empty()};
}

Task<Status> tell_has_rules(Mailbox* mailbox, GlobalCounter folder, bool any) {
  const auto before = mailbox->folder_extras(folder);
  if (any == has_rules(*mailbox, folder)) co_return Status{};
  auto extras = before ? before->clone() : mapi::PropertyBag();
  extras.set_boolean(mapi::PidTagHasRules, any);
  co_return co_await mailbox->set_folder_extras(folder, std::move(extras));
}

Task<ErrorCode> modify_rules(RopCall& call, const wire::RopModifyRules::Request& request, wire::RopModifyRules::Response&) {
  using Rop = wire::RopModifyRules;
  auto folder = call.object<FolderObject>();
  if (!folder) co_return call.why;
  if (request.ModifyRulesFlags & ~Rop::ReplaceRules) co_return mapi::ecInvalidParam;
  const auto adds = [](const auto& one) { return one.RuleDataFlags == wire::RuleData::ROW_ADD; };
  if ((request.ModifyRulesFlags & Rop::ReplaceRules) && !std::all_of(request.RulesData.begin(), request.RulesData.end(), adds))
    co_return mapi::ecInvalidParam;
  const auto id = folder->id;
  if (!call.mailbox.tree()->find(id)) co_return mapi::ecNotFound;
  const auto code_page = call.session.options().code_page;
  const auto limit = call.mailbox.context().options.max_rules_bytes;
  auto work = [id, &request, code_page, limit](state::MailboxState& s) { return modify(s, id, request, code_page, limit); };
  auto done = co_await call.mailbox.with_state(work);
  if (!done) co_return mapi::to_error_code(done.error());
  if (done->code != mapi::ecNone) co_return done->code;
  auto told = co_await tell_has_rules(&call.mailbox, id, done->any);
  co_return told ? mapi::ecNone : mapi::to_error_code(told.error());
}

Task<ErrorCode> get_rules_table(RopCall& call, const wire::RopGetRulesTable::Request& request, wire::RopGetRulesTable::Response&) {
  auto folder = call.object<FolderObject>();
  if (!folder) co_return call.why;
  if (request.TableFlags & ~wire::RopGetRulesTable::UseUnicode) co_return mapi::ecNotSupported;  // [MS-OXORULE] 3.2.5.3
  const auto id = folder->id;
  auto read = [id](state::MailboxState& s) { return read_rules(s, id); };
  auto rules = co_await call.mailbox.with_state(read);
  if (!rules) co_return mapi::to_error_code(rules.error());
  sort_rules(*rules);
  auto table = std::make_shared<TableObject>();
  table->source = TableObject::Source::rules;
  table->rows = std::make_unique<FixedRows>(std::move(*rules), std::vector(std::begin(rule_tags), std::end(rule_tags)));
  co_return co_await open_table(call, request.OutputHandleIndex, std::move(table), nullptr);
}

// The client has moved a message that deferred actions are about: they get its new entry id.
Task<ErrorCode> update_deferred_action_messages(RopCall& call, const wire::RopUpdateDeferredActionMessages::Request& request,
                                                wire::RopUpdateDeferredActionMessages::Response&) {
  if (!call.object<LogonObject>()) co_return call.why;
  constexpr auto folder = special_id(FolderRole::deferred_action);
  auto read = [](state::MailboxState& s) { return s.message_keys(folder); };
  auto keys = co_await call.mailbox.with_state(read);
  if (!keys) co_return mapi::to_error_code(keys.error());
  if (keys->size() > most_deferred_messages) co_return mapi::ecTableTooBig;
  for (const auto& key : *keys) {
    auto data = co_await call.mailbox.stored_data(key.id);
    if (!data) co_return mapi::to_error_code(data.error());
    if (!*data) continue;
    auto& properties = (*data)->properties;
    const auto* about = properties.find(mapi::PidTagDeferredActionMessageOriginalEntryId.with(mapi::PropertyType::PtypUnspecified));
    const auto* bytes = about ? about->get<View>() : nullptr;
    if (!bytes || !equal(*bytes, request.ServerEntryId)) continue;
    properties.set_binary(mapi::PidTagDamOriginalEntryId, request.ClientEntryId);
    properties.set_boolean(mapi::PidTagDamBackPatched, true);
    auto saved = co_await call.mailbox.save_message(folder, false, key.id, key.flags, *data);
    if (!saved) co_return mapi::to_error_code(saved.error());
  }
  co_return mapi::ecNone;
}

}  // namespace

bool has_rules(const Mailbox& mailbox, GlobalCounter folder) {
  const auto extras = mailbox.folder_extras(folder);
  return extras && extras->number(mapi::PidTagHasRules) != 0;
}

io::Task<Result<InboxRules>> inbox_rules(Mailbox* mailbox) {
  auto read = [](state::MailboxState& s) -> Result<InboxRules> {
    constexpr auto inbox = special_id(FolderRole::inbox);
    InboxRules out;
    auto rules = read_rules(s, inbox);
    if (!rules) return rules.error();
    out.rules = std::move(*rules);
    sort_rules(out.rules);
    // The message in which Outlook keeps what the rules of a server cannot say; nobody else reads it.
    auto looked = s.each_message(state::associated_of(inbox), [&](state::Message& message) {
      out.outlook_keeps_its_own = equal_ignoring_ascii_case(message.properties.string(mapi::PidTagMessageClass), "IPM.RuleOrganizer");
      return !out.outlook_keeps_its_own;
    });
    if (!looked) return looked.error();
    return out;
  };
  auto out = co_await mailbox->with_state(read);
  if (out) out->store = mailbox->identity();
  co_return out;
}

HandlerList rule_handlers() {
  static constexpr HandlerEntry list[] = {
      on<wire::RopGetRulesTable, get_rules_table>(),
      on<wire::RopModifyRules, modify_rules>(),
      on<wire::RopUpdateDeferredActionMessages, update_deferred_action_messages>(),
  };
  return list;
}

}  // namespace mapigate::mailbox
