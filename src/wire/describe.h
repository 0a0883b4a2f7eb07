// The other two visitors of a field list: FieldDescriber tells a FieldSink what
// a structure holds (dumps, JSON, Lua), FieldBuilder asks a FieldSource for it
// (Lua, fuzzers). Sink and source are run-time interfaces, so that each
// structure is instantiated once and not once per output form.
#pragma once

#include "wire/fields.h"

namespace mapigate::wire {

class FieldSink {
 public:
  virtual ~FieldSink() = default;
  virtual void begin(const char* name) = 0;                     // a structure, or an element of a list
  virtual void end() = 0;
  virtual void begin_list(const char* name, std::size_t count) = 0;
  virtual void end_list() = 0;
  // `bytes` is the width on the wire: 1, 2, 4 or 8.
  virtual void number(const char* name, std::uint64_t value, unsigned bytes) = 0;
  virtual void boolean(const char* name, bool value) = 0;
  virtual void real(const char* name, double value) = 0;
  virtual void text(const char* name, std::string_view utf8) = 0;
  virtual void bytes(const char* name, View value) = 0;
  // A number that has a name: a property tag, an error code. `symbol` is what people read.
  virtual void symbol(const char* name, std::uint64_t value, unsigned bytes, std::string_view symbol) = 0;
};

// Visits structures that are only read here; takes them by const reference.
class FieldDescriber {
 public:
  explicit FieldDescriber(FieldSink& sink, unsigned code_page = 1252) : sink_(sink), code_page_(code_page) {}
  // What the reader noted in `places` is told with `start` set to its offset, and of a broken restriction what was read.
  void locate(const Places& places, std::size_t* start) {
    places_ = &places;
    start_ = start;
  }

  template <class T>
  void operator()(const char* name, const T& x) {
    if constexpr (std::is_same_v<T, bool>) sink_.boolean(name, x);
    else if constexpr (std::is_floating_point_v<T>) sink_.real(name, x);
    else if constexpr (Scalar<T>) number(name, static_cast<std::uint64_t>(static_cast<std::make_unsigned_t<std::conditional_t<std::is_enum_v<T>, std::int64_t, T>>>(x)), sizeof(T));
    else if constexpr (std::is_same_v<T, mapi::Guid>) sink_.text(name, mapi::to_string(x));
    else if constexpr (std::is_same_v<T, mapi::Id>) sink_.symbol(name, x.value, 8, mapi::to_string(x));
    else if constexpr (std::is_same_v<T, mapi::PropertyTag>) tag(name, x);
    else if constexpr (std::is_same_v<T, FileTime>) sink_.text(name, to_iso8601(x));
    else if constexpr (ByteArray<T>) sink_.bytes(name, x);
    else {
      sink_.begin(name);
      T::fields(x, *this);
      sink_.end();
    }
  }
  void sz(const char* name, Utf16 text) { sink_.text(name, to_utf8(text)); }
  void sz(const char* name, std::string_view text) { sink_.text(name, from_code_page(text, code_page_)); }
  void bytes(const char* name, View view, std::size_t) { sink_.bytes(name, view); }
  void rest(const char* name, View view) { sink_.bytes(name, view); }
  template <std::unsigned_integral Count>
  void binary(const char* name, View view) {
    sink_.bytes(name, view);
  }
  template <class T>
  void list(const char* name, std::span<const T> span, std::size_t) {
    sink_.begin_list(name, span.size());
    for (const auto& element : span) (*this)(name, element);
    sink_.end_list();
  }
  template <std::unsigned_integral Count, class T>
  void counted(const char* name, std::span<const T> span) {
    list(name, span, span.size());
  }
  template <class T, class Context>
  void list_in(const char* name, std::span<const T> span, std::size_t, const Context& context) {
    sink_.begin_list(name, span.size());
    for (const auto& element : span) {
      sink_.begin(name);
      T::fields(element, *this, context);
      sink_.end();
    }
    sink_.end_list();
  }
  template <std::unsigned_integral Count>
  std::size_t count(const char* name, std::size_t n) {
    sink_.number(name, n, sizeof(Count));
    return n;
  }
  template <std::unsigned_integral Size, class Visit>
  void sized(const char*, Visit visit) {
    visit(*this);
  }
  bool more(bool present) const { return present; }
  template <class T>
  void list_to_end(const char* name, std::span<const T> span) {
    list(name, span, span.size());
  }
  void value(const char* name, const mapi::Value& value, mapi::PropertyType type);
  void tagged(const char* name, const mapi::TaggedValue& value);
  void tagged_list(const char* name, std::span<const mapi::TaggedValue> values, std::size_t count);
  void restriction(const char* name, const mapi::Restriction* restriction);
  void row(const char* name, const PropertyRow& row, Columns columns);
  void rows(const char* name, std::span<const PropertyRow> rows, std::size_t count, Columns columns);
  void check(bool, const char*) {}

 private:
  void number(const char* name, std::uint64_t value, unsigned bytes);  // ReturnValue gets its error name
  void tag(const char* name, mapi::PropertyTag tag);
  // Whether the reader noted it; then it is what is told next.
  bool at(const void* address) {
    const auto offset = places_ == nullptr ? std::nullopt : places_->find(Places::Of::field, address);
    if (offset) *start_ = *offset;
    return offset.has_value();
  }
  FieldSink& sink_;
  const Places* places_ = nullptr;
  std::size_t* start_ = nullptr;
  unsigned code_page_;
};

class FieldSource {
 public:
  virtual ~FieldSource() = default;
  virtual void begin(const char* name) = 0;
  virtual void end() = 0;
  // How many elements the list has; begin_element/end_element stand around each.
  virtual std::size_t begin_list(const char* name) = 0;
  virtual void end_list() = 0;
  virtual std::uint64_t number(const char* name) = 0;
  virtual bool boolean(const char* name) = 0;
  virtual double real(const char* name) = 0;
  virtual std::string text(const char* name) = 0;  // UTF-8
  virtual Bytes bytes(const char* name) = 0;
  virtual mapi::Value value(const char* name, mapi::PropertyType type, Arena& arena) = 0;
  virtual const mapi::Restriction* restriction(const char* name, Arena& arena) = 0;
  virtual void fail(const char* name, const char* why) = 0;
  // Whether the structure begun last has that field; asked where leaving it out means something.
  virtual bool has(const char*) { return true; }
  // Says, before bytes() or begin_list(), how many bytes or elements the structure can only have.
  virtual void expect(std::size_t) {}
};

class FieldBuilder {
 public:
  FieldBuilder(FieldSource& source, Arena& arena, unsigned code_page = 1252)
      : source_(source), arena_(arena), code_page_(code_page) {}

  template <class T>
  void operator()(const char* name, T& x) {
    if constexpr (std::is_same_v<T, bool>) x = source_.boolean(name);
    else if constexpr (std::is_floating_point_v<T>) x = static_cast<T>(source_.real(name));
    else if constexpr (Scalar<T>) x = static_cast<T>(source_.number(name));
    else if constexpr (std::is_same_v<T, mapi::Guid>) {
      if (const auto guid = mapi::guid_from_string(source_.text(name))) x = *guid;
      else source_.fail(name, "is not a GUID");
    }
    else if constexpr (std::is_same_v<T, mapi::Id>) x = mapi::Id(source_.number(name));
    else if constexpr (std::is_same_v<T, mapi::PropertyTag>) x = mapi::PropertyTag(static_cast<std::uint32_t>(source_.number(name)));
    else if constexpr (std::is_same_v<T, FileTime>) x.ticks = source_.number(name);
    else if constexpr (ByteArray<T>) {
      source_.expect(x.size());
      const auto raw = source_.bytes(name);
      if (raw.size() == x.size()) std::memcpy(x.data(), raw.data(), raw.size());
      else source_.fail(name, "has the wrong size");
    }
    else {
      source_.begin(name);
      T::fields(x, *this);
      source_.end();
    }
  }
  void sz(const char* name, Utf16& text) { text = to_utf16(arena_, source_.text(name)); }
  void sz(const char* name, std::string_view& text) { text = arena_.copy(to_code_page(source_.text(name), code_page_)); }
  void bytes(const char* name, View& view, std::size_t size) {
    if (size == any_count) return rest(name, view);
    source_.expect(size);
    rest(name, view);
    check(view.size() == size, name);
  }
  void rest(const char* name, View& view) { view = arena_.copy(View(source_.bytes(name))); }
  template <std::unsigned_integral Count>
  void binary(const char* name, View& view) {
    rest(name, view);
  }
  template <class T>
  void list(const char* name, std::span<const T>& span, std::size_t count) {
    elements(name, span, count, [&](T& element) { (*this)(name, element); });
  }
  template <std::unsigned_integral Count, class T>
  void counted(const char* name, std::span<const T>& span) {
    list(name, span, any_count);
  }
  template <class T, class Context>
  void list_in(const char* name, std::span<const T>& span, std::size_t count, const Context& context) {
    elements(name, span, count, [&](T& element) {
      source_.begin(name);
      T::fields(element, *this, context);
      source_.end();
    });
  }
  // A count follows from its list; the source is asked for the list only.
  template <std::unsigned_integral Count>
  std::size_t count(const char*, std::size_t) {
    return any_count;
  }
  template <std::unsigned_integral Size, class Visit>
  void sized(const char*, Visit visit) {
    visit(*this);
  }
  bool more(bool) const { return true; }  // the source decides
  template <class T>
  void list_to_end(const char* name, std::span<const T>& span) {
    list(name, span, any_count);
  }
  void value(const char* name, mapi::Value& value, mapi::PropertyType type) { value = source_.value(name, type, arena_); }
  void tagged(const char* name, mapi::TaggedValue& value);
  void tagged_list(const char* name, std::span<const mapi::TaggedValue>& values, std::size_t count);
  void restriction(const char* name, const mapi::Restriction*& restriction) { restriction = source_.restriction(name, arena_); }
  void row(const char* name, PropertyRow& row, Columns columns);
  void rows(const char* name, std::span<const PropertyRow>& rows, std::size_t count, Columns columns);
  void check(bool condition, const char* why) {
    if (!condition) source_.fail("", why);
  }

  FieldSource& source() { return source_; }
  Arena& arena() { return arena_; }

 private:
  static constexpr std::size_t any_count = static_cast<std::size_t>(-1);
  template <class T, class Build>
  void elements(const char* name, std::span<const T>& span, std::size_t count, Build build) {
    if (count != any_count) source_.expect(count);
    auto out = arena_.make_span<T>(source_.begin_list(name));
    for (auto& element : out) build(element);
    source_.end_list();
    span = out;
    check(count == any_count || out.size() == count, name);
  }
  FieldSource& source_;
  Arena& arena_;
  unsigned code_page_;
};

}  // namespace mapigate::wire
