// Modules written in Lua: the built-in module type "lua". docs/lua.md is their manual.
#pragma once

#include "chain/module.h"

namespace mapigate::chain {

const ModuleDescriptor& lua_module();

}  // namespace mapigate::chain
