// The subcommands of `mapigate` that take few arguments. Each returns the exit status: 0 only on success.
#pragma once

#include <string>

namespace mapigate::daemon {

struct DnsCheck;

// The daemon: returns when a signal has ended it.
int serve_command(const std::string& config_file);
// What the config means, or what is wrong with it.
int check_command(const std::string& config_file, bool json);
// What DNS and certificate must hold for a domain; status 1 when something stops clients.
int check_dns_command(const std::string& config_file, const DnsCheck& check, bool json);
// Every setting, of the daemon and of the modules in `module_dir`, as "toml" or as a "man" section.
int reference_command(const std::string& format, const std::string& module_dir);
// What the codecs and the engines know, as JSON for tools/make-coverage.
int coverage_command();

// The state store: "backup" (into the folder `target`), "check", "repair", "reindex" (of `user`).
struct StateOptions {
  std::string config_file, what, target, user;
};
int state_command(const StateOptions& options);

}  // namespace mapigate::daemon
