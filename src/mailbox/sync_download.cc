// What a synchronisation downloads ([MS-OXCFXICS] 3.2.5.3 "Determining What Differences To Download",
// "contentsSync Element", "hierarchySync Element").
#include <algorithm>

#include "base/log.h"
#include "mailbox/download.h"
#include "mailbox/object_properties.h"
#include "wire/fxics/structures.h"

namespace mapigate::mailbox {

using namespace mapi;  // PidTag…
namespace fxics = wire::fxics;
using fxics::Marker;
using fxics::StreamWriter;

namespace {

// The states before and after in the terms of one replica: nothing of ours is known under another one.
SyncState state_after(const SyncContext& context, const Guid& replica, GlobalCounter latest) {
  SyncState after = context.state;
  if (latest == 0) return after;
  // What a client does not ask for it has not seen.
  const auto asks = [&](SyncContext::Flag flag) { return (context.flags & flag) != 0; };
  if (!context.contents || asks(SyncContext::Normal)) after.seen.of(replica).insert(1, latest);
  if (context.contents && asks(SyncContext::FAI)) after.seen_fai.of(replica).insert(1, latest);
  if (context.contents && asks(SyncContext::ReadState)) after.read.of(replica).insert(1, latest);
  return after;
}

void write_deletions(StreamWriter& writer, const fxics::GlobSet& deleted, const fxics::GlobSet& out_of_scope) {
  if (deleted.empty() && out_of_scope.empty()) return;
  writer.marker(Marker::IncrSyncDel);
  const auto write = [&](PropertyTag tag, const fxics::GlobSet& counters) {
    if (counters.empty()) return;
    fxics::ReplIdSet set;
    set.of(own_replid) = counters;
    (void)writer.binary(tag, fxics::write_idset(set));
  };
  write(fxics::MetaTagIdsetDeleted, deleted);
  write(fxics::MetaTagIdsetNoLongerInScope, out_of_scope);
}

fxics::GlobSet set_of(std::vector<GlobalCounter> ids) {
  std::sort(ids.begin(), ids.end());
  fxics::GlobSet out;
  for (const auto id : ids) out.insert(id);
  return out;
}

class ContentsSync final : public Producer {
 public:
  explicit ContentsSync(std::shared_ptr<SyncContext> context) : context_(std::move(context)) {}
  std::uint32_t steps_done() const override { return static_cast<std::uint32_t>(next_); }
  std::uint32_t steps() const override { return static_cast<std::uint32_t>(changes_.changed.size()); }

  Task<Result<bool>> produce(RopCall& call, StreamWriter& writer) override {
    switch (stage_) {
      case Stage::start: {
        auto begun = co_await begin(call, writer);
        if (!begun) co_return begun.error();
        stage_ = Stage::messages;
        co_return true;
      }
      case Stage::messages: co_return co_await next_message(call, writer);
      case Stage::message: {
        auto more = co_await write_portion(call, transfer_, writer);
        if (!more) co_return more.error();
        if (!*more) {
          transfer_ = nullptr;
          stage_ = Stage::messages;
        }
        co_return true;
      }
      case Stage::end: end(call, writer); stage_ = Stage::done; co_return true;
      case Stage::done: break;
    }
    co_return false;
  }

 private:
  enum class Stage : std::uint8_t { start, messages, message, end, done };
  bool flag(std::uint16_t bit) const { return (context_->flags & bit) != 0; }
  bool extra(std::uint32_t bit) const { return (context_->extra_flags & bit) != 0; }

  Task<Result<bool>> begin(RopCall& call, StreamWriter& writer) {
    auto& mailbox = call.mailbox;
    // A folder that was never read completely would look like one whose messages were deleted.
    auto indexed = co_await mailbox.wait_indexed(context_->folder, mailbox.context().options.first_index_wait);
    if (!indexed) co_return indexed.error();
    const auto replica = mailbox.identity()->replica;
    const auto folder = context_->folder;
    const auto seen = seen_without_gap(context_->state.seen, replica);
    const auto read = seen_without_gap(context_->state.read, replica);
    const auto seen_fai = seen_without_gap(context_->state.seen_fai, replica);
    const auto* given = context_->state.given.find(replica);
    const auto known = given ? *given : fxics::GlobSet();
    const auto& restriction = context_->restriction;
    const auto total = total_of(mailbox);
    auto look = [this, folder, seen, read, seen_fai, &known, &restriction, total, store = mailbox.identity()](state::MailboxState& s) -> Status {
      auto changes = s.changes(folder, seen, read);
      if (!changes) return changes.error();
      changes_ = std::move(*changes);
      // Hidden messages are in a folder beside this one, but in the same IdsetGiven.
      auto hidden = s.changes(state::associated_of(folder), seen_fai, seen_fai);
      if (!hidden) return hidden.error();
      hidden_ = std::move(hidden->changed);
      if (restriction) {
        auto list = build_list(s, store, folder, *restriction, SIZE_MAX);
        if (!list) return list.error();
        in_scope_ = set_of(**list);
      }
      auto gone = set_of(changes_.removed);
      gone.unite(set_of(std::move(hidden->removed)));
      gone.intersect(known);
      // The log is right as long as the client's state came from here: the sum shows whether it did.
      fxics::GlobSet has = known;
      has.subtract(gone);
      for (const auto& change : changes_.changed) has.insert(change.id);
      for (const auto& change : hidden_) has.insert(change.id);
      if (restriction || has.size() != total) {
        auto ids = s.message_ids(folder, {state::SortKey::id, false});
        if (!ids) return ids.error();
        auto beside = s.message_ids(state::associated_of(folder), {state::SortKey::id, false});
        if (!beside) return beside.error();
        const auto all = set_of(std::move(*ids));
        gone = difference(known, united(all, set_of(std::move(*beside))));
        if (in_scope_) out_of_scope_ = difference(intersection(known, all), *in_scope_);
      } else {
        // What left and came back is changed, not deleted.
        for (const auto& change : changes_.changed) gone.erase(change.id, change.id);
        for (const auto& change : hidden_) gone.erase(change.id, change.id);
      }
      deleted_ = std::move(gone);
      return {};
    };
    auto looked = co_await mailbox.with_state(look);
    if (!looked) co_return looked.error();
    choose(replica);
    after_ = state_after(*context_, replica, changes_.latest);
    auto& after = after_.given.of(replica);
    after.subtract(deleted_);
    after.subtract(out_of_scope_);
    if (flag(SyncContext::Progress)) write_progress(writer);
    options_ = options(false);
    hidden_options_ = options(true);
    co_return true;
  }

  std::uint64_t total_of(Mailbox& mailbox) const {
    const auto tree = mailbox.tree();
    const auto* folder = tree->find(context_->folder);
    return folder ? std::uint64_t{folder->total} + folder->associated : 0;
  }

  // Which of the changes the client has not seen and wants.
  void choose(const Guid& replica) {
    auto& changed = changes_.changed;
    std::erase_if(changed, [&](const auto& change) {
      return !flag(SyncContext::Normal) || context_->state.seen.contains(replica, change.change_number) ||
             (in_scope_ && !in_scope_->contains(change.id));
    });
    std::erase_if(changes_.read, [&](const auto& change) {
      return context_->state.read.contains(replica, change.number) || !context_->state.given.contains(replica, change.id) ||
             std::any_of(changed.begin(), changed.end(), [&](const auto& other) { return other.id == change.id; });
    });
    if (extra(SyncContext::OrderByDeliveryTime))
      std::sort(changed.begin(), changed.end(), [](const auto& a, const auto& b) {
        return a.received != b.received ? a.received > b.received : a.id > b.id;
      });
    for (const auto& change : hidden_) {
      if (!flag(SyncContext::FAI) || context_->state.seen_fai.contains(replica, change.change_number)) continue;
      hidden_ids_.insert(change.id);
      changed.push_back(change);
    }
  }

  std::shared_ptr<const TransferOptions> options(bool hidden) const {
    TransferOptions out;
    out.only_these = flag(SyncContext::OnlySpecifiedProperties);
    if (hidden && out.only_these && flag(SyncContext::IgnoreSpecifiedOnFAI)) out.only_these = false;
    else out.tags = context_->tags;
    out.best_body = flag(SyncContext::BestBody);
    out.unicode = flag(SyncContext::Unicode);
    out.delete_properties = true;
    return std::make_shared<TransferOptions>(std::move(out));
  }

  void write_progress(StreamWriter& writer) {
    fxics::ProgressInformation progress;
    for (const auto& change : changes_.changed) {
      const bool hidden = hidden_ids_.contains(change.id);
      ++(hidden ? progress.FAIMessageCount : progress.NormalMessageCount);
      (hidden ? progress.FAIMessageTotalSize : progress.NormalMessageTotalSize) += change.size;
    }
    Bytes bytes;
    (void)wire::encode("ProgressInformation", progress, bytes, wire::CountWidth::narrow);
    writer.marker(Marker::IncrSyncProgressMode);
    (void)writer.binary(fxics::structure_tag, bytes);
  }

  Task<Result<bool>> next_message(RopCall& call, StreamWriter& writer) {
    if (next_ == changes_.changed.size()) {
      stage_ = Stage::end;
      co_return true;
    }
    const auto change = changes_.changed[next_];
    auto message = std::make_shared<MessageObject>();
    message->folder = context_->folder;
    message->id = change.id;
    message->associated = hidden_ids_.contains(change.id);
    auto with = message->associated ? hidden_options_ : options_;
    auto opened = co_await open_transfer(call, message, with);
    if (!opened) {
      // A backend that is down is asked again with the next buffer. A message that is gone or broken is left out (row S5).
      if (opened.error().retryable()) co_return opened.error();
      log::info("mailbox: message {:x} is left out of a synchronisation: {}", change.id, opened.error().message);
      after_.given.of(call.store().replica).erase(change.id, change.id);
      ++next_;
      co_return true;
    }
    ++next_;
    transfer_ = *opened;
    write_header(call, properties_of(*transfer_), change, writer);
    transfer_start(*transfer_);
    after_.given.insert(call.store().replica, change.id);
    stage_ = Stage::message;
    co_return true;
  }

  void write_header(RopCall& call, const PropertySource& source, const state::FolderChanges::Changed& change, StreamWriter& writer) {
    if (flag(SyncContext::Progress)) {
      writer.marker(Marker::IncrSyncProgressPerMsg);
      (void)writer.integer32(fxics::message_size_tag, static_cast<std::int32_t>(std::min<std::uint64_t>(change.size, INT32_MAX)));
      (void)writer.property(fxics::is_associated_tag, Value::boolean(hidden_ids_.contains(change.id)));
    }
    writer.marker(Marker::IncrSyncChg);
    // messageChangeHeader: these, in this order.
    for (const auto tag : {PidTagSourceKey, PidTagLastModificationTime, PidTagChangeKey, PidTagPredecessorChangeList, PidTagAssociated})
      write_property(source, tag, 1252, true, writer);
    const auto number = [](Id id) { return Value::integer64(static_cast<std::int64_t>(id.value)); };
    if (extra(SyncContext::Eid)) (void)writer.property(PidTagMid, number(call.id(change.id)));
    if (extra(SyncContext::MessageSize)) write_property(source, PidTagMessageSize, 1252, true, writer);
    if (extra(SyncContext::CN)) (void)writer.property(PidTagChangeNumber, number(call.id(change.change_number)));
    writer.marker(Marker::IncrSyncMessage);
  }

  void end(RopCall& call, StreamWriter& writer) {
    (void)call;
    if (!flag(SyncContext::NoDeletions))
      write_deletions(writer, deleted_, flag(SyncContext::IgnoreNoLongerInScope) ? fxics::GlobSet() : out_of_scope_);
    if (flag(SyncContext::ReadState) && !changes_.read.empty()) {
      std::vector<GlobalCounter> read, unread;
      for (const auto& change : changes_.read) (change.seen ? read : unread).push_back(change.id);
      writer.marker(Marker::IncrSyncRead);
      const auto write = [&](PropertyTag tag, std::vector<GlobalCounter> ids) {
        if (ids.empty()) return;
        fxics::ReplIdSet set;
        set.of(own_replid) = set_of(std::move(ids));
        (void)writer.binary(tag, fxics::write_idset(set));
      };
      write(fxics::MetaTagIdsetRead, std::move(read));
      write(fxics::MetaTagIdsetUnread, std::move(unread));
    }
    after_.write(writer, true);
    writer.marker(Marker::IncrSyncEnd);
    context_->final_state = after_;
  }

  std::shared_ptr<SyncContext> context_;
  Stage stage_ = Stage::start;
  state::FolderChanges changes_;
  std::vector<state::FolderChanges::Changed> hidden_;  // of the hidden messages, what may be new to the client
  fxics::GlobSet hidden_ids_;                          // those in changes_.changed
  std::optional<fxics::GlobSet> in_scope_;
  fxics::GlobSet deleted_, out_of_scope_;
  std::size_t next_ = 0;
  std::shared_ptr<const TransferOptions> options_, hidden_options_;
  std::shared_ptr<MessageTransfer> transfer_;
  SyncState after_;
};

class HierarchySync final : public Producer {
 public:
  explicit HierarchySync(std::shared_ptr<SyncContext> context) : context_(std::move(context)) {}

  // Folders are few and small: one portion.
  Task<Result<bool>> produce(RopCall& call, StreamWriter& writer) override {
    if (done_) co_return false;
    GlobalCounter latest = 0;
    auto look = [&latest](state::MailboxState& s) -> Status {
      latest = s.latest_change();
      return {};
    };
    auto looked = co_await call.mailbox.with_state(look);
    if (!looked) co_return looked.error();
    const auto tree = call.mailbox.tree();
    const auto replica = call.store().replica;
    std::vector<GlobalCounter> ids;
    TransferOptions options;
    options.tags = context_->tags;
    options.only_these = (context_->flags & SyncContext::OnlySpecifiedProperties) != 0;
    // Parents come before their children.
    for (const auto& [folder, depth] : tree->descendants(context_->folder)) {
      if (folder->role == FolderRole::search) continue;  // each client has its own
      ids.push_back(folder->id);
      if (context_->state.seen.contains(replica, folder->change_number)) continue;
      const FolderSource source({call.mailbox.identity(), tree, folder, 0, call.mailbox.folder_extras(folder->id)});
      write_change(call, source, *folder, options, writer);
    }
    const auto present = set_of(std::move(ids));
    const auto* given = context_->state.given.find(replica);
    const auto gone = given ? difference(*given, present) : fxics::GlobSet();
    if (!(context_->flags & SyncContext::NoDeletions)) write_deletions(writer, gone, {});
    auto after = state_after(*context_, replica, latest);
    after.given.of(replica) = present;
    after.write(writer, false);
    writer.marker(Marker::IncrSyncEnd);
    context_->final_state = std::move(after);
    done_ = true;
    co_return false;
  }

 private:
  void write_change(RopCall& call, const FolderSource& source, const Folder& folder, const TransferOptions& options, StreamWriter& writer) {
    const bool unicode = (context_->flags & SyncContext::Unicode) != 0;
    const auto code_page = call.session.options().code_page;
    const auto write = [&](PropertyTag tag) { write_property(source, tag, code_page, unicode, writer); };
    writer.marker(Marker::IncrSyncChg);
    // Row F4: empty directly below the root of the synchronisation.
    if (folder.parent == context_->folder) (void)writer.binary(PidTagParentSourceKey, {});
    else write(PidTagParentSourceKey);
    for (const auto tag : {PidTagSourceKey, PidTagLastModificationTime, PidTagChangeKey, PidTagPredecessorChangeList, PidTagDisplayName})
      write(tag);
    const bool eid = (context_->extra_flags & SyncContext::Eid) != 0;
    if (eid) write(PidTagFolderId);
    if (eid || (context_->flags & SyncContext::NoForeignIdentifiers)) write(PidTagParentFolderId);
    // What stands above must not come twice.
    auto others = options;
    if (!others.only_these) others.tags.push_back(PidTagDisplayName);
    else std::erase_if(others.tags, [](auto tag) { return tag.id() == PidTagDisplayName.id(); });
    write_properties(source, others, {}, code_page, writer);
  }

  std::shared_ptr<SyncContext> context_;
  bool done_ = false;
};

class StateDownload final : public Producer {
 public:
  StateDownload(SyncState state, bool contents) : state_(std::move(state)), contents_(contents) {}
  Task<Result<bool>> produce(RopCall&, StreamWriter& writer) override {
    state_.write(writer, contents_);
    co_return false;
  }

 private:
  SyncState state_;
  bool contents_;
};

}  // namespace

std::unique_ptr<Producer> make_contents_sync(std::shared_ptr<SyncContext> context) { return std::make_unique<ContentsSync>(std::move(context)); }
std::unique_ptr<Producer> make_hierarchy_sync(std::shared_ptr<SyncContext> context) { return std::make_unique<HierarchySync>(std::move(context)); }
std::unique_ptr<Producer> make_state_download(SyncState state, bool contents) {
  return std::make_unique<StateDownload>(std::move(state), contents);
}

}  // namespace mapigate::mailbox
