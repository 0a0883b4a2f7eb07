#include "mailbox/across_rops.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
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

// As create_folder() tells names apart.
const Folder* child_named(const FolderTree& tree, GlobalCounter parent, std::string_view name) {
  const auto wanted = fold(name);
  for (const auto* child : tree.children(parent))
    if (fold(child->name) == wanted) return child;
  return nullptr;
}

Task<Result<bool>> are_names_free(Mailbox* mailbox, GlobalCounter parent, std::vector<std::string> names) {
  auto using_it = mailbox->use();
  auto opened = co_await mailbox->open();
  if (!opened) co_return opened.error();
  const auto tree = mailbox->tree();
  co_return std::none_of(names.begin(), names.end(), [&](const auto& name) { return child_named(*tree, parent, name) != nullptr; });
}

// `again`: one that was made before an interruption, or a failure, is taken.
Task<Result<GlobalCounter>> make_folder(Mailbox* mailbox, GlobalCounter parent, std::string name, std::string container_class,
                                        std::shared_ptr<const mapi::PropertyBag> extras, bool again) {
  auto using_it = mailbox->use();
  auto opened = co_await mailbox->open();
  if (!opened) co_return opened.error();
  Result<GlobalCounter> made = 0;
  if (again) {
    auto listed = co_await mailbox->refresh_folders();
    if (!listed) co_return listed.error();
    const auto tree = mailbox->tree();
    if (const auto* before = child_named(*tree, parent, name)) made = before->id;
  }
  if (*made == 0) made = co_await mailbox->create_folder(parent, std::move(name), std::move(container_class));
  // What was set there since stays.
  if (!made || !extras || mailbox->folder_extras(*made)) co_return made;
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

Task<Result<bool>> has_arrived(Mailbox* mailbox, GlobalCounter id) {
  auto using_it = mailbox->use();
  auto opened = co_await mailbox->open();
  if (!opened) co_return opened.error();
  auto settled = co_await mailbox->settle_journal();
  if (!settled) co_return settled.error();
  auto arrival = co_await mailbox->arrival(id);
  if (!arrival) co_return arrival.error();
  if (*arrival == Mailbox::Arrival::open) co_return error(Errc::unavailable, "nobody can tell yet whether a message has arrived");
  co_return *arrival == Mailbox::Arrival::yes;
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
  bool again = false;           // it goes on after an interruption
  Carried* carried = nullptr;  // what went over in tries before this one; null: there are none
};

// Whether a try before this one has stored it there.
Task<Result<bool>> went_before(Way way, GlobalCounter id) {
  if (!way.carried) co_return false;
  const auto before = way.carried->messages.find(id);
  if (before == way.carried->messages.end()) co_return false;
  auto asking = has_arrived(way.to, before->second);
  co_return co_await io::on(way.to->executor(), std::move(asking));
}

// False: it was gone.
Task<Result<bool>> carry_message(Way way, GlobalCounter from, GlobalCounter id, GlobalCounter to) {
  if (!way.copy) {
    auto settled = co_await way.from->settle_journal();
    if (!settled) co_return settled.error();
  }
  auto went = co_await went_before(way, id);
  if (!went || *went) co_return went;
  auto parcel = co_await way.from->pack(from, id);
  if (!parcel && parcel.error().code == Errc::not_found) co_return false;
  if (!parcel) co_return parcel.error();
  const auto packed = (*parcel)->change_number;
  std::optional<Noted> noted;
  if (!way.copy || way.carried) {
    auto reserving = reserve_in(way.to);
    auto there = co_await io::on(way.to->executor(), std::move(reserving));
    if (!there) co_return there.error();
    (*parcel)->id = *there;
    if (way.carried) way.carried->messages[id] = *there;
  }
  if (!way.copy) {
    auto entry = co_await way.from->note_handover(from, id, packed, way.user, (*parcel)->id);
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

// Messages of a folder, hidden ones last.
Task<Result<std::vector<GlobalCounter>>> messages_in(Mailbox* mailbox, GlobalCounter folder, bool normal = true, bool hidden = true) {
  std::vector<GlobalCounter> ids;
  for (const auto of : {folder, state::associated_of(folder)}) {
    if (of == folder ? !normal : !hidden) continue;
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
  // Known before it is made: nobody may hear of it.
  const bool again = way.again || (way.carried && !way.carried->folders.insert(id).second);
  auto making = make_folder(way.to, to, std::move(name), source.container_class, way.from->folder_extras(id), again);
  auto made = co_await io::on(way.to->executor(), std::move(making));
  // It is another's then.
  if (!made && way.carried && made.error().code == Errc::conflict) way.carried->folders.erase(id);
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
    std::vector<std::string> names(1, name);
    auto asking = are_names_free(way.to, *parent, std::move(names));
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

Task<ErrorCode> contents_to_other(RopCall& call, std::shared_ptr<FolderObject> from, OtherHandle to, FolderParts parts) {
  if (!parts.messages && !parts.associated && !parts.folders) co_return mapi::ecNone;
  Way way{&call.mailbox, &to.session->mailbox(), to.session->owner(), true};
  auto finding = folder_in(to);
  auto into = co_await io::on(way.to->executor(), std::move(finding));
  if (!into) co_return into.error().code == Errc::denied ? mapi::ecSearchFolder : mapi::to_error_code(into.error());
  if (!from->carried || from->carried->user != way.user || from->carried->into != *into) from->carried = std::make_shared<Carried>(way.user, *into);
  const auto carried = from->carried;
  way.carried = carried.get();
  std::vector<std::pair<GlobalCounter, std::string>> below;
  std::vector<std::string> new_names;
  for (const auto* child : way.from->tree()->children(from->id)) {
    // What a search folder shows is in others.
    if (!parts.folders || child->role == FolderRole::search) continue;
    below.emplace_back(child->id, child->name);
    if (!carried->folders.contains(child->id)) new_names.push_back(child->name);
  }
  auto asking = are_names_free(way.to, *into, std::move(new_names));
  auto are_free = co_await io::on(way.to->executor(), std::move(asking));
  if (!are_free) co_return mapi::to_error_code(are_free.error());
  if (!*are_free) co_return mapi::ecDuplicateName;
  if (parts.messages || parts.associated) {
    auto indexed = co_await way.from->wait_indexed(from->id, way.from->context().options.first_index_wait);
    if (!indexed) co_return mapi::to_error_code(indexed.error());
    auto ids = co_await messages_in(way.from, from->id, parts.messages, parts.associated);
    if (!ids) co_return mapi::to_error_code(ids.error());
    for (const auto id : *ids) {
      auto gone_over = co_await carry_message(way, from->id, id, *into);
      if (!gone_over) co_return mapi::to_error_code(gone_over.error());
    }
  }
  for (auto& [id, name] : below) {
    if (!way.from->tree()->find(id)) continue;
    bool partial = false;
    auto gone_over = co_await carry_folder(way, id, *into, std::move(name), true, 0, &partial);
    if (!gone_over) co_return gone_over.error().code == Errc::conflict ? mapi::ecDuplicateName : mapi::to_error_code(gone_over.error());
  }
  from->carried.reset();
  co_return mapi::ecNone;
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
