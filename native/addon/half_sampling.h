// Which half-seen sessions are told of, as JavaScript says it: { halfShare: of 2^32, halfKey: 64 bytes }, or neither.
#pragma once
#include <napi.h>

#include <cstdint>
#include <cstring>

#include "core/session.h"

namespace headgate {

inline void read_half_sampling(const Napi::Object& given, uint64_t* share, HashKey* key) {
  const Napi::Value wanted = given.Get("halfShare"), secret = given.Get("halfKey");
  if (!wanted.IsNumber() || !secret.IsTypedArray()) return;
  const auto bytes = secret.As<Napi::Uint8Array>();
  if (bytes.ByteLength() != sizeof *key) return;
  memcpy(key, bytes.Data(), sizeof *key);
  *share = static_cast<uint64_t>(wanted.As<Napi::Number>().Int64Value());
}

}  // namespace headgate
