// What `mapigate client gal` and `resolve` print; see client_print.h.
#pragma once

#include <string>
#include <vector>

#include "upstream/address_book_client.h"

namespace mapigate::daemon {

std::string entries_text(const std::vector<upstream::AddressBookEntry>& entries);
std::string entries_json(const std::vector<upstream::AddressBookEntry>& entries);
std::string containers_text(const std::vector<upstream::AddressBookContainer>& containers);
std::string containers_json(const std::vector<upstream::AddressBookContainer>& containers);
std::string resolved_text(const std::vector<upstream::ResolvedName>& names);
std::string resolved_json(const std::vector<upstream::ResolvedName>& names);

}  // namespace mapigate::daemon
