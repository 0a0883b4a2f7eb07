// Sending ([MS-OXOMSG] 3.2.5): a message becomes Internet mail and goes to the outbox of its mailbox.
#include <algorithm>

#include "convert/vcard.h"
#include "mailbox/message_edit.h"
#include "mailbox/rop_call.h"
#include "mailbox/user_services.h"
#include "mailbox/writing_support.h"

namespace mapigate::mailbox {

namespace {

using namespace mapi;

// A folder of ours by ServerId ([MS-OXCDATA] 2.11.1.4) or entry id; 0 when it is none.
GlobalCounter folder_named(const RopCall& call, const PropertyBag& bag) {
  const auto* server_id = bag.find(PidTagSentMailSvrEID.with(PropertyType::PtypUnspecified));
  if (server_id && server_id->get<View>() && server_id->get<View>()->size() >= 9 && (*server_id->get<View>())[0] == 1) {
    std::uint64_t id = 0;
    std::memcpy(&id, server_id->get<View>()->data() + 1, 8);
    return RopCall::counter(Id(id));
  }
  auto entry_id = parse_folder_entry_id(bag.binary(PidTagSentMailEntryId));
  if (entry_id && entry_id->DatabaseGuid == call.store().replica) return counter_from(entry_id->GlobalCounter);
  return 0;
}

// [MS-OXOMSG] 2.2.3.2 to 2.2.3.4: number and units count from the submission, and outweigh a time. 0: at once.
FileTime deferred_until(const PropertyBag& bag) {
  constexpr std::int64_t units[] = {60, 3600, 24 * 3600, 7 * 24 * 3600};  // seconds
  constexpr std::int64_t most = 999;
  const auto number = bag.number(PidTagDeferredSendNumber), unit = bag.number(PidTagDeferredSendUnits);
  const bool both = bag.contains(PidTagDeferredSendNumber) && bag.contains(PidTagDeferredSendUnits);
  if (both && number >= 0 && number <= most && unit >= 0 && unit < std::ssize(units))
    return from_unix(to_unix(bag.time(PidTagClientSubmitTime)) + number * units[unit]);
  const auto time = bag.time(PidTagDeferredSendTime);
  return time.ticks != 0 ? time : bag.time(PidTagDeferredDeliveryTime);
}

struct Role {
  PropertyTag name, type, address, smtp, entry_id, search;
  convert::Address in(const PropertyBag& bag) const { return convert::person(bag, {name, type, address, entry_id, smtp}); }
  // All of them, so that none says something else than the others.
  void set(PropertyBag& bag, const std::string& its_name, const std::string& its_address) const {
    bag.set_string(name, its_name);
    bag.set_string(type, "SMTP");
    bag.set_string(address, its_address);
    bag.set_string(smtp, its_address);
    bag.set_binary(entry_id, one_off_entry_id(its_name, its_address));
    bag.set_binary(search, search_key(its_address));
  }
};
constexpr Role sender{PidTagSenderName, PidTagSenderAddressType, PidTagSenderEmailAddress, PidTagSenderSmtpAddress, PidTagSenderEntryId,
                      PidTagSenderSearchKey};
constexpr Role represented{PidTagSentRepresentingName,        PidTagSentRepresentingAddressType, PidTagSentRepresentingEmailAddress,
                           PidTagSentRepresentingSmtpAddress, PidTagSentRepresentingEntryId,     PidTagSentRepresentingSearchKey};

// Who sends is whoever is logged on. On whose behalf is the writer's to say ([MS-OXOMSG] 2.2.1.49 and following), as far as the directory
// lets him: but for meetings, which are passed on in the name of who called them ([MS-OXODLGT] "Submitting On Behalf Of Delegator").
ErrorCode set_sender(PropertyBag& bag, const StoreIdentity& store, UserServices* services) {
  const auto given = represented.in(bag);
  const bool is_address = given.address.find('@') != std::string::npos;
  const auto named = is_address ? given.address : bag.string(represented.address);
  auto name = store.display_name, address = store.user;
  if (!named.empty() && !equal_ignoring_ascii_case(named, store.user)) {
    const auto message_class = lower_ascii(bag.string(PidTagMessageClass));
    const bool is_meeting = message_class.starts_with("ipm.schedule.meeting.");
    const auto author = services ? services->author(store.user, named) : Result<KnownPerson>(error(Errc::denied, "not the own address"));
    if (author) {
      name = author->name;
      address = is_address ? given.address : author->address;
    } else if (is_meeting && is_address) {
      name = given.name;
      address = given.address;
    } else {
      return to_error_code(author.error());
    }
  } else if (name == store.user && !given.name.empty()) {
    name = given.name;  // nobody knows the user by another
  }
  const auto said = sender.in(bag);
  const bool own_name = store.display_name == store.user && !said.name.empty() && equal_ignoring_ascii_case(said.address, store.user);
  sender.set(bag, own_name ? said.name : store.display_name, store.user);
  represented.set(bag, name.empty() ? address : name, address);
  return ecNone;
}

// Whether messages in the message tell of their Bcc recipients: those do not leave either ([MS-OXCMAIL] 2.1.3.1.1.2).
bool tells_bcc(const convert::MessageData& message) {
  return std::any_of(message.attachments.begin(), message.attachments.end(), [](const auto& attachment) {
    if (!attachment.embedded) return false;
    const auto& inner = *attachment.embedded;
    const bool any = std::any_of(inner.recipients.begin(), inner.recipients.end(), [](const auto& one) { return (one.type & 0x0F) == 3; });
    return any || tells_bcc(inner);
  });
}

Task<ErrorCode> submit(RopCall& call, std::shared_ptr<MessageObject> message, bool spooled) {
  if (message->parent || message->associated) co_return ecNotSupported;
  // Who may open a mailbox may not yet send as its owner; delegates send from their own.
  if (call.session.is_guest()) co_return ecAccessDenied;
  if (!call.mailbox.can_submit()) co_return ecNotSupported;
  auto& mailbox = call.mailbox;
  auto ready = co_await make_editable(mailbox, message);
  if (!ready) co_return to_error_code(ready.error());
  auto& data = *message->data;
  std::vector<std::string> recipients;
  // Again, to those alone who have not got it yet ([MS-OXOMSG] 3.3.5.1.3).
  const bool again = (data.properties.number(PidTagMessageFlags) & mfResend) != 0;
  for (const auto* recipient : convert::addressees(data)) {
    if (again && (static_cast<std::uint32_t>(recipient->type) & convert::recipient_has_it)) continue;
    const auto address = convert::recipient_address(recipient->properties).address;
    if (address.find('@') == std::string::npos || address.find_first_of("\r\n<> ") != std::string::npos) co_return ecInvalidRecips;
    if (std::find(recipients.begin(), recipients.end(), address) == recipients.end()) recipients.push_back(address);
  }
  if (recipients.empty()) co_return ecInvalidRecips;
  auto& bag = data.properties;
  const auto allowed = set_sender(bag, call.store(), mailbox.context().services);
  if (allowed != ecNone) co_return allowed;
  bag.set_time(PidTagClientSubmitTime, now());
  const auto not_before = deferred_until(bag);
  if (not_before.ticks != 0 && not_before.ticks != bag.time(PidTagDeferredSendTime).ticks) {
    bag.set_time(PidTagDeferredSendTime, not_before);
    message->content_changed = true;
  }
  if (message->content_changed || !message->saved) {
    auto saved = co_await save(mailbox, message, true);
    if (!saved) co_return mapi::to_error_code(saved.error());
  }
  convert::MimeWriteOptions options;
  options.from = {{}, call.store().user};
  options.host = domain_of(call.store().user);
  auto names = co_await mailbox.names_in(data);
  if (!names) co_return to_error_code(names.error());
  options.names = std::move(*names);
  auto* raw = message->data.get();
  auto write = [raw, &options]() { return stored_form(*raw, options); };
  auto form = co_await io::run_blocking(mailbox.context().runtime, write);
  if (!form) co_return to_error_code(form.error());
  if (form->mime.size() > std::size_t{mailbox.context().options.max_submit_kilobytes} * 1024) co_return ecTooBig;

  Mailbox::Submission submission;
  submission.mime = form->mime;
  const bool as_tnef = convert::leaves_as_tnef(data, options.names, mailbox.context().options.tnef);
  if (as_tnef || tells_bcc(data) || convert::has_contacts(data)) {
    // For those who get it alone: the sender's own copy stays whole and readable to every client.
    auto leaving_options = options;
    leaving_options.bcc = false;
    leaving_options.tnef = as_tnef;
    auto write_leaving = [raw, &leaving_options]() { return convert::write_mime(*raw, leaving_options); };
    auto leaving = co_await io::run_blocking(mailbox.context().runtime, write_leaving);
    if (!leaving) co_return to_error_code(leaving.error());
    if (leaving->size() > std::size_t{mailbox.context().options.max_submit_kilobytes} * 1024) co_return ecTooBig;
    submission.leaving = std::move(*leaving);
  }
  submission.recipients = std::move(recipients);
  submission.subject = bag.string(PidTagSubject);
  submission.folder = message->folder;
  submission.message = message->id;
  submission.extras = std::move(form->extras);
  for (const auto tag : {PidTagMessageFlags, PidTagDeleteAfterSubmit, PidTagSentMailEntryId, PidTagDeferredSendTime, PidTagDeferredSendNumber,
                         PidTagDeferredSendUnits, PidTagTargetEntryId})
    submission.extras.remove(tag);
  submission.extras.remove(PidTagSentMailSvrEID);
  submission.not_before = not_before;
  submission.is_report = convert::is_report(bag);
  submission.spooled = spooled;
  submission.wants_delivery_report = !submission.is_report && bag.number(PidTagOriginatorDeliveryReportRequested) != 0;
  if (bag.number(PidTagDeleteAfterSubmit) == 0) {
    submission.copy_to = folder_named(call, bag);
    if (submission.copy_to == 0 || !mailbox.tree()->find(submission.copy_to)) submission.copy_to = special_id(FolderRole::sent_items);
  }
  auto taken = co_await mailbox.submit(std::move(submission));
  if (!taken) co_return to_error_code(taken.error());
  auto edit = [](const state::Message& current) {
    auto extras = current.extras.clone();
    extras.set_integer(PidTagMessageFlags, static_cast<std::int32_t>(extras.number(PidTagMessageFlags) & mfResend) | mfSubmitted);
    return extras;
  };
  auto marked = co_await mailbox.save_extras(message->folder, message->id, edit, 0, 0);
  (void)marked;  // it may have left already
  co_return ecNone;
}

Task<ErrorCode> submit_message(RopCall& call, const wire::RopSubmitMessage::Request&, wire::RopSubmitMessage::Response&) {
  auto message = call.object<MessageObject>();
  if (!message) co_return call.why;
  co_return co_await submit(call, message, false);
}

// Row T1: what the client needs for its own copy.
Task<ErrorCode> transport_send(RopCall& call, const wire::RopTransportSend::Request&, wire::RopTransportSend::Response& response) {
  auto message = call.object<MessageObject>();
  if (!message) co_return call.why;
  const auto code = co_await submit(call, message, true);
  if (code != ecNone) co_return code;
  std::vector<TaggedValue> values;
  for (const auto tag : {PidTagSenderName, PidTagSenderAddressType, PidTagSenderEmailAddress, PidTagSenderEntryId, PidTagSenderSearchKey,
                         PidTagSentRepresentingName, PidTagSentRepresentingAddressType, PidTagSentRepresentingEmailAddress,
                         PidTagSentRepresentingEntryId, PidTagSentRepresentingSearchKey, PidTagClientSubmitTime})
    if (const auto* value = message->data->properties.find(tag)) values.push_back({tag, copy(call.arena, *value)});
  response.PropertyValues = call.arena.copy(std::span<const TaggedValue>(values));
  co_return ecNone;
}

Task<ErrorCode> abort_submit(RopCall& call, const wire::RopAbortSubmit::Request& request, wire::RopAbortSubmit::Response&) {
  if (!call.object<LogonObject>()) co_return call.why;
  const auto folder = RopCall::counter(request.FolderId), id = RopCall::counter(request.MessageId);
  auto stopped = co_await call.mailbox.abort_submit(folder, id);
  if (!stopped) co_return to_error_code(stopped.error());
  if (*stopped != Mailbox::Abort::stopped) co_return *stopped == Mailbox::Abort::on_its_way ? ecUnableToAbort : ecNotInQueue;
  auto marked = co_await call.mailbox.unmark_submitted(folder, id);
  co_return marked ? ecNone : to_error_code(marked.error());
}

// A client that spools itself: the server sends at once, so there is nothing to hand over.
Task<ErrorCode> set_spooler(RopCall& call, const wire::RopSetSpooler::Request&, wire::RopSetSpooler::Response&) {
  co_return call.object<LogonObject>() ? ecNone : call.why;
}
// Row T1: what a client has sent by itself goes where it wants to have it. What is in our outbox is the outbox's to file.
Task<Status> file_finished(Mailbox* mailbox, state::Message row, const StoreIdentity& store) {
  if (row.extras.number(PidTagMessageFlags) & mfSubmitted) co_return Status{};
  auto data = co_await mailbox->stored_data(row.id);
  if (!data) co_return data.error();
  const auto& bag = *data ? (*data)->properties : row.extras;
  const auto from = state::folder_of(row.folder);
  std::vector<GlobalCounter> only(1, row.id);
  if (bag.number(PidTagDeleteAfterSubmit) != 0) co_return co_await mailbox->delete_messages(from, std::move(only), Deletion::hard);
  const auto target = parse_message_entry_id(bag.binary(PidTagTargetEntryId));
  if (!target || target->FolderDatabaseGuid != store.replica) co_return Status{};
  const auto to = counter_from(target->FolderGlobalCounter);
  if (to == from || !mailbox->tree()->find(to)) co_return Status{};
  co_return co_await mailbox->move_messages(from, std::move(only), to, false);
}

Task<ErrorCode> spooler_lock_message(RopCall& call, const wire::RopSpoolerLockMessage::Request& request,
                                     wire::RopSpoolerLockMessage::Response&) {
  using Rop = wire::RopSpoolerLockMessage;
  if (!call.object<LogonObject>()) co_return call.why;
  if (request.LockState > Rop::Finished) co_return ecInvalidParam;
  const bool finished = request.LockState == Rop::Finished;
  auto row = co_await call.mailbox.message(RopCall::counter(request.MessageId));
  if (!row) co_return finished && row.error().code == Errc::not_found ? ecNone : to_error_code(row.error());
  if (!finished) co_return ecNone;
  auto filed = co_await file_finished(&call.mailbox, std::move(*row), call.store());
  co_return filed ? ecNone : to_error_code(filed.error());
}
Task<ErrorCode> transport_new_mail(RopCall& call, const wire::RopTransportNewMail::Request& request, wire::RopTransportNewMail::Response&) {
  if (!call.object<LogonObject>()) co_return call.why;
  const auto folder = RopCall::counter(request.FolderId);
  if (!call.mailbox.tree()->find(folder)) co_return ecNotFound;
  // [MS-OXOMSG] 2.2.5.5: everyone who waits for new mail hears of it. A message that has gone meanwhile is no news.
  auto row = co_await call.mailbox.message(RopCall::counter(request.MessageId));
  if (row && row->folder == folder) call.mailbox.tell_new_mail(*row);
  co_return row || row.error().code == Errc::not_found ? ecNone : to_error_code(row.error());
}

Task<ErrorCode> options_data(RopCall& call, const wire::RopOptionsData::Request&, wire::RopOptionsData::Response& response) {
  if (!call.object<LogonObject>()) co_return call.why;
  response.Reserved = 1;
  co_return ecNone;
}

}  // namespace

HandlerList transport_handlers() {
  static constexpr HandlerEntry list[] = {
      on<wire::RopSubmitMessage, submit_message>(),
      on<wire::RopTransportSend, transport_send>(),
      on<wire::RopAbortSubmit, abort_submit>(),
      on<wire::RopSetSpooler, set_spooler>(),
      on<wire::RopSpoolerLockMessage, spooler_lock_message>(),
      on<wire::RopTransportNewMail, transport_new_mail>(),
      on<wire::RopOptionsData, options_data>(),
  };
  return list;
}

}  // namespace mapigate::mailbox
