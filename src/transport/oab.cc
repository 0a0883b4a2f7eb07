#include "transport/oab.h"

#include <charconv>
#include <fstream>

#include "base/log.h"
#include "base/text.h"
#include "transport/autodiscover_profile.h"

namespace mapigate::transport {

namespace {

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7).
std::string http_date(std::int64_t seconds) {
  const auto when = static_cast<std::time_t>(seconds);
  std::tm parts{};
  gmtime_r(&when, &parts);
  constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", days[parts.tm_wday], parts.tm_mday, months[parts.tm_mon], parts.tm_year + 1900,
                     parts.tm_hour, parts.tm_min, parts.tm_sec);
}

bool names_tag(std::string_view field, std::string_view etag) {
  return trim(field) == "*" || field.find(etag) != std::string_view::npos;
}

// So much of a file is held for each download.
constexpr std::uint64_t piece_size = 256 * 1024;

// A file that stays readable though a newer version takes its place. Used by one worker at a time.
class OpenFile {
 public:
  explicit OpenFile(std::string path, std::uint64_t first) : path_(std::move(path)), first_(first) {}
  // The next bytes, opening it first.
  Result<Bytes> read(std::uint64_t size) {
    if (!file_.is_open()) {
      file_.open(path_, std::ios::binary);
      file_.seekg(static_cast<std::streamoff>(first_));
    }
    Bytes out(size);
    file_.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(size));
    if (!file_) return error(Errc::not_found, "{} cannot be read", path_);
    return out;
  }

 private:
  const std::string path_;
  const std::uint64_t first_;
  std::ifstream file_;
};

io::Task<> answer_text(io::HttpExchange& exchange, unsigned status, std::string text) {
  const io::HttpHeaders headers{{"Content-Type", "text/plain; charset=utf-8"}, {"Cache-Control", "no-store"}};
  const auto sent = co_await exchange.respond(status, headers, text);
  (void)sent;  // the client has gone
}

}  // namespace

Result<std::optional<ByteRange>> parse_range(std::string_view field, std::uint64_t size) {
  const std::optional<ByteRange> all;
  field = trim(field);
  if (!field.starts_with("bytes=") || field.find(',') != std::string_view::npos) return all;
  field.remove_prefix(6);
  const auto dash = field.find('-');
  if (dash == std::string_view::npos) return all;
  const auto number = [](std::string_view text, std::uint64_t& out) {
    const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
    return read.ec == std::errc() && read.ptr == text.data() + text.size();
  };
  ByteRange out;
  const auto begin = trim(field.substr(0, dash)), end = trim(field.substr(dash + 1));
  if (begin.empty()) {
    std::uint64_t count = 0;
    if (!number(end, count)) return all;
    if (count == 0 || size == 0) return error(Errc::limit, "no such bytes");
    out.first = count < size ? size - count : 0;
    out.last = size - 1;
  } else {
    if (!number(begin, out.first) || (!end.empty() && !number(end, out.last))) return all;
    if (end.empty()) out.last = size == 0 ? 0 : size - 1;
    if (out.last < out.first && !end.empty()) return all;
    if (out.first >= size) return error(Errc::limit, "no such bytes");
    out.last = std::min(out.last, size - 1);
  }
  return std::optional<ByteRange>(out);
}

std::shared_ptr<directory::oab::Publication> OabService::publication_of(const std::string& directory) {
  const std::lock_guard lock(mutex_);
  if (const auto known = books_.find(directory); known != books_.end()) return known->second;
  directory::oab::PublicationOptions options;
  options.name.guid = oab_guid(gateway_.options().server_name, directory);
  options.folder = options_.folder + "/" + options.name.guid;
  options.patches = options_.patches;
  auto opened = Publication::open(std::move(options));
  if (!opened) {
    log::warning("offline address book: {}", opened.error().message);
    return nullptr;
  }
  return books_.emplace(directory, std::move(*opened)).first->second;
}

io::Task<> OabService::keep_current() {
  for (;;) {
    for (auto* books : options_.address_books()) {
      const auto name = books->directory_name();
      auto snapshot = name.empty() ? nullptr : books->address_book("");
      if (!snapshot || published_[name].lock() == snapshot) continue;
      auto publication = publication_of(name);
      if (!publication) continue;
      directory::Server server{gateway_.options().server_name, external_base(gateway_.options()) + "/mapi/", {}};
      const auto work = [publication, snapshot, server] { return publication->update(*snapshot, server); };
      auto made = co_await io::run_blocking(gateway_.runtime(), work);
      if (!made) {
        log::warning("offline address book of {}: {}", name, made.error().message);
        continue;
      }
      published_[name] = snapshot;
      if (*made) log::info("offline address book of {}: version {}", name, publication->sequence());
    }
    co_await io::sleep_for(options_.check_interval);
  }
}

io::Task<> OabService::handle(io::HttpExchange& exchange, std::shared_ptr<const chain::Identity> identity) {
  const auto route = gateway_.route(identity->user);
  const auto directory = route && route->address_books ? route->address_books->directory_name() : std::string();
  const auto path = std::string(exchange.path());
  const auto parts = path.substr(std::min<std::size_t>(path.size(), 5));  // behind "/OAB/"
  const auto slash = parts.find('/');
  auto file = slash == std::string::npos ? std::string() : parts.substr(slash + 1);
  if (equal_ignoring_ascii_case(file, "oab.xml")) file = "oab.xml";
  const bool own = !directory.empty() && equal_ignoring_ascii_case(parts.substr(0, slash), oab_guid(gateway_.options().server_name, directory));
  if (exchange.method() != "GET" && exchange.method() != "HEAD") {
    co_await answer_text(exchange, 405, "Only GET and HEAD are served here.\n");
    co_return;
  }
  const auto publication = own ? publication_of(directory) : nullptr;
  auto found = publication ? publication->find(file) : Result<Publication::File>(error(Errc::not_found, "no such book"));
  if (!found) {
    co_await answer_text(exchange, 404, "Nothing is here.\n");
    co_return;
  }
  co_await answer_file(exchange, std::move(*found));
}

io::Task<> OabService::answer_file(io::HttpExchange& exchange, Publication::File file) {
  const auto changed = http_date(file.time);
  io::HttpHeaders headers;
  headers.add("Content-Type", file.path.ends_with(".xml") ? "text/xml" : "application/octet-stream");
  headers.add("ETag", file.etag).add("Last-Modified", changed).add("Accept-Ranges", "bytes").add("Cache-Control", "private");
  const auto none_match = exchange.header("If-None-Match");
  const bool unchanged = none_match.empty() ? trim(exchange.header("If-Modified-Since")) == changed : names_tag(none_match, file.etag);
  if (unchanged) {
    const auto sent = co_await exchange.respond(304, headers, View());
    (void)sent;
    co_return;
  }
  const auto if_range = trim(exchange.header("If-Range"));
  const bool may_be_part = if_range.empty() || if_range == file.etag || if_range == changed;
  auto range = parse_range(may_be_part ? exchange.header("Range") : std::string_view(), file.size);
  if (!range) {
    headers.add("Content-Range", fmt::format("bytes */{}", file.size));
    const auto sent = co_await exchange.respond(416, headers, View());
    (void)sent;
    co_return;
  }
  std::uint64_t first = 0, size = file.size;
  unsigned status = 200;
  if (*range) {
    first = (*range)->first;
    size = (*range)->last - first + 1;
    status = 206;
    headers.add("Content-Range", fmt::format("bytes {}-{}/{}", first, (*range)->last, file.size));
  }
  const auto source = std::make_shared<OpenFile>(file.path, first);
  const auto read = [source](std::uint64_t count) { return [source, count] { return source->read(count); }; };
  auto next = std::min(size, piece_size);
  auto piece = co_await io::run_blocking(gateway_.runtime(), read(next));
  if (!piece) {
    co_await answer_text(exchange, 404, "Nothing is here any more.\n");  // a newer version has taken its place
    co_return;
  }
  exchange.begin_stream(status, io::http_reason(status), headers, size);
  auto sent = co_await exchange.write_chunk(View(*piece));
  auto left = exchange.method() == "HEAD" ? 0 : size - next;
  while (sent && left > 0) {
    next = std::min(left, piece_size);
    left -= next;
    piece = co_await io::run_blocking(gateway_.runtime(), read(next));
    if (!piece) {
      log::warning("offline address book: {}", piece.error().message);
      exchange.aborter()();
      co_return;
    }
    sent = co_await exchange.write_chunk(View(*piece));
  }
  if (sent) sent = co_await exchange.finish();
  (void)sent;  // the client has gone
}

}  // namespace mapigate::transport
