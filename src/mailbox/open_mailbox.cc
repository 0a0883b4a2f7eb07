#include "mailbox/open_mailbox.h"

#include <algorithm>

#include "base/log.h"
#include "mailbox/property_writing.h"
#include "mailbox/rop_call.h"

namespace mapigate::mailbox {

using mapi::ErrorCode;
using wire::RopId;

namespace {

constexpr std::size_t pending_size = 3;  // of RopPending

// The fields of a response nobody filled: for errors whose responses have some. Every field list reads
// from zeros.
void* zero_response(const wire::RopRequest& request, ErrorCode code, Arena& arena) {
  static constexpr std::uint8_t zeros[64] = {};
  Cursor cursor(zeros);
  wire::FieldReader reader(cursor, arena);
  wire::ResponseContext context;
  context.ReturnValue = code;
  context.request = &request;
  return request.codec->read_response(reader, context);
}

bool counts_as_message(const Object& object) {
  return object.kind == Object::Kind::message || object.kind == Object::Kind::attachment || object.kind == Object::Kind::stream ||
         object.kind == Object::Kind::download;
}

}  // namespace

// The index of the handle that a ROP works on; RopLogon has none.
std::optional<std::uint8_t> input_index(const wire::RopRequest& request) {
  const std::string_view name = request.codec->handle_name;
  if (name == wire::output_handle) return {};
  return name == wire::response_handle ? request.codec->second_handle_index(request) : request.HandleIndex;
}

OpenMailbox::OpenMailbox(std::shared_ptr<Mailbox> mailbox, SessionOptions options, std::shared_ptr<SessionShare> share, std::string guest)
    : mailbox_(std::move(mailbox)), options_(options), share_(std::move(share)), owner_(mailbox_->login()->user), guest_(std::move(guest)) {
  mailbox_->listen(this, !is_guest());
}
OpenMailbox::~OpenMailbox() { mailbox_->unlisten(this, !is_guest()); }

std::shared_ptr<OpenMailbox> OpenMailbox::make(std::shared_ptr<Mailbox> mailbox, SessionOptions options,
                                               std::shared_ptr<SessionShare> share, std::string guest) {
  const auto executor = mailbox->executor();
  const bool elsewhere = !guest.empty();
  auto* made = new OpenMailbox(std::move(mailbox), options, std::move(share), std::move(guest));
  if (!elsewhere) return std::shared_ptr<OpenMailbox>(made);
  // The session lets go of it on an executor of its own.
  const auto end = [executor](OpenMailbox* one) {
    std::shared_ptr<OpenMailbox> held(one);
    io::post(executor, [held = std::move(held)] {});
  };
  return std::shared_ptr<OpenMailbox>(made, end);
}

// -- handles

std::shared_ptr<Object> OpenMailbox::find(std::uint32_t handle) const {
  const auto found = objects_.find(handle);
  return found == objects_.end() ? nullptr : found->second;
}

OpenMailbox* OpenMailbox::other_with(std::uint32_t handle) const {
  const auto found = share_->handles.find(handle);
  return found == share_->handles.end() || found->second == this ? nullptr : found->second;
}

Result<std::uint32_t> OpenMailbox::add(std::shared_ptr<Object> object) {
  const auto& limits = mailbox_->context().options;
  const bool table = object->kind == Object::Kind::table;
  const bool message = counts_as_message(*object);
  if (share_->handles.size() >= limits.max_objects || (table && share_->tables >= limits.max_tables) ||
      (message && share_->messages >= limits.max_messages))
    return error(Errc::limit, "too many open objects in the session");
  share_->tables += table;
  share_->messages += message;
  auto& next = share_->next_handle;
  while (next == 0 || next == wire::no_handle || share_->handles.contains(next)) ++next;
  const auto handle = next++;
  share_->handles.emplace(handle, this);
  objects_.emplace(handle, std::move(object));
  return handle;
}

void OpenMailbox::release(std::uint32_t handle) {
  const auto found = objects_.find(handle);
  if (found == objects_.end()) return;
  if (found->second->kind == Object::Kind::table) --share_->tables;
  if (counts_as_message(*found->second)) --share_->messages;
  share_->handles.erase(handle);
  objects_.erase(found);
  std::erase_if(events_, [&](const auto& event) { return event.handle == handle; });
  note_pending();
}

Task<> OpenMailbox::release_handles(std::vector<std::uint32_t> handles) {
  for (const auto handle : handles) release(handle);
  co_return;
}
Task<> OpenMailbox::release_logon_id(std::uint8_t logon_id) {
  release_logon(logon_id);
  co_return;
}
Task<> OpenMailbox::release_all() {
  while (!objects_.empty()) release(objects_.begin()->first);
  co_return;
}

void OpenMailbox::release_logon(std::uint8_t logon_id) {
  std::vector<std::uint32_t> handles;
  for (const auto& [handle, object] : objects_)
    if (object->logon_id == logon_id) handles.push_back(handle);
  for (const auto handle : handles) release(handle);
}

bool OpenMailbox::take_zeros(std::uint64_t count, std::uint64_t most) {
  auto& zeros = share_->zeros;
  if (count > most || zeros > most - count) return false;
  zeros += count;
  return true;
}

bool OpenMailbox::may_redirect() {
  constexpr std::size_t most = 5;
  constexpr auto within = std::chrono::seconds(10);
  auto& times = share_->redirections;
  const auto now = Clock::now();
  std::erase_if(times, [&](const auto at) { return now - at > within; });
  if (times.size() >= most) return false;
  times.push_back(now);
  return true;
}

void OpenMailbox::note_writing(const std::shared_ptr<StreamObject>& stream) {
  std::erase_if(writing_, [](const auto& one) { return one.expired(); });
  writing_.push_back(stream);
}

// What was written to a stream is the value of its property for all other ROPs ([MS-OXCPRPT] 3.2.5.13). An error: of an object
// that this call would save, something cannot be kept.
Task<ErrorCode> OpenMailbox::settle_streams(RopCall& call) {
  std::shared_ptr<Object> saved;
  if (const auto* message = call.request.as<wire::RopSaveChangesMessage>()) saved = call.find(message->InputHandleIndex);
  else if (const auto* attachment = call.request.as<wire::RopSaveChangesAttachment>()) saved = call.find(attachment->InputHandleIndex);
  else if (const auto object = call.find(); object && object->kind == Object::Kind::stream) co_return mapi::ecNone;
  std::erase_if(writing_, [](const auto& one) { return one.expired(); });
  const auto streams = writing_;
  auto outcome = mapi::ecNone;
  for (const auto& one : streams) {
    auto stream = one.lock();
    if (!stream || !stream->written->dirty) continue;
    // Its size was announced, and it is still being written.
    constexpr std::uint64_t much = 1 << 20;
    const auto& written = *stream->written;
    if (!(saved && stream->target == saved) && written.size > written.bytes.size() + much) continue;
    const auto code = co_await commit(call, stream);
    if (code == mapi::ecNone) continue;
    if (code == mapi::ecComputed) stream->written->dirty = false;  // as RopSetProperties: a problem, and no obstacle
    else if (saved && stream->target == saved) outcome = code;
    log::debug("mailbox: a stream cannot be committed: {}", mapi::to_string(code));
  }
  co_return outcome;
}

std::shared_ptr<Object> RopCall::find(std::uint8_t index) const {
  return index < handles.size() ? session.find(handles[index]) : nullptr;
}

OpenMailbox* RopCall::other_with(std::uint8_t index) const {
  return index < handles.size() ? session.other_with(handles[index]) : nullptr;
}

ErrorCode RopCall::put(std::uint8_t index, std::shared_ptr<Object> object) {
  object->logon_id = request.LogonId;
  const auto handle = session.add(std::move(object));
  if (!handle) return mapi::ecMemory;
  if (index >= handles.size()) handles.resize(std::size_t{index} + 1, wire::no_handle);
  handles[index] = *handle;
  made.push_back(*handle);
  return mapi::ecNone;
}

namespace {
// What a client does to the rows of hierarchy tables ([MS-OXCFOLD] 2.2.1.13.1, SuppressesNotifications).
bool changes_folders(RopId id) {
  switch (id) {
    case RopId::RopCreateFolder:
    case RopId::RopDeleteFolder:
    case RopId::RopMoveFolder:
    case RopId::RopCopyFolder:
    case RopId::RopEmptyFolder:
    case RopId::RopHardDeleteMessagesAndSubfolders:
    case RopId::RopSetProperties:
    case RopId::RopDeleteProperties: return true;
    default: return false;
  }
}
}  // namespace

Task<ErrorCode> OpenMailbox::answer(const wire::RopRequest& request, RopAnswer& answer, std::size_t budget, bool packed) {
  auto using_it = mailbox_->use();
  if (is_guest()) mailbox_->without_password();
  RopCall call{*this, *mailbox_, answer.arena, request, answer.handles, budget, packed, answer.first};
  ErrorCode code = mapi::ecNotSupported;
  if (request.id == RopId::RopRelease) {
    if (request.HandleIndex < answer.handles.size()) {
      auto object = find(answer.handles[request.HandleIndex]);
      // What was written and not committed counts when the stream ends ([MS-OXCPRPT] 3.2.5.13).
      if (object && object->kind == Object::Kind::stream && mailbox_->is_open()) {
        const auto committed = co_await commit(call, std::static_pointer_cast<StreamObject>(object));
        (void)committed;
      }
      release(answer.handles[request.HandleIndex]);
      answer.handles[request.HandleIndex] = wire::no_handle;
    }
    co_return mapi::ecNone;
  }
  const auto input = input_index(request);
  const auto object = input ? call.find(*input) : nullptr;
  // [MS-OXCROPS] 3.2.5.1: objects are looked up among those of the logon that the request names; row L6 is the exception.
  const bool elsewhere = object && object->logon_id != request.LogonId && request.id != RopId::RopIdFromLongTermId;
  if (input && !object) code = mapi::ecNullObject;
  else if (elsewhere) code = mapi::ecAccessDenied;
  else if (const auto handle = find_handler(request.id)) {
    auto open = co_await mailbox_->open();
    if (open) {
      code = mapi::ecNone;
      if (!writing_.empty()) code = co_await settle_streams(call);
      changing_folders_ = changes_folders(request.id);
      if (code == mapi::ecNone) code = co_await handle(call);
      changing_folders_ = false;
    } else {
      log::info("mailbox of {}: {}", owner_, open.error().message);
      code = mapi::to_error_code(open.error());
    }
  }
  wire::RopResponse response;
  response.id = wire::response_id(request.id);
  response.codec = wire::find_rop(response.id);
  response.HandleIndex = request.HandleIndex;
  if (const auto output = request.codec->output_handle_index(request)) response.HandleIndex = *output;
  response.ReturnValue = code;
  if (request.codec->response_has_body(code)) {
    response.body = call.response ? call.response : zero_response(request, code, answer.arena);
  }
  wire::ResponseContext context;
  context.ReturnValue = code;
  context.request = &request;
  context.columns = call.columns;
  const auto encoded = wire::encode_response(response, answer.bytes, context);
  if (!encoded) {
    log::error("mailbox: {}", encoded.error().message);
    answer.bytes.clear();
    response.ReturnValue = code = mapi::ecError;
    if (request.codec->response_has_body(code)) response.body = zero_response(request, code, answer.arena);
    context.ReturnValue = code;
    if (!wire::encode_response(response, answer.bytes, context)) answer.bytes.clear();
  }
  answer.made = std::move(call.made);
  answer.left = code == mapi::ecNone ? call.left : 0;
  answer.too_small = call.too_small;
  co_return code;
}

// -- events

Task<> OpenMailbox::append_events(Bytes* rops, std::size_t limit) {
  while (!events_.empty()) {
    const auto& event = events_.front();
    wire::RopNotify::Response body;
    body.NotificationHandle = event.handle;
    body.LogonId = event.logon_id;
    body.NotificationData = event.data;
    wire::RopResponse response;
    response.id = RopId::RopNotify;
    response.codec = wire::find_rop(RopId::RopNotify);
    response.body = &body;
    Bytes bytes;
    if (wire::encode_response(response, bytes, {})) {
      if (rops->size() + bytes.size() + pending_size > limit) break;
      rops->insert(rops->end(), bytes.begin(), bytes.end());
    }
    events_.pop_front();
  }
  note_pending();
  co_return;
}

void OpenMailbox::keep_fresh() {
  // Waiting alone keeps a mailbox neither open nor fresh: only what somebody watches does.
  if (mailbox_->is_open() && !watched().empty()) mailbox_->refresh_watched();
}

void OpenMailbox::queue(std::uint32_t handle, const Object& object, const wire::NotificationData& data,
                    std::shared_ptr<const Bytes> row) {
  if (events_.size() >= mailbox_->context().options.max_events) {
    // Row S11: never silence. Single events give way; what says "look again" stays, and rows become that.
    const auto single = std::find_if(events_.begin(), events_.end(), [](const auto& e) {
      return !e.data.is(wire::notification::TableModified) || e.data.TableEventType != wire::NotificationData::TableChanged;
    });
    if (single == events_.end()) return;
    const bool is_row = single->data.is(wire::notification::TableModified);
    const auto whose = single->handle;
    if (!is_row) events_.erase(single);
    if (is_row) std::erase_if(events_, [&](const auto& e) { return e.handle == whose; });
    if (auto table = find(whose); is_row && table) look_again(whose, static_cast<TableObject&>(*table));
    if (is_row && whose == handle) return;
  }
  events_.push_back({handle, object.logon_id, data, std::move(row)});
  note_pending();
  share_->wake.set();
}

}  // namespace mapigate::mailbox
