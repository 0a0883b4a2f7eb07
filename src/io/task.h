// What every layer above needs to write a coroutine, and no more of Asio.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

namespace mapigate::io {

// Starts when it is awaited or spawned. Parameters go in by value: a reference
// must outlive the task.
template <class T = void>
using Task = boost::asio::awaitable<T>;

// Where coroutines run. Every executor that Runtime hands out runs one thing at a
// time, so that what is only used on it needs no lock.
using Executor = boost::asio::any_io_executor;

}  // namespace mapigate::io
