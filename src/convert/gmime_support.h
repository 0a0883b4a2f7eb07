// GMime for the sources of this folder; no header that others include may include this one.
#pragma once

#include <gmime/gmime.h>

#include <memory>

namespace mapigate::convert {

struct GObjectUnref {
  void operator()(void* object) const { g_object_unref(object); }
};
template <class T>
using GObjectPtr = std::unique_ptr<T, GObjectUnref>;

// Initialises GMime once; the options are only read afterwards and serve all threads.
GMimeParserOptions* parser_options();

}  // namespace mapigate::convert
