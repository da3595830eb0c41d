// What the packet loops of one wire each know a part of, as one of them would know it. Pure.
#pragma once
#include <vector>

#include "core/network_table.h"
#include "core/resolver.h"

namespace headgate {

// `all` has the networks of one loop after those of another; of each network one remains, in any order. Its resolver is
// the majority's: two votes of Boyer and Moore make one when votes for different ones cancel out (Agarwal et al., Mergeable
// Summaries, PODS 2012).
void merge(std::vector<Network>* all);

// The same of resolvers: their queries are summed.
void merge(std::vector<Resolver>* all);

}  // namespace headgate
