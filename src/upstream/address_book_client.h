// The client's side of the address book: one session at the NSPI service of an upstream. Used by
// `mapigate client`; written against the specifications, not against our server.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mapi/errors.h"
#include "upstream/session.h"
#include "wire/nspi/nspi.h"

namespace mapigate::upstream {

struct AddressBookContainer {
  std::uint32_t id = 0;
  std::uint32_t depth = 0;
  std::string name;
};

struct AddressBookEntry {
  std::string name, address, title, department, office, phone;
  wire::nspi::DisplayType type{};
};

struct ResolvedName {
  std::string asked;
  wire::nspi::MinimalEntryID outcome{};   // MID_UNRESOLVED, MID_AMBIGUOUS, MID_RESOLVED
  std::vector<AddressBookEntry> entries;  // the one, or the candidates
};

class AddressBookClient {
 public:
  explicit AddressBookClient(std::unique_ptr<Session> session);

  Task<Status> bind();
  Task<Status> unbind();

  // What a mailbox is asked for by ([MS-OXOABK] 2.2.3.14), for those who have no Autodiscover.
  Task<Result<std::string>> legacy_dn(std::string address);
  Task<Result<std::vector<AddressBookContainer>>> containers();
  // The entries of a container in the order of their names; `limit` 0 means all.
  Task<Result<std::vector<AddressBookEntry>>> entries(std::uint32_t container, std::size_t limit,
                                                      std::function<void(std::uint64_t done, std::uint64_t total)> progress);
  // As Outlook does: ResolveNames, then GetMatches for the candidates of a name that is ambiguous.
  Task<Result<std::vector<ResolvedName>>> resolve(std::vector<std::string> names);

 private:
  template <class T>
  Task<Result<typename T::Response>> call(chain::Operation operation, typename T::Request request, Arena* arena, Bytes* reply);

  std::unique_ptr<Session> session_;
  std::string client_guid_;
  unsigned requests_ = 0;
};

}  // namespace mapigate::upstream
