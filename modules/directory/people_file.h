// The file of modules/directory: TOML with an [[entry]] for each person, group or room. README.md has an example.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "directory/entry.h"

namespace mapigate::directory {

// Names of photos and certificates count from the file's folder. An error names the line and what would mend it.
Result<std::vector<Entry>> read_people_file(const std::string& file);

}  // namespace mapigate::directory
