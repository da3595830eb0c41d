// From the buffer that TypeScript lays out (abi/engine.h) to the tables that a pipeline reads.
#pragma once
#include <cstdint>
#include <optional>
#include <span>

#include "runtime/engine.h"

namespace headgate {

// How much a pipeline for exactly these tables must hold; session_slots is left alone. read_tables, which
// builds them, is declared beside the engine.
std::optional<Failure> measure_tables(std::span<const uint8_t> bytes, EngineCapacity* capacity);

}  // namespace headgate
