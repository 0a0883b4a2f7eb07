// Synchronisation ROPs of downloads ([MS-OXCFXICS] 3.2.5.9): configuration, the client's state, ids for its
// own use. Uploads of changes are not answered.
#include "base/log.h"
#include "mailbox/download.h"

namespace mapigate::mailbox {

namespace fxics = wire::fxics;
using namespace mapi;

namespace {

constexpr std::size_t max_state_property = std::size_t{16} << 20;

Task<ErrorCode> configure(RopCall& call, const wire::RopSynchronizationConfigure::Request& request, wire::RopSynchronizationConfigure::Response&) {
  using Rop = wire::RopSynchronizationConfigure;
  auto folder = call.object<FolderObject>();
  if (!folder) co_return call.why;
  if (request.SynchronizationType != Rop::Contents && request.SynchronizationType != Rop::Hierarchy) co_return ecInvalidParam;
  // [MS-OXCFXICS] 3.2.5.9.1.1.
  if (request.SendOptions & ~wire::send_options::known) co_return ecInvalidParam;
  if (request.SynchronizationFlags & SyncContext::Reserved) co_return ecRpcFormat;
  auto context = std::make_shared<SyncContext>();
  context->contents = request.SynchronizationType == Rop::Contents;
  context->folder = folder->id;
  context->flags = request.SynchronizationFlags;
  if (request.SendOptions & (wire::send_options::Unicode | wire::send_options::ForceUnicode | wire::send_options::UseCpid))
    context->flags |= SyncContext::Unicode;
  context->extra_flags = request.SynchronizationExtraFlags;
  context->tags.assign(request.PropertyTags.begin(), request.PropertyTags.end());
  if (context->contents && request.RestrictionData != nullptr) {
    const auto code = check(*request.RestrictionData, true, true);
    if (code != ecNone) co_return code;
    context->restriction = ListOrder::make({}, request.RestrictionData);
  }
  auto download = std::make_shared<DownloadObject>();
  download->sync = std::move(context);
  co_return call.put(request.OutputHandleIndex, download);
}

// A collector takes a state and gives it back.
Task<ErrorCode> open_collector(RopCall& call, const wire::RopSynchronizationOpenCollector::Request& request,
                               wire::RopSynchronizationOpenCollector::Response&) {
  auto folder = call.object<FolderObject>();
  if (!folder) co_return call.why;
  auto download = std::make_shared<DownloadObject>();
  download->sync = std::make_shared<SyncContext>();
  download->sync->collector = true;
  download->sync->contents = request.IsContentsCollector;
  download->sync->folder = folder->id;
  co_return call.put(request.OutputHandleIndex, download);
}

// The synchronisation whose state may be uploaded now; null, with call.why set, when there is none.
std::shared_ptr<SyncContext> uploadable(RopCall& call) {
  auto download = call.object<DownloadObject>();
  if (!download) return nullptr;
  if (!download->sync) call.why = ecNotSupported;
  else if (download->sync->started) call.why = ecError;
  else return download->sync;
  return nullptr;
}

Task<ErrorCode> upload_begin(RopCall& call, const wire::RopSynchronizationUploadStateStreamBegin::Request& request,
                             wire::RopSynchronizationUploadStateStreamBegin::Response&) {
  auto sync = uploadable(call);
  if (!sync) co_return call.why;
  if (sync->uploading) co_return ecError;
  if (sync->state.find(request.StateProperty) == nullptr) co_return ecInvalidParam;
  if (request.TransferBufferSize > max_state_property) co_return ecMemory;
  sync->uploading = request.StateProperty;
  sync->uploaded.clear();
  co_return ecNone;
}

Task<ErrorCode> upload_continue(RopCall& call, const wire::RopSynchronizationUploadStateStreamContinue::Request& request,
                                wire::RopSynchronizationUploadStateStreamContinue::Response&) {
  auto sync = uploadable(call);
  if (!sync) co_return call.why;
  if (!sync->uploading) co_return ecError;
  if (sync->uploaded.size() + request.StreamData.size() > max_state_property) co_return ecMemory;
  sync->uploaded.insert(sync->uploaded.end(), request.StreamData.begin(), request.StreamData.end());
  co_return ecNone;
}

Task<ErrorCode> upload_end(RopCall& call, const wire::RopSynchronizationUploadStateStreamEnd::Request&,
                           wire::RopSynchronizationUploadStateStreamEnd::Response&) {
  auto sync = uploadable(call);
  if (!sync) co_return call.why;
  if (!sync->uploading) co_return ecError;
  auto* to = sync->state.find(*sync->uploading);
  sync->uploading.reset();
  auto set = fxics::read_idset<Guid>(sync->uploaded);
  sync->uploaded = {};
  if (!set) {
    log::info("mailbox: the state of a synchronisation is refused: {}", set.error().message);
    co_return ecRpcFormat;
  }
  *to = std::move(*set);
  co_return ecNone;
}

Task<ErrorCode> get_transfer_state(RopCall& call, const wire::RopSynchronizationGetTransferState::Request& request,
                                   wire::RopSynchronizationGetTransferState::Response&) {
  auto from = call.object<DownloadObject>();
  if (!from) co_return call.why;
  if (!from->sync) co_return ecNotSupported;
  // The final state counts once all of the download was handed out.
  const auto& sync = *from->sync;
  const bool ended = from->ended && from->writer.available() == 0 && sync.final_state;
  auto state = ended ? *sync.final_state : sync.state;
  if (sync.collector) state.given.clear();  // row P10
  auto download = std::make_shared<DownloadObject>();
  download->producer = make_state_download(std::move(state), sync.contents);
  co_return call.put(request.OutputHandleIndex, download);
}

// Ids that a client was given and will not use: none of them is ever given out again anyway.
Task<ErrorCode> set_local_replica_midset_deleted(RopCall& call, const wire::RopSetLocalReplicaMidsetDeleted::Request&,
                                                 wire::RopSetLocalReplicaMidsetDeleted::Response&) {
  co_return call.find() ? ecNone : ecNullObject;
}

}  // namespace

HandlerList synchronization_handlers() {
  static constexpr HandlerEntry list[] = {
      on<wire::RopSynchronizationConfigure, configure>(),
      on<wire::RopSynchronizationOpenCollector, open_collector>(),
      on<wire::RopSynchronizationUploadStateStreamBegin, upload_begin>(),
      on<wire::RopSynchronizationUploadStateStreamContinue, upload_continue>(),
      on<wire::RopSynchronizationUploadStateStreamEnd, upload_end>(),
      on<wire::RopSynchronizationGetTransferState, get_transfer_state>(),
      on<wire::RopSetLocalReplicaMidsetDeleted, set_local_replica_midset_deleted>(),
  };
  return list;
}

}  // namespace mapigate::mailbox
