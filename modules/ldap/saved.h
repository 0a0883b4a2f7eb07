// What was read last, as a file in the state folder: a start need not wait for LDAP, nor fail without it.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "directory/entry.h"

namespace mapigate::ldap {

Status save(const std::string& file, const std::vector<directory::Entry>& entries);  // replaces the file as a whole
// Errc::not_found when there is none; malformed for one that is damaged or of another version.
Result<std::vector<directory::Entry>> load(const std::string& file);

}  // namespace mapigate::ldap
