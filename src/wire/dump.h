// Dumps of what the codecs decode: as indented text for people, as JSON for tools.
#pragma once

#include <string>

#include "wire/rop/rop.h"

namespace mapigate::wire {

// Builds "Name: value" lines, two spaces a level. Binary values are hex; those
// longer than `max_bytes` are cut, with their size behind them.
class TextSink final : public FieldSink {
 public:
  explicit TextSink(std::size_t max_bytes = 64, unsigned level = 0) : max_bytes_(max_bytes), level_(level) {}
  std::string take() { return std::move(out_); }

  void begin(const char* name) override;
  void end() override { --level_; }
  void begin_list(const char* name, std::size_t count) override;
  void end_list() override { --level_; }
  void number(const char* name, std::uint64_t value, unsigned bytes) override;
  void boolean(const char* name, bool value) override { line(name, value ? "true" : "false"); }
  void real(const char* name, double value) override;
  void text(const char* name, std::string_view utf8) override;
  void bytes(const char* name, View value) override;
  void symbol(const char* name, std::uint64_t value, unsigned bytes, std::string_view symbol) override;

 private:
  void line(const char* name, std::string_view value);
  std::string out_;
  std::size_t max_bytes_;
  unsigned level_;
};

// Builds a JSON object: structures are objects, lists are arrays, bytes are hex
// strings, numbers with a name are {"value": n, "name": "..."}. Numbers that
// JSON readers round (above 2^53) are strings of decimal digits. A name that
// comes twice in one structure gets "_2", "_3" … behind it.
class JsonSink final : public FieldSink {
 public:
  JsonSink();
  ~JsonSink() override;
  JsonSink(const JsonSink&) = delete;
  std::string take(int indent = 2);  // ends the object

  void begin(const char* name) override;
  void end() override;
  void begin_list(const char* name, std::size_t count) override;
  void end_list() override;
  void number(const char* name, std::uint64_t value, unsigned bytes) override;
  void boolean(const char* name, bool value) override;
  void real(const char* name, double value) override;
  void text(const char* name, std::string_view utf8) override;
  void bytes(const char* name, View value) override;
  void symbol(const char* name, std::uint64_t value, unsigned bytes, std::string_view symbol) override;

 private:
  struct Tree;
  std::unique_ptr<Tree> tree_;
};

// The whole payload of a buffer, told to a sink: its ROPs, its handle table, and, where
// decoding stopped, `opaque` and `problem`.
void describe(FieldSink& sink, const RopRequestBuffer& buffer);
void describe(FieldSink& sink, const RopResponseBuffer& buffer, const RopRequestBuffer* requests);
// What stands behind its ROPs, alone: for those who tell the ROPs by themselves (tell_rops).
void describe_rest(FieldSink& sink, const RopRequestBuffer& buffer);
void describe_rest(FieldSink& sink, const RopResponseBuffer& buffer);

std::string to_text(const RopRequestBuffer& buffer);
std::string to_text(const RopResponseBuffer& buffer, const RopRequestBuffer* requests);
std::string to_json(const RopRequestBuffer& buffer);
std::string to_json(const RopResponseBuffer& buffer, const RopRequestBuffer* requests);

enum class DumpForm : std::uint8_t { text, json };

// Decodes and dumps; a payload that cannot be taken apart at all gives its error as the dump.
std::string dump_requests(View payload, DumpForm form, const LogonSource* logons = nullptr);
std::string dump_responses(View payload, DumpForm form, const RopRequestBuffer* requests = nullptr,
                           const ColumnSource* columns = nullptr);

}  // namespace mapigate::wire
