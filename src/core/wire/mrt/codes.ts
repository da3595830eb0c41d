/** Types of RFC 6396 section 4 and RFC 8050. */
export const mrtType = { tableDumpV2: 13, bgp4mp: 16, bgp4mpEt: 17 } as const;

export const tableDumpV2 = {
  peerIndexTable: 1,
  ribIpv4: 2,
  ribIpv6: 4,
  ribGeneric: 6,
  ribIpv4AddPath: 8,
  ribIpv6AddPath: 10,
  ribGenericAddPath: 12,
} as const;

export const bgp4mp = {
  stateChange: 0,
  message: 1,
  messageAs4: 4,
  stateChangeAs4: 5,
  messageLocal: 6,
  messageAs4Local: 7,
  messageAddPath: 8,
  messageAs4AddPath: 9,
} as const;
