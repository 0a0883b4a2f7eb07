// A visitor that reads a structure and tells a sink each field as soon as it is
// read: for dumps of bodies that break off, where the fields before the break
// are what people want to see.
#pragma once

#include "wire/describe.h"

namespace mapigate::wire {

// After a failure nothing more is told; the reader's cursor names the culprit. `start`, if given, is set
// to the offset of each field before it is read, for sinks that tell where things stand.
class FieldTeller {
 public:
  FieldTeller(FieldReader& reader, FieldSink& sink, std::size_t* start = nullptr)
      : reader_(reader), sink_(sink), describer_(sink), start_(start) {
    if (start == nullptr) return;
    reader.note_in(&places_);
    describer_.locate(places_, start);
  }
  ~FieldTeller() { reader_.note_in(nullptr); }
  FieldTeller(const FieldTeller&) = delete;

  template <class T>
  void operator()(const char* name, T& x) {
    if constexpr (is_leaf<T>) {
      mark();
      reader_(name, x);
      if (ok()) describer_(name, x);
    } else {
      if (!ok()) return;
      sink_.begin(name);
      T::fields(x, *this);
      sink_.end();
    }
  }
  template <class Text>
  void sz(const char* name, Text& text) {
    mark();
    reader_.sz(name, text);
    if (ok()) describer_.sz(name, text);
  }
  void bytes(const char* name, View& view, std::size_t size) {
    mark();
    reader_.bytes(name, view, size);
    if (ok()) sink_.bytes(name, view);
  }
  void rest(const char* name, View& view) { bytes(name, view, cursor().left()); }
  template <std::unsigned_integral Count>
  void binary(const char* name, View& view) {
    mark();
    reader_.template binary<Count>(name, view);
    if (ok()) sink_.bytes(name, view);
  }
  template <class T>
  void list(const char* name, std::span<const T>& span, std::size_t count) {
    tell_list(name, span, count, [&](T& element) { (*this)(name, element); });
  }
  template <std::unsigned_integral Count, class T>
  void counted(const char* name, std::span<const T>& span) {
    const auto count = reader_.template count<Count>(name, 0);
    list(name, span, count);
  }
  template <class T, class Context>
  void list_in(const char* name, std::span<const T>& span, std::size_t count, const Context& context) {
    tell_list(name, span, count, [&](T& element) {
      sink_.begin(name);
      T::fields(element, *this, context);
      sink_.end();
    });
  }
  template <std::unsigned_integral Count>
  std::size_t count(const char* name, std::size_t n) {
    mark();
    n = reader_.template count<Count>(name, n);
    if (ok()) sink_.number(name, n, sizeof(Count));
    return n;
  }
  template <std::unsigned_integral Size, class Visit>
  void sized(const char* name, Visit visit) {
    reader_.template sized<Size>(name, [&](FieldReader&) { visit(*this); });
  }
  bool more(bool present) const { return reader_.more(present); }
  template <class T>
  void list_to_end(const char* name, std::span<const T>& span) {
    sink_.begin_list(name, 1);
    span = {};
    for (T element{}; cursor().left() != 0; element = T{}) (*this)(name, element);
    sink_.end_list();
  }
  void value(const char* name, mapi::Value& value, mapi::PropertyType type) {
    mark();
    reader_.value(name, value, type);
    if (ok()) describer_.value(name, value, type);
  }
  void tagged(const char* name, mapi::TaggedValue& value) {
    if (!ok()) return;
    sink_.begin(name);
    mark();
    reader_(name, value.tag);
    if (ok()) describer_("PropertyTag", value.tag);
    mark();
    reader_.value(name, value.value, value.tag.type());
    if (ok()) describer_.value("PropertyValue", value.value, value.tag.type());
    sink_.end();
  }
  void tagged_list(const char* name, std::span<const mapi::TaggedValue>& values, std::size_t count) {
    tell_list(name, values, count, [&](mapi::TaggedValue& value) { tagged(name, value); });
  }
  void restriction(const char* name, const mapi::Restriction*& restriction) {
    mark();
    reader_.restriction(name, restriction);
    tell_restriction(name, restriction);
  }
  // Of one that breaks off what was read before.
  void tell_restriction(const char* name, const mapi::Restriction* restriction) {
    if (ok() || (restriction != nullptr && (start_ != nullptr || !restriction->children.empty()))) describer_.restriction(name, restriction);
  }
  void row(const char* name, PropertyRow& row, Columns columns) {
    mark();
    reader_.row(name, row, columns);
    if (ok() || !row.values.empty()) describer_.row(name, row, columns);
  }
  void rows(const char* name, std::span<const PropertyRow>& rows, std::size_t count, Columns columns) {
    tell_list(name, rows, count, [&](PropertyRow& one) { row(name, one, columns); });
  }
  void check(bool condition, const char* why) { reader_.check(condition, why); }

  // A number that people know by a name.
  template <class T>
  void named(const char* name, T& x, auto name_of) {
    mark();
    reader_(name, x);
    if (ok()) sink_.symbol(name, static_cast<std::uint64_t>(x), sizeof(T), name_of(x));
  }
  // What stands in the bytes only indirectly: the date behind a number of minutes, the names of flags.
  void remark(const char* name, std::string_view text) {
    if (ok()) sink_.text(name, text);
  }
  void within(const char* name, auto visit) {
    if (!ok()) return;
    sink_.begin(name);
    visit();
    sink_.end();
  }
  // For fields that no visitor knows: read them with the reader, tell them with the describer.
  void mark() {
    if (start_ != nullptr) *start_ = cursor().offset();
  }
  bool ok() const { return reader_.ok(); }
  Cursor& cursor() { return reader_.cursor(); }
  Arena& arena() { return reader_.arena(); }
  FieldReader& reader() { return reader_; }
  FieldDescriber& describer() { return describer_; }

 private:
  template <class T>
  static constexpr bool is_leaf = Scalar<T> || std::is_same_v<T, mapi::Guid> || std::is_same_v<T, mapi::Id> ||
                                  std::is_same_v<T, mapi::PropertyTag> || std::is_same_v<T, FileTime> || ByteArray<T>;

  // Elements are told one by one; the list itself is only kept when it is whole.
  template <class T, class Tell>
  void tell_list(const char* name, std::span<const T>& span, std::size_t count, Tell tell) {
    cursor().set_field(name);
    span = {};
    if (!cursor().can_hold(count, 1)) return;
    auto elements = reader_.arena().template make_span<T>(count);
    sink_.begin_list(name, count);
    for (std::size_t i = 0; i < count && ok(); ++i) tell(elements[i]);
    sink_.end_list();
    if (ok()) span = elements;
  }

  FieldReader& reader_;
  FieldSink& sink_;
  FieldDescriber describer_;
  std::size_t* start_;
  Places places_;
};

}  // namespace mapigate::wire
