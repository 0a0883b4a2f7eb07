// Mailboxes of other users and shared ones (RFC 2342), and what one may do there (RFC 4314).
#pragma once

#include "connection.h"
#include "data.h"

namespace mapigate::imap {

// Those of others that are shown.
enum class SharedFolders : std::uint8_t { all, subscribed, none };

enum class NamespaceKind : std::uint8_t { personal, others, shared };
struct PlaceOf {
  NamespaceKind kind = NamespaceKind::personal;
  const Namespace* space = nullptr;  // nullptr: of none that the server told
};
// Where a mailbox belongs: the longest prefix counts. `namespaces` must outlive the answer.
PlaceOf place_of(const Namespaces& namespaces, std::string_view mailbox);

// What stands for mailboxes that no prefix tells from one's own names: no server has a mailbox of that name.
inline constexpr char shared_top[] = "\x7Fshared";

// The folder above all mailboxes of a namespace is named as that.
std::string name_of_top(NamespaceKind kind, const std::string& decoded_prefix);

// Rights of [MS-OXCPERM] 2.2.7 from letters of RFC 4314, and of RFC 2086.
std::uint32_t rights_of(std::string_view letters);

struct Listing;
// Adds to a list what the server does not tell by "*", takes from it what is not wanted, and asks for the rights in the rest.
// `options`: what stands behind the pattern of a LIST command.
Task<Status> complete_listing(Connection* connection, SharedFolders wanted, std::string options, OnResponse on, Listing* listing);

}  // namespace mapigate::imap
