// The one place where Asio and Beast are compiled; see the macros in the top meson.build.
#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/beast/src.hpp>
