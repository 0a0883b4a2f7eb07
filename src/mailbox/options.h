// What a mailbox engine may be told. The module's settings fill it; the units are in
// the types or beside the name.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/time.h"
#include "convert/mime_tnef_writer.h"

namespace mapigate::mailbox {

struct EngineOptions {
  std::string state_dir;
  std::string server_name = "mapigate";
  // Users that live elsewhere: address to the distinguished name of their server (row L8).
  std::map<std::string, std::string> elsewhere;

  std::size_t max_objects = 4096;       // server objects a session
  std::size_t max_tables = 500;         // of them
  std::size_t max_messages = 500;       // of them: messages, attachments, streams together
  std::size_t max_rows = 2'000'000;     // messages of one folder that a table may list
  std::size_t max_stream_memory = std::size_t{1} << 20;   // larger streams live in an unlinked file
  std::size_t content_cache = std::size_t{8} << 20;       // bytes of message content kept a user
  std::size_t text_cache = std::size_t{1} << 20;          // bytes of texts' beginnings kept a user, for rows of tables
  std::size_t list_cache = 500'000;                       // message ids kept a user, over all sorted lists
  std::size_t max_events = 256;         // queued a session; beyond, single events become one "look again"
  std::uint32_t max_submit_kilobytes = 35 * 1024;         // PidTagMaximumSubmitMessageSize
  std::size_t max_rules_bytes = std::size_t{256} << 10;   // of the rules of one folder together

  Duration refresh_interval = std::chrono::seconds(30);
  Duration first_index_wait = std::chrono::seconds(60);   // a table waits so long for a folder never seen
  Duration backend_wait = std::chrono::seconds(60);       // for the folder list and for content
  Duration stream_lock_time = std::chrono::minutes(5);    // a locked region of a stream holds others back so long
  Duration idle_close = std::chrono::minutes(10);
  Duration notification_wait = std::chrono::seconds(300); // row M4, [MS-OXCRPC] 3.3.4.1
  // Deleted messages are kept so long (zero: not at all), in this folder of the backend, which clients of MAPI do not see.
  Duration deleted_retention = std::chrono::hours(24 * 14);
  std::string recoverable_folder = "Recoverable Items";
  convert::TnefPolicy tnef = convert::TnefPolicy::never;  // of what is sent
  bool chain_rows = true;               // packed RopQueryRows where the client asks for it
  bool chain_streams = false;           // packed RopReadStream: row S6
};

}  // namespace mapigate::mailbox
