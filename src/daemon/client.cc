#include "daemon/client.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>

#include "convert/charset.h"
#include "convert/html_text.h"
#include "convert/rtf.h"
#include "daemon/address_book_print.h"
#include "daemon/client_oab.h"
#include "daemon/client_print.h"
#include "daemon/client_progress.h"
#include "daemon/client_transport.h"
#include "daemon/client_watch.h"
#include "daemon/output.h"
#include "io/runtime.h"
#include "io/tls.h"
#include "mapi/properties.h"
#include "upstream/address_book_client.h"
#include "upstream/http_identity.h"
#include "upstream/mailbox_writer.h"

namespace mapigate::daemon {

using io::Task;
using upstream::MailboxClient;
using Command = ClientOptions::Command;

namespace {

constexpr std::size_t max_body = std::size_t{64} << 20;

std::string advice_for(const Error& error, const ClientOptions& options) {
  if (error.message.find("certificate") != std::string::npos)
    return "Give the authority that signed the server's certificate with --ca-file FILE.";
  switch (error.code) {
    case Errc::denied: return "Check --user and the password (MAPIGATE_PASSWORD, --password-file).";
    case Errc::unavailable:
    case Errc::timeout:
      return options.server.empty() ? "Is the server up? --server https://HOST:PORT says where it is."
                                    : fmt::format("Is the server at {} up? `curl -i {}` tells.", options.server, options.server);
    case Errc::malformed: return "The server's answer breaks the protocol; --trace shows what was said.";
    case Errc::not_found:
      return options.command == Command::folders || options.command == Command::autodiscover || options.command == Command::oab
                 ? "Check the address, and that the server offers this transport."
                 : "`mapigate client folders` and `mapigate client ls FOLDER` list what is there.";
    default: return {};
  }
}

class ClientRun {
 public:
  ClientRun(const ClientOptions& options, io::Runtime& runtime, std::shared_ptr<io::HttpClient> http,
            std::shared_ptr<io::TlsClientContext> tls, Secret password)
      : options_(options),
        runtime_(runtime),
        transport_(options, runtime, std::move(http), std::move(tls), std::move(password)),
        progress_(!options.quiet && (options.progress || isatty(STDERR_FILENO) == 1), isatty(STDERR_FILENO) == 1) {}

  Task<> run() {
    try {
      outcome_ = co_await perform();
    } catch (const std::exception& bug) {
      outcome_ = error(Errc::internal, "internal error: {}", bug.what());
    }
    progress_.end();
    runtime_.stop();
  }
  Task<> heartbeat() { return progress_.heartbeat(); }
  const Status& outcome() const { return outcome_; }

 private:
  Task<Status> perform() {
    progress_.begin("finding the mailbox", ProgressLine::Unit::things);
    auto mailbox = co_await transport_.find();
    if (!mailbox) co_return mailbox.error();
    if (options_.command == Command::autodiscover)
      co_return print(options_.json ? mailbox_json(*mailbox) : mailbox_text(*mailbox));
    if (options_.command == Command::oof || options_.command == Command::freebusy) {
      auto identity = transport_.http_identity();
      auto text = co_await web_command(std::move(identity), std::move(*mailbox), &options_);
      if (!text) co_return text.error();
      co_return print(*text);
    }
    if (options_.command == Command::oab) {
      if (mailbox->oab_url.empty()) co_return error(Errc::not_found, "Autodiscover announces no offline address book");
      progress_.begin("reading the offline address book", ProgressLine::Unit::things);
      OabRequest wanted{mailbox->oab_url, options_.save, options_.json};
      auto identity = transport_.http_identity();
      auto text = co_await read_oab(std::move(identity), std::move(wanted));
      if (!text) co_return text.error();
      co_return print(*text);
    }
    if (options_.command == Command::gal || options_.command == Command::resolve) {
      auto done = co_await address_book(std::move(*mailbox));
      co_return done;
    }
    if (options_.command == Command::watch) {
      progress_.end();
      watch_ = std::make_unique<MailboxWatch>(options_, runtime_, transport_, [this](const std::string& line) { return print(line); }, trace());
      co_return co_await watch_->run();
    }
    auto session = co_await transport_.mailbox_session(*mailbox);
    if (!session) co_return session.error();
    client_ = std::make_unique<MailboxClient>(std::move(*session), std::move(*mailbox), trace());
    progress_.begin("logging on", ProgressLine::Unit::things);
    auto done = co_await client_->log_on();
    if (!done) co_return std::move(done.error()).within("log on");
    done = co_await command();
    progress_.begin("logging off", ProgressLine::Unit::things);
    auto gone = co_await client_->log_off();
    if (done && !gone) co_return std::move(gone.error()).within("log off");
    co_return done;
  }

  Task<Status> command() {
    switch (options_.command) {
      case Command::folders: return folders();
      case Command::ls:
      case Command::search: return messages();
      case Command::attachments: return attachments();
      case Command::send: return send();
      case Command::mkdir: return make_folder();
      case Command::mv:
      case Command::rm:
      case Command::flag: return change_messages();
      default: return show();
    }
  }

  Task<Status> address_book(upstream::DiscoveredMailbox mailbox) {
    progress_.begin("opening the address book", ProgressLine::Unit::things);
    auto session = co_await transport_.address_book_session(std::move(mailbox));
    if (!session) co_return session.error();
    upstream::AddressBookClient book(std::move(*session));
    auto done = co_await book.bind();
    if (!done) co_return std::move(done.error()).within("bind");
    if (options_.command == Command::resolve) done = co_await resolve(&book);
    else done = co_await entries(&book);
    auto gone = co_await book.unbind();
    if (done && !gone) co_return std::move(gone.error()).within("unbind");
    co_return done;
  }

  Task<Status> resolve(upstream::AddressBookClient* book) {
    auto found = co_await book->resolve(options_.names);
    if (!found) co_return found.error();
    co_return print(options_.json ? resolved_json(*found) : resolved_text(*found));
  }

  Task<Status> entries(upstream::AddressBookClient* book) {
    std::uint32_t container = 0;
    if (options_.containers || !options_.container.empty()) {
      auto known = co_await book->containers();
      if (!known) co_return known.error();
      if (options_.containers) co_return print(options_.json ? containers_json(*known) : containers_text(*known));
      const auto named = std::find_if(known->begin(), known->end(),
                                      [&](const auto& one) { return fold(one.name) == fold(options_.container); });
      if (named == known->end())
        co_return error(Errc::not_found, "the address book has no container \"{}\"; --containers lists them", options_.container);
      container = named->id;
    }
    progress_.begin("reading the address book", ProgressLine::Unit::things);
    auto found = co_await book->entries(container, options_.limit, progress());
    if (!found) co_return found.error();
    co_return print(options_.json ? entries_json(*found) : entries_text(*found));
  }

  Task<Status> folders() {
    progress_.begin("reading the folders", ProgressLine::Unit::things);
    auto found = co_await client_->folders();
    if (!found) co_return found.error();
    co_return print(options_.json ? folders_json(*found) : folders_text(*found));
  }

  Task<Status> messages() {
    progress_.begin("finding " + options_.folder, ProgressLine::Unit::things);
    auto folder = co_await client_->find_folder(options_.folder);
    if (!folder) co_return folder.error();
    Arena arena;
    const auto* restriction = options_.command == Command::search ? containing(arena, options_.text) : nullptr;
    progress_.begin((restriction == nullptr ? "reading " : "searching ") + folder->path, ProgressLine::Unit::things);
    auto found = co_await client_->messages(folder->id, restriction, options_.limit, progress());
    if (!found) co_return found.error();
    co_return print(options_.json ? messages_json(folder->id, *found) : messages_text(folder->id, *found));
  }

  Task<Status> send() {
    upstream::OutgoingMessage message;
    message.subject = options_.subject;
    for (const auto& [type, list] : {std::pair(std::uint8_t{1}, &options_.to), {std::uint8_t{2}, &options_.cc}, {std::uint8_t{3}, &options_.bcc}})
      for (const auto& address : *list) message.recipients.push_back({type, {}, address});
    message.text = options_.text;
    if (!options_.body_file.empty()) {
      auto text = read_file(options_.body_file);
      if (!text) co_return text.error();
      message.text = std::string(as_text(*text));
    }
    for (const auto& path : options_.attach) {
      auto data = read_file(path);
      if (!data) co_return data.error();
      message.files.push_back({std::filesystem::path(path).filename().string(), std::move(*data)});
    }
    progress_.begin("sending", ProgressLine::Unit::things);
    upstream::MailboxWriter writer(*client_);
    auto sent = co_await writer.send(std::move(message));
    co_return sent;
  }

  static Result<Bytes> read_file(const std::string& path) {
    std::ifstream file;
    if (path != "-") file.open(path, std::ios::binary);
    auto& in = path == "-" ? std::cin : static_cast<std::istream&>(file);
    if (!in) return error(Errc::not_found, "{} cannot be read", path);
    return Bytes(std::istreambuf_iterator<char>(in), {});
  }

  Task<Status> make_folder() {
    const auto slash = options_.folder.rfind('/');
    auto parent = client_->ipm_subtree();
    if (slash != std::string::npos) {
      auto above = co_await client_->find_folder(options_.folder.substr(0, slash));
      if (!above) co_return above.error();
      parent = above->id;
    }
    upstream::MailboxWriter writer(*client_);
    auto made = co_await writer.create_folder(parent, options_.folder.substr(slash == std::string::npos ? 0 : slash + 1));
    if (!made) co_return made.error();
    const auto id = mapi::to_string(*made);
    co_return print(options_.json ? fmt::format("{{\"id\": \"{}\"}}\n", id) : id + "\n");
  }

  // mv, rm, flag: folder by folder.
  Task<Status> change_messages() {
    std::map<std::uint64_t, std::vector<mapi::Id>> by_folder;
    for (const auto& text : options_.messages) {
      const auto name = parse_message_name(text);
      if (!name) co_return error(Errc::not_found, "\"{}\" names no message; give it as `ls` prints it (1-2a/1-3f)", text);
      by_folder[name->folder.value].push_back(name->message);
    }
    mapi::Id target;
    if (options_.command == Command::mv) {
      auto folder = co_await client_->find_folder(options_.target);
      if (!folder) co_return folder.error();
      target = folder->id;
    }
    upstream::MailboxWriter writer(*client_);
    progress_.begin("changing messages", ProgressLine::Unit::things);
    for (const auto& [value, messages] : by_folder) {
      const mapi::Id folder(value);
      Status done;
      if (options_.command == Command::mv) {
        done = co_await writer.move_messages(folder, messages, target, options_.copy);
      } else if (options_.command == Command::rm) {
        done = co_await writer.delete_messages(folder, messages);
      } else if (options_.mark == "read" || options_.mark == "unread") {
        done = co_await writer.set_read(folder, messages, options_.mark == "read");
      } else {
        for (const auto message : messages) {
          if (!done) break;
          done = co_await writer.set_flag(folder, message, options_.mark == "flagged");
        }
      }
      if (!done) co_return done;
    }
    co_return Status{};
  }

  Task<Status> show() {
    auto name = co_await message_name();
    if (!name) co_return name.error();
    ShownMessage shown;
    shown.name = *name;
    progress_.begin("reading the message", ProgressLine::Unit::bytes);
    auto detail = co_await client_->message(name->folder, name->message);
    if (!detail) co_return detail.error();
    shown.detail = std::move(*detail);
    const bool only_one_form = !options_.json && (options_.html || options_.rtf || options_.headers);
    if (!only_one_form) {
      auto text = co_await text_body(*name, shown.detail);
      if (!text) co_return text.error();
      shown.text = std::move(*text);
    }
    auto done = co_await other_forms(&shown);
    if (!done) co_return done;
    co_return print(options_.json ? message_json(shown) : message_text(shown));
  }

  Task<Status> other_forms(ShownMessage* shown) {
    if (options_.html) {
      auto html = co_await html_body(shown->name, shown->detail);
      if (!html) co_return std::move(html.error()).within("HTML body");
      shown->html = std::move(*html);
    }
    if (options_.rtf) {
      auto packed = co_await read(shown->name, mapi::PidTagRtfCompressed);
      if (!packed) co_return std::move(packed.error()).within("RTF body");
      auto rtf = convert::decompress_rtf(*packed, max_body);
      if (!rtf) co_return std::move(rtf.error()).within("RTF body");
      shown->rtf = std::move(*rtf);
    }
    if (options_.headers) {
      auto headers = co_await read(shown->name, mapi::PidTagTransportMessageHeaders);
      if (!headers) co_return std::move(headers.error()).within("headers");
      shown->headers = from_utf16(*headers);
    }
    co_return Status{};
  }

  Task<Status> attachments() {
    auto name = co_await message_name();
    if (!name) co_return name.error();
    progress_.begin("reading the message", ProgressLine::Unit::things);
    auto detail = co_await client_->message(name->folder, name->message);
    if (!detail) co_return detail.error();
    std::vector<SavedAttachment> list;
    for (const auto& info : detail->attachments) {
      SavedAttachment one{info, {}};
      if (!options_.save.empty() && info.embedded) {
        if (!options_.quiet) fmt::print(stderr, "\"{}\" is a message inside the message: listed, not saved\n", escape_controls(info.name));
      } else if (!options_.save.empty()) {
        auto saved = co_await save(*name, info);
        if (!saved) co_return std::move(saved.error()).within(fmt::format("attachment {}", info.number));
        one.path = std::move(*saved);
      }
      list.push_back(std::move(one));
    }
    co_return print(options_.json ? attachments_json(list) : attachments_text(list));
  }

  Task<Result<std::string>> save(MessageName name, upstream::AttachmentInfo info) {
    auto file = create_new_file(options_.save, info.name);
    if (!file) co_return file.error();
    progress_.begin("saving " + info.name, ProgressLine::Unit::bytes);
    const int descriptor = file->descriptor;
    std::function<Status(View)> sink = [descriptor](View bytes) { return write_all(descriptor, bytes); };
    auto done = co_await client_->read_attachment(name.folder, name.message, info.number, std::move(sink), progress());
    if (close(descriptor) != 0 && done) done = error(Errc::limit, "{} could not be written", file->path);
    if (!done) {
      unlink(file->path.c_str());  // half an attachment is worse than none
      co_return done.error();
    }
    co_return file->path;
  }

  // The plain text; where the server has none, the text of its HTML; else empty.
  Task<Result<std::string>> text_body(MessageName name, const upstream::MessageDetail& detail) {
    auto text = co_await read(name, mapi::PidTagBody);
    if (text) co_return from_utf16(*text);
    if (text.error().code != Errc::not_found) co_return text.error();
    auto html = co_await html_body(name, detail);
    if (html) co_return convert::html_to_text(*html);
    if (html.error().code != Errc::not_found) co_return html.error();
    co_return std::string();
  }

  Task<Result<std::string>> html_body(MessageName name, const upstream::MessageDetail& detail) {
    auto bytes = co_await read(name, mapi::PidTagHtml);
    if (!bytes) co_return bytes.error();
    const auto code_page = detail.properties.number(mapi::PidTagInternetCodepage);
    co_return code_page == 0 ? convert::guess_text(*bytes) : from_code_page(as_text(*bytes), static_cast<unsigned>(code_page));
  }

  Task<Result<Bytes>> read(MessageName name, mapi::PropertyTag tag) {
    auto out = std::make_shared<Bytes>();
    std::function<Status(View)> sink = [out](View bytes) -> Status {
      if (out->size() + bytes.size() > max_body) return error(Errc::limit, "it has more than {}", readable_size(max_body));
      out->insert(out->end(), bytes.begin(), bytes.end());
      return {};
    };
    auto done = co_await client_->read_property(name.folder, name.message, tag, std::move(sink), progress());
    if (!done) co_return done.error();
    co_return std::move(*out);
  }

  // Without its terminator, which a stream of a string may or may not have.
  static std::string from_utf16(const Bytes& bytes) {
    auto units = View(bytes).first(bytes.size() / 2 * 2);
    while (units.size() >= 2 && units[units.size() - 1] == 0 && units[units.size() - 2] == 0) units = units.first(units.size() - 2);
    return to_utf8(Utf16{units});
  }

  Task<Result<MessageName>> message_name() {
    if (const auto name = parse_message_name(options_.message)) co_return *name;
    const auto id = parse_id(options_.message);
    if (!id || options_.folder.empty())
      co_return error(Errc::not_found, "\"{}\" names no message; give it as `ls` prints it (1-2a/1-3f), or its last part with --folder", options_.message);
    auto folder = co_await client_->find_folder(options_.folder);
    if (!folder) co_return folder.error();
    co_return MessageName{folder->id, *id};
  }

  // Messages with the text in subject, sender or addressees.
  static const mapi::Restriction* containing(Arena& arena, const std::string& text) {
    const mapi::PropertyTag places[] = {mapi::PidTagSubject, mapi::PidTagSenderName, mapi::PidTagSenderEmailAddress, mapi::PidTagDisplayTo};
    auto parts = arena.make_span<mapi::Restriction>(std::size(places));
    for (std::size_t i = 0; i < parts.size(); ++i) {
      parts[i].type = mapi::RestrictType::ContentRestriction;
      parts[i].FuzzyLevelLow = mapi::FL_SUBSTRING;
      parts[i].FuzzyLevelHigh = mapi::FL_IGNORECASE;
      parts[i].tag = places[i];
      parts[i].value = {places[i], mapi::Value::string(arena, text)};
    }
    auto* any = arena.make<mapi::Restriction>();
    any->type = mapi::RestrictType::OrRestriction;
    any->children = parts;
    return any;
  }

  upstream::Progress progress() {
    return [this](std::uint64_t done, std::uint64_t total) { progress_.update(done, total); };
  }
  upstream::Trace trace() {
    if (!options_.trace) return {};
    return [this](bool request, const std::string& text) {
      progress_.end();
      fmt::print(stderr, "{}\n{}\n", request ? "--> request" : "<-- reply", escape_controls(text, true));
    };
  }
  Status print(const std::string& text) {
    progress_.end();
    if (!print_out(text)) return error(Errc::limit, "the output could not be written");
    return {};
  }

  const ClientOptions& options_;
  io::Runtime& runtime_;
  ClientTransport transport_;
  std::unique_ptr<MailboxClient> client_;
  std::unique_ptr<MailboxWatch> watch_;
  ProgressLine progress_;
  Status outcome_;
};

int fail(const Error& error, const ClientOptions& options) {
  fmt::print(stderr, "mapigate client: {}\n", escape_controls(error.message));
  if (const auto advice = advice_for(error, options); !advice.empty()) fmt::print(stderr, "{}\n", advice);
  return 1;
}

std::optional<std::uint64_t> parse_hex(std::string_view text) {
  std::uint64_t out = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), out, 16);
  if (code != std::errc() || end != text.data() + text.size()) return {};
  return out;
}

}  // namespace

std::optional<mapi::Id> parse_id(std::string_view text) {
  const auto dash = text.find('-');
  if (dash == std::string_view::npos) return {};
  const auto replid = parse_hex(text.substr(0, dash));
  const auto counter = parse_hex(text.substr(dash + 1));
  if (!replid || !counter || *replid > 0xFFFF || *counter > mapi::max_global_counter) return {};
  return mapi::Id(static_cast<std::uint16_t>(*replid), *counter);
}

std::optional<MessageName> parse_message_name(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return {};
  const auto folder = parse_id(text.substr(0, slash));
  const auto message = parse_id(text.substr(slash + 1));
  if (!folder || !message) return {};
  return MessageName{*folder, *message};
}

std::string to_string(const MessageName& name) { return mapi::to_string(name.folder) + "/" + mapi::to_string(name.message); }

int client_command(const ClientOptions& options) {
  if (options.user.find('@') == std::string::npos)
    return fail(error(Errc::internal, "--user \"{}\" is no e-mail address; give it as name@domain", options.user), options);
  if (options.insecure)
    fmt::print(stderr, "WARNING: --insecure: the server's certificate is NOT checked. Anybody on the way can read the\n"
                       "password and the mail. Use --ca-file FILE instead wherever you can.\n");
  io::TlsClientOptions tls_options;
  if (!options.ca_file.empty()) {
    tls_options.verify = io::TlsClientOptions::Verify::ca_file;
    tls_options.ca_file = options.ca_file;
  }
  if (options.insecure) tls_options.verify = io::TlsClientOptions::Verify::off;
  auto tls = io::TlsClientContext::create(std::move(tls_options));
  if (!tls) return fail(tls.error(), options);
  // Kerberos has the ticket cache for those who give no password.
  const bool tickets = (options.auth == "kerberos" || options.auth == "negotiate") && options.password_file.empty() &&
                       std::getenv("MAPIGATE_PASSWORD") == nullptr;
  const auto password = tickets ? Result<Secret>(Secret()) : find_password(options.password_file);
  if (!password) return fail(password.error(), options);

  io::RuntimeOptions small;
  small.threads = 1;
  small.workers = 1;
  io::Runtime runtime(small);
  io::HttpClientOptions http_options;
  http_options.tls = *tls;
  auto http = io::HttpClient::create(runtime, std::move(http_options));
  if (!http) return fail(http.error(), options);
  ClientRun run(options, runtime, *http, *tls, *password);
  io::spawn(runtime.executor(), run.run());
  io::spawn(runtime.executor(), run.heartbeat());
  runtime.run();
  return run.outcome() ? 0 : fail(run.outcome().error(), options);
}

}  // namespace mapigate::daemon
