#include "base/metrics.h"

#include <fmt/format.h>

namespace mapigate {

void Latency::record(std::chrono::nanoseconds duration) {
  const double seconds = std::chrono::duration<double>(duration).count();
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    if (seconds <= bounds[i]) {
      buckets_[i].fetch_add(1, std::memory_order_relaxed);
      break;
    }
  }
  count_.fetch_add(1, std::memory_order_relaxed);
  nanoseconds_.fetch_add(static_cast<std::uint64_t>(duration.count()), std::memory_order_relaxed);
}

template <class T>
T& Metrics::find(std::map<std::string, Family<T>>& families, const std::string& name, const std::string& help,
                 const std::string& labels) {
  auto& family = families[name];
  family.help = help;
  auto& metric = family.by_labels[labels];
  if (!metric) metric = std::make_unique<T>();
  return *metric;
}

Counter& Metrics::counter(const std::string& name, const std::string& help, const std::string& labels) {
  const std::lock_guard lock(mutex_);
  return find(counters_, name, help, labels);
}
Gauge& Metrics::gauge(const std::string& name, const std::string& help, const std::string& labels) {
  const std::lock_guard lock(mutex_);
  return find(gauges_, name, help, labels);
}
Latency& Metrics::latency(const std::string& name, const std::string& help, const std::string& labels) {
  const std::lock_guard lock(mutex_);
  return find(latencies_, name, help, labels);
}

namespace {
std::string braces(const std::string& labels) { return labels.empty() ? "" : "{" + labels + "}"; }

template <class Families>
void write_simple(std::string& out, const Families& families, std::string_view type) {
  for (const auto& [name, family] : families) {
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, family.help, name, type);
    for (const auto& [labels, metric] : family.by_labels)
      out += fmt::format("{}{} {}\n", name, braces(labels), metric->value());
  }
}
}  // namespace

std::string Metrics::to_prometheus() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  write_simple(out, counters_, "counter");
  write_simple(out, gauges_, "gauge");
  for (const auto& [name, family] : latencies_) {
    out += fmt::format("# HELP {} {}\n# TYPE {} histogram\n", name, family.help, name);
    for (const auto& [labels, metric] : family.by_labels) {
      const auto comma = labels.empty() ? "" : ",";
      std::uint64_t running = 0;
      for (std::size_t i = 0; i < Latency::bounds.size(); ++i) {
        running += metric->bucket(i);
        out += fmt::format("{}_bucket{{{}{}le=\"{}\"}} {}\n", name, labels, comma, Latency::bounds[i], running);
      }
      out += fmt::format("{}_bucket{{{}{}le=\"+Inf\"}} {}\n", name, labels, comma, metric->count());
      out += fmt::format("{}_sum{} {}\n{}_count{} {}\n", name, braces(labels), metric->sum_seconds(), name,
                         braces(labels), metric->count());
    }
  }
  return out;
}

}  // namespace mapigate
