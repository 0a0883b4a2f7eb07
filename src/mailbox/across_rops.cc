#include "mailbox/across_rops.h"

#include "base/log.h"
#include "mailbox/parcel.h"

namespace mapigate::mailbox {

namespace {

constexpr unsigned max_depth = 100;

// -- on the executor of the other mailbox

Task<Result<GlobalCounter>> folder_in(OtherHandle to) {
  auto& mailbox = to.session->mailbox();
  auto opened = co_await mailbox.open();
  if (!opened) co_return opened.error();
  const auto object = to.session->find(to.handle);
  if (!object || object->kind != Object::Kind::folder) co_return error(Errc::unsupported, "no folder");
  const auto id = static_cast<const FolderObject&>(*object).id;
  const auto* row = mailbox.tree()->find(id);
  if (!row) co_return error(Errc::not_found, "the folder is gone");
  if (row->role == FolderRole::search) co_return error(Errc::denied, "a search folder takes no messages");
  co_return id;
}

const Folder* child_named(const FolderTree& tree, GlobalCounter parent, std::string_view name) {
  for (const auto* child : tree.children(parent))
    if (child->name == name) return child;
  return nullptr;
}

Task<Result<bool>> is_name_free(Mailbox* mailbox, GlobalCounter parent, std::string name) {
  auto using_it = mailbox->use();
  auto opened = co_await mailbox->open();
  if (!opened) co_return opened.error();
  const auto tree = mailbox->tree();
  co_return child_named(*tree, parent, name) == nullptr;
}

// `again`: one that was made before an interruption is taken.
Task<Result<GlobalCounter>> make_folder(Mailbox* mailbox, GlobalCounter parent, std::string name, std::string container_class,
                                        std::shared_ptr<const mapi::PropertyBag> extras, bool again) {
  auto using_it = mailbox->use();
  auto opened = co_await mailbox->open();
  if (!opened) co_return opened.error();
  if (again) {
    auto listed = co_await mailbox->refresh_folders();
    if (!listed) co_return listed.error();
    const auto tree = mailbox->tree();
    if (const auto* before = child_named(*tree, parent, name)) co_return before->id;
  }
  auto made = co_await mailbox->create_folder(parent, std::move(name), std::move(container_class));
  if (!made || !extras) co_return made;
  mapi::PropertyBag copies;
  // Rules stay behind. Row F3: named properties of folders are nobody's.
  for (const auto& [tag, value] : *extras)
    if (!tag.named() && tag.id() != mapi::PidTagHasRules.id() && tag.id() != mapi::PidTagHierarchyChangeNumber.id()) copies.set(tag, value);
  auto kept = co_await mailbox->set_folder_extras(*made, std::move(copies));
  if (!kept) co_return kept.error();
  co_return made;
}

Task<Result<GlobalCounter>> reserve_in(Mailbox* mailbox) {
  auto using_it = mailbox->use();
  auto opened = co_await mailbox->open();
  if (!opened) co_return opened.error();
  co_return co_await mailbox->reserve_id();
}

// -- here

// A message that is noted as on its way. Whatever ends this before end(), an error or a call that is cut off, leaves the note to the
// next who looks after the journal.
class Noted {
 public:
  Noted(Mailbox* mailbox, std::uint64_t entry) : mailbox_(mailbox->weak_from_this()), entry_(entry) {}
  ~Noted() {
    const auto mailbox = entry_ == 0 ? nullptr : mailbox_.lock();
    if (mailbox) mailbox->leave_handover(entry_);
  }
  Noted(const Noted&) = delete;
  Task<Status> end() {
    const auto mailbox = mailbox_.lock();
    if (!mailbox) co_return error(Errc::unavailable, "the mailbox is closed");
    auto ended = co_await mailbox->end_handover(entry_);
    if (ended) entry_ = 0;
    co_return ended;
  }

 private:
  std::weak_ptr<Mailbox> mailbox_;
  std::uint64_t entry_;
};

struct Way {
  Mailbox* from;
  Mailbox* to;
  std::string user;  // whose `to` is
  bool copy;
  bool again = false;  // it goes on after an interruption
};

// False: it was gone.
Task<Result<bool>> carry_message(Way way, GlobalCounter from, GlobalCounter id, GlobalCounter to) {
  if (!way.copy) {
    auto settled = co_await way.from->settle_journal();
    if (!settled) co_return settled.error();
  }
  auto parcel = co_await way.from->pack(from, id);
  if (!parcel && parcel.error().code == Errc::not_found) co_return false;
  if (!parcel) co_return parcel.error();
  const auto packed = (*parcel)->change_number;
  std::optional<Noted> noted;
  if (!way.copy) {
    auto reserving = reserve_in(way.to);
    auto there = co_await io::on(way.to->executor(), std::move(reserving));
    if (!there) co_return there.error();
    (*parcel)->id = *there;
    auto entry = co_await way.from->note_handover(from, id, packed, way.user, *there);
    if (!entry) co_return entry.error();
    noted.emplace(way.from, *entry);
  }
  auto unpacking = way.to->unpack(to, std::move(*parcel));
  auto stored = co_await io::on(way.to->executor(), std::move(unpacking));
  if (!stored) co_return stored.error();
  if (way.copy) co_return true;
  // What somebody wrote into it meanwhile is here alone.
  auto now = co_await way.from->message(id);
  if (now && now->change_number != packed) {
    auto dropped = co_await noted->end();
    if (!dropped) co_return dropped.error();
    co_return error(Errc::conflict, "the message was changed meanwhile");
  }
  std::vector<GlobalCounter> one(1, id);
  auto removed = co_await way.from->delete_messages(from, std::move(one), Deletion::hard);
  if (!removed) co_return removed.error();
  auto ended = co_await noted->end();
  if (!ended) co_return ended.error();
  co_return true;
}

// All messages of a folder, hidden ones last.
Task<Result<std::vector<GlobalCounter>>> messages_in(Mailbox* mailbox, GlobalCounter folder) {
  std::vector<GlobalCounter> ids;
  for (const auto of : {folder, state::associated_of(folder)}) {
    auto read = [of](state::MailboxState& s) { return s.message_keys(of); };
    auto keys = co_await mailbox->with_state(read);
    if (!keys) co_return keys.error();
    for (const auto& key : *keys) ids.push_back(key.id);
  }
  co_return ids;
}

// Whatever came meanwhile stays, and the folder with it.
Task<Status> remove_if_empty(Mailbox* mailbox, GlobalCounter id, bool* partial) {
  const auto* row = mailbox->tree()->find(id);
  if (!row) co_return Status{};
  if (row->selectable && !mailbox->is_local(*row)) {
    auto fresh = co_await mailbox->refresh_folder(id);
    if (!fresh) co_return fresh;
  }
  auto left = co_await messages_in(mailbox, id);
  if (!left) co_return left.error();
  if (!left->empty() || !mailbox->tree()->children(id).empty()) {
    *partial = true;
    co_return Status{};
  }
  co_return co_await mailbox->delete_folder(id);
}

Task<Status> carry_folder(Way way, GlobalCounter id, GlobalCounter to, std::string name, bool recursive, unsigned depth, bool* partial) {
  if (depth > max_depth) co_return error(Errc::limit, "folders within folders");
  const auto* row = way.from->tree()->find(id);
  if (!row) co_return error(Errc::not_found, "the folder is gone");
  const Folder source = *row;
  if (source.selectable) {
    // All that is there, not what the index saw last.
    auto indexed = co_await way.from->wait_indexed(id, way.from->context().options.first_index_wait);
    if (!indexed) co_return indexed;
    if (!way.copy && !way.from->is_local(source)) {
      auto fresh = co_await way.from->refresh_folder(id);
      if (!fresh) co_return fresh;
    }
  }
  std::vector<GlobalCounter> below;
  for (const auto* child : way.from->tree()->children(id)) below.push_back(child->id);
  auto making = make_folder(way.to, to, std::move(name), source.container_class, way.from->folder_extras(id), way.again);
  auto made = co_await io::on(way.to->executor(), std::move(making));
  if (!made) co_return made.error();
  *partial = true;  // should it stop here
  auto ids = co_await messages_in(way.from, id);
  if (!ids) co_return ids.error();
  for (const auto message : *ids) {
    auto carried = co_await carry_message(way, id, message, *made);
    if (!carried) co_return carried.error();
  }
  bool left = false;
  for (const auto child : below) {
    const auto* inner = recursive ? way.from->tree()->find(child) : nullptr;
    // What a search folder shows is in others.
    if (!inner || inner->role == FolderRole::search) continue;
    auto inner_name = inner->name;
    bool inner_left = false;
    auto carried = co_await carry_folder(way, child, *made, std::move(inner_name), true, depth + 1, &inner_left);
    if (!carried) co_return carried;
    left |= inner_left;
  }
  if (!way.copy) {
    auto removed = co_await remove_if_empty(way.from, id, &left);
    if (!removed) co_return removed;
  }
  *partial = left;
  co_return Status{};
}

}  // namespace

Task<ErrorCode> messages_to_other(RopCall& call, GlobalCounter from, OtherHandle to, std::vector<GlobalCounter> ids, bool copy, bool* partial) {
  const Way way{&call.mailbox, &to.session->mailbox(), to.session->owner(), copy};
  auto finding = folder_in(to);
  auto folder = co_await io::on(way.to->executor(), std::move(finding));
  if (!folder) co_return folder.error().code == Errc::denied ? mapi::ecSearchFolder : mapi::to_error_code(folder.error());
  auto places = co_await call.mailbox.by_folder(from, std::move(ids));
  if (!places) co_return mapi::to_error_code(places.error());
  for (const auto& [place, messages] : *places) {
    for (const auto id : messages) {
      auto carried = co_await carry_message(way, place, id, *folder);
      if (!carried && carried.error().code == Errc::conflict) *partial = true;
      if (!carried) co_return carried.error().code == Errc::conflict ? mapi::ecObjectModified : mapi::to_error_code(carried.error());
      *partial |= *carried;  // should it stop here
    }
  }
  *partial = false;
  co_return mapi::ecNone;
}

Task<ErrorCode> folder_to_other(RopCall& call, GlobalCounter folder, OtherHandle to, std::string name, bool recursive, bool move, bool* partial) {
  const auto* source = call.mailbox.tree()->find(folder);
  if (!source) co_return mapi::ecNotFound;
  if (move && special_folder(source->role)) co_return mapi::ecAccessDenied;
  if (source->role == FolderRole::search) co_return mapi::ecNotSupported;
  const Way way{&call.mailbox, &to.session->mailbox(), to.session->owner(), !move};
  auto finding = folder_in(to);
  auto parent = co_await io::on(way.to->executor(), std::move(finding));
  if (!parent) co_return mapi::to_error_code(parent.error());
  std::optional<Noted> noted;
  if (move) {
    auto asking = is_name_free(way.to, *parent, name);
    auto is_free = co_await io::on(way.to->executor(), std::move(asking));
    if (!is_free) co_return mapi::to_error_code(is_free.error());
    if (!*is_free) co_return mapi::ecDuplicateName;
    Mailbox::FolderHandover what;
    what.folder = folder;
    what.parent = *parent;
    what.user = way.user;
    what.name = name;
    auto entry = co_await way.from->note_folder_handover(std::move(what));
    if (!entry) co_return mapi::to_error_code(entry.error());
    noted.emplace(way.from, *entry);
  }
  auto carried = co_await carry_folder(way, folder, *parent, std::move(name), recursive, 0, partial);
  // The client hears how far it got: what goes on by itself is what was cut off.
  if (noted) {
    auto ended = co_await noted->end();
    if (carried && !ended) co_return mapi::to_error_code(ended.error());
  }
  if (carried) co_return mapi::ecNone;
  const bool begun = *partial;
  if (carried.error().code == Errc::conflict) co_return begun ? mapi::ecObjectModified : mapi::ecDuplicateName;
  co_return mapi::to_error_code(carried.error());
}

Task<> carry_on(std::shared_ptr<Mailbox> from) {
  auto using_it = from->use();
  auto left = co_await from->take_folder_handovers();
  if (!left) co_return;
  for (const auto& [entry, what] : *left) {
    Noted noted(from.get(), entry);
    auto to = from->context().mailbox_of(what.user);
    const Way way{from.get(), to.get(), what.user, false, true};
    bool partial = false;
    auto carried = co_await carry_folder(way, what.folder, what.parent, what.name, true, 0, &partial);
    if (!carried && carried.error().retryable()) {
      log::info("mailbox: moving a folder to the mailbox of {} waits: {}", what.user, carried.error().message);
      from->wait_with_handovers();
      continue;
    }
    log::info("mailbox: moving a folder to the mailbox of {} was interrupted, and is over now{}", what.user,
              carried ? std::string() : ": " + carried.error().message);
    auto ended = co_await noted.end();
    if (!ended) co_return;
  }
}

}  // namespace mapigate::mailbox
