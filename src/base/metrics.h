// Counters and latencies, exposed as text in the Prometheus format.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace mapigate {

class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class Gauge {
 public:
  void add(std::int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  void set(std::int64_t n) { value_.store(n, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

// A histogram of durations with fixed buckets from 50 microseconds to 30 seconds.
class Latency {
 public:
  static constexpr std::array<double, 12> bounds{0.00005, 0.0002, 0.001, 0.005, 0.02, 0.1, 0.25, 0.5, 1, 5, 10, 30};
  void record(std::chrono::nanoseconds duration);
  std::uint64_t count() const { return count_.load(std::memory_order_relaxed); }
  double sum_seconds() const { return static_cast<double>(nanoseconds_.load(std::memory_order_relaxed)) * 1e-9; }
  std::uint64_t bucket(std::size_t i) const { return buckets_[i].load(std::memory_order_relaxed); }

 private:
  std::array<std::atomic<std::uint64_t>, bounds.size()> buckets_{};
  std::atomic<std::uint64_t> count_{0};
  std::atomic<std::uint64_t> nanoseconds_{0};
};

// Owns every metric of a process; main() makes one and hands it down. What it
// gives out lives as long as it does. Asking twice for the same name and labels
// gives the same object. `labels` is written as in Prometheus: `module="imap"`.
class Metrics {
 public:
  Counter& counter(const std::string& name, const std::string& help, const std::string& labels = {});
  Gauge& gauge(const std::string& name, const std::string& help, const std::string& labels = {});
  Latency& latency(const std::string& name, const std::string& help, const std::string& labels = {});
  std::string to_prometheus() const;

 private:
  template <class T>
  struct Family {
    std::string help;
    std::map<std::string, std::unique_ptr<T>> by_labels;
  };
  template <class T>
  static T& find(std::map<std::string, Family<T>>& families, const std::string& name, const std::string& help,
                 const std::string& labels);

  mutable std::mutex mutex_;
  std::map<std::string, Family<Counter>> counters_;
  std::map<std::string, Family<Gauge>> gauges_;
  std::map<std::string, Family<Latency>> latencies_;
};

}  // namespace mapigate
