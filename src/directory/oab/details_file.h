// The uncompressed files of an offline address book ([MS-OXOAB] 2.2 and 2.9): details of all objects, dialogs.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "directory/object_properties.h"

namespace mapigate::directory::oab {

inline constexpr std::uint32_t details_version = 0x20, template_version = 0x07;
inline constexpr std::size_t header_size = 12;  // OAB_HDR: ulVersion, ulSerial, ulTotRecs

// The sum that all parts of the format use: CRC-32 without its last inversion.
std::uint32_t checksum(View bytes);

// What says of itself whose book it is.
struct BookName {
  std::string guid;  // "xxxxxxxx-xxxx-…"
  std::string dn = "/";
  std::string name = "Global Address List";
};

// A file and where its parts begin: what stands before the records, then the records, by minimal ids in ascending order.
struct DetailsFile {
  Bytes bytes;
  std::vector<std::uint32_t> ids;
  std::vector<std::size_t> starts;  // of each record
};

// Of everybody who is not hidden. Minimal ids do not change, so that versions differ only where entries do.
DetailsFile make_details(const Snapshot& snapshot, const Server& server, const BookName& name, std::uint32_t sequence);
// Finds the parts of a file again; `ids` are those it was made with.
Result<DetailsFile> split_details(Bytes bytes, std::vector<std::uint32_t> ids);

// The dialogs in this code page.
Bytes make_template_file(std::uint32_t code_page, std::uint32_t locale);

// A record as a reader sees it: text as UTF-8, numbers in decimal, bytes in hex; several values with a line break between.
using DetailsRecord = std::map<std::uint32_t, std::string>;  // by property tag
struct DetailsContent {
  DetailsRecord header;
  std::vector<DetailsRecord> records;
};
Result<DetailsContent> read_details(View bytes);

}  // namespace mapigate::directory::oab
