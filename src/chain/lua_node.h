// Structures between the wire and Lua: a tree of plain values that the field lists
// fill and are filled from. Nothing in here calls Lua with anything to lose:
// Lua leaves a C function by longjmp, which runs no destructors.
#pragma once

#include <string>
#include <vector>

#include "wire/describe.h"

struct lua_State;

namespace mapigate::chain {

struct NodeField;

struct Node {
  enum class Kind { nil, boolean, integer, real, string, table };
  Kind kind = Kind::nil;
  bool flag = false;
  std::int64_t number = 0;
  double real = 0;
  std::string text;
  std::vector<NodeField> fields;  // of a table, by name
  std::vector<Node> items;        // of a table, 1, 2, …

  Node();
  explicit Node(Kind kind);
  static Node table();
  static Node of(std::int64_t number);
  static Node of(bool flag);
  static Node of(double real);
  static Node of(std::string text);
  const Node* find(std::string_view name) const;
  void set(std::string name, Node value);
  void erase(std::string_view name);
  bool operator==(const Node& other) const;
};

struct NodeField {
  std::string name;
  Node value;
  bool operator==(const NodeField&) const = default;
};

// Describes a structure into a table. A pair of PropertyTag and PropertyValue becomes tag and value.
class NodeSink : public wire::FieldSink {
 public:
  explicit NodeSink(Node& root) : stack_{&root} {}
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
  Node& add(const char* name, Node value);
  std::vector<Node*> stack_;
};

// Builds a structure from a table. What is absent is zero or empty; what has the wrong type
// is an error, the first of which stays.
class NodeSource : public wire::FieldSource {
 public:
  explicit NodeSource(const Node& root) : stack_{{&root, 0}} {}
  const std::string& problem() const { return problem_; }  // empty: none

  void begin(const char* name) override;
  void end() override { stack_.pop_back(); }
  std::size_t begin_list(const char* name) override;
  void end_list() override { stack_.pop_back(); }
  std::uint64_t number(const char* name) override;
  bool boolean(const char* name) override;
  double real(const char* name) override;
  std::string text(const char* name) override;
  Bytes bytes(const char* name) override;
  mapi::Value value(const char* name, mapi::PropertyType type, Arena& arena) override;
  bool has(const char* name) override;
  const mapi::Restriction* restriction(const char* name, Arena& arena) override;
  void fail(const char* name, const char* why) override;

 private:
  struct Place {
    const Node* node;
    std::size_t next;  // item, within a list
  };
  const Node& take(const char* name);
  std::uint64_t number_of(const Node& node, const char* name);
  std::string text_of(const Node& node, const char* name);
  mapi::Value value_of(const Node& node, const char* name, mapi::PropertyType type, Arena& arena);
  bool build(const Node& node, mapi::Restriction& out, Arena& arena, unsigned depth);

  std::vector<Place> stack_;
  std::string problem_;
};

// May leave by longjmp (memory): only within a protected call, with nothing on the C++ stack that has a destructor.
void push(lua_State* lua, const Node& node);
// Never raises. False: too deep, too large, or something that is no plain value.
bool read(lua_State* lua, int index, Node& out);

}  // namespace mapigate::chain
