// What the subcommands print: untrusted text made safe for a terminal, columns
// aligned by what a terminal shows, file names that stay where they belong.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace mapigate::daemon {

// UTF-8 without anything that a terminal obeys: C0 and C1 controls, DEL, direction overrides and broken
// UTF-8 become visible escapes (\x1b, \u{202e}). With `lines`, line breaks and tabs stay (CR LF becomes LF).
std::string escape_controls(std::string_view utf8, bool lines = false);

// Columns of a terminal: 0 for combining marks, 2 for wide East Asian characters and emoji.
std::size_t display_width(std::string_view utf8);
// Padded with spaces, or cut with an ellipsis, to exactly `width` columns.
std::string fit(std::string_view utf8, std::size_t width, bool right = false);

// Rows of text in aligned columns, two spaces between them. The last column is not padded.
struct Column {
  const char* title;
  std::size_t widest = 60;  // columns of the terminal; longer cells are cut
  bool right = false;
};
std::string table(const std::vector<Column>& columns, const std::vector<std::vector<std::string>>& rows);

// "812 B", "1.4 KiB", "23 MiB".
std::string readable_size(std::uint64_t bytes);

// The name under which an attachment may be saved: one path component of at most 200 bytes, without
// separators, control characters, leading dots or names that other systems reserve. Never empty.
std::string safe_file_name(std::string_view untrusted);

// A new file in `folder`, opened for writing: an existing name (also a dangling link) is never taken,
// "a.txt" becomes "a (2).txt" … The folder is made when it is missing.
struct NewFile {
  int descriptor = -1;
  std::string path;
};
Result<NewFile> create_new_file(const std::string& folder, std::string_view untrusted_name);
Status write_all(int descriptor, View bytes);

// A file, or standard input for "-". At most `limit` bytes.
Result<Bytes> read_input(const std::string& file, std::size_t limit);

// Prints to standard output; false when it could not be written (full disk, closed pipe).
bool print_out(std::string_view text);

}  // namespace mapigate::daemon
