// What a source of a directory knows of a person, a group or a room, before anything is made of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mapi/value.h"

namespace mapigate::directory {

enum class EntryKind : std::uint8_t { person, group, room, equipment, contact };

// All text is UTF-8. Entries are named in members, owners and manager by key, address, account,
// or what the source calls them itself (`known_as`).
struct Entry {
  // Never changes and never goes to another: a UUID, or, where the source has none, the address.
  std::string key;
  EntryKind kind = EntryKind::person;
  std::string display_name;
  std::string address;                  // primary SMTP address
  std::vector<std::string> aliases;     // other SMTP addresses
  std::string account;
  std::vector<std::string> former_dns;  // legacy distinguished names of other servers that still have to be found
  std::string source_id;                // what the source tells changes by, if it does; nobody else looks at it
  std::string known_as;                 // how the source itself refers to it, e.g. an LDAP DN
  std::vector<std::pair<mapi::PropertyTag, std::string>> texts;
  std::vector<std::string> members, owners;
  std::vector<std::string> delegates;   // who may send on its behalf
  std::vector<std::string> full_access; // who may use all of its mailbox; clients are told to open it beside their own
  std::string manager;
  std::vector<std::string> container;   // path of organisational containers, outermost first
  Bytes photo;                          // JPEG
  std::vector<Bytes> certificates;      // X.509, DER
  std::uint32_t capacity = 0;           // of a room
  bool hidden = false;                  // found by its address and name in full, listed nowhere
};

// Attributes that are plain text, under the names that files and mappings use: "given_name", "title".
struct TextAttribute {
  std::string_view name;
  mapi::PropertyTag tag;
};
const std::vector<TextAttribute>& text_attributes();
std::optional<EntryKind> entry_kind(std::string_view name);

}  // namespace mapigate::directory
