// mapigate.decode(kind, bytes) and mapigate.encode(kind, fields): blobs by their names, as scripts see structures.
#pragma once

#include <memory>

#include "chain/lua_node.h"

namespace mapigate::chain {

// Larger ones are refused: their tables would not be counted against the script's memory until they are whole.
inline constexpr std::size_t max_script_blob = std::size_t{256} << 10;

// As lua_CFunction, but for `kept`, which holds what must outlive a longjmp.
// decode: the fields and the bytes behind the structure; or nil, why, and the fields up to the failing one.
int decode_blob(lua_State* lua, std::unique_ptr<Node>& kept);
// encode: the bytes; or nil and why.
int encode_blob(lua_State* lua, std::unique_ptr<Node>& kept);

}  // namespace mapigate::chain
