// From LDAP's attributes to what the directory knows: presets and the overrides of the config.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "directory/entry.h"

namespace mapigate::ldap {

// One entry as the server sent it: values under lower-case attribute names.
struct Record {
  std::string dn;
  std::map<std::string, std::vector<std::string>, std::less<>> values;
};

class Mapping {
 public:
  // `preset`: inetorgperson, posix, samba, ad or obm. `overrides`: "title=employeeType", "address=mail,mailAlternate"; nothing
  // behind the sign leaves the attribute out. `kinds`: "objectClass=kind", "attribute:value=kind".
  static Result<Mapping> create(std::string_view preset, const std::vector<std::string>& overrides,
                                const std::vector<std::string>& kinds, std::string mail_domain);

  const std::string& filter() const { return filter_; }  // of the preset
  std::vector<std::string> attributes() const;           // to ask for
  directory::Entry entry(const Record& record) const;
  std::string attribute_of(std::string_view ours) const;  // LDAP's, where one is written; empty: none

 private:
  std::vector<std::string> all(const Record& record, std::string_view name) const;
  std::string first(const Record& record, std::string_view name) const;

  std::string filter_;
  std::string mail_domain_;  // for accounts without an address; may be empty
  std::map<std::string, std::vector<std::string>, std::less<>> sources_;  // our name: LDAP's, the first that has a value counts
  std::vector<std::pair<std::string, directory::EntryKind>> kinds_;       // lower-case "objectclass" or "attribute:value"
};

}  // namespace mapigate::ldap
