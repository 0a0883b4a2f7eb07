#include "upstream/mailbox_client.h"

#include <openssl/rand.h>

#include "base/log.h"
#include "base/text.h"
#include "mapi/message_flags.h"
#include "mapi/properties.h"
#include "wire/dump.h"
#include "wire/mapihttp/bodies.h"
#include "wire/mapihttp/headers.h"
#include "wire/rpc/header_ext.h"

namespace mapigate::upstream {

namespace wire_http = wire::mapihttp;
using namespace wire;
using chain::Operation;

namespace {

constexpr std::uint16_t rows_a_query = 200;
constexpr std::uint16_t stream_chunk = 0x6000;  // fits a 32-KiB buffer with room for its frame

Error failed(std::string_view what, mapi::ErrorCode code) {
  auto kind = Errc::unsupported;
  switch (code) {
    case mapi::ecNotFound: kind = Errc::not_found; break;
    case mapi::ecAccessDenied:
    case mapi::ecLoginPerm:
    case mapi::ecUnknownUser: kind = Errc::denied; break;
    case mapi::ecNetwork:
    case mapi::ecTimeout:
    case mapi::ecServerBusy:
    case mapi::ecBusy: kind = Errc::unavailable; break;
    default: break;
  }
  return error(kind, "{}: {}", what, mapi::to_string(code));
}

}  // namespace

template <class Rop>
Result<typename Rop::Response*> Executed::response(std::size_t index) const {
  const auto* codec = find_rop(Rop::id);
  if (index >= responses.rops.size())
    return error(Errc::malformed, "{}: the server did not answer it{}{}", codec->name, responses.problem.empty() ? "" : ": ", responses.problem);
  const auto& one = responses.rops[index];
  if (one.id != Rop::id) return error(Errc::malformed, "{}: the server answered another ROP in its place", codec->name);
  if (one.ReturnValue != mapi::ecNone && one.ReturnValue != mapi::ecWarnWithErrors) return failed(codec->name, one.ReturnValue);
  return one.template as<Rop>();
}

template <class Rop>
RopRequest MailboxClient::rop(std::size_t handle_index, typename Rop::Request body) {
  RopRequest request;
  request.id = Rop::id;
  request.HandleIndex = static_cast<std::uint8_t>(handle_index);
  request.codec = find_rop(Rop::id);
  request.body = arena_.make<typename Rop::Request>(body);
  return request;
}

MailboxClient::MailboxClient(std::unique_ptr<Session> session, DiscoveredMailbox mailbox, Trace trace)
    : mailbox_(std::move(mailbox)), session_(std::move(session)), trace_(std::move(trace)) {
  mapi::Guid guid;
  if (RAND_bytes(guid.bytes.data(), static_cast<int>(guid.bytes.size())) == 1) client_guid_ = "{" + mapi::to_string(guid) + "}";
}

MailboxClient::~MailboxClient() = default;

std::optional<Columns> MailboxClient::columns_of(std::uint32_t handle) const {
  const auto found = columns_.find(handle);
  if (found == columns_.end()) return {};
  return found->second;
}

chain::ClientInfo MailboxClient::client_info() {
  chain::ClientInfo info;
  info.application = "mapigate/0.1.0.0";
  info.user_agent = "mapigate";
  info.info = client_guid_ + ":1";
  info.request_id = fmt::format("{}:{}", client_guid_, ++requests_);
  return info;
}

Task<Result<std::unique_ptr<Executed>>> MailboxClient::execute(std::vector<RopRequest> rops, std::vector<std::uint32_t>* handles) {
  RopRequestBuffer requests;
  requests.rops = std::move(rops);
  requests.handles = *handles;
  Bytes payload, wrapped, body;
  auto encoded = encode_requests(requests, payload);
  if (encoded) encoded = rpc::write_extended_buffer(payload, true, {}, wrapped);
  if (!encoded) co_return encoded.error();
  wire_http::Execute::Request execute;
  execute.Flags = rpc::NoXorMagic;
  execute.RopBuffer = wrapped;
  execute.MaxRopOut = 0x10008;
  encoded = encode("Execute", execute, body, CountWidth::narrow);
  if (!encoded) co_return encoded.error();
  if (trace_) trace_(true, to_text(requests));
  const auto info = client_info();
  auto reply = co_await session_->call(Operation::Execute, body, info);
  if (!reply) co_return reply.error();
  if (reply->response_code != 0)
    co_return error(Errc::unavailable, "Execute: X-ResponseCode {} ({})", reply->response_code,
                    wire_http::to_string(static_cast<wire_http::ResponseCode>(reply->response_code)));
  auto out = std::make_unique<Executed>();
  out->body = std::move(reply->body);
  auto response = decode<wire_http::Execute::Response>("Execute response", out->body, out->arena, CountWidth::narrow);
  if (!response) co_return response.error();
  if (response->StatusCode != 0 || response->ErrorCode != mapi::ecNone) co_return failed("Execute", response->ErrorCode);
  auto payloads = rpc::read_extended_buffers(response->RopBuffer, out->arena, rpc::response_limits);
  if (!payloads) co_return payloads.error();
  if (payloads->empty()) co_return error(Errc::malformed, "Execute: the reply has no ROP buffer");
  out->payloads = std::move(*payloads);
  if (trace_) trace_(false, dump_responses(out->payloads.front(), DumpForm::text, &requests, this));
  auto responses = decode_responses(out->payloads.front(), out->arena, &requests, this);
  if (!responses) co_return responses.error();
  out->responses = std::move(*responses);
  // What the server tells of its own accord is not an answer.
  if (notified_)
    for (const auto& one : out->responses.rops)
      if (one.id == RopId::RopNotify)
        if (const auto* told = one.as<RopNotify>()) notified_(told->NotificationData);
  std::erase_if(out->responses.rops, [](const RopResponse& one) {
    return one.id == RopId::RopNotify || one.id == RopId::RopPending;
  });
  if (out->responses.handles.size() >= handles->size())
    std::copy_n(out->responses.handles.begin(), handles->size(), handles->begin());
  co_return out;
}

Task<Status> MailboxClient::log_on() {
  Bytes body;
  wire_http::Connect::Request connect;
  connect.UserDn = mailbox_.legacy_dn;
  connect.DefaultCodePage = 1252;
  connect.LcidSort = 0x0409;
  connect.LcidString = 0x0409;
  auto encoded = encode("Connect", connect, body, CountWidth::narrow);
  if (!encoded) co_return encoded;
  const auto info = client_info();
  auto reply = co_await session_->call(Operation::Connect, body, info);
  if (!reply) co_return reply.error();
  if (reply->response_code != 0) co_return error(Errc::unavailable, "Connect: X-ResponseCode {}", reply->response_code);
  auto response = decode<wire_http::Connect::Response>("Connect response", reply->body, arena_, CountWidth::narrow);
  if (!response) co_return response.error();
  if (response->StatusCode != 0 || response->ErrorCode != mapi::ecNone) co_return failed("Connect", response->ErrorCode);

  RopLogon::Request logon;
  logon.LogonFlags = RopLogon::Private;
  logon.OpenFlags = 0x01000000 | 0x00000004;  // USE_PER_MDB_REPLID_MAPPING, HOME_LOGON
  const auto essdn = mailbox_.legacy_dn + '\0';
  logon.Essdn = as_view(essdn);
  std::vector<RopRequest> rops;
  rops.push_back(rop<RopLogon>(0, logon));
  std::vector<std::uint32_t> handles{no_handle};
  auto executed = co_await execute(std::move(rops), &handles);
  if (!executed) co_return executed.error();
  auto answer = (*executed)->response<RopLogon>(0);
  if (!answer) co_return answer.error();
  folder_ids_ = (*answer)->FolderIds;
  logon_ = handles[0];
  co_return Status{};
}

Task<Status> MailboxClient::log_off() {
  Bytes body;
  auto encoded = encode("Disconnect", wire_http::Disconnect::Request{}, body, CountWidth::narrow);
  if (!encoded) co_return encoded;
  const auto info = client_info();
  auto reply = co_await session_->call(Operation::Disconnect, body, info);
  if (!reply) co_return reply.error();
  co_return Status{};
}

Task<Status> MailboxClient::subscribe(mapi::Id folder, std::uint16_t types, Notified notified) {
  notified_ = std::move(notified);
  RopRegisterNotification::Request subscription;
  subscription.OutputHandleIndex = 1;
  subscription.NotificationTypes = types;
  subscription.WantWholeStore = folder.value == 0;
  subscription.FolderId = folder;
  std::vector<RopRequest> rops{rop<RopRegisterNotification>(0, subscription)};
  std::vector<std::uint32_t> handles{logon_, no_handle};
  auto executed = co_await execute(std::move(rops), &handles);
  if (!executed) co_return executed.error();
  auto answer = (*executed)->response<RopRegisterNotification>(0);
  if (!answer) co_return answer.error();
  co_return Status{};
}

Task<Result<bool>> MailboxClient::wait_for_events() {
  Bytes body;
  auto encoded = encode("NotificationWait", wire_http::NotificationWait::Request{}, body, CountWidth::narrow);
  if (!encoded) co_return encoded.error();
  const auto info = client_info();
  auto reply = co_await session_->call(Operation::NotificationWait, body, info);
  if (!reply) co_return reply.error();
  if (reply->response_code != 0)
    co_return error(Errc::unavailable, "NotificationWait: X-ResponseCode {} ({})", reply->response_code,
                    wire_http::to_string(static_cast<wire_http::ResponseCode>(reply->response_code)));
  Arena arena;
  auto response = decode<wire_http::NotificationWait::Response>("NotificationWait response", reply->body, arena, CountWidth::narrow);
  if (!response) co_return response.error();
  if (response->StatusCode != 0 || response->ErrorCode != mapi::ecNone) co_return failed("NotificationWait", response->ErrorCode);
  co_return (response->EventPending & wire_http::NotificationWait::event_pending) != 0;
}

// A buffer holds only so many: until one comes without.
Task<Status> MailboxClient::take_events() {
  arena_ = Arena();
  bool more = true;
  auto tell = std::move(notified_);
  notified_ = [&more, &tell](const NotificationData& event) {
    more = true;
    tell(event);
  };
  Status outcome;
  while (more && outcome) {
    more = false;
    std::vector<RopRequest> rops{rop<RopRelease>(0)};  // of nothing
    std::vector<std::uint32_t> handles{no_handle};
    auto executed = co_await execute(std::move(rops), &handles);
    if (!executed) outcome = executed.error();
  }
  notified_ = std::move(tell);
  co_return outcome;
}

Task<> MailboxClient::release(std::vector<std::uint32_t> handles) {
  std::erase_if(handles, [this](std::uint32_t handle) { return handle == no_handle || handle == logon_; });
  if (handles.empty()) co_return;
  std::vector<RopRequest> rops;
  for (std::size_t i = 0; i < handles.size(); ++i) {
    columns_.erase(handles[i]);
    rops.push_back(rop<RopRelease>(i));
  }
  auto released = co_await execute(std::move(rops), &handles);
  if (!released) log::debug("release: {}", released.error().message);
}

Task<Result<std::vector<mapi::PropertyBag>>> MailboxClient::rows(std::vector<RopRequest> open, std::vector<std::uint32_t> handles,
                                                                 std::size_t index, std::vector<mapi::PropertyTag> columns,
                                                                 std::vector<RopRequest> prepare, std::size_t limit,
                                                                 Progress progress) {
  RopSetColumns::Request set;
  set.PropertyTags = arena_.copy(std::span<const mapi::PropertyTag>(columns));
  const auto table_at = open.size() - 1;
  open.push_back(rop<RopSetColumns>(index, set));
  for (const auto& one : prepare) open.push_back(one);
  const auto count = open.size();
  auto opened = co_await execute(open, &handles);
  if (!opened) co_return opened.error();
  for (std::size_t i = 0; i < count; ++i) {
    const auto* codec = open[i].codec;
    if (i >= (*opened)->responses.rops.size()) co_return error(Errc::malformed, "{}: the server did not answer it", codec->name);
    const auto code = (*opened)->responses.rops[i].ReturnValue;
    if (code != mapi::ecNone) co_return failed(codec->name, code);
  }
  std::uint64_t total = 0;
  if (auto hierarchy = (*opened)->response<RopGetHierarchyTable>(table_at)) total = (*hierarchy)->RowCount;
  if (auto contents = (*opened)->response<RopGetContentsTable>(table_at)) total = (*contents)->RowCount;
  const auto table = handles[index];
  columns_[table] = columns;
  std::vector<mapi::PropertyBag> out;
  Status failure;
  for (bool more = true; more;) {
    RopQueryRows::Request query;
    query.RowCount = limit == 0 ? rows_a_query : static_cast<std::uint16_t>(std::min<std::size_t>(rows_a_query, limit - out.size()));
    std::vector<RopRequest> rops;
    rops.push_back(rop<RopQueryRows>(0, query));
    std::vector<std::uint32_t> own{table};
    auto queried = co_await execute(std::move(rops), &own);
    if (!queried) {
      failure = queried.error();
      break;
    }
    auto answer = (*queried)->response<RopQueryRows>(0);
    if (!answer) {
      failure = answer.error();
      break;
    }
    for (const auto& row : (*answer)->RowData) {
      mapi::PropertyBag bag;
      for (std::size_t i = 0; i < columns.size() && i < row.values.size(); ++i) {
        const auto& cell = row.values[i];
        if (cell.type != mapi::PropertyType::PtypUnspecified && cell.type != mapi::PropertyType::PtypErrorCode)
          bag.set(columns[i], cell);
      }
      out.push_back(std::move(bag));
    }
    if (progress) progress(out.size(), std::max<std::uint64_t>(total, out.size()));
    more = !(*answer)->RowData.empty() && (*answer)->Origin != BOOKMARK_END && (limit == 0 || out.size() < limit);
  }
  co_await release(handles);
  if (!failure) co_return failure.error();
  co_return out;
}

Task<Result<std::vector<FolderInfo>>> MailboxClient::folders() {
  arena_ = Arena();
  RopOpenFolder::Request open;
  open.OutputHandleIndex = 1;
  open.FolderId = folder_ids_[LogonFolderIds::IpmSubtree];
  RopGetHierarchyTable::Request table;
  table.OutputHandleIndex = 2;
  table.TableFlags = RopGetHierarchyTable::Depth;
  std::vector<RopRequest> rops{rop<RopOpenFolder>(0, open), rop<RopGetHierarchyTable>(1, table)};
  std::vector<mapi::PropertyTag> columns{
      mapi::PidTagFolderId.with(mapi::PropertyType::PtypInteger64), mapi::PidTagParentFolderId.with(mapi::PropertyType::PtypInteger64),
      mapi::PidTagDisplayName, mapi::PidTagDepth, mapi::PidTagContainerClass, mapi::PidTagContentCount, mapi::PidTagContentUnreadCount};
  std::vector<std::uint32_t> handles{logon_, no_handle, no_handle};
  std::vector<RopRequest> nothing;
  auto found = co_await rows(std::move(rops), handles, 2, columns, std::move(nothing), 0, {});
  if (!found) co_return found.error();
  std::vector<FolderInfo> out;
  std::unordered_map<std::uint64_t, std::string> paths;
  for (const auto& row : *found) {
    FolderInfo folder;
    folder.id = mapi::Id(static_cast<std::uint64_t>(row.number(columns[0])));
    folder.name = row.string(mapi::PidTagDisplayName);
    folder.depth = static_cast<std::uint32_t>(row.number(mapi::PidTagDepth));
    folder.container_class = row.string(mapi::PidTagContainerClass);
    folder.total = static_cast<std::uint32_t>(row.number(mapi::PidTagContentCount));
    folder.unread = static_cast<std::uint32_t>(row.number(mapi::PidTagContentUnreadCount));
    const auto parent = paths.find(static_cast<std::uint64_t>(row.number(columns[1])));
    folder.path = parent == paths.end() ? folder.name : parent->second + "/" + folder.name;
    paths[folder.id.value] = folder.path;
    out.push_back(std::move(folder));
  }
  co_return out;
}

Task<Result<FolderInfo>> MailboxClient::find_folder(std::string name) {
  auto all = co_await folders();
  if (!all) co_return all.error();
  std::vector<std::string> paths;
  for (auto& folder : *all) {
    if (fold(folder.path) == fold(name) || mapi::to_string(folder.id) == name) co_return folder;
    paths.push_back(folder.path);
  }
  const auto near = nearest(name, paths);
  co_return error(Errc::not_found, "there is no folder \"{}\"{}", name, near.empty() ? "" : "; did you mean \"" + near + "\"?");
}

Task<Result<std::vector<MessageInfo>>> MailboxClient::messages(mapi::Id folder, const mapi::Restriction* restriction,
                                                               std::size_t limit, Progress progress) {
  arena_ = Arena();
  RopOpenFolder::Request open;
  open.OutputHandleIndex = 1;
  open.FolderId = folder;
  RopGetContentsTable::Request table;
  table.OutputHandleIndex = 2;
  std::vector<RopRequest> rops{rop<RopOpenFolder>(0, open), rop<RopGetContentsTable>(1, table)};
  std::vector<RopRequest> prepare;
  auto order = arena_.make_span<mapi::SortOrder>(1);
  order[0].tag = mapi::PidTagMessageDeliveryTime;
  order[0].Order = mapi::SortOrder::Descending;
  RopSortTable::Request sort;
  sort.SortOrders = order;
  prepare.push_back(rop<RopSortTable>(2, sort));
  if (restriction != nullptr) {
    RopRestrict::Request restrict;
    restrict.RestrictionData = restriction;
    prepare.push_back(rop<RopRestrict>(2, restrict));
  }
  const auto mid = mapi::PidTagMid.with(mapi::PropertyType::PtypInteger64);
  std::vector<mapi::PropertyTag> columns{mid, mapi::PidTagSubject, mapi::PidTagSenderName, mapi::PidTagSenderEmailAddress,
                                         mapi::PidTagMessageDeliveryTime, mapi::PidTagMessageSize, mapi::PidTagMessageFlags,
                                         mapi::PidTagHasAttachments, mapi::PidTagFlagStatus};
  std::vector<std::uint32_t> handles{logon_, no_handle, no_handle};
  auto found = co_await rows(std::move(rops), handles, 2, columns, std::move(prepare), limit, std::move(progress));
  if (!found) co_return found.error();
  std::vector<MessageInfo> out;
  for (const auto& row : *found) {
    MessageInfo one;
    one.id = mapi::Id(static_cast<std::uint64_t>(row.number(mid)));
    one.subject = row.string(mapi::PidTagSubject);
    one.from = row.string(mapi::PidTagSenderName);
    if (one.from.empty()) one.from = row.string(mapi::PidTagSenderEmailAddress);
    one.received = row.time(mapi::PidTagMessageDeliveryTime);
    one.size = static_cast<std::uint64_t>(row.number(mapi::PidTagMessageSize));
    one.read = (row.number(mapi::PidTagMessageFlags) & mapi::mfRead) != 0;
    one.flagged = row.number(mapi::PidTagFlagStatus) == 2;       // followupFlagged
    one.has_attachments = row.number(mapi::PidTagHasAttachments) != 0;
    out.push_back(std::move(one));
  }
  co_return out;
}

namespace {
RecipientInfo to_info(const OpenRecipientRow& row, const std::vector<mapi::PropertyTag>& columns) {
  RecipientInfo out;
  out.type = row.RecipientType;
  const auto& r = row.RecipientRow;
  out.name = to_utf8(r.DisplayName, row.CodePageId);
  out.address = to_utf8(r.EmailAddress, row.CodePageId);
  for (std::size_t i = 0; i < r.RecipientProperties.values.size() && i < columns.size(); ++i) {
    const auto text = mapi::text_of(r.RecipientProperties.values[i]);
    if (text.empty()) continue;
    if (columns[i].id() == mapi::PidTagSmtpAddress.id()) out.address = text;
    if (columns[i].id() == mapi::PidTagDisplayName.id() && out.name.empty()) out.name = text;
  }
  return out;
}
}  // namespace

Task<Result<MessageDetail>> MailboxClient::message(mapi::Id folder, mapi::Id message) {
  arena_ = Arena();
  RopOpenMessage::Request open;
  open.OutputHandleIndex = 1;
  open.FolderId = folder;
  open.MessageId = message;
  std::vector<mapi::PropertyTag> wanted{mapi::PidTagSubject, mapi::PidTagSenderName, mapi::PidTagSenderEmailAddress,
                                        mapi::PidTagSentRepresentingName, mapi::PidTagSentRepresentingEmailAddress,
                                        mapi::PidTagMessageDeliveryTime, mapi::PidTagClientSubmitTime, mapi::PidTagMessageClass,
                                        mapi::PidTagMessageFlags, mapi::PidTagMessageSize, mapi::PidTagInternetMessageId,
                                        mapi::PidTagImportance, mapi::PidTagNativeBody, mapi::PidTagInternetCodepage,
                                        mapi::PidTagHasAttachments, mapi::PidTagFlagStatus, mapi::PidTagDisplayTo};
  RopGetPropertiesSpecific::Request get;
  get.WantUnicode = 1;
  get.PropertyTags = arena_.copy(std::span<const mapi::PropertyTag>(wanted));
  std::vector<RopRequest> rops{rop<RopOpenMessage>(0, open), rop<RopGetPropertiesSpecific>(1, get)};
  std::vector<std::uint32_t> handles{logon_, no_handle};
  auto executed = co_await execute(std::move(rops), &handles);
  if (!executed) co_return executed.error();
  auto opened = (*executed)->response<RopOpenMessage>(0);
  if (!opened) co_return opened.error();
  auto got = (*executed)->response<RopGetPropertiesSpecific>(1);
  if (!got) co_return got.error();
  MessageDetail detail;
  const auto& values = (*got)->RowData.values;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i].type == wanted[i].type()) detail.properties.set(wanted[i], values[i]);
  const std::vector<mapi::PropertyTag> recipient_columns((*opened)->RecipientColumns.begin(), (*opened)->RecipientColumns.end());
  for (const auto& row : (*opened)->RecipientRows) detail.recipients.push_back(to_info(row, recipient_columns));
  auto outcome = co_await read_recipients(handles[1], (*opened)->RecipientCount, recipient_columns, &detail.recipients);
  if (!outcome) co_return outcome.error();
  auto attachments = co_await attachment_table(handles[1]);
  if (!attachments) co_return attachments.error();
  detail.attachments = std::move(*attachments);
  co_return detail;
}

// A message with many recipients gives the rest by RopReadRecipients.
Task<Status> MailboxClient::read_recipients(std::uint32_t message, std::size_t count,
                                            std::vector<mapi::PropertyTag> columns, std::vector<RecipientInfo>* out) {
  std::vector<std::uint32_t> handles{message};
  while (out->size() < count) {
    RopReadRecipients::Request read;
    read.RowId = static_cast<std::uint32_t>(out->size());
    std::vector<RopRequest> rops;
    rops.push_back(rop<RopReadRecipients>(0, read));
    auto continued = co_await execute(std::move(rops), &handles);
    if (!continued) co_return continued.error();
    auto answer = (*continued)->response<RopReadRecipients>(0);
    if (!answer) co_return answer.error();
    if ((*answer)->RecipientRows.empty()) break;
    for (const auto& row : (*answer)->RecipientRows) {
      auto decoded = decode_recipient_row(row.RecipientRow, (*continued)->arena, columns);
      if (!decoded) co_return decoded.error();
      OpenRecipientRow full;
      full.RecipientType = row.RecipientType;
      full.CodePageId = row.CodePageId;
      full.RecipientRow = *decoded;
      out->push_back(to_info(full, columns));
    }
  }
  co_return Status{};
}

Task<Result<std::vector<AttachmentInfo>>> MailboxClient::attachment_table(std::uint32_t message) {
  RopGetAttachmentTable::Request table;
  table.OutputHandleIndex = 2;
  std::vector<RopRequest> open;
  open.push_back(rop<RopGetAttachmentTable>(1, table));
  std::vector<mapi::PropertyTag> columns{mapi::PidTagAttachNumber, mapi::PidTagAttachLongFilename, mapi::PidTagAttachFilename,
                                         mapi::PidTagDisplayName, mapi::PidTagAttachSize, mapi::PidTagAttachMethod,
                                         mapi::PidTagAttachMimeTag, mapi::PidTagAttachContentId};
  std::vector<std::uint32_t> table_handles(3, no_handle);
  table_handles[1] = message;
  std::vector<RopRequest> nothing;
  auto found = co_await rows(std::move(open), std::move(table_handles), 2, columns, std::move(nothing), 0, {});
  if (!found) co_return found.error();
  std::vector<AttachmentInfo> out;
  for (const auto& row : *found) {
    AttachmentInfo one;
    one.number = static_cast<std::uint32_t>(row.number(mapi::PidTagAttachNumber));
    one.name = row.string(mapi::PidTagAttachLongFilename);
    if (one.name.empty()) one.name = row.string(mapi::PidTagAttachFilename);
    if (one.name.empty()) one.name = row.string(mapi::PidTagDisplayName);
    one.size = static_cast<std::uint64_t>(row.number(mapi::PidTagAttachSize));
    one.embedded = row.number(mapi::PidTagAttachMethod) == 5;  // afEmbeddedMessage
    one.mime_type = row.string(mapi::PidTagAttachMimeTag);
    one.content_id = row.string(mapi::PidTagAttachContentId);
    out.push_back(std::move(one));
  }
  co_return out;
}

Task<Status> MailboxClient::read_stream(std::vector<RopRequest> open, std::vector<std::uint32_t> handles, std::size_t index,
                                        mapi::PropertyTag tag, std::function<Status(View)> sink, Progress progress) {
  RopOpenStream::Request stream;
  stream.OutputHandleIndex = static_cast<std::uint8_t>(index);
  stream.PropertyTag = tag;
  const auto stream_at = open.size();
  open.push_back(rop<RopOpenStream>(index - 1, stream));
  auto opened = co_await execute(std::move(open), &handles);
  if (!opened) co_return opened.error();
  for (std::size_t i = 0; i < stream_at && i < (*opened)->responses.rops.size(); ++i) {
    const auto& one = (*opened)->responses.rops[i];
    if (one.ReturnValue != mapi::ecNone) co_return failed(one.codec->name, one.ReturnValue);
  }
  auto answer = (*opened)->response<RopOpenStream>(stream_at);
  if (!answer) co_return answer.error();
  const std::uint64_t total = (*answer)->StreamSize;
  std::uint64_t done = 0;
  Status outcome;
  while (true) {
    RopReadStream::Request read;
    read.ByteCount = stream_chunk;
    std::vector<RopRequest> rops{rop<RopReadStream>(0, read)};
    std::vector<std::uint32_t> own{handles[index]};
    auto executed = co_await execute(std::move(rops), &own);
    if (!executed) {
      outcome = executed.error();
      break;
    }
    auto data = (*executed)->response<RopReadStream>(0);
    if (!data) {
      outcome = data.error();
      break;
    }
    if ((*data)->Data.empty()) break;
    done += (*data)->Data.size();
    outcome = sink((*data)->Data);
    if (!outcome) break;
    if (progress) progress(done, total);
  }
  if (outcome && done != total) outcome = error(Errc::malformed, "the stream ended after {} of {} bytes", done, total);
  co_await release(handles);
  co_return outcome;
}

Task<Status> MailboxClient::read_property(mapi::Id folder, mapi::Id message, mapi::PropertyTag tag,
                                          std::function<Status(View)> sink, Progress progress) {
  arena_ = Arena();
  RopOpenMessage::Request open;
  open.OutputHandleIndex = 1;
  open.FolderId = folder;
  open.MessageId = message;
  std::vector<RopRequest> rops{rop<RopOpenMessage>(0, open)};
  std::vector<std::uint32_t> handles{logon_, no_handle, no_handle};
  auto outcome = co_await read_stream(std::move(rops), std::move(handles), 2, tag, std::move(sink), std::move(progress));
  co_return outcome;
}

Task<Status> MailboxClient::read_attachment(mapi::Id folder, mapi::Id message, std::uint32_t number,
                                            std::function<Status(View)> sink, Progress progress) {
  arena_ = Arena();
  RopOpenMessage::Request open;
  open.OutputHandleIndex = 1;
  open.FolderId = folder;
  open.MessageId = message;
  RopOpenAttachment::Request attachment;
  attachment.OutputHandleIndex = 2;
  attachment.AttachmentID = number;
  std::vector<RopRequest> rops{rop<RopOpenMessage>(0, open), rop<RopOpenAttachment>(1, attachment)};
  std::vector<std::uint32_t> handles{logon_, no_handle, no_handle, no_handle};
  auto outcome = co_await read_stream(std::move(rops), std::move(handles), 3, mapi::PidTagAttachDataBinary, std::move(sink), std::move(progress));
  co_return outcome;
}

}  // namespace mapigate::upstream
