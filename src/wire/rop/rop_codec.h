// Makes the RopCodec of a ROP from its definition.
#pragma once

#include "wire/read_and_tell.h"
#include "wire/rop/rop_common.h"

namespace mapigate::wire {

// A field list becomes one function without calls for its fixed-size fields. Not where nothing is inlined anyway, and
// not with sanitizers, whose checks would make the functions many times as large, or by clang, which then takes minutes.
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)
#define MAPIGATE_FLAT [[gnu::flatten]]
#else
#define MAPIGATE_FLAT
#endif

template <class T, class V>
void visit_fields(T& s, V& v, const ResponseContext& context) {
  if constexpr (requires { std::remove_const_t<T>::fields(s, v, context); }) std::remove_const_t<T>::fields(s, v, context);
  else std::remove_const_t<T>::fields(s, v);
}

template <class R>
struct CodecOf {
  using Request = typename R::Request;
  using Response = typename R::Response;

  static void apply(Request& request, const RequestContext& context) {
    if constexpr (requires { request.public_logon; }) request.public_logon = context.public_logon;
    (void)request, (void)context;
  }
  MAPIGATE_FLAT static void* read_request(FieldReader& v, const RequestContext& context) {
    auto* s = v.arena().template make<Request>();
    apply(*s, context);
    v.at_once([s](FieldReader& v) { Request::fields(*s, v); });
    return s;
  }
  // Whoever makes a request or response without fields need not give it a body.
  MAPIGATE_FLAT static void write_request(FieldWriter& v, const void* body) {
    if constexpr (!std::is_empty_v<Request>) {
      if (body == nullptr) return v.check(false, "body");
      v.at_once([body](FieldWriter& v) { Request::fields(*static_cast<const Request*>(body), v); });
    }
  }
  static void describe_request(FieldDescriber& v, const void* body) {
    if (body != nullptr) Request::fields(*static_cast<const Request*>(body), v);
  }
  static void* build_request(FieldBuilder& v, Arena& arena, const RequestContext& context) {
    auto* s = arena.make<Request>();
    apply(*s, context);
    Request::fields(*s, v);
    return s;
  }
  static bool response_has_body([[maybe_unused]] mapi::ErrorCode code) {
    if constexpr (!R::response_has_head) return true;
    else if constexpr (requires { Response::on_error; }) return true;
    else if constexpr (requires { Response::has_body(code); }) return Response::has_body(code);
    else return code == mapi::ecNone;
  }
  MAPIGATE_FLAT static void* read_response(FieldReader& v, const ResponseContext& context) {
    auto* s = v.arena().template make<Response>();
    v.at_once([&](FieldReader& v) { visit_fields(*s, v, context); });
    return s;
  }
  MAPIGATE_FLAT static void write_response(FieldWriter& v, const void* body, const ResponseContext& context) {
    if constexpr (!std::is_empty_v<Response>) {
      if (body == nullptr) return v.check(context.ReturnValue != mapi::ecNone, "body");
      v.at_once([&](FieldWriter& v) { visit_fields(*static_cast<const Response*>(body), v, context); });
    }
  }
  static void describe_response(FieldDescriber& v, const void* body, const ResponseContext& context) {
    if (body != nullptr) visit_fields(*static_cast<const Response*>(body), v, context);
  }
  static void* build_response(FieldBuilder& v, Arena& arena, const ResponseContext& context) {
    auto* s = arena.make<Response>();
    visit_fields(*s, v, context);
    return s;
  }
  static void tell_request(FieldTeller& v, const RequestContext& context) {
    Request s{};
    apply(s, context);
    Request::fields(s, v);
  }
  static void tell_response(FieldTeller& v, const ResponseContext& context) {
    Response s{};
    visit_fields(s, v, context);
  }
  static void* make_response_body(Arena& arena) { return arena.make<Response>(); }
  static std::optional<std::uint8_t> output_handle_index([[maybe_unused]] const RopRequest& request) {
    if constexpr (std::string_view(R::handle_name) == output_handle) return request.HandleIndex;
    else if constexpr (requires(Request r) { r.OutputHandleIndex; })
      return static_cast<const Request*>(request.body)->OutputHandleIndex;
    else return {};
  }
  static std::optional<std::uint8_t> second_handle_index([[maybe_unused]] const RopRequest& request) {
    if constexpr (requires(Request r) { r.DestHandleIndex; })
      return static_cast<const Request*>(request.body)->DestHandleIndex;
    else if constexpr (requires(Request r) { r.InputHandleIndex; })
      return static_cast<const Request*>(request.body)->InputHandleIndex;
    else return {};
  }

  static constexpr RopCodec make(const char* name) {
    return {R::id,
            name,
            R::handle_name,
            R::has_request ? &read_request : nullptr,
            &write_request,
            &describe_request,
            &build_request,
            R::has_response,
            R::response_has_head,
            &response_has_body,
            &read_response,
            &write_response,
            &describe_response,
            &build_response,
            &make_response_body,
            &output_handle_index,
            &second_handle_index,
            &tell_request,
            &tell_response};
  }
};

}  // namespace mapigate::wire
