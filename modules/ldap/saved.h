// What was read last, as a file in the state folder: a start need not wait for LDAP, nor fail without it.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "directory/entry.h"

namespace mapigate::ldap {

struct Saved {
  std::string cookie;    // up to where the server's changes are in it; empty: nobody knows
  std::string settings;  // what it was read with: another configuration reads all anew
  std::vector<directory::Entry> entries;
};

Status save(const std::string& file, const Saved& saved);  // replaces the file as a whole
// The same of entries that are elsewhere.
Status save(const std::string& file, const std::string& cookie, const std::string& settings, const std::vector<const directory::Entry*>& entries);
// Errc::not_found when there is none; malformed for one that is damaged or of another version.
Result<Saved> load(const std::string& file);

}  // namespace mapigate::ldap
