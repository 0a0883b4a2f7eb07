// The properties of stores, folders, index rows of messages and attachments. Each is a table
// of (tag, how to get it): a property is added there in one line.
#pragma once

#include <memory>

#include "mailbox/folder_tree.h"
#include "mailbox/options.h"
#include "mailbox/property_source.h"
#include "mailbox/store_identity.h"

namespace mapigate::mailbox {

// Not in [MS-OXPROPS]; folder rows carry it, empty (row F4).
inline constexpr mapi::PropertyTag PidTagCreatorSID{0x0E58, mapi::PropertyType::PtypBinary};
// Nor this one of stores: from how many kilobytes on the user is warned.
inline constexpr mapi::PropertyTag PidTagStorageQuotaLimit{0x3FF5, mapi::PropertyType::PtypInteger32};
// PidTagExtendedRuleSizeLimit: bytes of the condition of an extended rule ([MS-OXCSTOR] 2.2.2.1.1.1, [MS-OXORULE] 3.2.4.1).
inline constexpr std::size_t extended_rule_limit = 0x10000;

// StoreState ([MS-OXCSTOR] 2.2.1.5.2, 2.2.2.1.2.1): STORE_HAS_SEARCHES.
constexpr std::uint32_t store_state(bool has_searches) { return has_searches ? 0x01000000 : 0; }
// Beside a message: the convert::Supplement of its MIME. Clients neither see nor set it.
inline constexpr mapi::PropertyTag supplement_tag{0x67FE, mapi::PropertyType::PtypBinary};

struct StoreView {
  std::shared_ptr<const StoreIdentity> store;
  std::shared_ptr<const FolderTree> tree;
  std::uint32_t max_submit_kilobytes = 0;
  unsigned code_page = 1252;
  std::uint32_t locale = 0x0409;
  Bytes replid_map;  // PidTagSerializedReplidGuidMap
  bool has_searches = false;
  std::shared_ptr<const mapi::PropertyBag> extras{};  // what was set
  std::string guest{};                                // who looks at the store of another
};
class StoreSource final : public PropertySource {
 public:
  explicit StoreSource(StoreView view) : view_(std::move(view)) {}
  std::optional<mapi::Value> get(mapi::PropertyTag tag, Arena& arena) const override;
  std::vector<mapi::PropertyTag> list() const override;

 private:
  StoreView view_;
};

struct FolderView {
  std::shared_ptr<const StoreIdentity> store;
  std::shared_ptr<const FolderTree> tree;
  const Folder* folder = nullptr;  // of `tree`
  unsigned depth = 0;              // as a row of a hierarchy table: below the table's folder, from 0
  std::shared_ptr<const mapi::PropertyBag> extras{};  // what was set
};
class FolderSource final : public PropertySource {
 public:
  explicit FolderSource(FolderView view) : view_(std::move(view)) {}
  std::optional<mapi::Value> get(mapi::PropertyTag tag, Arena& arena) const override;
  std::vector<mapi::PropertyTag> list() const override;
  GlobalCounter id() const { return view_.folder->id; }

 private:
  FolderView view_;
};

// A message as the index knows it: no backend is asked for it.
struct MessageView {
  std::shared_ptr<const StoreIdentity> store;
  state::Message message;
};
class MessageSource final : public PropertySource {
 public:
  explicit MessageSource(MessageView view) : view_(std::move(view)) {}
  std::optional<mapi::Value> get(mapi::PropertyTag tag, Arena& arena) const override;
  std::vector<mapi::PropertyTag> list() const override;
  state::Message* index_row() override { return &view_.message; }
  const state::Message& message() const { return view_.message; }

 private:
  MessageView view_;
};
// The columns that RopQueryColumnsAll tells of a contents and of a hierarchy table.
std::vector<mapi::PropertyTag> message_columns();
std::vector<mapi::PropertyTag> folder_columns();

// PidTagMessageFlags of an index row ([MS-OXCMSG] 2.2.1.6).
std::uint32_t message_flags(const state::Message& message);

// One row of the maker's table.
template <class View_>
struct Getter {
  mapi::PropertyTag tag;
  std::optional<mapi::Value> (*get)(const View_& view, Arena& arena);
};

}  // namespace mapigate::mailbox
