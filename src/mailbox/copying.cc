// RopCopyTo and RopCopyProperties ([MS-OXCPRPT] 3.2.5.7 and 3.2.5.8): properties and subobjects of a message or attachment into
// another of its kind, where they last when that is saved; folders are in folder_copying.cc. A client may allow it to go on in the
// background; it never has to.
#include <algorithm>

#include "mailbox/copying.h"
#include "mailbox/message_edit.h"
#include "mailbox/property_writing.h"

namespace mapigate::mailbox {

namespace {

using mapi::PropertyTag;

constexpr auto ecMessageCycle = static_cast<ErrorCode>(0x00000504);

bool is_object(PropertyTag tag) {
  return tag.id() == mapi::PidTagMessageRecipients.id() || tag.id() == mapi::PidTagMessageAttachments.id();
}

// The source as data, without a change to it.
Task<Result<std::shared_ptr<convert::MessageData>>> data_of(Mailbox* mailbox, std::shared_ptr<MessageObject> message) {
  if (message->data) co_return message->data;
  auto copy = std::make_shared<MessageObject>();
  copy->folder = message->folder;
  copy->id = message->id;
  copy->parent = message->parent;
  copy->code_page = message->code_page;
  if (message->extras) copy->extras = message->extras->clone();
  auto made = co_await make_editable(*mailbox, copy);
  if (!made) co_return made.error();
  co_return copy->data;
}

Task<std::optional<mapi::Value>> flag_status(Mailbox* mailbox, std::shared_ptr<MessageObject> message) {
  if (message->parent || !message->saved) co_return std::nullopt;
  auto row = co_await mailbox->message(message->id);
  if (!row) co_return std::nullopt;
  const auto flags = (row->flags | message->set_flags) & ~message->clear_flags;
  if ((flags & state::flag_flagged) == 0) co_return std::nullopt;
  co_return mapi::Value::integer32(2);
}

// What a message has, unsaved changes and its flag among it.
struct Taken {
  std::shared_ptr<convert::MessageData> data;
  mapi::PropertyBag properties;
};
Task<Result<Taken>> take_message(Mailbox* mailbox, std::shared_ptr<MessageObject> from) {
  auto source = co_await data_of(mailbox, from);
  if (!source) co_return source.error();
  Taken out;
  out.data = *source;
  out.properties = out.data->properties.clone();
  auto flagged = co_await flag_status(mailbox, from);
  if (flagged) out.properties.set(mapi::PidTagFlagStatus, *flagged);
  co_return out;
}

Task<ErrorCode> put_into(Mailbox* mailbox, std::shared_ptr<MessageObject> to, const Taken* taken, Selection selection, unsigned code_page,
                         Problems* problems, std::vector<PropertyTag>* copied) {
  auto ready = co_await make_editable(*mailbox, to);
  if (!ready) co_return mapi::to_error_code(ready.error());
  auto properties = taken->properties.clone();
  for (const auto tag : {mapi::PidTagSubjectPrefix, mapi::PidTagNormalizedSubject})
    if (selection.wants(mapi::PidTagSubject) && properties.contains(mapi::PidTagSubject)) properties.remove(tag);
  const auto before = to->data->properties.clone();
  std::size_t at = 0;
  for (const auto& [tag, value] : properties) {
    const auto place = selection.place(tag, at++);
    if (!selection.wants(tag) || is_object(tag)) continue;
    // Made by the store for every message: no client means these when it asks for all.
    const bool own = is_computed(tag) || tag.id() == mapi::PidTagMessageFlags.id() || tag.id() == mapi::PidTagMessageStatus.id();
    if (own) {
      if (!selection.all_but) problems->push_back({place, tag, mapi::ecComputed});
      continue;
    }
    if (!selection.overwrites() && before.contains(tag.with(mapi::PropertyType::PtypUnspecified))) continue;
    const auto code = co_await set_property(*mailbox, to, tag, value, code_page);
    if (code == mapi::ecNetwork || code == mapi::ecTimeout) co_return code;
    if (code != mapi::ecNone) problems->push_back({place, tag, code});
    else copied->push_back(tag);
  }
  const auto is_there = [&properties](PropertyTag tag) {
    return is_object(tag) || is_computed(tag) || properties.contains(tag.with(mapi::PropertyType::PtypUnspecified));
  };
  selection.report_missing(is_there, problems);
  const bool overwrite = selection.overwrites();
  if (selection.wants_object(mapi::PidTagMessageRecipients) && (overwrite || to->data->recipients.empty())) {
    to->data->recipients.clear();
    for (const auto& one : taken->data->recipients) to->data->recipients.push_back(one.clone());
    to->content_changed = true;
    copied->push_back(mapi::PidTagMessageRecipients);
  }
  if (selection.wants_object(mapi::PidTagMessageAttachments) && (overwrite || to->data->attachments.empty())) {
    to->data->attachments.clear();
    for (const auto& one : taken->data->attachments) {
      to->data->attachments.push_back(one.clone());
      to->data->next_attachment = std::max(to->data->next_attachment, one.number + 1);
    }
    to->content_changed = true;
    copied->push_back(mapi::PidTagMessageAttachments);
  }
  co_return mapi::ecNone;
}

// What was moved is in the source no more, when that is saved ([MS-OXCPRPT] 3.2.5.7 and 3.2.5.8).
Task<ErrorCode> remove_copied(Mailbox* mailbox, std::shared_ptr<MessageObject> from, const std::vector<PropertyTag>* copied) {
  for (const auto tag : *copied) {
    if (is_object(tag)) {
      auto ready = co_await make_editable(*mailbox, from);
      if (!ready) co_return mapi::to_error_code(ready.error());
      if (tag.id() == mapi::PidTagMessageRecipients.id()) from->data->recipients.clear();
      else from->data->attachments.clear();
      from->content_changed = true;
      continue;
    }
    const auto code = co_await delete_property(*mailbox, from, tag);
    if (code != mapi::ecNone && code != mapi::ecNotFound) co_return code;
  }
  co_return mapi::ecNone;
}

Task<ErrorCode> copy_message(RopCall& call, std::shared_ptr<MessageObject> from, std::shared_ptr<MessageObject> to,
                             Selection selection, Problems* problems) {
  auto taken = co_await take_message(&call.mailbox, from);
  if (!taken) co_return mapi::to_error_code(taken.error());
  std::vector<PropertyTag> copied;
  const auto code = co_await put_into(&call.mailbox, to, &*taken, selection, call.session.options().code_page, problems, &copied);
  if (code != mapi::ecNone || !selection.moves()) co_return code;
  co_return co_await remove_copied(&call.mailbox, from, &copied);
}

// -- into a message of another mailbox of the session

// On the executor of that mailbox. Tags are those of the source, coming and going.
Task<ErrorCode> put_across(OtherHandle to, Taken taken, std::map<std::uint16_t, mapi::PropertyName> names, Selection selection,
                           unsigned code_page, Problems* problems, std::vector<PropertyTag>* copied) {
  Destination there;
  const auto opened = co_await there.open(to, Object::Kind::message, std::move(names));
  if (opened != mapi::ecNone) co_return opened;
  taken.data->properties = std::move(taken.properties);
  Taken ours;
  ours.data = renamed(*taken.data, there.map().ids());
  ours.properties = ours.data->properties.clone();
  const auto wanted = there.ours(selection);
  const auto code = co_await put_into(there.mailbox(), there.object<MessageObject>(), &ours, wanted, code_page, problems, copied);
  there.give_back(problems);
  for (auto& tag : *copied) tag = there.map().theirs(tag);
  co_return code;
}

Task<ErrorCode> copy_across(RopCall& call, std::shared_ptr<MessageObject> from, OtherHandle to, Selection selection, Problems* problems) {
  auto source = co_await take_message(&call.mailbox, from);
  if (!source) co_return mapi::to_error_code(source.error());
  // The source's own may change while the other mailbox looks at it.
  Taken taken;
  taken.data = std::make_shared<convert::MessageData>(source->data->clone());
  taken.properties = std::move(source->properties);
  auto names = co_await call.mailbox.all_names_in(taken.data.get());
  if (!names) co_return mapi::to_error_code(names.error());
  std::vector<PropertyTag> copied;
  auto putting = put_across(to, std::move(taken), std::move(*names), selection, call.session.options().code_page, problems, &copied);
  const auto code = co_await io::on(to.session->mailbox().executor(), std::move(putting));
  if (code != mapi::ecNone || !selection.moves()) co_return code;
  co_return co_await remove_copied(&call.mailbox, from, &copied);
}

// -- attachments

using Attached = convert::MessageData::Attachment;

Task<Result<std::shared_ptr<Attached>>> take_attachment(Mailbox* mailbox, std::shared_ptr<AttachmentObject> from) {
  const Attached* source = from->edit.get();
  std::shared_ptr<convert::MessageData> held;
  if (!source) {
    auto data = co_await data_of(mailbox, from->message);
    if (!data) co_return data.error();
    held = *data;
    source = held->attachment(static_cast<std::uint32_t>(from->index));
  }
  if (!source) co_return error(Errc::not_found, "the attachment is gone");
  co_return std::make_shared<Attached>(source->clone());
}

struct CopiedAttachment {
  std::vector<PropertyTag> tags;
  bool data = false, embedded = false;
};

Task<ErrorCode> put_attachment(Mailbox* mailbox, const Attached* taken, std::shared_ptr<AttachmentObject> to, Selection selection,
                               Problems* problems, CopiedAttachment* copied) {
  auto ready = co_await edit_attachment(*mailbox, to);
  if (!ready) co_return mapi::to_error_code(ready.error());
  const bool overwrite = selection.overwrites();
  std::size_t at = 0;
  for (const auto& [tag, value] : taken->properties) {
    const auto place = selection.place(tag, at++);
    if (!selection.wants(tag)) continue;
    if (tag.id() == mapi::PidTagAttachNumber.id() || tag.id() == mapi::PidTagAttachSize.id()) {
      if (!selection.all_but) problems->push_back({place, tag, mapi::ecComputed});
      continue;
    }
    if (!overwrite && to->edit->properties.contains(tag)) continue;
    to->edit->properties.set(tag, value);
    copied->tags.push_back(tag);
  }
  const auto is_there = [taken](PropertyTag tag) {
    return tag.id() == mapi::PidTagAttachDataBinary.id() || tag.id() == mapi::PidTagAttachNumber.id() ||
           tag.id() == mapi::PidTagAttachSize.id() || taken->properties.contains(tag.with(mapi::PropertyType::PtypUnspecified));
  };
  selection.report_missing(is_there, problems);
  const bool data = selection.wants(mapi::PidTagAttachDataBinary);
  copied->data = data && taken->data.size() > 0 && (overwrite || to->edit->data.size() == 0);
  copied->embedded = taken->embedded && (selection.all_but ? selection.subobjects && data : data);
  if (copied->data) to->edit->data = taken->data;
  if (copied->embedded) to->edit->embedded = taken->embedded;
  co_return mapi::ecNone;
}

Task<ErrorCode> remove_copied(Mailbox* mailbox, std::shared_ptr<AttachmentObject> from, const CopiedAttachment* copied) {
  auto ready = co_await edit_attachment(*mailbox, from);
  if (!ready) co_return mapi::to_error_code(ready.error());
  for (const auto tag : copied->tags) from->edit->properties.remove(tag);
  if (copied->data) from->edit->data = {};
  if (copied->embedded) from->edit->embedded.reset();
  co_return mapi::ecNone;
}

Task<ErrorCode> copy_attachment(RopCall& call, std::shared_ptr<AttachmentObject> from, std::shared_ptr<AttachmentObject> to,
                                Selection selection, Problems* problems) {
  auto taken = co_await take_attachment(&call.mailbox, from);
  if (!taken) co_return mapi::to_error_code(taken.error());
  const auto held = *taken;
  CopiedAttachment copied;
  const auto code = co_await put_attachment(&call.mailbox, held.get(), to, selection, problems, &copied);
  if (code != mapi::ecNone || !selection.moves()) co_return code;
  co_return co_await remove_copied(&call.mailbox, from, &copied);
}

// On the executor of that mailbox; `holder` holds the attachment alone.
Task<ErrorCode> put_attachment_across(OtherHandle to, std::shared_ptr<convert::MessageData> holder, std::map<std::uint16_t, mapi::PropertyName> names,
                                      Selection selection, Problems* problems, CopiedAttachment* copied) {
  Destination there;
  const auto opened = co_await there.open(to, Object::Kind::attachment, std::move(names));
  if (opened != mapi::ecNone) co_return opened;
  const auto ours = renamed(*holder, there.map().ids());
  const auto wanted = there.ours(selection);
  const auto code = co_await put_attachment(there.mailbox(), &ours->attachments.front(), there.object<AttachmentObject>(), wanted, problems, copied);
  there.give_back(problems);
  for (auto& tag : copied->tags) tag = there.map().theirs(tag);
  co_return code;
}

Task<ErrorCode> copy_attachment_across(RopCall& call, std::shared_ptr<AttachmentObject> from, OtherHandle to, Selection selection,
                                       Problems* problems) {
  auto taken = co_await take_attachment(&call.mailbox, from);
  if (!taken) co_return mapi::to_error_code(taken.error());
  auto holder = std::make_shared<convert::MessageData>();
  holder->attachments.push_back((*taken)->clone());
  // The source's own may change while the other mailbox looks at it.
  auto& alone = holder->attachments.front();
  if (alone.embedded) alone.embedded = std::make_shared<convert::MessageData>(alone.embedded->clone());
  auto names = co_await call.mailbox.all_names_in(holder.get());
  if (!names) co_return mapi::to_error_code(names.error());
  CopiedAttachment copied;
  auto putting = put_attachment_across(to, holder, std::move(*names), selection, problems, &copied);
  const auto code = co_await io::on(to.session->mailbox().executor(), std::move(putting));
  if (code != mapi::ecNone || !selection.moves()) co_return code;
  co_return co_await remove_copied(&call.mailbox, from, &copied);
}

// Whether `message` is somewhere within `outer`.
bool is_within(const MessageObject* message, const MessageObject& outer) {
  for (unsigned depth = 0; depth < 100 && message && message->parent; ++depth) {
    message = message->parent->message.get();
    if (message == &outer || (message && !message->parent && !outer.parent && message->id != 0 && message->id == outer.id)) return true;
  }
  return false;
}

Task<ErrorCode> copy_between(RopCall& call, std::uint8_t destination, Selection selection, std::span<const wire::PropertyProblem>* out) {
  auto from = call.find(), to = call.find(destination);
  if (!from) co_return mapi::ecNullObject;
  auto* other = call.other_with(destination);
  if (!to && !other) co_return mapi::ecDstNullObject;
  // Whether the one in another mailbox is of the same kind is seen there.
  const bool goes = from->kind == Object::Kind::message || from->kind == Object::Kind::attachment || from->kind == Object::Kind::folder;
  if (!goes || (to && from->kind != to->kind)) co_return mapi::ecNotSupported;
  // The two flags do not go together ([MS-OXCPRPT] 2.2.10.1 and 2.2.11.1).
  if ((selection.flags & ~(flag_move | flag_no_overwrite)) || selection.flags == (flag_move | flag_no_overwrite))
    co_return mapi::ecInvalidParam;
  if ((to && is_read_only(*to)) || (selection.moves() && is_read_only(*from))) co_return mapi::ecAccessDenied;
  Problems problems;
  ErrorCode code = mapi::ecNotSupported;
  // Of a folder nothing has to go ([MS-OXCPRPT] 3.2.5.7 and 3.2.5.8): RopCopyTo may be asked to move it, and copies.
  if (from->kind == Object::Kind::folder && selection.moves() && !selection.all_but) {
    code = mapi::ecNotSupported;
  } else if (other && from->kind == Object::Kind::folder) {
    const OtherHandle there{other, call.handles[destination]};
    code = co_await copy_folder_across(call, std::static_pointer_cast<FolderObject>(from), there, selection, &problems);
  } else if (other && from->kind == Object::Kind::attachment) {
    const OtherHandle there{other, call.handles[destination]};
    code = co_await copy_attachment_across(call, std::static_pointer_cast<AttachmentObject>(from), there, selection, &problems);
  } else if (other) {
    code = co_await copy_across(call, std::static_pointer_cast<MessageObject>(from), {other, call.handles[destination]}, selection, &problems);
  } else if (from == to) {
    code = mapi::ecNone;
  } else if (from->kind == Object::Kind::message) {
    if (is_within(static_cast<const MessageObject*>(to.get()), static_cast<const MessageObject&>(*from))) co_return ecMessageCycle;
    code = co_await copy_message(call, std::static_pointer_cast<MessageObject>(from), std::static_pointer_cast<MessageObject>(to), selection,
                                 &problems);
  } else if (from->kind == Object::Kind::attachment) {
    code = co_await copy_attachment(call, std::static_pointer_cast<AttachmentObject>(from), std::static_pointer_cast<AttachmentObject>(to),
                                    selection, &problems);
  } else {
    code = co_await copy_folder_into(call, std::static_pointer_cast<FolderObject>(from), std::static_pointer_cast<FolderObject>(to),
                                     selection, &problems);
  }
  *out = call.arena.copy(std::span<const wire::PropertyProblem>(problems));
  co_return code;
}

Task<ErrorCode> copy_to(RopCall& call, const wire::RopCopyTo::Request& request, wire::RopCopyTo::Response& response) {
  response.DestHandleIndex = request.DestHandleIndex;
  Selection selection;
  selection.all_but = true;
  selection.tags = request.ExcludedTags;
  selection.subobjects = request.WantSubObjects;
  selection.flags = request.CopyFlags;
  co_return co_await copy_between(call, request.DestHandleIndex, selection, &response.PropertyProblems);
}

Task<ErrorCode> copy_properties(RopCall& call, const wire::RopCopyProperties::Request& request, wire::RopCopyProperties::Response& response) {
  response.DestHandleIndex = request.DestHandleIndex;
  Selection selection;
  selection.tags = request.PropertyTags;
  selection.flags = request.CopyFlags;
  co_return co_await copy_between(call, request.DestHandleIndex, selection, &response.PropertyProblems);
}

}  // namespace

bool Selection::named(PropertyTag tag) const {
  return std::any_of(tags.begin(), tags.end(), [&](auto one) { return one.id() == tag.id(); });
}
void Selection::report_missing(const std::function<bool(PropertyTag)>& is_there, Problems* problems) const {
  for (std::size_t i = 0; !all_but && i < tags.size(); ++i)
    if (!is_there(tags[i])) problems->push_back({static_cast<std::uint16_t>(i), tags[i], mapi::ecNotFound});
}
std::uint16_t Selection::place(PropertyTag tag, std::size_t otherwise) const {
  for (std::size_t i = 0; !all_but && i < tags.size(); ++i)
    if (tags[i].id() == tag.id()) return static_cast<std::uint16_t>(i);
  return static_cast<std::uint16_t>(otherwise);
}

TagMap::TagMap(NamedIdMap ids) : ids_(std::move(ids)) {
  for (const auto& [theirs, own] : ids_) back_[own] = theirs;
}
std::vector<PropertyTag> TagMap::ours(std::span<const PropertyTag> tags) const {
  std::vector<PropertyTag> out;
  for (const auto tag : tags) out.push_back(ours(tag));
  return out;
}
void TagMap::give_back(Problems* problems, bool all_but, std::span<const PropertyTag> asked) const {
  for (auto& problem : *problems)
    problem.PropertyTag = !all_but && problem.Index < asked.size() ? asked[problem.Index] : theirs(problem.PropertyTag);
}
PropertyTag TagMap::through(PropertyTag tag, const NamedIdMap& map) {
  const auto found = map.find(tag.id());
  return !tag.named() ? tag : PropertyTag(found == map.end() ? std::uint16_t{0} : found->second, tag.type());
}

Task<ErrorCode> Destination::open(OtherHandle to, Object::Kind kind, std::map<std::uint16_t, mapi::PropertyName> names) {
  mailbox_ = &to.session->mailbox();
  using_it_ = mailbox_->use();
  auto opened = co_await mailbox_->open();
  if (!opened) co_return mapi::to_error_code(opened.error());
  object_ = to.session->find(to.handle);
  if (!object_) co_return mapi::ecDstNullObject;
  if (object_->kind != kind) co_return mapi::ecNotSupported;
  if (is_read_only(*object_)) co_return mapi::ecAccessDenied;
  auto ids = co_await mailbox_->own_ids(std::move(names));
  if (!ids) co_return mapi::to_error_code(ids.error());
  map_ = TagMap(std::move(*ids));
  co_return mapi::ecNone;
}
Selection Destination::ours(Selection selection) {
  asked_ = selection;
  tags_ = map_.ours(selection.tags);
  selection.tags = tags_;
  return selection;
}

HandlerList copying_handlers() {
  static constexpr HandlerEntry list[] = {on<wire::RopCopyTo, copy_to>(), on<wire::RopCopyProperties, copy_properties>()};
  return list;
}

}  // namespace mapigate::mailbox
