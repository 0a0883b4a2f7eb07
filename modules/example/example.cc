// The module to copy: counts ROPs by kind, and shows each verdict behind a setting.
// docs/first-module.md walks through it.
#include "chain/module.h"
#include "mapi/properties.h"
#include "wire/rop/rops.h"

namespace mapigate::example {

using chain::Ahead;
using chain::Call;
using chain::RopExchange;
using chain::Task;
using chain::Verdict;
using wire::RopId;

// [settings]
const Setting settings[] = {
    {"most_rows", Setting::Type::number, "0", "Most rows that one RopQueryRows may ask for; 0: any number.", "0.1", 0,
     0xFFFF},
    {"keep_unread", Setting::Type::boolean, "false", "Tell the client that messages are marked as read, and mark nothing."},
    {"refuse_deletion", Setting::Type::boolean, "false", "Refuse to delete messages."},
    {"most_submitted", Setting::Type::size, "0", "Largest message that may be submitted; 0: any size."},
};
// [settings]

// [interests]
class Example final : public chain::Module {
 public:
  Example(const chain::Environment& environment, const Settings& settings)
      : most_rows_(static_cast<std::uint16_t>(settings.number("most_rows"))),
        keep_unread_(settings.boolean("keep_unread")),
        refuse_deletion_(settings.boolean("refuse_deletion")),
        most_submitted_(settings.number("most_submitted")) {
    for (const auto& codec : wire::all_rops()) {
      const auto label = fmt::format("module=\"{}\",rop=\"{}\"", environment.name, codec.name);
      counters_[static_cast<std::size_t>(codec.id)] =
          &environment.metrics.counter("mapigate_example_rops_total", "ROPs that clients sent", label);
    }
  }

  chain::Interests interests() const override {
    chain::Interests wanted;
    for (const auto& codec : wire::all_rops()) wanted.rops.push_back(codec.id);
    // Looking at a message takes the state that the ROPs in front of the submission leave.
    wanted.barrier = most_submitted_ != 0;
    return wanted;
  }
  // [interests]

  // [verdicts]
  Task<Verdict> on_rop(Call& call, RopExchange& rop, Ahead& ahead) override {
    counters_[static_cast<std::size_t>(rop.request.id)]->add();
    switch (rop.request.id) {
      case RopId::RopQueryRows: co_return cap_rows(call, rop);
      case RopId::RopSetReadFlags:
        // The response is there already and says success: nothing to fill in.
        co_return keep_unread_ ? Verdict::norelay : Verdict::relay;
      case RopId::RopDeleteMessages:
      case RopId::RopHardDeleteMessages:
        co_return refuse_deletion_ ? Verdict::refuse : Verdict::relay;
      case RopId::RopSubmitMessage: {
        if (most_submitted_ == 0) co_return Verdict::relay;
        Verdict verdict = co_await check_size(call, rop, ahead);
        co_return verdict;
      }
      default: co_return Verdict::relay;
    }
  }

 private:
  // An edit: the ROP goes on, changed.
  Verdict cap_rows(Call& call, RopExchange& rop) const {
    auto* query = rop.request.as<wire::RopQueryRows>();
    if (most_rows_ != 0 && query->RowCount > most_rows_) {
      query->RowCount = most_rows_;
      rop.request.raw = {};
      call.mark_edited();
    }
    return Verdict::relay;
  }
  // [verdicts]

  // [ahead]
  // Asks the server behind us how large the message is; the client sees nothing of it.
  Task<Verdict> check_size(Call& call, RopExchange& rop, Ahead& ahead) {
    wire::RopGetPropertiesSpecific::Request ask;
    ask.PropertyTags = call.arena().copy(std::span<const mapi::PropertyTag>(&mapi::PidTagMessageSize, 1));
    std::vector<wire::RopRequest> rops{
        chain::make_rop<wire::RopGetPropertiesSpecific>(call.arena(), rop.request.LogonId, 0, ask)};
    std::vector<std::uint32_t> handles{rop.handle()};
    auto answer = co_await ahead.execute(std::move(rops), std::move(handles), call.arena());
    if (!answer) throw std::runtime_error("cannot read the message: " + answer.error().message);
    const auto* got = answer->rops.empty() ? nullptr : answer->rops[0].as<wire::RopGetPropertiesSpecific>();
    if (got == nullptr || got->RowData.values.empty()) throw std::runtime_error("the message has no size");
    if (mapi::number_of(got->RowData.values[0]) <= most_submitted_) co_return Verdict::relay;
    rop.refusal = mapi::ecTooBig;
    co_return Verdict::refuse;
  }
  // [ahead]

  std::uint16_t most_rows_;
  bool keep_unread_;
  bool refuse_deletion_;
  std::int64_t most_submitted_;
  std::array<Counter*, 256> counters_{};
};

// [descriptor]
std::unique_ptr<chain::Component> create(const chain::Environment& environment, const Settings& settings) {
  return std::make_unique<Example>(environment, settings);
}

const chain::ModuleDescriptor descriptor{
    .type = "example",
    .summary = "counts ROPs and shows each verdict",
    .settings = settings,
    .on_error = chain::OnError::closed,
    .budget = std::chrono::seconds(10),
    .create = create,
};

}  // namespace mapigate::example

MAPIGATE_MODULE(mapigate::example::descriptor)
// [descriptor]
