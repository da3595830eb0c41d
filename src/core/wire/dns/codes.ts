/** Record types, classes, response codes and EDNS options by number (IANA registry "DNS Parameters"). */
export const rrType = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  DS: 43,
  SSHFP: 44,
  TLSA: 52,
  SVCB: 64,
  HTTPS: 65,
  ANY: 255,
  CAA: 257,
} as const;

export const rrClass = { IN: 1, CH: 3, ANY: 255 } as const;

export const rcode = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  BADVERS: 16,
} as const;

export const ednsOption = { CLIENT_SUBNET: 8, COOKIE: 10 } as const;

/** Bits of the second 16-bit word of the header. */
export const flag = { QR: 0x8000, AA: 0x0400, TC: 0x0200, RD: 0x0100 } as const;

/** Bit of the OPT record's TTL field: the asker wants DNSSEC records. Copied into the answer (RFC 3225). */
export const dnssecOk = 0x8000;

/** Pointer to the question's name, which follows the 12 octets of the header. */
export const questionPointer = 0xc00c;
