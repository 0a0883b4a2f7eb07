// Sets of ids for people: the commands of each GLOBSET with their offsets, and the ranges that they make.
#include "wire/fxics/dump.h"

namespace mapigate::wire::fxics {

namespace {

constexpr std::size_t max_told = 1000;  // ranges and commands of one replica

std::string text_of(Range range) {
  return range.low == range.high ? fmt::format("0x{:x}", range.low) : fmt::format("0x{:x}-0x{:x}", range.low, range.high);
}

std::string text_of(const GlobSet& set) {
  std::string out;
  std::size_t told = 0;
  for (const auto& range : set.ranges()) {
    if (told++ == max_told) return fmt::format("{} … {} ranges", out, set.ranges().size());
    if (!out.empty()) out += ", ";
    out += text_of(range);
  }
  return out;
}

// How many commands the GLOBSET of each replica has.
class Counter final : public SetTeller {
 public:
  std::vector<std::size_t> commands;
  void replica(const char*, std::size_t, std::string_view) override { commands.push_back(0); }
  void command(std::size_t, std::uint8_t, const char*) override { ++commands.back(); }
  void operand(const char*, std::size_t, View) override {}
  void adds(Range) override {}
  void set(const GlobSet&) override {}
};

class Teller final : public SetTeller {
 public:
  Teller(FieldSink& sink, std::size_t* start, std::vector<std::size_t> commands)
      : sink_(sink), start_(start), commands_(std::move(commands)) {}

  void replica(const char* name, std::size_t offset, std::string_view text) override {
    sink_.begin("set");
    in_set_ = true;
    at(offset);
    sink_.text(name, text);
    sink_.begin_list("commands", commands_[replica_++]);
    in_list_ = true;
    told_ = 0;
    set_start_ = 0;
  }
  void command(std::size_t offset, std::uint8_t command, const char* name) override {
    end_command();
    if (told_ == 0) set_start_ = offset;
    if (told_++ >= max_told) return;
    sink_.begin("command");
    in_command_ = true;
    at(offset);
    sink_.symbol("Command", command, 1, name);
  }
  void operand(const char* name, std::size_t offset, View bytes) override {
    if (!in_command_) return;
    at(offset);
    sink_.bytes(name, bytes);
  }
  void adds(Range range) override {
    if (in_command_) added_ += (added_.empty() ? "" : ", ") + text_of(range);
  }
  void set(const GlobSet& whole) override {
    end_commands();
    at(set_start_);
    sink_.text("GLOBSET", text_of(whole));
    sink_.number("count", whole.size(), 8);
    close();
  }
  // Ends what an error left open.
  void close() {
    if (!in_set_) return;
    end_commands();
    sink_.end();
    in_set_ = false;
  }

 private:
  void at(std::size_t offset) {
    if (start_ != nullptr) *start_ = offset;
  }
  void end_command() {
    if (!in_command_) return;
    if (!added_.empty()) sink_.text("adds", added_);
    added_.clear();
    sink_.end();
    in_command_ = false;
  }
  void end_commands() {
    if (!in_list_) return;
    end_command();
    sink_.end_list();
    in_list_ = false;
  }

  FieldSink& sink_;
  std::size_t* start_;
  std::vector<std::size_t> commands_;
  std::size_t replica_ = 0, told_ = 0, set_start_ = 0;
  bool in_set_ = false, in_list_ = false, in_command_ = false;
  std::string added_;
};

}  // namespace

template <class Replica>
Status tell_idset(FieldSink& sink, std::size_t* start, const char* name, Cursor& cursor) {
  Counter counter;
  auto counted = cursor;
  (void)read_idset<Replica>(counted, &counter);

  sink.begin_list(name, counter.commands.size());
  Teller teller(sink, start, std::move(counter.commands));
  const auto end = cursor.offset() + cursor.left();
  const auto* bytes = cursor.position() - cursor.offset();
  const auto read = read_idset<Replica>(cursor, &teller);
  teller.close();
  sink.end_list();
  if (read) return {};
  if (start != nullptr) *start = cursor.offset();
  if (cursor.offset() < end) sink.bytes("rest", View(bytes + cursor.offset(), end - cursor.offset()));
  return read.error();
}

template Status tell_idset<std::uint16_t>(FieldSink&, std::size_t*, const char*, Cursor&);
template Status tell_idset<mapi::Guid>(FieldSink&, std::size_t*, const char*, Cursor&);

}  // namespace mapigate::wire::fxics
