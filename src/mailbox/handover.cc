// What goes over into another mailbox is in two state stores and two backends. The mailbox it leaves notes each message before it is
// stored in the other one, under an id that the other has reserved: whoever finds the note later asks there for that id, and removes
// the message here if it has arrived.
#include <algorithm>
#include <sstream>

#include "base/log.h"
#include "mailbox/across_rops.h"
#include "mailbox/mailbox.h"
#include "mailbox/writing_support.h"

namespace mapigate::mailbox {

namespace {

constexpr auto ask_again_after = std::chrono::seconds(30);

struct HandoverHead {
  GlobalCounter folder = 0, message = 0, change = 0, there = 0;
  std::string user;
  static HandoverHead parse(const std::string& head) {
    HandoverHead out;
    std::istringstream in(head);
    in >> out.folder >> out.message >> out.change >> out.there >> out.user;
    return out;
  }
};

Task<Result<Mailbox::Arrival>> ask_for(std::shared_ptr<Mailbox> mailbox, GlobalCounter id) { co_return co_await mailbox->arrival(id); }

}  // namespace

Task<Result<std::uint64_t>> Mailbox::note_handover(GlobalCounter folder, GlobalCounter id, GlobalCounter change, std::string to_user,
                                                   GlobalCounter there) {
  const auto head = fmt::format("{} {} {} {} {}", folder, id, change, there, to_user);
  auto note = [&head, id](state::MailboxState& s) -> Result<std::uint64_t> {
    auto others = s.journal(handover_kind);
    if (!others) return others.error();
    for (const auto& one : *others)
      if (HandoverHead::parse(one.head).message == id) return error(Errc::unavailable, "message {:x} is on its way already", id);
    return s.add_journal(handover_kind, head, View());
  };
  auto entry = co_await with_state(note);
  if (entry) handing_over_.insert(*entry);
  co_return entry;
}

Task<Result<std::uint64_t>> Mailbox::note_folder_handover(FolderHandover what) {
  const auto head = fmt::format("{} {} {} {}", what.folder, what.parent, what.user, what.name);
  auto note = [&head](state::MailboxState& s) { return s.add_journal(folder_handover_kind, head, View()); };
  auto entry = co_await with_state(note);
  if (entry) handing_over_.insert(*entry);
  co_return entry;
}

Task<Result<std::vector<std::pair<std::uint64_t, Mailbox::FolderHandover>>>> Mailbox::take_folder_handovers() {
  std::vector<std::pair<std::uint64_t, FolderHandover>> out;
  auto read = [](state::MailboxState& s) { return s.journal(folder_handover_kind); };
  auto entries = co_await with_state(read);
  if (!entries) co_return entries.error();
  for (const auto& entry : *entries) {
    if (!handing_over_.insert(entry.id).second) continue;
    FolderHandover what;
    std::istringstream in(entry.head);
    in >> what.folder >> what.parent >> what.user;
    in.get();
    std::getline(in, what.name);
    out.emplace_back(entry.id, std::move(what));
  }
  co_return out;
}

void Mailbox::carry_on_soon() {
  if (!folders_left_ || Clock::now() < ask_handovers_after_ || !context_.mailbox_of) return;
  folders_left_ = false;
  io::spawn(executor_, carry_on(shared_from_this()));
}

void Mailbox::leave_handover(std::uint64_t entry) {
  handing_over_.erase(entry);
  journal_open_ = folders_left_ = true;
}

void Mailbox::wait_with_handovers() { ask_handovers_after_ = Clock::now() + ask_again_after; }

Task<Status> Mailbox::end_handover(std::uint64_t entry) {
  auto drop = [entry](state::MailboxState& s) { return s.remove_journal(entry); };
  auto dropped = co_await with_state(drop);
  if (dropped) handing_over_.erase(entry);
  co_return dropped;
}

Task<Result<Mailbox::Arrival>> Mailbox::arrival(GlobalCounter id) {
  auto using_it = use();
  auto opened = co_await open();
  if (!opened) co_return opened.error();
  GlobalCounter into = 0;
  auto look = [id, &into](state::MailboxState& s) -> Result<Arrival> {
    auto row = s.message(id);
    if (!row) return row.error();
    if (*row) return Arrival::yes;
    auto appends = s.journal(append_kind);
    if (!appends) return appends.error();
    for (const auto& one : *appends) {
      const auto head = AppendHead::parse(one.head);
      if (head.id == id) into = head.folder;
    }
    return into == 0 ? Arrival::no : Arrival::open;
  };
  auto found = co_await with_state(look);
  if (found && *found == Arrival::open) refresh_folder_soon(into);  // which ends what was begun there
  co_return found;
}

// With the write lock, or before anybody writes. False: nobody can tell yet.
Task<Result<bool>> Mailbox::finish_handover(state::JournalEntry entry) {
  if (handing_over_.contains(entry.id)) co_return false;
  const auto head = HandoverHead::parse(entry.head);
  if (head.user.empty() || !context_.mailbox_of) co_return true;
  if (Clock::now() < ask_handovers_after_) co_return false;
  auto other = context_.mailbox_of(head.user);
  auto asking = ask_for(other, head.there);
  auto arrived = co_await io::on(other->executor(), std::move(asking));
  if (!arrived || *arrived == Arrival::open) {
    wait_with_handovers();
    co_return false;
  }
  if (*arrived == Arrival::no) co_return true;  // it never got there
  auto row = co_await message(head.message);
  if (!row && row.error().code != Errc::not_found) co_return row.error();
  // What somebody wrote into it since is here alone, and stays.
  if (!row || state::folder_of(row->folder) != head.folder || row->change_number != head.change) co_return true;
  if (state::is_associated(row->folder)) {
    state::FolderDelta gone;
    gone.removed.push_back(row->id);
    auto applied = co_await apply_locked(row->folder, std::move(gone));
    if (!applied) co_return applied.error();
    co_return true;
  }
  const auto* folder = tree_->find(head.folder);
  if (!folder) co_return true;
  const Folder from = *folder;
  std::vector<state::Message> rows;
  rows.push_back(std::move(*row));
  auto removed = co_await remove_rows(from, rows);
  if (!removed && !is_final(removed.error())) co_return removed.error();
  if (!removed) log::warning("mailbox: message {:x} is in the mailbox of {} now, and stays in {}: {}", head.message, head.user, from.name, removed.error().message);
  else log::info("mailbox: message {:x} had gone to the mailbox of {} before an interruption", head.message, head.user);
  co_return true;
}

}  // namespace mapigate::mailbox
