#include "runtime/merge.h"

#include <algorithm>
#include <array>
#include <tuple>

namespace headgate {
namespace {

void add(NetworkRtt* sum, const NetworkRtt& part) {
  const uint32_t samples = sum->samples + part.samples;
  const uint64_t total = uint64_t{sum->rtt_us} * sum->samples + uint64_t{part.rtt_us} * part.samples;
  sum->rtt_us = static_cast<uint32_t>(total / samples);
  sum->samples = static_cast<uint16_t>(std::min<uint32_t>(samples, UINT16_MAX));
}

// Of more links than there is room for those with most samples stay.
void merge_rtts(Network* sum, const Network& part) {
  std::array<NetworkRtt, 2 * kNetworkLinks> all = {};
  std::copy_n(sum->rtt, kNetworkLinks, all.begin());
  size_t used = kNetworkLinks;
  for (const NetworkRtt& rtt : part.rtt) {
    if (rtt.samples == 0) continue;
    const auto same = std::find_if(all.begin(), all.begin() + used,
                                   [&](const NetworkRtt& other) { return other.samples != 0 && other.link == rtt.link; });
    if (same != all.begin() + used)
      add(&*same, rtt);
    else
      all[used++] = rtt;
  }
  std::stable_sort(all.begin(), all.end(), [](const NetworkRtt& a, const NetworkRtt& b) { return a.samples > b.samples; });
  std::copy_n(all.begin(), kNetworkLinks, sum->rtt);
}

bool has_same_resolver(const Network& a, const Network& b) {
  return a.resolver_family == b.resolver_family && std::equal(a.resolver, a.resolver + 2, b.resolver);
}

void merge_votes(Network* sum, const Network& part) {
  if (has_same_resolver(*sum, part)) {
    sum->resolver_votes += part.resolver_votes;
  } else if (sum->resolver_votes >= part.resolver_votes) {
    sum->resolver_votes -= part.resolver_votes;
  } else {
    std::copy_n(part.resolver, 2, sum->resolver);
    sum->resolver_family = part.resolver_family;
    sum->resolver_votes = part.resolver_votes - sum->resolver_votes;
  }
}

void merge_into(Network* sum, const Network& part) {
  if (part.last_seen_ms > sum->last_seen_ms) {
    std::copy_n(part.host, 2, sum->host);
    sum->last_seen_ms = part.last_seen_ms;
  }
  sum->sessions += part.sessions;
  merge_votes(sum, part);
  merge_rtts(sum, part);
}

void merge_into(Resolver* sum, const Resolver& part) { sum->queries += part.queries; }

auto name_of(const Network& network) { return std::tuple(network.family, network.prefix); }
auto name_of(const Resolver& resolver) { return std::tuple(resolver.network, resolver.address[0], resolver.address[1]); }

template <typename T>
void merge_all(std::vector<T>* all) {
  std::sort(all->begin(), all->end(), [](const T& a, const T& b) { return name_of(a) < name_of(b); });
  size_t used = 0;
  for (const T& each : *all) {
    if (used > 0 && name_of((*all)[used - 1]) == name_of(each))
      merge_into(&(*all)[used - 1], each);
    else
      (*all)[used++] = each;
  }
  all->resize(used);
}

}  // namespace

void merge(std::vector<Network>* all) { merge_all(all); }

void merge(std::vector<Resolver>* all) { merge_all(all); }

}  // namespace headgate
