#include "runtime/merge.h"

#include <map>
#include <utility>

#include "support.h"

namespace headgate::test {
namespace {

Network network(uint64_t prefix, uint32_t sessions, uint64_t resolver, uint32_t votes) {
  Network made = {};
  made.prefix = prefix;
  made.family = 4;
  made.sessions = sessions;
  made.resolver[1] = resolver;
  made.resolver_family = votes == 0 ? 0 : 4;
  made.resolver_votes = votes;
  return made;
}

}  // namespace

TEST_CASE("of networks that several workers met one record remains, with the sessions of all") {
  INFO("seed ", seed());
  Random random(17);
  std::vector<Network> all;
  std::map<uint64_t, uint32_t> sessions;  // the model
  for (unsigned i = 0; i < 500; i++) {
    const uint64_t prefix = random.below(100) * 256;
    const uint32_t count = random.below(50);
    all.push_back(network(prefix, count, 0, 0));
    sessions[prefix] += count;
  }
  merge(&all);
  REQUIRE(all.size() == sessions.size());
  for (const Network& each : all) CHECK(each.sessions == sessions[each.prefix]);
}

TEST_CASE("the resolver that most sessions of a network followed wins, however they were shared out") {
  INFO("seed ", seed());
  Random random(18);
  for (unsigned run = 0; run < 200; run++) {
    // Votes as each worker's table counts them (Boyer and Moore); resolver 1 has more than half of all.
    std::vector<Network> workers(1 + random.below(8), network(256, 0, 0, 0));
    const uint32_t sessions = 20 + random.below(200);
    for (uint32_t i = 0; i < sessions; i++) {
      Network& worker = workers[random.below(static_cast<uint32_t>(workers.size()))];
      const uint64_t resolver = i <= sessions / 2 ? 1 : 2 + random.below(3);
      if (worker.resolver_votes == 0) {
        worker.resolver[1] = resolver;
        worker.resolver_family = 4;
      }
      if (worker.resolver[1] == resolver)
        worker.resolver_votes++;
      else
        worker.resolver_votes--;
    }
    merge(&workers);
    REQUIRE(workers.size() == 1);
    CHECK(workers[0].resolver[1] == 1);
    CHECK(workers[0].resolver_votes > 0);
  }
}

TEST_CASE("round trips are weighed by their samples, and the best known links stay") {
  Network one = network(256, 1, 0, 0), other = network(256, 1, 0, 0);
  one.rtt[0] = {3, 0, 10, 1000};
  one.rtt[1] = {4, 0, 1, 500};
  other.rtt[0] = {3, 0, 30, 2000};
  for (uint8_t i = 1; i < kNetworkLinks; i++) other.rtt[i] = {static_cast<uint8_t>(10 + i), 0, 20, 100};
  one.host[1] = 256 + 1;
  one.last_seen_ms = 5;
  other.host[1] = 256 + 2;
  other.last_seen_ms = 4;
  std::vector<Network> all = {one, other};
  merge(&all);
  REQUIRE(all.size() == 1);
  CHECK(all[0].host[1] == 256 + 1);
  CHECK(all[0].rtt[0].link == 3);
  CHECK(all[0].rtt[0].samples == 40);
  CHECK(all[0].rtt[0].rtt_us == 1750);
  for (const NetworkRtt& rtt : all[0].rtt) CHECK(rtt.link != 4);
}

TEST_CASE("a resolver's queries to several workers are summed") {
  Resolver one = {}, other = {};
  one.network = other.network = 4;
  one.address[1] = 1;
  other.address[1] = 2;
  one.queries = 3;
  other.queries = 5;
  std::vector<Resolver> all = {one, other, one};
  merge(&all);
  REQUIRE(all.size() == 2);
  CHECK(all[0].queries == 6);
  CHECK(all[1].queries == 5);
}

}  // namespace headgate::test
