// MailboxState over an SQL database, SQLite or PostgreSQL; its methods are spread over the sql_*.cc of this folder.
#pragma once

#include "state/mailbox_state.h"
#include "state/database.h"

namespace mapigate::state {

class SqlState : public MailboxState {
 public:
  // `shared`: others may write to the same mailbox at the same time.
  explicit SqlState(std::unique_ptr<Database> database, bool shared = false) : database_(std::move(database)), shared_(shared) {}
  ~SqlState() override;
  Status load();  // identity of the mailbox; makes it in a new file

  mapi::Guid mailbox_guid() const override { return mailbox_guid_; }
  mapi::Guid replica_guid() const override { return replica_guid_; }
  Result<GlobalCounter> reserve_ids(std::uint32_t count) override;
  Result<std::vector<Folder>> folders() override;
  Result<Folder> put_folder(Folder folder) override;
  Status remove_folder(GlobalCounter id, bool vanished) override;
  Result<std::vector<MessageKey>> message_keys(GlobalCounter folder) override;
  Result<std::uint64_t> newest_key(GlobalCounter folder) override;
  Result<AppliedDelta> apply(GlobalCounter folder, FolderDelta delta) override;
  Result<std::vector<GlobalCounter>> message_ids(GlobalCounter folder, Sort sort) override;
  Result<std::optional<Message>> message(GlobalCounter id) override;
  Result<std::vector<Message>> messages(std::span<const GlobalCounter> ids) override;
  Status each_message(GlobalCounter folder, const std::function<bool(Message&)>& each) override;
  Result<Folder> change_links(GlobalCounter folder, const LinkChange& change) override;
  Result<std::vector<GlobalCounter>> linked_folders(GlobalCounter folder) override;
  Result<FolderChanges> changes(GlobalCounter folder, GlobalCounter seen, GlobalCounter read) override;
  GlobalCounter latest_change() const override;
  Result<mapi::PropertyBag> extra_properties(GlobalCounter object) override;
  Status set_extra_properties(GlobalCounter object, const mapi::PropertyBag& properties) override;
  Result<std::optional<Bytes>> content(GlobalCounter message) override;
  Result<std::uint64_t> add_journal(const std::string& kind, const std::string& head, View payload) override;
  Result<std::vector<JournalEntry>> journal(const std::string& kind) override;
  Result<std::optional<Bytes>> journal_payload(std::uint64_t id) override;
  Status update_journal(std::uint64_t id, const std::string& head) override;
  Status remove_journal(std::uint64_t id) override;
  Result<std::vector<std::uint16_t>> named_property_ids(std::span<const mapi::PropertyName> names,
                                                        bool create) override;
  Result<std::vector<std::optional<mapi::PropertyName>>> named_properties(
      std::span<const std::uint16_t> ids) override;
  Result<std::vector<std::pair<std::uint16_t, mapi::PropertyName>>> all_named_properties() override;
  Result<std::optional<std::string>> value(const std::string& key) override;
  Status set_value(const std::string& key, const std::string& value) override;

 private:
  struct FolderSums;

  // `count` consecutive counters. Outside of a transaction: what was handed out must not be rolled back.
  Result<GlobalCounter> take_counters(std::uint64_t count);
  // Begins, with `count` counters for what will be written. Where others write, too, they are taken within: change
  // numbers become visible in the order of their size, or clients would miss some.
  Result<GlobalCounter> begin_numbered(Transaction& transaction, Durability durability, std::uint64_t count);
  Result<GlobalCounter> move_counter(std::uint64_t count);

  Status remove_messages(GlobalCounter folder, const std::vector<GlobalCounter>& ids, bool vanished, FolderSums& sums);
  Status change_keys(GlobalCounter folder, const std::vector<KeyChange>& changes);
  Status change_flags(GlobalCounter folder, const std::vector<FlagChange>& changes, GlobalCounter& next,
                      FolderSums& sums, AppliedDelta& applied);
  Result<bool> may_have_keys(GlobalCounter folder, const std::vector<Message>& added);
  Status add_messages(GlobalCounter folder, const std::vector<Message>& added, GlobalCounter& next,
                      FolderSums& sums, AppliedDelta& applied);

  Result<FolderChanges> link_changes(GlobalCounter folder, GlobalCounter seen, GlobalCounter read);
  // `content`: content_key() of the message.
  Status put_extras(const mapi::PropertyBag& extras, GlobalCounter id, const Bytes& content);
  // sql_kept.cc
  Status keep_extras(GlobalCounter message);
  Status prune_kept();
  Result<bool> any_kept();
  Result<mapi::PropertyBag> kept_extras(const Bytes& content);
  Status change_extras(GlobalCounter folder, const std::vector<ExtrasChange>& changes, GlobalCounter& next,
                       AppliedDelta& applied);
  Status change_contents(const std::vector<ContentChange>& changes);

  std::unique_ptr<Database> database_;
  const bool shared_;
  bool bulk_ = false;
  mapi::Guid mailbox_guid_, replica_guid_;
  // Counters that the file already says are gone: those up to block_end_ are ours to hand out.
  GlobalCounter next_ = 0;
  GlobalCounter block_end_ = 0;
};

// By what a message is known again under another id. Empty where that is too little.
Bytes content_key(const mapi::PropertyBag& properties, FileTime received, std::uint64_t size);

}  // namespace mapigate::state
