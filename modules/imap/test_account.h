// A provider as the engine uses it: made through the module's descriptor, its deltas applied to a real
// state store.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>

#include "chain/module.h"
#include "io/test_run.h"
#include "provider.h"
#include "test_dovecot.h"

namespace mapigate::imap {

class TestAccount {
 public:
  explicit TestAccount(RawSection settings, std::string user = mapigate::testing::Dovecot::user,
                       std::string password = mapigate::testing::Dovecot::password);
  ~TestAccount();

  // Each waits for its end on the test's thread.
  Status authenticate(std::string password);
  Result<std::vector<mailbox::RemoteFolder>> folders();
  Result<mailbox::RemoteFolder> create_folder(const std::string& parent, const std::string& name);
  // Its new remote id.
  Result<std::string> move_folder(const std::string& remote_id, const std::string& parent, const std::string& name);
  state::Folder add_folder(const std::string& remote_id);
  state::Folder folder(state::GlobalCounter id);
  Status refresh(state::GlobalCounter folder);
  Result<bool> changed(state::GlobalCounter folder);
  Result<convert::ByteSource> content(state::GlobalCounter folder, std::uint64_t key);
  Result<std::vector<mailbox::MessageBeginning>> beginnings(state::GlobalCounter folder, std::vector<std::uint64_t> keys, std::size_t characters);
  Status set_flags(state::GlobalCounter folder, std::vector<std::uint64_t> keys, std::uint32_t set,
                   std::uint32_t clear);
  Result<std::vector<mailbox::CopiedMessage>> copy(state::GlobalCounter from, std::vector<std::uint64_t> keys, state::GlobalCounter to, bool move);
  // The folder against mailboxes that came: the remote id of the one that it is, or nothing.
  std::string recognize(state::GlobalCounter folder, const std::vector<std::string>& came);
  // All messages of a folder by remote_key.
  std::vector<state::Message> messages(state::GlobalCounter folder);
  state::MailboxState& state() { return *state_; }
  std::vector<std::size_t> parts;  // added messages in each delta of the last refresh

 private:
  template <class T>
  T run(io::Task<T> task);

  std::string folder_;
  std::unique_ptr<io::Runtime> runtime_;
  io::Executor executor_;
  Metrics metrics_;
  std::unique_ptr<chain::Component> module_;
  std::unique_ptr<state::StateStore> store_;
  std::unique_ptr<state::MailboxState> state_;
  std::unique_ptr<mailbox::Provider> provider_;
};

RawSection plain_settings(std::uint16_t port);
std::string test_message(int number, const std::string& body = "Hello\r\n");

}  // namespace mapigate::imap
