#include "runtime/engine.h"

namespace headgate {
namespace {

class NoStage : public Stage {
 public:
  void process(Packet*, uint32_t) override {}
};

hg_passed read(const Passed& passed) { return {passed.frames.get(), passed.packets.get(), passed.bytes.get()}; }

}  // namespace

struct Engine::Member {
  EngineWire options;
  Gate gate;
  NoStage stage;
  Wire wire;  // after what its packet loop uses
};

Engine::Engine() = default;

Engine::~Engine() { close(); }

std::optional<Failure> Engine::open(const std::vector<EngineWire>& wires) {
  for (const EngineWire& options : wires) {
    auto member = std::make_unique<Member>();
    member->options = options;
    WireOptions wire = {options.name, options.inside, options.outside, static_cast<uint16_t>(members_.size()), {}};
    if (const auto failure = member->gate.open(options.name)) {
      if (failure->code != "not_installed") return failure;
    } else {
      hg_gate* const state = member->gate.state();
      wire.heartbeat = Heartbeat(&state->heartbeat_ns, state->stale_ns);
    }
    if (auto failure = member->wire.open(wire, &member->stage)) {
      close();
      return failure;
    }
    members_.push_back(std::move(member));
  }
  return std::nullopt;
}

void Engine::close() {
  while (!members_.empty()) members_.pop_back();
}

std::vector<hg_wire_counts> Engine::wire_counts() const {
  std::vector<hg_wire_counts> all;
  for (const auto& member : members_) {
    hg_wire_counts counts = {};
    for (const uint32_t direction : {HG_INBOUND, HG_OUTBOUND}) {
      counts.unit[direction] = read(member->wire.passed()[direction]);
      if (member->gate.is_open()) counts.bypass[direction] = member->gate.bypassed(direction);
    }
    for (uint32_t why = 0; why < kLosses; why++) {
      counts.lost_inbound[why] = member->wire.losses()[HG_INBOUND].by_reason[why].get();
      counts.lost_outbound[why] = member->wire.losses()[HG_OUTBOUND].by_reason[why].get();
    }
    counts.discarded = member->wire.discarded();
    counts.state = static_cast<uint64_t>(member->wire.state());
    all.push_back(counts);
  }
  return all;
}

std::vector<std::string> Engine::findings() const {
  std::vector<std::string> all;
  for (const auto& member : members_) {
    for (const std::string& line : member->wire.findings()) all.push_back(line);
    if (!member->gate.is_open())
      all.push_back("wire " + member->options.name +
                    " has no gate: it is cut while headgate does not run; `headgate wire install` changes that");
  }
  return all;
}

}  // namespace headgate
