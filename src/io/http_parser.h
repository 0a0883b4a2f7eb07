// Beast's grammar without Beast's containers: fields go into one buffer that is
// reused, so that a request on a kept connection allocates nothing for them.
#pragma once

#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <functional>

#include "base/bytes.h"
#include "io/http_message.h"

namespace mapigate::io {

// What a parser fills in; outlives the parser and is reused.
struct HttpMessage {
  std::string method;
  std::string target;
  unsigned status = 0;
  unsigned version = 11;
  HttpFields fields;
  Bytes body;

  std::size_t body_limit = 0;             // of `body`
  std::atomic<std::size_t>* shared = nullptr;  // bytes of all bodies, with the limit below
  std::size_t shared_limit = 0;
  std::size_t charged = 0;      // our part of `shared`
  std::size_t body_received = 0;
  bool shared_exceeded = false;

  // Whether a request's body goes to its handler as it comes; such a body has no limit here.
  const std::function<bool(std::string_view method, std::string_view target)>* streams = nullptr;
  bool streaming = false;

  void clear() {
    streaming = false;
    method.clear();
    target.clear();
    fields.clear();
    drop_body();
    status = 0;
  }
  void drop_body() {
    constexpr std::size_t worth_keeping = 16 * 1024;
    if (body.capacity() > worth_keeping) Bytes().swap(body);
    body.clear();
    body_received = 0;
    shared_exceeded = false;
    if (shared) shared->fetch_sub(charged, std::memory_order_relaxed);
    charged = 0;
  }
  // False when one of the limits is exceeded.
  bool append(View piece) {
    if (!streaming && piece.size() > body_limit - body.size()) return false;
    if (shared && !streaming) {
      charged += piece.size();
      if (shared->fetch_add(piece.size(), std::memory_order_relaxed) + piece.size() > shared_limit) {
        shared_exceeded = true;
        return false;
      }
    }
    body.insert(body.end(), piece.begin(), piece.end());
    body_received += piece.size();
    return true;
  }
};

template <bool is_request>
class HttpParser : public boost::beast::http::basic_parser<is_request> {
  using Base = boost::beast::http::basic_parser<is_request>;
  using Text = boost::beast::string_view;
  using Code = boost::beast::error_code;

 public:
  HttpParser(HttpMessage& message, std::size_t header_limit) : message_(message) {
    this->header_limit(static_cast<std::uint32_t>(header_limit));
    // HttpMessage counts itself, as the limit may depend on what came before.
    this->body_limit(boost::none);
    this->eager(true);
  }

 private:
  static std::string_view standard(Text text) { return {text.data(), text.size()}; }

  void on_request_impl(boost::beast::http::verb, Text method, Text target, int version, Code&) override {
    message_.method = standard(method);
    message_.target = standard(target);
    message_.version = static_cast<unsigned>(version);
  }
  void on_response_impl(int status, Text, int version, Code&) override {
    message_.status = static_cast<unsigned>(status);
    message_.version = static_cast<unsigned>(version);
  }
  void on_field_impl(boost::beast::http::field, Text name, Text value, Code&) override {
    // After a chunked body come trailers: nothing here uses them, and they must not pass as fields.
    if (!in_body_) message_.fields.add(standard(name), standard(value));
  }
  void on_header_impl(Code&) override {
    in_body_ = true;
    if constexpr (is_request) message_.streaming = message_.streams && *message_.streams && (*message_.streams)(message_.method, message_.target);
  }
  void on_body_init_impl(const boost::optional<std::uint64_t>& length, Code& failed) override {
    if (!length || message_.streaming) return;
    if (*length > message_.body_limit) {
      failed = boost::beast::http::error::body_limit;
      return;
    }
    // A length is only a promise: memory follows what really comes.
    message_.body.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(*length, 64 * 1024)));
  }
  std::size_t on_body_impl(Text body, Code& failed) override {
    if (!message_.append(as_view(standard(body)))) failed = boost::beast::http::error::body_limit;
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, Text, Code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, Text body, Code& failed) override {
    if (!message_.append(as_view(standard(body)))) failed = boost::beast::http::error::body_limit;
    return body.size();
  }
  void on_finish_impl(Code&) override {}

  HttpMessage& message_;
  bool in_body_ = false;
};

// Bytes read and not yet parsed.
struct HttpInput {
  Bytes bytes;
  std::size_t begin = 0;
  std::size_t end = 0;

  std::size_t size() const { return end - begin; }
  const std::uint8_t* data() const { return bytes.data() + begin; }
  void consume(std::size_t n) {
    begin += n;
    if (begin == end) begin = end = 0;
  }
  // Room behind what is there.
  std::span<std::uint8_t> room(std::size_t wanted) {
    if (bytes.size() - end < wanted && begin > 0) {
      std::memmove(bytes.data(), bytes.data() + begin, size());
      end -= begin;
      begin = 0;
    }
    if (bytes.size() - end < wanted) bytes.resize(end + wanted);
    return std::span(bytes).subspan(end);
  }
  void release() {
    if (size() == 0) Bytes().swap(bytes);
  }
};

}  // namespace mapigate::io
