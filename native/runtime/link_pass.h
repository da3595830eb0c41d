// Link state passed through a wire: what loses its carrier on one side loses it on the other, as on a cable. Pure.
#pragma once
#include <array>
#include <cstdint>
#include <optional>

namespace headgate {

class LinkPass {
 public:
  struct Port {
    bool is_up = false;  // there, and administratively up
    bool has_carrier = false;
  };

  // By port: whether it is to be set up or down now, or left.
  using Change = std::array<std::optional<bool>, 2>;

  Change step(const std::array<Port, 2>& ports, uint64_t now_ns) {
    Change change;
    for (uint32_t side = 0; side < 2; side++) {
      const uint32_t other = 1 - side;
      const bool has_link = ports[side].is_up && ports[side].has_carrier;
      if (is_lowered_[other] && has_link) {
        change[other] = true;
        is_lowered_[other] = false;
        raised_ns_[other] = now_ns;
      } else if (!has_link && !is_lowered_[side] && !is_settling(side, now_ns) && !is_lowered_[other] &&
                 ports[other].is_up && ports[other].has_carrier) {
        change[other] = false;
        is_lowered_[other] = true;
      }
    }
    return change;
  }

  bool is_lowered(uint32_t side) const { return is_lowered_[side]; }

 private:
  // A card takes seconds to agree on a speed: until then its missing carrier says nothing.
  static constexpr uint64_t kSettleNs = 8'000'000'000;
  bool is_settling(uint32_t side, uint64_t now_ns) const {
    return raised_ns_[side] != 0 && now_ns - raised_ns_[side] < kSettleNs;
  }

  std::array<bool, 2> is_lowered_ = {};
  std::array<uint64_t, 2> raised_ns_ = {};
};

}  // namespace headgate
