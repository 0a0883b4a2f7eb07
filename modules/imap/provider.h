// An IMAP account as a provider of mail folders.
#pragma once

#include <map>

#include "mailbox/provider.h"
#include "namespaces.h"
#include "pool.h"

namespace mapigate::io {
class Runtime;
}

namespace mapigate::imap {

struct Options {
  std::shared_ptr<const Server> server;
  PoolOptions pool;
  std::string user_form = "%u";
  std::size_t batch = 1000;                          // messages fetched at once
  std::size_t most_messages = 5'000'000;             // in one folder
  Duration flag_interval = std::chrono::minutes(2);  // between looks at all flags, without CONDSTORE
  SharedFolders shared_folders = SharedFolders::all;
};

// What a folder's cursor holds. Written by a complete refresh.
struct Cursor {
  std::uint32_t uidvalidity = 0;
  std::uint32_t uidnext = 0;
  std::uint64_t highestmodseq = 0;  // 0: none, compare all flags
  std::uint32_t exists = 0;
  static Cursor parse(std::string_view text);  // all zero when it is none
  std::string to_string() const;
};

// What the tasks of a provider share; it lives as long as the last of them.
struct Account {
  Options options;
  io::Runtime& runtime;
  io::Executor executor;
  std::shared_ptr<Pool> pool;
  mailbox::RowLookup rows;
  std::map<std::string, Clock::time_point> flags_seen;  // by remote_id: the last look at all flags
  // By remote_id, from servers without LIST-STATUS. No numbers where the server refused them.
  struct Count {
    MailboxStatus status;
    Clock::time_point asked;
  };
  std::map<std::string, Count> counts = {};
};

// Selects the folder unless it is, so that the connection sees messages up to the UID `newest`, whoever stored them, and
// makes sure that UIDs mean what the index thinks.
Task<Status> enter(Connection* connection, state::Folder folder, std::uint64_t newest);
// After a refusal: the mailbox may be gone, renamed or another one by now, and Cyrus refuses all that is done in the selection from
// before. SELECT knows, the next time. True: this call may try it, once, because its connection had been used before.
bool select_again(Pool::Lease& lease, bool* again);

Task<Result<std::vector<mailbox::RemoteFolder>>> list_folders(std::shared_ptr<Account> account);
Task<Status> refresh_folder(std::shared_ptr<Account> account, state::Folder folder,
                            std::vector<state::MessageKey> known, mailbox::DeltaSink sink,
                            mailbox::Progress progress);

class ImapProvider : public mailbox::Provider {
 public:
  ImapProvider(Options options, io::Runtime& runtime, Credentials credentials, io::Executor executor);

  void set_row_lookup(mailbox::RowLookup rows) override { account_->rows = std::move(rows); }
  Task<Result<std::vector<mailbox::RemoteFolder>>> folders() override;
  Task<Status> refresh(state::Folder folder, std::vector<state::MessageKey> known, mailbox::DeltaSink sink,
                       mailbox::Progress progress) override;
  Task<Result<bool>> changed(state::Folder folder) override;
  Task<Result<convert::ByteSource>> content(state::Folder folder, std::uint64_t remote_key) override;
  Task<Status> set_flags(state::Folder folder, std::vector<std::uint64_t> remote_keys, std::uint32_t set,
                         std::uint32_t clear) override;
  // writing.cc
  Task<Result<std::uint64_t>> append(state::Folder folder, convert::ByteSource message, std::uint32_t flags,
                                     FileTime received) override;
  Task<Status> remove(state::Folder folder, std::vector<std::uint64_t> remote_keys) override;
  Task<Result<std::vector<mailbox::CopiedMessage>>> copy(state::Folder from, std::vector<std::uint64_t> remote_keys,
                                                         state::Folder to, bool move) override;
  Task<Result<std::vector<std::uint64_t>>> find(state::Folder folder, std::string message_id) override;
  // beginnings.cc
  Task<Result<std::vector<mailbox::MessageBeginning>>> beginnings(state::Folder folder, std::vector<std::uint64_t> remote_keys,
                                                                  std::size_t characters) override;
  // search.cc
  Task<Result<std::vector<std::uint64_t>>> search(state::Folder folder, mailbox::TextQuery query,
                                                  std::vector<std::uint64_t> among) override;
  Task<Status> set_keywords(state::Folder folder, std::vector<std::uint64_t> remote_keys, std::vector<std::string> add,
                            std::vector<std::string> remove) override;
  Task<Result<mailbox::Quota>> quota() override;
  // watch.cc
  Task<Result<std::shared_ptr<mailbox::Watch>>> watch(state::Folder folder) override;
  // recognize.cc
  Task<Result<std::vector<std::pair<state::GlobalCounter, std::string>>>> recognize(
      std::vector<mailbox::LostFolder> lost, std::vector<mailbox::RemoteFolder> came) override;
  // folder_writing.cc
  Task<Result<mailbox::RemoteFolder>> create_folder(std::string parent, std::string name) override;
  Task<Status> delete_folder(std::string remote_id) override;
  Task<Result<std::vector<std::pair<std::string, std::string>>>> move_folder(std::string remote_id, std::string parent,
                                                                             std::string name) override;

 private:
  std::shared_ptr<Account> account_;
};

// Folders as the mailbox tree wants them, from what LIST and NAMESPACE said.
struct Listing {
  std::vector<ListEntry> entries;
  std::vector<MailboxStatus> statuses;
  std::optional<Namespaces> namespaces;
  std::map<std::string, std::string> rights;  // letters, of mailboxes that others share
  bool utf8 = false;
};
std::vector<mailbox::RemoteFolder> arrange_folders(const Listing& listing);

}  // namespace mapigate::imap
