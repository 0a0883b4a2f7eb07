// Properties of a message as the index knows it ([MS-OXCMSG] 2.2.1, [MS-OXCFXICS] 2.2.1.2). What the
// provider put into the bag comes from there; what follows from ids, flags and sizes is made here.
#include <algorithm>

#include "mailbox/object_properties.h"
#include "mailbox/receipts.h"
#include "mapi/message_flags.h"

namespace mapigate::mailbox {

using namespace mapi;  // PidTag…

namespace {

using Cell = std::optional<Value>;
using Rows = Getter<MessageView>;

Cell number(std::int64_t n) { return Value::integer32(static_cast<std::int32_t>(n)); }
Cell wide(std::uint64_t n) { return Value::integer64(static_cast<std::int64_t>(n)); }
Cell flag(bool b) { return Value::boolean(b); }
Cell bytes(Arena& arena, const Bytes& b) { return binary_value(arena, b); }
bool has(const MessageView& v, std::uint32_t flags) { return (v.message.flags & flags) != 0; }

Cell from_bag(const MessageView& v, PropertyTag tag) { return find_in(v.message.properties, tag); }
// What was set and stands beside the message.
Cell beside(const MessageView& v, PropertyTag tag, Cell otherwise = {}) {
  auto found = find_in(v.message.extras, tag);
  if (!found) found = from_bag(v, tag);
  return found ? found : otherwise;
}
Cell from_bag_or(const MessageView& v, PropertyTag tag, Cell otherwise) {
  auto found = from_bag(v, tag);
  return found ? found : otherwise;
}

// Ids, flags and sizes: the index knows better than any bag.
const Rows own_getters[] = {
    {PidTagMid, [](auto& v, Arena&) { return wide(v.store->id(v.message.id).value); }},
    {PidTagInstID, [](auto& v, Arena&) { return wide(v.store->id(v.message.id).value); }},
    {PidTagInstanceNum, [](auto&, Arena&) { return number(0); }},
    {PidTagFolderId, [](auto& v, Arena&) { return wide(v.store->id(state::folder_of(v.message.folder)).value); }},
    {PidTagParentFolderId, [](auto& v, Arena&) { return wide(v.store->id(state::folder_of(v.message.folder)).value); }},
    {PidTagEntryId, [](auto& v, Arena& a) { return bytes(a, v.store->message_entry_id(state::folder_of(v.message.folder), v.message.id)); }},
    {PidTagLongTermEntryIdFromTable,
     [](auto& v, Arena& a) { return bytes(a, v.store->message_entry_id(state::folder_of(v.message.folder), v.message.id)); }},
    {PidTagRecordKey, [](auto& v, Arena& a) { return bytes(a, v.store->message_entry_id(state::folder_of(v.message.folder), v.message.id)); }},
    {PidTagParentEntryId, [](auto& v, Arena& a) { return bytes(a, v.store->folder_entry_id(state::folder_of(v.message.folder))); }},
    {PidTagInstanceKey, [](auto& v, Arena& a) { return bytes(a, v.store->source_key(v.message.id)); }},
    {PidTagSourceKey, [](auto& v, Arena& a) { return bytes(a, v.store->source_key(v.message.id)); }},
    {PidTagParentSourceKey, [](auto& v, Arena& a) { return bytes(a, v.store->source_key(state::folder_of(v.message.folder))); }},
    {PidTagChangeKey, [](auto& v, Arena& a) { return bytes(a, v.store->source_key(v.message.change_number)); }},
    {PidTagPredecessorChangeList,
     [](auto& v, Arena& a) { return bytes(a, v.store->predecessor_change_list(v.message.change_number)); }},
    {PidTagChangeNumber, [](auto& v, Arena&) { return wide(v.store->id(v.message.change_number).value); }},
    {PidTagStoreEntryId, [](auto& v, Arena& a) { return bytes(a, v.store->store_entry_id()); }},
    {PidTagStoreRecordKey, [](auto& v, Arena& a) { return Cell(binary_value(a, v.store->mailbox.bytes)); }},
    {PidTagMappingSignature, [](auto& v, Arena& a) { return Cell(binary_value(a, v.store->replica.bytes)); }},
    {PidTagObjectType, [](auto&, Arena&) { return number(5); }},
    {PidTagRowType, [](auto&, Arena&) { return number(1); }},
    {PidTagDepth, [](auto&, Arena&) { return number(0); }},
    {PidTagAccess, [](auto& v, Arena&) { return number(v.store->message_access(v.message.folder)); }},
    {PidTagAccessLevel, [](auto& v, Arena&) { return number(v.store->message_level(v.message.folder)); }},
    {PidTagAssociated, [](auto& v, Arena&) { return flag(state::is_associated(v.message.folder)); }},
    {PidTagMessageFlags, [](auto& v, Arena&) { return number(message_flags(v.message)); }},
    {PidTagRead, [](auto& v, Arena&) { return flag(has(v, state::flag_seen)); }},
    {PidTagMessageStatus, [](auto& v, Arena&) { return number(v.message.extras.number(PidTagMessageStatus)); }},
    {PidTagMessageSize, [](auto& v, Arena&) { return number(static_cast<std::int64_t>(std::min<std::uint64_t>(v.message.size, INT32_MAX))); }},
    {PidTagMessageSizeExtended, [](auto& v, Arena&) { return wide(v.message.size); }},
    {PidTagHasAttachments,
     [](auto& v, Arena&) { return flag(v.message.properties.number(PidTagHasAttachments) != 0); }},
    // followupFlagged, and its red icon ([MS-OXOFLAG] 2.2.1.1 and 2.2.1.2); unflagged messages have neither.
    {PidTagFlagStatus, [](auto& v, Arena&) { return has(v, state::flag_flagged) ? number(2) : beside(v, PidTagFlagStatus); }},
    {PidTagFollowupIcon, [](auto& v, Arena&) { return beside(v, PidTagFollowupIcon, has(v, state::flag_flagged) ? number(6) : Cell()); }},
    // [MS-OXOMSG] 2.2.1.10 and [MS-OXCMSG] 2.2.1.10: replied 0x105, forwarded 0x106; verbs 102 and 104.
    {PidTagIconIndex,
     [](auto& v, Arena&) {
       if (auto set = find_in(v.message.extras, PidTagIconIndex)) return set;
       if (has(v, state::flag_answered)) return number(0x105);
       if (has(v, state::flag_forwarded)) return number(0x106);
       return from_bag_or(v, PidTagIconIndex, number(has(v, state::flag_seen) ? 0x100 : -1));
     }},
    {PidTagLastVerbExecuted,
     [](auto& v, Arena&) {
       if (auto set = beside(v, PidTagLastVerbExecuted)) return set;
       if (has(v, state::flag_answered)) return number(102);
       if (has(v, state::flag_forwarded)) return number(104);
       return Cell();
     }},
};

// What every message has, for messages whose header says nothing of it.
const Rows default_getters[] = {
    {PidTagMessageClass, [](auto&, Arena& a) { return Cell(Value::string(a, "IPM.Note")); }},
    {PidTagImportance, [](auto&, Arena&) { return number(1); }},
    {PidTagPriority, [](auto&, Arena&) { return number(0); }},
    {PidTagSensitivity, [](auto&, Arena&) { return number(0); }},
    {PidTagSubject,
     [](auto& v, Arena& a) {
       return Cell(Value::string(a, v.message.properties.string(PidTagSubjectPrefix) +
                                        v.message.properties.string(PidTagNormalizedSubject)));
     }},
    {PidTagNormalizedSubject, [](auto&, Arena&) { return Cell(Value::string(Utf16{})); }},
    {PidTagSubjectPrefix, [](auto&, Arena&) { return Cell(Value::string(Utf16{})); }},
    {PidTagMessageDeliveryTime, [](auto& v, Arena&) { return Cell(Value::time(v.message.received)); }},
    {PidTagCreationTime, [](auto& v, Arena&) { return Cell(Value::time(v.message.received)); }},
    {PidTagLastModificationTime, [](auto& v, Arena&) { return Cell(Value::time(v.message.received)); }},
    // Every message has one ([MS-OXCMSG] 2.2.1.1); who else writes here stands beside the message.
    {PidTagLastModifierName, [](auto& v, Arena& a) { return Cell(Value::string(a, v.store->display_name)); }},
    {PidTagDisplayTo, [](auto&, Arena&) { return Cell(Value::string(Utf16{})); }},
    {PidTagDisplayCc, [](auto&, Arena&) { return Cell(Value::string(Utf16{})); }},
    {PidTagDisplayBcc, [](auto&, Arena&) { return Cell(Value::string(Utf16{})); }},
    {PidTagMessageLocaleId, [](auto&, Arena&) { return number(0x0409); }},
};

// Whose name stands there is the owner; his entry id needs no place then.
Cell entry_id_of_owner(const MessageView& v, PropertyTag name, Arena& arena) {
  const auto said = beside(v, name);
  return said && text_of(*said) == v.store->display_name ? bytes(arena, v.store->user_entry_id()) : Cell();
}

// Told when asked for ([MS-OXCMSG] 2.2.1); not listed, so that no synchronisation carries them.
const Rows quiet_getters[] = {
    {PidTagCreatorEntryId, [](auto& v, Arena& a) { return entry_id_of_owner(v, PidTagCreatorName, a); }},
    {PidTagLastModifierEntryId,
     [](auto& v, Arena& a) {
       return beside(v, PidTagLastModifierName) ? entry_id_of_owner(v, PidTagLastModifierName, a) : bytes(a, v.store->user_entry_id());
     }},
    {PidTagLocaleId, [](auto& v, Arena&) { return beside(v, PidTagMessageLocaleId, number(0x0409)); }},
    {PidTagLocalCommitTime, [](auto& v, Arena&) { return beside(v, PidTagLastModificationTime, Cell(Value::time(v.message.received))); }},
};

bool is_hidden(PropertyTag tag) {
  return tag.id() == supplement_tag.id() || tag.id() == state::said_sender.id() || tag.id() == state::no_files_shown.id();
}

// Of two properties with one id (PidTagMessageSize and PidTagMessageSizeExtended) the one of this type.
template <std::size_t N>
const Rows* getter_for(const Rows (&getters)[N], PropertyTag tag) {
  const Rows* found = nullptr;
  for (const auto& getter : getters) {
    if (getter.tag == tag) return &getter;
    if (!found && getter.tag.id() == tag.id()) found = &getter;
  }
  return found;
}

}  // namespace

std::uint32_t message_flags(const state::Message& message) {
  std::uint32_t flags = mfUnmodified;
  if (message.flags & state::flag_seen) flags |= mfRead | mfEverRead;
  if (message.flags & state::flag_draft) flags = (flags | mfUnsent) & ~mfUnmodified;
  if (message.properties.number(PidTagHasAttachments) != 0) flags |= mfHasAttach;
  if (state::is_associated(message.folder)) flags |= mfFAI;
  if (wants_receipt(message)) flags |= mfNotifyRead;
  if (wants_unread_receipt(message)) flags |= mfNotifyUnread;
  flags |= static_cast<std::uint32_t>(message.extras.number(PidTagMessageFlags)) & (mfSubmitted | mfResend);
  return (flags & mfSubmitted) != 0 ? flags & ~mfUnsent : flags;  // RopSubmitMessage clears it, until RopAbortSubmit
}

Cell MessageSource::get(PropertyTag tag, Arena& arena) const {
  if (is_hidden(tag)) return std::nullopt;
  if (const auto* getter = getter_for(own_getters, tag)) return getter->get(view_, arena);
  if (auto value = find_in(view_.message.extras, tag)) return value;
  if (auto value = from_bag(view_, tag)) return value;
  if (const auto* getter = getter_for(default_getters, tag)) return getter->get(view_, arena);
  if (const auto* getter = getter_for(quiet_getters, tag)) return getter->get(view_, arena);
  if (tag.id() != 0 && tag.id() == view_.store->smart_no_attach && view_.message.properties.number(state::no_files_shown) != 0) return flag(true);
  return std::nullopt;
}

std::vector<PropertyTag> MessageSource::list() const {
  std::vector<PropertyTag> tags;
  Arena arena;
  for (const auto& getter : own_getters)
    if (getter.get(view_, arena)) tags.push_back(getter.tag);
  for (const auto& value : view_.message.properties)
    if (!is_hidden(value.tag) && !getter_for(own_getters, value.tag)) tags.push_back(value.tag);
  for (const auto& value : view_.message.extras)
    if (!is_hidden(value.tag) && !getter_for(own_getters, value.tag) && !find_in(view_.message.properties, value.tag) &&
        !getter_for(default_getters, value.tag))
      tags.push_back(value.tag);
  for (const auto& getter : default_getters)
    if (!find_in(view_.message.properties, getter.tag)) tags.push_back(getter.tag);
  return tags;
}

std::vector<PropertyTag> message_columns() {
  std::vector<PropertyTag> tags;
  for (const auto& getter : own_getters) tags.push_back(getter.tag);
  for (const auto& getter : default_getters) tags.push_back(getter.tag);
  for (const auto tag : {PidTagSenderName, PidTagSenderEmailAddress, PidTagSenderAddressType, PidTagSenderEntryId,
                         PidTagSenderSmtpAddress, PidTagSentRepresentingName, PidTagSentRepresentingEmailAddress,
                         PidTagSentRepresentingAddressType, PidTagSentRepresentingEntryId,
                         PidTagSentRepresentingSmtpAddress, PidTagClientSubmitTime, PidTagConversationTopic,
                         PidTagConversationIndex, PidTagInternetMessageId})
    tags.push_back(tag);
  return tags;
}

}  // namespace mapigate::mailbox
