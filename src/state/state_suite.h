// What every implementation of StateStore has to do. An implementation's test instantiates the suite
// with itself:
//   INSTANTIATE_TEST_SUITE_P(Sqlite, StateSuite, testing::Values(StateBackend{"sqlite", …}));
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "state/mailbox_state.h"

namespace mapigate::state {

struct StateBackend {
  std::string name;
  // A store in a place of its own below `folder`, an empty private folder. Called again for the same
  // folder it opens the same store anew.
  std::function<Result<std::unique_ptr<StateStore>>(const std::string& folder)> open;
  std::function<bool()> available{};  // false: its tests are skipped, visibly
};
inline void PrintTo(const StateBackend& backend, std::ostream* out) { *out << backend.name; }

class StateSuite : public testing::TestWithParam<StateBackend> {
 protected:
  void SetUp() override;
  void TearDown() override;
  void reopen();  // state_ anew, as after a restart
  std::unique_ptr<MailboxState> open(const std::string& user);
  Folder make_folder(const std::string& name);

  std::string folder_;
  std::unique_ptr<StateStore> store_;
  std::unique_ptr<MailboxState> state_;
};

// A message as a provider finds it; everything follows from `key`.
Message sample_message(std::uint64_t key, std::uint32_t flags = 0);

}  // namespace mapigate::state
