#include "chain/chain.h"

#include <boost/asio/this_coro.hpp>
#include <exception>
#include <stdexcept>

#include "chain/ahead.h"
#include "chain/rop_level.h"
#include "io/runtime.h"

namespace mapigate::chain {

namespace asio = boost::asio;

namespace {

// Of a module that keeps failing, this many failures make one line in the log.
constexpr std::uint64_t failures_per_line = 100;

Task<Result<Verdict>> as_result(Task<Verdict> hook) {
  Verdict verdict = co_await std::move(hook);
  co_return verdict;
}

// Whoever waits for this call has given up: that is not the module's failure.
Task<bool> was_cancelled() {
  auto state = co_await asio::this_coro::cancellation_state;
  co_return state.cancelled() != asio::cancellation_type::none;
}

}  // namespace

Chain::Chain(std::string name, std::vector<Link> links, Metrics& metrics) : name_(std::move(name)) {
  for (auto& link : links) {
    const auto interests = link.module->interests();
    auto& stage = stages_.emplace_back();
    const auto label = fmt::format("module=\"{}\"", link.name);
    stage.link = std::move(link);
    for (const auto operation : interests.calls) stage.calls.set(static_cast<std::size_t>(operation));
    if (interests.every_call) stage.calls.set();
    for (const auto rop : interests.rops) stage.rops.set(static_cast<std::size_t>(rop));
    for (const auto rop : interests.rop_replies) stage.rop_replies.set(static_cast<std::size_t>(rop));
    stage.opaque = interests.opaque;
    stage.barrier = interests.barrier;
    stage.owns_handles = interests.owns_handles;
    tracks_state_ = tracks_state_ || stage.wants_rops();
    stage.seen = &metrics.counter("mapigate_module_calls_total", "Calls and ROPs a module was asked about", label);
    static constexpr std::string_view verdicts[] = {"relay", "norelay", "refuse"};
    for (std::size_t i = 0; i < std::size(verdicts); ++i) {
      stage.verdicts[i] = &metrics.counter("mapigate_module_verdicts_total", "Verdicts of a module",
                                           fmt::format("{},verdict=\"{}\"", label, verdicts[i]));
    }
    stage.errors = &metrics.counter("mapigate_module_errors_total", "Hooks that threw or exceeded their budget", label);
    stage.latency = &metrics.latency("mapigate_module_latency_seconds", "Time in a module's hooks", label);
  }
}

Chain::~Chain() = default;

Task<Result<Reply>> Chain::run(Call& call) {
  Status answered = co_await answer(&call, 0);
  if (!answered) co_return answered.error();
  co_return call.take_reply();
}

Task<Verdict> Chain::as_verdict(Task<> hook) {
  co_await std::move(hook);
  co_return Verdict::relay;
}

Task<> Chain::end_session(Session& session) {
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    Module* module = stages_[i].link.module;
    std::function<Task<Verdict>()> hook = [module, &session] { return as_verdict(module->on_session_end(session)); };
    co_await supervise(i, std::move(hook));
  }
}

Task<Status> Chain::answer(Call* call, std::size_t first) {
  Status answered = co_await descend(call, first);
  if (answered && tracks_state_ && call->operation() == Operation::Execute) call->note_state();
  co_return answered;
}

Task<Status> Chain::descend(Call* call, std::size_t first) {
  for (std::size_t i = first; i < stages_.size(); ++i) {
    if (!stages_[i].sees(call->operation())) continue;
    Status answered = co_await pass_stage(call, i);
    co_return answered;
  }
  co_return error(Errc::unsupported, "no module of the chain \"{}\" answers {}", name_, to_string(call->operation()));
}

Task<Status> Chain::pass_stage(Call* call, std::size_t i) {
  Stage& stage = stages_[i];
  Module* module = stage.link.module;
  AheadOf ahead(*this, *call, i);
  const bool asked = stage.calls.test(static_cast<std::size_t>(call->operation()));
  if (asked) {
    std::function<Task<Verdict>()> hook = [&] { return module->on_call(*call, ahead); };
    Outcome outcome = co_await supervise(i, std::move(hook));
    if (outcome.verdict == Verdict::norelay && !call->has_reply())
      outcome = failed(i, std::make_exception_ptr(std::logic_error("on_call said norelay and set no reply")));
    stage.verdicts[static_cast<std::size_t>(outcome.verdict)]->add();
    if (outcome.verdict == Verdict::refuse && (outcome.failed || !call->has_reply()))
      call->set_reply(error_reply(call->operation(), outcome.failed ? mapi::ecError : mapi::ecAccessDenied));
    if (outcome.verdict != Verdict::relay) co_return Status();
    call->drop_reply();
  }

  Status answered;
  if (call->operation() == Operation::Execute && stage.wants_rops()) {
    RopLevel level(*this, *call, i, ahead);
    answered = co_await level.run();
  } else {
    answered = co_await descend(call, i + 1);
  }
  if (!answered || !asked) co_return answered;

  std::function<Task<Verdict>()> hook = [&] { return as_verdict(module->on_reply(*call, ahead)); };
  Outcome outcome = co_await supervise(i, std::move(hook));
  if (outcome.failed && outcome.verdict == Verdict::refuse)
    call->set_reply(error_reply(call->operation(), mapi::ecError));
  co_return Status();
}

Task<Chain::Outcome> Chain::supervise(std::size_t i, std::function<Task<Verdict>()> hook) {
  Stage& stage = stages_[i];
  stage.seen->add();
  const auto started = Clock::now();
  Outcome outcome;
  std::exception_ptr escaped;
  try {
    Task<Verdict> task = hook();
    if (stage.link.budget.count() == 0) {
      outcome.verdict = co_await std::move(task);
    } else {
      Task<Result<Verdict>> supervised = as_result(std::move(task));
      Result<Verdict> verdict = co_await io::with_deadline(stage.link.budget, std::move(supervised));
      if (verdict) outcome.verdict = *verdict;
      else escaped = std::make_exception_ptr(std::runtime_error(fmt::format("no verdict within its budget of {} ms", stage.link.budget.count())));
    }
  } catch (...) {
    escaped = std::current_exception();
  }
  stage.latency->record(Clock::now() - started);
  if (escaped) {
    bool cancelled = co_await was_cancelled();
    if (cancelled) std::rethrow_exception(escaped);
    outcome = failed(i, escaped);
  }
  co_return outcome;
}

Chain::Outcome Chain::failed(std::size_t i, std::exception_ptr escaped) {
  Stage& stage = stages_[i];
  const bool open = stage.link.on_error == OnError::open;
  const auto before = stage.errors->value();
  stage.errors->add();
  if (before % failures_per_line == 0) {
    log::warning("module {} failed ({} before this): {}; on_error = {}: {}", stage.link.name, before, io::what_escaped(escaped),
                 open ? "open" : "closed", open ? "passed on" : "refused");
  }
  return {open ? Verdict::relay : Verdict::refuse, true};
}

}  // namespace mapigate::chain
