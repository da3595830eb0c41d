// From the buffer that TypeScript publishes to the tables that a pipeline reads.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "abi/tables.h"
#include "core/pipeline.h"

namespace headgate {

// How far block and destination indices and links may go in a pipeline that is open.
struct TableLimits {
  uint32_t blocks;
  uint32_t destinations;
  uint32_t links;
};

// nullptr and `error` set when the buffer is not what abi/tables.h says or goes beyond the limits.
// Takes about 0.2 us per prefix; called on the control thread, never on a packet thread.
std::unique_ptr<Tables> decode_tables(const uint8_t* bytes, size_t size, const TableLimits& limits,
                                      std::string& error);

// The same of marks that are published alone, for an engine of so many links.
std::unique_ptr<Marks> decode_marks(std::span<const uint8_t> bytes, uint32_t links, std::string& error);

// What a buffer holds, to open a pipeline for it: indices may go up to what it uses.
bool measure_tables(const uint8_t* bytes, size_t size, TableLimits& limits, std::string& error);

}  // namespace headgate
