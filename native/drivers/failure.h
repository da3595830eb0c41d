// The machine said no. Becomes a HeadgateError at the TypeScript side.
#pragma once
#include <string>

namespace headgate {

struct Failure {
  std::string code;     // snake_case, stable: callers tell cases apart by it
  std::string message;  // one line that says what to do
};

}  // namespace headgate
