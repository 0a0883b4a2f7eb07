// Distinguished names as Exchange writes them ([MS-OXOAB] 2.2.1 "X500 DN"): what
// Autodiscover announces, Connect and RopLogon ask for, and entry ids carry.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mapigate::mapi {

// The mailbox of an e-mail address:
// /o=mapigate/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn=alice@example.test
std::string user_dn(std::string_view address);
// The address again; none when the name is not one of user_dn(). Case does not count.
std::optional<std::string> address_of_user_dn(std::string_view dn);

// The server that holds the mailboxes, and its message database.
std::string server_dn(std::string_view server_name);
std::string mdb_dn(std::string_view server_name);
// The host name of a server again, out of either; none when the name is none of these. In lower case.
std::optional<std::string> server_of_dn(std::string_view dn);

// The template by which clients make addresses of a type ("SMTP"), in the language of this locale.
std::string address_template_dn(std::string_view address_type, std::uint32_t locale);

}  // namespace mapigate::mapi
